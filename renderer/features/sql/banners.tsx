import { Button } from '@mantine/core';
import { IconPlugConnected, IconPlugConnectedX, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useKnown } from '../../ui/app-state.js';
import { ErrorState, sentence } from '../../ui/error-state.js';
import { Line } from '../../ui/line.js';
import { useLine } from '../../ui/session-line.js';
import { VisibleText } from '../../ui/visible-text.js';
import { workbench } from '../../ui/workbench.js';
import { useTab, useTabState } from './context.js';
import style from './sql.module.css';

/** Who acts here, on what, and how the session stands. */
export function LineRow() {
  const session = useTabState((state) => state.session);
  const opening = useTabState((state) => state.opening);
  const connection = useTabState((state) => state.connection);
  const chain = useLine(session?.session);
  return (
    <div className={style['lineRow']}>
      <span className={style['line']}>
        {chain !== undefined && connection !== '' && <Line chain={chain} connection={connection} />}
      </span>
      <span className={style['sessionState']} role="status">
        {wordOf(opening, session?.state)}
        {session?.serverVersion !== undefined && session.state !== 'closed' && (
          <span className={style['version']}>
            {' '}
            · PostgreSQL <VisibleText text={session.serverVersion} />
          </span>
        )}
      </span>
      {session?.session !== undefined && (
        <Button
          size="compact-xs"
          variant="subtle"
          color="gray"
          onClick={() => workbench().openTab('session', { id: session.session ?? '' }, 'here')}
        >
          Session
        </Button>
      )}
    </div>
  );
}

function wordOf(opening: boolean, state: string | undefined): string {
  if (opening || state === 'connecting') return 'connecting…';
  if (state === undefined) return 'not connected';
  return state === 'closed' ? 'session ended' : state;
}

/** What stands in the way, with what to do about it. Results and text stay. */
export function Banners() {
  const tab = useTab();
  const session = useTabState((state) => state.session);
  const opening = useTabState((state) => state.opening);
  const problem = useTabState((state) => state.problem);
  const connection = useTabState((state) => state.connection);
  const reach = useKnown(({ app }) => app?.gateway?.reach);
  const closed = session?.state === 'closed';
  const connect = (
    <Button
      size="compact-xs"
      loading={opening}
      leftSection={<IconPlugConnected size={13} />}
      onClick={() => void tab.open()}
    >
      {closed ? 'Reconnect' : 'Connect'}
    </Button>
  );
  return (
    <>
      {reach !== undefined && reach !== 'connected' && (
        <Banner tone="wait">
          {reach === 'connecting' ? 'Connecting to the gateway…' : 'The gateway cannot be reached.'} Text and
          results stay; statements run again once it is back.
        </Banner>
      )}
      {closed && (
        <Banner tone="bad" action={connect}>
          <b>{sentence(session.problem?.message ?? 'the session ended')}</b>{' '}
          {session.problem?.action !== undefined && sentence(session.problem.action)} Results stay as they
          were; an open transaction was rolled back.
        </Banner>
      )}
      {problem !== undefined && !closed && (
        <div className={style['problem']}>
          <ErrorState
            compact
            error={problem}
            {...(session === undefined ? { retry: () => void tab.open() } : {})}
          />
          <button
            type="button"
            className={style['dismiss']}
            aria-label="Put the error away"
            onClick={() => tab.state.setState({ problem: undefined })}
          >
            <IconX size={14} />
          </button>
        </div>
      )}
      {session === undefined && !opening && problem === undefined && connection !== '' && (
        <Banner tone="calm" action={connect}>
          Not connected. The text is as you left it; running a statement connects as well.
        </Banner>
      )}
    </>
  );
}

function Banner({
  tone,
  action,
  children,
}: {
  readonly tone: 'bad' | 'wait' | 'calm';
  readonly action?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <div className={style['banner']} data-tone={tone} role={tone === 'bad' ? 'alert' : 'status'}>
      <IconPlugConnectedX size={16} stroke={1.7} aria-hidden />
      <p>{children}</p>
      {action}
    </div>
  );
}
