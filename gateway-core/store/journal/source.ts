import type { JournalRecord, JournalSource } from '../../contract/recorder.js';
import { systemCode } from '../private-files.js';
import type { JournalDisk } from './disk.js';
import { nodeDisk } from './disk.js';
import type { JournalFile, Listing } from './files.js';
import { FrameCursor, listJournal } from './files.js';
import { damaged } from './format.js';
import { decodeRecords } from './records.js';

export interface JournalSourceOptions {
  readonly directory: string;
  /** The journal's key, 32 bytes. */
  readonly key: Uint8Array;
  /** For tests. */
  readonly disk?: JournalDisk;
}

interface Open {
  readonly name: string;
  readonly descriptor: number;
  readonly cursor: FrameCursor;
}

/**
 * Opens the journal for reading; there may be a writer at the same time, in this process or none. Reading again
 * from where the last `read` ended costs one directory listing and one read.
 *
 * `read` throws `verification-failed` when records that should be there are missing or do not fit their seal. At
 * the end of the newest file it just ends instead: a frame may be half written there. Records that a power cut or a
 * failed disk took leave gaps in the positions; a position is never used twice.
 */
export function openJournalSource(options: JournalSourceOptions): JournalSource {
  return new Source(options);
}

class Source implements JournalSource {
  readonly #disk: JournalDisk;
  readonly #key: Uint8Array;
  readonly #known = new Map<string, JournalFile>();
  #open: Open | undefined;

  constructor(options: JournalSourceOptions) {
    this.#disk = options.disk ?? nodeDisk(options.directory);
    this.#key = options.key;
  }

  *read(position: number): Generator<JournalRecord, void, undefined> {
    const listing = listJournal(this.#disk, this.#key, this.#known);
    let from = position;
    for (let index = firstFile(listing, position); index < listing.chain.length; index += 1) {
      const file = listing.chain[index];
      if (file === undefined) return;
      const limit = listing.chain[index + 1]?.header.previous;
      const open = this.#cursorFor(file, from, limit?.offset);
      // A rescue has just put another file in its place: the next read finds that one.
      if (open === undefined) return;
      for (;;) {
        const frame = open.cursor.next(limit?.offset);
        if (frame === undefined) break;
        if (frame.firstPosition + frame.records <= from) continue;
        const records = decodeRecords(frame.plain, frame.firstPosition, frame.records, from);
        if (records === undefined) throw damaged('was written by another version', file.name, 0, from);
        from = frame.firstPosition + frame.records;
        yield* records;
      }
      const { offset, tag } = open.cursor.mark;
      if (limit !== undefined && (offset !== limit.offset || !tag.equals(limit.tag))) {
        throw damaged('is damaged', file.name, offset, open.cursor.mark.position);
      }
    }
  }

  release(position: number): void {
    const { chain, loose } = listJournal(this.#disk, this.#key, this.#known);
    const kept = chain.findLastIndex((file) => file.header.firstPosition <= position);
    const before = chain[0]?.header.previous;
    const older = before !== undefined && before.position <= position ? loose : [];
    // Oldest first: what is left after a crash in between is still a chain.
    for (const { name } of [...older, ...chain.slice(0, Math.max(0, kept))]) {
      if (this.#open?.name === name) this.close();
      this.#disk.remove(name);
    }
  }

  close(): void {
    if (this.#open !== undefined) this.#disk.close(this.#open.descriptor);
    this.#open = undefined;
  }

  /** The cursor of the last read if it can go on to `from`, else one at the file's beginning. */
  #cursorFor(file: JournalFile, from: number, limit: number | undefined): Open | undefined {
    const open = this.#open;
    if (open?.name === file.name) {
      const { position, offset } = open.cursor.mark;
      if (position <= from && offset <= (limit ?? offset)) {
        open.cursor.forget();
        return open;
      }
    }
    this.close();
    const descriptor = openIfThere(this.#disk, file.name);
    if (descriptor === undefined) return undefined;
    const cursor = new FrameCursor(this.#disk, descriptor, this.#key, file.start);
    this.#open = { name: file.name, descriptor, cursor };
    return this.#open;
  }
}

/** Index of the file that holds `position`, or would. Throws when that file is missing. */
function firstFile({ chain }: Listing, position: number): number {
  const index = Math.max(
    0,
    chain.findLastIndex((file) => file.header.firstPosition <= position),
  );
  const first = chain[index];
  const before = first?.header.previous;
  if (first !== undefined && before !== undefined && before.position > position) {
    throw damaged(`follows on file ${before.number}, which is missing`, first.name, 0, before.position);
  }
  return index;
}

function openIfThere(disk: JournalDisk, name: string): number | undefined {
  try {
    return disk.open(name, 'read');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
