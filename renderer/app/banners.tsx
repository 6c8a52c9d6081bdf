import { Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import type { AppState, LogConflict } from '../../gateway-core/contract/bridge/app.js';
import { call } from '../bridge/index.js';
import { useKnown } from '../ui/app-state.js';
import { sentence } from '../ui/error-state.js';
import { Time } from '../ui/time.js';
import style from './app.module.css';

/** What is broken around the views. What still works, goes on. */
export function Banners({ app }: { readonly app: AppState }) {
  return (
    <>
      {app.logConflict !== undefined && <LogConflictBanner conflict={app.logConflict} />}
      <StateBanner app={app} />
    </>
  );
}

function LogConflictBanner({ conflict: { at, why } }: { readonly conflict: LogConflict }) {
  return (
    <Banner>
      The gateway’s audit log is not the one that this desktop knows: {why} (<Time at={at} />
      ). Tell whoever answers for audits, not only those who run the gateway. What is kept here proves it:{' '}
      <code>throughline receipts</code>
    </Banner>
  );
}

function StateBanner({ app }: { readonly app: AppState }) {
  const link = useKnown((known) => known.link);
  const [trying, setTrying] = useState(false);
  if (link === 'lost') {
    return (
      <Banner>
        The app’s process has ended. Start it again with <code>npm start</code>: its new window has your tabs
        and their text.
      </Banner>
    );
  }
  if (link === 'refused') {
    return (
      <Banner>
        The app was started again and has a new window, with your tabs and their text. This one has no key to
        it: copy from here what is missing there, then close it.
      </Banner>
    );
  }
  if (app.agent === 'stopped') {
    return (
      <Banner>
        The agent process has ended: tunnels and SQL sessions are closed. It is being started again; rows on
        the screen stay.
      </Banner>
    );
  }
  if (app.gateway?.reach === 'unreachable') {
    const { problem } = app.gateway;
    const retry = () => {
      setTrying(true);
      void call('app.reconnect', {})
        .catch(() => undefined)
        .finally(() => setTrying(false));
    };
    return (
      <Banner
        action={
          <Button size="compact-xs" variant="default" loading={trying} onClick={retry}>
            Try now
          </Button>
        }
      >
        {sentence(problem?.message ?? 'the gateway does not answer')} What is on the screen stays; the app
        keeps trying.
      </Banner>
    );
  }
  return null;
}

function Banner({ children, action }: { readonly children: ReactNode; readonly action?: ReactNode }) {
  return (
    <div className={style['banner']} role="alert">
      <IconAlertTriangle size={16} aria-hidden />
      <span>{children}</span>
      {action}
    </div>
  );
}
