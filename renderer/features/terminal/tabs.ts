import { on } from '../../bridge/index.js';
import { OpenTabs } from '../../ui/open-tabs.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { TerminalTab } from './tab-model.js';

/** The terminals that are open. */
const tabs = new OpenTabs<TerminalTab>();

/** The tab's model; made when it is asked for first. */
export function tabOf(id: string, parameters: TabParameters): TerminalTab {
  return tabs.get(id, () => new TerminalTab(id, parameters, nextNumber(parameters)));
}

/** Keeps a tab's model while a view of it is there; returns how to let it go. */
export function hold(id: string): () => void {
  return tabs.hold(id);
}

/** Tabs on one connection are told apart by a number. */
function nextNumber({ connection }: TabParameters): number {
  const taken = new Set(tabs.all().map((tab) => tab.name));
  const name = String(connection);
  let number = 1;
  while (taken.has(number === 1 ? name : `${name} ${number}`)) number += 1;
  return number;
}

/** The terminal that has the focus. */
export function activeTerminal(): TerminalTab | undefined {
  const active = workbench().activeTab();
  return active?.kind === 'terminal' ? tabs.find(active.tab) : undefined;
}

export function allTerminals(): TerminalTab[] {
  return tabs.all();
}

on('ssh.session', (session) =>
  tabs.each((tab) => {
    if (tab.state.getState().session?.key === session.key) tab.tell(session);
  }),
);
