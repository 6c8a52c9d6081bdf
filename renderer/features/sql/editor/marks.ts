import { editor } from 'monaco-editor/editor';
import type { SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import { catalogOf, readColumns } from '../catalogs.js';
import { type MaskedSpan, maskedNames } from '../text/describe.js';
import type { Statement } from '../text/statements.js';
import type { Document } from './document.js';

/** A statement longer than this is not searched for masked names. */
const statementCharactersMax = 50_000;
const delayMs = 120;

/**
 * The marks that follow the text: which statement would be run, and which names stand for masked columns. Looked at
 * where the editor is scrolled to, a moment after the last change.
 */
export class Marks {
  readonly #editor: editor.IStandaloneCodeEditor;
  readonly #document: Document;
  readonly #connection: () => string;
  readonly #current: editor.IEditorDecorationsCollection;
  readonly #masked: editor.IEditorDecorationsCollection;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(view: editor.IStandaloneCodeEditor, document: Document, connection: () => string) {
    this.#editor = view;
    this.#document = document;
    this.#connection = connection;
    this.#current = view.createDecorationsCollection();
    this.#masked = view.createDecorationsCollection();
    view.onDidChangeCursorPosition(() => this.#markCurrent());
    view.onDidChangeModelContent(() => this.soon());
    view.onDidScrollChange(({ scrollTopChanged }) => scrollTopChanged && this.soon());
    view.onDidDispose(() => clearTimeout(this.#timer));
    this.soon();
  }

  /** Looks again: the text, the schema or what is seen changed. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#markCurrent();
      this.#markMasked();
    }, delayMs);
  }

  #markCurrent(): void {
    const position = this.#editor.getPosition();
    if (position === null || this.#document.long) return this.#current.clear();
    const statement = this.#document.statementAt(this.#document.model.getOffsetAt(position));
    if (statement === undefined) return this.#current.clear();
    this.#current.set([
      {
        range: this.#document.range(statement.head, statement.end),
        options: {
          isWholeLine: true,
          linesDecorationsClassName: 'sql-current-statement',
          stickiness: editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges,
        },
      },
    ]);
  }

  #markMasked(): void {
    const catalog = catalogOf(this.#connection());
    if (catalog === undefined || this.#document.long) return this.#masked.clear();
    const { text } = this.#document;
    const spans: MaskedSpan[] = [];
    const missing = new Set<SchemaObject>();
    for (const statement of this.#seen()) {
      const found = maskedNames(text, statement, catalog);
      spans.push(...found.spans);
      for (const object of found.missing) missing.add(object);
    }
    this.#masked.set(
      spans.map(({ start, end }) => ({
        range: this.#document.range(start, end),
        options: {
          inlineClassName: 'sql-masked-name',
          stickiness: editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges,
        },
      })),
    );
    // What is read changes the catalog, and this looks again.
    if (missing.size > 0) void readColumns(this.#connection(), [...missing]);
  }

  /** The statements that are scrolled to. */
  #seen(): Statement[] {
    const ranges = this.#editor.getVisibleRanges();
    const [first, last] = [ranges[0], ranges.at(-1)];
    if (first === undefined || last === undefined) return [];
    const { model } = this.#document;
    const from = model.getOffsetAt({ lineNumber: first.startLineNumber, column: 1 });
    const to = model.getOffsetAt({
      lineNumber: last.endLineNumber,
      column: model.getLineMaxColumn(last.endLineNumber),
    });
    return this.#document.statements.filter(
      ({ start, end }) => start <= to && end >= from && end - start <= statementCharactersMax,
    );
  }
}
