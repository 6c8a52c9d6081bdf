import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { type Child, startChild } from '../../gateway-core/agent/sdk/child.js';
import { VerifyReport } from '../../gateway-core/contract/api.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { fieldsOf, messagesIn, query, rawSocket, startupPacket } from './postgres-socket.js';
import { createScope, until } from './processes.js';

/** Many sessions that end together. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let administrator: Gateway;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('shop');
  admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'shop')]);
  administrator = await admin.gateway();
});

const signIn = async (name: 'engineer' | 'contractor'): Promise<Gateway> =>
  (await login(scope, gateway, name)).gateway();

interface Opened {
  readonly stream: Duplex;
  readonly socket: ReturnType<typeof rawSocket>;
}

async function sessions(by: Gateway, count: number): Promise<Opened[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const stream = await by.openStream('shop');
      scope.onClose(() => void stream.destroy());
      const socket = rawSocket(stream);
      socket.write(startupPacket({ user: 'anybody', database: 'shop' }));
      await socket.messagesUntil('Z');
      return { stream, socket };
    }),
  );
}

const lastWords = async ({ socket }: Opened): Promise<string> =>
  fieldsOf(messagesIn(await socket.rest()).at(-1) ?? { type: 'E', body: Buffer.alloc(0) })['M'] ?? '';

const running = async (): Promise<number> => {
  const found = await cluster.query(
    "select count(*) as n from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()",
  );
  return Number(found[0]?.['n']);
};

describe('a person with many sessions is revoked', () => {
  it('each client is told, whatever runs is interrupted, and each end is on record with its cause', async () => {
    const [one, other] = [await signIn('engineer'), await signIn('engineer')];
    const idle = [...(await sessions(one, 40)), ...(await sessions(other, 40))];
    const busy = await sessions(one, 10);
    for (const { socket } of busy) socket.write(query('select pg_sleep(600)'));
    const [deaf] = await sessions(other, 1);
    if (deaf === undefined) throw new Error('no session was opened');
    // Nobody takes what comes: it fills every buffer on the way.
    deaf.stream.pause();
    deaf.stream.removeAllListeners('data');
    deaf.socket.write(query("select repeat('x', 8000) from generate_series(1, 20000), pg_sleep(0)"));
    const [stays] = await sessions(await signIn('contractor'), 1);
    await until('all of them run', async () => ((await running()) === busy.length ? true : undefined));
    const closed = Promise.race([once(deaf.stream, 'end'), once(deaf.stream, 'close')]);
    const { ended, signIns } = await api.revoke(administrator, {
      kind: 'principal',
      id: one.principal,
      reason: 'has left',
    });
    expect([ended.length, signIns]).toEqual([91, 2]);
    const words = await Promise.all([...idle, ...busy].map(lastWords));
    expect(new Set(words)).toEqual(new Set(['throughline: this was revoked by demo/admin: has left']));
    deaf.stream.resume();
    await closed;
    await until('nothing runs', async () => ((await running()) === 0 ? true : undefined));
    const shown = await api.sessions(administrator, { of: one.principal });
    expect(shown.map(({ state, endCause }) => `${state} ${endCause}`)).toEqual(
      Array.from({ length: 91 }, () => 'ended revoked'),
    );
    const kept = await Promise.all(ended.map((id) => api.session(administrator, id)));
    const sleeping = kept
      .flatMap(({ statements }) => statements)
      .filter(({ text }) => text.includes('pg_sleep(600)'));
    expect(sleeping.map(({ decision }) => decision)).toEqual(busy.map(() => 'interrupted'));
    stays?.socket.write(query('select 42'));
    expect((await stays?.socket.messagesUntil('Z'))?.some(({ type }) => type === 'D')).toBe(true);
    const report = await admin.json<unknown>(['log', 'verify']);
    expect(VerifyReport.parse(report)).toMatchObject({ ok: true, problems: [] });
  });
});

describe('several agents are revoked by one request', () => {
  const child = (parent: Gateway, label: string): Promise<Child> =>
    startChild({ parent, request: { label, handle: false } });

  it('all of them, with everything below; those that have ended already are left out', async () => {
    const parent = await signIn('engineer');
    const children = await Promise.all(['a', 'b', 'c'].map((label) => child(parent, label)));
    const [first, second, third] = children as [Child, Child, Child];
    const below = await child(first.gateway, 'below');
    const opened = [...(await sessions(below.gateway, 3)), ...(await sessions(second.gateway, 3))];
    await third.end();
    const ids = children.map(({ answer }) => answer.id);
    const answer = await api.revoke(parent, { kind: 'agents', ids, reason: 'enough' });
    expect(answer.ended).toHaveLength(6);
    expect(new Set(answer.delegations)).toEqual(new Set([ids[0], ids[1], below.answer.id]));
    for (const words of await Promise.all(opened.map(lastWords))) expect(words).toContain('enough');
    for (const each of [below, second])
      await expect(each.gateway.openStream('shop')).rejects.toMatchObject({ code: 'not-signed-in' });
    await Promise.all([first, second, below].map((each) => each.end()));
    parent.close();
  });

  it('none of them, when one may not be ended by who asks, or is a person', async () => {
    const [engineer, contractor] = [await signIn('engineer'), await signIn('contractor')];
    const [mine, theirs] = [await child(engineer, 'mine'), await child(contractor, 'theirs')];
    const [open] = await sessions(mine.gateway, 1);
    for (const id of [theirs.answer.id, engineer.principal])
      await expect(
        api.revoke(engineer, { kind: 'agents', ids: [mine.answer.id, id], reason: 'x' }),
      ).rejects.toThrow();
    open?.socket.write(query('select 42'));
    expect((await open?.socket.messagesUntil('Z'))?.some(({ type }) => type === 'D')).toBe(true);
    await Promise.all([mine.end(), theirs.end()]);
  });
});
