import { useEffect, useRef } from 'react';
import type { ReplayHead, ReplayTerminal } from '../../../gateway-core/contract/bridge/work.js';
import { TerminalReplay } from '../../../gateway-core/contract/terminal-replay.js';
import { DecisionMark } from '../decision.js';
import { VisibleText } from '../visible-text.js';
import type { ReplayPages } from './pages.js';
import { readOnlyTerminal } from './read-only-terminal.js';
import style from './replay.module.css';

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
    const emulator = readOnlyTerminal();
    emulator.open(place.current);
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
