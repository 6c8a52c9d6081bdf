import type { LeafEvent } from '../../audit/leaf.js';
import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { IndexChanges, IndexDatabase, SessionChange } from './index-database.js';
import { refsOf } from './refs.js';

/**
 * Gathers what events change in the index's table of sessions. The same for the running sealer and for an index that
 * is made again from the log, so both give the same rows.
 */
export class SessionFeed {
  readonly #index: IndexDatabase;
  readonly #seqMax = new Map<SessionId, number>();
  #changes = new Map<SessionId, SessionChange>();
  #verdicts: IndexChanges['verdicts'][number][] = [];
  #refs: { readonly key: string; readonly entry: number }[] = [];

  constructor(index: IndexDatabase) {
    this.#index = index;
  }

  /** `session`: what `recordedSession` says of the event. */
  event(event: AuditEvent | LeafEvent, position: number | undefined, session: SessionId | undefined): void {
    if (session === undefined) return;
    if (position !== undefined) this.#change(session).lastPosition = position;
    if (event.kind === 'session.started') {
      const { session: id, connection, protocol, chain, via, application, at: startedAt, spool } = event;
      this.#change(id).started = { id, connection, protocol, chain, via, application, startedAt, spool };
    } else if (event.kind === 'statement.decided') {
      const change = this.#change(event.session);
      // A statement that was held is decided again.
      if (event.seq <= change.seqMax) return;
      change.seqMax = event.seq;
      change.statements += 1;
    } else if (event.kind === 'session.ended') {
      this.#change(event.session).ended = { at: event.at, cause: event.endCause };
    }
  }

  /** Every entry of the log, with its index. Of a session's start and end before `event`, in the same round. */
  entry(event: AuditEvent | LeafEvent, entry: number): void {
    if (event.kind === 'session.started') this.#change(event.session).startedEntry = entry;
    if (event.kind === 'session.ended') this.#change(event.session).endedEntry = entry;
    if (event.kind === 'session.compared')
      this.#verdicts.push({ session: event.session, verdict: event.verdict });
    for (const key of refsOf(event)) this.#refs.push({ key, entry });
  }

  #change(id: SessionId): SessionChange {
    let change = this.#changes.get(id);
    if (change === undefined) {
      change = {
        id,
        statements: 0,
        lastPosition: -1,
        seqMax: this.#seqMax.get(id) ?? this.#index.seqMax(id),
      };
      this.#changes.set(id, change);
    }
    return change;
  }

  /** What was gathered; call `applied` once it is in the index. */
  get changes(): Iterable<SessionChange> {
    return this.#changes.values();
  }

  get verdicts(): IndexChanges['verdicts'] {
    return this.#verdicts;
  }

  get refs(): IndexChanges['refs'] {
    return this.#refs;
  }

  applied(): void {
    for (const { id, seqMax, ended } of this.#changes.values()) {
      if (ended === undefined) this.#seqMax.set(id, seqMax);
      else this.#seqMax.delete(id);
    }
    this.#changes = new Map();
    this.#refs = [];
    this.#verdicts = [];
  }
}

const recordedKinds: ReadonlySet<AuditEvent['kind']> = new Set([
  'session.started',
  'session.ended',
  'session.revoked',
  'session.watched',
  'session.unwatched',
  'statement.decided',
  'statement.ended',
]);

/** The session in whose recording an event stands. What was done to a recording later stands in the log alone. */
export function recordedSession(event: AuditEvent | LeafEvent): SessionId | undefined {
  return recordedKinds.has(event.kind) && 'session' in event ? event.session : undefined;
}
