import { createHash } from 'node:crypto';
import { type Actor, type Chain, chainWith, type Hop, hasAgent, type Scope } from '../contract/chain.js';
import type { Lineage, MisuseRules, ProcessKey, ReportedProcess } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Delegation } from './delegation.js';
import { type Delegations, ownHop } from './delegations.js';

/** What an attribution found that somebody should know. */
export interface Misuse {
  readonly kind: 'inherited' | 'shared';
  readonly delegation: Delegation;
  /** To whom it is attributed instead: a delegation, or the node of a process. */
  readonly to: string;
}

export interface Attributed {
  readonly actor: Actor;
  readonly misuse: Misuse | undefined;
}

/** A process that acts without a delegation of its own, as a node of the tree. */
export interface ProcessNode {
  readonly id: string;
  readonly bootId: string;
  readonly process: ReportedProcess;
}

type Attributable = Extract<Lineage, { kind: 'attributed' }>;

/**
 * Who acts, by what was presented and by the processes behind it. Delegations that were given to a process of the
 * ancestry stand in the chain whatever was presented, so a child that drops its handle, or dials the port of its
 * parent, stays what it is; known agent programs without a delegation are observed hops. `stream`: the program at the
 * socket is the last hop. Undefined lineage: nobody looked, and the actor stays as presented.
 *
 * INVARIANT: the result's scopes are those presented, and more; nothing here widens.
 * @throws MisusedCredential: not given to this process, and the rules say so; ThroughlineError denied: a revoked process
 */
export function attribute(
  presented: Actor,
  lineage: Lineage | undefined,
  rooms: {
    readonly delegations: Delegations;
    readonly isRevoked: (node: string) => boolean;
    readonly misuse: MisuseRules;
  },
  use: 'stream' | 'request',
): Attributed {
  const above = presented.chain.find(({ id }) => rooms.isRevoked(id));
  if (above !== undefined)
    throw new ThroughlineError('denied', `${above.name}, which this works for, was revoked`, {
      action: 'ask who revoked it',
    });
  const own = presented.delegation === undefined ? undefined : rooms.delegations.get(presented.delegation);
  // A handle that was given to a process is taken from nobody who does not say which process it is.
  const byHandle = presented.chain.at(-1)?.assurance === 'issued';
  if (own?.evidence !== undefined && byHandle && lineage?.kind !== 'attributed')
    throw new MisusedCredential('shared', own, presented);
  if (lineage === undefined) return { actor: presented, misuse: undefined };
  if (lineage.kind === 'unattributed') refuseHidden(presented, lineage.reason, rooms.delegations);
  if (lineage.kind === 'unattributed')
    return { actor: { ...presented, lineage: 'unattributed' }, misuse: undefined };
  const steps = stepsOf(presented, lineage, rooms.delegations);
  const revoked = steps.find((step) => rooms.isRevoked(step.node.id));
  if (revoked !== undefined)
    throw new ThroughlineError('denied', `${revoked.node.process.name} was revoked on this device`, {
      action: 'end that program; ask who revoked it',
    });
  const left = steps.find(
    ({ node, given }) => given.length === 0 && isLeftOver(presented, node, rooms.delegations),
  );
  if (left !== undefined)
    throw new ThroughlineError(
      'denied',
      `the delegation that ${left.node.process.name} worked under has ended`,
      {
        action: 'end that program, and start it anew below `throughline run`',
      },
    );
  // Whoever holds the key speaks for itself, wherever it runs; the programs at its port are those below the process.
  const checked = own?.evidence !== undefined && (byHandle || use === 'stream');
  const actor: Actor = {
    ...chained(presented, steps, rooms.delegations, use),
    lineage: 'attributed',
  };
  const misuse =
    checked && !isBelow(own, steps)
      ? ({ kind: 'shared', delegation: own, to: steps.at(-1)?.node.id ?? own.id } as const)
      : inheritance(own, actor);
  if (misuse === undefined) return { actor, misuse };
  if (rooms.misuse[misuse.kind] === 'deny')
    throw new MisusedCredential(misuse.kind, misuse.delegation, presented);
  return { actor: { ...actor, misuse: misuse.kind }, misuse };
}

/** Why a look-up told nothing, where the program that was looked for can bring that about itself. */
const hidden: ReadonlySet<string> = new Set(['gone', 'unreadable', 'ambiguous']);

/**
 * While a delegation that was given to a process of this device lives, whoever cannot be told there may be below it:
 * else it would only have to hide to act as its person.
 */
function refuseHidden(presented: Actor, reason: string, delegations: Delegations): void {
  const device = presented.deviceKey ?? presented.signInDevice;
  if (!hidden.has(reason) || device === undefined) return;
  const other = delegations.givenOn(presented.chain[0].id, device, presented.delegations ?? []);
  if (other === undefined) return;
  throw new ThroughlineError(
    'denied',
    `this device cannot tell which program this is, and "${other.label}" runs there`,
    { action: 'start it from a shell or the app, so that it can be seen; or end that agent first' },
  );
}

function inheritance(own: Delegation | undefined, { delegations }: Actor): Misuse | undefined {
  const deepest = delegations?.at(-1);
  if (own?.handleHash === undefined || deepest === undefined || deepest === own.id) return undefined;
  return { kind: 'inherited', delegation: own, to: deepest };
}

/**
 * Whether the process of a delegation that `actor` asks for is one that it may speak for: itself or what stands below
 * it, by the lineage of the request. Else an agent could have its person's own shell act under the agent's name.
 */
export function mayGiveTo(
  actor: Actor,
  lineage: Lineage | undefined,
  process: ProcessKey,
  delegations: Delegations,
): boolean {
  if (lineage?.kind !== 'attributed' || lineage.bootId !== process.bootId) return false;
  // Leaf first.
  const at = lineage.processes.findIndex(
    (each) => each.pid === process.pid && each.startTicks === process.startTicks,
  );
  if (at === -1) return false;
  if (at === 0 || !hasAgent(actor.chain)) return true;
  const own = [...stepsOf(actor, lineage, delegations)]
    .reverse()
    .findIndex(({ given }) => given.some(({ id }) => actor.delegations?.includes(id) === true));
  return own > at;
}

/** A delegation's credential was used by a process that it was not given to. */
export class MisusedCredential extends ThroughlineError {
  readonly misuse: Misuse['kind'];
  readonly delegation: Delegation;
  readonly presented: Actor;

  constructor(misuse: Misuse['kind'], delegation: Delegation, presented: Actor) {
    const whose = misuse === 'shared' ? 'another process' : 'the parent of this process';
    super('denied', `the delegation "${delegation.label}" was given to ${whose}: it is not shared`, {
      action: 'start the program below `throughline run`, or mint a delegation of its own',
    });
    this.misuse = misuse;
    this.delegation = delegation;
    this.presented = presented;
  }
}

function isLeftOver(actor: Actor, { bootId, process }: ProcessNode, delegations: Delegations): boolean {
  const key = { bootId, pid: process.pid, startTicks: process.startTicks };
  return delegations.isLeftOver(actor.chain[0].id, key, process.claims);
}

interface Step {
  readonly node: ProcessNode;
  /** What this very process was given. */
  readonly given: readonly Delegation[];
}

/** Root first. */
function stepsOf(actor: Actor, lineage: Attributable, delegations: Delegations): readonly Step[] {
  const { bootId, processes } = lineage;
  return processes
    .map((process) => ({
      node: { id: nodeId(actor.chain[0].id, bootId, process), bootId, process },
      given: delegations.ofProcess(actor.chain[0].id, {
        bootId,
        pid: process.pid,
        startTicks: process.startTicks,
      }),
    }))
    .reverse();
}

const isBelow = (own: Delegation, steps: readonly Step[]): boolean =>
  steps.some(({ given }) => given.some((each) => each.id === own.id));

/** The chain of one use: what was presented, and what the ancestry adds to it, each where it stands. */
function chained(
  presented: Actor,
  steps: readonly Step[],
  delegations: Delegations,
  use: 'stream' | 'request',
): Actor {
  const links = new Links(presented);
  // Everything at or above the process that was given what was presented is in its chain already.
  const from = steps.findLastIndex(({ given }) => given.some((each) => each.id === presented.delegation)) + 1;
  // The first program below `throughline run` is the delegation's own.
  let awaited = from > 0;
  let before: string | undefined;
  for (const { node, given } of steps.slice(from)) {
    const { agent } = node.process;
    for (const id of given.flatMap(({ path }) => path)) {
      const known = delegations.get(id);
      if (known !== undefined) links.delegation(known);
    }
    for (const claimed of claimsOf(presented, node.process, delegations))
      links.delegation(claimed, 'claimed');
    if (given.length > 0) awaited = true;
    else if (agent !== undefined && awaited) awaited = false;
    // A launcher and the program that it turns into are one agent; one that a shell starts below it is another.
    else if (agent !== undefined && agent !== before) links.observed(node);
    before = given.length > 0 ? undefined : agent;
  }
  const leaf = steps.at(-1);
  if (use === 'stream' && leaf !== undefined && leaf.given.length === 0 && !links.endsWith(leaf.node))
    links.process(leaf.node);
  return links.actor();
}

/**
 * A process that has left its tree (a daemon, a session of a terminal multiplexer) still names in its environment whom
 * it worked for. Anybody can say so, and only loses by it.
 */
function claimsOf(
  presented: Actor,
  process: ReportedProcess,
  delegations: Delegations,
): readonly Delegation[] {
  const found = process.claims === undefined ? undefined : delegations.get(process.claims);
  if (found?.principal !== presented.chain[0].id) return [];
  // With all that stands above it: what ends or counts there ends and counts here.
  return found.path.flatMap((id) => delegations.get(id) ?? []);
}

/** A chain that grows, its scopes beside it. */
class Links {
  readonly #presented: Actor;
  #chain: Chain;
  readonly #scopes: Scope[];
  readonly #delegations: string[];
  #expiresAtMs: number;

  constructor(presented: Actor) {
    this.#presented = presented;
    this.#chain = presented.chain;
    this.#scopes = presented.chain.map((_, index) => presented.scopes[index] ?? {});
    this.#delegations = [...(presented.delegations ?? [])];
    this.#expiresAtMs = presented.expiresAtMs;
  }

  delegation(delegation: Delegation, assurance: 'observed' | 'claimed' = 'observed'): void {
    if (this.#delegations.includes(delegation.id)) return;
    this.#delegations.push(delegation.id);
    this.#expiresAtMs = Math.min(this.#expiresAtMs, delegation.expiresAtMs);
    this.#push(ownHop(delegation, assurance), delegation.scope);
  }

  observed(node: ProcessNode): void {
    this.#push(
      { id: node.id, kind: 'agent', name: node.process.agent ?? 'agent', assurance: 'observed' },
      {},
    );
  }

  process(node: ProcessNode): void {
    const name = node.process.name.replaceAll(/\p{Cc}/gu, '?').slice(0, 64) || '?';
    this.#push({ id: node.id, kind: 'process', name, assurance: 'observed' }, {});
  }

  endsWith(node: ProcessNode): boolean {
    return this.#chain.at(-1)?.id === node.id;
  }

  #push(hop: Hop, scope: Scope): void {
    if (this.#chain.some(({ id }) => id === hop.id)) return;
    this.#chain = chainWith(this.#chain, hop);
    this.#scopes.push(scope);
  }

  actor(): Actor {
    return {
      ...this.#presented,
      chain: this.#chain,
      scopes: this.#scopes,
      ...(this.#delegations.length === 0 ? {} : { delegations: this.#delegations }),
      expiresAtMs: this.#expiresAtMs,
    };
  }
}

/**
 * The same process of one principal has the same id wherever it appears; a later one with its pid has another, and so
 * has the process that somebody else names: which processes there are is only their word, and revoking a node of one's
 * own must not reach others.
 */
export function nodeId(
  principal: string,
  bootId: string,
  process: Pick<ReportedProcess, 'pid' | 'startTicks'>,
): string {
  // The last may hold anything, the others no space.
  const text = `${bootId} ${process.pid} ${process.startTicks} ${principal}`;
  return `prc_${createHash('sha256').update(text).digest('hex').slice(0, 26)}`;
}
