import type { AppState } from '../../../gateway-core/contract/bridge/app.js';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import { call, failureOf } from '../../bridge/index.js';
import { signedIn, useKnown } from '../../ui/app-state.js';
import { workbench } from '../../ui/workbench.js';
import { useAgents } from './store.js';
import { endsOf, indexOf, type Nodes } from './tree.js';
import { endedWords, revokeWords } from './words.js';

/** The name of the person or workload that everything hangs below. */
export const personOf = (nodes: Nodes, node: AgentNode): string =>
  nodes.get(node.principal)?.name ?? node.principal;

/** One's own always; of others whoever looks after people, or what a policy about sessions may allow. */
export function mayRevoke(app: AppState | undefined, nodes: Nodes, node: AgentNode): boolean {
  const me = signedIn(app);
  if (me === undefined || node.state === 'ended') return false;
  if (node.principal === me.principal || me.may.includes('admin:people')) return true;
  return node.id !== node.principal && (indexOf(nodes).sessions.get(node.id) ?? 0) > 0;
}

/** Asks for a reason, naming what ends, and ends the node with everything below it. A refusal says who could. */
export async function revokeAgent(id: string): Promise<void> {
  const { nodes } = useAgents.getState();
  const node = nodes.get(id);
  const { app } = useKnown.getState();
  if (node === undefined || !mayRevoke(app, nodes, node)) return;
  const own = node.principal === signedIn(app)?.principal;
  const reason = await workbench().confirm({
    ...revokeWords(node, personOf(nodes, node), endsOf(nodes, id), own),
    button: 'Revoke',
    danger: true,
    reason: { label: 'Reason', required: true },
  });
  if (reason === undefined) return;
  try {
    const answer = await call('agents.revoke', { id, reason });
    workbench().notify({ level: 'success', title: `${node.name} is revoked`, text: endedWords(answer) });
  } catch (cause) {
    const { message, action } = failureOf(cause);
    workbench().notify({
      level: 'error',
      title: `${node.name} is not revoked`,
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }
}
