import { IconRobot } from '@tabler/icons-react';
import type { Hop } from '../../../gateway-core/contract/chain.js';
import { useKnown } from '../../ui/app-state.js';
import type { Feature, PaletteEntry } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { AgentsTab } from './agents-view.js';
import { mayRevoke, personOf, revokeAgent } from './revoke.js';
import { AgentsSidebar } from './sidebar.js';
import { readAgents, useAgents } from './store.js';
import { agentsIn, indexOf, matches, wordsOf } from './tree.js';
import { foldAll, reveal } from './view.js';
import { counted } from './words.js';

const paletteEntriesMax = 20;

function showAgent(id: string): void {
  reveal(id);
  workbench().openTab('agents', {});
}

/** Agents: who acts now, from the people down to the programs at their sockets; ending any of them. */
export const agents: Feature = {
  id: 'agents',
  sections: [{ id: 'agents', label: 'Agents', icon: IconRobot, order: 25, sidebar: AgentsSidebar }],
  tabs: [{ kind: 'agents', icon: IconRobot, title: () => 'Agents', view: AgentsTab, single: true }],
  commands: [
    {
      id: 'agents.show',
      title: 'Show who acts now',
      group: 'Agents',
      shortcut: 'Mod+Shift+A',
      run: () => workbench().openTab('agents', {}),
    },
    { id: 'agents.refresh', title: 'Read agents again', group: 'Agents', run: () => void readAgents() },
    { id: 'agents.fold', title: 'Fold agents to people', group: 'Agents', run: () => foldAll(true) },
    { id: 'agents.unfold', title: 'Unfold all agents', group: 'Agents', run: () => foldAll(false) },
  ],
  palette: async (text) => {
    const revoking = /^revoke(\s|$)/i.test(text);
    const words = wordsOf(text.replace(/^(revoke|show)(\s+|$)/i, '').replace(/^agent(\s+|$)/i, ''));
    if (words.length === 0 && !revoking && !/^(show\s+)?agent/i.test(text)) return [];
    if (useAgents.getState().state !== 'read') await readAgents();
    const { nodes } = useAgents.getState();
    const found = agentsIn(nodes)
      .filter((node) => matches({ ...node, command: personOf(nodes, node) }, words))
      .sort((a, b) => b.since.localeCompare(a.since))
      .slice(0, paletteEntriesMax);
    return found.flatMap((node): readonly PaletteEntry[] => {
      const person = personOf(nodes, node);
      const may = mayRevoke(useKnown.getState().app, nodes, node);
      const sessions = counted(indexOf(nodes).sessions.get(node.id) ?? 0, 'session');
      const revoke = { title: 'Revoke', run: () => void revokeAgent(node.id) };
      const show: PaletteEntry = {
        id: `show ${node.id}`,
        title: `Show agent ${node.name}`,
        detail: `of ${person}, ${sessions}`,
        group: 'Agents',
        icon: IconRobot,
        run: () => showAgent(node.id),
        ...(may ? { second: revoke } : {}),
      };
      const end: PaletteEntry = {
        id: `revoke ${node.id}`,
        title: `Revoke agent ${node.name} of ${person}`,
        detail: sessions,
        group: 'Agents',
        icon: IconRobot,
        run: revoke.run,
      };
      if (!may) return revoking ? [] : [show];
      return revoking ? [end] : [show, end];
    });
  },
  /** Whoever acts now is shown in the tree. */
  openHop: ({ id }: Hop) => {
    const isLive = (useAgents.getState().nodes.get(id)?.state ?? 'ended') !== 'ended';
    if (isLive) showAgent(id);
    return isLive;
  },
};
