/**
 * For programs that start children of their own and want each to be a hop of its own: an MCP server, a CI runner.
 *
 *     import { openParent } from 'throughline/agent';
 *     const parent = await openParent();
 *     const child = await parent.start({ label: 'migrate', connections: ['shop-db'], actions: ['sql:read'] });
 *     spawn('psql', ['-c', 'select 1'], { env: { ...process.env, ...(await child.environment()) } });
 *     await child.end();
 *
 * Below `throughline run` the parent is the delegation in the environment; elsewhere it is the person who is signed in.
 */
import type { DelegationRequest } from '../../contract/delegation.js';
import { type Gateway, openGateway } from '../client/gateway.js';
import { inheritedDelegation } from '../client/inherited.js';
import { openState } from '../client/state.js';
import { notSignedIn } from '../client/tickets.js';
import type { Recognise } from '../lineage/facts.js';
import { recognise, self } from '../lineage/index.js';
import { lineageOf } from '../lineage/report.js';
import { requestLineage, socketLooking } from '../tunnel/behind.js';
import { type Child, startChild } from './child.js';
import { mintOffline, type OfflineChild, type OfflineRequest, openOffline } from './offline.js';

export { ThroughlineError } from '../../contract/errors.js';
export type { Child, ChildPlace } from './child.js';
export type { OfflineChild, OfflineRequest } from './offline.js';
export { openOffline };

/** Label and bounds of a child; what is left out is as the parent's. */
export type ChildRequest = Omit<DelegationRequest, 'key' | 'evidence' | 'handle'> & {
  /** The process whose descendants are the child, when it runs already. */
  readonly pid?: number;
};

export interface Parent {
  readonly gateway: Gateway;
  /**
   * Mints a child that lives until `end`, until its time is up, until its parent ends, or until somebody revokes it
   * (`onOver`). @throws ThroughlineError denied, naming what is wider than the parent
   */
  start(request: ChildRequest, onOver?: (cause: string, reason: string | undefined) => void): Promise<Child>;
  close(): void;
}

export interface ParentOptions {
  /** Default: `THROUGHLINE_GATEWAY`, else the gateway of the last sign-in. */
  readonly gateway?: string;
  /** Default: this process'. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** @throws ThroughlineError not-signed-in, usage */
export async function openParent(options: ParentOptions = {}): Promise<Parent> {
  const env = options.env ?? process.env;
  const state = openState(env);
  const settings = await state.settings();
  const url = options.gateway ?? env['THROUGHLINE_GATEWAY'] ?? settings.gateway;
  if (url === undefined) throw notSignedIn('any gateway');
  const known: Recognise = (execution) => recognise(execution, settings.agents);
  const gateway = await openGateway(url, {
    state,
    lineage: await requestLineage(state),
    delegation: inheritedDelegation(env),
  });
  return {
    gateway,
    start: async ({ pid, ...request }, onOver) => {
      const evidence = pid === undefined ? undefined : self(pid);
      const lineage = pid === undefined ? undefined : lineageOf(pid, known);
      return startChild({
        parent: gateway,
        request: { ...request, ...(evidence === undefined ? {} : { evidence }) },
        ...(await socketLooking(state)),
        ...(lineage === undefined ? {} : { lineage }),
        ...(onOver === undefined ? {} : { onOver }),
      });
    },
    close: () => gateway.close(),
  };
}

/** A child without asking the gateway: signed by the key of `parent`, taken up there when it is first used. */
export function startOffline(parent: Child | OfflineChild, request: OfflineRequest): OfflineChild {
  if ('credential' in parent) return mintOffline(parent, request);
  const { answer, gateway, key } = parent;
  const { url, trust, principal } = gateway;
  return mintOffline({ id: answer.id, key, tokens: [], url, trust, principal }, request);
}
