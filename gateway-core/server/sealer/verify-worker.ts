import type { MessagePort } from 'node:worker_threads';
import { type Disk, nodeDisk } from '../../audit/disk.js';
import { tileWidth, widthInTree } from '../../audit/layout.js';
import { readBundle } from '../../audit/reader.js';
import { verifyLog } from '../../audit/verify.js';
import type { VerifyReport } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { systemFiles } from '../../recording/files.js';
import { verifyRecordings } from './verify-recordings.js';

export interface VerifyPlaces {
  readonly recordingsDirectory: string;
  readonly recordingKey: Uint8Array;
  readonly logDirectory: string;
  /** The verifier key as it was published; the one beside the log when absent. */
  readonly vkey: string | undefined;
  readonly expectedCheckpoints: readonly string[];
  /** Recordings of sessions that ended before may be gone. */
  readonly keptSinceMs: number;
}

/** A thread for one check of everything: it takes as long as it takes, and sealing goes on beside it. */
export async function main(port: MessagePort, data: unknown): Promise<void> {
  port.postMessage(verifyAll(data as VerifyPlaces));
}

/** The whole log, then every recording against it. */
export function verifyAll(places: VerifyPlaces): VerifyReport {
  const { logDirectory: dir, vkey, expectedCheckpoints } = places;
  const report = verifyLog({ dir, vkey, expectedCheckpoints });
  const log = new LogEntries(nodeDisk(dir, 'read'), report.entries ?? 0);
  const place = {
    files: systemFiles,
    directory: places.recordingsDirectory,
    masterKey: Buffer.from(places.recordingKey),
  };
  try {
    const recordings = verifyRecordings(place, log, places.keptSinceMs);
    const problems = [...report.problems, ...recordings.problems];
    return {
      ...report,
      ok: problems.length === 0,
      proved: [...report.proved, ...recordings.proved],
      problems,
    };
  } catch (error) {
    if (report.ok || !(error instanceof ThroughlineError)) throw error;
    // The log lacks entries, as the report says: nothing can be held against them.
    return report;
  }
}

const bundlesKept = 64;

/** Entries of a log that someone else writes. */
class LogEntries {
  readonly size: number;
  readonly #disk: Disk;
  readonly #bundles = new Map<number, readonly Uint8Array[]>();

  constructor(disk: Disk, size: number) {
    this.#disk = disk;
    this.size = size;
  }

  entry(index: number): Uint8Array {
    const bundle = Math.floor(index / tileWidth);
    let entries = this.#bundles.get(bundle);
    if (entries === undefined) {
      entries = readBundle(this.#disk, bundle, widthInTree(this.size, 0, bundle))?.entries ?? [];
      if (this.#bundles.size >= bundlesKept) this.#bundles.clear();
      this.#bundles.set(bundle, entries);
    }
    const entry = entries[index % tileWidth];
    if (entry === undefined) throw new ThroughlineError('verification-failed', `entry ${index} is not there`);
    return entry;
  }

  *entries(from: number, to: number): IterableIterator<Uint8Array> {
    for (let index = from; index < to; index += 1) yield this.entry(index);
  }
}
