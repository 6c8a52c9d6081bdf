import type { Hono } from 'hono';
import { paths } from '../contract/api.js';
import type { Actor } from '../contract/chain.js';
import { DelegationRequest, type DelegationResponse, delegationLimits } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { keyThumbprint, mayGiveTo, mintedChain } from '../identity/index.js';
import { quiet } from './agent-tree.js';
import { bodyOf } from './http-body.js';
import type { Permissions } from './permissions.js';
import type { Environment, GatewayRooms } from './rooms.js';
import { timelineOf } from './timeline.js';

/** Delegations, and the tree of who acts. */
export function addAgentRoutes(app: Hono<Environment>, rooms: GatewayRooms, permissions: Permissions): void {
  const { identity, attachments, tree, now } = rooms;
  const { delegations } = identity;

  app.post(paths.delegations, async (context) => {
    const actor = context.get('actor');
    const wanted = await bodyOf(context.req.raw, DelegationRequest);
    // A delegation to nothing helps nobody: a name that is not there, or not for this actor, is most likely a mistake.
    for (const name of wanted.connections ?? []) permissions.connection(actor, name);
    const { evidence } = wanted;
    if (evidence !== undefined && !mayGiveTo(actor, context.get('lineage'), evidence, delegations)) {
      throw new ThroughlineError('denied', 'a delegation is given to a process of one’s own only', {
        action: 'name the process that asks, or one below it',
      });
    }
    const { ttlMs, key, handle, ...bounds } = wanted;
    const { delegation, handle: secret } = await delegations.mint(actor, {
      ...bounds,
      expiresAtMs: now() + (ttlMs ?? delegationLimits.ttlMsDefault),
      key: key === undefined ? undefined : await keyThumbprint(key),
      handle: handle ?? true,
    });
    const answer: DelegationResponse = {
      id: delegation.id,
      ...(secret === undefined ? {} : { handle: secret }),
      chain: mintedChain(delegation),
      scope: delegation.scope,
      depth: delegation.depth,
      depthMax: delegation.depthMax,
      expiresAt: new Date(delegation.expiresAtMs).toISOString(),
    };
    return context.json(answer, 201);
  });

  /** Only who holds the delegation speaks for it: its key, or its handle. */
  const held = (actor: Actor, id: string) => {
    const delegation = actor.delegation === id ? delegations.get(id) : undefined;
    if (delegation === undefined)
      throw new ThroughlineError('denied', 'only its holder speaks for a delegation', {
        action: 'ask with the delegation’s own key or handle',
      });
    return delegation;
  };

  app.get(paths.attachment(':id').replace('%3A', ':'), (context) => {
    const delegation = held(context.get('actor'), context.req.param('id') ?? '');
    return new Response(attachments.attach(delegation), {
      headers: { 'content-type': 'application/x-ndjson' },
    });
  });

  app.post(paths.contact(':id').replace('%3A', ':'), (context) => {
    attachments.contact(held(context.get('actor'), context.req.param('id') ?? '').id);
    return context.body(null, 204);
  });

  /** Its work is done. What still runs below it has no one to work for any more. */
  app.delete(paths.delegation(':id').replace('%3A', ':'), async (context) => {
    const { id } = held(context.get('actor'), context.req.param('id') ?? '');
    await delegations.end(id, 'finished');
    return context.body(null, 204);
  });

  app.get(paths.timeline(':id').replace('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    return context.json(await timelineOf(rooms, permissions, actor, context.req.param('id') ?? ''));
  });

  app.get(paths.agents, (context) => {
    const actor = context.get('actor');
    const own = actor.chain[0].id;
    const nodes = tree.nodes();
    const visible = new Map<string, boolean>();
    const maySee = (principal: string): boolean => {
      const known = visible.get(principal);
      if (known !== undefined) return known;
      const on = new Set(nodes.flatMap((each) => (each.principal === principal ? each.connections : [])));
      const may = principal === own || permissions.watch(actor, on);
      visible.set(principal, may);
      return may;
    };
    // Statements of others are told by the live feed, which puts on record that they are read.
    return context.json(
      nodes
        .filter((each) => maySee(each.principal))
        .map((each) => (each.principal === own && permissions.viewsNode(actor, each) ? each : quiet(each))),
    );
  });
}
