import { editor, MarkerSeverity } from 'monaco-editor/editor';
import type { SqlProblem } from '../../../../gateway-core/contract/bridge/sql.js';
import { sentence } from '../../../ui/error-state.js';
import { visibleText } from '../../../ui/visible-text.js';
import { errorsOf, placeOf, type RunEntry } from '../runs.js';
import { lex } from '../text/lexer.js';
import { plain } from '../text/markdown.js';
import type { Document } from './document.js';
import type { Piece } from './port.js';

const owner = 'throughline-sql';
const problemsShownMax = 50;
const noteLinePx = 20;

interface Note {
  readonly zone: string;
  readonly decoration: editor.IEditorDecorationsCollection;
  readonly marker: editor.IMarkerData;
}

/** Errors where they stand: underlined, a sign in the gutter, and what is to be done below the line. */
export class Problems {
  readonly #editor: editor.IStandaloneCodeEditor;
  readonly #document: Document;
  readonly #runs = new Map<string, editor.IEditorDecorationsCollection>();
  #notes: Note[] = [];

  constructor(view: editor.IStandaloneCodeEditor, document: Document) {
    this.#editor = view;
    this.#document = document;
    // What is being corrected is not complained about any longer.
    view.onDidChangeModelContent(({ changes }) => {
      const lines = changes.map(({ range }) => range);
      this.#drop(({ decoration }) => {
        const at = decoration.getRange(0);
        return (
          at === null ||
          lines.some(
            (line) => line.startLineNumber <= at.endLineNumber && line.endLineNumber >= at.startLineNumber,
          )
        );
      });
    });
  }

  /** Follows where the text of a run goes, and forgets what earlier ones said. */
  track(run: string, { start, text }: Piece): void {
    this.#drop(() => true);
    for (const tracked of this.#runs.values()) tracked.clear();
    this.#runs.clear();
    const tracked = this.#editor.createDecorationsCollection([
      {
        range: this.#document.range(start, start + text.length),
        options: { stickiness: editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges },
      },
    ]);
    this.#runs.set(run, tracked);
  }

  /** Where the text of a run stands now; undefined when it was changed since. */
  placeOf(run: string, text: string): number | undefined {
    const range = this.#runs.get(run)?.getRange(0);
    if (range === undefined || range === null) return undefined;
    const { model } = this.#document;
    if (text !== '' && model.getValueInRange(range) !== text) return undefined;
    return model.getOffsetAt({ lineNumber: range.startLineNumber, column: range.startColumn });
  }

  show({ run, text }: RunEntry): void {
    const base = this.placeOf(run.run, text);
    if (base === undefined) return;
    const problems = run.statements.flatMap((statement) =>
      errorsOf(statement).map((problem) => ({ problem, place: placeOf(statement, problem) })),
    );
    for (const { problem, place } of problems.slice(0, problemsShownMax)) {
      this.#add(problem, base + place.start, place.length);
    }
    this.#mark();
    const [first] = problems;
    if (first !== undefined)
      this.#editor.revealPositionInCenterIfOutsideViewport(
        this.#document.model.getPositionAt(base + first.place.start),
      );
  }

  #add(problem: SqlProblem, start: number, length: number): void {
    const range = this.#document.range(start, start + (length || this.#wordLength(start)));
    const lines = linesOf(problem);
    const decoration = this.#editor.createDecorationsCollection([
      {
        range,
        options: {
          glyphMarginClassName: problem.denied === undefined ? 'sql-glyph-error' : 'sql-glyph-denied',
          glyphMarginHoverMessage: lines.map((line) => ({ value: plain(line) })),
          stickiness: editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges,
        },
      },
    ]);
    const marker = {
      ...range,
      severity: MarkerSeverity.Error,
      message: lines.map((line) => visibleText(line)).join('\n'),
      code: problem.code,
    };
    let zone = '';
    this.#editor.changeViewZones((accessor) => {
      zone = accessor.addZone({
        afterLineNumber: range.startLineNumber,
        heightInPx: lines.length * noteLinePx + 8,
        domNode: noteElement(lines, problem.denied !== undefined, () =>
          this.#drop((note) => note.zone === zone),
        ),
        suppressMouseDown: true,
      });
    });
    this.#notes.push({ zone, decoration, marker });
  }

  /** To the end of the word or sign at a place: PostgreSQL says where an error begins. */
  #wordLength(start: number): number {
    const { model } = this.#document;
    const position = model.getPositionAt(start);
    const line = model.getLineContent(position.lineNumber).slice(position.column - 1);
    return lex(line).tokens[0]?.end ?? 1;
  }

  #mark(): void {
    editor.setModelMarkers(
      this.#document.model,
      owner,
      this.#notes.map(({ marker }) => marker),
    );
  }

  #drop(which: (note: Note) => boolean): void {
    const gone = this.#notes.filter(which);
    if (gone.length === 0) return;
    this.#editor.changeViewZones((accessor) => {
      for (const { zone } of gone) accessor.removeZone(zone);
    });
    for (const { decoration } of gone) decoration.clear();
    this.#notes = this.#notes.filter((note) => !gone.includes(note));
    this.#mark();
  }
}

function linesOf({ message, detail, hint, code, denied }: SqlProblem): string[] {
  const lines = [`${sentence(message)} ${code === '' ? '' : `(${code})`}`.trim()];
  if (denied !== undefined && denied.policy !== '') lines.push(`Policy ${denied.policy}.`);
  if (denied !== undefined) lines.push(sentence(denied.action));
  if (detail !== undefined) lines.push(sentence(detail));
  if (hint !== undefined && hint !== denied?.action) lines.push(`Hint: ${sentence(hint)}`);
  return lines;
}

function noteElement(lines: readonly string[], denied: boolean, close: () => void): HTMLElement {
  const note = document.createElement('div');
  note.className = 'sql-note';
  note.dataset['denied'] = String(denied);
  for (const line of lines) {
    const text = document.createElement('p');
    text.textContent = visibleText(line, 1000);
    text.title = visibleText(line, 4000);
    note.append(text);
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = '×';
  button.setAttribute('aria-label', 'Put the note away');
  button.addEventListener('click', close);
  note.append(button);
  return note;
}
