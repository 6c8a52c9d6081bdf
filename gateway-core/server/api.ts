import { Hono } from 'hono';
import type { z } from 'zod';
import { z as zod } from 'zod';
import {
  type AdminConnection,
  type AdminPerson,
  type ConnectionDetail,
  HandleRequest,
  type HandleResponse,
  paths,
  RevokeRequest,
  type SearchHit,
  type SessionDetail,
  type SessionView,
} from '../contract/api.js';
import type { Actor } from '../contract/chain.js';
import { ConnectionConfig } from '../contract/connection.js';
import type { Action } from '../contract/decision.js';
import { lineageHeader, tokensHeader } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { SessionId } from '../contract/ids.js';
import { addAgentRoutes } from './agent-routes.js';
import type { Connection, ConnectionRegistry } from './connections.js';
import { addEvidenceRoutes } from './evidence/routes.js';
import { feedStream } from './feed-stream.js';
import { bodyOf, ndjson } from './http-body.js';
import { asThroughlineError, problemResponse } from './http-problems.js';
import { feedLimits } from './live-feed.js';
import type { LiveSession } from './live-sessions.js';
import { isOver } from './over.js';
import { createPermissions, requireAllowed } from './permissions.js';
import { addReceiptRoutes } from './receipts.js';
import { deletedOf, sayDeleted } from './retention.js';
import { type RevocationRooms, revoke } from './revocations.js';
import type { Environment, GatewayRooms } from './rooms.js';
import { addSpoolRoutes, comparedOf } from './spool/routes.js';
import { addSshKeyRoutes } from './ssh-key-routes.js';
import { addWatchRoutes } from './watch/routes.js';

const ConnectionsBody = zod.object({ connections: zod.array(ConnectionConfig).min(1).max(1000) }).strict();
const PoliciesBody = zod.object({ text: zod.string().max(1024 * 1024) }).strict();
const searchHitsMax = 200;
const adminActions = ['admin:connections', 'admin:policies', 'admin:people'] as const;

/** The HTTP API of contract/api.ts. Schemas at the edge, problems as answers, policy before every look and every change. */
export function createApi(rooms: GatewayRooms): Hono<Environment> {
  const { identity, connections, policies, live, feed, recorder, sealer, now } = rooms;
  const app = new Hono<Environment>();

  app.onError((error) => {
    const problem = asThroughlineError(error);
    if (problem.code === 'internal') recorder.complain('request failed', error);
    return problemResponse(problem);
  });
  app.notFound(() => problemResponse(new ThroughlineError('not-found', 'there is no such path')));
  app.use(async (context, next) => {
    await next();
    context.header('cache-control', 'no-store');
    context.header('x-content-type-options', 'nosniff');
    context.header('strict-transport-security', 'max-age=31536000');
  });
  app.use(async (context, next) => {
    const response = await identity.routes(context.req.raw, { remoteAddress: context.env.remoteAddress });
    if (response !== undefined) return response;
    return next();
  });
  app.get(paths.gateway, (context) => context.json(rooms.info()));

  app.use('/v1/*', async (context, next) => {
    const result = await identity.authenticate({
      method: context.req.method,
      url: context.req.url,
      authorization: context.req.header('authorization'),
      dpop: context.req.header('dpop'),
      remoteAddress: context.env.remoteAddress,
      lineage: context.req.header(lineageHeader),
      tokens: context.req.header(tokensHeader),
    });
    if (!result.ok) return problemResponse(result.error, result.dpopNonce);
    context.set('actor', result.actor);
    context.set('lineage', result.lineage);
    await next();
    context.header('dpop-nonce', result.dpopNonce);
    return undefined;
  });

  const keptSinceMs = (): number => (rooms.retentionMs === undefined ? 0 : now() - rooms.retentionMs);
  const permissions = createPermissions(rooms);
  const requireAdmin = (actor: Actor, action: Extract<Action, `admin:${string}`>): void =>
    requireAllowed(permissions.admin(actor, action));

  app.get(paths.whoami, (context) => {
    const actor = context.get('actor');
    return context.json({
      principal: actor.chain[0].id,
      groups: [...actor.groups],
      expiresAt: new Date(actor.expiresAtMs).toISOString(),
      deviceKey: actor.deviceKey ?? '',
      chain: actor.chain,
      may: adminActions.filter((action) => permissions.admin(actor, action).kind === 'allow'),
    });
  });

  app.get(paths.connections, (context) => {
    const actor = context.get('actor');
    const visible: ConnectionDetail[] = [];
    for (const connection of connections.list()) {
      const may = permissions.on(actor, connection);
      const decision = may.connect(now());
      if (decision.kind === 'deny') continue;
      const others = (action: Extract<Action, `session:${string}`>): boolean =>
        may.session(action, false, now()).kind === 'allow';
      visible.push({
        name: connection.name,
        protocol: connection.protocol,
        labels: connection.labels,
        access: decision.kind === 'allow' ? 'allowed' : 'request',
        user: clientUser(actor),
        database: connection.database ?? connection.name,
        masks: distinct([...connection.masks, ...decision.masks]),
        recording: {
          rows: String(connection.recording.rows),
          durability: connection.recording.durability,
          desktop: connection.recording.desktop,
        },
        may: {
          viewOthers: others('session:view'),
          replayOthers: others('session:replay'),
          revokeOthers: others('session:revoke'),
        },
      });
    }
    return context.json(visible);
  });

  app.post(paths.handles, async (context) => {
    const actor = context.get('actor');
    const wanted = await bodyOf(context.req.raw, HandleRequest);
    const connection = permissions.connection(actor, wanted.connection);
    const handle = await identity.mintHandle(actor, {
      connection: connection.name,
      ...(wanted.ttlMs === undefined ? {} : { ttlMs: wanted.ttlMs }),
      ...(wanted.sessionsMax === undefined ? {} : { sessionsMax: wanted.sessionsMax }),
    });
    const answer: HandleResponse = {
      user: handle.id,
      password: handle.password,
      connection: handle.connection,
      protocol: connection.protocol,
      expiresAt: new Date(handle.expiresAtMs).toISOString(),
      sessionsMax: handle.sessionsMax,
      listeners: rooms.info().listeners,
    };
    return context.json(answer, 201);
  });

  /** What the index knows, with what runs right now laid over it. */
  const withLive = (session: SessionView): SessionView => {
    const running = live.get(session.id);
    if (running === undefined) return session;
    const watchers = [...rooms.watches.of(session.id)];
    return {
      ...session,
      state: 'live',
      statements: running.statements(),
      ...(watchers.length === 0 ? {} : { watchers }),
    };
  };
  const viewOf = async (
    actor: Actor,
    id: string,
    action: 'session:view' | 'session:replay' | 'session:revoke',
  ) => {
    const parsed = SessionId.safeParse(id);
    const session = parsed.success ? await sealer.session(parsed.data) : undefined;
    // What one may not see does not exist for one: the answers are the same.
    if (session === undefined || permissions.session(actor, 'session:view', session).kind !== 'allow') {
      throw new ThroughlineError('not-found', `there is no session ${id.slice(0, 64)}`, {
        action: 'list them: throughline sessions',
      });
    }
    if (action !== 'session:view') requireAllowed(permissions.session(actor, action, session));
    return withLive(session);
  };
  const runningView = (session: LiveSession): SessionView => ({
    id: session.id,
    connection: session.connection,
    protocol: session.protocol,
    principal: session.actor.chain[0].id,
    chain: session.actor.chain,
    state: 'live',
    startedAt: new Date(session.startedAtMs).toISOString(),
    statements: session.statements(),
    via: session.via,
  });
  const revocations: RevocationRooms = {
    ...rooms,
    may: {
      session: (actor, action, session) => permissions.session(actor, action, runningView(session)),
      people: (actor) => permissions.admin(actor, 'admin:people'),
    },
    ended: async (actor, id) => {
      await sealer.caughtUp();
      await viewOf(actor, id, 'session:revoke');
      throw new ThroughlineError('conflict', 'the session has ended already', {
        action: `see throughline sessions show ${id}`,
      });
    },
  };
  const noteRead = async (actor: Actor, what: 'replay' | 'show', session: SessionView): Promise<void> => {
    if (session.principal === actor.chain[0].id) return;
    await recorder.record({ kind: 'record.read', by: actor.chain[0].id, what, session: session.id });
  };

  app.get(paths.sessions, async (context) => {
    const actor = context.get('actor');
    const only = context.req.query('live');
    const of = context.req.query('of');
    await sealer.caughtUp();
    const all = await sealer.sessions({
      ...(only === undefined ? {} : { live: true }),
      ...(of === undefined ? {} : { of }),
    });
    const verdicts = new Map<string, boolean>();
    const visible = all.filter((session) => {
      // Of a connection that is gone, only its sessions know the protocol.
      const key = `${session.principal === actor.chain[0].id} ${session.protocol} ${session.connection}`;
      let may = verdicts.get(key);
      if (may === undefined) {
        may = permissions.session(actor, 'session:view', session).kind === 'allow';
        verdicts.set(key, may);
      }
      return may;
    });
    return context.json(visible.map(withLive));
  });

  app.get(paths.live, (context) => {
    const actor = context.get('actor');
    const { signIn } = actor;
    const headers = { 'content-type': 'application/x-ndjson' };
    // Its answer has no body: nobody would ever read or cancel the feed.
    if (context.req.method === 'HEAD') return new Response(null, { headers });
    if (feed.readers >= feedLimits.feedsMax || feed.readersOf(signIn) >= feedLimits.feedsPerSignInMax) {
      throw new ThroughlineError('rate-limited', 'too many live feeds are open', {
        action: 'close some first',
      });
    }
    const by = actor.chain[0].id;
    const stream = feedStream({
      feed,
      signIn,
      signInEndsAtMs: actor.expiresAtMs,
      maySee: (session) => permissions.session(actor, 'session:view', session).kind === 'allow',
      isOwn: (session) => session.principal === by,
      tree: rooms.tree,
      ownPrincipal: by,
      maySeeTree: (on) => permissions.watch(actor, on),
      looksAfterPeople: () => permissions.admin(actor, 'admin:people').kind === 'allow',
      maySeeStatements: (node) => permissions.viewsNode(actor, node),
      noteOthers: () => recorder.record({ kind: 'record.read', by, what: 'live' }),
      isOver: () => isOver(rooms, actor),
      onSignInEnded: identity.onSignInEnded,
      drop: context.env.drop,
      now,
    });
    return new Response(stream, { headers });
  });

  app.get(paths.session(':id').replace('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    await sealer.caughtUp();
    const session = await viewOf(actor, context.req.param('id') ?? '', 'session:view');
    await noteRead(actor, 'show', session);
    const { statements, problems, behind, lineage, watched } = await sealer.recordedStatements(session.id);
    const deleted = deletedOf(session, problems, keptSinceMs());
    if (deleted === undefined && problems.some(({ code }) => code.endsWith('-missing')))
      recorder.complain(`the recording of ${session.id} is not there, or not all of it: run log verify`);
    const detail: SessionDetail = {
      ...session,
      statements,
      ...(deleted === undefined ? {} : { deleted }),
      ...(watched.length === 0 ? {} : { watched: [...watched] }),
      ...(behind === undefined ? {} : { behind }),
      ...(await comparedOf(sealer, session.id)),
      ...(lineage === undefined ? {} : { lineage }),
    };
    return context.json(detail);
  });

  app.get(paths.recording(':id').replace('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    await sealer.caughtUp();
    const session = await viewOf(actor, context.req.param('id') ?? '', 'session:replay');
    await noteRead(actor, 'replay', session);
    return new Response(ndjson(sayDeleted(sealer.replay(session.id), session, keptSinceMs())), {
      headers: { 'content-type': 'application/x-ndjson' },
    });
  });

  app.post(paths.revoke, async (context) => {
    const actor = context.get('actor');
    const request = await bodyOf(context.req.raw, RevokeRequest);
    return context.json(await revoke(revocations, actor, request));
  });

  addAgentRoutes(app, rooms, permissions);
  addSshKeyRoutes(app, rooms, permissions);
  addWatchRoutes(app, rooms, permissions, (actor, id) => viewOf(actor, id, 'session:replay'));
  addSpoolRoutes(app, rooms, permissions);
  addReceiptRoutes(app, rooms, permissions);
  addEvidenceRoutes(app, rooms, permissions, (actor, id) => viewOf(actor, id, 'session:view'));

  app.get(paths.search, async (context) => {
    const actor = context.get('actor');
    const query = context.req.query('q') ?? '';
    if (query.trim() === '' || query.length > 1000) {
      throw new ThroughlineError('invalid-request', 'give a query of 1 to 1,000 characters');
    }
    await sealer.caughtUp();
    const hits = await sealer.search(query, searchHitsMax);
    const sessions = new Map<string, boolean>();
    const visible: SearchHit[] = [];
    for (const hit of hits) {
      let may = sessions.get(hit.session);
      if (may === undefined) {
        const session = await sealer.session(hit.session);
        may = session !== undefined && permissions.session(actor, 'session:replay', session).kind === 'allow';
        sessions.set(hit.session, may);
      }
      if (may) visible.push(hit);
    }
    if (visible.some((hit) => hit.principal !== actor.chain[0].id)) {
      await recorder.record({
        kind: 'record.read',
        by: actor.chain[0].id,
        what: 'search',
        query: recorder.maskText(query),
      });
    }
    return context.json(visible);
  });

  app.get(paths.checkpoint, async (context) => context.text(await sealer.checkpoint()));

  app.post(paths.logVerify, async (context) => {
    await sealer.caughtUp();
    return context.json(await sealer.verify({ keptSinceMs: keptSinceMs() }));
  });

  app.get(paths.adminConnections, (context) => {
    requireAdmin(context.get('actor'), 'admin:connections');
    return context.json(connections.list().map(adminView));
  });
  app.get(paths.adminConnection(':name').replace('%3A', ':'), (context) => {
    requireAdmin(context.get('actor'), 'admin:connections');
    return context.json(adminView(known(connections, context.req.param('name') ?? '')));
  });
  app.put(paths.adminConnections, async (context) => {
    const actor = context.get('actor');
    requireAdmin(actor, 'admin:connections');
    const body = await bodyOf(context.req.raw, ConnectionsBody);
    return context.json(await connections.put(body.connections, actor.chain[0].id));
  });
  app.delete(paths.adminConnection(':name').replace('%3A', ':'), async (context) => {
    const actor = context.get('actor');
    requireAdmin(actor, 'admin:connections');
    const name = context.req.param('name') ?? '';
    known(connections, name);
    await connections.remove(name, actor.chain[0].id);
    return context.json({ removed: name });
  });

  app.get(paths.adminPolicies, (context) => {
    requireAdmin(context.get('actor'), 'admin:policies');
    return context.json(policies.document);
  });
  app.put(paths.adminPolicies, async (context) => {
    const actor = context.get('actor');
    requireAdmin(actor, 'admin:policies');
    const { text } = await bodyOf(context.req.raw, PoliciesBody);
    return context.json(await policies.put(text, actor.chain[0].id));
  });

  app.get(paths.adminPeople, async (context) => {
    requireAdmin(context.get('actor'), 'admin:people');
    const running = live.list();
    const people: z.infer<typeof AdminPerson>[] = (await identity.people()).map((person) => ({
      principal: person.principal,
      groups: [...person.groups],
      signIns: person.signIns,
      ...(person.removal === undefined ? {} : { removal: person.removal }),
      lastSeenAt: person.lastSeenAt,
      sessionsLive: running.filter((session) => session.actor.chain[0].id === person.principal).length,
    }));
    return context.json(people);
  });

  return app;
}

/** The user that tools show. It decides nothing: who acts is known from the ticket. */
function clientUser(actor: Actor): string {
  const name = actor.chain[0].id.split('/').at(-1) ?? 'throughline';
  return /^[A-Za-z0-9._@-]{1,63}$/.test(name) ? name : 'throughline';
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

function known(connections: ConnectionRegistry, name: string): Connection {
  const connection = connections.get(name);
  if (connection !== undefined) return connection;
  throw new ThroughlineError('not-found', `there is no connection "${name.slice(0, 63)}"`, {
    action: 'list them: throughline admin connections list',
  });
}

function adminView(connection: Connection): z.infer<typeof AdminConnection> {
  const { name, protocol, address, database, labels, masks, recording, credentialKind } = connection;
  return {
    name,
    protocol,
    address,
    ...(database === undefined ? {} : { database }),
    credential: { held: credentialKind !== 'none', kind: credentialKind },
    labels,
    masks,
    recording,
  };
}
