import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';

const scrollbackRows = 2000;

/**
 * A terminal that only shows. The caller opens and disposes of it. INVARIANT: nothing that it is given reaches anything
 * but the picture: no keys, links, titles or answers.
 */
export function readOnlyTerminal(): Terminal {
  const emulator = new Terminal({
    disableStdin: true,
    scrollback: scrollbackRows,
    logLevel: 'off',
    fontFamily: "'JetBrains Mono Variable', monospace",
    fontSize: 13,
    cursorBlink: false,
    screenReaderMode: true,
    linkHandler: { activate: () => undefined },
    theme: { background: '#16181d', foreground: '#d5d8de' },
  });
  // Keys are whoever's it stands in.
  emulator.attachCustomKeyEventHandler(() => false);
  return emulator;
}
