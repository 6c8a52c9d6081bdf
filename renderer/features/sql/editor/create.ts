import { editor, Uri } from 'monaco-editor/editor';
import { useKnown } from '../../../ui/app-state.js';
import { useCatalogs } from '../catalogs.js';
import type { SqlTab } from '../tab-model.js';
import { Document } from './document.js';
import { addHost } from './hosts.js';
import { languageId } from './language.js';
import { Marks } from './marks.js';
import type { EditorPort, Piece, PieceKind } from './port.js';
import { Problems } from './problems.js';

const lineHeightRatio = 1.55;

/** An editor of a tab's text in `parent`. Returns how to take it away; the text stays with the tab. */
export function createEditor(parent: HTMLElement, tab: SqlTab, text: string): () => void {
  const uri = Uri.from({ scheme: 'sql', path: `/${tab.id}` });
  editor.getModel(uri)?.dispose();
  const model = editor.createModel(text, languageId, uri);
  // Offsets count one character for a line's end, as the run's text does.
  model.setEOL(editor.EndOfLineSequence.LF);
  const connection = (): string => tab.state.getState().connection;
  const view = editor.create(parent, {
    model,
    overflowWidgetsDomNode: overflowElement(),
    ...fixedOptions,
    ...options(),
    ariaLabel: `SQL editor, ${connection()}`,
  });
  const document = new Document(model);
  addHost(model, { document, connection });
  const marks = new Marks(view, document, connection);
  const problems = new Problems(view, document);
  const port = new Port(view, document, problems);
  tab.editor = port;
  view.onDidChangeModelContent(() => tab.typed());
  view.onDidBlurEditorText(() => tab.keepText());
  const stopPreferences = useKnown.subscribe(() => view.updateOptions(options()));
  const stopCatalogs = useCatalogs.subscribe(() => marks.soon());
  void globalThis.document.fonts.ready.then(() => editor.remeasureFonts());
  return () => {
    stopPreferences();
    stopCatalogs();
    tab.keepText();
    if (tab.editor === port) tab.editor = undefined;
    view.dispose();
    model.dispose();
  };
}

let overflow: HTMLElement | undefined;

/** Lists and hovers stand on the page itself: a docked tab cuts off what is larger than it. */
function overflowElement(): HTMLElement {
  overflow ??= globalThis.document.createElement('div');
  overflow.className = 'monaco-editor sql-overflow';
  if (!overflow.isConnected) globalThis.document.body.append(overflow);
  return overflow;
}

const fixedOptions: editor.IStandaloneEditorConstructionOptions = {
  automaticLayout: true,
  fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace",
  minimap: { enabled: false },
  scrollBeyondLastLine: false,
  padding: { top: 6, bottom: 6 },
  lineNumbersMinChars: 3,
  lineDecorationsWidth: 8,
  glyphMargin: true,
  tabSize: 2,
  insertSpaces: true,
  fixedOverflowWidgets: true,
  renderLineHighlightOnlyWhenFocus: true,
  bracketPairColorization: { enabled: false },
  guides: { indentation: false },
  wordBasedSuggestions: 'off',
  quickSuggestions: { other: true, comments: false, strings: false },
  suggest: { showWords: false, showStatusBar: false, preview: false, localityBonus: false },
  acceptSuggestionOnCommitCharacter: false,
  acceptSuggestionOnEnter: 'smart',
  tabCompletion: 'on',
  // Text from others is read here as well: what is not seen, or looks like something else, is marked.
  renderControlCharacters: true,
  unicodeHighlight: { ambiguousCharacters: true, invisibleCharacters: true },
  links: false,
  stickyScroll: { enabled: false },
  overviewRulerBorder: false,
  scrollbar: { verticalScrollbarSize: 12, horizontalScrollbarSize: 12, useShadows: false },
  'semanticHighlighting.enabled': false,
};

function options(): editor.IEditorOptions {
  const { editorFontSize, editorFontLigatures, wordWrap, reducedMotion } = useKnown.getState().preferences;
  return {
    fontSize: editorFontSize,
    lineHeight: Math.round(editorFontSize * lineHeightRatio),
    fontLigatures: editorFontLigatures,
    wordWrap: wordWrap ? 'on' : 'off',
    cursorBlinking: reducedMotion ? 'solid' : 'blink',
    smoothScrolling: false,
  };
}

class Port implements EditorPort {
  readonly #editor: editor.IStandaloneCodeEditor;
  readonly #document: Document;
  readonly #problems: Problems;

  constructor(view: editor.IStandaloneCodeEditor, document: Document, problems: Problems) {
    this.#editor = view;
    this.#document = document;
    this.#problems = problems;
  }

  text(): string {
    return this.#document.text;
  }

  piece(kind: PieceKind): Piece | undefined {
    const selected = this.#selected();
    if (selected !== undefined && kind !== 'all') return selected;
    const { text } = this.#document;
    if (kind !== 'statement') return text.trim() === '' ? undefined : { text, start: 0 };
    const position = this.#editor.getPosition();
    if (position === null) return undefined;
    const statement = this.#document.statementAt(this.#document.model.getOffsetAt(position));
    if (statement === undefined) return undefined;
    return { text: text.slice(statement.start, statement.end), start: statement.start };
  }

  #selected(): Piece | undefined {
    const selection = this.#editor.getSelection();
    if (selection === null || selection.isEmpty()) return undefined;
    const { model } = this.#document;
    const text = model.getValueInRange(selection);
    if (text.trim() === '') return undefined;
    return { text, start: model.getOffsetAt(selection.getStartPosition()) };
  }

  replace({ text, start }: Piece, by: string): void {
    this.#edit(start, start + text.length, by);
  }
  replaceAll(text: string): void {
    if (text !== this.#document.text) this.#edit(0, this.#document.text.length, text);
  }
  #edit(start: number, end: number, text: string): void {
    this.#editor.pushUndoStop();
    this.#editor.executeEdits('throughline', [{ range: this.#document.range(start, end), text }]);
    this.#editor.pushUndoStop();
  }

  insert(text: string): void {
    const selection = this.#editor.getSelection();
    if (selection === null) return;
    this.#editor.pushUndoStop();
    this.#editor.executeEdits('throughline', [{ range: selection, text, forceMoveMarkers: true }]);
    this.#editor.pushUndoStop();
    this.#editor.focus();
  }

  track(run: string, piece: Piece): void {
    this.#problems.track(run, piece);
  }
  showProblems(entry: Parameters<EditorPort['showProblems']>[0]): void {
    this.#problems.show(entry);
  }

  reveal(run: string, offset: number): void {
    const base = this.#problems.placeOf(run, '');
    if (base === undefined) return;
    const position = this.#document.model.getPositionAt(base + offset);
    this.#editor.setPosition(position);
    this.#editor.revealPositionInCenterIfOutsideViewport(position);
    this.#editor.focus();
  }

  focus(): void {
    this.#editor.focus();
  }
  trigger(action: string): void {
    this.#editor.focus();
    this.#editor.trigger('throughline', action, undefined);
  }
}
