import { SearchableContent } from '../../codec/content.js';
import type { AuditEvent } from '../../contract/events.js';
import type { ContentStream } from '../../contract/recorder.js';
import { sealerLimits } from './limits.js';
import { foldText } from './search-text.js';

/** What can be found of a statement, beside what came back. */
export function statementSearchText(event: Extract<AuditEvent, { kind: 'statement.decided' }>): string {
  const { text, parameters, message } = event.payload;
  if (parameters === undefined && message === undefined) return text;
  return [text, ...(parameters ?? []).filter((value) => value !== null), message ?? ''].join('\n');
}

/**
 * The words of one session's next records, until they make a document of the search index. One document for many
 * statements keeps the price of a statement small; which of them matched is found in the recording.
 */
export class SearchChunk {
  readonly openedAtMs: number;
  /** No record of this document is older than this entry of the log. */
  readonly openedAtLogIndex: number;
  firstPosition = -1;
  lastPosition = -1;
  #parts: string[] = [];
  #statements = 0;
  #length = 0;
  readonly #seen = new Set<string>();
  readonly #content = new SearchableContent();
  /** Text of terminals, by statement: it comes letter by letter, from several at once. */
  readonly #running = new Map<number, string>();

  constructor(openedAtMs: number, openedAtLogIndex: number) {
    this.openedAtMs = openedAtMs;
    this.openedAtLogIndex = openedAtLogIndex;
  }

  event(position: number, event: AuditEvent): void {
    this.#reach(position);
    if (event.kind === 'statement.ended') this.#endRunning(event.seq);
    if (event.kind !== 'statement.decided') return;
    this.#statements += 1;
    const text = statementSearchText(event);
    // Prepared statements come by the thousand with one text.
    if (this.#seen.has(text)) return;
    this.#seen.add(text);
    this.#add(text);
  }

  content(position: number, seq: number, stream: ContentStream, bytes: Buffer): void {
    this.#reach(position);
    const { text, joined } = this.#content.text(seq, stream, bytes);
    if (!joined) return this.#add(text);
    this.#length += text.length;
    this.#running.set(seq, (this.#running.get(seq) ?? '') + text);
  }

  #endRunning(seq: number): void {
    const text = this.#running.get(seq);
    this.#running.delete(seq);
    this.#content.end(seq);
    if (text !== undefined) this.#parts.push(foldText(text));
  }

  /** A record without words still belongs to the range. After a crash content may come behind later events. */
  #reach(position: number): void {
    this.firstPosition = this.firstPosition < 0 ? position : Math.min(this.firstPosition, position);
    this.lastPosition = Math.max(this.lastPosition, position);
  }

  #add(text: string): void {
    this.#parts.push(foldText(text));
    this.#length += text.length;
  }

  isDue(nowMs: number): boolean {
    return (
      this.#statements >= sealerLimits.chunkStatements ||
      this.#length >= sealerLimits.chunkTextMax ||
      nowMs - this.openedAtMs >= sealerLimits.chunkAgeMs
    );
  }

  get text(): string {
    return [...this.#parts, ...[...this.#running.values()].map(foldText)].join('\n');
  }
}
