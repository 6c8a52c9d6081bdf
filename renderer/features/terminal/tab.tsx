import { Splitter } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import type { TabProps } from '../../ui/workbench.js';
import { TerminalContext, useTerminal, useTerminalState } from './context.js';
import { FilesPane } from './files/pane.js';
import { FindBar } from './find-bar.js';
import { Header, TogetherStripe } from './header.js';
import { Overlay } from './overlay.js';
import { PasteDialog } from './paste-dialog.js';
import { Snippets } from './snippets.js';
import { hold, tabOf } from './tabs.js';
import style from './terminal.module.css';
import { TerminalMenu } from './terminal-menu.js';

/** A terminal tab: who acts on what, the terminal, and beside it the target's files. */
export function TerminalTabView({ tab: id, parameters }: TabProps) {
  const [tab] = useState(() => tabOf(id, parameters));
  useEffect(() => hold(id), [id]);
  return (
    <TerminalContext value={tab}>
      <section className={style['tab']} aria-label={`Terminal: ${tab.name}`}>
        <Header />
        <TogetherStripe />
        <Parts />
        <PasteDialog />
        <Snippets />
        <TerminalMenu />
      </section>
    </TerminalContext>
  );
}

function Parts() {
  const files = useTerminalState((state) => state.files);
  return (
    // Panes get their sizes when they are made; the terminal itself only moves.
    <Splitter
      key={String(files)}
      className={style['split'] ?? ''}
      lineSize={1}
      withHandle={false}
      handleColor="var(--tl-border)"
    >
      <Splitter.Pane defaultSize={files ? 58 : 100} min={20} className={style['pane'] ?? ''}>
        <ScreenArea />
      </Splitter.Pane>
      {files && (
        <Splitter.Pane defaultSize={42} min={18} className={style['pane'] ?? ''}>
          <FilesPane />
        </Splitter.Pane>
      )}
    </Splitter>
  );
}

/** The terminal itself. Its program is large and comes when the first terminal is opened. */
function ScreenArea() {
  const tab = useTerminal();
  const parent = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<BridgeError>();
  const [attempt, setAttempt] = useState(0);
  const [shown, setShown] = useState(tab.screen !== undefined);
  const bell = useTerminalState((state) => state.bell);
  useEffect(() => {
    let gone = false;
    import('./screen.js').then(
      ({ Screen }) => {
        if (gone || parent.current === null) return;
        const isNew = tab.screen === undefined;
        tab.screen ??= new Screen(`Terminal on ${tab.name}`, tab);
        tab.screen.attach(parent.current);
        setShown(true);
        tab.begin();
        if (isNew) tab.screen.focus();
      },
      () =>
        setProblem({ code: 'internal', message: 'the terminal could not be loaded', action: 'try again' }),
    );
    return () => {
      gone = true;
    };
  }, [tab, attempt]);
  return (
    <div className={style['area']} data-bell={bell || undefined}>
      {problem !== undefined && (
        <ErrorState
          error={problem}
          retry={() => {
            setProblem(undefined);
            setAttempt(attempt + 1);
          }}
        />
      )}
      {!shown && problem === undefined && <Skeleton label="Loading the terminal" />}
      <div ref={parent} className={style['screen']} />
      <FindBar />
      <Overlay />
    </div>
  );
}
