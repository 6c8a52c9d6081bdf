import { IconActivity, IconHistory } from '@tabler/icons-react';
import type { Feature, TabProps } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { useMe } from './me.js';
import { revokeSession } from './revoke.js';
import { SessionPage } from './session-view.js';
import { SessionsTable } from './sessions-view.js';
import { SessionsSidebar } from './sidebar.js';
import { readSessions, useSessions } from './store.js';
import { matches, wordsOf } from './words.js';

const paletteEntriesMax = 20;

function SessionsTab({ tab, parameters }: TabProps) {
  const { of, who } = parameters;
  const leave = () => workbench().keepParameters(tab, {});
  const name = typeof who === 'string' ? who : '';
  return <SessionsTable me={useMe()} of={typeof of === 'string' ? { id: of, name, leave } : undefined} />;
}

/** Sessions: the list, one session's page with its replay, and revoking from the palette. */
export const sessions: Feature = {
  id: 'sessions',
  sections: [{ id: 'sessions', label: 'Sessions', icon: IconHistory, order: 20, sidebar: SessionsSidebar }],
  tabs: [
    { kind: 'session', icon: IconHistory, title: () => 'Session', view: SessionPage, single: true },
    { kind: 'sessions', icon: IconActivity, title: () => 'Sessions', view: SessionsTab, single: true },
  ],
  commands: [
    {
      id: 'sessions.table',
      title: 'Show all sessions',
      group: 'Sessions',
      shortcut: 'Mod+Shift+S',
      run: () => workbench().openTab('sessions', {}),
    },
    {
      id: 'sessions.refresh',
      title: 'Read sessions again',
      group: 'Sessions',
      run: () => void readSessions(),
    },
  ],
  /** A name and Mod+Enter revoke: in an emergency nobody looks for a page first. */
  palette: async (text) => {
    const words = wordsOf(text.replace(/^revoke\s+/i, ''));
    if (words.length === 0) return [];
    if (useSessions.getState().state !== 'read') await readSessions();
    return [...useSessions.getState().sessions.values()]
      .filter((session) => session.state === 'live' && matches(session, words))
      .sort((a, b) => b.startedAt.localeCompare(a.startedAt))
      .slice(0, paletteEntriesMax)
      .map((session) => ({
        id: session.id,
        title: `${session.chain.map((hop) => hop.name).join(' › ')} → ${session.connection}`,
        detail: `live session, ${session.statements.toLocaleString()} statements`,
        group: 'Live sessions',
        icon: IconHistory,
        run: () => workbench().openTab('session', { id: session.id }),
        second: { title: 'Revoke', run: () => void revokeSession(session) },
      }));
  },
  /** Whoever does not act any more is known by what was done. */
  openHop: ({ id, name }) => {
    workbench().openTab('sessions', { of: id, who: name });
    return true;
  },
};
