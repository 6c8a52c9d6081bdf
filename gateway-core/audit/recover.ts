import { type Disk, type DiskReader, damageError } from './disk.js';
import { BundleEdge, TileEdge } from './edge.js';
import {
  checkpointPath,
  hashesAtLevel,
  partialDirectory,
  pendingLeavesMax,
  type TileKind,
  temporaryDirectory,
  tilePath,
  tileRoot,
  tileWidth,
  verifierKeyPath,
} from './layout.js';
import { type LogKey, noteBytesMax, openCheckpoint, parseVerifierKey, signCheckpoint } from './note.js';
import { readBundle, readTile, showsLargerTree, tileHashReader } from './reader.js';
import { emptyRoot, inclusionProof, leafHash, sameHash, verifyInclusion } from './tree.js';

/** The log as its checkpoint says it is, everything at its right edge checked against that checkpoint's root. */
interface Recovered {
  readonly size: number;
  readonly root: Uint8Array;
  /** The checkpoint file's text. */
  readonly note: string;
  readonly tiles: TileEdge;
  readonly bundle: BundleEdge;
}

/** The text of a small file; undefined where there is none. */
export function readText(disk: DiskReader, path: string): string | undefined {
  const bytes = disk.read(path, noteBytesMax);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
}

/** Writes a file beside its place, then moves it there: a reader sees the old bytes or the new ones. */
export function replaceFile(disk: Disk, path: string, text: string): void {
  const temporary = `${temporaryDirectory}/${path}`;
  disk.writeFiles([{ path: temporary, bytes: Buffer.from(text) }]);
  disk.rename(temporary, path);
  disk.syncDirectory('.');
}

/**
 * Opens the log's files for its one writer: starts an empty log, or finds the last committed state and removes what
 * an unfinished commit left. Throws ThroughlineError `verification-failed` when the files hold less than, or
 * something else than, what was signed.
 */
export function recover(disk: Disk, key: LogKey): Recovered {
  const verifier = parseVerifierKey(key.vkey);
  if (verifier === undefined) throw new TypeError('the log key has no valid verifier key');
  disk.makeDirectory(temporaryDirectory);
  for (const name of disk.list(temporaryDirectory)) disk.remove(`${temporaryDirectory}/${name}`);
  keepVerifierKey(disk, key);
  const note = readText(disk, checkpointPath) ?? startEmpty(disk, key);
  const checkpoint = openCheckpoint(note, verifier);
  if (checkpoint === undefined) {
    throw damageError('checkpoint-invalid', 'the checkpoint of the audit log is not signed by its key');
  }
  const { size, root } = checkpoint;
  if (showsLargerTree(disk, size)) {
    throw damageError(
      'rolled-back',
      'the audit log holds more entries than its checkpoint says: the checkpoint is an old one',
    );
  }
  const tiles = TileEdge.restore(size, (level, index, width) => {
    const hashes = readTile(disk, level, index, width);
    if (hashes === undefined) throw lostError(`tile ${level}/${index}`);
    return hashes;
  });
  if (!sameHash(tiles.root(), root)) {
    throw damageError('root-mismatch', 'the tiles of the audit log do not have the root that was signed');
  }
  const bundle = recoverBundle(disk, size, root);
  // A checkpoint that was renamed but not yet durable when the process died becomes durable before it is built on.
  disk.syncDirectory('.');
  removeUnfinished(disk, size);
  return { size, root, note, tiles, bundle };
}

function lostError(what: string): Error {
  return damageError(
    'entries-lost',
    `${what} of the audit log is missing or cut, although a checkpoint covers it`,
  );
}

function keepVerifierKey(disk: Disk, key: LogKey): void {
  const kept = readText(disk, verifierKeyPath);
  if (kept === undefined) replaceFile(disk, verifierKeyPath, `${key.vkey}\n`);
  else if (kept !== `${key.vkey}\n`) {
    throw damageError('key-changed', 'the audit log in this directory was started with another key');
  }
}

function startEmpty(disk: Disk, key: LogKey): string {
  if (disk.list(tileRoot).length > 0) {
    throw damageError('checkpoint-missing', 'the audit log holds entries, but its checkpoint is gone');
  }
  const note = signCheckpoint(key, { size: 0, root: emptyRoot() });
  replaceFile(disk, checkpointPath, note);
  return note;
}

/** The last bundle, each entry checked: against its tile by the last one's inclusion proof, so up to the root. */
function recoverBundle(disk: Disk, size: number, root: Uint8Array): BundleEdge {
  if (size === 0) return new BundleEdge();
  const index = Math.floor((size - 1) / tileWidth);
  const width = size - index * tileWidth;
  const content = readBundle(disk, index, width);
  const hashes = readTile(disk, 0, index, width);
  if (hashes === undefined) throw lostError(`tile 0/${index}`);
  if (content === undefined || content.entries.length !== width) throw lostError(`entry bundle ${index}`);
  const entryHashes = content.entries.map(leafHash);
  const proof = inclusionProof(tileHashReader(disk, size), size - 1, size);
  const last = entryHashes.at(-1) ?? emptyRoot();
  const matches = entryHashes.every((one, place) => sameHash(one, hashes[place] ?? emptyRoot()));
  if (!matches || !verifyInclusion({ index: size - 1, size, leafHash: last, proof, root })) {
    throw damageError('root-mismatch', 'the last entries of the audit log are not those that were signed');
  }
  return width === tileWidth ? new BundleEdge(size) : new BundleEdge(size, content.entries);
}

/** Removes tiles and bundles beyond `size`, which no checkpoint covers: what a crash left of one commit. */
function removeUnfinished(disk: Disk, size: number): void {
  const sizeMax = size + pendingLeavesMax;
  removeBeyond(disk, 'entries', 0, size, sizeMax);
  for (let level = 0; hashesAtLevel(sizeMax, level) > 0; level++)
    removeBeyond(disk, level, level, size, sizeMax);
}

function removeBeyond(disk: Disk, kind: TileKind, level: number, size: number, sizeMax: number): void {
  const hashes = hashesAtLevel(size, level);
  const first = Math.floor(hashes / tileWidth);
  const last = Math.floor(hashesAtLevel(sizeMax, level) / tileWidth);
  for (const name of disk.list(partialDirectory(kind, first))) {
    if (Number(name) > hashes % tileWidth) disk.remove(`${partialDirectory(kind, first)}/${name}`);
  }
  for (let index = first; index <= last; index++) {
    disk.remove(tilePath(kind, index));
    if (index > first) disk.removeDirectory(partialDirectory(kind, index));
  }
}
