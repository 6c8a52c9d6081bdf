import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { type SessionView, VerifyReport } from '../../gateway-core/contract/api.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import {
  type BackendMessage,
  fieldsOf,
  messagesIn,
  packet,
  query,
  type RawSocket,
  rawSocket,
  startupPacket,
} from './postgres-socket.js';
import { createScope, type Outcome, run, start, until } from './processes.js';

/** Targets that go away, sessions that may not go on, disks that fill up: a clear error, and nobody else notices. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let target: Cluster;
let gateway: GatewayRun;
let engineer: Person;
let admin: Person;
let opened: Gateway;

beforeAll(async () => {
  [cluster, target, gateway] = await Promise.all([
    startCluster(scope),
    startCluster(scope),
    startGateway(scope),
  ]);
  await Promise.all([
    cluster.createDatabase(
      'shop',
      'create table items (id int primary key, name text); create table scratch (id int)',
    ),
    target.createDatabase('frail'),
  ]);
  [admin, engineer] = await Promise.all([login(scope, gateway, 'admin'), login(scope, gateway, 'engineer')]);
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'shop'),
    connectionTo(target, 'frail'),
    {
      ...connectionTo(cluster, 'wrong-password'),
      database: 'shop',
      credential: { user: 'app', password: 'not this one' },
    },
    { ...connectionTo(cluster, 'wants-tls'), database: 'shop', tls: 'require' },
    { ...connectionTo(cluster, 'nobody-there'), address: '127.0.0.1:1' },
    { ...connectionTo(cluster, 'no-database'), database: 'not_there' },
  ]);
  opened = await engineer.gateway();
});

/** A session on the raw stream, ready for statements: signed in, so that everything here reaches the protocol's middle. */
async function openSession(connection = 'shop'): Promise<RawSocket> {
  const stream = await opened.openStream(connection);
  scope.onClose(() => {
    stream.destroy();
  });
  const socket = rawSocket(stream);
  socket.write(startupPacket({ user: 'anybody', database: connection }));
  await socket.messagesUntil('Z');
  return socket;
}

/** The one error among the last words of a socket. */
function lastError(messages: readonly BackendMessage[]): Record<string, string> {
  const errors = messages.filter(({ type }) => type === 'E');
  return fieldsOf(errors.at(-1) ?? { type: 'E', body: Buffer.alloc(0) });
}

async function expectAlive(): Promise<void> {
  const socket = await openSession();
  socket.write(query('select 40 + 2'));
  const answer = await socket.messagesUntil('Z');
  expect(answer.find(({ type }) => type === 'D')?.body.toString('latin1')).toContain('42');
  socket.write(packet('X'));
  await socket.rest();
}

describe('targets that are not there', () => {
  it.each([
    ['nobody-there', /could not be reached|unreachable|refused/i],
    ['no-database', /refused the session/],
    ['wrong-password', /refused|authentication|password|credential/i],
    ['wants-tls', /TLS|encrypt/i],
  ] as const)('%s: a FATAL that says what is wrong and no secret', async (name, reason) => {
    const tunnel = await engineer.tunnel(name);
    const result = await psql(tunnel.env, 'select 1');
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/FATAL/);
    expect(result.stderr).toMatch(reason);
    expect(result.stderr).not.toContain('not this one');
    expect(result.stderr).not.toContain(cluster.application.password);
    await expectAlive();
  });

  it('a target that restarts in the middle of a query: the client is told, and the next session works', async () => {
    const tunnel = await engineer.tunnel('frail');
    const running = start(scope, 'psql', ['-XAt', '-v', 'ON_ERROR_STOP=1'], { env: tunnel.env });
    running.stdin.end("select 'begun'; select pg_sleep(600);\n");
    await running.waitFor(/^begun$/m);
    await until('the query runs', async () => {
      const found = await target.query(
        "select 1 from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
      );
      return found.length > 0 ? true : undefined;
    });
    await target.stop('immediate');
    const outcome = await running.ended;
    expect(outcome.status).not.toBe(0);
    expect(outcome.stderr).toMatch(/terminat|closed|crash|lost|ended/i);
    const down = await psql(tunnel.env, 'select 1');
    expect(down.status).toBe(2);
    expect(down.stderr).toMatch(/FATAL/);
    await target.start();
    expect(await psql(tunnel.env, 'select 1')).toMatchObject({ status: 0, stdout: '1\n' });
    const ended = await until('the session has ended', async () => {
      const found = await api.sessions(opened, {});
      return found.find(
        ({ connection, endCause }: SessionView) => connection === 'frail' && endCause === 'target',
      );
    });
    expect(ended.state).toBe('ended');
  });
});

describe('a session that may not go on', () => {
  it('a revoked session is told so in the middle of its statement, and its statement is interrupted', async () => {
    const tunnel = await engineer.tunnel('shop');
    const running = start(scope, 'psql', ['-XAt'], { env: tunnel.env });
    running.stdin.end(
      "select current_setting('application_name'); select pg_sleep(600);\nselect 'not reached';\n",
    );
    const [id] = await running.waitFor(/ses_[0-9A-Z]{26}/);
    await until('the query runs', async () => {
      const found = await cluster.query(
        "select 1 from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
      );
      return found.length > 0 ? true : undefined;
    });
    expect(await admin.json(['revoke', 'session', id, '--reason', 'wrong database'])).toEqual({
      ended: [id],
    });
    const outcome = await running.ended;
    expect(outcome.stderr).toMatch(/FATAL/);
    expect(outcome.stderr).toMatch(/revoked/);
    expect(outcome.stdout).not.toContain('not reached');
    await until('the target has stopped working for it', async () => {
      const found = await cluster.query(
        "select 1 from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
      );
      return found.length === 0 ? true : undefined;
    });
    const session = await engineer.json<{
      state: string;
      endCause: string;
      statements: { text: string; error?: string }[];
      corroboration?: string;
      compared?: unknown;
    }>(['sessions', 'show', id]);
    expect(session).toMatchObject({ state: 'ended', endCause: 'revoked' });
    expect(session.statements.length).toBe(2);
    const again = await admin.cli(['revoke', 'session', id, '--reason', 'again', '--json']);
    expect(again.status).toBe(1);
    // Meanwhile the desktop's record may have been compared with it: that alone changes after an end.
    const { corroboration: _, compared: __, ...kept } = session;
    expect(await engineer.json(['sessions', 'show', id])).toMatchObject(kept);
  });

  it('a revoked session gets SQLSTATE 57P01', async () => {
    const socket = await openSession();
    socket.write(query("select current_setting('application_name')"));
    const row =
      (await socket.messagesUntil('Z')).find(({ type }) => type === 'D')?.body.toString('latin1') ?? '';
    const id = /ses_[0-9A-Z]{26}/.exec(row)?.[0] ?? '';
    await admin.json(['revoke', 'session', id, '--reason', 'test']);
    expect(lastError(messagesIn(await socket.rest()))).toMatchObject({ S: 'FATAL', C: '57P01' });
  });

  it('an expired handle opens nothing more', async () => {
    const short = await engineer.handle('shop', '--ttl', '1s');
    await until('it has expired', () => (Date.now() > Date.parse(short.expiresAt) ? true : undefined));
    const result = await psql(short.env, 'select 1');
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/FATAL/);
  });

  it('a handle opens no more sessions than it was made for', async () => {
    const once = await engineer.handle('shop', '--sessions', '1');
    expect(await psql(once.env, 'select 1')).toMatchObject({ status: 0 });
    expect(await psql(once.env, 'select 1')).toMatchObject({ status: 2, stdout: '' });
  });

  it('after a policy change the next statement is judged by the new policy', async () => {
    const socket = await openSession();
    const insert = query('insert into scratch values (1)');
    socket.write(insert);
    expect(lastError(await socket.messagesUntil('Z'))).toEqual({});
    await putPolicies(admin, livePolicies.replace('Action::"sql:write"', 'Action::"sql:read"'));
    socket.write(insert);
    expect(lastError(await socket.messagesUntil('Z'))['C']).toBe('42501');
    await putPolicies(admin, livePolicies);
    socket.write(insert);
    expect(lastError(await socket.messagesUntil('Z'))).toEqual({});
    socket.write(packet('X'));
  });
});

const canMount = process.getuid?.() === 0 && process.platform === 'linux';

// Without the right to mount, a full disk is the business of test/sim, which fills one in memory.
it.runIf(canMount)(
  'on a full disk statements are refused, nothing is answered unrecorded, and it recovers',
  async () => {
    const disk = scope.directory();
    const place = join(disk, 'mounted');
    const script = `mkdir -p ${place} && mount -t tmpfs -o size=48m,mode=700 tmpfs ${place} && exec "$@"`;
    const full = await startGateway(scope, {
      data: join(place, 'data'),
      wrapper: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'],
      // Its own view of the file system: what it names is read from outside through /proc.
      env: { THROUGHLINE_HOME: join(disk, 'home') },
    });
    const inside = (path: string): string => `/proc/${full.pid}/root${path}`;
    const seen: GatewayRun = { ...full, ca: inside(full.ca), demoSecret: inside(full.demoSecret) };
    const person = await login(scope, seen, 'admin');
    await putPolicies(person, livePolicies);
    await addConnections(person, [
      connectionTo(cluster, 'shop', { recording: { rows: 'all', durability: 'strict' } }),
    ]);
    const tunnel = await person.tunnel('shop');
    const ballast = inside(join(place, 'ballast'));
    expect(await psql(tunnel.env, 'select 1')).toMatchObject({ status: 0, stdout: '1\n' });
    const filled = await run('sh', ['-c', `head -c 100000000 /dev/zero > ${ballast}`]);
    expect(filled.status).not.toBe(0);
    // The journal may still have room in a file that it laid out before: write until it has none.
    const refused = await until('the disk is full for the journal too', async () => {
      const result = await psql(
        tunnel.env,
        'select n, md5(n::text) from generate_series(1, 100000) as n; insert into scratch values (77);',
        ['-o', '/dev/null'],
      );
      return result.status === 0 ? undefined : result;
    });
    expect(refused.stderr).toMatch(/ERROR|FATAL|terminated|closed/);
    const before = await cluster.query('select count(*)::int as n from scratch where id = 77', 'shop');
    const again = await psql(tunnel.env, 'insert into scratch values (77);');
    expect(again.status).not.toBe(0);
    expect(await cluster.query('select count(*)::int as n from scratch where id = 77', 'shop')).toEqual(
      before,
    );
    await run('rm', [ballast]);
    await until('it serves again', async () => {
      const result = await psql(tunnel.env, 'select 2');
      return result.status === 0 ? true : undefined;
    });
    expect(verdictOf(await person.cli(['log', 'verify', '--json']))).toEqual({ ok: true, problems: [] });
  },
  120_000,
);

function verdictOf({ stdout }: Outcome): Pick<VerifyReport, 'ok' | 'problems'> {
  const { ok, problems } = VerifyReport.parse(JSON.parse(stdout));
  return { ok, problems };
}
