import { createHash, type Hash } from 'node:crypto';
import { parseLeaf } from '../../audit/leaf.js';
import { leafOf } from '../../audit/leaf-of.js';
import type { Log } from '../../audit/log.js';
import type { VerifyReport } from '../../contract/api.js';
import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { WireDirection } from '../../contract/local-record.js';
import { timeMs } from '../../recording/event-codec.js';
import { listSessions } from '../../recording/paths.js';
import { type RecordedEvent, type RecordingProblem, RecordingReader } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import { wireEntries } from '../../recording/wire-content.js';
import { recordedSession } from './session-feed.js';

const problemsMax = 1000;

/** What the log says of one segment. `atMs`: the time of its last record, by which retention goes. */
interface Seal {
  readonly sha256: string;
  readonly bytes: number;
  readonly atMs: number;
}

/** What the log says of one session. */
interface Expected {
  events: number;
  ended: boolean;
  readonly sealed: Map<number, Seal>;
}

export interface RecordingsReport {
  readonly proved: readonly string[];
  readonly problems: VerifyReport['problems'];
}

/**
 * Holds every recording against the log: each event has its leaf, and each leaf of a session its event; each result
 * has the bytes that its outcome's hash says; each closed segment has the hash that was logged. Segments from before
 * `keptSinceMs`, or from before what a `recordings.removed` of the log names, may be gone from the front of a
 * recording, and all of an ended session's (retention); their leaves still stand. `log` may be growing: what counts is
 * its size at the start.
 */
export function verifyRecordings(
  place: RecordingPlace,
  log: Pick<Log, 'size' | 'entry' | 'entries'>,
  keptSinceMs: number,
): RecordingsReport {
  return new RecordingsCheck(place, log, keptSinceMs).run();
}

class RecordingsCheck {
  readonly #place: RecordingPlace;
  readonly #log: Pick<Log, 'size' | 'entry' | 'entries'>;
  readonly #size: number;
  /** Retention may be longer now than it was: what it has removed by then stays removed. */
  #keptSinceMs: number;
  readonly #expected = new Map<SessionId, Expected>();
  readonly #problems: VerifyReport['problems'] = [];
  #sessions = 0;
  #segments = 0;
  #results = 0;
  #expired = 0;

  constructor(place: RecordingPlace, log: Pick<Log, 'size' | 'entry' | 'entries'>, keptSinceMs: number) {
    this.#place = place;
    this.#log = log;
    this.#size = log.size;
    this.#keptSinceMs = keptSinceMs;
  }

  run(): RecordingsReport {
    for (const entry of this.#log.entries(0, this.#size)) this.#expect(entry);
    for (const session of listSessions(this.#place.files, this.#place.directory)) {
      if (!this.#expected.has(session)) this.#unknown(session);
    }
    for (const [session, expected] of this.#expected) this.#session(session, expected);
    const proved =
      this.#problems.length > 0
        ? []
        : [
            `the recordings of ${this.#sessions} sessions hold every event that was logged, as it was logged`,
            `${this.#results} results have the bytes that were logged, ${this.#segments} segments the hash`,
          ];
    if (this.#expired > 0) proved.push(`${this.#expired} recordings are past their retention`);
    return { proved, problems: this.#problems };
  }

  #problem(code: string, where: string, message: string): void {
    if (this.#problems.length < problemsMax) this.#problems.push({ code, where, message });
  }

  #expect(entry: Uint8Array): void {
    const event = parseLeaf(entry);
    if (event === undefined) return;
    if (event.kind === 'recording.sealed') {
      const { segment, sha256, bytes, at } = event;
      this.#of(event.session).sealed.set(segment, { sha256, bytes, atMs: timeMs(at) ?? Number.NaN });
      return;
    }
    if (event.kind === 'recordings.removed')
      this.#keptSinceMs = Math.max(this.#keptSinceMs, timeMs(event.before) ?? 0);
    const session = recordedSession(event);
    if (session === undefined) return;
    const expected = this.#of(session);
    expected.events += 1;
    if (event.kind === 'session.ended') expected.ended = true;
  }

  #of(session: SessionId): Expected {
    let expected = this.#expected.get(session);
    if (expected === undefined) {
      expected = { events: 0, ended: false, sealed: new Map() };
      this.#expected.set(session, expected);
    }
    return expected;
  }

  /** A recording without a leaf: fine while its first round is going on, and only then. */
  #unknown(session: SessionId): void {
    for (const { logIndex } of new RecordingReader(this.#place, session).events()) {
      if (logIndex >= this.#size) return;
      this.#problem('recording-unknown', session, 'there is a recording, but the log knows no such session');
      return;
    }
  }

  #session(session: SessionId, expected: Expected): void {
    const reader = new RecordingReader(this.#place, session);
    const events = this.#events(reader, session);
    const { present, gone } = this.#seals(reader, session, expected);
    if (gone) this.#expired += 1;
    if (!gone && events !== expected.events) {
      const message = `it holds ${events} of the ${expected.events} events that were logged`;
      this.#problem('recording-incomplete', session, message);
    }
    const taken = gone ? missingFront(reader) : undefined;
    for (const problem of reader.problems) {
      const { code, where, message } = problem;
      if (problem !== taken) this.#problem(code, where, message);
    }
    if (events > 0) this.#sessions += 1;
    this.#segments += present;
  }

  /** Compares events and content with the log; gives the number of events that the log covers. */
  #events(reader: RecordingReader, session: SessionId): number {
    const salt = reader.salts();
    const open = new Map<number, Hash>();
    let events = 0;
    let complete = true;
    const wire = { up: createHash('sha256'), down: createHash('sha256') };
    for (const item of reader.items()) {
      if (item.kind === 'content' && item.stream === 'wire') {
        for (const { direction, hash } of wireEntries(item.bytes)) wire[direction].update(hash);
        continue;
      }
      if (item.kind === 'content') {
        const hash = open.get(item.seq) ?? createHash('sha256');
        hash.update(item.bytes);
        open.set(item.seq, hash);
        continue;
      }
      if (item.logIndex >= this.#size) continue;
      events += 1;
      if (!this.#hasLeaf(item, salt)) {
        this.#problem(
          'event-altered',
          `${session} entry ${item.logIndex}`,
          'the event is not the one in the log',
        );
      }
      if (item.event.kind === 'session.ended' && reader.problems.length === 0)
        this.#wire(session, item.event, wire);
      if (item.event.kind !== 'statement.ended') continue;
      // After a hole nobody can say which bytes are missing: the hole itself is the problem.
      complete &&= reader.problems.length === 0;
      if (complete) this.#result(session, item.event, open.get(item.event.seq));
      open.delete(item.event.seq);
    }
    return events;
  }

  #hasLeaf(
    { event, position, logIndex }: RecordedEvent,
    salt: ((at: number) => Buffer) | undefined,
  ): boolean {
    const leaf = leafOf(event, position, salt ?? (() => Buffer.alloc(16)));
    return Buffer.compare(leaf, this.#log.entry(logIndex)) === 0;
  }

  /** The blocks that localise a difference must be those whose sum was logged. */
  #wire(
    session: SessionId,
    { wire: logged }: Extract<AuditEvent, { kind: 'session.ended' }>,
    kept: Readonly<Record<WireDirection, Hash>>,
  ): void {
    for (const direction of ['up', 'down'] as const) {
      if (logged === undefined || kept[direction].digest('hex') === logged[direction].blocks) continue;
      const message = 'the hashes of the raw stream are not those that were logged';
      this.#problem('content-altered', `${session} ${direction}`, message);
    }
  }

  #result(
    session: SessionId,
    { seq, contentHash }: Extract<AuditEvent, { kind: 'statement.ended' }>,
    content: Hash | undefined,
  ): void {
    this.#results += 1;
    if (contentHash === content?.digest('hex')) return;
    this.#problem(
      'content-altered',
      `${session} statement ${seq}`,
      'what it returned is not what was logged',
    );
  }

  /** `gone`: what is missing at the front, or all of it, is what retention removes. */
  #seals(
    reader: RecordingReader,
    session: SessionId,
    expected: Expected,
  ): { present: number; gone: boolean } {
    let present = 0;
    let first = 0;
    let last = 0;
    const sealedLast = Math.max(0, ...expected.sealed.keys());
    for (const { segment, closed, bytes, sha256 } of reader.segments()) {
      const seal = expected.sealed.get(segment);
      const where = `${session} segment ${segment}`;
      first ||= segment;
      last = segment;
      if (seal === undefined) {
        if (segment < sealedLast) this.#problem('segment-unsealed', where, 'its hash is not in the log');
        continue;
      }
      present += 1;
      if (closed && seal.bytes === bytes && seal.sha256 === sha256) continue;
      this.#problem('segment-altered', where, 'the file does not have the hash that was logged');
    }
    const gone = this.#removedFront(expected, first);
    if (last < sealedLast && !(gone && last === 0)) {
      const message = `segments ${last + 1} to ${sealedLast} were sealed and are not there`;
      this.#problem('segment-missing', `${session} segment ${last + 1}`, message);
    }
    return { present, gone };
  }

  /** Is what comes before the segment `first` (0: everything) missing, and all of it such as retention removes? */
  #removedFront({ ended, sealed }: Expected, first: number): boolean {
    const through = first === 0 ? Math.max(0, ...sealed.keys()) : first - 1;
    if (through === 0 || (first === 0 && !ended)) return false;
    for (let segment = 1; segment <= through; segment += 1) {
      const seal = sealed.get(segment);
      if (seal === undefined || !(seal.atMs < this.#keptSinceMs)) return false;
    }
    return true;
  }
}

/** The problem that says that a recording, or its front, is not there. A hole behind it is another. */
function missingFront(reader: RecordingReader): RecordingProblem | undefined {
  const front = [reader.session, `${reader.session} segment 1`];
  return reader.problems.find(({ code, where }) => code.endsWith('-missing') && front.includes(where));
}
