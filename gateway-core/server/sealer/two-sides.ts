import { createHash, type Hash } from 'node:crypto';
import { parseLeaf } from '../../audit/leaf.js';
import type { Log } from '../../audit/log.js';
import { readRowDescription } from '../../codec/postgres/backend.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import type { AuditEvent, EndCause } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { WireSums } from '../../contract/local-record.js';
import { refKeys } from '../../evidence/build/input.js';
import type { RecordingReader } from '../../recording/reader.js';
import { wireEntries } from '../../recording/wire-content.js';
import type { IndexDatabase } from './index-database.js';

/** What the log says of a session that a desktop has recorded, too. */
export type ComparableSession =
  /** It began here. */
  | {
      readonly kind: 'session';
      readonly spool: { readonly device: string; readonly segment: number } | undefined;
      readonly ended:
        | { readonly cause: EndCause; readonly at: string; readonly wire: WireSums | undefined }
        | undefined;
      readonly compared: Compared;
    }
  /** Its id was given out, and what came was no session. */
  | { readonly kind: 'unopened' }
  | { readonly kind: 'unknown'; readonly compared: Compared };

/** Comparisons so far. */
export interface Compared {
  readonly count: number;
  readonly last: Extract<AuditEvent, { kind: 'session.compared' }> | undefined;
}

export function comparable(index: IndexDatabase, log: Pick<Log, 'entry'>, id: SessionId): ComparableSession {
  const compared: Extract<AuditEvent, { kind: 'session.compared' }>[] = [];
  let unopened = false;
  for (const entry of index.refs([refKeys.session(id)])) {
    const event = parseLeaf(log.entry(entry));
    if (event?.kind === 'session.compared') compared.push(event);
    if (event?.kind === 'session.unopened' || event?.kind === 'session.refused') unopened = true;
  }
  const before = { count: compared.length, last: compared.at(-1) };
  const place = index.place(id);
  if (place === undefined) return unopened ? { kind: 'unopened' } : { kind: 'unknown', compared: before };
  const { spool, endedEntry } = place;
  const event = endedEntry === undefined ? undefined : parseLeaf(log.entry(endedEntry));
  const ended =
    event?.kind === 'session.ended' ? { cause: event.endCause, at: event.at, wire: event.wire } : undefined;
  return { kind: 'session', spool, ended, compared: before };
}

/** Hashes of a session's blocks as its recording holds them, 32 bytes each. */
export interface KeptBlocks {
  readonly up: Uint8Array;
  readonly down: Uint8Array;
  /** Some of the recording cannot be read, or is past its retention: the numbers of the blocks are not known. */
  readonly incomplete: boolean;
}

/** `blocksMax`: of each direction; those behind are left out. */
export function keptBlocks(reader: RecordingReader, blocksMax: number): KeptBlocks {
  const found: Record<'up' | 'down', Buffer[]> = { up: [], down: [] };
  for (const { stream, bytes } of reader.content()) {
    if (stream !== 'wire') continue;
    for (const { direction, hash } of wireEntries(bytes)) {
      // A copy: what is kept must not keep the whole frame.
      if (found[direction].length < blocksMax) found[direction].push(Buffer.from(hash));
    }
  }
  return {
    up: Uint8Array.from(Buffer.concat(found.up)),
    down: Uint8Array.from(Buffer.concat(found.down)),
    incomplete: reader.problems.length > 0,
  };
}

/** What the recording says of a result with columns. */
export interface RecordedResult {
  readonly columns: number;
  /** All that the statement returned, kept or not. */
  readonly rows: number;
  /** SHA-256 over its first DataRow messages, as many as were asked for; undefined: they were not all kept. */
  readonly sha256: string | undefined;
}

/**
 * Results with columns of a PostgreSQL session, by their number from 1. `wanted`: after how many rows of which result
 * the hash is taken. Ends where the numbers are not sure any more: at a statement of which not even the columns were
 * kept, or where the recording cannot be read.
 */
export function recordedResults(
  reader: RecordingReader,
  wanted: ReadonlyMap<number, number>,
): Map<number, RecordedResult> {
  const results = new Map<number, RecordedResult>();
  const open = new Map<number, ResultScan>();
  let number = 0;
  for (const item of reader.items()) {
    if (reader.problems.length > 0) break;
    if (item.kind === 'content') {
      if (item.stream !== 'rows') continue;
      let scan = open.get(item.seq);
      if (scan === undefined) {
        number += 1;
        scan = new ResultScan(number, wanted.get(number) ?? 0);
        open.set(item.seq, scan);
      }
      scan.push(item.bytes);
    } else if (item.event.kind === 'statement.ended') {
      const { seq, rest, rows } = item.event;
      const scan = open.get(seq);
      open.delete(seq);
      if (scan !== undefined) results.set(scan.number, scan.result(rest === undefined ? undefined : rows));
      else if (rest !== undefined) break;
    }
  }
  return results;
}

/** Rows are hashed in pieces: one may be as large as memory. */
const pieceBytes = 64 * 1024;

/** What one statement returned, as it was recorded: a RowDescription, then DataRows, cut anywhere. */
class ResultScan {
  readonly number: number;
  readonly #wanted: number;
  readonly #framer = new MessageFramer('backend', {
    messageBytesMax: () => 0x7fff_ffff,
    pieceAboveBytes: (type) => (type === backendTypes.dataRow ? pieceBytes : undefined),
  });
  readonly #hash: Hash = createHash('sha256');
  #columns = 0;
  #rows = 0;

  constructor(number: number, wanted: number) {
    this.number = number;
    this.#wanted = wanted;
  }

  push(bytes: Buffer): void {
    const framer = this.#framer;
    if (framer.malformed !== undefined) return;
    framer.push(bytes);
    for (let event = framer.next(); event !== 'more' && event !== 'malformed'; event = framer.next()) {
      if (framer.type === backendTypes.rowDescription) {
        const read = readRowDescription(framer);
        this.#columns = read.kind === 'malformed' ? 0 : read.columns.length;
      } else if (framer.type === backendTypes.dataRow) {
        if (this.#rows < this.#wanted) this.#hash.update(framer.buffer.subarray(framer.start, framer.end));
        if (event === 'message' || framer.pieceLast) this.#rows += 1;
      }
    }
  }

  /** `rows`: of the whole result, where not all of it was kept. */
  result(rows: number | undefined): RecordedResult {
    const enough = this.#rows >= this.#wanted && this.#framer.malformed === undefined;
    return {
      columns: this.#columns,
      rows: rows ?? this.#rows,
      sha256: enough ? this.#hash.digest('hex') : undefined,
    };
  }
}
