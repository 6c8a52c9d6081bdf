import { editor, KeyCode, KeyMod } from 'monaco-editor/editor';
import { useKnown } from '../app-state.js';
import './base.js';
import { followTheme } from './theme.js';

followTheme();

/** An editor of plain text. */
export interface PlainEditor {
  text(): string;
  dispose(): void;
}

/** Line ends stay as they are in the text. */
export function createPlainEditor(
  parent: HTMLElement,
  wanted: {
    readonly text: string;
    readonly label: string;
    readonly changed: () => void;
    readonly save: () => void;
  },
): PlainEditor {
  const { editorFontSize, wordWrap, reducedMotion } = useKnown.getState().preferences;
  const model = editor.createModel(wanted.text, 'plaintext');
  const view = editor.create(parent, {
    model,
    ariaLabel: wanted.label,
    automaticLayout: true,
    fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace",
    fontSize: editorFontSize,
    wordWrap: wordWrap ? 'on' : 'off',
    cursorBlinking: reducedMotion ? 'solid' : 'blink',
    minimap: { enabled: false },
    scrollBeyondLastLine: false,
    detectIndentation: true,
    // Text from others: what is not seen, or looks like something else, is marked.
    renderControlCharacters: true,
    unicodeHighlight: { ambiguousCharacters: true, invisibleCharacters: true },
    links: false,
    bracketPairColorization: { enabled: false },
  });
  view.addCommand(KeyMod.CtrlCmd | KeyCode.KeyS, wanted.save);
  model.onDidChangeContent(wanted.changed);
  view.focus();
  return {
    text: () => model.getValue(editor.EndOfLinePreference.TextDefined, true),
    dispose: () => {
      view.dispose();
      model.dispose();
    },
  };
}
