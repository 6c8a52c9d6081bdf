import { createHash, type Hash } from 'node:crypto';
import { parseLeaf } from '../../audit/leaf.js';
import type { Log } from '../../audit/log.js';
import type { VerifyReport } from '../../contract/api.js';
import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import { timeMs } from '../../recording/event-codec.js';
import { listSessions } from '../../recording/paths.js';
import { type RecordedEvent, RecordingReader } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import { leafOf } from './leaves.js';
import { recordedSession } from './session-feed.js';

const problemsMax = 1000;

/** What the log says of one session. */
interface Expected {
  events: number;
  lastAtMs: number;
  ended: boolean;
  readonly sealed: Map<number, { readonly sha256: string; readonly bytes: number }>;
}

export interface RecordingsReport {
  readonly proved: readonly string[];
  readonly problems: VerifyReport['problems'];
}

/**
 * Holds every recording against the log: each event has its leaf, and each leaf of a session its event; each result
 * has the bytes that its outcome's hash says; each closed segment has the hash that was logged. Recordings of
 * sessions that ended before `keptSinceMs` may be gone, in whole or from the front (retention); their leaves still
 * stand. `log` may be growing: what counts is its size at the start.
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
  readonly #keptSinceMs: number;
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
      this.#of(event.session).sealed.set(event.segment, { sha256: event.sha256, bytes: event.bytes });
      return;
    }
    const session = recordedSession(event);
    if (session === undefined) return;
    const expected = this.#of(session);
    expected.events += 1;
    expected.lastAtMs = Math.max(expected.lastAtMs, timeMs(event.at) ?? 0);
    if (event.kind === 'session.ended') expected.ended = true;
  }

  #of(session: SessionId): Expected {
    let expected = this.#expected.get(session);
    if (expected === undefined) {
      expected = { events: 0, lastAtMs: 0, ended: false, sealed: new Map() };
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
    const mayBeGone = expected.ended && expected.lastAtMs < this.#keptSinceMs;
    const events = this.#events(reader, session);
    const present = this.#seals(reader, session, expected, mayBeGone);
    const gone = mayBeGone && reader.problems.some(({ code }) => code.endsWith('-missing'));
    if (gone) this.#expired += 1;
    if (!gone && events !== expected.events) {
      const message = `it holds ${events} of the ${expected.events} events that were logged`;
      this.#problem('recording-incomplete', session, message);
    }
    for (const { code, where, message } of reader.problems) {
      if (!(gone && code.endsWith('-missing'))) this.#problem(code, where, message);
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
    for (const item of reader.items()) {
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

  #seals(reader: RecordingReader, session: SessionId, expected: Expected, mayBeGone: boolean): number {
    let present = 0;
    let last = 0;
    const sealedLast = Math.max(0, ...expected.sealed.keys());
    for (const { segment, closed, bytes, sha256 } of reader.segments()) {
      const seal = expected.sealed.get(segment);
      const where = `${session} segment ${segment}`;
      last = segment;
      if (seal === undefined) {
        if (segment < sealedLast) this.#problem('segment-unsealed', where, 'its hash is not in the log');
        continue;
      }
      present += 1;
      if (closed && seal.bytes === bytes && seal.sha256 === sha256) continue;
      this.#problem('segment-altered', where, 'the file does not have the hash that was logged');
    }
    if (last < sealedLast && !mayBeGone) {
      const message = `segments ${last + 1} to ${sealedLast} were sealed and are not there`;
      this.#problem('segment-missing', `${session} segment ${last + 1}`, message);
    }
    return present;
  }
}
