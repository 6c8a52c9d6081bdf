import { MantineProvider } from '@mantine/core';
import { type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import { OfflineEvidence } from '../features/evidence/offline.js';
import { Notice } from '../features/welcome/notice.js';
import { Welcome } from '../features/welcome/welcome.js';
import { useKnown } from '../ui/app-state.js';
import { theme, variables } from '../ui/theme.js';
import { Dialogs } from './dialogs.js';
import { Frame } from './frame.js';
import { HostGone, KeyRefused } from './link-pages.js';
import { Notices } from './notices.js';

const darkQuery = '(prefers-color-scheme: dark)';

function useSystemDark(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = matchMedia(darkQuery);
      query.addEventListener('change', changed);
      return () => query.removeEventListener('change', changed);
    },
    () => matchMedia(darkQuery).matches,
  );
}

/** Theme and zoom around whatever the app shows now. */
export function App() {
  const chosen = useKnown(({ preferences }) => preferences.theme);
  const zoom = useKnown(({ preferences }) => preferences.zoom);
  const calm = useKnown(({ preferences }) => preferences.reducedMotion);
  const systemDark = useSystemDark();
  const scheme = chosen === 'system' ? (systemDark ? 'dark' : 'light') : chosen;
  useEffect(() => {
    document.documentElement.style.setProperty('zoom', String(zoom / 100));
  }, [zoom]);
  useEffect(() => {
    document.documentElement.toggleAttribute('data-calm', calm);
  }, [calm]);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} forceColorScheme={scheme}>
      <Screen />
      <Dialogs />
      <Notices />
    </MantineProvider>
  );
}

function Screen(): ReactNode {
  const link = useKnown((known) => known.link);
  const app = useKnown((known) => known.app);
  const [offline, setOffline] = useState(false);
  // A window of an app that has ended keeps what was typed in it; one that never had a key has nothing to show.
  if (link === 'refused' && app?.signIn.state !== 'signed-in') return <KeyRefused />;
  if (app === undefined) return link === 'lost' ? <HostGone /> : null;
  if (app.signIn.state !== 'signed-in') {
    return offline ? (
      <OfflineEvidence leave={() => setOffline(false)} />
    ) : (
      <Welcome app={app} evidence={() => setOffline(true)} />
    );
  }
  if (app.signIn.noticeUnread && app.gateway?.notice !== undefined)
    return <Notice notice={app.gateway.notice} />;
  return <Frame app={app} />;
}
