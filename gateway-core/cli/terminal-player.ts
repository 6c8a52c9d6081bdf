import { HarmlessOutput } from '../codec/terminal/harmless.js';
import type { ReplayItem } from '../contract/api.js';
import { dim, type Output, print } from './output.js';

/** Plays recorded terminals to the one that this runs in. */
export interface TerminalPlayer {
  /** Whether the item belongs to the terminal that plays, and is not to be printed. */
  add(item: ReplayItem): boolean;
  /** Gives the screen back. Also to be called when the replay is left early. */
  stop(): void;
}

/**
 * One terminal plays at a time; what others do meanwhile is not shown. INVARIANT: besides `print` this is the one way
 * to a person's terminal, and only what paints takes it (codec/terminal/harmless.ts).
 */
export function createTerminalPlayer(output: Output): TerminalPlayer {
  let playing: { readonly seq: number; readonly harmless: HarmlessOutput } | undefined;
  let size: { readonly columns: number; readonly rows: number } | undefined;
  const stop = (): void => {
    if (playing !== undefined) output.write(playing.harmless.restore());
    playing = undefined;
  };
  return {
    stop,
    add: (item) => {
      if (item.kind === 'size' && playing === undefined) size = item;
      if (item.kind === 'terminal' && playing === undefined) {
        playing = { seq: item.seq, harmless: new HarmlessOutput() };
        if (size !== undefined)
          print(output, dim(`  a terminal of ${size.columns} columns and ${size.rows} rows`));
      }
      if (playing === undefined) return item.kind === 'size';
      if (item.kind === 'terminal' && item.seq === playing.seq)
        output.write(playing.harmless.push(item.data));
      if (item.kind === 'session' || item.kind === 'end' || item.kind === 'problem') {
        stop();
        return false;
      }
      if (item.kind !== 'outcome' || item.seq !== playing.seq) return true;
      stop();
      return false;
    },
  };
}
