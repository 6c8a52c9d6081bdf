import type { StatementView } from '../contract/api.js';
import type { AuditEvent } from '../contract/events.js';

type Decided = Extract<AuditEvent, { kind: 'statement.decided' }>;
type Ended = Extract<AuditEvent, { kind: 'statement.ended' }>;

/**
 * Joins `statement.decided` and `statement.ended` into what listings show. A statement that was held has several
 * decisions: the latest counts, the first says when it began. A statement without an end is running, or was never
 * sent: `durationMs` is 0.
 */
export class StatementList {
  readonly #views = new Map<number, StatementView>();

  add(event: AuditEvent): void {
    if (event.kind === 'statement.decided') this.#decided(event);
    else if (event.kind === 'statement.ended') this.#ended(event);
  }

  /** In the order of their first decision. */
  views(): StatementView[] {
    return [...this.#views.values()];
  }

  #decided(event: Decided): void {
    const before = this.#views.get(event.seq);
    const view: StatementView = {
      seq: event.seq,
      text: event.payload.text,
      decision: event.decision,
      policy: event.policy,
      policyVersion: event.policyVersion,
      command: event.command,
      startedAt: before?.startedAt ?? event.at,
      durationMs: before?.durationMs ?? 0,
    };
    if (event.payload.parameters !== undefined) view.parameters = event.payload.parameters;
    if (event.payload.message !== undefined) view.message = event.payload.message;
    this.#views.set(event.seq, view);
  }

  #ended(event: Ended): void {
    const view = this.#views.get(event.seq);
    if (view === undefined) return;
    if (event.state === 'interrupted') view.decision = 'interrupted';
    view.durationMs = event.durationUs / 1000;
    if (event.rows !== undefined) view.rows = event.rows;
    view.bytes = event.bytes;
    view.maskedValues = event.maskedValues;
    const error = event.payload?.error ?? event.error?.code;
    if (error !== undefined) view.error = error;
  }
}
