import type { editor, IRange } from 'monaco-editor/editor';
import { type Statement, statementAt, statementsOf } from '../text/statements.js';

/** Text up to this length is looked at as a whole while it is typed: for marks and completion. */
export const followedCharactersMax = 500_000;

/** A model's text and its statements, read once for each version of it. */
export class Document {
  readonly model: editor.ITextModel;
  #version = -1;
  #text = '';
  #statements: readonly Statement[] | undefined;

  constructor(model: editor.ITextModel) {
    this.model = model;
  }

  get text(): string {
    const version = this.model.getVersionId();
    if (version !== this.#version) {
      this.#text = this.model.getValue();
      this.#version = version;
      this.#statements = undefined;
    }
    return this.#text;
  }

  get statements(): readonly Statement[] {
    const { text } = this;
    this.#statements ??= statementsOf(text);
    return this.#statements;
  }

  /** Too long to be looked at with every key. */
  get long(): boolean {
    return this.model.getValueLength() > followedCharactersMax;
  }

  statementAt(offset: number): Statement | undefined {
    return statementAt(this.text, this.statements, offset);
  }

  range(start: number, end: number): IRange {
    const from = this.model.getPositionAt(start);
    const to = this.model.getPositionAt(end);
    return {
      startLineNumber: from.lineNumber,
      startColumn: from.column,
      endLineNumber: to.lineNumber,
      endColumn: to.column,
    };
  }
}
