import { isFileStream } from '../contract/data-streams.js';
import type { ContentProjection, ContentStream, ProjectedItem } from '../contract/recorder.js';
import { PostgresContent, searchableText as postgresText } from './postgres/content.js';
import { fileItem, searchableFile } from './sftp/content.js';
import { isTerminalStream, TerminalContent } from './terminal/content.js';
import { ReadableText } from './terminal/readable.js';
import { Utf8Text } from './terminal/utf8.js';

/** What a statement of any protocol recorded: which codec reads it stands in its streams. */
class StatementContent implements ContentProjection {
  #postgres: PostgresContent | undefined;
  #terminal: TerminalContent | undefined;

  items(stream: ContentStream, bytes: Buffer): Iterable<ProjectedItem> {
    if (isTerminalStream(stream)) {
      this.#terminal ??= new TerminalContent();
      return this.#terminal.items(stream, bytes);
    }
    if (isFileStream(stream)) return [fileItem(stream, bytes)];
    this.#postgres ??= new PostgresContent();
    return this.#postgres.items(stream, bytes);
  }

  *end(): Generator<ProjectedItem> {
    if (this.#postgres !== undefined) yield* this.#postgres.end();
    if (this.#terminal !== undefined) yield* this.#terminal.end();
  }
}

/** A `Project` (contract/recorder.ts) for every protocol. */
export const statementContent = (): ContentProjection => new StatementContent();

/**
 * The words of one stream of recorded content, for the search index. Terminals write a word in as many records as it
 * has letters, so the reader of one keeps its place; two pieces of its text stand directly beside each other.
 */
export class SearchableContent {
  readonly #terminals = new Map<string, { readonly bytes: Utf8Text; readonly text: ReadableText }>();

  /** `joined`: the text goes on where the last piece of this statement and stream ended. */
  text(
    seq: number,
    stream: ContentStream,
    bytes: Buffer,
  ): { readonly text: string; readonly joined: boolean } {
    if (stream === 'terminal-size') return { text: '', joined: false };
    if (isFileStream(stream)) return { text: searchableFile(bytes), joined: true };
    if (!isTerminalStream(stream)) return { text: postgresText(stream, bytes), joined: false };
    const key = `${stream} ${seq}`;
    const reader = this.#terminals.get(key) ?? { bytes: new Utf8Text(), text: new ReadableText() };
    this.#terminals.set(key, reader);
    return { text: reader.text.push(reader.bytes.push(bytes)), joined: true };
  }

  end(seq: number): void {
    for (const stream of ['terminal', 'stdout', 'stderr']) this.#terminals.delete(`${stream} ${seq}`);
  }
}
