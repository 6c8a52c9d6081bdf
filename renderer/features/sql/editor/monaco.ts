import { editor, KeyCode, KeyMod } from 'monaco-editor/editor';
// Only what a SQL editor uses: everything together is four times as large.
import 'monaco-editor/features/anchorSelect/register';
import 'monaco-editor/features/bracketMatching/register';
import 'monaco-editor/features/caretOperations/register';
import 'monaco-editor/features/clipboard/register';
import 'monaco-editor/features/codicon/register';
import 'monaco-editor/features/codeEditor/register';
import 'monaco-editor/features/comment/register';
import 'monaco-editor/features/contextmenu/register';
import 'monaco-editor/features/cursorUndo/register';
import 'monaco-editor/features/dnd/register';
import 'monaco-editor/features/find/register';
import 'monaco-editor/features/folding/register';
import 'monaco-editor/features/gotoError/register';
import 'monaco-editor/features/gotoLine/register';
import 'monaco-editor/features/hover/register';
import 'monaco-editor/features/indentation/register';
import 'monaco-editor/features/lineSelection/register';
import 'monaco-editor/features/linesOperations/register';
import 'monaco-editor/features/longLinesHelper/register';
import 'monaco-editor/features/multicursor/register';
import 'monaco-editor/features/parameterHints/register';
import 'monaco-editor/features/placeholderText/register';
import 'monaco-editor/features/smartSelect/register';
import 'monaco-editor/features/snippet/register';
// The list itself: the feature of that name brings only what is shown inside of the line.
import 'monaco-editor/editor/contrib/suggest/browser/suggestController.js';
import 'monaco-editor/features/toggleTabFocusMode/register';
import 'monaco-editor/features/tokenization/register';
import 'monaco-editor/features/unicodeHighlighter/register';
import 'monaco-editor/features/unusualLineTerminators/register';
import 'monaco-editor/features/wordHighlighter/register';
import 'monaco-editor/features/wordOperations/register';
import 'monaco-editor/features/wordPartOperations/register';
import workerUrl from 'monaco-editor/editor/editor.worker?worker&url';
import { registerLanguage } from './language.js';
import { registerProviders } from './providers.js';
import { followTheme } from './theme.js';

globalThis.MonacoEnvironment = {
  // A file of the app: the content security policy lets no worker come from anywhere else.
  getWorker: () => new Worker(workerUrl, { type: 'module' }),
};
registerLanguage();
registerProviders();
followTheme();
// These belong to the app's commands: the editor's own meaning of them would come first while it has the focus.
editor.addKeybindingRules(
  [
    KeyMod.CtrlCmd | KeyCode.Enter,
    KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.Enter,
    KeyMod.CtrlCmd | KeyCode.KeyK,
    KeyMod.CtrlCmd | KeyCode.KeyG,
    KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyF,
    KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyK,
    KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyO,
  ].map((keybinding) => ({ keybinding, command: null })),
);

export { createEditor } from './create.js';
