import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { api } from '../../gateway-core/agent/client/api.js';
import type { Following, Gateway } from '../../gateway-core/agent/client/gateway.js';
import { openState } from '../../gateway-core/agent/client/state.js';
import { GatewayLink } from '../../gateway-core/agent/service/gateway-link.js';
import {
  LiveItem,
  paths,
  type ReplayItem,
  type SessionDetail,
  type SessionView,
  type VerifyReport,
} from '../../gateway-core/contract/api.js';
import { feedLimits } from '../../gateway-core/server/live-feed.js';
import { noRecording } from '../unit/agent/support.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  cli,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, plainEnvironment, start, until } from './processes.js';

/** What people are told as it happens, and what is left once retention has deleted: the real gateway, real clients. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let contractor: Person;
let engineer: Person;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('feed', 'create table orders (id int); insert into orders values (1), (2);');
  admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'feed', { recording: { durability: 'grouped' } })]);
  contractor = await login(scope, gateway, 'contractor');
  engineer = await login(scope, gateway, 'engineer');
});

/** A feed that is read as it comes. */
interface Feed {
  readonly items: LiveItem[];
  /** Everything that came, letter for letter. */
  text(): string;
  readonly ended: Promise<'ended' | 'broken'>;
  abort(): void;
}

/** Every line as it is on the wire: a schema would leave out what it does not know. */
const rawLive = (opened: Gateway): Following<unknown> =>
  opened.follow({ method: 'GET', path: paths.live }, z.unknown());

async function feedOf(person: Person): Promise<Feed> {
  const following = rawLive(await person.gateway());
  const items: LiveItem[] = [];
  let text = '';
  const read = async (): Promise<'ended' | 'broken'> => {
    try {
      for await (const item of following.items) {
        text += `${JSON.stringify(item)}\n`;
        items.push(LiveItem.parse(item));
      }
      return 'ended';
    } catch {
      return 'broken';
    }
  };
  const ended = read();
  scope.onClose(() => following.abort());
  await until('the first beat', () => items[0]);
  return { items, text: () => text, ended, abort: () => following.abort() };
}

const saw = (feed: Feed, text: string): Promise<true> =>
  until(`the feed tells of ${text}`, () => (feed.text().includes(text) ? true : undefined));

async function ask(person: Person, sql: string): Promise<void> {
  const tunnel = await person.tunnel('feed');
  const { status, stderr } = await psql(tunnel.env, sql);
  tunnel.running.signal('SIGTERM');
  expect(stderr).toBe('');
  expect(status).toBe(0);
}

describe('the live feed', () => {
  it("tells a contractor of their own work, an admin of everybody's, and nobody of what they may not see", async () => {
    const [own, all] = await Promise.all([feedOf(contractor), feedOf(admin)]);
    await ask(engineer, "select 'first look of the engineer' from orders;\n");
    // Reading along with others is put on record first: until then the admin is told to read again.
    await until('the admin is told to read again', () => all.items.find(({ kind }) => kind === 'resync'));
    await ask(engineer, "select 'ledger of the engineer' from orders;\n");
    await ask(contractor, "select 'errand of the contractor' from orders;\n");
    await Promise.all([
      saw(own, 'errand of the contractor'),
      saw(all, 'errand of the contractor'),
      saw(all, 'ledger of the engineer'),
    ]);
    expect(own.text()).not.toMatch(/engineer/);
    const sessions = await admin.json<SessionView[]>(['sessions']);
    for (const { id, principal } of sessions)
      expect(own.text().includes(id)).toBe(principal === 'demo/contractor');
    for (const feed of [own, all]) feed.abort();
    await Promise.all([own.ended, all.ended]);
  });

  it('tells of a revocation whom it ends, and who sees the session', async () => {
    const [own, all] = await Promise.all([feedOf(contractor), feedOf(admin)]);
    const tunnel = await contractor.tunnel('feed');
    const shell = start(scope, 'psql', ['-X', '-q', '-A', '-t'], { env: tunnel.env });
    shell.stdin.write("select 'still here';\n");
    await shell.waitFor(/still here/);
    const session = await until(
      'the session is told',
      () => own.items.flatMap((item) => (item.kind === 'session' ? [item.session.id] : []))[0],
    );
    await api.revoke(await admin.gateway(), { kind: 'session', id: session, reason: 'enough' });
    const revoked = ({ items }: Feed): Promise<unknown> =>
      until('the end is told', () =>
        items.find((item) => item.kind === 'session' && item.session.endCause === 'revoked'),
      );
    expect(await revoked(own)).toMatchObject({ session: { id: session, state: 'ended' } });
    expect(await revoked(all)).toMatchObject({ session: { id: session, state: 'ended' } });
    shell.stdin.end();
    await shell.ended;
    for (const feed of [own, all]) feed.abort();
  });

  it('follows a policy that takes a right away and gives it back, from the next statement on', async () => {
    const own = await feedOf(contractor);
    await putPolicies(admin, livePolicies.replace('when { context.session.own }', 'when { false }'));
    await until('the rights are told', () => own.items.find(({ kind }) => kind === 'rights'));
    await ask(contractor, "select 'unseen';\n");
    await putPolicies(admin, livePolicies);
    await until('the rights are told again', () =>
      own.items.filter(({ kind }) => kind === 'rights').length >= 2 ? true : undefined,
    );
    await ask(contractor, "select 'seen again';\n");
    await saw(own, 'seen again');
    expect(own.text()).not.toContain('unseen');
    own.abort();
  });

  it('is open so many times for one sign-in, and a closed one makes room; asking for its head opens none', async () => {
    const opened = await engineer.gateway();
    const head = { method: 'HEAD' as 'GET', path: paths.live };
    for (let asked = 0; asked < feedLimits.feedsPerSignInMax + 1; asked += 1)
      expect(await opened.text(head)).toBe('');
    const feeds = await Promise.all(
      Array.from({ length: feedLimits.feedsPerSignInMax }, () => feedOf(engineer)),
    );
    const oneMore = async (): Promise<LiveItem> => {
      const following = api.live(opened);
      try {
        for await (const item of following.items) return item;
        throw new Error('it told nothing');
      } finally {
        following.abort();
      }
    };
    await expect(oneMore()).rejects.toMatchObject({ code: 'rate-limited' });
    feeds[0]?.abort();
    expect(await until('there is room', () => oneMore().catch(() => undefined))).toMatchObject({
      kind: 'beat',
    });
    for (const feed of feeds) feed.abort();
  });

  it('ends when its sign-in ends', async () => {
    const leaver = await login(scope, gateway, 'auditor');
    const feed = await feedOf(leaver);
    expect((await leaver.cli(['logout'])).status).toBe(0);
    expect(await feed.ended).toBe('ended');
  });

  it('costs the gateway no memory for those who have stopped reading; they are told that they missed something', async () => {
    const tunnel = await contractor.tunnel('feed');
    // Of this length: Node 20 had its whole process end on the way (see noInlinedWasm in gateway.ts).
    const text = 'x'.repeat(16_000);
    const many = (count: number): string => `select length('${text}');\n`.repeat(count);
    expect((await psql(tunnel.env, many(1000))).status).toBe(0);
    const stuck = await Promise.all(Array.from({ length: 8 }, () => stuckFeed(contractor)));
    const beforeBytes = residentBytes(gateway.pid);
    expect(await psql(tunnel.env, many(5000))).toMatchObject({ status: 0, stderr: '' });
    expect(gateway.log()).not.toContain('Fatal error');
    // What would wait without a bound: 8 readers, 10,000 lines of more than 16,000 characters.
    expect(residentBytes(gateway.pid) - beforeBytes).toBeLessThan(150 * 1024 * 1024);
    for (const items of stuck) expect(await nextOf(items, 'resync')).toEqual({ kind: 'resync' });
    tunnel.running.signal('SIGTERM');
  });

  it('ends with the gateway; who follows comes back to the next one and reads everything again', async () => {
    const feed = await feedOf(contractor);
    const told: string[] = [];
    const link = new GatewayLink({
      state: openState(plainEnvironment({ THROUGHLINE_HOME: contractor.home })),
      emit: (name) => void told.push(name),
      openBrowser: () => undefined,
      facts: { version: '0', platform: 'test' },
      ended: () => Promise.resolve(),
      recording: noRecording,
      begun: () => undefined,
    });
    scope.onClose(() => link.close());
    const times = (count: number): Promise<true> =>
      until(`${count} resyncs`, () =>
        told.filter((name) => name === 'resync').length >= count ? true : undefined,
      );
    await link.start();
    await times(1);
    gateway.signal('SIGTERM');
    await gateway.ended;
    expect(['ended', 'broken']).toContain(await feed.ended);
    gateway = await startGateway(scope, {
      data: gateway.data,
      listen: new URL(gateway.url).host,
      nativeListen: `${gateway.native.host}:${gateway.native.port}`,
    });
    await times(2);
    const changed = told.filter((name) => name === 'session.changed').length;
    await ask(contractor, "select 'after the restart';\n");
    await until('the link is told of the session', () =>
      told.filter((name) => name === 'session.changed').length > changed ? true : undefined,
    );
    link.close();
  });
});

/** A feed of which the first line is read and then nothing until it is asked. */
async function stuckFeed(person: Person): Promise<AsyncIterator<LiveItem>> {
  const following = api.live(await person.gateway());
  scope.onClose(() => following.abort());
  const items = following.items[Symbol.asyncIterator]();
  await items.next();
  return items;
}

async function nextOf(items: AsyncIterator<LiveItem>, kind: LiveItem['kind']): Promise<LiveItem> {
  for (;;) {
    const step = await items.next();
    if (step.done === true) throw new Error(`the feed ended without ${kind}`);
    if (step.value.kind === kind) return step.value;
  }
}

function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1]) * 1024;
}

describe('retention', () => {
  /** The clock of a program of ours, days ahead: retention knows nothing shorter than a day. */
  function daysAhead(days: number): { NODE_OPTIONS: string } {
    const file = join(scope.directory(), 'clock.mjs');
    writeFileSync(
      file,
      `const aheadMs = ${days * 24 * 3600 * 1000};
       const Real = Date;
       globalThis.Date = class extends Real {
         constructor(...values) {
           if (values.length === 0) super(Real.now() + aheadMs);
           else super(...values);
         }
         static now() { return Real.now() + aheadMs; }
       };`,
    );
    return { NODE_OPTIONS: `--import=${file}` };
  }

  async function restart(config: Record<string, unknown>, days: number): Promise<void> {
    gateway.signal('SIGTERM');
    await gateway.ended;
    gateway = await startGateway(scope, { data: gateway.data, config, env: daysAhead(days) });
  }

  /** A person of two days from now. */
  async function laterPerson(days: number) {
    const home = scope.directory();
    const env = daysAhead(days);
    const secret = ['--demo-user', 'auditor', '--demo-secret', gateway.demoSecret, '--ca', gateway.ca];
    const signedIn = await cli(home, ['login', '--gateway', gateway.url, ...secret], { env });
    expect(signedIn.stderr).toBe('');
    return (...args: string[]) => cli(home, args, { env });
  }

  const removedOf = async (): Promise<number> => {
    const later = await laterPerson(2);
    const { stdout } = await later('log', 'verify', '--json');
    const { ok, problems, proved } = JSON.parse(stdout) as VerifyReport;
    expect(problems).toEqual([]);
    expect(ok).toBe(true);
    const line = proved.find((each) => each.includes('past their retention'));
    return Number(/^\d+/.exec(line ?? '')?.[0] ?? 0);
  };

  it('deletes recordings and nothing of the log: it verifies, and what is gone is called deleted', async () => {
    await ask(contractor, "select 'soon to be forgotten';\n");
    const sessions = await admin.json<SessionView[]>(['sessions']);
    const { id } = sessions.find(({ principal }) => principal === 'demo/contractor') as SessionView;

    await restart({ retention: { recordings: '1d' } }, 2);
    const later = await laterPerson(2);
    const shown = await until('the recording is deleted', async () => {
      const detail = JSON.parse((await later('sessions', 'show', id, '--json')).stdout) as SessionDetail;
      return detail.deleted === undefined ? undefined : detail;
    });
    expect(shown).toMatchObject({ id, state: 'ended', deleted: 'whole', statements: [] });
    expect((await later('sessions', 'show', id)).stdout).toContain('Retention has deleted this recording');
    expect(await removedOf()).toBeGreaterThanOrEqual(sessions.length);

    const replayed = await later('replay', id);
    expect(replayed.stdout).toContain('DELETED: retention has deleted this recording');
    expect(replayed.stdout).not.toContain('DAMAGED');
    expect(replayed.status).not.toBe(0);
    const items = (await later('replay', id, '--json')).stdout.trim().split('\n');
    expect(items.map((line) => (JSON.parse(line) as ReplayItem).kind)).toEqual(['problem']);
    expect((await later('search', 'forgotten', '--json')).stdout).not.toContain('forgotten');
    const offline = await later('log', 'verify', '--data', gateway.data);
    expect(offline.status).toBe(0);

    // Kept for good from now on: what was deleted until then is still no reason for alarm.
    await restart({}, 2);
    expect(await removedOf()).toBeGreaterThanOrEqual(sessions.length);
  });
});
