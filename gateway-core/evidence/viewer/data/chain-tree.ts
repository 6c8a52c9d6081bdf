import type { SessionView } from '../../../contract/api.js';
import type { Hop } from '../../../contract/chain.js';
import type { Totals } from './event-index.js';

/** Somebody or something that acted, with everything below it. A session is a leaf. */
export interface TreeNode {
  readonly level: number;
  readonly hop: Hop | undefined;
  /** Number of the session in the manifest, for a leaf. */
  readonly session: number | undefined;
  readonly parent: TreeNode | undefined;
  readonly children: TreeNode[];
  sessions: number;
  statements: number;
  denied: number;
}

/** Deeper than any chain that a gateway allows. */
const hopsMax = 64;

/** person › agent › sub-agent › process › session: hops that are the same stand once. */
export function chainTree(sessions: readonly SessionView[], totals: readonly Totals[]): TreeNode[] {
  const roots: TreeNode[] = [];
  const known = new Map<TreeNode | undefined, Map<string, TreeNode>>();
  for (const [number, session] of sessions.entries()) {
    const { statements = 0, denied = 0 } = totals[number] ?? {};
    let parent: TreeNode | undefined;
    for (const hop of session.chain.slice(0, hopsMax)) {
      const below: Map<string, TreeNode> = known.get(parent) ?? new Map<string, TreeNode>();
      known.set(parent, below);
      const name = JSON.stringify([hop.kind, hop.id, hop.name, hop.assurance]);
      let node = below.get(name);
      if (node === undefined) {
        node = nodeOf(parent, hop, undefined);
        below.set(name, node);
        (parent?.children ?? roots).push(node);
      }
      count(node, statements, denied);
      parent = node;
    }
    const leaf = nodeOf(parent, undefined, number);
    count(leaf, statements, denied);
    parent?.children.push(leaf);
  }
  return roots;
}

function nodeOf(parent: TreeNode | undefined, hop: Hop | undefined, session: number | undefined): TreeNode {
  const level = parent === undefined ? 1 : parent.level + 1;
  return { level, hop, session, parent, children: [], sessions: 0, statements: 0, denied: 0 };
}

function count(node: TreeNode, statements: number, denied: number): void {
  node.sessions += 1;
  node.statements += statements;
  node.denied += denied;
}

/** Children of a node that are open from the start: a long list is one that people open when they want it. */
const openChildrenMax = 25;

export const opensAtFirst = (node: TreeNode): boolean =>
  node.children.length <= openChildrenMax || node.children.some(({ hop }) => hop !== undefined);

/** The nodes that stand in the list, in its order, when those of `open` are open. */
export function visibleNodes(roots: readonly TreeNode[], isOpen: (node: TreeNode) => boolean): TreeNode[] {
  const list: TreeNode[] = [];
  // Not by recursion: a chain of a hostile bundle is as long as it likes.
  const stack = [...roots].reverse();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    list.push(node);
    if (isOpen(node)) for (const child of [...node.children].reverse()) stack.push(child);
  }
  return list;
}

export interface Actors {
  readonly people: number;
  readonly workloads: number;
  readonly agents: number;
}

/** How many of each acted. A process that the operating system saw is a tool, no actor. */
export function actorsIn(sessions: readonly SessionView[]): Actors {
  const ids = { person: new Set<string>(), workload: new Set<string>(), agent: new Set<string>() };
  for (const { chain } of sessions) {
    for (const { kind, id } of chain) if (kind !== 'process') ids[kind].add(id);
  }
  return { people: ids.person.size, workloads: ids.workload.size, agents: ids.agent.size };
}
