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
  /** From the request to the end of each socket of the one who is revoked, beside so many live sessions. */
  readonly revoke: readonly {
    readonly what: 'agent' | 'person';
    readonly sessionsRevoked: number;
    readonly sessionsLive: number;
    readonly times: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** Until the request is answered: then all of it is on record. */
    readonly answeredMs: number;
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
    const signIn = async (): Promise<Gateway> => (await login(scope, gateway, 'engineer')).gateway();
    // One person, signed in three times: a sign-in has so many streams at most.
    const [first, second, third] = [await signIn(), await signIn(), await signIn()];
    const administrator = await admin.gateway();
    const most = options.quick ? 200 : 1000;
    const rounds = options.quick ? 5 : 50;
    const half = Math.min(most / 2, limits.streamsPerActorMax - 20);
    options.say('delegations');
    const delegations = await minting(first, options.quick ? 50 : 500);
    options.say('attach');
    const attach = await attaching(gateway, first, options.quick ? 10 : 100);
    options.say('revoke, one session');
    const alone = await revoking(first, 1, rounds, 0);
    options.say(`revoke, ${half} sessions of an agent beside ${most - half} others`);
    const others = await sessionsOf(second, half);
    others.push(...(await sessionsOf(third, most - 2 * half)));
    const many = await revoking(first, half, options.quick ? 1 : 3, others.length);
    options.say(`revoke, one session beside ${most - 1} others`);
    others.push(...(await sessionsOf(first, half - 1)));
    const beside = await revoking(first, 1, rounds, others.length);
    options.say(`revoke, a person with ${most} sessions`);
    others.push(...(await sessionsOf(first, 1)));
    const person = await ended(others, administrator, { kind: 'principal', id: first.principal });
    const crowd = { what: 'person', sessionsRevoked: others.length, sessionsLive: others.length } as const;
    return {
      revoke: [alone, beside, many, { ...crowd, ...summary([person]) }],
      attach,
      delegations,
    };
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

/** A child with so many sessions is revoked by its parent. */
async function revoking(parent: Gateway, sessions: number, times: number, others: number) {
  const all: Ended[] = [];
  for (let round = 0; round < times; round += 1) {
    const child = await start(parent);
    const streams = await sessionsOf(child.gateway, sessions);
    all.push(await ended(streams, parent, { kind: 'agent', id: child.answer.id }));
    await child.end();
  }
  return {
    what: 'agent',
    sessionsRevoked: sessions,
    sessionsLive: sessions + others,
    ...summary(all),
  } as const;
}

interface Ended {
  readonly closedMs: readonly number[];
  readonly answeredMs: number;
}

/** Revokes, and waits for the gateway's end of each stream; our own stays open until then. */
async function ended(
  streams: readonly Duplex[],
  by: Gateway,
  whom: { readonly kind: 'agent' | 'principal'; readonly id: string },
): Promise<Ended> {
  const ends = streams.map(async (stream) => {
    stream.on('error', () => undefined);
    if (!stream.readableEnded) await Promise.race([once(stream, 'end'), once(stream, 'close')]);
    const at = performance.now();
    stream.destroy();
    return at;
  });
  const startedAt = performance.now();
  const revoked = api.revoke(by, { ...whom, reason: 'measured' });
  const closedMs = (await Promise.all(ends)).map((at) => at - startedAt);
  await revoked;
  return { closedMs, answeredMs: performance.now() - startedAt };
}

function summary(all: readonly Ended[]) {
  const answered = all.map((each) => each.answeredMs).sort((a, b) => a - b);
  const answeredMs = Math.round((answered[Math.floor(answered.length / 2)] ?? 0) * 10) / 10;
  return { times: all.length, ...quantiles(all.flatMap(({ closedMs }) => closedMs)), answeredMs };
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
