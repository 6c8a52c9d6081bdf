import type { ReplayItem } from '../contract/api.js';
import type { AuditEvent } from '../contract/events.js';
import type { ContentProjection, Project } from '../contract/recorder.js';
import { timeMs } from './event-codec.js';
import type { RecordedItem } from './reader.js';

/** Makes a replay's items of a session's events and content, each handed over in the order of the recording. */
export class SessionReplay {
  readonly #project: Project;
  readonly #statements = new Map<number, { readonly projection: ContentProjection; rows: number }>();
  #startedAtMs: number;

  /** Times count from `startedAtMs` until the session's own start comes. */
  constructor(startedAtMs: number, project: Project) {
    this.#project = project;
    this.#startedAtMs = startedAtMs;
  }

  *items(item: RecordedItem): Generator<ReplayItem> {
    if (item.kind === 'event') {
      yield* this.#event(item.event);
      return;
    }
    if (item.stream === 'wire') return;
    let statement = this.#statements.get(item.seq);
    if (statement === undefined) {
      statement = { projection: this.#project(), rows: 0 };
      this.#statements.set(item.seq, statement);
    }
    const place = { atMs: item.atMs - this.#startedAtMs, seq: item.seq };
    for (const projected of statement.projection.items(item.stream, item.bytes)) {
      if (projected.kind === 'row') statement.rows += 1;
      yield projected.kind === 'problem' ? projected : { ...projected, ...place };
    }
  }

  *#event(event: AuditEvent): Generator<ReplayItem> {
    const nowMs = timeMs(event.at) ?? this.#startedAtMs;
    const atMs = nowMs - this.#startedAtMs;
    if (event.kind === 'session.started') {
      this.#startedAtMs = nowMs;
      const { session, connection, chain } = event;
      yield { kind: 'session', session, connection, principal: chain[0].id, chain, startedAt: event.at };
    } else if (event.kind === 'statement.decided') {
      const { seq, decision, payload } = event;
      const item: ReplayItem = { kind: 'statement', atMs, seq, text: payload.text, decision };
      if (payload.message !== undefined) item.message = payload.message;
      yield item;
    } else if (event.kind === 'statement.ended') {
      const { seq } = event;
      for (const projected of this.#statements.get(seq)?.projection.end() ?? []) {
        yield projected.kind === 'problem' ? projected : { ...projected, atMs, seq };
      }
      yield this.#outcome(event, atMs);
    } else if (event.kind === 'session.ended') {
      yield { kind: 'end', atMs, endCause: event.endCause };
    }
  }

  #outcome(event: Extract<AuditEvent, { kind: 'statement.ended' }>, atMs: number): ReplayItem {
    const item: ReplayItem = { kind: 'outcome', atMs, seq: event.seq, state: event.state };
    const error = event.payload?.error ?? event.error?.code;
    if (event.payload?.tag !== undefined) item.tag = event.payload.tag;
    if (error !== undefined) item.error = error;
    if (event.rows !== undefined) {
      item.rows = event.rows;
      item.rowsKept = this.#statements.get(event.seq)?.rows ?? 0;
    }
    this.#statements.delete(event.seq);
    return item;
  }
}
