import type { Actor, Hop } from '../contract/chain.js';
import type { AgentChange, AgentNode } from '../contract/delegation.js';
import type { AuditEventInput } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import { type Delegation, type Delegations, givenAs } from '../identity/index.js';
import type { LiveSession, LiveSessions } from './live-sessions.js';

export const treeLimits = {
  /** Changes are told together, this long after the first. */
  togetherMs: 60,
  /** Text of the statement on a node. */
  statementCharactersMax: 300,
} as const;

type Decided = Extract<AuditEventInput, { kind: 'statement.decided' }>;

interface Running {
  readonly seq: number;
  readonly text: string;
  readonly running: boolean;
}

/** `connectionsOf`: where a principal has live sessions, or had them until now. */
type Listener = (
  changes: readonly AgentChange[],
  connectionsOf: (principal: string) => ReadonlySet<string>,
) => void;

/**
 * Who acts now: people, their agents and sub-agents, programs, and what they run. Made anew from delegations and live
 * sessions whenever somebody looks; changes are told as the difference to what was told before.
 */
export class AgentTree {
  readonly #delegations: Delegations;
  readonly #live: LiveSessions;
  readonly #now: () => number;
  readonly #statements = new Map<SessionId, Running>();
  readonly #listeners = new Set<Listener>();
  /** When a node that has no time of its own was first seen. */
  readonly #since = new Map<string, number>();
  /** Why delegations have ended that are still shown. */
  readonly #causes = new Map<string, string>();
  #told = new Map<string, { node: AgentNode; text: string }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(rooms: { delegations: Delegations; live: LiveSessions; now: () => number }) {
    this.#delegations = rooms.delegations;
    this.#live = rooms.live;
    this.#now = rooms.now;
    rooms.delegations.onMinted(() => this.changed());
    rooms.delegations.onEnded(({ delegation, cause, reason }) => {
      if (this.#told.has(delegation.id))
        this.#causes.set(delegation.id, reason === undefined ? cause : `${cause}: ${reason}`);
      this.changed();
    });
  }

  /** Cheap where nobody looks. */
  hear(event: AuditEventInput): void {
    if (event.kind === 'statement.decided') this.#decided(event);
    else if (event.kind === 'statement.ended') this.#finished(event.session, event.seq);
    else if (event.kind === 'session.ended') this.#statements.delete(event.session);
    else if (event.kind !== 'session.started') return;
    this.changed();
  }

  /** Something happened: listeners are told soon. */
  changed(): void {
    if (this.#listeners.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tell(), treeLimits.togetherMs);
  }

  /** @returns how to stop. What is there already is read by `nodes`. */
  onChange(listener: Listener): () => void {
    if (this.#listeners.size === 0) this.#told = this.#snapshot();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#told = new Map();
    };
  }

  /** Parents before children. */
  nodes(): readonly AgentNode[] {
    return [...this.#build().values()];
  }

  #decided(event: Decided): void {
    const text = event.payload.text.slice(0, treeLimits.statementCharactersMax);
    const running = event.decision === 'allowed' || event.decision === 'approved';
    this.#statements.set(event.session, { seq: event.seq, text, running });
  }

  #finished(session: SessionId, seq: number): void {
    const known = this.#statements.get(session);
    if (known?.seq === seq) this.#statements.set(session, { ...known, running: false });
  }

  #tell(): void {
    this.#timer = undefined;
    const at = new Date(this.#now()).toISOString();
    const now = this.#snapshot();
    const changes: AgentChange[] = [];
    for (const [id, { node, text }] of now) {
      const before = this.#told.get(id);
      if (before === undefined) changes.push({ at, change: 'attached', node });
      else if (before.text !== text) changes.push({ at, change: 'updated', node });
    }
    // Children first: whoever draws it never holds a child without its parent.
    for (const [id, { node }] of [...this.#told].reverse()) {
      if (now.has(id)) continue;
      const cause = this.#causes.get(id);
      const ended: AgentNode = {
        ...node,
        state: 'ended',
        endedAt: at,
        sessions: [],
        connections: [],
        ...(cause === undefined ? {} : { endCause: cause }),
      };
      changes.push({ at, change: 'ended', node: ended });
    }
    this.#causes.clear();
    const connectionsOf = connectionsIn(this.#told, now);
    this.#told = now;
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes, connectionsOf);
  }

  #snapshot(): Map<string, { node: AgentNode; text: string }> {
    return new Map([...this.#build()].map(([id, node]) => [id, { node, text: JSON.stringify(node) }]));
  }

  #build(): Map<string, AgentNode> {
    const nodes = new Map<string, Building>();
    for (const each of this.#delegations.list()) {
      if (this.#delegations.get(each.id) === undefined) continue;
      const parent = this.#chain(nodes, each.above, each.principal, each.createdAtMs);
      this.#delegation(nodes, each, parent);
    }
    for (const session of this.#live.list()) this.#session(nodes, session);
    for (const id of this.#since.keys()) if (!nodes.has(id)) this.#since.delete(id);
    return new Map([...nodes].map(([id, node]) => [id, finished(node, nodes)]));
  }

  /** @returns the id of the last hop */
  #chain(nodes: Map<string, Building>, chain: Actor['chain'], principal: string, atMs: number): string {
    let parent: string | undefined;
    for (const hop of chain) {
      const delegation = hop.id.startsWith('dlg_') ? this.#delegations.get(hop.id) : undefined;
      if (delegation === undefined) this.#hop(nodes, hop, parent, principal, atMs);
      else this.#delegation(nodes, delegation, parent);
      parent = hop.id;
    }
    return parent ?? principal;
  }

  #hop(
    nodes: Map<string, Building>,
    hop: Hop,
    parent: string | undefined,
    principal: string,
    atMs: number,
  ): void {
    if (nodes.has(hop.id)) return;
    const since = Math.min(this.#since.get(hop.id) ?? atMs, atMs);
    this.#since.set(hop.id, since);
    const { id, kind, name, assurance } = hop;
    nodes.set(id, {
      id,
      ...(parent === undefined ? {} : { parent }),
      kind,
      name,
      assurance,
      state: 'idle',
      principal,
      connections: [],
      sessions: [],
      since: new Date(since).toISOString(),
    });
  }

  #delegation(nodes: Map<string, Building>, each: Delegation, parent: string | undefined): void {
    if (nodes.has(each.id)) return;
    nodes.set(each.id, {
      id: each.id,
      ...(parent === undefined ? {} : { parent }),
      kind: 'agent',
      name: each.label,
      assurance: givenAs(each),
      state: 'idle',
      principal: each.principal,
      ...(each.evidence === undefined ? {} : { pid: each.evidence.pid }),
      ...(each.purpose === undefined ? {} : { purpose: each.purpose }),
      scope: each.scope,
      depth: each.depth,
      depthMax: each.depthMax,
      budget: {
        sessions: each.sessionsMax,
        sessionsUsed: each.sessionsUsed,
        children: each.childrenMax,
        childrenUsed: each.childrenUsed,
      },
      connections: [],
      sessions: [],
      since: new Date(each.createdAtMs).toISOString(),
      expiresAt: new Date(each.expiresAtMs).toISOString(),
    });
  }

  #session(nodes: Map<string, Building>, session: LiveSession): void {
    const leaf = nodes.get(
      this.#chain(nodes, session.actor.chain, session.actor.chain[0].id, session.startedAtMs),
    );
    if (leaf === undefined) return;
    leaf.sessions.push(session.id);
    if (!leaf.connections.includes(session.connection)) leaf.connections.push(session.connection);
    const { program } = session;
    if (program !== undefined && leaf.kind === 'process') {
      leaf.pid = program.pid;
      if (program.command !== undefined) leaf.command = program.command;
    }
    const statement = this.#statements.get(session.id);
    if (statement !== undefined && (leaf.statement?.running !== true || statement.running))
      leaf.statement = { session: session.id, text: statement.text, running: statement.running };
    for (let at: Building | undefined = leaf; at !== undefined; at = nodes.get(at.parent ?? '')) {
      if (at.state === 'active') break;
      at.state = 'active';
    }
  }
}

function connectionsIn(...snapshots: readonly ReadonlyMap<string, { node: AgentNode }>[]) {
  const found = new Map<string, Set<string>>();
  for (const { node } of snapshots.flatMap((each) => [...each.values()])) {
    const known = found.get(node.principal) ?? new Set<string>();
    for (const each of node.connections) known.add(each);
    found.set(node.principal, known);
  }
  return (principal: string): ReadonlySet<string> => found.get(principal) ?? new Set<string>();
}

type Building = { -readonly [Key in keyof AgentNode]: AgentNode[Key] };

/** A node without what it runs. */
export function quiet({ statement: _statement, ...node }: AgentNode): AgentNode {
  return node;
}

/** Its parent may not be shown: then it stands below the person. */
function finished(node: Building, nodes: ReadonlyMap<string, Building>): AgentNode {
  if (node.parent === undefined || nodes.has(node.parent)) return node;
  return { ...node, parent: node.principal };
}
