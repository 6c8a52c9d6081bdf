import { useEffect } from 'react';
import { useKnown } from '../../ui/app-state.js';
import { readAgents, useAgents } from './store.js';
import { agentsIn } from './tree.js';

/** Agents and sub-agents that act or may act now; nothing while that is not known. */
export function useAgentCount(): number | undefined {
  const count = useAgents(({ nodes, state }) => (state === 'read' ? agentsIn(nodes).length : undefined));
  const reach = useKnown(({ app }) => app?.gateway?.reach);
  useEffect(() => {
    if (reach === 'connected' && useAgents.getState().state === 'unread') void readAgents();
  }, [reach]);
  return reach === 'connected' ? count : undefined;
}
