import type { RevokeRequest, RevokeResponse } from '../contract/api.js';
import { type Actor, hasAgent } from '../contract/chain.js';
import type { Decision } from '../contract/decision.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Delegation, Identity } from '../identity/index.js';
import type { AgentTree } from './agent-tree.js';
import type { LiveSession, LiveSessions } from './live-sessions.js';
import { requireAllowed } from './permissions.js';
import type { GatewayRecorder } from './recorder.js';
import type { RevokedNodes } from './revoked-nodes.js';

export interface RevocationRooms {
  readonly identity: Identity;
  readonly live: LiveSessions;
  readonly tree: AgentTree;
  readonly revoked: RevokedNodes;
  readonly recorder: GatewayRecorder;
  readonly may: {
    readonly session: (
      actor: Actor,
      action: 'session:view' | 'session:revoke',
      session: LiveSession,
    ) => Decision;
    readonly people: (actor: Actor) => Decision;
  };
  /** For a session that does not run any more: throws what fits. */
  readonly ended: (actor: Actor, id: string) => Promise<never>;
}

interface Ending {
  readonly actor: Actor;
  readonly id: string;
  /** As given, masked. */
  readonly reason: string;
  /** What a client is told. */
  readonly words: string;
}

const notFound = (what: string, id: string) =>
  new ThroughlineError('not-found', `there is no ${what} ${id.slice(0, 64)}`, {
    action: what === 'session' ? 'list them: throughline sessions' : 'list them: throughline agents',
  });

/**
 * Ends a session, a node of the agent tree with everything below it, all of a device, or all of a person. Whatever is
 * ended is ended first and written down then: in an emergency nothing waits for a disk.
 */
export async function revoke(
  rooms: RevocationRooms,
  actor: Actor,
  request: RevokeRequest,
): Promise<RevokeResponse> {
  const reason = rooms.recorder.maskText(request.reason);
  const words = `this was revoked by ${actor.chain[0].id}: ${reason}`;
  if (request.kind === 'agents') return revokeNodes(rooms, { actor, reason, words }, request.ids);
  const ending: Ending = { actor, id: request.id, reason, words };
  if (request.kind === 'session') return revokeSession(rooms, ending);
  if (request.kind === 'agent') return revokeNodes(rooms, ending, [request.id]);
  return revokeSignIns(rooms, ending, request.kind);
}

async function revokeSession(
  rooms: RevocationRooms,
  { actor, id, reason, words }: Ending,
): Promise<RevokeResponse> {
  const { live, recorder } = rooms;
  const running = live.get(id);
  if (running === undefined) return rooms.ended(actor, id);
  if (rooms.may.session(actor, 'session:view', running).kind !== 'allow') throw notFound('session', id);
  const above = running.actor.chain.slice(0, -1).map((hop) => hop.id);
  mayEnd(rooms, actor, [running], [above], { isNode: false, principal: running.actor.chain[0].id });
  const ended = running.end('revoked', words);
  await recorder.record({ kind: 'session.revoked', session: running.id, by: actor.chain, reason });
  await ended;
  return { ended: [running.id] };
}

/** Nodes of the agent tree: all of them, or none where one may not be ended. */
async function revokeNodes(
  rooms: RevocationRooms,
  { actor, reason, words }: Omit<Ending, 'id'>,
  ids: readonly string[],
): Promise<RevokeResponse> {
  const { identity, live, revoked, recorder } = rooms;
  const found = nodesOf(rooms, ids);
  const [first] = found;
  if (first === undefined) throw notFound('agent', ids[0] ?? '');
  const person = found.find(({ id, principal }) => id === principal);
  if (person !== undefined) {
    if (ids.length > 1) throw onePerson(person.id);
    return revokeSignIns(rooms, { actor, id: person.id, reason, words }, 'principal');
  }
  const asked = askedOnce(rooms);
  for (const each of found) mayEndNode(asked, actor, each);
  // In one turn: nobody below any of them is let through from here on, and no session that is there goes on.
  const processes = found.filter(({ delegation }) => delegation === undefined).map(({ id }) => id);
  const kept = keepRevoked(revoked, found);
  const doomed = new Set(found.flatMap(({ sessions }) => sessions));
  const ending = live.end((each) => doomed.has(each), 'revoked', words);
  // What a process without a delegation of its own has made for others hangs below it all the same.
  const gone = new Set(processes);
  const made = identity.delegations.list().filter(({ above }) => above.some(({ id }) => gone.has(id)));
  const tops = [...found, ...made].map(({ id }) => id);
  const delegations = tops.flatMap((id) => identity.delegations.below(id).map((each) => each.id));
  const over = tops.map((id) => identity.delegations.end(id, 'revoked', { by: actor.chain, reason }));
  const noted = processes.map((id) =>
    recorder.record({ kind: 'actor.revoked', what: 'agent', id, by: actor.chain, reason }),
  );
  await Promise.all([kept, ...over, ...noted]);
  const ended = await ending;
  return delegations.length === 0 ? { ended } : { ended, delegations: [...new Set(delegations)] };
}

/** In the turn of the call. */
function keepRevoked(revoked: RevokedNodes, found: readonly DoomedNode[]): Promise<unknown> {
  const byPrincipal = new Map<string, string[]>();
  for (const { id, principal, delegation } of found)
    if (delegation === undefined) byPrincipal.set(principal, [...(byPrincipal.get(principal) ?? []), id]);
  return Promise.all([...byPrincipal].map(([principal, ids]) => revoked.add(ids, principal)));
}

interface DoomedNode {
  readonly id: string;
  readonly principal: string;
  readonly delegation: Delegation | undefined;
  /** Its own, and those of everything below it. */
  readonly sessions: readonly LiveSession[];
}

/** Those of `ids` that are there. */
function nodesOf({ identity, live, tree }: RevocationRooms, ids: readonly string[]): readonly DoomedNode[] {
  const nodes = new Map(tree.nodes().map((each) => [each.id, each]));
  const below = new Map<string, LiveSession[]>();
  for (const session of live.list()) {
    const { chain, delegations = [] } = session.actor;
    for (const hop of new Set([...chain.map(({ id }) => id), ...delegations])) {
      const sessions = below.get(hop);
      if (sessions === undefined) below.set(hop, [session]);
      else sessions.push(session);
    }
  }
  return [...new Set(ids)].flatMap((id) => {
    const delegation = identity.delegations.get(id);
    const principal = delegation?.principal ?? nodes.get(id)?.principal;
    return principal === undefined ? [] : [{ id, principal, delegation, sessions: below.get(id) ?? [] }];
  });
}

function mayEndNode(rooms: RevocationRooms, actor: Actor, node: DoomedNode): void {
  const { id, principal, delegation, sessions } = node;
  if (principal !== actor.chain[0].id && !mayView(rooms, actor, sessions)) throw notFound('agent', id);
  const above = delegation === undefined ? sessions.map((each) => aboveIn(each, id)) : [aboveOf(delegation)];
  mayEnd(rooms, actor, sessions, above, { isNode: true, principal });
}

const aboveOf = ({ above, path }: Delegation): readonly string[] => [
  ...above.map((hop) => hop.id),
  ...path.slice(0, -1),
];

function aboveIn({ actor }: LiveSession, node: string): readonly string[] {
  const ids = actor.chain.map((hop) => hop.id);
  return ids.slice(0, Math.max(0, ids.indexOf(node)));
}

/** For a thousand nodes, too, policy is asked once whether somebody looks after people. */
function askedOnce(rooms: RevocationRooms): RevocationRooms {
  let known: Decision | undefined;
  const people = (actor: Actor): Decision => {
    known ??= rooms.may.people(actor);
    return known;
  };
  return { ...rooms, may: { ...rooms.may, people } };
}

function onePerson(id: string): ThroughlineError {
  return new ThroughlineError('invalid-request', `${id.slice(0, 64)} is a person, not an agent`, {
    action: 'revoke people one by one',
  });
}

async function revokeSignIns(
  rooms: RevocationRooms,
  { actor, id, reason, words }: Ending,
  what: 'device' | 'principal',
): Promise<RevokeResponse> {
  const { identity, live, recorder } = rooms;
  const signIns = await identity.signInsOf(what, id);
  const own = signIns.length > 0 && signIns.every((each) => each.principal === actor.chain[0].id);
  if (hasAgent(actor.chain)) throw agentsMayNot();
  if (!own) requireAllowed(rooms.may.people(actor));
  if (signIns.length === 0)
    throw new ThroughlineError('not-found', `nobody is signed in as the ${what} ${id.slice(0, 64)}`, {
      action: 'list them: throughline admin people',
    });
  const ids = new Set(signIns.map((each) => each.id));
  const delegations = identity.delegations.list().filter((each) => ids.has(each.signIn));
  const over = signIns.map((each) => identity.signOut(each.id, 'revoked'));
  const ended = live.end((each) => ids.has(each.actor.signIn), 'revoked', words);
  await recorder.record({ kind: 'actor.revoked', what, id, by: actor.chain, reason });
  await Promise.all(over);
  return { ended: await ended, delegations: delegations.map((each) => each.id), signIns: signIns.length };
}

function mayView(rooms: RevocationRooms, actor: Actor, sessions: readonly LiveSession[]): boolean {
  if (rooms.may.people(actor).kind === 'allow') return true;
  return (
    sessions.length > 0 &&
    sessions.every((each) => rooms.may.session(actor, 'session:view', each).kind === 'allow')
  );
}

/**
 * People end what is theirs, and what policy lets them end of others. Agents end what they have started themselves:
 * nodes strictly below them. `above`: what stands strictly above, in each line that leads there. Who one only claims to
 * be is no reason to end anything.
 */
function mayEnd(
  rooms: RevocationRooms,
  actor: Actor,
  sessions: readonly LiveSession[],
  above: readonly (readonly string[])[],
  { isNode, principal }: { readonly isNode: boolean; readonly principal: string },
): void {
  const own = principal === actor.chain[0].id;
  if (hasAgent(actor.chain)) {
    const acting = actor.chain.at(-1)?.id ?? '';
    const isDelegated =
      actor.delegations !== undefined && actor.chain.every(({ assurance }) => assurance !== 'claimed');
    const isBelow = above.length > 0 && above.every((ids) => ids.includes(acting));
    if (!own || !isDelegated || !isBelow) throw agentsMayNot();
  }
  // What one has started oneself one may always end.
  if (own && isNode) return;
  if (!own && rooms.may.people(actor).kind === 'allow') return;
  if (sessions.length === 0) return requireAllowed(rooms.may.people(actor));
  for (const each of sessions) requireAllowed(rooms.may.session(actor, 'session:revoke', each));
}

function agentsMayNot(): ThroughlineError {
  return new ThroughlineError('denied', 'agents end what they have started themselves, and nothing else', {
    action: 'ask a person to do it',
  });
}
