import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { api } from '../../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../../gateway-core/agent/client/gateway.js';
import { type Child, startChild } from '../../../gateway-core/agent/sdk/child.js';
import { limits } from '../../../gateway-core/contract/limits.js';
import { startCluster } from '../../live/cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  putPolicies,
  startGateway,
} from '../../live/harness.js';
import { rawSocket, startupPacket } from '../../live/postgres-socket.js';
import { createScope } from '../../live/processes.js';

export interface AgentsReport {
  /** From the request to the end of the last socket of the revoked agent, beside so many live sessions. */
  readonly revoke: readonly {
    readonly sessionsRevoked: number;
    readonly sessionsLive: number;
    readonly times: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
  /** From a program's first byte at the gateway to its node in the feed of a person who watches. */
  readonly attach: { readonly times: number; readonly p50Ms: number; readonly p99Ms: number };
  readonly delegations: {
    readonly mintedPerSecond: number;
    readonly checkedPerSecond: number;
    readonly atOnce: number;
  };
}

/** How fast the tree of agents is told, ended and grown, through a real gateway and to a real PostgreSQL. */
export async function agentsBench(options: {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}): Promise<AgentsReport> {
  const scope = createScope();
  try {
    const settings = { max_connections: '1300', shared_buffers: '64MB' };
    const [cluster, gateway] = await Promise.all([startCluster(scope, { settings }), startGateway(scope)]);
    await cluster.createDatabase('bench');
    const admin = await login(scope, gateway, 'admin');
    await putPolicies(admin, livePolicies);
    await addConnections(admin, [
      connectionTo(cluster, 'bench', { recording: { durability: 'grouped' }, superuser: true }),
    ]);
    const people = [await login(scope, gateway, 'engineer'), await login(scope, gateway, 'contractor')];
    const gateways = await Promise.all(people.map((each) => each.gateway()));
    const [first, second] = gateways as [Gateway, Gateway];
    const most = options.quick ? 20 : limits.streamsPerActorMax - 20;
    options.say('delegations');
    const delegations = await minting(first, options.quick ? 50 : 500);
    options.say('attach');
    const attach = await attaching(gateway, first, options.quick ? 10 : 100);
    options.say('revoke, one session');
    const one = await revoking(first, 1, options.quick ? 5 : 50, 0);
    options.say(`revoke, ${most} sessions beside ${most} others`);
    const others = await sessionsOf(second, most);
    const many = await revoking(first, most, options.quick ? 1 : 3, most);
    options.say(`revoke, one session beside ${most} others`);
    const beside = await revoking(first, 1, options.quick ? 5 : 50, most);
    for (const each of others) each.destroy();
    return { revoke: [one, beside, many], attach, delegations };
  } finally {
    await scope.close();
  }
}

const start = (parent: Gateway): Promise<Child> =>
  startChild({ parent, request: { label: 'bench', handle: false } });

/** Streams that have got as far as ReadyForQuery. */
async function sessionsOf(gateway: Gateway, count: number): Promise<Duplex[]> {
  const made: Duplex[] = [];
  while (made.length < count) {
    const together = Math.min(10, count - made.length);
    made.push(...(await Promise.all(Array.from({ length: together }, () => session(gateway)))));
  }
  return made;
}

async function session(gateway: Gateway): Promise<Duplex> {
  const stream = await gateway.openStream('bench');
  const socket = rawSocket(stream);
  socket.write(startupPacket({ user: 'bench', database: 'bench' }));
  await socket.messagesUntil('Z');
  return stream;
}

async function revoking(parent: Gateway, sessions: number, times: number, others: number) {
  const all: number[] = [];
  for (let round = 0; round < times; round += 1) {
    const child = await start(parent);
    const streams = await sessionsOf(child.gateway, sessions);
    const ends = streams.map(async (stream) => {
      stream.on('error', () => undefined);
      // The gateway's end of it; our own stays open until somebody closes it.
      if (!stream.readableEnded) await Promise.race([once(stream, 'end'), once(stream, 'close')]);
      const at = performance.now();
      stream.destroy();
      return at;
    });
    const startedAt = performance.now();
    const revoked = api.revoke(parent, { kind: 'agent', id: child.answer.id, reason: 'measured' });
    for (const at of await Promise.all(ends)) all.push(at - startedAt);
    await revoked;
    await child.end();
  }
  return { sessionsRevoked: sessions, sessionsLive: sessions + others, times, ...quantiles(all) };
}

async function attaching(_gateway: GatewayRun, watcher: Gateway, times: number) {
  const waiting = new Map<string, (atMs: number) => void>();
  const feed = api.live(watcher);
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reading = (async () => {
    for await (const item of feed.items) {
      open();
      if (item.kind !== 'agent') continue;
      waiting.get(item.node.id)?.(performance.now());
      if (item.node.sessions.length > 0) waiting.get(item.node.parent ?? '')?.(performance.now());
    }
  })();
  await opened;
  const all: number[] = [];
  for (let round = 0; round < times; round += 1) {
    const child = await start(watcher);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const told = new Promise<number>((resolve) => waiting.set(child.answer.id, resolve));
    const startedAt = performance.now();
    const stream = await session(child.gateway);
    all.push((await told) - startedAt);
    stream.destroy();
    waiting.delete(child.answer.id);
    await child.end();
  }
  feed.abort();
  await reading;
  return { times, ...quantiles(all) };
}

async function minting(parent: Gateway, count: number) {
  const atOnce = 8;
  const children: Child[] = [];
  const mintedPerSecond = await rate(count, atOnce, async () => void children.push(await start(parent)));
  const checkedPerSecond = await rate(count * 2, atOnce, async (at) => {
    const child = children[at % children.length];
    if (child !== undefined) await api.whoami(child.gateway);
  });
  await Promise.all(children.map((child) => child.end()));
  return { mintedPerSecond, checkedPerSecond, atOnce };
}

async function rate(count: number, atOnce: number, work: (at: number) => Promise<void>): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let at = next++; at < count; at = next++) await work(at);
    }),
  );
  return Math.round((count * 1000) / (performance.now() - startedAt));
}

function quantiles(values: readonly number[]): { p50Ms: number; p99Ms: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
