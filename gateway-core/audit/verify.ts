import type { VerifyReport } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import { systemCode } from '../store/private-files.js';
import { type DiskReader, nodeDisk } from './disk.js';
import { type PlacedTile, TileEdge } from './edge.js';
import { type BundleContent, checkpointPath, tileWidth, verifierKeyPath, widthInTree } from './layout.js';
import { parseLeaf } from './leaf.js';
import { type Checkpoint, fingerprint, openCheckpoint, parseVerifierKey, type VerifierKey } from './note.js';
import { readBundle, readTile, showsLargerTree } from './reader.js';
import { readText } from './recover.js';
import { SessionLedger } from './sessions.js';
import { leafHash, rootOf, sameHash } from './tree.js';

const problemsMax = 1000;

/**
 * Checks a whole log offline: the checkpoint's signature, every entry and every tile under its root, the earlier
 * checkpoints that someone kept, the order of journal positions, and the sequence of events in each session. Reads
 * one bundle at a time. A log that is being written may be checked where it is: what counts is the checkpoint found at
 * the start. A copy made of it meanwhile may hold more than its checkpoint covers, and is then named `rolled-back`.
 *
 * `vkey` is the verifier key as published at install. Without it the key beside the log is used: then the report
 * holds only for a reader who compares `keyFingerprint`. Throws ThroughlineError `invalid-request` when `vkey`
 * is not a verifier key.
 *
 * Codes of problems, all stable. Key and checkpoint: `key-missing`, `key-changed`, `checkpoint-missing`,
 * `checkpoint-invalid`, `rolled-back`, `history-rewritten`, `expected-checkpoint-invalid`. Files: `bundle-missing`,
 * `bundle-cut`, `entries-inserted`, `entries-reordered`, `entry-altered`, `tile-missing`, `tile-altered`,
 * `root-mismatch`, `unreadable`. Content: `leaf-invalid` and those of `SessionLedger`. `too-many` ends a list
 * of 1,000.
 */
export function verifyLog(options: {
  dir: string;
  vkey?: string | undefined;
  expectedCheckpoints?: readonly string[] | undefined;
  disk?: DiskReader;
}): VerifyReport {
  const given = options.vkey === undefined ? undefined : parseVerifierKey(options.vkey.trim());
  if (options.vkey !== undefined && given === undefined) {
    throw new ThroughlineError('invalid-request', 'the verifier key is malformed', {
      action: 'give it as name+hash+key, as it was published',
    });
  }
  return new LogCheck(options.disk ?? nodeDisk(options.dir, 'read')).run(
    given,
    options.expectedCheckpoints ?? [],
  );
}

interface TilePlace {
  readonly index: number;
  /** Width of the tile of level 1 above it. */
  readonly parentWidth: number;
  /** The signed root. */
  readonly root: Uint8Array;
}

function sameHashes(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return left.length === right.length && sameHash(Buffer.concat(left), Buffer.concat(right));
}

class LogCheck {
  readonly #disk: DiskReader;
  readonly #problems: VerifyReport['problems'] = [];
  readonly #proved: string[] = [];
  readonly #tree = new TileEdge();
  readonly #ledger = new SessionLedger();
  /** False once anything but the sequence of events was found wrong: then nothing that rests on it is proved. */
  #filesHold = true;
  /** False once an entry could not be read: the sequence behind it cannot be judged. */
  #sequenceKnown = true;
  #sequenceHolds = true;
  /** Kept checkpoints that are still ahead, smallest first. */
  #kept: readonly Checkpoint[] = [];

  constructor(disk: DiskReader) {
    this.#disk = {
      read: (path, bytesMax) => this.#tolerate(path, undefined, () => disk.read(path, bytesMax)),
      list: (path) => this.#tolerate(path, [], () => disk.list(path)),
    };
  }

  run(given: VerifierKey | undefined, expected: readonly string[]): VerifyReport {
    const verifier = this.#verifierKey(given);
    const checkpoint = verifier && this.#checkpoint(verifier);
    if (verifier !== undefined && checkpoint !== undefined) {
      this.#keptCheckpoints(expected, verifier, checkpoint);
      const complete = this.#walk(checkpoint);
      this.#conclude(verifier, checkpoint, complete, expected.length);
    }
    return {
      ok: this.#problems.length === 0,
      ...(checkpoint === undefined ? {} : { entries: checkpoint.size, sessions: this.#ledger.sessions }),
      proved: this.#proved,
      problems: this.#problems,
      keyFingerprint: verifier === undefined ? '' : fingerprint(verifier.vkey),
    };
  }

  #problem(code: string, where: string, message: string): void {
    this.#filesHold = false;
    this.#list(code, where, message);
  }

  #list(code: string, where: string, message: string): void {
    if (this.#problems.length > problemsMax) return;
    if (this.#problems.length < problemsMax) this.#problems.push({ code, where, message });
    else
      this.#problems.push({
        code: 'too-many',
        where: 'log',
        message: 'there are more problems than are listed',
      });
  }

  #tolerate<T>(path: string, instead: T, act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.#problem('unreadable', path, `the file cannot be read: ${systemCode(error)}`);
      return instead;
    }
  }

  #verifierKey(given: VerifierKey | undefined): VerifierKey | undefined {
    const text = readText(this.#disk, verifierKeyPath)?.trimEnd();
    if (given !== undefined) {
      if (text !== undefined && text !== given.vkey) {
        this.#problem('key-changed', verifierKeyPath, 'the key beside the log is not the one that was given');
      }
      return given;
    }
    const beside = text === undefined ? undefined : parseVerifierKey(text);
    if (beside === undefined) {
      this.#problem(
        'key-missing',
        verifierKeyPath,
        'there is no verifier key beside the log, and none was given',
      );
    }
    return beside;
  }

  #checkpoint(verifier: VerifierKey): Checkpoint | undefined {
    const note = readText(this.#disk, checkpointPath);
    if (note === undefined) {
      this.#problem('checkpoint-missing', checkpointPath, 'the log has no checkpoint');
      return undefined;
    }
    const checkpoint = openCheckpoint(note, verifier);
    if (checkpoint === undefined) {
      this.#problem('checkpoint-invalid', checkpointPath, `the checkpoint is not signed by ${verifier.name}`);
    }
    return checkpoint;
  }

  #keptCheckpoints(expected: readonly string[], verifier: VerifierKey, latest: Checkpoint): void {
    const kept: Checkpoint[] = [];
    for (const [place, note] of expected.entries()) {
      const where = `expected checkpoint ${place + 1}`;
      const checkpoint = openCheckpoint(note, verifier);
      if (checkpoint === undefined) {
        this.#problem('expected-checkpoint-invalid', where, 'it is not signed by the key of this log');
      } else if (checkpoint.size > latest.size) {
        const message = `it covers ${checkpoint.size} entries, the log has only ${latest.size}`;
        this.#problem('rolled-back', where, message);
      } else {
        kept.push(checkpoint);
      }
    }
    this.#kept = kept.sort((left, right) => left.size - right.size);
    this.#compareKept();
  }

  /** Compares the kept checkpoints of the size that the tree has reached. */
  #compareKept(): void {
    const size = this.#tree.size;
    while (this.#kept[0]?.size === size) {
      const [checkpoint, ...rest] = this.#kept;
      this.#kept = rest;
      if (checkpoint === undefined || !sameHash(checkpoint.root, this.#tree.root()))
        this.#problem(
          'history-rewritten',
          `first ${size} entries`,
          'a kept checkpoint signed another root for them',
        );
    }
  }

  /** Goes through all bundles; false when the tree could not be rebuilt to its end. */
  #walk({ size, root }: Checkpoint): boolean {
    for (let index = 0; index * tileWidth < size; index++) {
      const width = widthInTree(size, 0, index);
      const content = readBundle(this.#disk, index, width);
      const entries =
        content?.bytesLeft === 0 && content.entries.length === width ? content.entries : undefined;
      const fromEntries = entries?.map(leafHash);
      const fromTile = readTile(this.#disk, 0, index, width);
      if (entries === undefined) this.#nameBundle(index, width, content);
      if (fromTile === undefined)
        this.#problem('tile-missing', `tile 0/${index}`, 'the tile is missing or cut');
      const hashes =
        fromEntries === undefined || fromTile === undefined || sameHashes(fromEntries, fromTile)
          ? (fromEntries ?? fromTile)
          : this.#judge(
              { index, parentWidth: widthInTree(size, 1, Math.floor(index / tileWidth)), root },
              fromEntries,
              fromTile,
            );
      if (hashes === undefined) return false;
      for (const one of hashes) {
        this.#tree.push(one, (tile) => this.#compareTile(tile));
        this.#compareKept();
      }
      if (entries !== undefined && hashes === fromEntries) this.#checkEvents(index * tileWidth, entries);
      else this.#sequenceKnown = false;
    }
    for (const tile of this.#tree.partials()) this.#compareTile(tile);
    return true;
  }

  /** Level 0 was compared with the entries already. */
  #compareTile({ level, index, width, bytes }: PlacedTile): void {
    if (level === 0) return;
    const onDisk = readTile(this.#disk, level, index, width);
    const where = `tile ${level}/${index}`;
    if (onDisk === undefined) this.#problem('tile-missing', where, 'the tile is missing or cut');
    else if (!sameHash(Buffer.concat(onDisk), bytes)) {
      this.#problem('tile-altered', where, 'the tile does not hold the hashes of the tiles below it');
    }
  }

  #nameBundle(index: number, width: number, content: BundleContent | undefined): void {
    const where = `bundle ${index}`;
    if (content === undefined) this.#problem('bundle-missing', where, 'the entry bundle is missing');
    else if (content.entries.length < width) {
      this.#problem(
        'bundle-cut',
        where,
        `it holds ${content.entries.length} whole entries instead of ${width}`,
      );
    } else this.#problem('entries-inserted', where, `it holds more than its ${width} entries`);
  }

  /**
   * Names which of a bundle and its tile is wrong when they do not agree, and gives the hashes to go on with: those
   * that the tree above vouches for.
   */
  #judge(
    place: TilePlace,
    fromEntries: readonly Uint8Array[],
    fromTile: readonly Uint8Array[],
  ): readonly Uint8Array[] {
    const tileHolds = this.#isVouchedFor(place, fromTile);
    if (!this.#isVouchedFor(place, fromEntries)) this.#nameEntries(place.index, fromEntries, fromTile);
    if (!tileHolds) {
      this.#problem(
        'tile-altered',
        `tile 0/${place.index}`,
        'the tile does not hold the hashes of its entries',
      );
    }
    return tileHolds ? fromTile : fromEntries;
  }

  /** Whether the tree above says that these are the hashes: the tile of level 1, or at the edge the signed root. */
  #isVouchedFor({ index, parentWidth, root }: TilePlace, hashes: readonly Uint8Array[]): boolean {
    if (hashes.length < tileWidth) {
      const tree = this.#tree.clone();
      for (const one of hashes) tree.push(one, () => undefined);
      return sameHash(tree.root(), root);
    }
    const parent = readTile(this.#disk, 1, Math.floor(index / tileWidth), parentWidth);
    const above = parent?.[index % tileWidth];
    return above !== undefined && sameHash(above, rootOf(hashes));
  }

  #nameEntries(index: number, fromEntries: readonly Uint8Array[], fromTile: readonly Uint8Array[]): void {
    const text = (hashes: readonly Uint8Array[]): string =>
      hashes
        .map((one) => Buffer.from(one).toString('hex'))
        .sort()
        .join();
    if (text(fromEntries) === text(fromTile)) {
      this.#problem(
        'entries-reordered',
        `bundle ${index}`,
        'its entries do not stand in the order of its tile',
      );
      return;
    }
    for (const [place, one] of fromEntries.entries()) {
      const signed = fromTile[place];
      if (signed !== undefined && sameHash(one, signed)) continue;
      this.#problem(
        'entry-altered',
        `entry ${index * tileWidth + place}`,
        'it is not the entry that was logged',
      );
    }
  }

  #checkEvents(first: number, entries: readonly Uint8Array[]): void {
    if (!this.#sequenceKnown) return;
    for (const [place, entry] of entries.entries()) {
      const event = parseLeaf(entry);
      const finding =
        event === undefined
          ? { code: 'leaf-invalid', message: 'it is not an event in its canonical form' }
          : this.#ledger.accept(event);
      if (finding === undefined) continue;
      this.#sequenceHolds = false;
      this.#list(finding.code, `entry ${first + place}`, finding.message);
    }
  }

  #conclude(verifier: VerifierKey, checkpoint: Checkpoint, complete: boolean, expected: number): void {
    const { size, root, timeSeconds } = checkpoint;
    const at = timeSeconds === undefined ? '' : ` at ${new Date(timeSeconds * 1000).toISOString()}`;
    this.#proved.push(`${verifier.name} signed a checkpoint of ${size} entries${at}`);
    const rootHolds = complete && sameHash(this.#tree.root(), root);
    if (complete && !rootHolds) {
      this.#problem('root-mismatch', checkpointPath, 'the entries do not have the root that was signed');
    }
    this.#checkBeyond(verifier, size);
    if (!rootHolds || !this.#filesHold) return;
    this.#proved.push('every entry and every tile is under the signed root');
    if (expected > 0) this.#proved.push(`the log still holds what ${expected} kept checkpoints signed`);
    if (this.#sequenceHolds) {
      this.#proved.push(`nothing is missing or out of order in ${this.#ledger.sessions} sessions`);
    }
  }

  /** A running gateway may move the checkpoint on, also while we look: then what it covers counts. */
  #checkBeyond(verifier: VerifierKey, from: number): void {
    let size = from;
    while (showsLargerTree(this.#disk, size)) {
      const note = readText(this.#disk, checkpointPath);
      const now = note === undefined ? undefined : openCheckpoint(note, verifier);
      if (now === undefined || now.size <= size) {
        this.#problem(
          'rolled-back',
          checkpointPath,
          'there are more entries on disk than the checkpoint covers',
        );
        return;
      }
      size = now.size;
    }
  }
}
