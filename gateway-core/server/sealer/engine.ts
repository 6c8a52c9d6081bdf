import { leafOf } from '../../audit/leaf-of.js';
import { type Log, lastPosition } from '../../audit/log.js';
import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { JournalRecord, JournalSource } from '../../contract/recorder.js';
import { timeMs } from '../../recording/event-codec.js';
import type { RecordingProblem } from '../../recording/reader.js';
import { lastRecordedPosition, type SealedSegment } from '../../recording/recovery.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import { catchUpIndex } from './catch-up.js';
import type { IndexDatabase } from './index-database.js';
import { sealerLimits } from './limits.js';
import { SealedSession } from './sealed-session.js';
import { recordedSession, SessionFeed } from './session-feed.js';

/** What one life of the sealer works with. The engine closes none of it. */
export interface EngineParts {
  readonly place: RecordingPlace;
  readonly source: JournalSource;
  readonly log: Log;
  readonly index: IndexDatabase;
  readonly nowMs: () => number;
  readonly onProblem: (problem: RecordingProblem) => void;
  /** Fewer in tests. */
  readonly roundRecordsMax?: number;
}

type EventRecord = Extract<JournalRecord, { kind: 'event' }>;
type ContentRecord = Extract<JournalRecord, { kind: 'content' }>;

/** What a round gathered before anything of it is durable. */
interface Round {
  readonly leaves: Uint8Array[];
  readonly touched: Set<SealedSession>;
  records: number;
  /** The last position among the leaves. */
  position: number;
  leafBytes: number;
  contentBytes: number;
}

/**
 * Moves the journal into recordings, log and index, in rounds.
 *
 * Life of a round: read records; give each event its leaf and its index in the log, and each session its frames;
 * write the frames and sync them; commit the leaves; one transaction of the index; release the journal.
 *
 * Exactly once: a leaf carries its journal position, so the log says where to go on. Frames may be ahead of the log
 * by one round, and say so themselves (`RecordingWriter.hasEvent`): such records get their leaf and no second frame.
 * Everything that decides what a leaf holds and which index it gets is a function of the journal and of what is
 * durable, so the second run gives what the first would have given.
 *
 * INVARIANT: after a throw nothing here is used again. The next engine starts from what is durable, as after kill -9:
 * there is one way back, and it is the tested one.
 */
export class SealerEngine {
  readonly #parts: EngineParts;
  readonly #feed: SessionFeed;
  readonly #sessions = new Map<SessionId, SealedSession>();
  /** The last position that stands in the log; -1: none. A restart goes on behind it. */
  #committed: number;
  #reading: Iterator<JournalRecord, unknown> | undefined;
  #next: number;
  #checkpointedSize: number;
  #checkpointedAtMs: number;

  /** Reads back where the log ends and brings the index up to it. Throws what the disk or the log throws. */
  constructor(parts: EngineParts) {
    this.#parts = parts;
    const { log, index, place } = parts;
    this.#committed = lastPosition(log) ?? -1;
    this.#next = this.#committed + 1;
    this.#checkpointedSize = log.size;
    this.#checkpointedAtMs = parts.nowMs();
    catchUpIndex({ index, log, place, committed: this.#committed });
    this.#feed = new SessionFeed(index);
  }

  /** Everything before is kept: events in the log, content in the recordings. */
  get sealedPosition(): number {
    return this.#next;
  }

  /**
   * The lowest position that a new record may get: behind everything in the log and in the recordings of sessions
   * that have not ended. A power cut can take from the journal what the sealer had already kept.
   */
  get journalPosition(): number {
    const { place, index } = this.#parts;
    const recorded = index.liveSessions().map((session) => lastRecordedPosition(place, session) + 1);
    return Math.max(this.#next, ...recorded);
  }

  /** One round. `more`: the journal may hold more right now. */
  async round(): Promise<{ readonly records: number; readonly more: boolean }> {
    const { log, nowMs } = this.#parts;
    const startedAtMs = nowMs();
    const round: Round = {
      leaves: [],
      touched: new Set(),
      records: 0,
      position: this.#committed,
      leafBytes: 0,
      contentBytes: 0,
    };
    const more = this.#gather(round, startedAtMs);
    await this.#keep(round);
    if (round.leaves.length > 0) {
      log.append(round.leaves);
      log.commit();
      this.#committed = round.position;
    }
    this.#index(startedAtMs);
    // INVARIANT: a restart reads from behind the log's last position, so the journal keeps everything from there on.
    if (round.leaves.length > 0) this.#parts.source.release(this.#committed + 1);
    this.#letGo();
    this.#checkpointWhenDue(startedAtMs);
    return { records: round.records, more };
  }

  /** Reads the journal on; true when the round was full before the journal ended. */
  #gather(round: Round, nowMs: number): boolean {
    // The iterator is kept between full rounds: the journal gives whole batches, and beginning one again is dear.
    // Only one that began in this round can say that there is nothing more: an older one does not know of new files.
    let fresh = this.#reading === undefined;
    let reading = this.#reading ?? this.#read();
    this.#reading = reading;
    const recordsMax = this.#parts.roundRecordsMax ?? sealerLimits.roundRecordsMax;
    while (
      round.records < recordsMax &&
      round.contentBytes < sealerLimits.roundContentBytesMax &&
      round.leafBytes < sealerLimits.roundLeafBytesMax
    ) {
      const step: IteratorResult<JournalRecord, unknown> = reading.next();
      if (step.done === true) {
        this.#reading = undefined;
        if (fresh) return false;
        reading = this.#read();
        this.#reading = reading;
        fresh = true;
        continue;
      }
      if (step.value.kind === 'event') this.#event(round, step.value, nowMs);
      else this.#content(round, step.value, nowMs);
      round.records += 1;
      this.#next = step.value.position + 1;
    }
    return true;
  }

  #read(): Iterator<JournalRecord, unknown> {
    return this.#parts.source.read(this.#next)[Symbol.iterator]();
  }

  #event(round: Round, { position, event }: EventRecord, nowMs: number): void {
    const session = recordedSession(event);
    if (session === undefined) {
      this.#leaf(round, position, event, leafOf(event, position, noSalt));
      return;
    }
    const sealed = this.#session(session, round);
    const { writer } = sealed;
    const logIndex = this.#parts.log.size + round.leaves.length;
    let complete: AuditEvent;
    if (writer.hasEvent(position)) {
      complete = writer.storedEvent(position) ?? event;
    } else {
      complete = sealed.complete(event);
      sealed.event(position, logIndex, complete, nowMs);
    }
    this.#leaf(round, position, complete, leafOf(complete, position, sealed.salt));
    this.#feed.event(complete, position, session);
    this.#seal(round, sealed, undefined, writer.closedBy('event', position, timeMs(event.at) ?? nowMs));
  }

  #content(round: Round, record: ContentRecord, nowMs: number): void {
    const sealed = this.#session(record.session, round);
    const { writer } = sealed;
    if (!writer.hasContent(record.position)) {
      sealed.content(record, this.#parts.log.size + round.leaves.length, nowMs);
      round.contentBytes += record.bytes.length;
    }
    this.#seal(round, sealed, record.position, writer.closedBy('content', record.position, record.atMs));
  }

  #leaf(round: Round, position: number | undefined, event: AuditEvent, leaf: Uint8Array): void {
    this.#feed.entry(event, this.#parts.log.size + round.leaves.length);
    round.leaves.push(leaf);
    round.position = position ?? round.position;
    round.leafBytes += leaf.length;
  }

  /**
   * A segment was closed: its hash goes into the log right behind the record that closed it. Content has no leaf of
   * its own, so the seal takes its position: a long result moves the log's last position on, and the journal can go.
   */
  #seal(
    round: Round,
    { id, node }: SealedSession,
    position: number | undefined,
    segment: SealedSegment | undefined,
  ): void {
    if (segment === undefined) return;
    const event: AuditEvent = {
      v: 1,
      at: new Date(segment.atMs).toISOString(),
      node: node === '' ? 'sealer' : node,
      kind: 'recording.sealed',
      session: id,
      segment: segment.segment,
      bytes: segment.bytes,
      sha256: segment.sha256,
    };
    this.#leaf(round, position, event, leafOf(event, position, noSalt));
  }

  #session(id: SessionId, round: Round): SealedSession {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      const { place, index, log, nowMs } = this.#parts;
      session = new SealedSession(place, id, {
        committed: { log: this.#committed, session: index.lastPosition(id) },
        indexed: index.lastChunkPosition(id),
        nowMs: nowMs(),
        logSize: log.size,
      });
      for (const problem of session.writer.problems) this.#parts.onProblem(problem);
      this.#sessions.set(id, session);
    }
    round.touched.add(session);
    return session;
  }

  /** Frames are in the files, durably, when this returns. */
  async #keep({ touched }: Round): Promise<void> {
    const { files } = this.#parts.place;
    let openFiles = 0;
    for (const { writer } of this.#sessions.values()) if (writer.hasHandle) openFiles += 1;
    const directories = new Set<string>();
    await atOnce(touched, async ({ writer }) => {
      if (writer.hasHandle) openFiles -= 1;
      for (const directory of await writer.save()) directories.add(directory);
      if (openFiles >= sealerLimits.openFilesMax) writer.release();
      if (writer.hasHandle) openFiles += 1;
    });
    await atOnce(directories, (directory) => files.syncDirectory(directory));
  }

  #index(nowMs: number): void {
    const { index, log } = this.#parts;
    const due: SealedSession[] = [];
    let searchedTo = log.size;
    for (const session of this.#sessions.values()) {
      const chunk = session.pendingChunk;
      if (chunk === undefined) continue;
      const whole = session.recoveredTo < this.#next;
      if (whole && (session.writer.ended || chunk.isDue(nowMs))) due.push(session);
      else searchedTo = Math.min(searchedTo, chunk.openedAtLogIndex);
    }
    const changes = [...this.#feed.changes];
    const { refs, verdicts } = this.#feed;
    if (changes.length + refs.length + verdicts.length + due.length === 0) return;
    const chunks = due.flatMap(({ id, pendingChunk: chunk }) =>
      chunk === undefined
        ? []
        : [
            {
              session: id,
              firstPosition: chunk.firstPosition,
              lastPosition: chunk.lastPosition,
              text: chunk.text,
            },
          ],
    );
    index.apply({ sessions: changes, refs, verdicts, chunks, loggedTo: log.size, searchedTo });
    this.#feed.applied();
    for (const session of due) session.chunkWritten();
  }

  /** Forgets sessions of which everything is kept and indexed. A late record opens its session again. */
  #letGo(): void {
    for (const [id, { writer, pendingChunk }] of this.#sessions) {
      if (!writer.ended || pendingChunk !== undefined) continue;
      writer.release();
      this.#sessions.delete(id);
    }
  }

  #checkpointWhenDue(nowMs: number): void {
    const added = this.#parts.log.size - this.#checkpointedSize;
    if (added === 0) return;
    const old = nowMs - this.#checkpointedAtMs >= sealerLimits.checkpointIntervalMs;
    if (old || added >= sealerLimits.checkpointLeaves) this.checkpoint();
  }

  /** Signs what is committed, with the time. */
  checkpoint(): string {
    const { log, nowMs } = this.#parts;
    const note = log.checkpoint(nowMs());
    this.#checkpointedSize = log.size;
    this.#checkpointedAtMs = nowMs();
    return note;
  }

  /** Gives the files back. Nothing is written: what was not in a finished round is still in the journal. */
  release(): void {
    for (const { writer } of this.#sessions.values()) writer.release();
    this.#sessions.clear();
  }
}

/** A few at once. All of them have ended when this does: nobody may close a file under a sync that is going on. */
async function atOnce<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let step = left.next(); step.done !== true; step = left.next()) await act(step.value);
  };
  const results = await Promise.allSettled(Array.from({ length: sealerLimits.syncsAtOnce }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function noSalt(): never {
  throw new TypeError('an event outside of sessions has no payload');
}
