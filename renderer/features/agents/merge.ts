import type { AgentChange, AgentNode } from '../../../gateway-core/contract/delegation.js';
import { type Nodes, pathOf } from './tree.js';

/** Comings and goings that are remembered; older ones stand in the audit log. */
export const happenedMax = 2000;

export interface Happened {
  readonly at: string;
  readonly what: 'attached' | 'ended';
  readonly id: string;
  readonly kind: AgentNode['kind'];
  readonly name: string;
  /** Ids of everything above it then, root first. */
  readonly above: readonly string[];
}

export interface Known {
  readonly nodes: Nodes;
  /** Oldest first. */
  readonly happened: readonly Happened[];
}

/**
 * What the feed told, in its order. A node that ended stays until `without` takes it: it is shown for a moment more.
 * `now`: this machine's clock, by which it is taken; the gateway's may be another one.
 */
export function withChanges(known: Known, changes: readonly AgentChange[], now: string): Known {
  const nodes = new Map(known.nodes);
  const happened: Happened[] = [];
  for (const { at, change, node } of changes) {
    const before = nodes.get(node.id);
    if (change === 'ended') {
      // Nobody saw it: nothing to show.
      if (before === undefined) continue;
      if (before.state === 'ended') continue;
      nodes.set(node.id, { ...node, state: 'ended', endedAt: now });
      happened.push(happening(nodes, node, 'ended', at));
      continue;
    }
    nodes.set(node.id, node);
    if (before === undefined || before.state === 'ended')
      happened.push(happening(nodes, node, 'attached', at));
  }
  return { nodes, happened: remembered(known.happened, happened) };
}

/**
 * A listing in place of what was known. `newer`: ids of which the feed told something while the listing was on its way;
 * what it told is known already, and wins. What is known and not listed has ended unseen. `first`: what the first
 * listing holds was there before and has not come now.
 */
export function withListing(
  known: Known,
  list: readonly AgentNode[],
  { newer, at, first }: { readonly newer: ReadonlySet<string>; readonly at: string; readonly first: boolean },
): Known {
  const nodes = new Map<string, AgentNode>();
  const came: AgentNode[] = [];
  for (const listed of list) {
    const before = known.nodes.get(listed.id);
    if (newer.has(listed.id)) {
      // Not known: it ended before it was ever shown.
      if (before !== undefined) nodes.set(listed.id, before);
      continue;
    }
    nodes.set(listed.id, keepingStatement(listed, before));
    if (!first && (before === undefined || before.state === 'ended')) came.push(listed);
  }
  const happened = came.map((node) => happening(nodes, node, 'attached', node.since));
  for (const [id, before] of known.nodes) {
    if (nodes.has(id)) continue;
    if (before.state === 'ended' || newer.has(id)) {
      nodes.set(id, before);
      continue;
    }
    nodes.set(id, { ...before, state: 'ended', endedAt: at, sessions: [], connections: [] });
    happened.push(happening(known.nodes, before, 'ended', at));
  }
  return { nodes, happened: remembered(known.happened, happened) };
}

/** Listings leave out what others run; the feed told it already. */
function keepingStatement(listed: AgentNode, before: AgentNode | undefined): AgentNode {
  const { statement } = before ?? {};
  if (listed.statement !== undefined || statement === undefined) return listed;
  return listed.sessions.includes(statement.session) ? { ...listed, statement } : listed;
}

/** Without what ended before the given time. */
export function without(nodes: Nodes, endedBefore: string): Nodes {
  const gone = [...nodes.values()].filter(
    ({ state, endedAt }) => state === 'ended' && (endedAt ?? '') < endedBefore,
  );
  if (gone.length === 0) return nodes;
  const left = new Map(nodes);
  for (const { id } of gone) left.delete(id);
  return left;
}

function happening(nodes: Nodes, node: AgentNode, what: Happened['what'], at: string): Happened {
  const above = pathOf(nodes, node.id).map(({ id }) => id);
  return { at, what, id: node.id, kind: node.kind, name: node.name, above: above.slice(0, -1) };
}

function remembered(before: readonly Happened[], added: readonly Happened[]): readonly Happened[] {
  if (added.length === 0) return before;
  return [...before, ...added].slice(-happenedMax);
}
