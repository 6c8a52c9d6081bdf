import type { ReplayItem } from '../contract/api.js';
import type { AuditEvent } from '../contract/events.js';
import type { ContentStream } from '../contract/recorder.js';
import { timeMs } from './event-codec.js';
import { sessionTimeMs } from './paths.js';
import type { RecordedItem, RecordingReader } from './reader.js';

/** What recorded content means, for one statement: protocol bytes in, items without their place in time out. */
export type ProjectedItem =
  | { readonly kind: 'columns'; readonly columns: string[] }
  | { readonly kind: 'row'; readonly values: (string | null)[] }
  | { readonly kind: 'data'; readonly stream: 'copy-out' | 'copy-in'; readonly text: string }
  | { readonly kind: 'message'; readonly severity: string; readonly text: string }
  | { readonly kind: 'problem'; readonly code: string; readonly text: string };

export interface ContentProjection {
  /** Content in order. A message may be cut anywhere between two calls. Never throws: what cannot be read is a problem. */
  items(stream: ContentStream, bytes: Buffer): Iterable<ProjectedItem>;
  /** The statement has ended: a problem when the content stops in the middle of a message. */
  end(): Iterable<ProjectedItem>;
}

/** Makes the projection for one statement of a session. */
export type Project = () => ContentProjection;

/**
 * A session as it went: statements, what came back, outcomes, in the order in which they were recorded. Reads as it
 * is asked, so memory stays at one frame however long the session is. What is missing or damaged is an item of its
 * own, where it was noticed.
 */
export function* replay(reader: RecordingReader, project: Project): Generator<ReplayItem> {
  const session = new SessionReplay(reader, project);
  let reported = 0;
  function* problems(): Generator<ReplayItem> {
    for (const { code, where, message } of reader.problems.slice(reported)) {
      reported += 1;
      yield { kind: 'problem', code, text: `${where}: ${message}` };
    }
  }
  for (const item of reader.items()) {
    yield* problems();
    yield* session.items(item);
  }
  yield* problems();
}

class SessionReplay {
  readonly #project: Project;
  readonly #statements = new Map<number, { readonly projection: ContentProjection; rows: number }>();
  #startedAtMs: number;

  constructor(reader: RecordingReader, project: Project) {
    this.#project = project;
    this.#startedAtMs = sessionTimeMs(reader.session);
  }

  *items(item: RecordedItem): Generator<ReplayItem> {
    if (item.kind === 'event') {
      yield* this.#event(item.event);
      return;
    }
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
