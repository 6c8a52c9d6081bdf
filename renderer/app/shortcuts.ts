import { useKnown } from '../ui/app-state.js';
import { chordOf, normalChord } from '../ui/chords.js';
import { type Command, mayUse, useRegistered } from '../ui/workbench.js';
import { isAsking } from './dialogs.js';

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
    if (found === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    found.run();
  };
  window.addEventListener('keydown', hear, { capture: true });
  return () => window.removeEventListener('keydown', hear, { capture: true });
}
