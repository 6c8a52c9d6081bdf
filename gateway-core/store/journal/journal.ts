import type { Appended } from '../../contract/decision.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { AuditEventInput } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { ContentStream, Durability, JournalFailure, Recorder } from '../../contract/recorder.js';
import { privateDirectory, systemCode } from '../private-files.js';
import type { Backlog } from './backlog.js';
import type { JournalDisk } from './disk.js';
import { nodeDisk } from './disk.js';
import { journalLimits } from './format.js';
import { JournalLog } from './log.js';
import { Batch, decodeRecords } from './records.js';
import type { Recovery, Verified } from './verify.js';
import { verifyJournal } from './verify.js';

export interface JournalOptions {
  /** Created 0700 when absent. One writer at a time: the caller sees to that. */
  readonly directory: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Stands on every event; at most 64 characters. */
  readonly node: string;
  readonly nowMs: () => number;
  /**
   * Everything before stands durably elsewhere (the sealer's own state). The journal never gives a lower position
   * again, even if a power cut took records that the sealer has kept. 0: not known.
   */
  readonly minimumPosition?: number;
  /** For tests: another disk, other sizes. */
  readonly disk?: JournalDisk;
  readonly fileBytes?: number;
  readonly reserveBytes?: number;
  readonly aheadBytes?: number;
}

interface Waiter {
  readonly position: number;
  /** One of the two. Kept as they were given: closures around them showed in the profile. */
  readonly appended: ((appended: Appended | JournalFailure) => void) | undefined;
  readonly flushed: ((failure?: JournalFailure) => void) | undefined;
}

interface Refusal {
  readonly waiter: Waiter;
  readonly failure: JournalFailure;
}

/** What may still be written into the reserve when the disk takes nothing else. */
const closingKinds: ReadonlySet<AuditEventInput['kind']> = new Set([
  'session.ended',
  'statement.ended',
  'gateway.stopped',
]);

/**
 * Opens the journal for writing, after checking what is there and cutting a torn tail. Throws
 * `verification-failed` when the journal is damaged, `invalid-config` when the directory is open to others, and
 * `not-recordable` when the disk cannot be read or takes no new file.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  if (options.key.length !== 32) throw new Error('the journal key has 32 bytes');
  if (options.disk === undefined) privateDirectory(options.directory, 'none');
  const disk = options.disk ?? nodeDisk(options.directory);
  const minimumPosition = options.minimumPosition ?? 0;
  try {
    const found = await verifyJournal(disk, options.key, minimumPosition);
    const first = Math.max(found.endPosition, minimumPosition);
    const fileBytes = options.fileBytes ?? journalLimits.fileBytes;
    const reserveBytes = options.reserveBytes ?? journalLimits.reserveBytes;
    const aheadBytes = options.aheadBytes ?? journalLimits.aheadFirstBytes;
    const sizes = { fileBytes, reserveBytes, aheadBytes };
    const log = await JournalLog.open({ disk, key: options.key, ...sizes }, found, first);
    return new Journal(options, log, found, first);
  } catch (error) {
    throw error instanceof ThroughlineError ? error : failureOf(error);
  }
}

/**
 * The gateway's write-ahead journal: see `Recorder`. The calls of one turn of the event loop become one sealed batch
 * and one write; callers of `durable` share one fdatasync, of which at most one is under way.
 *
 * Callbacks keep call order among the calls that ask for the same durability; a recorded one does not wait for a
 * durable one before it. Content over `contentRecordBytesMax` becomes
 * several records, and what follows itself in one batch becomes one. After a failure `session.ended`,
 * `statement.ended` and `gateway.stopped` are still taken, as long as the reserve lasts; everything else fails until
 * `recover`. Positions that a failed write would have had are never given again (a reader may have seen its bytes).
 */
export class Journal implements Recorder {
  readonly recovery: Recovery;
  readonly #nowMs: () => number;
  readonly #node: string;
  readonly #log: JournalLog;
  readonly #backlog: Backlog;
  readonly #batch = new Batch();
  #batchFirst: number;
  #next: number;
  /** Wait for their bytes to be written. */
  #recorded: Waiter[] = [];
  /** Wait for an fdatasync, in position order. */
  #durable: Waiter[] = [];
  #refused: Refusal[] = [];
  #turn: NodeJS.Immediate | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #recovering: Promise<JournalFailure | undefined> | undefined;
  #failed: JournalFailure | undefined;
  #reserve: 'kept' | 'open' | 'spent' = 'kept';
  #closed = false;
  #lost = 0;
  /**
   * Sessions whose content was not kept. INVARIANT: none of them decides another statement or passes a flush, also
   * not after `recover`: a session whose recording has a hole does not go on. Its `session.ended` takes it off.
   */
  readonly #holed = new Set<SessionId>();
  #endingMs = Number.NaN;
  #ending = Buffer.alloc(0);

  constructor(
    options: Pick<JournalOptions, 'node' | 'nowMs'>,
    log: JournalLog,
    found: Verified,
    first: number,
  ) {
    const { endPosition, tornBytes, filesDropped, backlog } = found;
    this.recovery = { endPosition, tornBytes, filesDropped };
    this.#nowMs = options.nowMs;
    this.#node = JSON.stringify(options.node);
    this.#log = log;
    this.#next = first;
    this.#batchFirst = first;
    this.#backlog = backlog;
  }

  get failed(): JournalFailure | undefined {
    return this.#failed;
  }

  /** The next record's position. */
  get position(): number {
    return this.#next;
  }

  /** Positions of recorded, never durable records that `recover` could not read back from a failed disk. */
  get lost(): number {
    return this.#lost;
  }

  event(
    event: AuditEventInput,
    durability: Durability,
    done: (appended: Appended | JournalFailure) => void,
  ): void {
    const waiter: Waiter = { position: this.#next, appended: done, flushed: undefined };
    if (!this.#takes(event.kind, durability)) {
      this.#refuse(waiter, this.#failed ?? closed());
      return;
    }
    if (event.kind === 'statement.decided' && this.#holed.has(event.session)) {
      this.#refuse(waiter, contentLost());
      return;
    }
    if (event.kind === 'session.ended') this.#holed.delete(event.session);
    if (!this.#batch.addEvent(JSON.stringify(event), this.#eventEnding())) {
      // Only this event's failure: a statement that is too large must not stop everybody else's.
      this.#refuse(waiter, tooLarge());
      return;
    }
    this.#next += 1;
    (durability === 'durable' ? this.#durable : this.#recorded).push(waiter);
    this.#afterAdding();
  }

  content(session: SessionId, seq: number, stream: ContentStream, bytes: Uint8Array): void {
    const atMs = this.#nowMs();
    for (let from = 0; from < bytes.length; from += journalLimits.contentRecordBytesMax) {
      if (this.#failed !== undefined || this.#closed) {
        this.#holed.add(session);
        return;
      }
      const piece = bytes.subarray(from, from + journalLimits.contentRecordBytesMax);
      if (this.#batch.addContent(atMs, session, seq, stream, piece)) this.#next += 1;
      this.#afterAdding();
    }
  }

  flush(done: (failure?: JournalFailure) => void, session?: SessionId): void {
    const waiter: Waiter = { position: this.#next - 1, appended: undefined, flushed: done };
    if (this.#failed !== undefined || this.#closed) this.#refuse(waiter, this.#failed ?? closed());
    else if (session !== undefined && this.#holed.has(session)) this.#refuse(waiter, contentLost());
    else this.#recorded.push(waiter);
    this.#schedule();
  }

  /**
   * Calls back once everything handed over so far is durable: within `syncDelayMs` and one fdatasync. `session` as for
   * `flush`. For who shows recorded content to others; the data path has its events for that.
   */
  durable(done: (failure?: JournalFailure) => void, session?: SessionId): void {
    const waiter: Waiter = { position: this.#next - 1, appended: undefined, flushed: done };
    if (this.#failed !== undefined || this.#closed) this.#refuse(waiter, this.#failed ?? closed());
    else if (session !== undefined && this.#holed.has(session)) this.#refuse(waiter, contentLost());
    // Where all of it is durable already, no sync comes that would answer.
    else if (this.#batch.records === 0 && this.#log.clean) this.#recorded.push(waiter);
    else this.#durable.push(waiter);
    this.#schedule();
  }

  backlogBytes(): number {
    return this.#backlog.bytes;
  }

  /** To be told by whoever reads: everything before `position` is sealed. Lowers `backlogBytes`. */
  released(position: number): void {
    this.#backlog.release(position);
  }

  /**
   * After a failure: proves that the disk takes writes and syncs again, saves what was recorded and not yet durable
   * into a new file, and takes calls again. Returns the failure that stands in the way; undefined when there is none.
   */
  recover(): Promise<JournalFailure | undefined> {
    if (this.#failed === undefined || this.#closed) return Promise.resolve(this.#failed);
    this.#recovering ??= this.#rescue().finally(() => {
      this.#recovering = undefined;
      this.#planSync();
    });
    return this.#recovering;
  }

  /** Writes and syncs what is pending, answers every waiting call, and takes no more. */
  async close(): Promise<void> {
    await this.#recovering;
    if (this.#closed) return;
    this.#closed = true;
    this.#endTurn();
    await this.#syncing;
    while (!this.#log.suspect && !this.#log.clean) await this.#startSync();
    // An empty batch that says that all was durable: a later loss of its tail is then known as damage.
    if (this.#failed === undefined) this.#tryWrite(Buffer.alloc(0), 0, this.#next);
    this.#failed ??= closed();
    clearTimeout(this.#syncTimer);
    this.#endTurn();
    await this.#log.close();
  }

  async #rescue(): Promise<JournalFailure | undefined> {
    this.#write();
    await this.#syncing;
    try {
      this.#lost += await this.#log.rescue();
      this.#failed = undefined;
      this.#reserve = 'kept';
    } catch (error) {
      this.#failed = failureOf(error);
    }
    return this.#failed;
  }

  /** May an event of this kind be taken now? */
  #takes(kind: AuditEventInput['kind'], durability: Durability): boolean {
    if (this.#failed === undefined) return !this.#closed;
    if (!closingKinds.has(kind) || this.#reserve === 'spent') return false;
    if (this.#closed || this.#recovering !== undefined) return false;
    return durability === 'recorded' || !this.#log.suspect;
  }

  #afterAdding(): void {
    if (this.#batch.used >= journalLimits.batchBytes) this.#write();
    this.#schedule();
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#write();
    const recorded = this.#recorded;
    const refused = this.#refused;
    this.#recorded = [];
    this.#refused = [];
    for (const waiter of recorded) answer(waiter, undefined);
    for (const { waiter, failure } of refused) answer(waiter, failure);
    this.#planSync();
  }

  /** Writes the batch, if there is one. Afterwards every record so far is recorded, or the journal has failed. */
  #write(): void {
    const records = this.#batch.records;
    if (records === 0) return;
    const position = this.#batchFirst;
    this.#batchFirst = this.#next;
    this.#tryWrite(this.#batch.plain, records, position);
    this.#batch.clear();
  }

  #tryWrite(plain: Buffer, records: number, position: number): void {
    try {
      if (this.#failed !== undefined && this.#reserve === 'kept') {
        this.#reserve = 'open';
        this.#log.startReserve(position);
      }
      const bytes = this.#log.write(plain, records, position);
      if (records > 0) this.#backlog.add(position + records, bytes);
    } catch (error) {
      if (this.#failed !== undefined) this.#reserve = 'spent';
      this.#fail(error);
    }
  }

  /** INVARIANT: after this no call but a closing event succeeds, and none that was waiting does. */
  #fail(error: unknown): void {
    const failure = failureOf(error);
    this.#failed ??= failure;
    for (const record of decodeRecords(this.#batch.plain, 0, this.#batch.records, 0) ?? []) {
      if (record.kind === 'content') this.#holed.add(record.session);
    }
    for (const waiter of [...this.#recorded, ...this.#durable].sort((a, b) => a.position - b.position)) {
      this.#refused.push({ waiter, failure });
    }
    this.#recorded = [];
    this.#durable = [];
    this.#batch.clear();
    this.#batchFirst = this.#next;
    this.#schedule();
  }

  #refuse(waiter: Waiter, failure: JournalFailure): void {
    this.#refused.push({ waiter, failure });
    this.#schedule();
  }

  /** Starts an fdatasync now if somebody waits for one, and within `syncDelayMs` if something is merely recorded. */
  #planSync(): void {
    if (this.#syncing !== undefined || this.#log.clean || this.#closed || !this.#maySync()) return;
    if (this.#durable.length > 0) void this.#startSync();
    else this.#syncTimer ??= setTimeout(() => void this.#startSync(), journalLimits.syncDelayMs);
  }

  /** A suspect log is never synced, only rescued; and a rescue has the log to itself. */
  #maySync(): boolean {
    return !this.#log.suspect && this.#recovering === undefined;
  }

  #startSync(): Promise<void> {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    if (!this.#maySync()) return Promise.resolve();
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = undefined;
      this.#planSync();
    });
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    let position: number;
    try {
      position = await this.#log.sync();
    } catch (error) {
      this.#fail(error);
      return;
    }
    const first = this.#durable.findIndex((waiter) => waiter.position >= position);
    const due = this.#durable.splice(0, first < 0 ? this.#durable.length : first);
    for (const waiter of due) answer(waiter, undefined);
  }

  /** What replaces an event's closing brace. Ours come last, so they win over a key that slipped in. */
  #eventEnding(): Buffer {
    const nowMs = this.#nowMs();
    if (nowMs !== this.#endingMs) {
      const at = new Date(nowMs).toISOString();
      this.#ending = Buffer.from(`,"v":1,"at":"${at}","node":${this.#node}}`);
      this.#endingMs = nowMs;
    }
    return this.#ending;
  }
}

/** The one place that mints `Appended`: called by a waiter whose record has the durability it asked for. */
function appendedAt(position: number): Appended {
  return { position } as Appended;
}

function failureOf(error: unknown): JournalFailure {
  const code = systemCode(error);
  const message =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'there is no space left' : `the disk fails (${code})`;
  return new ThroughlineError('not-recordable', `the journal cannot be written: ${message}`, {
    action:
      'make room on the disk that holds the data directory, or replace it; the gateway then goes on by itself',
    fields: { system: code },
    cause: error,
  }) as JournalFailure;
}

function tooLarge(): JournalFailure {
  return new ThroughlineError('not-recordable', 'the event is larger than the journal keeps', {
    fields: { eventBytesMax: journalLimits.eventBytesMax },
  }) as JournalFailure;
}

function contentLost(): JournalFailure {
  return new ThroughlineError('not-recordable', 'content of this session could not be kept', {
    action: 'start a new session',
  }) as JournalFailure;
}

function closed(): JournalFailure {
  return new ThroughlineError('not-recordable', 'the journal is closed') as JournalFailure;
}

/** One caller's bug is thrown where it cannot keep the callbacks of the others from being called. */
function answer(waiter: Waiter, failure: JournalFailure | undefined): void {
  try {
    waiter.appended?.(failure ?? appendedAt(waiter.position));
    waiter.flushed?.(failure);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
