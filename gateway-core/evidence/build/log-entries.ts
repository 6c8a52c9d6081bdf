import { type DiskReader, damageError } from '../../audit/disk.js';
import { hashesAtLevel, tilePath, tileWidth, widthInTree } from '../../audit/layout.js';
import { formatProof } from '../../audit/proof.js';
import { readBundle, readTile } from '../../audit/reader.js';
import { type HashReader, inclusionProof } from '../../audit/tree.js';

const bundlesKept = 64;

/**
 * The log as a bundle takes from it: entries by index, the tiles that prove them, and which entries were wanted.
 * Reads what another thread writes: only what a checkpoint covers is asked for.
 */
export class LogEntries {
  readonly #disk: DiskReader;
  readonly #size: number;
  readonly #bundles = new Map<number, readonly Uint8Array[]>();
  readonly #wanted = new Set<number>();

  constructor(disk: DiskReader, size: number) {
    this.#disk = disk;
    this.#size = size;
  }

  /** The entry at `index` belongs into the bundle. */
  want(index: number): void {
    this.#wanted.add(index);
  }

  /** Ascending. */
  wanted(): number[] {
    return [...this.#wanted].sort((a, b) => a - b);
  }

  /** Throws `verification-failed` (`entries-lost`) when it is not there. */
  entry(index: number, size: number = this.#size): Uint8Array {
    const bundle = Math.floor(index / tileWidth);
    const width = widthInTree(size, 0, bundle);
    let entries = this.#bundles.get(bundle);
    // A bundle at the edge may have been read when it held less.
    if (entries === undefined || entries.length < width) {
      entries = readBundle(this.#disk, bundle, width)?.entries ?? [];
      if (this.#bundles.size >= bundlesKept) this.#bundles.clear();
      this.#bundles.set(bundle, entries);
    }
    const entry = entries[index % tileWidth];
    if (entry === undefined) throw damageError('entries-lost', `entry ${index} of the audit log is gone`);
    return entry;
  }
}

/** Tiles of a tree of `size` that prove the entries at `indexes`: each one's path to the root, and the right edge. */
export function* tilesOf(
  disk: DiskReader,
  size: number,
  indexes: readonly number[],
): Generator<{ path: string; bytes: Uint8Array }> {
  let span = 1;
  for (let level = 0; hashesAtLevel(size, level) > 0; level += 1) {
    span *= tileWidth;
    const tiles = new Set(indexes.map((index) => Math.floor(index / span)));
    tiles.add(Math.floor(hashesAtLevel(size, level) / tileWidth));
    for (const index of [...tiles].sort((a, b) => a - b)) {
      const width = widthInTree(size, level, index);
      if (width === 0) continue;
      const hashes = readTile(disk, level, index, width);
      if (hashes === undefined)
        throw damageError('entries-lost', `tile ${level}/${index} of the audit log is gone`);
      yield { path: tilePath(level, index, width), bytes: Buffer.concat(hashes) };
    }
  }
}

/** C2SP tlog-proof of one entry in the tree of `checkpoint`. */
export function proofText(reader: HashReader, index: number, size: number, checkpoint: string): string {
  return formatProof({ index, proof: inclusionProof(reader, index, size), checkpoint });
}
