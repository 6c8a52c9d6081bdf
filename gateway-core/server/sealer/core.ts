import type { Log } from '../../audit/log.js';
import { statementContent } from '../../codec/content.js';
import type { ReplayItem, SearchHit, SessionDetail, SessionView, StatementView } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { SessionBehind } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { ReceiptResponse } from '../../contract/local-record.js';
import type { JournalSource } from '../../contract/recorder.js';
import type { PastWatcher } from '../../contract/watch.js';
import { type RecordingProblem, RecordingReader } from '../../recording/reader.js';
import { replay } from '../../recording/replay.js';
import { type RetentionResult, removeSegmentsBefore } from '../../recording/retention.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import { StatementList } from '../../recording/statements.js';
import { WatchedList } from '../../recording/watched.js';
import { SealerEngine } from './engine.js';
import { IndexDatabase, type SessionFilter } from './index-database.js';
import { sealerLimits } from './limits.js';
import { receipts } from './receipts.js';
import { search } from './search.js';
import {
  type ComparableSession,
  comparable,
  type KeptBlocks,
  keptBlocks,
  type RecordedResult,
  recordedResults,
} from './two-sides.js';
import { endingOf, type UnfinishedSession } from './unfinished.js';

export interface SealerCoreOptions {
  readonly place: RecordingPlace;
  /** Opened at start and again after every failure; the core closes it. */
  readonly openSource: () => JournalSource;
  readonly openLog: () => Log;
  readonly indexFile: string;
  readonly nowMs: () => number;
  /** After each round that kept something: everything before `position` is kept. */
  readonly onSealed: (position: number) => void;
  /** A round failed; it is tried again after a pause. `undefined`: it works again. Called once for each change. */
  readonly onFailure: (failure: ThroughlineError | undefined) => void;
  /** A recording cannot be read in part. */
  readonly onProblem: (problem: RecordingProblem) => void;
}

interface Opened {
  readonly source: JournalSource;
  readonly index: IndexDatabase;
  readonly log: Log;
  readonly engine: SealerEngine;
}

interface Waiter {
  /** Undefined: everything that the journal held when it was asked for. */
  readonly position: number | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface RecordedStatements {
  readonly statements: StatementView[];
  readonly problems: readonly RecordingProblem[];
  /** The processes behind the client, as they were recorded. */
  readonly behind: SessionBehind | undefined;
  readonly lineage: SessionDetail['lineage'];
  readonly watched: readonly PastWatcher[];
}

/**
 * The sealer without its thread: runs the engine's rounds, starts it anew after a failure, and answers questions
 * between the rounds. Answers come from index and recordings as of the last round: ask `caughtUp` first for what was
 * recorded a moment ago.
 */
export class SealerCore {
  readonly #options: SealerCoreOptions;
  #opened: Opened | undefined;
  #failure: ThroughlineError | undefined;
  #waiters: Waiter[] = [];
  #closing = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #retryMs: number = sealerLimits.retryFirstMs;
  #sealedPosition: number;
  /** One at a time: rounds, and what must not meet a round. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: SealerCoreOptions, opened: Opened) {
    this.#options = options;
    this.#opened = opened;
    this.#sealedPosition = opened.engine.sealedPosition;
  }

  /**
   * Opens log, index and journal, and starts to work. Throws when one of them cannot be opened: a gateway must not
   * start over a damaged log.
   */
  static async open(options: SealerCoreOptions): Promise<SealerCore> {
    const core = new SealerCore(options, await openParts(options));
    core.#running = core.#run();
    return core;
  }

  get sealedPosition(): number {
    return this.#sealedPosition;
  }

  /** See `SealerEngine.journalPosition`. */
  get journalPosition(): number {
    return this.#parts().engine.journalPosition;
  }

  async #run(): Promise<void> {
    for (;;) {
      const waiting = this.#waiters;
      const closing = this.#closing;
      const result = await this.#alone(() => this.#round());
      if (result === 'ended') this.#answer(waiting);
      if (closing && result !== 'more') return;
      const asked = result === 'ended' && this.#waiters.some((waiter) => !waiting.includes(waiter));
      if (result === 'more' || asked || this.#closing) await letOthers();
      else await this.#pause(result === 'failed' ? this.#retryMs : sealerLimits.roundIntervalMs);
    }
  }

  /** `ended`: the journal was read to its end. */
  async #round(): Promise<'more' | 'ended' | 'failed'> {
    try {
      this.#opened ??= await openParts(this.#options);
      const { engine } = this.#opened;
      const { records, more } = await engine.round();
      this.#sealedPosition = engine.sealedPosition;
      if (records > 0) this.#options.onSealed(this.#sealedPosition);
      if (this.#failure !== undefined) this.#options.onFailure(undefined);
      this.#failure = undefined;
      this.#retryMs = sealerLimits.retryFirstMs;
      return more ? 'more' : 'ended';
    } catch (error) {
      this.#drop();
      const first = this.#failure === undefined;
      this.#failure = asFailure(error);
      this.#retryMs = first
        ? sealerLimits.retryFirstMs
        : Math.min(this.#retryMs * 2, sealerLimits.retryMaxMs);
      if (first) this.#options.onFailure(this.#failure);
      for (const waiter of this.#waiters) waiter.reject(this.#failure);
      this.#waiters = [];
      return 'failed';
    }
  }

  #drop(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened !== undefined) closeParts(opened);
  }

  #answer(asked: readonly Waiter[]): void {
    const left: Waiter[] = [];
    for (const waiter of this.#waiters) {
      const done =
        waiter.position === undefined ? asked.includes(waiter) : waiter.position < this.#sealedPosition;
      if (done) waiter.resolve();
      else left.push(waiter);
    }
    this.#waiters = left;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }

  /** Runs `act` when nothing else of this kind runs. */
  #alone<T>(act: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #parts(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ThroughlineError('busy', 'the recordings cannot be read at the moment', {
      action: 'try again in a few seconds; the gateway log says what is wrong',
    });
  }

  /**
   * Resolves once the record at `position`, or without one everything that is in the journal now, is kept. Rejects
   * with the failure when a round fails meanwhile; the sealer goes on trying.
   */
  caughtUp(position?: number): Promise<void> {
    if (this.#closing) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiters = [...this.#waiters, { position, resolve, reject }];
      if (this.#failure === undefined) this.#wake?.();
    });
  }

  sessions(filter: SessionFilter = {}): SessionView[] {
    return this.#parts().index.sessions(filter);
  }

  /** Indexes of the log's entries under these keys, ascending. */
  refs(keys: readonly string[]): number[] {
    return this.#parts().index.refs(keys);
  }

  session(id: SessionId): SessionView | undefined {
    return this.#parts().index.session(id);
  }

  /** The session's statements as far as they can be read, and what cannot. Lets others have their turn in between. */
  async statements(id: SessionId): Promise<RecordedStatements> {
    const reader = new RecordingReader(this.#options.place, id);
    const list = new StatementList();
    const watched = new WatchedList();
    const slice = new Slice();
    let behind: SessionBehind | undefined;
    let lineage: SessionDetail['lineage'];
    for (const { event } of reader.events()) {
      if (event.kind === 'session.started') {
        behind = event.payload;
        lineage = event.lineage;
      }
      list.add(event);
      watched.add(event);
      if (slice.isOver) await slice.next();
    }
    // What is not there may be what retention has deleted: whoever asks knows, and gets the problem.
    for (const problem of reader.problems) {
      if (!problem.code.endsWith('-missing')) this.#options.onProblem(problem);
    }
    return { statements: list.views(), problems: reader.problems, behind, lineage, watched: watched.views() };
  }

  /** See `ComparableSession`: what the log has of it as of the last round. */
  comparable(id: SessionId): ComparableSession {
    const { index, log } = this.#parts();
    return comparable(index, log, id);
  }

  keptBlocks(id: SessionId, blocksMax: number): KeptBlocks {
    return keptBlocks(new RecordingReader(this.#options.place, id), blocksMax);
  }

  recordedResults(id: SessionId, wanted: ReadonlyMap<number, number>): Map<number, RecordedResult> {
    return recordedResults(new RecordingReader(this.#options.place, id), wanted);
  }

  /** See `IndexDatabase.pending`. */
  pending(endedBefore: string, after: string, limit: number): SessionId[] {
    return this.#parts().index.pending(endedBefore, after, limit);
  }

  /** Between two rounds: checkpoint and proofs are of one tree. */
  receipts(kept: number, sessions: readonly SessionId[]): Promise<ReceiptResponse> {
    return this.#alone(() => {
      const { index, log, engine } = this.#parts();
      return receipts(index, log, engine.checkpoint(), kept, sessions);
    });
  }

  /** Pull it in slices: nothing is read ahead. `to`: up to and with this position of the journal. */
  replay(id: SessionId, to: number = Number.POSITIVE_INFINITY): Generator<ReplayItem> {
    return replay(new RecordingReader(this.#options.place, id), statementContent, { to });
  }

  async search(query: string, limit: number): Promise<SearchHit[]> {
    const hits: SearchHit[] = [];
    const slice = new Slice();
    const { index } = this.#parts();
    for (const hit of search(index, this.#options.place, query, limit)) {
      if (hit !== undefined) hits.push(hit);
      if (slice.isOver) await slice.next();
      // A failure may have closed this index while others had their turn.
      if (this.#parts().index !== index) throw closedError();
    }
    return hits;
  }

  /** The signed checkpoint of everything that is kept, with the time. */
  checkpoint(): Promise<string> {
    return this.#alone(() => this.#parts().engine.checkpoint());
  }

  /** Sessions that began and did not end. Call it at start, before anything new is recorded. */
  async unfinishedSessions(): Promise<UnfinishedSession[]> {
    await this.caughtUp();
    return this.#parts()
      .index.liveSessions()
      .map((session) => endingOf(this.#options.place, session));
  }

  /** Makes the index again from log and recordings. Nothing is sealed meanwhile. */
  rebuildIndex(): Promise<void> {
    return this.#alone(async () => {
      this.#drop();
      IndexDatabase.remove(this.#options.indexFile);
      this.#opened = await openParts(this.#options);
    });
  }

  /** Removes recordings older than `beforeMs`, and their words from the index. */
  removeBefore(beforeMs: number): Promise<RetentionResult> {
    return this.#alone(async () => {
      const result = await removeSegmentsBefore(this.#options.place, beforeMs);
      this.#parts().index.forgetWords(result.sessions);
      return result;
    });
  }

  /** Keeps what the journal holds, signs a checkpoint, closes. After a failure it closes without. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#wake?.();
    await this.#running;
    try {
      this.#opened?.engine.checkpoint();
    } finally {
      this.#drop();
      for (const waiter of this.#waiters) waiter.reject(closedError());
      this.#waiters = [];
    }
  }
}

/** Work on the loop that others share: a few milliseconds, then their turn. */
class Slice {
  #until = performance.now() + sealerLimits.sliceMs;

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  async next(): Promise<void> {
    await letOthers();
    this.#until = performance.now() + sealerLimits.sliceMs;
  }
}

function letOthers(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function openParts(options: SealerCoreOptions): Promise<Opened> {
  const { place, nowMs, onProblem } = options;
  const log = options.openLog();
  const source = options.openSource();
  let index: IndexDatabase | undefined;
  try {
    index = await IndexDatabase.open(options.indexFile);
    // An index of more than the log holds belongs to another log.
    if (index.loggedTo > log.size) {
      index.close();
      IndexDatabase.remove(options.indexFile);
      index = await IndexDatabase.open(options.indexFile);
    }
    const engine = new SealerEngine({ place, source, log, index, nowMs, onProblem });
    return { source, index, log, engine };
  } catch (error) {
    index?.close();
    source.close();
    throw error;
  }
}

function closeParts({ engine, source, index }: Opened): void {
  for (const close of [() => engine.release(), () => source.close(), () => index.close()]) {
    try {
      close();
    } catch {
      // What cannot be closed after a failure is of no use to anyone.
    }
  }
}

function closedError(): ThroughlineError {
  return new ThroughlineError('busy', 'the gateway is stopping', { action: 'try again once it runs' });
}

function asFailure(error: unknown): ThroughlineError {
  if (error instanceof ThroughlineError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === undefined) {
    const message = `recordings cannot be kept: ${describeBug(error)}`;
    return new ThroughlineError('internal', message, { action: 'report this', cause: error });
  }
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL';
  return new ThroughlineError('not-recordable', `recordings cannot be kept: ${code}`, {
    action: full ? 'free disk space; the gateway goes on by itself' : 'check the disk of the data directory',
    fields: { errno: code },
    cause: error,
  });
}

/** Kind and place of an error that is not an expected one. Never its message: that may hold a recorded value. */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return 'an unknown error';
  const place = /([^/\\\s(]+:\d+):\d+\)?$/m.exec(error.stack ?? '')?.[1];
  return place === undefined ? error.name : `${error.name} at ${place}`;
}
