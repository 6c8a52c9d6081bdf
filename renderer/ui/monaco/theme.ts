import { editor } from 'monaco-editor/editor';

const name = 'throughline';

/** Both sets meet WCAG AA on the editor's background. */
const colours = {
  dark: {
    keyword: '7fb2ff',
    function: 'd9b8ff',
    type: '5fd0c5',
    string: 'a8d98a',
    number: 'f0b777',
    comment: '8b96a3',
    quoted: 'e0d59a',
    parameter: 'f0b777',
    operator: 'b6c2ce',
  },
  light: {
    keyword: '0b4fa8',
    function: '6b2fa0',
    type: '0b6b66',
    string: '3b6e12',
    number: '944600',
    comment: '5f6b77',
    quoted: '6d5600',
    parameter: '944600',
    operator: '47525e',
  },
} as const;

/** The editor's colours are the app's: read from the page, again whenever the page changes them. */
export function followTheme(): void {
  apply();
  const observer = new MutationObserver(apply);
  observer.observe(document.documentElement, { attributeFilter: ['data-mantine-color-scheme'] });
}

function apply(): void {
  const scheme = document.documentElement.dataset['mantineColorScheme'] === 'light' ? 'light' : 'dark';
  const words = colours[scheme];
  const styles = getComputedStyle(document.documentElement);
  const colour = (variable: string, alpha = ''): string => hex(styles.getPropertyValue(variable)) + alpha;
  const rules = Object.entries(words).map(([token, foreground]) => ({ token, foreground }));
  const background = colour('--mantine-color-body');
  editor.defineTheme(name, {
    base: scheme === 'light' ? 'vs' : 'vs-dark',
    inherit: true,
    rules: [{ token: '', foreground: colour('--mantine-color-text').slice(1) }, ...rules],
    colors: {
      'editor.background': background,
      'editor.foreground': colour('--mantine-color-text'),
      'editorGutter.background': background,
      'editorLineNumber.foreground': colour('--mantine-color-placeholder'),
      'editorLineNumber.activeForeground': colour('--mantine-color-text'),
      'editor.selectionBackground': colour('--tl-accent', '45'),
      'editor.inactiveSelectionBackground': colour('--tl-accent', '28'),
      'editor.lineHighlightBackground': colour('--tl-hover', '60'),
      'editor.lineHighlightBorder': '#00000000',
      'editorCursor.foreground': colour('--tl-accent'),
      'editorWidget.background': colour('--tl-raised'),
      'editorWidget.border': colour('--tl-border'),
      'editorHoverWidget.background': colour('--tl-raised'),
      'editorHoverWidget.border': colour('--tl-border'),
      'editorSuggestWidget.background': colour('--tl-raised'),
      'editorSuggestWidget.border': colour('--tl-border'),
      'editorSuggestWidget.foreground': colour('--mantine-color-text'),
      'editorSuggestWidget.selectedBackground': colour('--tl-chosen'),
      'editorSuggestWidget.selectedForeground': colour('--mantine-color-text'),
      'editorSuggestWidget.highlightForeground': colour('--tl-accent'),
      'editorSuggestWidget.focusHighlightForeground': colour('--tl-accent'),
      'editorError.foreground': colour('--tl-bad'),
      'editorWarning.foreground': colour('--tl-wait'),
      'input.background': colour('--mantine-color-body'),
      'input.border': colour('--tl-border'),
      focusBorder: colour('--tl-accent'),
      'menu.background': colour('--tl-raised'),
      'menu.foreground': colour('--mantine-color-text'),
      'menu.selectionBackground': colour('--tl-chosen'),
      'menu.selectionForeground': colour('--mantine-color-text'),
      'menu.border': colour('--tl-border'),
      'scrollbarSlider.background': colour('--mantine-color-dimmed', '40'),
      'scrollbarSlider.hoverBackground': colour('--mantine-color-dimmed', '70'),
      'scrollbarSlider.activeBackground': colour('--mantine-color-dimmed', '90'),
    },
  });
  editor.setTheme(name);
}

/** Any CSS colour as `#rrggbb`, which is all that the editor reads. */
function hex(colour: string): string {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return '#888888';
  context.fillStyle = '#888888';
  context.fillStyle = colour.trim();
  const read = context.fillStyle;
  return typeof read === 'string' && /^#[0-9a-f]{6}$/.test(read) ? read : '#888888';
}
