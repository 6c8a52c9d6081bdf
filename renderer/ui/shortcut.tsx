import { useKnown } from './app-state.js';
import { chordText } from './chords.js';
import { useRegistered } from './workbench.js';

/** The keys of a command, as they are set now. Nothing where it has none. */
export function Shortcut({ command }: { readonly command: string }) {
  const own = useKnown(({ preferences }) => preferences.shortcuts[command]);
  const standard = useRegistered(({ commands }) => commands.get(command)?.shortcut);
  const chord = own ?? standard;
  if (chord === undefined || chord === '') return null;
  return <kbd className="tl-keys">{chordText(chord)}</kbd>;
}
