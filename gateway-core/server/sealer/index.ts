import { once } from 'node:events';
import { join } from 'node:path';
import type { ReplayItem, SearchHit, SessionView, StatementView, VerifyReport } from '../../contract/api.js';
import { fromProblem, type Problem, ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { ReceiptResponse } from '../../contract/local-record.js';
import type { RetentionResult } from '../../recording/retention.js';
import { type StartedWorker, startWorker } from '../../store/worker.js';
import type { RecordedStatements } from './core.js';
import type { SessionFilter } from './index-database.js';
import { sealerLimits } from './limits.js';
import type { SealerMessage, SealerMethod, SealerMethods, SealerPlaces } from './messages.js';
import { sealerThread } from './thread.js';
import type { ComparableSession, KeptBlocks, RecordedResult } from './two-sides.js';
import type { UnfinishedSession } from './unfinished.js';
import type { VerifyPlaces } from './verify-worker.js';

export type { RecordedStatements } from './core.js';
export type { UnfinishedSession } from './unfinished.js';

export interface SealerOptions {
  /** Holds `recordings/`, `audit/` (the log) and `index.sqlite`. */
  readonly dataDirectory: string;
  readonly journalDirectory: string;
  /** 32 bytes. */
  readonly journalKey: Uint8Array;
  /** 32 bytes: wraps each session's own key. */
  readonly recordingKey: Uint8Array;
  readonly logKeyFile: string;
  readonly logOrigin: string;
  /** A sentence for the operator: what is wrong, and when it is right again. Holds no recorded value. */
  readonly onComplaint: (what: string) => void;
}

/** The sealer as the server sees it. Every call may reject with a ThroughlineError; `busy` passes by itself. */
export interface Sealer {
  /** Everything in the journal before it is kept. */
  readonly sealedPosition: number;
  /** `minimumPosition` for the journal that is opened for writing: nothing may get a lower position. */
  readonly journalPosition: number;
  /** Tells of each round: everything before `position` is kept, and no longer a backlog. */
  onSealed(listener: (position: number) => void): void;
  /** Resolves once the record at `position`, or else everything that is in the journal now, is kept and listed. */
  caughtUp(position?: number): Promise<void>;
  /** Newest first, at most 1,000. `of`: a principal or the id of any hop. */
  sessions(filter?: SessionFilter): Promise<SessionView[]>;
  /** Indexes of the log's entries outside of recordings under these keys (`refsOf`), ascending. */
  refs(keys: readonly string[]): Promise<number[]>;
  session(id: SessionId): Promise<SessionView | undefined>;
  /** What can be read; what cannot is complained of, and stands in `recordedStatements`. */
  statements(id: SessionId): Promise<StatementView[]>;
  recordedStatements(id: SessionId): Promise<RecordedStatements>;
  /** Reads on as it is asked, up to `to`, a position of the journal; end it early with `return`. Damage is an item. */
  replay(id: SessionId, to?: number): AsyncGenerator<ReplayItem, void, undefined>;
  /** What the log has of a session that a desktop has recorded, too. */
  comparable(id: SessionId): Promise<ComparableSession>;
  /** Hashes of the raw stream's blocks, at most `blocksMax` of each direction. */
  keptBlocks(id: SessionId, blocksMax: number): Promise<KeptBlocks>;
  /** `wanted`: after how many rows the hash of which result is taken. */
  recordedResults(id: SessionId, wanted: ReadonlyMap<number, number>): Promise<Map<number, RecordedResult>>;
  /** Sessions that ended before, and wait to be compared; behind the id `after`, in their order. */
  pending(endedBefore: string, after: string, limit: number): Promise<SessionId[]>;
  /** Checkpoint and proofs of one tree. Rejects with `conflict` when the log is shorter than `kept`. */
  receipts(kept: number, sessions: readonly SessionId[]): Promise<ReceiptResponse>;
  search(query: string, limit: number): Promise<SearchHit[]>;
  checkpoint(): Promise<string>;
  /** The whole log and every recording against it, in a thread of its own. */
  verify(
    options?: Partial<Pick<VerifyPlaces, 'vkey' | 'expectedCheckpoints' | 'keptSinceMs'>>,
  ): Promise<VerifyReport>;
  /** Sessions that a stopped gateway left open. Append their events before anything else. */
  unfinishedSessions(): Promise<UnfinishedSession[]>;
  rebuildIndex(): Promise<void>;
  /** Retention: removes recordings from before `beforeMs`. */
  removeBefore(beforeMs: number): Promise<RetentionResult>;
  /** Keeps what the journal still holds, signs a checkpoint, ends the thread. */
  close(): Promise<void>;
}

/**
 * Starts the thread that moves the journal into recordings, log and index. Rejects when log, journal or index cannot
 * be opened. A thread that ends by itself is started again: what it had not kept is still in the journal.
 */
export async function startSealer(options: SealerOptions): Promise<Sealer> {
  const sealer = new SealerClient(options);
  await sealer.start();
  return sealer;
}

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

class SealerClient implements Sealer {
  readonly #places: SealerPlaces;
  readonly #complain: (what: string) => void;
  readonly #listeners: ((position: number) => void)[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #worker: StartedWorker | undefined;
  #next = 1;
  #closing: Promise<void> | undefined;
  sealedPosition = 0;
  journalPosition = 0;

  constructor(options: SealerOptions) {
    const { dataDirectory, onComplaint, ...places } = options;
    this.#complain = onComplaint;
    this.#places = {
      ...places,
      recordingsDirectory: join(dataDirectory, 'recordings'),
      logDirectory: join(dataDirectory, 'audit'),
      indexFile: join(dataDirectory, 'index.sqlite'),
    };
  }

  async start(): Promise<void> {
    const worker = startWorker(sealerThread.module, { name: sealerThread.name, data: this.#places });
    try {
      await new Promise<void>((resolve, reject) => {
        worker.port.on('message', (message: SealerMessage) => {
          if (message.kind === 'ready') {
            this.#sealed(message.sealedPosition);
            this.journalPosition = message.journalPosition;
            resolve();
          } else if (message.kind === 'not-ready') {
            reject(fromProblem(message.problem));
          } else {
            this.#take(message);
          }
        });
        void worker.ended.then((error) => reject(error ?? notRunning()));
      });
    } catch (error) {
      await worker.stop();
      throw error;
    }
    this.#worker = worker;
    void worker.ended.then((error) => this.#ended(error));
  }

  #sealed(position: number): void {
    this.sealedPosition = position;
    for (const listener of this.#listeners) listener(position);
  }

  #take(message: Exclude<SealerMessage, { kind: 'ready' | 'not-ready' }>): void {
    switch (message.kind) {
      case 'answer':
        this.#settle(message.id)?.resolve(message.value);
        return;
      case 'error':
        this.#settle(message.id)?.reject(fromProblem(message.problem));
        return;
      case 'sealed':
        this.#sealed(message.position);
        return;
      case 'failure':
        this.#complain(complaintOf(message.problem));
        return;
      case 'recording-problem': {
        const { code, where, message: text } = message.problem;
        this.#complain(`recording ${code}: ${where}: ${text}`);
      }
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #ended(error: Error | undefined): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(notRunning());
    this.#waiting.clear();
    if (this.#closing !== undefined) return;
    this.#complain(`the sealer ended (${error?.name ?? 'without an error'}) and is started again`);
    this.#startAgain();
  }

  #startAgain(): void {
    setTimeout(() => {
      if (this.#closing !== undefined) return;
      this.start().catch((error: unknown) => {
        const code = error instanceof ThroughlineError ? error.code : 'internal';
        this.#complain(`the sealer cannot be started (${code}) and is tried again`);
        this.#startAgain();
      });
    }, sealerLimits.retryMaxMs).unref();
  }

  #ask<M extends SealerMethod>(
    method: M,
    ...args: Parameters<SealerMethods[M]>
  ): Promise<ReturnType<SealerMethods[M]>> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.reject(notRunning());
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      worker.port.postMessage({ id, method, args });
    });
  }

  onSealed(listener: (position: number) => void): void {
    this.#listeners.push(listener);
    listener(this.sealedPosition);
  }

  caughtUp(position?: number): Promise<void> {
    return this.#ask('caughtUp', position);
  }

  sessions(filter: SessionFilter = {}): Promise<SessionView[]> {
    return this.#ask('sessions', filter);
  }

  session(id: SessionId): Promise<SessionView | undefined> {
    return this.#ask('session', id);
  }

  async statements(id: SessionId): Promise<StatementView[]> {
    const { statements } = await this.recordedStatements(id);
    return statements;
  }

  recordedStatements(id: SessionId): Promise<RecordedStatements> {
    return this.#ask('statements', id);
  }

  async *replay(id: SessionId, to?: number): AsyncGenerator<ReplayItem, void, undefined> {
    const cursor = await this.#ask('openReplay', id, to);
    let done = false;
    try {
      while (!done) {
        const slice = await this.#ask('nextReplay', cursor);
        done = slice.done;
        yield* slice.items;
      }
    } finally {
      if (!done) await this.#ask('closeReplay', cursor).catch(() => undefined);
    }
  }

  refs(keys: readonly string[]): Promise<number[]> {
    return this.#ask('refs', keys);
  }

  comparable(id: SessionId): Promise<ComparableSession> {
    return this.#ask('comparable', id);
  }

  keptBlocks(id: SessionId, blocksMax: number): Promise<KeptBlocks> {
    return this.#ask('keptBlocks', id, blocksMax);
  }

  recordedResults(id: SessionId, wanted: ReadonlyMap<number, number>): Promise<Map<number, RecordedResult>> {
    return this.#ask('recordedResults', id, wanted);
  }

  pending(endedBefore: string, after: string, limit: number): Promise<SessionId[]> {
    return this.#ask('pending', endedBefore, after, limit);
  }

  receipts(kept: number, sessions: readonly SessionId[]): Promise<ReceiptResponse> {
    return this.#ask('receipts', kept, sessions);
  }

  search(query: string, limit: number): Promise<SearchHit[]> {
    return this.#ask('search', query, limit);
  }

  checkpoint(): Promise<string> {
    return this.#ask('checkpoint');
  }

  async verify(options: Parameters<Sealer['verify']>[0] = {}): Promise<VerifyReport> {
    const { recordingsDirectory, recordingKey, logDirectory } = this.#places;
    const data: VerifyPlaces = {
      recordingsDirectory,
      recordingKey,
      logDirectory,
      vkey: options.vkey,
      expectedCheckpoints: options.expectedCheckpoints ?? [],
      keptSinceMs: options.keptSinceMs ?? 0,
    };
    const worker = startWorker(new URL('./verify-worker.js', import.meta.url), { name: 'verify', data });
    try {
      const first = await Promise.race([once(worker.port, 'message'), worker.ended]);
      if (Array.isArray(first)) return first[0] as VerifyReport;
      throw first ?? new Error('the check did not run');
    } finally {
      await worker.stop();
    }
  }

  unfinishedSessions(): Promise<UnfinishedSession[]> {
    return this.#ask('unfinishedSessions');
  }

  rebuildIndex(): Promise<void> {
    return this.#ask('rebuildIndex');
  }

  removeBefore(beforeMs: number): Promise<RetentionResult> {
    return this.#ask('removeBefore', beforeMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    try {
      await this.#ask('close');
    } finally {
      await worker.stop();
    }
  }
}

function notRunning(): ThroughlineError {
  return new ThroughlineError('busy', 'the recordings cannot be read at the moment', {
    action: 'try again in a few seconds',
  });
}

function complaintOf(problem: Problem | undefined): string {
  if (problem === undefined) return 'recordings are kept again';
  return `${problem.detail}${problem.action === undefined ? '' : `; ${problem.action}`}`;
}
