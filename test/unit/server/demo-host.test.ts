import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel, type SFTPWrapper } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostIdentity } from '../../../gateway-core/proxy/ssh/host-identity.js';
import { startBuiltIn } from '../../../gateway-core/server/demo/host/built-in.js';
import { DemoHost } from '../../../gateway-core/server/demo/host/index.js';
import { builtInLimits } from '../../../gateway-core/server/demo/host/limits.js';
import type { RunningHost } from '../../../gateway-core/server/demo/host/running.js';
import { eventually } from '../../eventually.js';
import { randomOf, seedOfRun } from '../../sim/random.js';

/** The demo's own SSH server, and clients that mean no good. */
let directory = '';
let home = '';
let host: RunningHost;
let privateKey = '';
const clients: Client[] = [];

beforeEach(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'throughline-host-')));
  const { credential } = new DemoHost(directory).seed();
  privateKey = typeof credential?.privateKey === 'string' ? credential.privateKey : '';
  home = join(directory, 'home');
  host = await startBuiltIn(join(directory, 'host'), home);
});
afterEach(async () => {
  for (const each of clients.splice(0)) each.destroy();
  await host.stop();
  rmSync(directory, { recursive: true, force: true });
});

const port = (): number => Number(host.address.split(':')[1]);

async function connected(options: object = { privateKey }): Promise<Client> {
  const client = new ssh2.Client();
  clients.push(client);
  client.on('error', () => undefined);
  client.connect({ host: '127.0.0.1', port: port(), username: 'anybody', ...options });
  await Promise.race([
    once(client, 'ready'),
    once(client, 'close').then(() => Promise.reject(new Error('it closed'))),
  ]);
  return client;
}

function exec(client: Client, command: string, options: object = {}): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) =>
      error === undefined ? resolve(channel) : reject(error),
    );
  });
}

async function output(client: Client, command: string, options: object = {}): Promise<string> {
  const channel = await exec(client, command, options);
  let text = '';
  for await (const data of channel) text += String(data);
  return text;
}

const files = (client: Client): Promise<SFTPWrapper> =>
  new Promise((resolve, reject) => {
    client.sftp((error, sftp) => (error === undefined ? resolve(sftp) : reject(error)));
  });

/** The status with which a call fails, or 0. */
function status(call: (done: (error?: Error | null) => void) => void): Promise<number> {
  return new Promise((resolve) => call((error) => resolve((error as { code?: number } | null)?.code ?? 0)));
}

describe('who is let in', () => {
  it('is the gateway, with the key that it holds, and nobody else', async () => {
    expect(await output(await connected(), 'echo in')).toBe('in\n');
    const other = hostIdentity(randomBytes(32)).privateKey;
    for (const options of [
      { privateKey: other },
      { password: '' },
      { password: 'shop' },
      { authHandler: ['none'] },
      { privateKey: ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).private },
    ])
      await expect(connected(options)).rejects.toThrow();
  });

  it('comes from this machine only', () => {
    expect(host.address).toMatch(/^127\.0\.0\.1:\d+$/);
  });
});

describe('a client that asks for what there is not', () => {
  it('hears no to forwards, X11 and other subsystems, and is served on', async () => {
    const client = await connected();
    const fails = (begin: (done: (error?: Error | null) => void) => void): Promise<boolean> =>
      new Promise((resolve) => begin((error) => resolve(error !== undefined && error !== null)));
    expect(await fails((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', port(), done))).toBe(true);
    expect(await fails((done) => client.forwardIn('127.0.0.1', 0, done))).toBe(true);
    expect(await fails((done) => client.openssh_forwardOutStreamLocal('/tmp/x', done))).toBe(true);
    expect(await fails((done) => client.subsys('netconf', done))).toBe(true);
    expect(await fails((done) => client.exec('true', { x11: true }, done))).toBe(true);
    expect(await output(client, 'echo still here')).toBe('still here\n');
  });

  it('gets a bounded number of sessions', async () => {
    const client = await connected();
    const open = await Promise.allSettled(
      Array.from({ length: builtInLimits.sessionsMax + 5 }, () => exec(client, 'cat')),
    );
    expect(open.filter(({ status: how }) => how === 'fulfilled')).toHaveLength(builtInLimits.sessionsMax);
    const channels = open.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    await Promise.all(channels.map((each) => once(each.resume().end(), 'close')));
    expect(await output(client, 'echo again')).toBe('again\n');
  });

  it('cannot set what changes how programs run', async () => {
    const env = {
      LD_PRELOAD: '/x',
      PATH: '/x',
      BASH_ENV: '/x',
      HOME: '/x',
      LANG: 'C',
      THROUGHLINE_SESSION: 's',
    };
    const said = await output(await connected(), 'env', { env });
    expect(said).toContain('LANG=C\n');
    expect(said).toContain('THROUGHLINE_SESSION=s\n');
    expect(said).toContain(`HOME=${home}\n`);
    expect(said).not.toMatch(/=\/x$/m);
  });

  it('that says nonsense ends itself at most: the next one is served', async () => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    const number = (below: number): number => Math.floor(random() * below);
    for (let round = 0; round < 60; round += 1) {
      const client = await connected();
      const { _protocol: protocol } = client as unknown as { _protocol: Raw };
      // Requests that want no answer, of a channel in any state, and data for it.
      protocol.session(0, number(3) * 70_000, 1 + number(40_000));
      for (let step = 0; step < 12; step += 1) {
        const wantReply = random() < 0.5;
        const acts = [
          () => protocol.pty(0, number(70_000), number(70_000), 0, 0, 'x'.repeat(number(300)), {}, wantReply),
          () => protocol.env(0, 'x'.repeat(number(50)), 'y'.repeat(number(3000)), wantReply),
          () => protocol.windowChange(0, number(70_000), number(70_000), 0, 0),
          () => protocol.exec(0, 'cat', wantReply),
          () => protocol.shell(0, wantReply),
          () => protocol.subsystem(0, random() < 0.7 ? 'sftp' : 'other', wantReply),
          () => protocol.channelData(number(2), randomBytes(number(400))),
          () => protocol.channelEOF(0),
          () => protocol.channelClose(number(2)),
          () => protocol.signal(0, 'KILL'),
        ];
        acts[number(acts.length)]?.();
      }
      await new Promise((resolve) => setImmediate(resolve));
      client.destroy();
    }
    expect(await output(await connected(), 'echo here')).toBe('here\n');
  });
});

interface Raw {
  session(channel: number, window: number, packet: number): void;
  pty(...fields: unknown[]): void;
  env(...fields: unknown[]): void;
  windowChange(...fields: unknown[]): void;
  exec(channel: number, command: string, wantReply: boolean): void;
  shell(channel: number, wantReply: boolean): void;
  subsystem(channel: number, name: string, wantReply: boolean): void;
  channelData(channel: number, data: Buffer): void;
  channelEOF(channel: number): void;
  channelClose(channel: number): void;
  signal(channel: number, name: string): void;
}

describe('a terminal', () => {
  it('has the size of the client’s window, and follows it', async () => {
    const client = await connected();
    const shell = await new Promise<ClientChannel>((resolve, reject) => {
      client.shell({ term: 'xterm', cols: 101, rows: 31 }, (error, channel) =>
        error === undefined ? resolve(channel) : reject(error),
      );
    });
    let text = '';
    shell.on('data', (data: Buffer) => (text += data.toString()));
    shell.write('stty size\n');
    await eventually(() => expect(text).toMatch(/^31 101\r$/m));
    shell.setWindow(40, 120, 0, 0);
    // The size is set beside the shell: it is asked for until it is there.
    await eventually(() => {
      shell.write('stty size\n');
      expect(text).toMatch(/^40 120\r$/m);
    });
    shell.write('exit 3\n');
    const [code] = (await once(shell, 'exit')) as [number];
    expect(code).toBe(3);
  });
});

describe('files', () => {
  const denied = ssh2.utils.sftp.STATUS_CODE.PERMISSION_DENIED;

  it('are those of its folder: no path and no link leads out', async () => {
    writeFileSync(join(directory, 'secret'), 'secret');
    symlinkSync(join(directory, 'secret'), join(home, 'link'));
    symlinkSync(directory, join(home, 'way'));
    const sftp = await files(await connected());
    const outside = [
      '/etc/passwd',
      '../host/host_key',
      '../secret',
      'link',
      'way/secret',
      'way/new',
      '../new',
      '/',
      '..',
    ];
    for (const path of outside) {
      expect({ path, status: await status((done) => sftp.open(path, 'r', done)) }).toEqual({
        path,
        status: denied,
      });
      expect({ path, status: await status((done) => sftp.open(path, 'w', done)) }).toEqual({
        path,
        status: denied,
      });
      expect(await status((done) => sftp.stat(path, done))).toBe(denied);
      expect(await status((done) => sftp.setstat(path, { mode: 0o777 }, done))).toBe(denied);
      expect(await status((done) => sftp.opendir(path, done))).toBe(denied);
    }
    // Links themselves stand in the folder, and may go: what they lead to stays.
    for (const path of outside.filter((each) => each !== 'link')) {
      expect(await status((done) => sftp.unlink(path, done))).toBe(denied);
      expect(await status((done) => sftp.mkdir(path, done))).toBe(denied);
      expect(await status((done) => sftp.rename(path, 'here', done))).toBe(denied);
      expect(await status((done) => sftp.symlink(path, 'here', done))).toBe(denied);
    }
    expect(readFileSync(join(directory, 'secret'), 'utf8')).toBe('secret');
    expect(existsSync(join(directory, 'new'))).toBe(false);
  });

  it('are written, read back, listed, renamed and removed', async () => {
    const sftp = await files(await connected());
    const content = randomBytes(300_000);
    const done = (call: Parameters<typeof status>[0]): Promise<void> =>
      status(call).then((code) => expect(code).toBe(0));
    await done((end) => sftp.writeFile('a', content, end));
    await done((end) => sftp.mkdir('d', end));
    await done((end) => sftp.rename('a', 'd/b', end));
    await done((end) => sftp.chmod('d/b', 0o640, end));
    const read = await new Promise<Buffer>((resolve, reject) =>
      sftp.readFile('d/b', (error, data) => (error === undefined ? resolve(data) : reject(error))),
    );
    expect(read.equals(content)).toBe(true);
    const names = await new Promise<string[]>((resolve) =>
      sftp.readdir('d', (_error, list) => resolve(list.map(({ filename }) => filename))),
    );
    expect(names).toEqual(['b']);
    await done((end) => sftp.unlink('d/b', end));
    await done((end) => sftp.rmdir('d', end));
    expect(await status((end) => sftp.stat('d/b', end))).toBe(ssh2.utils.sftp.STATUS_CODE.NO_SUCH_FILE);
  });

  it('are open in bounded number', async () => {
    writeFileSync(join(home, 'f'), 'x');
    const sftp = await files(await connected());
    const codes = await Promise.all(
      Array.from({ length: builtInLimits.handlesMax + 10 }, () =>
        status((done) => sftp.open('f', 'r', done)),
      ),
    );
    expect(codes.filter((code) => code !== 0).length).toBeGreaterThanOrEqual(10);
  });
});
