import type { HeldFile } from './held.js';
import { Pace } from './pace.js';

const chunkBytes = 1024 * 1024;
/** No line that a gateway writes comes near. */
export const lineBytesMax = 64 * 1024 * 1024;

export interface Line {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The lines of a file, in order, without their ends. What is longer than a line can be is left out: `onTooLong`. */
export async function* linesOf(
  file: HeldFile,
  { pace = new Pace(), onTooLong = () => {} }: { pace?: Pace; onTooLong?: (offset: number) => void } = {},
): AsyncGenerator<Line> {
  let carried = new Uint8Array();
  let skipping = false;
  let offset = 0;
  for (let at = 0; at < file.size; at += chunkBytes) {
    const read = await file.read(at, at + chunkBytes);
    let from = 0;
    for (;;) {
      const end = read.indexOf(10, from);
      if (end < 0) break;
      const bytes = joined(carried, read.subarray(from, end));
      if (!skipping && bytes.length > 0) yield { offset, bytes };
      carried = new Uint8Array();
      skipping = false;
      from = end + 1;
      offset = at + from;
      await pace.turn();
    }
    if (!skipping) carried = joined(carried, read.subarray(from));
    if (carried.length > lineBytesMax) {
      onTooLong(offset);
      carried = new Uint8Array();
      skipping = true;
    }
  }
  if (!skipping && carried.length > 0) yield { offset, bytes: carried };
}

function joined(first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
