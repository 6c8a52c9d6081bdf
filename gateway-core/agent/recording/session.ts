import type { Duplex } from 'node:stream';
import type { SessionId } from '../../contract/ids.js';
import type { LocalRecord, WireDirection } from '../../contract/local-record.js';
import { WireHash } from '../../recording/wire-sum.js';
import type { StreamFacts } from '../client/gateway.js';
import { type SpoolClock, stamp } from '../spool/clock.js';
import type { Urgency } from '../spool/writer.js';

const hashesPerRecord = 256;
const recordsPerAppend = 500;
/** Notes, hashes counted each, that may wait for the disk: a session that is further ahead of its record is cut. */
const notesWaitingMax = 100_000;

/** What a session's notes go to. */
export interface Notes {
  append(records: readonly LocalRecord[], urgency: Urgency): Promise<void>;
}

/** A result as a built-in client showed it. */
export interface ShownResult {
  /** Of the session's results with columns, counted from 1. */
  readonly result: number;
  readonly columns: number;
  readonly rows: number;
  /** Over the DataRow messages as they came, hex. */
  readonly sha256: string;
  readonly complete: boolean;
}

/** A result as a file that the person keeps. */
export interface KeptResult {
  readonly result: number;
  readonly format: string;
  readonly rows: number;
  readonly bytes: number;
  /** Of the file, hex. */
  readonly sha256: string;
}

interface Side {
  readonly direction: WireDirection;
  readonly hash: WireHash;
  waiting: string[];
  /** Number of the first one that waits. */
  from: number;
}

/**
 * This desktop's record of one session: hashes of what passes in both directions, and what a built-in client makes of
 * it. The stream is not wrapped but listened to at its own methods: a chunk costs one hash and no copy.
 */
export class RecordedSession {
  readonly id: SessionId;
  readonly #facts: StreamFacts;
  readonly #stream: Duplex;
  readonly #notes: Notes;
  readonly #clock: SpoolClock;
  readonly #up: Side;
  readonly #down: Side;
  /** Who said first that it is over. */
  #ended: 'client' | 'gateway' | 'fault' | undefined;
  /** Notes of one session are written in their order; those that come meanwhile go together. */
  #waiting: LocalRecord[] = [];
  #waitingNotes = 0;
  #writing: Promise<void> | undefined;
  /** Resolves when everything about it was handed to the disk. */
  readonly closed: Promise<void>;

  /** From here on everything is hashed. To be called before anybody reads or writes the stream. */
  constructor(stream: Duplex, facts: StreamFacts, notes: Notes, clock: SpoolClock) {
    this.id = facts.session;
    this.#facts = facts;
    this.#stream = stream;
    this.#notes = notes;
    this.#clock = clock;
    this.#up = this.#side('up');
    this.#down = this.#side('down');
    if (facts.head.length > 0) this.#down.hash.update(facts.head);
    this.#listen();
    this.closed = new Promise((resolve) => {
      stream.once('close', () => void this.#close().finally(resolve));
    });
  }

  /** Resolves once its beginning is durable. @throws ThroughlineError not-recordable */
  open(version: string): Promise<void> {
    const { session, connection, by, lineage } = this.#facts;
    const [leaf] = lineage?.kind === 'attributed' ? lineage.processes : [];
    const opened: LocalRecord = {
      ...stamp(this.#clock),
      kind: 'opened',
      session,
      connection,
      by,
      lineage: lineage?.kind ?? 'unattributed',
      ...(leaf === undefined ? {} : { pid: leaf.pid, startTicks: leaf.startTicks }),
      version: version.slice(0, 64),
    };
    return this.#notes.append([opened], 'new');
  }

  shown(result: ShownResult): void {
    this.#note({ ...stamp(this.#clock), kind: 'shown', session: this.id, ...result });
  }

  kept(result: KeptResult): void {
    this.#note({ ...stamp(this.#clock), kind: 'kept', session: this.id, ...result });
  }

  /** Hands over the hashes that wait. */
  flush(): void {
    for (const record of this.#wire()) this.#note(record);
  }

  #side(direction: WireDirection): Side {
    const hash = new WireHash(this.#facts.salt, (block) => {
      side.waiting.push(block.hash.toString('hex'));
      if (side.waiting.length >= hashesPerRecord) this.flush();
    });
    const side: Side = { direction, hash, waiting: [], from: 0 };
    return side;
  }

  #listen(): void {
    const stream = this.#stream;
    const [push, write, end] = [stream.push.bind(stream), stream.write.bind(stream), stream.end.bind(stream)];
    // What came in is hashed before anybody can read it; what goes out before anything is done with it.
    stream.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      if (chunk === null) this.#ended ??= 'gateway';
      else this.#down.hash.update(chunk);
      return push(chunk, encoding);
    };
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      this.#sent(chunk, rest[0]);
      return (write as (...all: unknown[]) => boolean)(chunk, ...rest);
    };
    stream.end = (...all: unknown[]) => {
      this.#ended ??= 'client';
      // Node's own `end` writes past `write`.
      if (all[0] !== undefined && all[0] !== null && typeof all[0] !== 'function') this.#sent(all[0], all[1]);
      return (end as (...all: unknown[]) => Duplex)(...all);
    };
    stream.once('error', () => {
      this.#ended ??= 'gateway';
    });
  }

  #sent(chunk: unknown, encoding: unknown): void {
    if (chunk instanceof Uint8Array) this.#up.hash.update(chunk);
    else this.#up.hash.update(Buffer.from(String(chunk), (encoding ?? 'utf8') as BufferEncoding));
  }

  #wire(): LocalRecord[] {
    return [this.#up, this.#down].flatMap((side) => {
      const records: LocalRecord[] = [];
      while (side.waiting.length > 0) {
        const hashes = side.waiting.splice(0, hashesPerRecord);
        const { direction, from } = side;
        side.from += hashes.length;
        records.push({ ...stamp(this.#clock), kind: 'wire', session: this.id, direction, from, hashes });
      }
      return records;
    });
  }

  async #close(): Promise<void> {
    const [up, down] = [this.#up.hash.finish(), this.#down.hash.finish()];
    const closed: LocalRecord = {
      ...stamp(this.#clock),
      kind: 'closed',
      session: this.id,
      up,
      down,
      cause: this.#ended ?? 'client',
    };
    await this.#writing;
    // The spool counts what it could not keep, and says so later.
    await this.#notes.append([...this.#wire(), closed], 'ending').catch(() => undefined);
  }

  #note(record: LocalRecord): void {
    this.#waiting.push(record);
    this.#waitingNotes += weightOf(record);
    if (this.#waitingNotes > notesWaitingMax) {
      this.#ended = 'fault';
      this.#stream.destroy();
    }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    // What is noted in this very turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const records = this.#waiting.splice(0, recordsPerAppend);
      await this.#notes.append(records, 'new').catch(() => undefined);
      for (const record of records) this.#waitingNotes -= weightOf(record);
    }
  }
}

const weightOf = (record: LocalRecord): number => (record.kind === 'wire' ? record.hashes.length : 1);
