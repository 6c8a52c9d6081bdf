import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeGateway, startFakeGateway } from '../agent/fake-gateway.js';
import { onLinux, remove, temporaryHome } from '../agent/support.js';
import { type Built, build, type Ended, node } from './built.js';

let fake: FakeGateway;
let built: Built;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  [built, fake] = await Promise.all([build('cli-process'), startFakeGateway()]);
  ({ home, env } = await temporaryHome());
  const login = [
    'login',
    '--gateway',
    fake.url,
    '--demo-user',
    'contractor',
    '--demo-secret',
    fake.secretFile,
  ];
  expect(await throughline(login)).toMatchObject({ status: 0 });
});
afterAll(async () => {
  await fake.kill();
  await Promise.all([fake.directory, home, built.directory].map(remove));
});
beforeEach(() => {
  fake.behaviour.stream = (stream) => stream.pipe(stream);
});

function throughline(
  argv: readonly string[],
  more: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Ended> {
  return node([built.bin, ...argv], { ...more, env: { ...env, ...more.env } });
}

/** A program for `exec`: node with a line of code. */
const program = (code: string): string[] => ['--', process.execPath, '-e', code];

describe('the program', () => {
  test('that is not built says so in one sentence', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throughline-unbuilt-'));
    const bin = join(directory, 'gateway-core', 'cli', 'throughline.mjs');
    await mkdir(dirname(bin), { recursive: true });
    await copyFile(built.bin, bin);
    const ran = await node([bin, 'whoami']);
    expect(ran).toEqual({
      status: 1,
      out: '',
      err: 'throughline: the program is not built yet; run `npm run build` first\n',
    });
    await remove(directory);
  });

  test('prints help and version on stdout, loading neither client nor server', async () => {
    const help = await throughline(['--help']);
    expect(help).toMatchObject({ status: 0, err: '' });
    for (const word of ['up', 'login', 'connections', 'exec', 'replay', 'completion'])
      expect(help.out).toContain(word);
    expect(help.out).not.toContain('__complete');
    const { version } = JSON.parse(await readFile(join(built.directory, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await throughline(['--version'])).toEqual({ status: 0, out: `${version}\n`, err: '' });
  });

  test('ends quietly when its reader has seen enough', async () => {
    const child = spawn('sh', ['-c', `"${process.execPath}" "${built.bin}" --help | true`], {
      env: { ...process.env, ...env },
    });
    expect(await text(child.stderr)).toBe('');
  });
});

describe('exec', () => {
  test('gives the program the environment of its tunnel, and nothing that leads elsewhere', async () => {
    const ran = await throughline(
      ['exec', 'shop-db', ...program('console.log(JSON.stringify(process.env))')],
      {
        env: {
          PGPASSWORD: 'secret',
          PGSERVICE: 'other',
          PGHOSTADDR: '10.0.0.1',
          PGAPPNAME: 'mine',
          PGSSLMODE: 'verify-full',
        },
      },
    );
    const seen = JSON.parse(ran.out) as Record<string, string>;
    expect(seen).toMatchObject({
      PGHOST: '127.0.0.1',
      PGUSER: 'contractor',
      PGDATABASE: 'shop',
      PGSSLMODE: 'disable',
      PGAPPNAME: 'mine',
    });
    expect(Number(seen['PGPORT'])).toBeGreaterThan(0);
    for (const name of ['PGPASSWORD', 'PGSERVICE', 'PGHOSTADDR']) expect(seen).not.toHaveProperty(name);
    for (const token of fake.tokens) expect(ran.out).not.toContain(token);
  });

  test('passes standard input, output and error through', async () => {
    const code = "process.stdin.pipe(process.stdout); process.stderr.write('err')";
    const ran = await throughline(['exec', 'shop-db', ...program(code)], { stdin: 'through' });
    expect(ran).toMatchObject({ status: 0, out: 'through', err: 'err' });
  });

  test('ends with the status of the program, 128 and more for a signal', async () => {
    expect(await throughline(['exec', 'shop-db', ...program('process.exit(3)')])).toMatchObject({
      status: 3,
    });
    const killed = await throughline(['exec', 'shop-db', ...program("process.kill(process.pid, 'SIGKILL')")]);
    expect(killed.status).toBe(137);
  });

  test('hands signals on and waits for what the program makes of them', async () => {
    const code =
      "process.on('SIGTERM', () => process.exit(7)); setInterval(() => 0, 1e6); console.log('ready')";
    const child = spawn(process.execPath, [built.bin, 'exec', 'shop-db', ...program(code)], {
      env: { ...process.env, ...env },
    });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([7, null]);
  });

  test('the tunnel works inside, carries bytes both ways, and is gone afterwards', async () => {
    const code = `const s = require('node:net').connect(process.env.PGPORT, process.env.PGHOST);
      s.end('hello'); s.pipe(process.stdout); console.error(process.env.PGPORT)`;
    const ran = await throughline(['exec', 'shop-db', ...program(code)]);
    expect(ran).toMatchObject({ status: 0, out: 'hello' });
    const socket = connect(Number(ran.err), '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  test('options behind -- belong to the program', async () => {
    const ran = await throughline(['exec', 'shop-db', '--', process.execPath, '-p', '"--json --help"']);
    expect(ran).toMatchObject({ status: 0, out: '--json --help\n' });
  });
});

describe('connect', () => {
  test('prints one JSON line once it listens, serves, and ends with status 0 on an interrupt', async () => {
    const child = spawn(process.execPath, [built.bin, 'connect', 'shop-db', '--json'], {
      env: { ...process.env, ...env },
    });
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await once(reader, 'line');
    const ready = JSON.parse(lines[0] ?? '') as { host: string; port: number; command: string };
    expect(ready).toMatchObject({
      connection: 'shop-db',
      protocol: 'postgres',
      host: '127.0.0.1',
      user: 'contractor',
      database: 'shop',
      command: `psql "host=127.0.0.1 port=${ready.port} user=contractor dbname=shop"`,
    });
    const socket = connect(ready.port, ready.host);
    socket.end('ping');
    expect(await text(socket)).toBe('ping');
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(lines).toHaveLength(1);
  });

  test('takes the port of last time again, and another one when that is taken', async () => {
    const ports: number[] = [];
    const serve = async (): Promise<ReturnType<typeof spawn>> => {
      const child = spawn(process.execPath, [built.bin, 'connect', 'shop-db', '--json'], {
        env: { ...process.env, ...env },
      });
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      ports.push((JSON.parse(line) as { port: number }).port);
      return child;
    };
    const first = await serve();
    const second = await serve();
    for (const child of [first, second]) {
      child.kill('SIGINT');
      await once(child, 'close');
    }
    const third = await serve();
    third.kill('SIGINT');
    await once(third, 'close');
    expect(ports[1]).not.toBe(ports[0]);
    expect(ports[2]).toBe(ports[1]);
  });
});

describe('several processes', () => {
  test('that need a new ticket at once use each refresh token once', async () => {
    fake.behaviour.refreshDelayMs = 100;
    Object.assign(fake.refreshes, { used: 0, reused: 0 });
    fake.endTickets();
    const ran = await Promise.all(Array.from({ length: 4 }, () => throughline(['whoami', '--json'])));
    fake.behaviour.refreshDelayMs = 0;
    expect(ran.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    expect(fake.refreshes).toEqual({ used: 1, reused: 0 });
  });

  test('a process that is killed while it renews does not lock the others out', async () => {
    fake.behaviour.refreshDelayMs = 60_000;
    fake.endTickets();
    const child = spawn(process.execPath, [built.bin, 'whoami'], { env: { ...process.env, ...env } });
    const before = fake.requests.length;
    while (!fake.requests.slice(before).includes('POST /oauth/token'))
      await new Promise((done) => setTimeout(done, 20));
    child.kill('SIGKILL');
    await once(child, 'close');
    fake.behaviour.refreshDelayMs = 0;
    // Whether the refresh token was used is the gateway's to say: what matters here is that somebody asks it.
    const ran = await throughline(['whoami']);
    expect([0, 3]).toContain(ran.status);
    const login = [
      'login',
      '--gateway',
      fake.url,
      '--demo-user',
      'contractor',
      '--demo-secret',
      fake.secretFile,
    ];
    expect(await throughline(login)).toMatchObject({ status: 0 });
  });
});

describe('the keyring', () => {
  async function ask(bus: string, timeoutMs: number): Promise<unknown> {
    const code = `import { systemKeyring } from ${JSON.stringify(built.module('gateway-core/agent/client/keyring.js'))};
      const ask = systemKeyring({ ...process.env, DBUS_SESSION_BUS_ADDRESS: ${JSON.stringify(bus)} }, ${timeoutMs});
      console.log(JSON.stringify(await ask({ kind: 'get', account: 'test' })));`;
    const script = join(built.directory, 'ask.mjs');
    await writeFile(script, code);
    return JSON.parse((await node([script])).out) as unknown;
  }

  test('behind a bus that never answers is given up on in time', async () => {
    const path = join(home, 'bus');
    const bus = createServer(() => undefined).listen(path);
    await once(bus, 'listening');
    expect(await ask(`unix:path=${path}`, 700)).toEqual({ ok: false, reason: 'the keyring did not answer' });
    bus.close();
  });

  test('behind a bus that does not exist is none', async () => {
    expect(await ask('unix:path=/no/such/bus', 10_000)).toMatchObject({ ok: false });
  });

  onLinux?.('is not asked where there is no session bus', async () => {
    expect(await ask('', 10_000)).toEqual({ ok: false, reason: 'no session bus' });
  });
});

describe('secrets', () => {
  test('stand in no argument and no environment of a running tunnel or its program', async () => {
    const code = "console.log('ready'); setInterval(() => 0, 1e6)";
    const child = spawn(process.execPath, [built.bin, 'exec', 'shop-db', ...program(code)], {
      env: { ...process.env, ...env },
    });
    await once(child.stdout, 'data');
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '');
    for (const pid of [String(child.pid), ...children.trim().split(' ')].filter(Boolean)) {
      for (const file of ['cmdline', 'environ']) {
        const bytes = await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
        for (const token of [...fake.tokens, fake.secret]) expect(bytes).not.toContain(token);
      }
    }
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  test('the sign-in files are for their owner only, whatever the umask', async () => {
    for (const path of ['client', 'client-key', 'client/settings.json', 'client-key/seal.key']) {
      expect((await stat(join(home, path))).mode & 0o077).toBe(0);
    }
  });
});
