import { workbench } from '../../ui/workbench.js';
import { belowOf, type Nodes, type Row } from './tree.js';
import { toggle } from './tree-view.js';

/** Live sessions of a node and below it. */
export function sessionsOf(nodes: Nodes, id: string): readonly string[] {
  const own = nodes.get(id)?.sessions ?? [];
  return [...new Set([...own, ...belowOf(nodes, id).flatMap((each) => each.sessions)])];
}

export const openSession = (id: string): void => workbench().openTab('session', { id });

/** Sessions of a hop, ended ones too, as a table. */
export const openSessionsOf = (id: string, name: string): void =>
  workbench().openTab('sessions', { of: id, who: name });

/** The one session, or all of them as a table; what has none is folded or unfolded. */
export function openRow(nodes: Nodes, row: Row): void {
  if (row.kind === 'group') return toggle(row);
  const [first, ...more] = sessionsOf(nodes, row.node.id);
  if (first === undefined) return toggle(row);
  if (more.length === 0) return openSession(first);
  openSessionsOf(row.node.id, row.node.name);
}
