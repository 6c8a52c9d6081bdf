import { dirname } from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import { type Disk, type DiskFile, damageError, diskError, nodeDisk } from './disk.js';
import type { BundleEdge, PlacedBundle, PlacedTile, TileEdge } from './edge.js';
import {
  checkpointPath,
  entryBytesMax,
  hashesAtLevel,
  partialDirectory,
  pendingLeavesMax,
  temporaryDirectory,
  tilePath,
  tileWidth,
} from './layout.js';
import { parseLeaf } from './leaf.js';
import { type LogKey, signCheckpoint } from './note.js';
import { formatProof } from './proof.js';
import { readBundle, tileHashReader } from './reader.js';
import { readText, recover, replaceFile } from './recover.js';
import { consistencyProof, type HashReader, inclusionProof, leafHash, verifyInclusion } from './tree.js';

/**
 * The tamper-evident log on disk: an RFC 6962 tree as https://c2sp.org/tlog-tiles lays it out, so that any tool that
 * knows that layout can read and check the directory.
 *
 * Life of a leaf
 *
 * 1. `toLeaf` makes the bytes: canonical JSON of an event, its payload replaced by a salted hash.
 * 2. `append` copies them, hashes them and extends the tree's right edge in memory. The index is fixed from here on:
 *    what was appended is never dropped or reordered while the log is open, whatever the disk does.
 * 3. `commit` writes the bundles and tiles that changed to `tmp/`, each made durable there, renames them to their
 *    places and makes the names durable. A partial tile has its width in its name, so no file that a checkpoint
 *    covers is ever written again.
 * 4. `commit` signs the new size and root and renames that over `checkpoint`: this rename is the commit. Before it
 *    the files of step 3 are beyond the checkpoint and count for nothing; after it they are all there.
 * 5. Partial tiles that are now full are removed. Only the full ones are needed.
 * 6. `checkpoint` adds the time to the signature and hands the checkpoint out; `tlogProof` proves a leaf to whoever
 *    holds the verifier key.
 *
 * After a crash `openLog` believes only the checkpoint: it rebuilds the right edge, compares it with the signed root
 * and removes what lies beyond. If the files hold less than the checkpoint says, or something else, it refuses.
 *
 * Hand out what `checkpoint()` returned, not the file: the file may be ahead of what a power cut would leave.
 */
export interface Log {
  /** Committed entries. */
  readonly size: number;
  /**
   * Takes entries, all or none; they count once `commit` has returned. Throws ThroughlineError `too-large` for an
   * entry over 65,535 bytes and `busy` when too much waits for a commit.
   */
  append(leaves: readonly Uint8Array[]): { readonly firstIndex: number };
  /**
   * Makes everything appended durable and signs it. Throws ThroughlineError `not-recordable` when the disk refuses:
   * nothing is lost, and a later call may succeed. Throws `verification-failed` (`other-writer`) when the checkpoint
   * on disk is not ours any more; from then on every call throws.
   */
  commit(): void;
  /** The signed checkpoint of the committed entries, with the time, durable. Errors as `commit`. */
  checkpoint(nowMs: number): string;
  lastLeaf(): Uint8Array | undefined;
  /**
   * One committed entry as it stands on disk. Throws RangeError beyond `size`, `verification-failed` when it is gone,
   * `not-recordable` when the disk does not read: so do all that follow.
   */
  entry(index: number): Uint8Array;
  /** Committed entries `from` up to but not including `to`, in order; reads one bundle at a time. */
  entries(from: number, to: number): IterableIterator<Uint8Array>;
  /** RFC 6962 2.1.1, for any `index < size <= this.size`. */
  inclusionProof(index: number, size: number): Uint8Array[];
  /** RFC 6962 2.1.2, for any `first <= second <= this.size`. */
  consistencyProof(first: number, second: number): Uint8Array[];
  /**
   * A self-contained proof (https://c2sp.org/tlog-proof) that the entry is in the latest committed tree. It was
   * checked before it is returned; throws `verification-failed` when the files no longer prove it.
   */
  tlogProof(index: number): string;
}

/** Bytes of entries that may wait for a commit. */
export const pendingBytesMax = 64 * 1024 * 1024;
const knownDirectoriesMax = 4096;

/**
 * Opens, or starts, the log in `dir` for its single writer: the caller holds the lock of the data directory, because
 * opening removes what an unfinished commit left. `key` must be the key of `origin`. Throws
 * ThroughlineError `invalid-config` for a key of another log, `not-recordable` when the disk refuses, and
 * `verification-failed` (with a `problem` field) when the directory does not hold what was signed: it never starts
 * anew over a damaged log. `disk` replaces the file system in tests.
 */
export function openLog(options: { dir: string; origin: string; key: LogKey; disk?: Disk }): Log {
  const { dir, origin, key } = options;
  if (key.name !== origin) {
    throw new ThroughlineError('invalid-config', 'the log key belongs to another log', {
      action: `use the key of ${origin}`,
    });
  }
  return asLogErrors('opened', () => new DiskLog(options.disk ?? nodeDisk(dir, 'write'), key));
}

/**
 * The journal position of the last committed event that came from the journal: where a sealer goes on, after it.
 * Undefined when there is none. Throws `verification-failed` when an entry on the way is not an event.
 */
export function lastPosition(log: Pick<Log, 'size' | 'entry'>): number | undefined {
  for (let index = log.size - 1; index >= 0; index--) {
    const event = parseLeaf(log.entry(index));
    if (event === undefined)
      throw damageError('leaf-invalid', `entry ${index} of the audit log is not an event`);
    if (event.pos !== undefined) return event.pos;
  }
  return undefined;
}

/** Turns what the system throws into a typed error; everything else passes. */
function asLogErrors<T>(step: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const fromDisk = error instanceof Error && 'code' in error && !(error instanceof ThroughlineError);
    throw fromDisk ? diskError(step, error) : error;
  }
}

class DiskLog implements Log {
  readonly #disk: Disk;
  readonly #key: LogKey;
  readonly #tiles: TileEdge;
  readonly #bundle: BundleEdge;
  #size: number;
  #root: Uint8Array;
  #read: HashReader;
  /** The checkpoint of `#size` and `#root`. */
  #note: string;
  /** What the checkpoint file held when we last knew. Not `#note` only while an attempt's outcome is unknown. */
  #noteOnDisk: string;
  /** The checkpoint of an attempt that failed: it may be on disk, durably or not. */
  #attemptedNote: string | undefined;
  #failed: unknown;
  #filledTiles: PlacedTile[] = [];
  #filledBundles: PlacedBundle[] = [];
  #pendingBytes = 0;
  #lastLeaf: Uint8Array | undefined;
  #cached: { readonly index: number; readonly entries: readonly Uint8Array[] } | undefined;
  readonly #knownDirectories = new Set<string>(['.']);

  constructor(disk: Disk, key: LogKey) {
    const recovered = recover(disk, key);
    this.#disk = disk;
    this.#key = key;
    this.#tiles = recovered.tiles;
    this.#bundle = recovered.bundle;
    this.#size = recovered.size;
    this.#root = recovered.root;
    this.#note = recovered.note;
    this.#noteOnDisk = recovered.note;
    this.#read = tileHashReader(disk, recovered.size);
  }

  get size(): number {
    return this.#size;
  }

  append(leaves: readonly Uint8Array[]): { readonly firstIndex: number } {
    if (this.#failed !== undefined) throw this.#failed;
    const firstIndex = this.#tiles.size;
    let bytes = 0;
    for (const leaf of leaves) {
      bytes += leaf.length;
      if (leaf.length > entryBytesMax) {
        throw new ThroughlineError('too-large', 'an entry of the audit log has at most 65,535 bytes');
      }
    }
    if (
      firstIndex + leaves.length - this.#size > pendingLeavesMax ||
      this.#pendingBytes + bytes > pendingBytesMax
    ) {
      throw new ThroughlineError('busy', 'too many entries wait to be committed', {
        action: 'commit, then append',
      });
    }
    this.#pendingBytes += bytes;
    for (const leaf of leaves) {
      this.#bundle.push(leaf, (bundle) => this.#filledBundles.push(bundle));
      this.#tiles.push(leafHash(leaf), (tile) => this.#filledTiles.push(tile));
    }
    return { firstIndex };
  }

  commit(): void {
    if (this.#failed !== undefined) throw this.#failed;
    const size = this.#tiles.size;
    if (size === this.#size) return;
    const root = this.#tiles.root();
    asLogErrors('written', () => {
      this.#writeFiles(this.#changedFiles(size));
      this.#publish(signCheckpoint(this.#key, { size, root }));
    });
    const superseded = this.#superseded();
    this.#size = size;
    this.#root = root;
    this.#read = tileHashReader(this.#disk, size);
    this.#filledBundles = [];
    this.#filledTiles = [];
    this.#pendingBytes = 0;
    this.#lastLeaf = undefined;
    this.#cached = undefined;
    this.#removeDirectories(superseded);
  }

  checkpoint(nowMs: number): string {
    if (this.#failed !== undefined) throw this.#failed;
    // An attempt that may already show on disk is finished first: the file must never go back to a smaller tree.
    if (this.#attemptedNote !== undefined) this.commit();
    const note = signCheckpoint(this.#key, { size: this.#size, root: this.#root }, nowMs);
    asLogErrors('written', () => this.#publish(note));
    return note;
  }

  lastLeaf(): Uint8Array | undefined {
    if (this.#size === 0) return undefined;
    this.#lastLeaf ??= this.entry(this.#size - 1);
    return this.#lastLeaf;
  }

  entry(index: number): Uint8Array {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#size) {
      throw new RangeError('the entry is not in the log');
    }
    const bundleIndex = Math.floor(index / tileWidth);
    if (this.#cached?.index !== bundleIndex) {
      const width = Math.min(tileWidth, this.#size - bundleIndex * tileWidth);
      const content = asLogErrors('read', () => readBundle(this.#disk, bundleIndex, width));
      this.#cached = { index: bundleIndex, entries: content?.entries ?? [] };
    }
    const entry = this.#cached.entries[index - bundleIndex * tileWidth];
    if (entry === undefined) throw damageError('entries-lost', `entry ${index} of the audit log is gone`);
    return entry;
  }

  *entries(from: number, to: number): IterableIterator<Uint8Array> {
    for (let index = from; index < to; index++) yield this.entry(index);
  }

  inclusionProof(index: number, size: number): Uint8Array[] {
    if (size > this.#size) throw new RangeError('the tree is not committed');
    return asLogErrors('read', () => inclusionProof(this.#read, index, size));
  }

  consistencyProof(first: number, second: number): Uint8Array[] {
    if (second > this.#size) throw new RangeError('the tree is not committed');
    return asLogErrors('read', () => consistencyProof(this.#read, first, second));
  }

  tlogProof(index: number): string {
    const size = this.#size;
    const entryHash = leafHash(this.entry(index));
    const proof = this.inclusionProof(index, size);
    if (!verifyInclusion({ index, size, leafHash: entryHash, proof, root: this.#root })) {
      throw damageError('root-mismatch', `entry ${index} of the audit log is not the one that was signed`);
    }
    return formatProof({ index, proof, checkpoint: this.#note });
  }

  /** What has to be on disk for a tree of `size` leaves and is not yet. */
  #changedFiles(size: number): DiskFile[] {
    const bundle = this.#bundle.partial();
    const bundles = bundle === undefined ? this.#filledBundles : [...this.#filledBundles, bundle];
    const partials = this.#tiles
      .partials()
      .filter(({ level }) => hashesAtLevel(size, level) !== hashesAtLevel(this.#size, level));
    return [
      ...bundles.map(({ index, width, bytes }) => ({ path: tilePath('entries', index, width), bytes })),
      ...[...this.#filledTiles, ...partials].map(({ level, index, width, bytes }) => ({
        path: tilePath(level, index, width),
        bytes,
      })),
    ];
  }

  /** INVARIANT: when this returns, every file is durable under its name; until then `checkpoint` covers none of them. */
  #writeFiles(files: readonly DiskFile[]): void {
    const temporary = (place: number): string => `${temporaryDirectory}/${place}`;
    const toSync = new Set<string>();
    const created = new Set<string>();
    try {
      this.#disk.writeFiles(files.map(({ bytes }, place) => ({ path: temporary(place), bytes })));
      for (const [place, { path }] of files.entries()) {
        this.#makeDirectories(dirname(path), toSync, created);
        this.#disk.rename(temporary(place), path);
        toSync.add(dirname(path));
      }
      for (const directory of toSync) this.#disk.syncDirectory(directory);
    } catch (error) {
      // A full disk would stay full while the attempt lies on it.
      for (const place of files.keys()) attempt(() => this.#disk.remove(temporary(place)));
      throw error;
    }
    if (this.#knownDirectories.size > knownDirectoriesMax) {
      this.#knownDirectories.clear();
      this.#knownDirectories.add('.');
    }
    for (const directory of created) this.#knownDirectories.add(directory);
  }

  #makeDirectories(path: string, toSync: Set<string>, created: Set<string>): void {
    if (this.#knownDirectories.has(path) || created.has(path)) return;
    this.#makeDirectories(dirname(path), toSync, created);
    this.#disk.makeDirectory(path);
    toSync.add(dirname(path));
    created.add(path);
  }

  #publish(note: string): void {
    const found = readText(this.#disk, checkpointPath);
    if (found === undefined || (found !== this.#noteOnDisk && found !== this.#attemptedNote)) {
      this.#failed = damageError(
        'other-writer',
        'the checkpoint of the audit log was changed by someone else',
      );
      throw this.#failed;
    }
    this.#noteOnDisk = found;
    this.#attemptedNote = note;
    replaceFile(this.#disk, checkpointPath, note);
    this.#noteOnDisk = note;
    this.#attemptedNote = undefined;
    this.#note = note;
  }

  /** Where the last commit left partial versions of what is full now. */
  #superseded(): string[] {
    const wasOpen = (level: number, index: number): boolean =>
      index === Math.floor(hashesAtLevel(this.#size, level) / tileWidth);
    return [
      ...this.#filledBundles
        .filter(({ index }) => wasOpen(0, index))
        .map(({ index }) => partialDirectory('entries', index)),
      ...this.#filledTiles
        .filter(({ level, index }) => wasOpen(level, index))
        .map(({ level, index }) => partialDirectory(level, index)),
    ];
  }

  #removeDirectories(directories: readonly string[]): void {
    for (const directory of directories) {
      this.#knownDirectories.delete(directory);
      // Left behind it costs space, nothing else.
      attempt(() => this.#disk.removeDirectory(directory));
    }
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The caller goes on without it.
  }
}
