import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef } from 'react';
import type { ReplayHead, ReplayTerminal } from '../../../gateway-core/contract/bridge/work.js';
import { TerminalReplay } from '../../../gateway-core/contract/terminal-replay.js';
import { DecisionMark } from '../decision.js';
import { VisibleText } from '../visible-text.js';
import type { ReplayPages } from './pages.js';
import style from './replay.module.css';

const scrollbackRows = 2000;

/** A recorded terminal as it stood at a moment. It takes no keys, follows no links and answers nothing. */
export function ReplayTerminalView({
  pages,
  terminal,
  atMs,
  statement,
}: {
  readonly pages: ReplayPages;
  readonly terminal: ReplayTerminal;
  readonly atMs: number;
  readonly statement: ReplayHead['statements'][number] | undefined;
}) {
  const place = useRef<HTMLDivElement>(null);
  const replay = useRef<TerminalReplay>(undefined);
  useEffect(() => {
    if (place.current === null) return undefined;
    const emulator = emulatorIn(place.current);
    const painter = new TerminalReplay(
      {
        write: (data, painted) => emulator.write(data, painted),
        resize: (columns, rows) => emulator.resize(columns, rows),
        reset: () => emulator.reset(),
      },
      pages,
      terminal,
    );
    replay.current = painter;
    return () => {
      painter.close();
      emulator.dispose();
    };
  }, [pages, terminal]);
  useEffect(() => {
    pages
      .countUntil(0, pages.length, atMs)
      .then((count) => replay.current?.show(count))
      .catch(() => undefined);
  }, [pages, terminal, atMs]);
  return (
    <div className={style['screen']}>
      {statement !== undefined && (
        <header className={style['now']}>
          <DecisionMark decision={statement.decision} bare />
          <pre>
            <VisibleText text={statement.text} />
          </pre>
        </header>
      )}
      <div
        ref={place}
        className={style['terminal']}
        tabIndex={0}
        role="group"
        aria-label="The recorded terminal"
      />
    </div>
  );
}

/** INVARIANT: nothing that a recording holds reaches anything but the picture: no keys, links, titles or answers. */
function emulatorIn(place: HTMLElement): Terminal {
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
  // Keys are the player's.
  emulator.attachCustomKeyEventHandler(() => false);
  emulator.open(place);
  return emulator;
}
