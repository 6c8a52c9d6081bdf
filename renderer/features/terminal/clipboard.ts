import { workbench } from '../../ui/workbench.js';

/** Reads the clipboard where the browser around lets the app; else the keys do it, which need no leave. */
export async function pasteFromClipboard(tab: { paste(text: string): void }): Promise<void> {
  try {
    tab.paste(await navigator.clipboard.readText());
  } catch {
    workbench().notify({
      level: 'info',
      title: 'Paste with the keys',
      text: 'The app may not read the clipboard by itself here: press Ctrl+Shift+V or Shift+Insert.',
    });
  }
}
