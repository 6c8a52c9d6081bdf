import type { StatementDecision } from '../contract/events.js';
import type { LeafEvent } from './leaf.js';

interface Finding {
  /** Stable. */
  readonly code: string;
  readonly message: string;
}

interface LiveSession {
  /** The highest sequence number that was decided; all below it were too. */
  decidedMax: number;
  /** Decided, may run, no outcome yet. */
  readonly open: Map<number, 'held' | 'running'>;
  /** Decided otherwise: the newest only. Their outcome is accepted, not awaited. */
  readonly stopped: Set<number>;
}

const stoppedKeptMax = 1024;
const endedKeptMax = 10_000;

type StatementDecided = Extract<LeafEvent, { kind: 'statement.decided' }>;
type StatementEnded = Extract<LeafEvent, { kind: 'statement.ended' }>;
type SessionEnded = Extract<LeafEvent, { kind: 'session.ended' }>;

const found = (code: string, message: string): Finding => ({ code, message });

function addBounded<T>(set: Set<T>, value: T, max: number): void {
  set.add(value);
  for (const oldest of set) {
    if (set.size <= max) break;
    set.delete(oldest);
  }
}

/** Whether a statement may be decided once more: a held one by an answer, a running one only by being cut off. */
function mayFollow(before: 'held' | 'running' | undefined, decision: StatementDecision): boolean {
  if (before === 'held') return decision !== 'held' && decision !== 'allowed';
  return before === 'running' && decision === 'interrupted';
}

/**
 * Whether the events of each session follow each other as they must: started once, before anything else; statements
 * decided under 1, 2, 3, ...; an outcome only for what was decided, once; no statement after the end, and none
 * missing before it. A held statement is decided again, under its number, when someone answers, and a running
 * one when it is cut off.
 * Memory: state of live sessions, and the ids of the last 10,000 that ended.
 */
export class SessionLedger {
  readonly #live = new Map<string, LiveSession>();
  readonly #ended = new Set<string>();
  #sessions = 0;
  #position = -1;

  /** Sessions started so far. */
  get sessions(): number {
    return this.#sessions;
  }

  /** What is wrong with the next event of the log, given all before it. */
  accept(event: LeafEvent): Finding | undefined {
    const order = this.#acceptPosition(event);
    const sequence = this.#acceptEvent(event);
    return order ?? sequence;
  }

  #acceptPosition({ pos }: LeafEvent): Finding | undefined {
    if (pos === undefined) return undefined;
    if (pos <= this.#position) {
      return found('position-order', `journal position ${pos} does not follow ${this.#position}`);
    }
    this.#position = pos;
    return undefined;
  }

  #acceptEvent(event: LeafEvent): Finding | undefined {
    if (event.kind === 'session.started') return this.#started(event.session);
    if (event.kind === 'statement.decided') return this.#decided(event);
    if (event.kind === 'statement.ended') return this.#outcome(event);
    if (event.kind === 'session.ended') return this.#end(event);
    return undefined;
  }

  #started(session: string): Finding | undefined {
    if (this.#live.has(session) || this.#ended.has(session)) {
      return found('session-started-again', `${session} was started before`);
    }
    this.#sessions += 1;
    this.#live.set(session, { decidedMax: 0, open: new Map(), stopped: new Set() });
    return undefined;
  }

  #outside(session: string, what: string): Finding {
    return this.#ended.has(session)
      ? found('event-after-session-end', `${what} of ${session} comes after the session's end`)
      : found('event-without-session', `${what} of ${session} comes without the session's start`);
  }

  #decided({ session, seq, decision }: StatementDecided): Finding | undefined {
    const state = this.#live.get(session);
    if (state === undefined) return this.#outside(session, `statement ${seq}`);
    const expected = state.decidedMax + 1;
    const answer = mayFollow(state.open.get(seq), decision);
    state.decidedMax = Math.max(state.decidedMax, seq);
    if (decision === 'allowed' || decision === 'approved' || decision === 'held') {
      state.open.set(seq, decision === 'held' ? 'held' : 'running');
    } else {
      state.open.delete(seq);
      addBounded(state.stopped, seq, stoppedKeptMax);
    }
    if (seq === expected || answer) return undefined;
    return seq < expected
      ? found('statement-repeated', `statement ${seq} of ${session} was decided before`)
      : found('statement-missing', `statement ${expected} of ${session} is missing before statement ${seq}`);
  }

  #outcome({ session, seq }: StatementEnded): Finding | undefined {
    const state = this.#live.get(session);
    if (state === undefined) return this.#outside(session, `the outcome of statement ${seq}`);
    if (state.open.delete(seq) || state.stopped.delete(seq)) return undefined;
    return seq > state.decidedMax
      ? found('outcome-without-decision', `statement ${seq} of ${session} has an outcome, but no decision`)
      : found('outcome-repeated', `statement ${seq} of ${session} has an outcome already`);
  }

  #end({ session, statements }: SessionEnded): Finding | undefined {
    const state = this.#live.get(session);
    if (state === undefined) return this.#outside(session, 'an end');
    this.#live.delete(session);
    addBounded(this.#ended, session, endedKeptMax);
    if (statements <= state.decidedMax) return undefined;
    return found(
      'statement-missing',
      `${session} ended after ${statements} statements, but the log holds ${state.decidedMax}`,
    );
  }
}
