import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VerifyReport } from '../../gateway-core/contract/api.js';
import { cli, type GatewayRun, login, type Person, startGateway } from './harness.js';
import { filesBelow } from './leaks.js';
import { createScope, freePort, type Outcome, run } from './processes.js';

/** The command as scripts know it: exit statuses, help, what `up` refuses and what a restart keeps. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let contractor: Person;
let engineer: Person;
let admin: Person;
let auditor: Person;
let session: string;

beforeAll(async () => {
  gateway = await startGateway(scope);
  [contractor, engineer, admin, auditor] = await Promise.all([
    login(scope, gateway, 'contractor'),
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'auditor'),
  ]);
  // The first one makes the demo's database.
  const made = await contractor.cli(
    [
      'exec',
      'shop-db',
      '--',
      'psql',
      '-XAt',
      '-c',
      "select current_setting('application_name')",
      '-c',
      'select email, city from customers where id = 1',
    ],
    { timeoutMs: 120_000 },
  );
  session = /ses_[0-9A-Z]{26}/.exec(made.stdout)?.[0] ?? '';
  if (made.status !== 0 || session === '')
    throw new Error(`the demo's database: ${made.stdout}${made.stderr}`);
});

/** Exit status and the stable code on stderr. */
function failure({ status, stderr, stdout }: Outcome): {
  status: number | null;
  code: unknown;
  stdout: string;
} {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const value = line.startsWith('{')
    ? (JSON.parse(line) as { code?: unknown; error?: { code?: unknown } })
    : {};
  return { status, code: value.code ?? value.error?.code, stdout };
}

const oneSentence = /^throughline: \S[^\n]*\n$/;

describe('exit statuses', () => {
  it('1: failed', async () => {
    const missing = ['sessions', 'show', 'ses_00000000000000000000000000', '--json'];
    expect(failure(await contractor.cli(missing))).toEqual({ status: 1, code: 'not-found', stdout: '' });
  });

  it('1: nobody learns from an exit status that a session of somebody else exists', async () => {
    expect(failure(await engineer.cli(['sessions', 'show', session, '--json']))).toEqual({
      status: 1,
      code: 'not-found',
      stdout: '',
    });
    expect(failure(await engineer.cli(['replay', session, '--json']))).toEqual({
      status: 1,
      code: 'not-found',
      stdout: '',
    });
  });

  it.each([
    [['sessions', '--nonsense']],
    [['nonsense']],
    [['connect']],
    [['revoke', 'session', 'ses_00000000000000000000000000']],
    [['handle', 'shop-db', '--ttl', 'soon']],
    [['connect', 'shop-db', '--port', '70000']],
    [['admin', 'connections', 'add', '/nonexistent.yaml']],
    [['replay', 'ses_00000000000000000000000000', '--speed', '-1']],
  ])('2: usage: %j', async (args) => {
    const plain = await contractor.cli(args);
    expect(plain.status).toBe(2);
    expect(plain.stderr).toMatch(oneSentence);
    expect(failure(await contractor.cli([...args, '--json']))).toMatchObject({
      status: 2,
      code: expect.stringMatching(/^(usage|invalid-)/) as unknown,
    });
  });

  it('2: policies that Cedar does not take change nothing', async () => {
    const before = await admin.json(['admin', 'policies', 'list']);
    expect(
      failure(
        await admin.cli(['admin', 'policies', 'put', '-', '--json'], { input: 'permit (everything);' }),
      ),
    ).toMatchObject({ status: 2, code: 'invalid-policy' });
    expect(await admin.json(['admin', 'policies', 'list'])).toEqual(before);
  });

  it('3: not signed in', async () => {
    const home = scope.directory();
    expect(failure(await cli(home, ['whoami', '--gateway', gateway.url, '--json']))).toMatchObject({
      status: 3,
      code: 'not-signed-in',
    });
    const secret = join(home, 'secret');
    writeFileSync(secret, 'not the secret', { mode: 0o600 });
    const refused = [
      'login',
      '--gateway',
      gateway.url,
      '--demo-user',
      'admin',
      '--demo-secret',
      secret,
      '--ca',
      gateway.ca,
      '--json',
    ];
    expect(failure(await cli(home, refused))).toMatchObject({ status: 3, code: 'sign-in-refused' });
  });

  it('3: after logout the sign-in is of no use, here and at the gateway', async () => {
    const home = scope.directory();
    const person = await login(scope, gateway, 'approver');
    cpSync(person.home, join(home, 'copy'), { recursive: true });
    expect((await person.cli(['logout'])).status).toBe(0);
    expect(failure(await person.cli(['whoami', '--json']))).toMatchObject({
      status: 3,
      code: 'not-signed-in',
    });
    expect(failure(await cli(join(home, 'copy'), ['whoami', '--json']))).toMatchObject({ status: 3 });
  });

  it('4: denied by policy', async () => {
    expect(failure(await auditor.cli(['connect', 'shop-db', '--json']))).toMatchObject({
      status: 4,
      code: 'denied',
    });
    expect(failure(await contractor.cli(['connect', 'not-there', '--json']))).toMatchObject({
      status: 4,
      code: 'denied',
    });
    expect(failure(await contractor.cli(['admin', 'people', '--json']))).toMatchObject({
      status: 4,
      code: 'denied',
    });
    expect(
      failure(
        await contractor.cli(['admin', 'policies', 'put', '-', '--json'], {
          input: 'permit (principal, action, resource);',
        }),
      ),
    ).toMatchObject({ status: 4, code: 'denied' });
  });

  it('6: gateway unreachable', async () => {
    const port = await freePort();
    expect(
      failure(
        await cli(scope.directory(), [
          'login',
          '--gateway',
          `https://127.0.0.1:${port}`,
          '--ca',
          gateway.ca,
          '--device',
          '--json',
        ]),
      ),
    ).toMatchObject({ status: 6, code: 'gateway-unreachable' });
  });

  it('6: a gateway whose certificate nobody vouches for is not trusted silently', async () => {
    const outcome = await cli(scope.directory(), ['login', '--gateway', gateway.url, '--device', '--json']);
    expect(outcome.status).toBe(6);
    expect(outcome.stdout).toBe('');
  });

  it.each([
    ['the status of the program', ['sh', '-c', 'exit 7'], 7],
    ['128 and the signal that ended it', ['sh', '-c', 'kill -TERM $$'], 143],
    ['125 for a program that is not there', ['no-such-program-here'], 125],
  ] as const)('exec: %s', async (_, command, status) => {
    expect((await contractor.cli(['exec', 'shop-db', '--', ...command])).status).toBe(status);
  });

  it('exec: 125 for its own failures', async () => {
    expect(await auditor.cli(['exec', 'shop-db', '--', 'true'])).toMatchObject({ status: 125, stdout: '' });
    expect((await contractor.cli(['exec', 'shop-db'])).status).toBe(125);
  });

  it('exec hands its input and output through untouched', async () => {
    const { stdout, status } = await contractor.cli(['exec', 'shop-db', '--', 'cat'], {
      input: 'a\u0000b\r\n\u{1f600}',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'a\u0000b\r\n\u{1f600}' });
  });
});

describe('help and completion', () => {
  const commands = [
    'up',
    'login',
    'logout',
    'whoami',
    'connections',
    'connect',
    'exec',
    'handle',
    'sessions',
    'sessions show',
    'revoke session',
    'replay',
    'search',
    'log verify',
    'log checkpoint',
    'admin connections',
    'admin connections add',
    'admin policies',
    'admin policies put',
    'admin people',
    'admin devices',
    'completion',
  ];

  it('every command explains itself', async () => {
    const home = scope.directory();
    const general = await cli(home, ['--help']);
    expect(general.status).toBe(0);
    const texts = await Promise.all(commands.map((command) => cli(home, [...command.split(' '), '--help'])));
    for (const [at, { status, stdout, stderr }] of texts.entries()) {
      const command = commands[at] ?? '';
      expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' });
      expect(stdout).toContain(`throughline ${command}`);
      expect(general.stdout).toContain(command.split(' ')[0]);
    }
  });

  it('completion prints a script that bash takes and that knows the commands', async () => {
    const home = scope.directory();
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { status, stdout } = await cli(home, ['completion', shell]);
      expect(status).toBe(0);
      expect(stdout).toContain('throughline');
    }
    const { stdout } = await cli(home, ['completion', 'bash']);
    expect(await run('bash', ['-n'], { input: stdout })).toMatchObject({ status: 0, stderr: '' });
    expect((await cli(home, ['completion', 'tcsh'])).status).toBe(2);
  });
});

describe('up', () => {
  const up = (home: string, ...args: string[]): Promise<Outcome> =>
    cli(home, ['up', '--json', '--listen', '127.0.0.1:0', ...args]);

  it('refuses what would be unsafe, and says what to do', async () => {
    const home = scope.directory();
    const config = join(home, 'gateway.yaml');
    writeFileSync(config, 'listeners: {postgres: "127.0.0.1:0"}\nnonsense: true\n');
    expect(failure(await up(home, '--demo', '--data', join(home, 'a'), '--config', config))).toMatchObject({
      status: 2,
      code: 'invalid-config',
    });
    expect(failure(await up(home, '--data', gateway.data))).toMatchObject({
      status: 2,
      code: 'invalid-config',
    });
    expect(failure(await up(home, '--demo', '--data', gateway.data))).toMatchObject({
      status: 1,
      code: 'conflict',
    });
    expect(
      failure(await up(home, '--demo', '--data', join(home, 'b'), '--keys', join(home, 'b', 'keys'))),
    ).toMatchObject({ status: 2, code: 'invalid-config' });
    const open = ['up', '--demo', '--json', '--listen', '0.0.0.0:0', '--data', join(home, 'c')];
    expect(failure(await cli(home, open))).toMatchObject({ status: 2, code: 'usage' });
  });

  it('refuses keys that others can read', async () => {
    const home = scope.directory();
    const keys = join(home, 'keys');
    expect((await run('mkdir', ['-m', '755', keys])).status).toBe(0);
    writeFileSync(join(keys, 'master.key'), 'x'.repeat(32), { mode: 0o644 });
    const refused = failure(await up(home, '--demo', '--data', join(home, 'data'), '--keys', keys));
    expect(refused).toMatchObject({ status: 2, code: 'invalid-config' });
  });
});

/** Last: the gateway of the tests above is stopped here. */
describe('a restart', () => {
  it('ends on SIGTERM with status 0, and keeps sign-ins, connections, sessions and the log', async () => {
    const before = await contractor.json<{ id: string }[]>(['sessions']);
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toMatchObject({ status: 0 });
    expect(failure(await contractor.cli(['whoami', '--json']))).toMatchObject({
      status: 6,
      code: 'gateway-unreachable',
    });
    const listen = new URL(gateway.url).host;
    gateway = await startGateway(scope, { data: gateway.data, listen });
    expect(await contractor.json(['whoami'])).toMatchObject({ principal: 'demo/contractor' });
    expect((await contractor.json<{ id: string }[]>(['sessions'])).map(({ id }) => id)).toEqual(
      before.map(({ id }) => id),
    );
    expect(await contractor.cli(['exec', 'shop-db', '--', 'psql', '-XAtc', 'select 8'])).toMatchObject({
      status: 0,
      stdout: '8\n',
    });
    expect(await auditor.json(['log', 'verify'])).toMatchObject({ ok: true, problems: [] });
  });

  it('5: verification failed, for a log in which one byte was changed', async () => {
    gateway.signal('SIGTERM');
    await gateway.ended;
    const copy = join(scope.directory(), 'data');
    const verify = async (): Promise<ReturnType<typeof failure>> =>
      failure(await cli(scope.directory(), ['log', 'verify', '--data', copy, '--json']));
    cpSync(gateway.data, copy, { recursive: true });
    cpSync(`${gateway.data}.keys`, `${copy}.keys`, { recursive: true });
    expect(await verify()).toMatchObject({ status: 0 });
    // Partial tiles of before may still lie there; the log stands in the widest.
    const width = (path: string): number => Number(/\.p\/(\d+)$/.exec(path)?.[1] ?? 256);
    const [tile = ''] = filesBelow(copy)
      .filter((path) => /tile\/entries\//.test(path))
      .sort((a, b) => width(b) - width(a));
    expect(tile).not.toBe('');
    const original = readFileSync(tile);
    const changed = Buffer.from(original);
    changed[Math.floor(changed.length / 2)] = (changed[Math.floor(changed.length / 2)] ?? 0) ^ 1;
    writeFileSync(tile, changed);
    const found = await verify();
    expect(found.status).toBe(5);
    expect(VerifyReport.parse(JSON.parse(found.stdout))).toMatchObject({ ok: false });
    writeFileSync(tile, original);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  it('5: verification failed, for a recording in which one byte was changed', async () => {
    const recordings = filesBelow(gateway.data).filter((path) => path.includes(session));
    expect(recordings.length).toBeGreaterThan(0);
    const file = recordings[0] ?? '';
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    gateway = await startGateway(scope, { data: gateway.data, listen: new URL(gateway.url).host });
    const found = failure(await auditor.cli(['log', 'verify', '--json']));
    expect(found.status).toBe(5);
    expect(VerifyReport.parse(JSON.parse(found.stdout)).problems.length).toBeGreaterThan(0);
    expect(failure(await contractor.cli(['replay', session, '--json']))).toMatchObject({
      status: 5,
      code: 'verification-failed',
    });
  });
});
