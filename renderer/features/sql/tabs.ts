import { on, watchLink } from '../../bridge/index.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { SqlTab } from './tab-model.js';

/** The SQL tabs that are open, by the tab's id. */
const tabs = new Map<string, { readonly tab: SqlTab; users: number }>();
/** Docking a tab elsewhere takes its view away and makes a new one: only what stays away is gone. */
const leaveDelayMs = 1000;

/** The tab's model; made when it is asked for first. */
export function tabOf(id: string, parameters: TabParameters): SqlTab {
  const known = tabs.get(id);
  if (known !== undefined) return known.tab;
  const tab = new SqlTab(id, parameters, nextNumber(parameters));
  tabs.set(id, { tab, users: 0 });
  return tab;
}

/** Keeps a tab's model while a view of it is there; returns how to let it go. */
export function hold(id: string): () => void {
  const known = tabs.get(id);
  if (known === undefined) return () => undefined;
  known.users += 1;
  known.tab.begin();
  return () => {
    known.users -= 1;
    setTimeout(
      () => {
        if (known.users > 0 || tabs.get(id) !== known) return;
        tabs.delete(id);
        known.tab.leave();
      },
      known.tab.closing ? 0 : leaveDelayMs,
    );
  };
}

/** Tabs on one connection are told apart by a number. */
function nextNumber({ connection }: TabParameters): number {
  let count = 0;
  for (const { tab } of tabs.values()) if (tab.state.getState().connection === connection) count += 1;
  return count + 1;
}

/** The SQL tab that has the focus. */
export function activeSqlTab(): SqlTab | undefined {
  const active = workbench().activeTab();
  return active?.kind === 'sql' ? tabs.get(active.tab)?.tab : undefined;
}

function each(what: (tab: SqlTab) => void): void {
  for (const { tab } of tabs.values()) what(tab);
}

on('sql.session', (session) =>
  each((tab) => {
    if (tab.state.getState().session?.key === session.key) tab.tell(session);
  }),
);
on('sql.run', (run) => each((tab) => tab.hear(run)));
on('resync', () => each((tab) => void tab.resync()));
let lost = false;
watchLink((link) => {
  if (link === 'lost') lost = true;
  else if (link === 'connected' && lost) {
    lost = false;
    each((tab) => void tab.resync());
  }
});
// A page that is put away may never come back: what was typed last is kept now.
window.addEventListener('pagehide', () => each((tab) => tab.keepText()));
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') each((tab) => tab.keepText());
});
