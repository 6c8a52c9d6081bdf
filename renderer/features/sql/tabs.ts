import { on } from '../../bridge/index.js';
import { OpenTabs } from '../../ui/open-tabs.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { SqlTab } from './tab-model.js';

/** The SQL tabs that are open. */
const tabs = new OpenTabs<SqlTab>();

/** The tab's model; made when it is asked for first. */
export function tabOf(id: string, parameters: TabParameters): SqlTab {
  return tabs.get(id, () => new SqlTab(id, parameters, nextNumber(parameters)));
}

/** Keeps a tab's model while a view of it is there; returns how to let it go. */
export function hold(id: string): () => void {
  const release = tabs.hold(id);
  tabs.find(id)?.begin();
  return release;
}

/** Tabs on one connection are told apart by a number. */
function nextNumber({ connection }: TabParameters): number {
  return tabs.all().filter((tab) => tab.state.getState().connection === connection).length + 1;
}

/** The SQL tab that has the focus. */
export function activeSqlTab(): SqlTab | undefined {
  const active = workbench().activeTab();
  return active?.kind === 'sql' ? tabs.find(active.tab) : undefined;
}

on('sql.session', (session) =>
  tabs.each((tab) => {
    if (tab.state.getState().session?.key === session.key) tab.tell(session);
  }),
);
on('sql.run', (run) => tabs.each((tab) => tab.hear(run)));
// A page that is put away may never come back: what was typed last is kept now.
window.addEventListener('pagehide', () => tabs.each((tab) => tab.keepText()));
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') tabs.each((tab) => tab.keepText());
});
