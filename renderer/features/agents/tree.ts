import type { Hop } from '../../../gateway-core/contract/chain.js';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';

export type Nodes = ReadonlyMap<string, AgentNode>;

/** So many siblings of one name stand each in a row of their own; more are one row, `psql ×312`. */
export const siblingsMax = 20;

interface Index {
  readonly roots: readonly AgentNode[];
  readonly children: ReadonlyMap<string, readonly AgentNode[]>;
  /** Live sessions of a node and of everything below it. */
  readonly sessions: ReadonlyMap<string, number>;
}

const indexes = new WeakMap<Nodes, Index>();
const none: readonly AgentNode[] = [];

/** Made once for each state of the tree, whoever asks. */
export function indexOf(nodes: Nodes): Index {
  const known = indexes.get(nodes);
  if (known !== undefined) return known;
  const children = new Map<string, AgentNode[]>();
  const roots: AgentNode[] = [];
  for (const node of nodes.values()) {
    const { parent } = node;
    if (parent === undefined || !nodes.has(parent)) {
      roots.push(node);
      continue;
    }
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [node]);
    else siblings.push(node);
  }
  for (const siblings of children.values()) siblings.sort(bySince);
  roots.sort((a, b) => a.name.localeCompare(b.name) || bySince(a, b));
  const sessions = new Map<string, number>();
  const count = (node: AgentNode): number => {
    sessions.set(node.id, 0);
    let sum = node.sessions.length;
    for (const child of children.get(node.id) ?? none) sum += count(child);
    sessions.set(node.id, sum);
    return sum;
  };
  for (const root of roots) count(root);
  const index = { roots, children, sessions };
  indexes.set(nodes, index);
  return index;
}

/** Whoever came first stays first: nothing jumps. */
function bySince(a: AgentNode, b: AgentNode): number {
  return a.since === b.since ? (a.id < b.id ? -1 : 1) : a.since < b.since ? -1 : 1;
}

interface Placed {
  readonly key: string;
  readonly depth: number;
  /** From 1, among the rows beside it. */
  readonly place: number;
  readonly places: number;
  /** Whether what is below is shown; nothing where there is nothing below. */
  readonly open: boolean | undefined;
  readonly sessions: number;
}
export interface NodeRow extends Placed {
  readonly kind: 'node';
  readonly node: AgentNode;
}
export interface GroupRow extends Placed {
  readonly kind: 'group';
  readonly members: readonly AgentNode[];
}
export type Row = NodeRow | GroupRow;

export interface Shown {
  /** Lower-case words, each of which has to stand somewhere in a node. None: everything. */
  readonly words: readonly string[];
  readonly onlyActive: boolean;
  /** Nodes whose children are not shown. While words are looked for everything found is shown. */
  readonly closed: ReadonlySet<string>;
  /** Groups whose members are shown. */
  readonly openGroups: ReadonlySet<string>;
  /** Keys of what was a group before: it stays one until two are left, so that nothing bursts open as it ends. */
  readonly groupsBefore?: ReadonlySet<string>;
  /** The person who looks: their own tree stands first. */
  readonly me?: string | undefined;
}

/** The rows of the tree, from top to bottom. A node that was looked for brings what is above it and what is below it. */
export function rowsOf(nodes: Nodes, shown: Shown): readonly Row[] {
  const { roots, children, sessions } = indexOf(nodes);
  const kept = keptOf(nodes, shown);
  const isKept = (node: AgentNode): boolean => kept?.has(node.id) ?? true;
  const searching = shown.words.length > 0;
  const rows: Row[] = [];
  const add = (siblings: readonly AgentNode[], depth: number): void => {
    const units = unitsOf(siblings.filter(isKept), shown.groupsBefore);
    for (const [index, { key, members }] of units.entries()) {
      const at = { depth, place: index + 1, places: units.length };
      if (key === undefined) {
        for (const node of members) addNode(node, at);
        continue;
      }
      const open = shown.openGroups.has(key);
      const sum = members.reduce((total, each) => total + (sessions.get(each.id) ?? 0), 0);
      rows.push({ kind: 'group', key, ...at, open, members, sessions: sum });
      if (!open) continue;
      for (const [place, node] of members.entries())
        addNode(node, { depth: depth + 1, place: place + 1, places: members.length });
    }
  };
  const addNode = (node: AgentNode, at: Pick<Placed, 'depth' | 'place' | 'places'>): void => {
    const below = (children.get(node.id) ?? none).filter(isKept);
    const open = below.length === 0 ? undefined : searching || !shown.closed.has(node.id);
    rows.push({ kind: 'node', key: node.id, ...at, node, open, sessions: sessions.get(node.id) ?? 0 });
    if (open === true) add(below, at.depth + 1);
  };
  const own = roots.filter((each) => each.principal === shown.me);
  add([...own, ...roots.filter((each) => each.principal !== shown.me)], 0);
  return rows;
}

interface Unit {
  /** Of a group; nothing for a single node. */
  readonly key?: string;
  readonly members: readonly AgentNode[];
}

/** What looks alike in every way: name, kind and how it is known. A group stands where its first member stood. */
function unitsOf(siblings: readonly AgentNode[], before: ReadonlySet<string> = new Set()): readonly Unit[] {
  if (siblings.length <= siblingsMax && before.size === 0)
    return siblings.map((node) => ({ members: [node] }));
  const alike = new Map<string, AgentNode[]>();
  for (const node of siblings) {
    const key = groupKey(node);
    const members = alike.get(key);
    if (members === undefined) alike.set(key, [node]);
    else members.push(node);
  }
  const units: Unit[] = [];
  const done = new Set<string>();
  for (const node of siblings) {
    const key = groupKey(node);
    const members = alike.get(key) ?? [node];
    if (members.length <= (before.has(key) ? 1 : siblingsMax)) units.push({ members: [node] });
    else if (!done.has(key)) units.push({ key, members });
    done.add(key);
  }
  return units;
}

export const groupKey = ({ parent, kind, assurance, name }: AgentNode): string =>
  `${parent ?? ''} ${kind} ${assurance} ${name}`;

/** Ids of the nodes that are shown; nothing where all are. */
function keptOf(nodes: Nodes, { words, onlyActive }: Shown): ReadonlySet<string> | undefined {
  if (words.length === 0 && !onlyActive) return undefined;
  const { children, roots } = indexOf(nodes);
  const kept = new Set<string>();
  const keep = (node: AgentNode, inside: boolean): boolean => {
    const found = inside || (words.length > 0 && matches(node, words));
    let below = false;
    for (const child of children.get(node.id) ?? none) below = keep(child, found) || below;
    // What has just ended is still told: it fades by itself.
    const wanted = (found || words.length === 0) && (!onlyActive || node.state !== 'idle');
    if (wanted || below) kept.add(node.id);
    return wanted || below;
  };
  for (const root of roots) keep(root, false);
  return kept;
}

/** Shorter words are found in names and statements only: nearly every id holds them somewhere. */
const idCharactersMin = 4;

/** Whether every word stands in its name, its connections, its statement, its purpose, its command, or is its id. */
export function matches(node: AgentNode, words: readonly string[]): boolean {
  const { id, name, principal, connections, sessions, statement, purpose, command, pid } = node;
  const text = [name, principal, ...connections, statement?.text, purpose, command].join(' ').toLowerCase();
  const ids = [id, ...sessions].join(' ').toLowerCase();
  return words.every(
    (word) =>
      text.includes(word) ||
      (word.length >= idCharactersMin && ids.includes(word)) ||
      (pid !== undefined && word === String(pid)),
  );
}

export const wordsOf = (text: string): readonly string[] =>
  text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');

/** From the root to the node itself. Empty where there is no such node. */
export function pathOf(nodes: Nodes, id: string): readonly AgentNode[] {
  const path: AgentNode[] = [];
  const seen = new Set<string>();
  for (let at = nodes.get(id); at !== undefined && !seen.has(at.id); at = nodes.get(at.parent ?? '')) {
    path.unshift(at);
    seen.add(at.id);
  }
  return path;
}

/** The line that leads to a node. */
export function lineOf(nodes: Nodes, id: string): readonly Hop[] {
  return pathOf(nodes, id).map(({ id: hop, kind, name, assurance }) => ({ id: hop, kind, name, assurance }));
}

/** Everything strictly below that has not ended, parents before children. */
export function belowOf(nodes: Nodes, id: string): readonly AgentNode[] {
  const { children } = indexOf(nodes);
  const below: AgentNode[] = [];
  const add = (parent: string): void => {
    for (const child of children.get(parent) ?? none) {
      if (child.state !== 'ended') below.push(child);
      add(child.id);
    }
  };
  if (nodes.has(id)) add(id);
  return below;
}

export interface Ends {
  readonly sessions: number;
  /** Strictly below the node. */
  readonly agents: number;
  readonly programs: number;
}

/** What ends when nodes are revoked: their own sessions, and everything below them. */
export function endsOf(nodes: Nodes, ...ids: readonly string[]): Ends {
  const below = ids.flatMap((id) => belowOf(nodes, id));
  const sessions = new Set(ids.flatMap((id) => nodes.get(id)?.sessions ?? []));
  for (const each of below) for (const session of each.sessions) sessions.add(session);
  return {
    sessions: sessions.size,
    agents: below.filter(({ kind }) => kind === 'agent').length,
    programs: below.filter(({ kind }) => kind === 'process').length,
  };
}

/** Agents and sub-agents that act or may act now. */
export function agentsIn(nodes: Nodes): readonly AgentNode[] {
  return [...nodes.values()].filter(({ kind, state }) => kind === 'agent' && state !== 'ended');
}
