import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ulid } from 'ulid';
import { type Actor, type Chain, chainWith, type Hop } from '../contract/chain.js';
import {
  type DelegationEnd,
  type DelegationRequest,
  delegationLimits,
  handlePattern,
  type ProcessKey,
} from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { DelegationId } from '../contract/ids.js';
import type { DelegationsTable, StateSchema } from '../store/schema.js';
import type { Clock } from './bounded.js';
import type { Delegation } from './delegation.js';
import { type ChildBounds, childBounds, intersection, type ParentBounds } from './delegation-bounds.js';
import { delegationOf, rowOf } from './delegation-rows.js';
import { identityLimits } from './limits.js';
import { scramVerifier } from './scram.js';
import { sha256Hex } from './secrets.js';
import { keep, type RecordEvent, type SignIns } from './sign-ins.js';

export interface EndedDelegation {
  readonly delegation: Delegation;
  readonly cause: DelegationEnd;
  readonly reason: string | undefined;
}

export interface Minted {
  readonly delegation: Delegation;
  readonly handle: string | undefined;
}

export type DelegationInput = Omit<DelegationRequest, 'ttlMs' | 'key' | 'handle'> & {
  readonly expiresAtMs: number;
  readonly key: string | undefined;
  readonly handle: boolean;
  /** Signed by the parent's key rather than asked for here. */
  readonly offline?: { readonly id: DelegationId; readonly tokenHash: string };
};

/** The delegations of this gateway. Live ones are in memory, where every use asks for them; the database outlives a restart. */
export class Delegations {
  readonly #state: Kysely<StateSchema>;
  readonly #clock: Clock;
  readonly #record: RecordEvent;
  readonly #signIns: SignIns;
  readonly #live = new Map<string, Delegation>();
  /** Everything that has it in its path, parents before children. */
  readonly #below = new Map<string, Set<string>>();
  readonly #byProcess = new Map<string, Set<Delegation>>();
  /** Ended ones, by id and by the process that they were given to: what still runs there does not become its person. */
  readonly #over = new Map<string, { readonly principal: string; readonly process: string | undefined }>();
  readonly #overProcesses = new Map<string, Set<string>>();
  /** How many of each principal: nobody's endings push out those of others. */
  readonly #overOf = new Map<string, Set<string>>();
  readonly #minted = new Set<(delegation: Delegation) => void>();
  readonly #ended = new Set<(ended: EndedDelegation) => void>();
  /** Counters reach the database one after the other. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: { state: Kysely<StateSchema>; clock: Clock; record: RecordEvent; signIns: SignIns }) {
    this.#state = options.state;
    this.#clock = options.clock;
    this.#record = options.record;
    this.#signIns = options.signIns;
    options.signIns.onEnded((signIn, _cause, reason) => {
      const more = reason === undefined ? {} : { reason };
      for (const each of this.list())
        if (each.signIn === signIn && each.path.length === 1)
          void this.end(each.id, 'signed-out', more).catch(() => undefined);
    });
  }

  /** What was live when the gateway stopped, and still may be. */
  async load(): Promise<void> {
    const rows = await this.#state
      .selectFrom('delegations')
      .innerJoin('sign_ins', 'sign_ins.id', 'delegations.sign_in')
      .selectAll('delegations')
      .where('delegations.ended_at_ms', 'is', null)
      .where('delegations.expires_at_ms', '>', this.#clock())
      .where('sign_ins.ended_at_ms', 'is', null)
      .orderBy('delegations.depth')
      .execute();
    for (const row of rows) this.#add(delegationOf(row));
    const over = await this.#state
      .selectFrom('delegations')
      .selectAll()
      .where(
        (each) => each.fn.coalesce('ended_at_ms', 'expires_at_ms'),
        '>',
        this.#clock() - identityLimits.endedDelegationsKeptMs,
      )
      .orderBy((each) => each.fn.coalesce('ended_at_ms', 'expires_at_ms'), 'desc')
      .limit(identityLimits.endedDelegationsMax)
      .execute();
    for (const row of over.reverse()) if (!this.#live.has(row.id)) this.#remember(delegationOf(row));
  }

  get(id: string): Delegation | undefined {
    const found = this.#live.get(id);
    if (found === undefined || found.expiresAtMs <= this.#clock() || this.#signIns.isEnded(found.signIn))
      return undefined;
    return found;
  }

  list(): readonly Delegation[] {
    return [...this.#live.values()];
  }

  /** Those of `principal` that were given to this very process. */
  ofProcess(principal: string, process: ProcessKey): readonly Delegation[] {
    const found = this.#byProcess.get(processText(process));
    return found === undefined
      ? []
      : [...found].filter((each) => each.principal === principal && this.get(each.id));
  }

  /** One of `principal`, if any, that was given to a process of that device, besides those of `known`. */
  givenOn(principal: string, device: string, known: readonly string[]): Delegation | undefined {
    for (const each of this.#live.values()) {
      if (each.principal !== principal || each.evidence?.device !== device || known.includes(each.id))
        continue;
      if (this.get(each.id) !== undefined) return each;
    }
    return undefined;
  }

  /** Whether this very process, or one that names `claim`, worked for a delegation of `principal` that is over. */
  isLeftOver(principal: string, process: ProcessKey, claim: string | undefined): boolean {
    if (this.ofProcess(principal, process).length > 0) return false;
    const text = processText(process);
    const given = [...(this.#byProcess.get(text) ?? [])].map((each) => each.id);
    const named = claim === undefined || this.get(claim) !== undefined ? undefined : claim;
    // Also what has expired and was not swept yet.
    return [...given, ...(this.#overProcesses.get(text) ?? []), named].some(
      (each) => each !== undefined && (this.#over.get(each) ?? this.#live.get(each))?.principal === principal,
    );
  }

  #remember({ id, principal, evidence }: Delegation): void {
    const process = evidence === undefined ? undefined : processText(evidence);
    this.#over.set(id, { principal, process });
    add(this.#overOf, principal, id);
    if (process !== undefined) add(this.#overProcesses, process, id);
    const own = this.#overOf.get(principal);
    if (own !== undefined && own.size > identityLimits.endedDelegationsOfOneMax) this.#forget(own);
    if (this.#over.size > identityLimits.endedDelegationsMax) this.#forget(this.#over.keys());
  }

  /** The first of `ids`. */
  #forget(ids: Iterable<string>): void {
    const [id = ''] = ids;
    const found = this.#over.get(id);
    if (found === undefined) return;
    this.#over.delete(id);
    take(this.#overOf, found.principal, id);
    if (found.process !== undefined) take(this.#overProcesses, found.process, id);
  }

  /** @returns how to stop */
  onMinted(listener: (delegation: Delegation) => void): () => void {
    this.#minted.add(listener);
    return () => this.#minted.delete(listener);
  }

  /** @returns how to stop */
  onEnded(listener: (ended: EndedDelegation) => void): () => void {
    this.#ended.add(listener);
    return () => this.#ended.delete(listener);
  }

  /**
   * Mints a child of `actor`. Recorded first, then stored. Whether what it may reach exists is for the caller.
   * @throws ThroughlineError denied (wider than the parent, budget), not-signed-in, rate-limited, not-recordable
   */
  async mint(actor: Actor, input: DelegationInput): Promise<Minted> {
    const now = this.#clock();
    if (this.#signIns.isEnded(actor.signIn) || actor.expiresAtMs <= now)
      throw new ThroughlineError('not-signed-in', 'the sign-in has ended', { action: 'sign in again' });
    const parents = (actor.delegations ?? []).map((id) => this.#parent(id));
    this.#refuseTooMany(actor.signIn);
    const parent = parents.at(-1);
    const bounds = childBounds(parentBounds(actor, parents, input), input);
    if (bounds.expiresAtMs <= now)
      throw new ThroughlineError('denied', 'the delegation would have expired already', {
        action: 'give it more time',
      });
    for (const each of parents) requireChild(each);
    for (const each of parents) each.childrenUsed += 1;
    try {
      return await this.#keep(actor, input, bounds, parent, now);
    } catch (error) {
      for (const each of parents) each.childrenUsed -= 1;
      throw error;
    }
  }

  async #keep(
    actor: Actor,
    input: DelegationInput,
    bounds: ChildBounds,
    parent: Delegation | undefined,
    now: number,
  ): Promise<Minted> {
    const id = input.offline?.id ?? DelegationId.parse(`dlg_${ulid(now)}`);
    const handle = input.handle ? `tlh_${randomBytes(24).toString('base64url')}` : undefined;
    const delegation: Delegation = {
      id,
      signIn: actor.signIn,
      principal: actor.chain[0].id,
      above: actor.chain,
      scopes: actor.scopes,
      groups: actor.groups,
      path: [...(actor.delegations ?? []), id],
      label: input.label,
      scope: bounds.scope,
      depth: bounds.depth,
      depthMax: bounds.depthMax,
      purpose: input.purpose,
      trace: parent?.trace ?? randomBytes(16).toString('hex'),
      minted: input.offline === undefined ? 'online' : 'offline',
      key: input.key,
      handleHash: handle === undefined ? undefined : sha256Hex(handle),
      scram: handle === undefined ? undefined : await scramVerifier(handle),
      tokenHash: input.offline?.tokenHash,
      evidence:
        input.evidence === undefined
          ? undefined
          : { device: actor.deviceKey ?? parent?.evidence?.device ?? '', ...input.evidence },
      sessionsMax: bounds.sessionsMax,
      childrenMax: bounds.childrenMax,
      createdAtMs: now,
      expiresAtMs: bounds.expiresAtMs,
      sessionsUsed: 0,
      childrenUsed: 0,
    };
    await keep(this.#record, {
      kind: 'delegation.minted',
      delegation: id,
      chain: mintedChain(delegation),
      signIn: delegation.signIn,
      trace: delegation.trace,
      minted: delegation.minted,
      scope: delegation.scope,
      depth: delegation.depth,
      depthMax: delegation.depthMax,
      budget: { sessions: delegation.sessionsMax, children: delegation.childrenMax },
      expiresAt: new Date(delegation.expiresAtMs).toISOString(),
      ...(delegation.purpose === undefined ? {} : { purpose: delegation.purpose }),
      ...(delegation.key === undefined ? {} : { key: delegation.key }),
      ...(delegation.evidence === undefined ? {} : { evidence: delegation.evidence }),
    });
    await this.#state.insertInto('delegations').values(rowOf(delegation)).execute();
    // What it hangs on may have ended while it was written down.
    const orphaned = delegation.path.slice(0, -1).some((each) => this.get(each) === undefined);
    if (orphaned || this.#signIns.isEnded(delegation.signIn)) {
      await this.#write(delegation, 'parent-ended');
      throw new ThroughlineError('denied', 'what this delegation hangs on has ended meanwhile');
    }
    this.#add(delegation);
    for (const each of delegation.path.slice(0, -1)) this.#count(each);
    for (const listener of this.#minted) listener(delegation);
    return { delegation, handle };
  }

  #parent(id: string): Delegation {
    const parent = this.get(id);
    if (parent === undefined)
      throw new ThroughlineError('denied', 'a delegation above has ended', { action: 'ask for a new one' });
    return parent;
  }

  #refuseTooMany(signIn: string): void {
    let count = 0;
    for (const each of this.#live.values()) if (each.signIn === signIn) count += 1;
    if (count >= delegationLimits.perSignInMax)
      throw new ThroughlineError('rate-limited', 'this sign-in has too many live delegations', {
        action: 'end some, or wait until they expire',
        fields: { delegationsMax: delegationLimits.perSignInMax },
      });
  }

  /** Spends one session of every delegation that `actor` acts under; refused when one has none left. */
  spendSession(actor: Pick<Actor, 'delegations'>): void {
    const path = (actor.delegations ?? []).map((id) => this.#parent(id));
    const spent = path.find((each) => each.sessionsUsed >= each.sessionsMax);
    if (spent !== undefined)
      throw new ThroughlineError('denied', `the delegation "${spent.label}" has no sessions left`, {
        action: 'ask for a new delegation',
        fields: { sessionsMax: spent.sessionsMax },
      });
    for (const each of path) {
      each.sessionsUsed += 1;
      this.#count(each.id);
    }
  }

  /**
   * Ends a delegation and everything below it. Effective when this returns its promise: no use is let through from
   * then on, even if the database or the log fails. False when it had ended before.
   */
  async end(
    id: string,
    cause: DelegationEnd,
    more: { readonly by?: Chain; readonly reason?: string } = {},
  ): Promise<boolean> {
    const top = this.#live.get(id);
    if (top === undefined) return false;
    const ending = this.below(id);
    // INVARIANT: memory first.
    for (const each of ending) this.#remove(each);
    const causeOf = (each: Delegation): DelegationEnd => (each.id === top.id ? cause : 'parent-ended');
    for (const each of ending)
      for (const listener of this.#ended)
        listener({ delegation: each, cause: causeOf(each), reason: more.reason });
    const written = await Promise.allSettled(
      ending.map(async (each) => {
        await this.#write(each, causeOf(each));
        await keep(this.#record, {
          kind: 'delegation.ended',
          delegation: each.id,
          cause: causeOf(each),
          ...(more.by === undefined ? {} : { by: more.by }),
          ...(more.reason === undefined ? {} : { reason: more.reason }),
        });
      }),
    );
    for (const each of written) if (each.status === 'rejected') throw each.reason;
    return true;
  }

  /** A delegation and everything below it, itself first. */
  below(id: string): readonly Delegation[] {
    return [id, ...(this.#below.get(id) ?? [])].flatMap((each) => this.#live.get(each) ?? []);
  }

  /** Ends what has expired. To be called about once a second. */
  async sweep(): Promise<void> {
    const now = this.#clock();
    for (const each of this.list()) if (each.expiresAtMs <= now) await this.end(each.id, 'expired');
  }

  async #write(delegation: Delegation, cause: DelegationEnd): Promise<void> {
    await this.#state
      .updateTable('delegations')
      .set({ ended_at_ms: this.#clock(), end_cause: cause })
      .where('id', '=', delegation.id)
      .where('ended_at_ms', 'is', null)
      .execute();
  }

  /** Whether an id was ever used here, live or not: an offline token is taken once. */
  async known(id: string): Promise<boolean> {
    if (this.#live.has(id)) return true;
    const row = await this.#state
      .selectFrom('delegations')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** As they were, live or not. */
  async records(ids: readonly string[]): Promise<readonly DelegationsTable[]> {
    if (ids.length === 0) return [];
    return this.#state
      .selectFrom('delegations')
      .selectAll()
      .where('id', 'in', ids)
      .orderBy('created_at_ms')
      .execute();
  }

  /** Undefined: unknown, ended, or another handle. */
  ofHandle(id: string, handle: string): Delegation | undefined {
    const found = this.get(id);
    if (found?.handleHash === undefined || !handlePattern.test(handle)) return undefined;
    return sha256Hex(handle) === found.handleHash ? found : undefined;
  }

  #count(id: string): void {
    const delegation = this.#live.get(id);
    if (delegation === undefined) return;
    this.#writing = this.#writing
      .then(() =>
        this.#state
          .updateTable('delegations')
          .set({ sessions_used: delegation.sessionsUsed, children_used: delegation.childrenUsed })
          .where('id', '=', id)
          .execute(),
      )
      .catch(() => undefined);
  }

  #add(delegation: Delegation): void {
    this.#live.set(delegation.id, delegation);
    for (const above of delegation.path.slice(0, -1)) add(this.#below, above, delegation.id);
    if (delegation.evidence !== undefined) add(this.#byProcess, processText(delegation.evidence), delegation);
  }

  #remove(delegation: Delegation): void {
    this.#live.delete(delegation.id);
    this.#remember(delegation);
    for (const above of delegation.path.slice(0, -1)) take(this.#below, above, delegation.id);
    if (delegation.evidence !== undefined)
      take(this.#byProcess, processText(delegation.evidence), delegation);
  }
}

/** Its hop in a chain, known in this way. */
export function ownHop({ id, label }: Pick<Delegation, 'id' | 'label'>, assurance: Hop['assurance']): Hop {
  return { id, kind: 'agent', name: label, assurance };
}

/** How it was given to its holder. How it is known in one use stands in that use's chain. */
export function givenAs({ key }: Pick<Delegation, 'key'>): 'issued' | 'proven' {
  return key === undefined ? 'issued' : 'proven';
}

/** What stands above it, and itself. */
export function mintedChain(delegation: Delegation): Chain {
  return chainWith(delegation.above, ownHop(delegation, givenAs(delegation)));
}

/** The actor at the end of a delegation's chain. */
export function actorOfDelegation(
  delegation: Delegation,
  assurance: Hop['assurance'],
  signInEndsAtMs: number,
): Actor {
  return {
    chain: chainWith(delegation.above, ownHop(delegation, assurance)),
    scopes: [...delegation.scopes, delegation.scope],
    groups: delegation.groups,
    signIn: delegation.signIn,
    delegation: delegation.id,
    delegations: delegation.path,
    expiresAtMs: Math.min(delegation.expiresAtMs, signInEndsAtMs),
  };
}

/**
 * What all of `parents` (outermost first) can give together. Mostly each is the next one's parent and the last is the
 * narrowest; a process can also stand below two that know nothing of each other, or claim to: then the levels that each
 * has left count from where it stands.
 */
function parentBounds(actor: Actor, parents: readonly Delegation[], input: DelegationInput): ParentBounds {
  const { expiresAtMs } = actor;
  if (parents.length === 0) {
    const depthMax = input.levels === undefined ? delegationLimits.depthDefault : delegationLimits.depthMax;
    return { scope: {}, depth: 0, depthMax, expiresAtMs };
  }
  return {
    scope: parents.map(({ scope }) => scope).reduce(intersection),
    depth: parents.length,
    depthMax: Math.min(...parents.map((each, index) => index + 1 + each.depthMax - each.depth)),
    expiresAtMs: Math.min(expiresAtMs, ...parents.map((each) => each.expiresAtMs)),
  };
}

function requireChild(delegation: Delegation): void {
  if (delegation.childrenUsed < delegation.childrenMax) return;
  throw new ThroughlineError('denied', `the delegation "${delegation.label}" may have no more children`, {
    action: 'ask for a new delegation',
    fields: { childrenMax: delegation.childrenMax },
  });
}

const processText = ({ bootId, pid, startTicks }: ProcessKey): string => `${bootId} ${pid} ${startTicks}`;

function add<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key) ?? new Set<T>();
  set.add(value);
  map.set(key, set);
}

function take<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
