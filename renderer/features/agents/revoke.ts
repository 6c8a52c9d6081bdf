import type { AppState } from '../../../gateway-core/contract/bridge/app.js';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import { call, failureOf } from '../../bridge/index.js';
import { signedIn, useKnown } from '../../ui/app-state.js';
import { workbench } from '../../ui/workbench.js';
import { useAgents } from './store.js';
import { endsOf, indexOf, type Nodes } from './tree.js';
import { endedWords, type RevokeWords, revokeAllWords, revokeWords } from './words.js';

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
  await revokeAfter(revokeWords(node, personOf(nodes, node), endsOf(nodes, id), own), [id], node.name);
}

/** Those of a group that may be ended by who looks: the ones that are there now, none that comes later. */
export function revocable(
  app: AppState | undefined,
  nodes: Nodes,
  members: readonly AgentNode[],
): readonly AgentNode[] {
  return members.filter((each) => nodes.has(each.id) && mayRevoke(app, nodes, each));
}

/** The same for all of a group at once. */
export async function revokeAll(members: readonly AgentNode[]): Promise<void> {
  const { nodes } = useAgents.getState();
  const [first, ...rest] = revocable(useKnown.getState().app, nodes, members);
  if (first === undefined) return;
  const ids = [first, ...rest].map((each) => each.id);
  const words = revokeAllWords([first, ...rest], personOf(nodes, first), endsOf(nodes, ...ids));
  await revokeAfter(words, ids, `${first.name} ×${ids.length.toLocaleString()}`);
}

async function revokeAfter(words: RevokeWords, ids: readonly string[], name: string): Promise<void> {
  const reason = await workbench().confirm({
    ...words,
    button: 'Revoke',
    danger: true,
    reason: { label: 'Reason', required: true },
  });
  if (reason === undefined) return;
  try {
    const answer = await call('agents.revoke', { ids: [...ids], reason });
    const isAre = ids.length === 1 ? 'is' : 'are';
    workbench().notify({ level: 'success', title: `${name} ${isAre} revoked`, text: endedWords(answer) });
  } catch (cause) {
    const { message, action } = failureOf(cause);
    workbench().notify({
      level: 'error',
      title: `${name} ${ids.length === 1 ? 'is' : 'are'} not revoked`,
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }
}
