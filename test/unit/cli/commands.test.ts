import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { paths } from '../../../gateway-core/contract/api.js';
import { type ErrorCode, errorCodes, ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../agent/fake-gateway.js';
import { remove, temporaryHome } from '../agent/support.js';
import { type Ran, run, type World } from './run.js';
import { hostile, recording, report, routes, sessionId } from './sample.js';

let fake: FakeGateway;
let home: string;
let env: Record<string, string>;

const checkpointText = 'fake.example/log\n7\nAAAA\n\n— fake.example/log c2lnbmF0dXJl\n';
/** What a terminal would obey or hide; line ends are ours. */
const obeyed = /(?!\n)[\p{Cc}\u202e\u200b\u2028]/u;
const ndjson = (items: readonly unknown[]): RouteHandler => {
  return (_, response) => response.end(items.map((item) => `${JSON.stringify(item)}\n`).join(''));
};

beforeAll(async () => {
  fake = await startFakeGateway();
});
afterAll(async () => {
  await fake.kill();
  await remove(fake.directory);
});
beforeEach(async () => {
  ({ home, env } = await temporaryHome());
  const checkpoint: RouteHandler = (_, response) => response.end(checkpointText);
  fake.behaviour.routes = {
    ...routes,
    [`GET ${paths.checkpoint}`]: checkpoint,
    [`GET ${paths.recording(sessionId)}`]: ndjson(recording),
  };
  fake.requests.length = 0;
  fake.bodies.length = 0;
});
afterEach(() => remove(home));

function cli(argv: readonly string[], world: World = {}): Promise<Ran> {
  return run(argv, { env, ...world });
}

async function signedIn(): Promise<void> {
  const ran = await cli([
    'login',
    '--gateway',
    fake.url,
    '--demo-user',
    'contractor',
    '--demo-secret',
    fake.secretFile,
  ]);
  expect(ran).toMatchObject({ status: 0, err: '' });
}

describe('signing in and out', () => {
  test('a demo sign-in finds the CA beside the secret, and whoami tells how it is kept', async () => {
    await signedIn();
    const ran = await cli(['whoami', '--json']);
    const shape = z.object({
      principal: z.literal('demo/contractor'),
      groups: z.array(z.string()),
      gateway: z.literal(fake.url),
      expiresAt: z.string(),
      deviceKey: z.string().regex(/^[\w-]{43}$/),
      storage: z.literal('file'),
    });
    expect(shape.safeParse(ran.json()).error).toBeUndefined();
    expect(ran.out.trim().split('\n')).toHaveLength(1);
  });

  test('signing out twice is no failure, and ends what was signed in', async () => {
    await signedIn();
    expect((await cli(['logout', '--json'])).json()).toEqual({ gateway: fake.url, signedOut: true });
    expect((await cli(['logout', '--json'])).json()).toEqual({ gateway: fake.url, signedOut: false });
    expect((await cli(['whoami'])).status).toBe(3);
  });

  test('the device sign-in prints address and code on stderr, the result on stdout', async () => {
    const ran = await cli(['login', '--gateway', fake.url, '--device', '--ca', fake.caFile, '--json']);
    expect(ran.err).toContain('ABCD-EFGH');
    expect(ran.json()).toMatchObject({ principal: 'demo/contractor', gateway: fake.url });
  });

  test('an unknown certificate fails with the fingerprint and the flag that takes it', async () => {
    const ran = await cli(['login', '--gateway', fake.url]);
    expect(ran.status).toBe(6);
    expect(ran.err).toContain(`--fingerprint ${fake.certificates.caFingerprint}`);
    const pinned = [
      'login',
      '--gateway',
      fake.url,
      '--device',
      '--fingerprint',
      fake.certificates.caFingerprint,
    ];
    expect((await cli(pinned)).status).toBe(0);
  });

  test('at a terminal the person is asked, and anything but yes is no', async () => {
    const asked = await cli(['login', '--gateway', fake.url, '--device'], { isTTY: true, stdin: 'y\n' });
    expect(asked.status).toBe(6);
    expect(asked.err).toContain('Trust it from now on?');
    const yes = await cli(['login', '--gateway', fake.url, '--device'], { isTTY: true, stdin: 'yes\n' });
    expect(yes.status).toBe(0);
  });

  test('the gateway of the last sign-in is the one that is meant, unless a flag or variable says otherwise', async () => {
    await signedIn();
    expect((await cli(['whoami'])).status).toBe(0);
    expect((await cli(['whoami', '--gateway', 'https://127.0.0.1:1'])).status).toBe(3);
    expect(
      (await cli(['whoami'], { env: { ...env, THROUGHLINE_GATEWAY: 'https://127.0.0.1:1' } })).status,
    ).toBe(3);
  });
});

describe('listings', () => {
  beforeEach(signedIn);

  test.each<[string[], unknown]>([
    [
      ['connections'],
      [{ name: 'shop-db', protocol: 'postgres', labels: { team: 'shop' }, access: 'allowed' }],
    ],
    [['sessions'], routes[`GET ${paths.sessions}`]],
    [['sessions', 'show', sessionId], routes[`GET ${paths.session(sessionId)}`]],
    [['search', 'two', 'words'], routes[`GET ${paths.search}`]],
    [['revoke', 'session', sessionId, '--reason', 'test'], { ended: [sessionId] }],
    [['log', 'verify'], report],
    [
      ['log', 'checkpoint'],
      { origin: 'fake.example/log', size: 7, rootHash: 'AAAA', checkpoint: checkpointText },
    ],
    [['admin', 'connections', 'list'], routes[`GET ${paths.adminConnections}`]],
    [['admin', 'connections', 'show', 'orders'], routes[`GET ${paths.adminConnection('orders')}`]],
    [['admin', 'connections', 'remove', 'orders'], { removed: 'orders' }],
    [['admin', 'policies', 'list'], [routes[`GET ${paths.adminPolicies}`]]],
    [['admin', 'policies', 'show'], routes[`GET ${paths.adminPolicies}`]],
    [['admin', 'people'], routes[`GET ${paths.adminPeople}`]],
    [['admin', 'devices'], routes[`GET ${paths.adminDevices}`]],
  ])('%j --json is one line with the documented shape', async (argv, expected) => {
    const ran = await cli([...argv, '--json']);
    expect(ran).toMatchObject({ status: 0, err: '' });
    expect(ran.out.endsWith('\n')).toBe(true);
    expect(ran.out.trimEnd()).not.toContain('\n');
    const found = ran.json();
    if (Array.isArray(expected)) expect(found).toMatchObject(expected);
    else expect(found).toMatchObject(expected as object);
  });

  test('filters reach the gateway', async () => {
    await cli(['sessions', '--live', '--of', 'demo/contractor']);
    expect(fake.requests.at(-1)).toBe('GET /v1/sessions?live=true&of=demo%2Fcontractor');
    await cli(['search', 'two', 'words']);
    expect(fake.requests.at(-1)).toBe('GET /v1/search?q=two+words');
  });

  test('a reason is needed to revoke, and goes with the request', async () => {
    expect((await cli(['revoke', 'session', sessionId])).status).toBe(2);
    expect((await cli(['revoke', 'session', sessionId, '--reason', '  '])).status).toBe(2);
    await cli(['revoke', 'session', sessionId, '--reason', 'left the company']);
    expect(JSON.parse(fake.bodies.at(-1) ?? '')).toEqual({
      kind: 'session',
      id: sessionId,
      reason: 'left the company',
    });
  });

  test('a log that does not hold is exit status 5, with the report on stdout', async () => {
    const broken = { ...report, ok: false, problems: [{ code: 'gap', where: 'entry 4', message: hostile }] };
    fake.behaviour.routes[`POST ${paths.logVerify}`] = broken;
    const ran = await cli(['log', 'verify', '--json']);
    expect(ran.status).toBe(5);
    expect(ran.json()).toEqual(broken);
    expect((await cli(['log', 'verify'])).status).toBe(5);
  });

  test('a data directory is checked without a gateway', async () => {
    const asked: string[] = [];
    const server: World['server'] = {
      startGateway: () => Promise.reject(new Error('not asked')),
      verifyLog: ({ dataDir }) => {
        asked.push(dataDir);
        return Promise.resolve(report);
      },
    };
    const ran = await run(['log', 'verify', '--data', '/d', '--json'], { server });
    expect(ran.json()).toEqual(report);
    expect(asked).toEqual(['/d']);
  });
});

describe('replay', () => {
  beforeEach(signedIn);

  test('--json passes every item through, one a line', async () => {
    const ran = await cli(['replay', sessionId, '--json']);
    expect(
      ran.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(recording);
  });

  test('shows statements, aligned results and the end in order', async () => {
    const { status, out } = await cli(['replay', sessionId]);
    expect(status).toBe(0);
    const order = [
      'select',
      '1  |',
      '22 |',
      'SELECT 2',
      'denied',
      'drop table x',
      'NOTICE',
      'session ended: client',
    ];
    const places = order.map((word) => out.indexOf(word));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  test('a damaged recording is shown as far as it goes and is exit status 5', async () => {
    const problem = { kind: 'problem', code: 'hole', text: 'segment 3 is missing' };
    fake.behaviour.routes[`GET ${paths.recording(sessionId)}`] = ndjson([...recording.slice(0, 3), problem]);
    const ran = await cli(['replay', sessionId]);
    expect(ran.status).toBe(5);
    expect(ran.out).toContain('segment 3 is missing');
  });
});

describe('hostile text', () => {
  beforeEach(signedIn);

  test.each<string[]>([
    ['connections'],
    ['sessions'],
    ['sessions', 'show', sessionId],
    ['search', 'x'],
    ['replay', sessionId],
    ['log', 'checkpoint'],
    ['admin', 'connections', 'list'],
    ['admin', 'connections', 'show', 'orders'],
    ['admin', 'policies', 'list'],
    ['admin', 'policies', 'show'],
    ['admin', 'people'],
    ['admin', 'devices'],
    ['whoami'],
  ])('of %s %s %s reaches no terminal as it came', async (...argv) => {
    fake.behaviour.routes[`GET ${paths.connections}`] = [
      { name: 'shop-db', protocol: 'postgres', labels: { team: hostile }, access: 'allowed' },
    ];
    fake.behaviour.routes[`GET ${paths.whoami}`] = {
      principal: hostile,
      groups: [hostile],
      expiresAt: '2026-11-20T12:00:00.000Z',
      deviceKey: hostile,
    };
    const ran = await cli(
      argv.filter((word) => word !== undefined),
      { env: { ...env, NO_COLOR: '1' }, isTTY: true, columns: 200 },
    );
    expect(ran.status).toBe(0);
    expect(ran.out).not.toMatch(obeyed);
    // The policy text is the whole output: there is no line of ours that one of its lines could pass for.
    if (argv.join(' ') !== 'admin policies show') expect(ran.out).not.toMatch(/^DENIED/m);
  });

  test('of an error reaches no terminal as it came either, and with --json is escaped', async () => {
    fake.behaviour.routes[`GET ${paths.whoami}`] = new ThroughlineError('denied', hostile, {
      action: hostile,
    });
    const plain = await cli(['whoami'], { isTTY: true, env: { ...env, NO_COLOR: '1' } });
    expect(plain.err).not.toMatch(obeyed);
    expect(plain.err.trimEnd()).not.toContain('\n');
    const json = await cli(['whoami', '--json']);
    expect(json.err).not.toMatch(obeyed);
    expect(JSON.parse(json.err)).toEqual({ error: { code: 'denied', message: hostile, action: hostile } });
  });
});

describe('failures', () => {
  test.each(Object.keys(errorCodes) as ErrorCode[])(
    '%s ends with the status of the contract',
    async (code) => {
      await signedIn();
      fake.behaviour.routes[`GET ${paths.connections}`] = new ThroughlineError(code, 'what happened', {
        action: 'what to do',
      });
      const plain = await cli(['connections']);
      expect(plain.status).toBe(errorCodes[code].exit);
      expect(plain.out).toBe('');
      if (code === 'proof-nonce' || code === 'not-signed-in') return;
      expect(plain.err).toBe('throughline: what happened; what to do\n');
      const json = await cli(['connections', '--json']);
      expect(JSON.parse(json.err)).toEqual({
        error: { code, message: 'what happened', action: 'what to do' },
      });
    },
  );

  test('an unreachable gateway is exit status 6', async () => {
    const gone = await startFakeGateway();
    await cli(['login', '--gateway', gone.url, '--demo-user', 'x', '--demo-secret', gone.secretFile]);
    await gone.kill();
    await remove(gone.directory);
    const ran = await cli(['connections', '--json']);
    expect(ran.status).toBe(6);
    expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'gateway-unreachable' } });
  });

  test.each<string[]>([
    ['nonsense'],
    ['connections', '--nonsense'],
    ['connections', 'too', 'many'],
    ['connect'],
    ['connect', 'shop-db', '--port', 'x'],
    ['connect', 'shop-db', '--port', '65536'],
    ['sessions', 'show'],
    ['admin'],
    ['admin', 'connections'],
    ['completion', 'tcsh'],
    ['handle', 'shop-db', '--ttl', '10'],
    ['handle', 'shop-db', '--sessions', '0'],
    ['login', '--demo-secret', 'x'],
    ['login', '--gateway', 'http://127.0.0.1'],
    ['up', '--listen', 'nowhere'],
    ['requests'],
    ['export', 'x'],
  ])('%s %s %s %s is a usage error: exit status 2, one sentence, help named', async (...argv) => {
    await signedIn();
    const words = argv.filter((word) => word !== undefined);
    const ran = await cli(words);
    expect(ran.status).toBe(2);
    expect(ran.err.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse((await cli([...words, '--json'])).err)).toMatchObject({ error: { code: 'usage' } });
  });

  test('exec has a status of its own for every failure that is not the program', async () => {
    expect((await cli(['exec'])).status).toBe(125);
    expect((await cli(['exec', 'shop-db', '--', 'true'])).status).toBe(125);
    await signedIn();
    expect((await cli(['exec', 'unknown', '--', 'true'])).status).toBe(125);
    expect((await cli(['exec', 'shop-db', '--', '/no/such/program'])).status).toBe(125);
  });
});

describe('files that people write', () => {
  const yaml = `
connections:
  - name: orders
    protocol: postgres
    address: 127.0.0.1:5432
    tls: {mode: verify-full, ca: CA}
    credential: {user: app, password: "hunter2-secret"}
    labels: {team: shop}
    masks:
      - {columns: [public.customers.email], with: partial}
`;
  let directory: string;
  beforeEach(async () => {
    await signedIn();
    directory = await mkdtemp(join(tmpdir(), 'throughline-files-'));
    await writeFile(join(directory, 'ca.pem'), fake.certificates.caPem);
  });
  afterEach(() => remove(directory));

  async function add(text: string, more: string[] = []): Promise<Ran> {
    const path = join(directory, 'connections.yaml');
    await writeFile(path, text);
    return cli(['admin', 'connections', 'add', path, ...more]);
  }

  test.each(['ca.pem', '{file: ca.pem}'])('a CA given as %s is read here and sent as text', async (ca) => {
    expect(await add(yaml.replace('ca: CA', `ca: ${ca}`))).toMatchObject({
      status: 0,
      out: 'added: orders\n',
    });
    const sent = JSON.parse(fake.bodies.at(-1) ?? '') as { connections: { tls: { ca: string } }[] };
    expect(sent.connections[0]?.tls.ca).toBe(fake.certificates.caPem);
  });

  test('a list, one connection and JSON are taken too', async () => {
    const one = { name: 'orders', protocol: 'postgres', address: 'h:1', credential: { user: 'u' } };
    for (const text of [JSON.stringify(one), JSON.stringify([one]), JSON.stringify({ connections: [one] })]) {
      expect((await add(text)).status).toBe(0);
      expect(JSON.parse(fake.bodies.at(-1) ?? '')).toEqual({ connections: [one] });
    }
    const ran = await cli(['admin', 'connections', 'add', '-', '--json'], { stdin: JSON.stringify(one) });
    expect(ran.json()).toEqual({ added: ['orders'], changed: [], unchanged: [] });
  });

  test.each<[string, string]>([
    ['no connection at all', 'connections: []'],
    ['an unknown key', yaml.replace('ca: CA', 'ca: ca.pem').replace('labels:', 'lables:')],
    ['a wrong value', yaml.replace('ca: CA', 'ca: ca.pem').replace('protocol: postgres', 'protocol: oracle')],
    ['no YAML', 'connections: [}'],
    ['aliases', 'a: &a [x, x]\nb: &b [*a, *a]\nconnections: [*b]'],
    ['a number', '7'],
    ['nothing', ''],
  ])('a file with %s is refused before anything is sent, without its secrets', async (_, text) => {
    const before = fake.requests.length;
    const ran = await add(text);
    expect(ran.status).toBe(2);
    expect(ran.err).not.toContain('hunter2');
    expect(fake.requests.length).toBe(before);
  });

  test('a file without end is not read to its end', async () => {
    const ran = await cli(['admin', 'policies', 'put', '/dev/zero']);
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('larger than');
  });

  test('policies go as text and come back as text that can be put again', async () => {
    const path = join(directory, 'policies.cedar');
    await writeFile(path, 'permit(principal, action, resource);\n');
    const put = await cli(['admin', 'policies', 'put', path, '--json']);
    expect(put.json()).toEqual({ version: '0123456789abcdef', policies: ['a', 'b'] });
    expect(JSON.parse(fake.bodies.at(-1) ?? '')).toEqual({ text: 'permit(principal, action, resource);\n' });
    expect((await cli(['admin', 'policies', 'put', '/no/such/file'])).status).toBe(2);
    const { text } = routes[`GET ${paths.adminPolicies}`] as { text: string };
    expect((await cli(['admin', 'policies', 'show'])).out).toBe(`${text}\n`);
  });
});

describe('handles', () => {
  beforeEach(signedIn);

  test('are minted with the wanted bounds and printed once, ready for psql', async () => {
    const json = await cli(['handle', 'shop-db', '--ttl', '5m', '--sessions', '3', '--json']);
    expect(json.json()).toMatchObject({
      user: 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
      password: "hnd_it's-secret",
      connection: 'shop-db',
      host: '127.0.0.1',
      port: 15432,
      database: 'shop-db',
      expiresAt: '2026-11-20T12:00:00.000Z',
    });
    expect(JSON.parse(fake.bodies.at(-1) ?? '')).toEqual({
      connection: 'shop-db',
      ttlMs: 300_000,
      sessionsMax: 3,
    });
    const { out } = await cli(['handle', 'shop-db']);
    expect(out).toContain(
      `PGPASSWORD='hnd_it'\\''s-secret' psql "host=127.0.0.1 port=15432 user=dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X dbname=shop-db"`,
    );
    expect(out).toContain('shown this once');
  });

  test('of a listener elsewhere come with a verified TLS connection', async () => {
    const answer = routes[`POST ${paths.handles}`] as object;
    fake.behaviour.routes[`POST ${paths.handles}`] = {
      ...answer,
      listeners: { postgres: 'gw.example:15432' },
    };
    const { out } = await cli(['handle', 'shop-db']);
    expect(out).toContain('sslmode=verify-full');
    const path = /sslrootcert=([^" ]+)/.exec(out)?.[1] ?? '';
    expect(await readFile(path, 'utf8')).toBe(fake.certificates.caPem);
  });

  test('leave their password nowhere on disk', async () => {
    await cli(['handle', 'shop-db']);
    const files = await readdir(home, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain('secret');
    }
  });
});
