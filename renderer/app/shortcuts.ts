import { useKnown } from '../ui/app-state.js';
import { chordOf, isMac, normalChord } from '../ui/chords.js';
import { type Command, mayUse, useRegistered } from '../ui/workbench.js';
import { isAsking } from './dialogs.js';

/** On a Mac the app's chords have Cmd, and every Ctrl is the shell's anyway. */
const takesControl = !isMac;

/** The chord of a command as it is set now; empty where the person took it away. */
export function chordFor(command: Command): string {
  const own = useKnown.getState().preferences.shortcuts[command.id];
  return normalChord(own ?? command.shortcut ?? '');
}

/** Runs commands by their keys, before any view gets them. Returns how to stop. */
export function listenToKeys(): () => void {
  const hear = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || isAsking()) return;
    // A dialog's keys are its own: Enter in the palette must not run a statement behind it.
    if (event.target instanceof Element && event.target.closest('[role="dialog"]') !== null) return;
    const chord = chordOf(event);
    // A plain letter is always text.
    if (chord === undefined || !/^(Mod|Ctrl|Alt)\+|^F\d/.test(chord)) return;
    const { commands } = useRegistered.getState();
    const found = [...commands.values()].find(
      (command) => chordFor(command) === chord && mayUse(command) && command.when?.() !== false,
    );
    if (found === undefined || isForShell(event.target, chord, found)) return;
    event.preventDefault();
    event.stopPropagation();
    found.run();
  };
  window.addEventListener('keydown', hear, { capture: true });
  return () => window.removeEventListener('keydown', hear, { capture: true });
}

/** In a terminal a plain Ctrl with a letter is the shell's, unless it is a terminal's own command that has it. */
function isForShell(target: EventTarget | null, chord: string, command: Command): boolean {
  if (command.id.startsWith('terminal.') || !/^Mod\+[A-Z[\]\\]$/.test(chord) || !takesControl) return false;
  return target instanceof Element && target.closest('[data-keys="terminal"]') !== null;
}
