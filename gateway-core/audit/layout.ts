import { hashBytes } from './tree.js';

/**
 * Names and bytes of https://c2sp.org/tlog-tiles: hash tiles of 256 hashes, entry bundles of 256 entries, partial
 * ones at the right edge. All paths are relative to the log's directory. Pure.
 */

export const tileWidth = 256;
/** Binary tree levels that one tile spans. */
export const tileLevels = 8;
/** The length prefix of an entry in a bundle is a uint16. */
export const entryBytesMax = 65_535;
export const bundleBytesMax = tileWidth * (2 + entryBytesMax);

/** Entries that may wait for a commit, and so the most that a crash can leave on disk beyond a checkpoint. */
export const pendingLeavesMax = 65_536;

export const checkpointPath = 'checkpoint';
/** The verifier key, for whoever has nothing better: not a root of trust. */
export const verifierKeyPath = 'vkey';
/** Files are completed here and renamed to their place. */
export const temporaryDirectory = 'tmp';
export const tileRoot = 'tile';

export type TileKind = number | 'entries';

function encodeIndex(index: number): string {
  let rest = index;
  let path = String(rest % 1000).padStart(3, '0');
  while (rest >= 1000) {
    rest = Math.floor(rest / 1000);
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  return path;
}

/** `tile/<kind>/<index>`, with `.p/<width>` when `width` is below 256. `kind`: a tile level or `entries`. */
export function tilePath(kind: TileKind, index: number, width: number = tileWidth): string {
  const full = `${tileRoot}/${kind}/${encodeIndex(index)}`;
  return width === tileWidth ? full : `${full}.p/${width}`;
}

/** The directory of a tile's partial versions. */
export function partialDirectory(kind: TileKind, index: number): string {
  return `${tilePath(kind, index)}.p`;
}

/** How many hashes there are at a tile level in a tree of `size` leaves. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / tileWidth ** level);
}

/** The width of tile (`level`, `index`) in a tree of `size` leaves: 0 when it has none. */
export function widthInTree(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(tileWidth, hashesAtLevel(size, level) - index * tileWidth));
}

/** One entry as it stands in a bundle: uint16 length, bytes. The caller has checked `entryBytesMax`. */
export function encodeEntry(leaf: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(2 + leaf.length);
  bytes.writeUInt16BE(leaf.length, 0);
  bytes.set(leaf, 2);
  return bytes;
}

/** What a bundle holds: its whole entries, and how many bytes stand behind the last one. */
export interface BundleContent {
  readonly entries: readonly Uint8Array[];
  readonly bytesLeft: number;
}

/** Reads up to 256 entries; never throws. `bytesLeft` is 0 exactly when the bytes are nothing but whole entries. */
export function decodeBundle(bytes: Uint8Array): BundleContent {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (entries.length < tileWidth && offset + 2 <= view.length) {
    const end = offset + 2 + view.readUInt16BE(offset);
    if (end > view.length) break;
    entries.push(view.subarray(offset + 2, end));
    offset = end;
  }
  return { entries, bytesLeft: view.length - offset };
}

/** The hashes of a tile, or undefined when it is not `width` hashes long. */
export function decodeTile(bytes: Uint8Array, width: number): readonly Uint8Array[] | undefined {
  if (bytes.length !== width * hashBytes) return undefined;
  const hashes: Uint8Array[] = [];
  for (let i = 0; i < width; i++) hashes.push(bytes.subarray(i * hashBytes, (i + 1) * hashBytes));
  return hashes;
}
