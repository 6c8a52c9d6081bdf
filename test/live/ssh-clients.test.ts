import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from './harness.js';
import { createScope, freePort, type Outcome, type Running, run, start, until } from './processes.js';
import { kept, type SshStack, startSshStack } from './ssh-stack.js';
import { type Sshd, startSshd } from './sshd.js';

/** Clients that make more of ssh than one command: jumps, SOCKS, shared connections, trees of files, remote editors. */
const scope = createScope();
let sshd: Sshd;
/** Beyond the host: reached through it only. */
let inner: Sshd;
let engineer: Person;
let contractor: Person;
let flags: SshStack['flags'];

beforeAll(async () => {
  let stack: SshStack;
  [stack, inner] = await Promise.all([startSshStack(scope), startSshd(scope)]);
  ({ sshd, engineer, contractor, flags } = stack);
});
afterAll(() => scope.close());

const ssh = (person: Person, args: readonly string[], input = ''): Promise<Outcome> =>
  run('ssh', [...flags(person), ...args], { input });

/** ssh in the background, up to the point where its forwards stand. */
async function forwarding(person: Person, ...options: string[]): Promise<Running> {
  const args = [...flags(person), '-v', '-N', '-o', 'ExitOnForwardFailure=yes', ...options, 'host'];
  const running = start(scope, 'ssh', args);
  await running.waitFor(/Entering interactive session/);
  return running;
}

/**
 * OpenSSH 9.2 looks for signals, then waits with poll(2): one that comes in between is heard when something else happens
 * (measured: once in 27 times right behind a refusal).
 */
async function end(running: Running): Promise<void> {
  running.signal('SIGTERM');
  const again = setInterval(() => running.signal('SIGTERM'), 250);
  await running.ended;
  clearInterval(again);
}

/** Answers everybody with what they sent, in capitals. */
async function shouting(listen: (server: Server) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => socket.write(data.toString().toUpperCase()));
  });
  listen(server);
  await once(server, 'listening');
  scope.onClose(() => void server.close());
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function ask(socket: Socket): Promise<string> {
  socket.write('hello');
  const data = await next(socket);
  socket.destroy();
  return data.toString();
}

/** What comes next; rejects when the socket closes before. */
function next(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it closed without a word')));
  });
}

/** RFC 1928: no authentication, CONNECT to a name. Rejects when the proxy says no. */
async function throughSocks(proxyPort: number, host: string, port: number): Promise<Socket> {
  const socket = connect(proxyPort, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(Buffer.from([5, 1, 0]));
  await next(socket);
  const name = Buffer.from(host);
  socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, portBytes(port)]));
  const answer = await next(socket);
  if (answer[1] !== 0) throw new Error(`SOCKS says ${answer[1]}`);
  return socket;
}

/** OpenSSH may have said yes before it hears no: then the socket ends without an answer. Rejects either way. */
async function refusedBySocks(proxyPort: number, port: number): Promise<string> {
  return ask(await throughSocks(proxyPort, '127.0.0.1', port));
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

describe('a SOCKS forward', () => {
  it('reaches what the host reaches, each place an event of its own', async () => {
    const one = portOf(await shouting((server) => server.listen(0, '127.0.0.1')));
    const two = portOf(await shouting((server) => server.listen(0, '127.0.0.1')));
    const near = await freePort();
    const running = await forwarding(engineer, '-D', `${near}`);
    expect(await ask(await throughSocks(near, '127.0.0.1', one))).toBe('HELLO');
    expect(await ask(await throughSocks(near, 'localhost', two))).toBe('HELLO');
    await end(running);
    const texts = (await kept(engineer)).map(({ text }) => text).join('\n');
    expect(texts).toContain(`127.0.0.1:${one}`);
    expect(texts).toContain(`localhost:${two}`);
  });

  it('reaches nothing where policy forbids, and the target dials nobody', async () => {
    let dialled = 0;
    const server = await shouting((each) => each.listen(0, '127.0.0.1'));
    server.on('connection', () => (dialled += 1));
    const near = await freePort();
    const running = await forwarding(contractor, '-D', `${near}`);
    await expect(refusedBySocks(near, portOf(server))).rejects.toThrow();
    await end(running);
    expect(dialled).toBe(0);
    expect(await kept(contractor)).toMatchObject([
      { decision: 'denied', text: expect.stringContaining(`127.0.0.1:${portOf(server)}`) as string },
    ]);
  });
});

describe('forwards of unix sockets', () => {
  it('lead both ways', async () => {
    const far = join(sshd.directory, 'far');
    const near = join(scope.directory(), 'near');
    await shouting((server) => server.listen(near));
    const running = await forwarding(engineer, '-R', `${far}:${near}`);
    await until('it listens at the host', () => (existsSync(far) ? true : undefined));
    expect(await ask(connect(far))).toBe('HELLO');
    const back = join(scope.directory(), 'back');
    const second = await forwarding(engineer, '-L', `${back}:${far}`);
    // Through both of them: out to the host, and back to the socket here.
    expect(await ask(connect(back))).toBe('HELLO');
    for (const each of [second, running]) {
      await end(each);
    }
  });
});

/** What leads `ssh` to the inner host, whoever brings it there. */
function toInner(): string[] {
  const known = join(inner.directory, 'known_hosts');
  const key = join(inner.directory, 'user_key');
  writeFileSync(known, `[127.0.0.1]:${inner.port} ${inner.hostKey}\n`);
  const options = [`UserKnownHostsFile=${known}`, 'GlobalKnownHostsFile=/dev/null', `IdentityFile=${key}`];
  return [...options.flatMap((option) => ['-o', option]), '-p', `${inner.port}`];
}

describe('ProxyJump', () => {
  it('reaches a host behind the host, with that host’s own keys; the gateway sees a forward', async () => {
    const place = `${inner.user}@127.0.0.1`;
    const { stdout, status } = await ssh(engineer, [
      '-J',
      'host',
      ...toInner(),
      place,
      'echo $SSH_CONNECTION',
    ]);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining(`${inner.port}`) as string,
    });
    expect(await kept(engineer)).toMatchObject([
      // The jump may be cut off by the ssh that it served: that is how it ends.
      {
        command: 'forward local',
        text: `127.0.0.1:${inner.port}`,
        decision: expect.stringMatching(/^(allowed|interrupted)$/) as string,
      },
    ]);
  });

  it('ends at the host where policy forbids forwards, with the reason', async () => {
    const place = `${inner.user}@127.0.0.1`;
    const { stderr, status } = await ssh(contractor, ['-J', 'host', ...toInner(), place, 'true']);
    expect(status).toBe(255);
    expect(stderr).toContain('contractors reach no further than the host');
    expect(await kept(contractor)).toMatchObject([{ decision: 'denied', text: `127.0.0.1:${inner.port}` }]);
  });

  it('is the same by hand: ProxyCommand with -W', async () => {
    const command = `ProxyCommand=ssh ${flags(engineer).join(' ')} -W %h:%p host`;
    const { stdout } = await run('ssh', [
      '-F',
      'none',
      '-o',
      command,
      ...toInner(),
      `${inner.user}@127.0.0.1`,
      'echo in',
    ]);
    expect(stdout).toBe('in\n');
  });
});

describe('a shared connection', () => {
  it('carries a terminal, commands, files and a forward at once, each judged by itself', async () => {
    const control = join(scope.directory(), 'control');
    const master = start(scope, 'ssh', [...flags(engineer), '-M', '-S', control, '-tt', 'host']);
    await until('the master listens', () => (existsSync(control) ? true : undefined));
    const shared = ['-o', `ControlPath=${control}`];
    const server = await shouting((each) => each.listen(0, '127.0.0.1'));
    const near = await freePort();
    const forward = ['-O', 'forward', '-L', `${near}:127.0.0.1:${portOf(server)}`, 'host'];
    expect(await ssh(engineer, [...shared, ...forward])).toMatchObject({ status: 0 });
    const file = join(scope.directory(), 'file');
    writeFileSync(file, 'x'.repeat(100_000));
    const copy = join(sshd.directory, 'copy');
    const [one, two, put, answer] = await Promise.all([
      ssh(engineer, [...shared, 'host', 'sleep 0.1; echo one']),
      ssh(engineer, [...shared, 'host', 'cat'], 'two'),
      run('scp', ['-q', ...flags(engineer), ...shared, file, `host:${copy}`]),
      ask(connect(near, '127.0.0.1')),
    ]);
    expect([one.stdout, two.stdout, put.status, answer]).toEqual(['one\n', 'two', 0, 'HELLO']);
    expect(readFileSync(copy, 'utf8')).toHaveLength(100_000);
    master.stdin.write('exit\n');
    await master.ended;
    const commands = (await kept(engineer)).map(({ command }) => command);
    expect(commands).toEqual(expect.arrayContaining(['shell', 'exec', 'sftp write', 'forward local']));
  });
});

describe('clients that begin with a key or a password of their own', () => {
  it.each([
    ['a key', { privateKey: () => sshd.privateKey, authHandler: ['publickey'] }],
    ['a password', { password: () => 'whatever', authHandler: ['password'] }],
  ])('are in by their tunnel all the same: %s', async (_what, { authHandler, ...secret }) => {
    const { host, port } = await engineer.tunnel('host');
    const client = new ssh2.Client();
    scope.onClose(() => void client.destroy());
    const secrets = Object.fromEntries(Object.entries(secret).map(([name, value]) => [name, value()]));
    const methods = authHandler as ('publickey' | 'password')[];
    client.connect({ host, port, username: 'host', authHandler: methods, ...secrets });
    await once(client, 'ready');
    const said = await new Promise<string>((resolve, reject) => {
      client.exec('echo in', (error, channel) => {
        if (error !== undefined) return reject(error);
        let text = '';
        channel.on('data', (data: Buffer) => (text += data.toString()));
        return channel.on('close', () => resolve(text));
      });
    });
    expect(said).toBe('in\n');
    client.end();
    expect(await kept(engineer)).toMatchObject([{ text: 'echo in', decision: 'allowed' }]);
  });
});

describe('a tree of files', () => {
  it('goes there and back by scp -r, from where the account begins, and from ~', async () => {
    const name = `throughline-test-${randomBytes(6).toString('hex')}`;
    scope.onClose(() => rmSync(join(userInfo().homedir, name), { recursive: true, force: true }));
    const tree = scope.directory();
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    for (const file of ['a/one', 'a/b/two']) writeFileSync(join(tree, file), file.repeat(10_000));
    const scp = (...args: string[]): Promise<Outcome> =>
      run('scp', ['-q', '-r', ...flags(engineer), ...args]);
    expect(await scp(join(tree, 'a'), `host:${name}`)).toMatchObject({ status: 0, stderr: '' });
    for (const [at, from] of [name, `~/${name}`, `./${name}/.`].entries()) {
      const back = join(tree, `back${at}`);
      expect(await scp(`host:${from}`, back)).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(join(back, 'b/two'), 'utf8')).toBe('a/b/two'.repeat(10_000));
    }
  });
});

describe('a remote editor', () => {
  /** A server for one editor: says where it listens, then answers over HTTP. Ends with its standard input. */
  const program = `
    const http = require('node:http');
    const server = http.createServer((request, response) => response.end('editor ' + request.url));
    const place = process.argv[2] === undefined ? [0, '127.0.0.1'] : [process.argv[2]];
    server.listen(...place, () => console.log('listeningOn==' + (server.address().port ?? server.address()) + '=='));
    setTimeout(() => process.exit(), 120000);
  `;

  /** What is fed to \`bash\` on the other side: puts the server there, starts it beside itself, and stays. */
  const installation = (directory: string, place = ''): string =>
    [
      'set -e',
      `mkdir -p ${directory}`,
      `cat > ${directory}/server.cjs <<'END_OF_SERVER'`,
      program,
      'END_OF_SERVER',
      `"${process.execPath}" ${directory}/server.cjs ${place} > ${directory}/log 2>&1 < /dev/null &`,
      `echo $! > ${directory}/pid`,
      `until grep -q listeningOn ${directory}/log; do sleep 0.05; done`,
      'echo "start of output"; uname -s; echo "exitCode==0=="',
      `cat ${directory}/log`,
      '',
    ].join('\n');

  const endServer = (directory: string): void => {
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
    scope.onClose(() => {
      process.kill(pid, 'SIGKILL');
    });
  };

  const options = ['-o', 'ConnectTimeout=15', '-o', 'RemoteCommand=none', '-o', 'BatchMode=yes'];

  it('installs its server by a script on standard input, and reaches it through SOCKS on the same connection', async () => {
    const near = await freePort();
    const directory = join(sshd.directory, 'editor');
    const running = start(scope, 'ssh', [
      ...flags(engineer),
      '-T',
      '-D',
      `${near}`,
      ...options,
      'host',
      'bash',
    ]);
    running.stdin.write(installation(directory));
    const [, port = ''] = await running.waitFor(/exitCode==0==[^]*listeningOn==(\d+)==/);
    endServer(directory);
    const socket = await throughSocks(near, '127.0.0.1', Number(port));
    socket.write('GET /version HTTP/1.1\r\nHost: editor\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const data of socket) text += String(data);
    expect(text).toMatch(/200 OK[^]*editor \/version/);
    running.stdin.end();
    expect(await running.ended).toMatchObject({ status: 0 });
    expect(await kept(engineer)).toMatchObject([
      { command: 'exec', text: 'bash', decision: 'allowed' },
      { command: 'forward local', text: `127.0.0.1:${port}`, decision: 'allowed' },
    ]);
  });

  it('reaches a server that listens on a unix socket', async () => {
    const directory = join(sshd.directory, 'socket-editor');
    const path = join(directory, 'socket');
    const installed = await ssh(engineer, ['-T', ...options, 'host', 'bash'], installation(directory, path));
    endServer(directory);
    expect(installed).toMatchObject({ status: 0, stdout: expect.stringContaining(path) as string });
    const near = await freePort();
    const running = await forwarding(engineer, '-L', `${near}:${path}`);
    const answer = await fetch(`http://127.0.0.1:${near}/socket`);
    expect(await answer.text()).toBe('editor /socket');
    await end(running);
  });

  it('that may run its script and may not forward is told so, and its server stays alone', async () => {
    const server = createHttpServer((_request, response) => response.end('reached')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.onClose(() => void server.close());
    const near = await freePort();
    const running = start(scope, 'ssh', [
      ...flags(contractor),
      '-T',
      '-D',
      `${near}`,
      ...options,
      'host',
      'bash',
    ]);
    running.stdin.write('echo ready\n');
    await running.waitFor(/ready/);
    await expect(refusedBySocks(near, portOf(server))).rejects.toThrow();
    running.stdin.end('exit 0\n');
    expect(await running.ended).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('contractors reach no further than the host') as string,
    });
  });
});
