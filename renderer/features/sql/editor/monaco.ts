import { editor, KeyCode, KeyMod } from 'monaco-editor/editor';
// Only what a SQL editor uses beyond what every editor has.
import 'monaco-editor/features/gotoError/register';
import 'monaco-editor/features/hover/register';
import 'monaco-editor/features/parameterHints/register';
import 'monaco-editor/features/placeholderText/register';
import 'monaco-editor/features/snippet/register';
// The list itself: the feature of that name brings only what is shown inside of the line.
import 'monaco-editor/editor/contrib/suggest/browser/suggestController.js';
import '../../../ui/monaco/base.js';
import { followTheme } from '../../../ui/monaco/theme.js';
import { registerLanguage } from './language.js';
import { registerProviders } from './providers.js';

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
