import type { WireDirection } from '../contract/local-record.js';

/**
 * How a recording holds the hashes of a raw stream's blocks, in its content stream `wire`: 33 bytes a block, the
 * direction (0 up, 1 down) and the hash. Blocks of one direction stand in their order.
 */
export const wireEntryBytes = 33;

export function wireEntry(direction: WireDirection, hash: Uint8Array): Buffer {
  const entry = Buffer.allocUnsafe(wireEntryBytes);
  entry[0] = direction === 'up' ? 0 : 1;
  entry.set(hash, 1);
  return entry;
}

/** The entries of a piece of content, which is cut between entries only. Stops at what is none. Hashes are views. */
export function* wireEntries(
  bytes: Buffer,
): Generator<{ readonly direction: WireDirection; readonly hash: Buffer }> {
  for (let at = 0; at + wireEntryBytes <= bytes.length; at += wireEntryBytes) {
    const direction = bytes[at];
    if (direction !== 0 && direction !== 1) return;
    yield { direction: direction === 0 ? 'up' : 'down', hash: bytes.subarray(at + 1, at + wireEntryBytes) };
  }
}
