import { type DiskReader, damageError } from './disk.js';
import {
  type BundleContent,
  bundleBytesMax,
  decodeBundle,
  decodeTile,
  partialDirectory,
  pendingLeavesMax,
  tileLevels,
  tilePath,
  tileWidth,
  widthInTree,
} from './layout.js';
import { type HashReader, hashBytes, rootOf } from './tree.js';

/** Reading tiles and bundles from the log's directory. Nothing here trusts what it reads: callers compare hashes. */

const tileBytes = tileWidth * hashBytes;
const cachedTilesMax = 64;

/**
 * The first `width` hashes of a tile; undefined when there is none that wide. Where a partial tile is gone the full
 * one has taken its place.
 */
export function readTile(
  disk: DiskReader,
  level: number,
  index: number,
  width: number,
): readonly Uint8Array[] | undefined {
  const exact = disk.read(tilePath(level, index, width), tileBytes);
  if (exact !== undefined || width === tileWidth) return exact && decodeTile(exact, width);
  const full = disk.read(tilePath(level, index), tileBytes);
  return full && decodeTile(full, tileWidth)?.slice(0, width);
}

/** The bundle of the first `width` entries, which may hold fewer or more when it was damaged; undefined: none there. */
export function readBundle(disk: DiskReader, index: number, width: number): BundleContent | undefined {
  const exact = disk.read(tilePath('entries', index, width), bundleBytesMax);
  if (exact !== undefined) return decodeBundle(exact);
  if (width === tileWidth) return undefined;
  const full = disk.read(tilePath('entries', index), bundleBytesMax);
  if (full === undefined) return undefined;
  const { entries, bytesLeft } = decodeBundle(full);
  return { entries: entries.slice(0, width), bytesLeft };
}

/**
 * Whether the files show that the log was once committed beyond `size`, its latest checkpoint's. Unfinished commits
 * leave up to `pendingLeavesMax` entries beyond it; but the partial bundle at the edge is removed only after a larger
 * checkpoint is durable, and no commit is larger than that limit.
 */
export function showsLargerTree(disk: DiskReader, size: number): boolean {
  const index = Math.floor(size / tileWidth);
  const width = size % tileWidth;
  const bundleAt = (place: number, ofWidth?: number): boolean =>
    disk.read(tilePath('entries', place, ofWidth), bundleBytesMax) !== undefined;
  if (width > 0 && !bundleAt(index, width) && bundleAt(index)) return true;
  const beyond = Math.floor((size + pendingLeavesMax) / tileWidth) + 1;
  return bundleAt(beyond) || disk.list(partialDirectory('entries', beyond)).length > 0;
}

/**
 * Reads subtree hashes of a committed tree of `size` leaves from its tiles, keeping up to 64 tiles in memory.
 * Throws ThroughlineError `verification-failed` (`entries-lost`) when a tile is missing or not as wide as it must be.
 */
export function tileHashReader(disk: DiskReader, size: number): HashReader {
  const cache = new Map<string, readonly Uint8Array[]>();
  const tileOf = (level: number, index: number): readonly Uint8Array[] => {
    const path = `${level}/${index}`;
    const cached = cache.get(path);
    if (cached !== undefined) return cached;
    const tile = readTile(disk, level, index, widthInTree(size, level, index));
    if (tile === undefined)
      throw damageError('entries-lost', `tile ${path} of the audit log is missing or cut`);
    if (cache.size >= cachedTilesMax) cache.clear();
    cache.set(path, tile);
    return tile;
  };
  return (level, index) => {
    const tileLevel = Math.floor(level / tileLevels);
    const count = 2 ** (level % tileLevels);
    const start = index * count;
    if ((index + 1) * 2 ** level > size) throw new RangeError('the subtree is not complete in this tree');
    const tile = tileOf(tileLevel, Math.floor(start / tileWidth));
    const offset = start % tileWidth;
    return rootOf(tile.slice(offset, offset + count));
  };
}
