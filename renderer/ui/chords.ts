/** Key chords: `Mod+Shift+P`. Mod is Cmd on a Mac, Ctrl elsewhere. */
export const isMac = typeof navigator !== 'undefined' && /mac/i.test(navigator.platform);

/** Keys whose name in an event is not what one writes. */
const named: Readonly<Record<string, string>> = { ' ': 'Space', Escape: 'Esc', '+': 'Plus' };

interface Pressed {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

/** The chord of a key event, in the one order in which chords are written; nothing for a modifier alone. */
export function chordOf(event: Pressed): string | undefined {
  if (/^(Control|Meta|Shift|Alt|AltGraph|Dead|Process|Unidentified)$/.test(event.key)) return undefined;
  const parts: string[] = [];
  if (isMac ? event.metaKey : event.ctrlKey) parts.push('Mod');
  if (isMac && event.ctrlKey) parts.push('Ctrl');
  if (event.altKey) parts.push('Alt');
  if (event.shiftKey) parts.push('Shift');
  // Shift and Alt change what a key writes: a letter or digit is known by its place then.
  const place = /^(?:Key|Digit)([A-Z0-9])$/.exec(event.code)?.[1];
  const key = place !== undefined && (event.shiftKey || event.altKey) ? place : event.key;
  parts.push(named[key] ?? (key.length === 1 ? key.toUpperCase() : key));
  return parts.join('+');
}

/** In one order and case, so that two spellings of one chord are equal. */
export function normalChord(text: string): string {
  const parts = text.split('+').filter((part) => part !== '');
  const key = parts.pop() ?? '';
  const has = (name: string) => parts.some((part) => part.toLowerCase() === name);
  return [
    ...(has('mod') ? ['Mod'] : []),
    ...(has('ctrl') ? ['Ctrl'] : []),
    ...(has('alt') ? ['Alt'] : []),
    ...(has('shift') ? ['Shift'] : []),
    key.length === 1 ? key.toUpperCase() : key,
  ].join('+');
}

/** As this system's people know it. */
export function chordText(chord: string): string {
  const parts = normalChord(chord).split('+');
  if (!isMac) return parts.map((part) => (part === 'Mod' ? 'Ctrl' : part === 'Plus' ? '+' : part)).join('+');
  const signs: Record<string, string> = { Mod: '⌘', Ctrl: '⌃', Alt: '⌥', Shift: '⇧', Enter: '↩', Plus: '+' };
  return parts.map((part) => signs[part] ?? part).join('');
}
