import { on, watchLink } from '../../bridge/index.js';
import { type TabParameters, workbench } from '../../ui/workbench.js';
import { TerminalTab } from './tab-model.js';

/** The terminals that are open, by the tab's id. */
const tabs = new Map<string, { readonly tab: TerminalTab; users: number }>();
/** Docking a tab elsewhere takes its view away and makes a new one: only what stays away is gone. */
const leaveDelayMs = 1000;

/** The tab's model; made when it is asked for first. */
export function tabOf(id: string, parameters: TabParameters): TerminalTab {
  const known = tabs.get(id);
  if (known !== undefined) return known.tab;
  const tab = new TerminalTab(id, parameters, nextNumber(parameters));
  tabs.set(id, { tab, users: 0 });
  return tab;
}

/** Keeps a tab's model while a view of it is there; returns how to let it go. */
export function hold(id: string): () => void {
  const known = tabs.get(id);
  if (known === undefined) return () => undefined;
  known.users += 1;
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
  const taken = new Set<string>();
  for (const { tab } of tabs.values()) taken.add(tab.name);
  const name = String(connection);
  let number = 1;
  while (taken.has(number === 1 ? name : `${name} ${number}`)) number += 1;
  return number;
}

/** The terminal that has the focus. */
export function activeTerminal(): TerminalTab | undefined {
  const active = workbench().activeTab();
  return active?.kind === 'terminal' ? tabs.get(active.tab)?.tab : undefined;
}

export function allTerminals(): TerminalTab[] {
  return [...tabs.values()].map(({ tab }) => tab);
}

function each(what: (tab: TerminalTab) => void): void {
  for (const { tab } of tabs.values()) what(tab);
}

on('ssh.session', (session) =>
  each((tab) => {
    if (tab.state.getState().session?.key === session.key) tab.tell(session);
  }),
);
on('resync', () => each((tab) => void tab.resync()));
let lost = false;
watchLink((link) => {
  if (link === 'lost') lost = true;
  else if (link === 'connected' && lost) {
    lost = false;
    each((tab) => void tab.resync());
  }
});
