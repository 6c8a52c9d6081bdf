import type { ITheme } from '@xterm/xterm';
import type { Preferences } from '../../../gateway-core/contract/bridge/app.js';

type Named = Exclude<Preferences['terminalTheme'], 'app'>;

const ansi = (colours: readonly string[]): ITheme => {
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
  const theme: ITheme = {};
  names.forEach((name, index) => {
    const bright = `bright${name.charAt(0).toUpperCase()}${name.slice(1)}` as 'brightRed';
    Object.assign(theme, { [name]: colours[index], [bright]: colours[index + 8] });
  });
  return theme;
};

const dark: ITheme = {
  background: '#15181c',
  foreground: '#dde3ea',
  cursor: '#35c3a3',
  cursorAccent: '#15181c',
  selectionBackground: '#35c3a355',
  ...ansi(
    '#3a424b #ff8a80 #6fd08c #f0b95a #7fb2ff #d9a0ff #5fd0c5 #b9c1ca #8b96a3 #ffb3ac #9be3b0 #f7d491 #a9ccff #e8c6ff #92e3db #ffffff'.split(
      ' ',
    ),
  ),
};

const light: ITheme = {
  background: '#ffffff',
  foreground: '#1d2125',
  cursor: '#0b7a63',
  cursorAccent: '#ffffff',
  selectionBackground: '#0b7a6340',
  ...ansi(
    '#1d2125 #b3261e #19703a #8a5300 #0b4fa8 #7a2f9e #0b6b66 #5a6470 #3a424b #c9372d #1f8446 #a06300 #1a63c4 #8f45b5 #128079 #69737f'.split(
      ' ',
    ),
  ),
};

const named: Readonly<Record<Named, ITheme>> = {
  slate: {
    background: '#1e2430',
    foreground: '#d5dbe6',
    cursor: '#8fb7ff',
    cursorAccent: '#1e2430',
    selectionBackground: '#8fb7ff50',
    ...ansi(
      '#3b4557 #f28b82 #8fd19e #e5c07b #8fb7ff #cfa6f2 #76cfd6 #c3cbd8 #8592a8 #ffada5 #b0e5bb #f3d8a1 #b4d0ff #e2c6fb #9fe4e9 #ffffff'.split(
        ' ',
      ),
    ),
  },
  paper: {
    background: '#fbf8f1',
    foreground: '#2c2a25',
    cursor: '#8a4b00',
    cursorAccent: '#fbf8f1',
    selectionBackground: '#8a4b0033',
    ...ansi(
      '#2c2a25 #a4262c #3b6e12 #805500 #1f4f9e #743a8c #11696b #6b675d #55514a #b93a40 #4a8219 #966500 #2f63b8 #884ba2 #1a7e80 #7a766b'.split(
        ' ',
      ),
    ),
  },
  solarized: {
    background: '#002b36',
    foreground: '#a9b7b8',
    cursor: '#93a1a1',
    cursorAccent: '#002b36',
    selectionBackground: '#2aa19850',
    ...ansi(
      '#073642 #f2706b #a3b500 #d3a41a #4ea6e6 #e273ac #3cc0b5 #eee8d5 #7b9097 #f58b60 #9fb0b1 #a5b4b6 #a9b7b8 #9a9ee0 #b9c4c4 #fdf6e3'.split(
        ' ',
      ),
    ),
  },
  contrast: {
    background: '#000000',
    foreground: '#ffffff',
    cursor: '#ffff00',
    cursorAccent: '#000000',
    selectionBackground: '#ffffff66',
    ...ansi(
      '#000000 #ff6b6b #5dff5d #ffff5d #7db4ff #ff7dff #5dffff #ffffff #a0a0a0 #ff9c9c #9cff9c #ffff9c #b0d2ff #ffb0ff #9cffff #ffffff'.split(
        ' ',
      ),
    ),
  },
};

/** The colours of a terminal; `app` follows the app's own, light or dark. */
export function themeOf(name: Preferences['terminalTheme'], scheme: 'light' | 'dark'): ITheme {
  if (name !== 'app') return named[name];
  return scheme === 'light' ? light : dark;
}
