import type { AgentChange, AgentNode } from '../../../../gateway-core/contract/delegation.js';
import type { SessionId } from '../../../../gateway-core/contract/ids.js';
import type { Nodes, Row } from '../../../../renderer/features/agents/tree.js';

export const session = (number: number): SessionId => `ses_${String(number).padStart(26, '0')}` as SessionId;

/** A node below `parent`; roots are people, the rest agents unless it says otherwise. */
export function node(id: string, parent?: string, more: Partial<AgentNode> = {}): AgentNode {
  return {
    id,
    ...(parent === undefined ? {} : { parent }),
    kind: parent === undefined ? 'person' : 'agent',
    name: id,
    assurance: 'proven',
    state: 'idle',
    principal: 'erin',
    connections: [],
    sessions: [],
    since: '2026-01-01T10:00:00.000Z',
    ...more,
  };
}

export const program = (id: string, parent: string, sessions: readonly number[] = [1]): AgentNode =>
  node(id, parent, {
    kind: 'process',
    name: 'psql',
    assurance: 'observed',
    state: 'active',
    sessions: sessions.map(session),
    connections: ['shop-db'],
  });

export const nodesOf = (...list: readonly AgentNode[]): Nodes => new Map(list.map((each) => [each.id, each]));

export const change = (
  what: AgentChange['change'],
  of: AgentNode,
  at = '2026-01-01T10:00:05.000Z',
): AgentChange => ({ at, change: what, node: of });

/** `  outer`, `    psql ×30`: the tree as one reads it. */
export function drawn(rows: readonly Row[]): string[] {
  return rows.map((row) => {
    const text = row.kind === 'node' ? row.node.id : `${row.members[0]?.name} ×${row.members.length}`;
    return '  '.repeat(row.depth) + text;
  });
}

export const everything = {
  words: [],
  onlyActive: false,
  closed: new Set<string>(),
  openGroups: new Set<string>(),
};
