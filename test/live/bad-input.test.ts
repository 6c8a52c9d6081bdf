import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { VerifyReport } from '../../gateway-core/contract/api.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  type HandlePlace,
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
  gssRequest,
  int32s,
  lyingPacket,
  messagesIn,
  openNative,
  packet,
  query,
  type RawSocket,
  rawSocket,
  sslRequest,
  startupPacket,
} from './postgres-socket.js';
import { createScope, type Outcome, run } from './processes.js';

/** Packets that no library sends: a clear error or the end, and nobody else notices. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let engineer: Person;
let opened: Gateway;
let handle: HandlePlace;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('shop', 'create table items (id int primary key, name text)');
  const admin = await login(scope, gateway, 'admin');
  engineer = await login(scope, gateway, 'engineer');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'shop')]);
  opened = await engineer.gateway();
  handle = await engineer.handle('shop');
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

describe('hostile start-up packets', () => {
  const user = { user: 'dlg_00000000000000000000000000', database: 'shop' };
  const cases: Readonly<Record<string, Buffer>> = {
    'a length below its own size': int32s(3, 196_608),
    'a negative length': int32s(-1, 196_608),
    'the smallest length there is': int32s(-2_147_483_648, 196_608),
    'an absurd length': int32s(2_147_483_647, 196_608),
    'a length just past the limit': int32s(10_001, 196_608),
    'a giant packet that is really sent': startupPacket({ ...user, options: 'x'.repeat(200_000) }),
    'parameters without an end': Buffer.concat([int32s(20, 196_608), Buffer.from('user\0aaaaaaa')]),
    'a name without a value': Buffer.concat([int32s(14, 196_608), Buffer.from('user\0\0')]),
    'no user': startupPacket({ database: 'shop' }),
    'protocol 2': startupPacket(user, 131_072),
    'protocol 4': startupPacket(user, 262_144),
    HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    SSH: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
    zeros: Buffer.alloc(64),
    noise: Buffer.from(Array.from({ length: 512 }, (_, at) => (at * 197 + 31) % 251)),
    'encryption asked for twice': Buffer.concat([sslRequest, sslRequest]),
    'plain bytes behind a request for encryption': Buffer.concat([sslRequest, startupPacket(user)]),
    'a cancel request with a key that is too short': int32s(8, 80_877_102),
    'a cancel request for nobody': int32s(16, 80_877_102, 12_345, 67_890),
    replication: startupPacket({ ...user, replication: 'database' }),
    'a password before a start-up packet': packet('p', 'secret\0'),
    'a query before a start-up packet': query('select 1'),
  };

  it.each(Object.keys(cases))('%s: the native listener closes, at most with an error', async (name) => {
    const socket = await openNative(scope, handle);
    socket.write(cases[name] ?? '');
    // A packet that is not whole yet may be waited for: our end of it is over.
    socket.end();
    const said = await socket.rest();
    const answer = said[0] === 0x53 || said[0] === 0x4e ? said.subarray(1) : said;
    // At most a request to authenticate (SASL), or an error: whoever has not signed in learns nothing.
    const beyond = messagesIn(answer).filter(
      ({ type, body }) => type !== 'E' && !(type === 'R' && body.readInt32BE(0) === 10),
    );
    expect(beyond).toEqual([]);
    expect(said.length).toBeLessThan(2000);
    await expectAlive();
  });

  it.each(Object.keys(cases))('%s: a signed-in stream closes without reaching the target', async (name) => {
    const stream = await opened.openStream('shop');
    const socket = rawSocket(stream);
    socket.write(cases[name] ?? '');
    socket.end();
    const said = await socket.rest();
    const answer = said[0] === 0x4e ? said.subarray(1) : said;
    expect(messagesIn(answer).filter(({ type }) => type !== 'E')).toEqual([]);
    stream.destroy();
  });

  it('a request for encryption over GSSAPI is answered with no, and the session goes on', async () => {
    const stream = await opened.openStream('shop');
    const socket = rawSocket(stream);
    socket.write(gssRequest);
    expect((await socket.bytes(1)).toString()).toBe('N');
    socket.write(startupPacket({ user: 'anybody', database: 'shop' }));
    expect((await socket.messagesUntil('Z')).at(0)?.type).toBe('R');
    stream.destroy();
  });

  it('a thousand sockets that say nothing, or one byte at a time, do not keep others out', async () => {
    const silent = Array.from({ length: 300 }, () => connect({ host: handle.host, port: handle.port }));
    scope.onClose(() => {
      for (const socket of silent) socket.destroy();
    });
    for (const socket of silent) socket.on('error', () => undefined);
    const bytes = startupPacket(user);
    for (const [at, socket] of silent.entries()) socket.write(bytes.subarray(0, at % bytes.length));
    await expectAlive();
    const result = await psql(handle.env, 'select 1');
    expect(result).toMatchObject({ status: 0, stdout: '1\n' });
  });
});

describe('hostile messages inside a session', () => {
  const cases: Readonly<Record<string, readonly (Buffer | string)[]>> = {
    'a negative length': [lyingPacket('Q', -5, 'select 1\0')],
    'a length below its own size': [lyingPacket('Q', 3)],
    'an absurd length': [lyingPacket('Q', 2_147_483_647, 'select 1\0')],
    'a query without its end': [packet('Q', 'select 1')],
    'a query with a zero inside': [packet('Q', 'select 1\0; drop table items\0')],
    'an unknown message': [packet('~', 'x')],
    'a message that only a server sends': [packet('Z', 'I')],
    'a function call': [packet('F', int32s(1), Buffer.alloc(6)), packet('S')],
    'a password in the middle': [packet('p', 'secret\0')],
    'copy data without a COPY': [packet('d', 'x'), packet('c'), packet('S')],
    'execute of a portal that does not exist': [packet('E', 'nothing\0', int32s(0)), packet('S')],
    'bind to a statement that does not exist': [packet('B', '\0nothing\0', Buffer.alloc(6)), packet('S')],
    'bind that promises more parameters than it brings': [
      packet('P', '\0select $1::text\0', Buffer.alloc(2)),
      packet('B', '\0\0', Buffer.from([0, 0, 0x7f, 0xff])),
      packet('S'),
    ],
    'bind with a negative parameter length': [
      packet('P', '\0select $1::text\0', Buffer.alloc(2)),
      packet('B', '\0\0', Buffer.from([0, 0, 0, 1]), int32s(-77), Buffer.from([0, 0])),
      packet('S'),
    ],
    'parse that promises more types than it brings': [
      packet('P', '\0select 1\0', Buffer.from([0x7f, 0xff])),
      packet('S'),
    ],
    'describe of nothing known': [packet('D', 'X\0'), packet('S')],
    'close of nothing known': [packet('C', 'X\0'), packet('S')],
    'a start-up packet in the middle': [startupPacket({ user: 'postgres' })],
    HTTP: ['GET / HTTP/1.1\r\n\r\n'],
    'half a message, then the end': [lyingPacket('Q', 400, 'select ')],
    'text that is not UTF-8': [packet('Q', Buffer.from("select '\xff\xfe'\0", 'latin1'))],
  };

  it.each(Object.keys(cases))(
    '%s: an error or the end, no crash, and nothing is carried out',
    async (name) => {
      const socket = await openSession();
      for (const bytes of cases[name] ?? []) socket.write(bytes);
      socket.end();
      const messages = messagesIn(await socket.rest());
      expect(messages.filter(({ type }) => type === 'D')).toEqual([]);
      for (const message of messages.filter(({ type }) => type === 'E')) {
        expect(fieldsOf(message)).toMatchObject({
          C: expect.stringMatching(/^[0-9A-Z]{5}$/) as unknown,
          M: expect.stringMatching(/\S/) as unknown,
        });
      }
      expect(
        await cluster.query("select count(*)::int as n from pg_tables where tablename = 'items'", 'shop'),
      ).toEqual([{ n: 1 }]);
    },
  );

  it('errors of pipelined statements come in the order of the statements', async () => {
    const socket = await openSession();
    const one = (text: string): Buffer =>
      Buffer.concat([
        packet('P', `\0${text}\0`, Buffer.alloc(2)),
        packet('B', '\0\0', Buffer.alloc(6)),
        packet('E', '\0', int32s(0)),
        packet('S'),
      ]);
    socket.write(
      Buffer.concat([one('select 1'), one('drop table items'), one('select 1/0'), one('select 4')]),
    );
    const groups: string[] = [];
    for (let group = 0; group < 4; group += 1) {
      const messages = await socket.messagesUntil('Z');
      groups.push(lastError(messages)['C'] ?? messages.map(({ type }) => type).join(''));
    }
    expect(groups).toEqual(['12DCZ', '42501', '22012', '12DCZ']);
  });

  it('a statement that is too long to judge is denied, and the session goes on', async () => {
    const socket = await openSession();
    socket.write(query(`select '${'x'.repeat(1_200_000)}'`));
    expect(lastError(await socket.messagesUntil('Z'))).toMatchObject({ S: 'ERROR' });
    socket.write(query('select 5'));
    expect(lastError(await socket.messagesUntil('Z'))).toEqual({});
    socket.write(packet('X'));
  });

  it('a client that stops reading is waited for, and others are served meanwhile', async () => {
    const stream = await opened.openStream('shop');
    const socket = rawSocket(stream);
    socket.write(startupPacket({ user: 'anybody', database: 'shop' }));
    await socket.messagesUntil('Z');
    stream.pause();
    socket.write(query("select repeat('x', 1000) from generate_series(1, 100000)"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await expectAlive();
    const rssBytes = await residentBytes(gateway.pid);
    expect(rssBytes).toBeLessThan(600 * 1024 * 1024);
    stream.destroy();
  });
});

async function residentBytes(pid: number): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout.trim()) * 1024;
}

it('hostile HTTP at the API is answered with a problem or a closed socket', async () => {
  const ca = gateway.ca;
  const ask = (args: readonly string[]) =>
    run('openssl', ['s_client', '-quiet', '-CAfile', ca, '-connect', new URL(gateway.url).host], {
      input: args.join('\r\n'),
      timeoutMs: 10_000,
    });
  const answers = await Promise.all([
    ask(['GET /v1/whoami HTTP/1.1', 'host: x', 'connection: close', '', '']),
    ask([
      'GET /v1/whoami HTTP/1.1',
      'host: x',
      'connection: close',
      `authorization: DPoP ${'x'.repeat(5000)}`,
      'dpop: a.b.c',
      '',
      '',
    ]),
    ask([
      'GET /v1/connections/shop/stream HTTP/1.1',
      'host: x',
      'connection: upgrade',
      'upgrade: throughline/1',
      '',
      '',
    ]),
    ask([`GET /${'x'.repeat(100_000)} HTTP/1.1`, 'host: x', '', '']),
    ask([
      'POST /oauth/token HTTP/1.1',
      'host: x',
      'connection: close',
      'content-type: application/x-www-form-urlencoded',
      'content-length: 3',
      '',
      'a=b',
    ]),
    ask(['NONSENSE', '', '']),
  ]);
  const statuses = answers.map(({ stdout }) => /^HTTP\/1\.1 (\d{3})/.exec(stdout)?.[1] ?? 'closed');
  expect(statuses.slice(0, 3)).toEqual(['401', '401', '401']);
  expect(statuses.slice(3).filter((status) => !/^(4\d\d|closed)$/.test(status))).toEqual([]);
  await expectAlive();
});

it('after all that it is still the same gateway, and its log verifies', async () => {
  expect(verdictOf(await engineer.cli(['log', 'verify', '--json']))).toEqual({ ok: true, problems: [] });
  expect(gateway.log()).not.toMatch(/\n\s+at .*\.js:\d+/);
  expect(() => process.kill(gateway.pid, 0)).not.toThrow();
});

function verdictOf({ stdout }: Outcome): Pick<VerifyReport, 'ok' | 'problems'> {
  const { ok, problems } = VerifyReport.parse(JSON.parse(stdout));
  return { ok, problems };
}
