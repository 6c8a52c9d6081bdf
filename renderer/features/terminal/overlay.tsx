import { Button } from '@mantine/core';
import { IconBan, IconPlugConnected, IconPlugConnectedX, IconX } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { SessionView } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { call, on } from '../../bridge/index.js';
import { useKnown } from '../../ui/app-state.js';
import { sentence } from '../../ui/error-state.js';
import { VisibleText } from '../../ui/visible-text.js';
import { workbench } from '../../ui/workbench.js';
import { useTerminal, useTerminalState } from './context.js';
import style from './terminal.module.css';

type EndCause = NonNullable<SessionView['endCause']>;

const causes: Readonly<Record<EndCause, string>> = {
  client: 'it was closed here',
  target: 'the target ended it',
  revoked: 'it was revoked',
  expired: 'its time was up',
  orphaned: 'whoever it was for is gone',
  idle: 'nothing was said for too long',
  fault: 'something broke',
  'gateway-restart': 'the gateway restarted',
};

/** Where a terminal takes nothing any more: why, by whom, and what to do. What it showed stays readable above. */
export function Overlay() {
  const tab = useTerminal();
  const session = useTerminalState((state) => state.session);
  const opening = useTerminalState((state) => state.opening);
  const problem = useTerminalState((state) => state.problem);
  const reach = useKnown(({ app }) => app?.gateway?.reach);
  const cause = useEndCause(session?.state === 'closed' ? session.session : undefined);
  if (opening) return null;
  const shell = session?.shell;
  if (session !== undefined && shell?.state === 'open') {
    return problem === undefined ? null : <Passing problem={problem} dismiss={() => tab.dismiss()} />;
  }
  const refused = shell?.state === 'refused' ? shell.problem : undefined;
  const why = problem ?? session?.problem ?? refused;
  const away = reach !== undefined && reach !== 'connected';
  const denied = cause === 'revoked' || why?.code === 'denied' || why?.code === 'verification-failed';
  const Sign = denied ? IconBan : IconPlugConnectedX;
  return (
    <div
      className={style['overlay']}
      data-tone={denied ? 'bad' : 'calm'}
      role={why === undefined ? 'status' : 'alert'}
    >
      <Sign size={20} stroke={1.7} aria-hidden />
      <div className={style['overlayText']}>
        <b>{headOf(session?.state, shell, refused !== undefined, cause)}</b>
        {why !== undefined && (
          <p>
            <VisibleText text={sentence(why.message)} />{' '}
            {why.action !== undefined && <VisibleText text={sentence(why.action)} />}
          </p>
        )}
        {away && <p>The gateway cannot be reached right now; the app keeps trying.</p>}
      </div>
      <div className={style['overlayButtons']}>
        {session?.session !== undefined && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => workbench().openTab('session', { id: session.session ?? '' })}
          >
            What happened
          </Button>
        )}
        <Button
          size="compact-xs"
          disabled={away}
          leftSection={<IconPlugConnected size={13} />}
          onClick={() => void tab.connect()}
        >
          {session === undefined ? 'Connect' : session.state === 'closed' ? 'Connect again' : 'New shell'}
        </Button>
      </div>
    </div>
  );
}

/** The terminal goes on; this only did not work. */
function Passing({ problem, dismiss }: { readonly problem: BridgeError; readonly dismiss: () => void }) {
  return (
    <div className={style['overlay']} role="alert">
      <div className={style['overlayText']}>
        <p>
          <VisibleText text={sentence(problem.message)} />{' '}
          {problem.action !== undefined && <VisibleText text={sentence(problem.action)} />}
        </p>
      </div>
      <button type="button" className={style['dismiss']} aria-label="Put the error away" onClick={dismiss}>
        <IconX size={14} />
      </button>
    </div>
  );
}

function headOf(
  state: string | undefined,
  shell:
    | { readonly state: string; readonly status?: number | undefined; readonly signal?: string | undefined }
    | undefined,
  refused: boolean,
  cause: EndCause | undefined,
): string {
  if (state === undefined) return 'Not connected';
  if (refused) return 'No shell was given';
  if (cause !== undefined && cause !== 'client' && cause !== 'target')
    return `The session ended: ${causes[cause]}`;
  if (shell?.signal !== undefined) return `The shell was ended by ${shell.signal}`;
  if (shell?.status !== undefined) return `The shell ended with status ${shell.status}`;
  return 'The session ended';
}

/** What the gateway says of a session's end. It may come a moment after the connection is gone. */
function useEndCause(session: string | undefined): EndCause | undefined {
  const [cause, setCause] = useState<EndCause>();
  useEffect(() => {
    setCause(undefined);
    const id = SessionId.safeParse(session);
    if (!id.success) return undefined;
    call('sessions.show', { id: id.data }).then(
      ({ endCause }) => setCause((known) => known ?? endCause),
      () => undefined,
    );
    return on('session.changed', (changed) => {
      if (changed.id === id.data && changed.endCause !== undefined) setCause(changed.endCause);
    });
  }, [session]);
  return cause;
}
