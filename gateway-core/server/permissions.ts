import type { Actor } from '../contract/chain.js';
import { Protocol } from '../contract/connection.js';
import type { Action, Decision } from '../contract/decision.js';
import type { AgentNode } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Identity } from '../identity/index.js';
import { type Decider, decideAdmin, decider, type PolicyConnection } from '../policy/index.js';
import type { Connection, ConnectionRegistry } from './connections.js';
import type { PolicyRegistry } from './policies.js';

/** A session as policy sees it. */
export interface PolicySession {
  readonly connection: string;
  /** Undefined where only the connection's name is known. */
  readonly protocol?: Protocol | undefined;
  readonly principal: string;
}

/** What the policies in force say, for the parts of the server that ask. */
export interface Permissions {
  on(actor: Actor, connection: PolicyConnection): Decider;
  session(
    actor: Actor,
    action: Extract<Action, `session:${string}`> | 'evidence:export',
    session: PolicySession,
  ): Decision;
  admin(actor: Actor, action: Extract<Action, `admin:${string}`>): Decision;
  /** The connection of that name, for somebody who may open a session on it. Throws `denied`. */
  connection(actor: Actor, name: string): Connection;
  /** Whether the sessions of a node may be viewed, and with them what it runs. */
  viewsNode(actor: Actor, node: Pick<AgentNode, 'principal' | 'connections'>): boolean;
  /** Others are seen by who looks after people, or who may view others' sessions wherever these are now. */
  watch(actor: Actor, connections: ReadonlySet<string>): boolean;
}

export function createPermissions(rooms: {
  readonly connections: ConnectionRegistry;
  readonly policies: PolicyRegistry;
  readonly identity: Pick<Identity, 'asNow'>;
  readonly now: () => number;
}): Permissions {
  const { connections, policies, identity, now } = rooms;
  const on: Permissions['on'] = (actor, connection) =>
    decider(policies.current, identity.asNow(actor), connection);
  const admin: Permissions['admin'] = (actor, action) =>
    decideAdmin(policies.current, identity.asNow(actor), action, now());
  /**
   * Sessions outlive their connection's registration: what is gone has no labels left to permit it. If nobody knows any
   * more what it spoke, policy has to allow it for each that it can have been.
   */
  const session: Permissions['session'] = (actor, action, { connection: name, protocol, principal }) => {
    const isOwn = principal === actor.chain[0].id;
    const decided = (connection: PolicyConnection): Decision =>
      on(actor, connection).session(action, isOwn, now());
    const known = connections.get(name);
    if (known !== undefined) return decided(known);
    return (protocol === undefined ? Protocol.options : [protocol])
      .map((each) => decided({ name, protocol: each, labels: {} }))
      .reduce((strictest, next) => (strictest.kind === 'allow' ? next : strictest));
  };
  return {
    on,
    admin,
    session,
    connection: (actor, name) => {
      const connection = connections.get(name);
      const decision = connection === undefined ? undefined : on(actor, connection).connect(now());
      if (connection !== undefined && decision?.kind === 'allow') return connection;
      if (decision?.kind === 'hold') {
        throw new ThroughlineError('denied', decision.message, {
          action: `ask a member of ${decision.approvers.join(' or ')}`,
        });
      }
      // What is closed only because nobody knows the program is no secret: the same person sees it in the list.
      if (connection !== undefined && decision !== undefined && actor.lineage === 'unattributed') {
        const known = on({ ...actor, lineage: 'attributed' }, connection).connect(now());
        if (known.kind === 'allow') requireAllowed(decision);
      }
      throw new ThroughlineError('denied', `there is no connection "${name.slice(0, 63)}" that you may use`, {
        action: 'list what you may use: throughline connections; for more, ask an admin',
      });
    },
    viewsNode: (actor, { principal, connections: names }) =>
      names.every((connection) => session(actor, 'session:view', { connection, principal }).kind === 'allow'),
    watch: (actor, names) => {
      if (admin(actor, 'admin:people').kind === 'allow') return true;
      const allowed = (connection: string): boolean =>
        session(actor, 'session:view', { connection, principal: '' }).kind === 'allow';
      return names.size > 0 && [...names].every(allowed);
    },
  };
}

/** Throws `denied` for every decision but to allow. */
export function requireAllowed(decision: Decision): void {
  if (decision.kind === 'allow') return;
  const action = decision.kind === 'deny' ? decision.action : 'ask for approval';
  throw new ThroughlineError('denied', decision.message, {
    action,
    fields: { policy: decision.grounds.policies.join(', '), policyVersion: decision.grounds.policyVersion },
  });
}
