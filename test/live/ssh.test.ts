import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionDetail } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, freePort, type Outcome, run, start, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** OpenSSH's own clients and what stands on them, through the gateway to OpenSSH's own server. */
const scope = createScope();
let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;

const sshPolicies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);

@id("no-shadow")
@message("the shadow file is closed")
forbid (principal, action == Action::"ssh:sftp", resource) when { context.file.path == "/etc/shadow" && context.file.operation == "read" };

@id("no-discard")
@message("port 9 is closed")
forbid (principal, action == Action::"ssh:forward", resource) when { context.forward.port == 9 };

@id("contractors-run-nothing")
@message("contractors may not run commands here")
forbid (principal in Group::"contractors", action == Action::"ssh:exec", resource);
`;

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + sshPolicies);
  engineer = await login(scope, gateway, 'engineer');
});
afterAll(() => scope.close());

const tunnels = new Map<Person, Promise<string>>();

/** Runs ssh, scp, sftp, rsync or git through a tunnel of this person that stays. */
async function through(person: Person, args: readonly string[], input?: string): Promise<Outcome> {
  const opened = tunnels.get(person) ?? configOf(person);
  tunnels.set(person, opened);
  const config = await opened;
  const [program = 'ssh', ...rest] = args;
  const ssh = `ssh -F ${config}`;
  const before = ['ssh', 'scp', 'sftp'].includes(program) ? ['-F', config] : [];
  const env = { GIT_SSH_COMMAND: ssh, RSYNC_RSH: ssh };
  return run(program, [...before, ...rest], {
    env,
    timeoutMs: 60_000,
    ...(input === undefined ? {} : { input }),
  });
}

async function configOf(person: Person): Promise<string> {
  const place = (await person.tunnel('host')) as unknown as { readonly config: string };
  return place.config;
}

/** The latest session of a person that has ended. */
async function lastSession(person: Person): Promise<SessionDetail> {
  return until('the session has ended', async () => {
    const sessions = await person.json<{ id: string; state: string; startedAt: string }[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    if (latest?.state !== 'ended') return undefined;
    return person.json<SessionDetail>(['sessions', 'show', latest.id]);
  });
}

async function replayOf(person: Person): Promise<unknown> {
  const { id } = await lastSession(person);
  return person.json(['replay', id]).catch(async () => (await person.cli(['replay', id, '--json'])).stdout);
}

describe('ssh', () => {
  it('runs a command: output, errors and exit status are the target’s', async () => {
    const { stdout, stderr, status } = await through(engineer, [
      'ssh',
      'host',
      'echo out; echo err >&2; exit 7',
    ]);
    expect({ stdout, stderr, status }).toEqual({ stdout: 'out\n', stderr: 'err\n', status: 7 });
    const session = await lastSession(engineer);
    expect(session).toMatchObject({ protocol: 'ssh', connection: 'host', endCause: 'client' });
    expect(session.statements).toMatchObject([
      { command: 'exec', text: 'echo out; echo err >&2; exit 7', decision: 'allowed', error: 'exit-7' },
    ]);
  });

  it('takes input to its end, however late the judgement', async () => {
    const text = randomBytes(3_000_000).toString('base64');
    const { stdout, status } = await through(engineer, ['ssh', 'host', 'sha256sum'], text);
    expect(status).toBe(0);
    expect(stdout).toContain(createHash('sha256').update(text).digest('hex'));
  });

  it('gives a terminal with the size that was asked for', async () => {
    const { stdout } = await through(engineer, ['ssh', '-tt', 'host', 'stty size; tty']);
    expect(stdout).toContain('/dev/pts/');
  });

  it('tells the target who is there, where it takes it', async () => {
    const { stdout } = await through(engineer, [
      'ssh',
      'host',
      'echo $THROUGHLINE_PRINCIPAL $THROUGHLINE_SESSION',
    ]);
    expect(stdout).toMatch(/engineer\S* ses_\w+\n/);
  });
});

describe('files', () => {
  const content = randomBytes(5_000_000);
  const place = (name: string): string => join(sshd.directory, name);
  const same = (path: string): boolean => readFileSync(path).equals(content);

  it('scp copies both ways, in both of its ways', async () => {
    const file = join(scope.directory(), 'file');
    writeFileSync(file, content);
    for (const [way, flags] of [
      ['sftp', []],
      ['scp', ['-O']],
    ] as const) {
      expect(await through(engineer, ['scp', '-q', ...flags, file, `host:${place(way)}`])).toMatchObject({
        status: 0,
      });
      expect(same(place(way))).toBe(true);
      const back = `${file}.${way}`;
      expect(await through(engineer, ['scp', '-q', ...flags, `host:${place(way)}`, back])).toMatchObject({
        status: 0,
      });
      expect(same(back)).toBe(true);
    }
  });

  it('scp may leave out where it begins: the home directory is asked for once, and judged', async () => {
    const file = join(scope.directory(), 'file');
    writeFileSync(file, content);
    const name = `throughline-test-${randomBytes(6).toString('hex')}`;
    const there = join(userInfo().homedir, name);
    scope.onClose(() => rmSync(there, { force: true }));
    expect(await through(engineer, ['scp', '-q', file, `host:${name}`])).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(same(there)).toBe(true);
    expect(await through(engineer, ['scp', '-q', `host:${name}`, `${file}.back`])).toMatchObject({
      status: 0,
    });
    expect(same(`${file}.back`)).toBe(true);
    const { statements } = await lastSession(engineer);
    expect(statements).toContainEqual(expect.objectContaining({ command: 'sftp read', text: there }));
    const escape = await through(engineer, ['scp', '-q', 'host:../../../../../etc/shadow', '/dev/null']);
    expect(escape.status).toBe(1);
    expect((await lastSession(engineer)).statements).toContainEqual(
      expect.objectContaining({ decision: 'denied', text: '/etc/shadow' }),
    );
  });

  it('sftp runs a script', async () => {
    const file = join(scope.directory(), 'file');
    writeFileSync(file, content);
    const script = [
      `put ${file} ${place('put')}`,
      `ls -l ${place('put')}`,
      `get ${place('put')} ${file}.back`,
      `rename ${place('put')} ${place('moved')}`,
    ];
    const { status } = await through(engineer, ['sftp', '-q', '-b', '-', 'host'], `${script.join('\n')}\n`);
    expect(status).toBe(0);
    expect(same(`${file}.back`)).toBe(true);
    expect(existsSync(place('moved'))).toBe(true);
  });

  it('rsync sends and fetches a tree', async () => {
    const tree = scope.directory();
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    writeFileSync(join(tree, 'a/b/c'), content);
    expect(await through(engineer, ['rsync', '-a', `${tree}/`, `host:${place('tree')}/`])).toMatchObject({
      status: 0,
    });
    expect(same(place('tree/a/b/c'))).toBe(true);
    const back = scope.directory();
    expect(await through(engineer, ['rsync', '-a', `host:${place('tree')}/`, `${back}/`])).toMatchObject({
      status: 0,
    });
    expect(same(join(back, 'a/b/c'))).toBe(true);
  });

  it('git clones and pushes', async () => {
    const bare = place('repository.git');
    await run('git', ['init', '-q', '--bare', '-b', 'main', bare]);
    const work = scope.directory();
    const clone = await through(engineer, ['git', 'clone', '-q', `ssh://host${bare}`, join(work, 'clone')]);
    expect(clone.status).toBe(0);
    const at = ['-C', join(work, 'clone'), '-c', 'user.name=x', '-c', 'user.email=x@example.com'];
    await run('git', [...at, 'commit', '-q', '--allow-empty', '-m', 'one']);
    expect(await through(engineer, ['git', ...at, 'push', '-q', 'origin', 'HEAD:main'])).toMatchObject({
      status: 0,
    });
  });
});

describe('what is kept of files', () => {
  it('is each of them with path, size and hash, and every change to a name', async () => {
    const content = randomBytes(700_000);
    const file = join(scope.directory(), 'file');
    writeFileSync(file, content);
    const there = join(sshd.directory, 'noted');
    const script = [
      `put ${file} ${there}`,
      `get ${there} ${file}.back`,
      `rename ${there} ${there}2`,
      `rm ${there}2`,
    ];
    await through(engineer, ['sftp', '-q', '-b', '-', 'host'], `${script.join('\n')}\n`);
    const { statements } = await lastSession(engineer);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const kept = statements.map(({ command, text, bytes, error }) => ({ command, text, bytes, error }));
    expect(kept).toContainEqual({ command: 'sftp write', text: there, bytes: 700_000, error: undefined });
    expect(kept).toContainEqual({ command: 'sftp read', text: there, bytes: 700_000, error: undefined });
    expect(kept).toContainEqual({
      command: 'sftp rename write',
      text: `${there} -> ${there}2`,
      bytes: 0,
      error: undefined,
    });
    expect(kept).toContainEqual({ command: 'sftp remove', text: `${there}2`, bytes: 0, error: undefined });
    expect(JSON.stringify(await replayOf(engineer))).toContain(sha256);
  });

  it('is a refusal where policy closes a path, and the target never hears of it', async () => {
    const script = ['get /etc/shadow', 'ls /etc/ssh', `get ${join(sshd.directory, 'user_key.pub')}`].map(
      (line) => `-${line}`,
    );
    const { stderr } = await through(engineer, ['sftp', '-q', '-b', '-', 'host'], `${script.join('\n')}\n`);
    expect(stderr).toContain('Permission denied');
    const { statements } = await lastSession(engineer);
    expect(statements).toContainEqual(expect.objectContaining({ decision: 'denied', text: '/etc/shadow' }));
    expect(statements).toContainEqual(expect.objectContaining({ decision: 'allowed', text: '/etc/ssh' }));
  });
});

describe('forwards', () => {
  /** Answers everybody with what they sent, in capitals. */
  async function shouting(path?: string): Promise<number> {
    const server = createServer((socket) =>
      socket.on('data', (data) => socket.write(data.toString().toUpperCase())),
    );
    await new Promise<void>((resolve) =>
      path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
    );
    scope.onClose(() => void server.close());
    return path === undefined ? (server.address() as AddressInfo).port : 0;
  }

  async function ask(target: number | string): Promise<string> {
    const socket = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target);
    socket.write('hello');
    const [data] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return data.toString();
  }

  /** `ssh -N` with these options; ends with the scope. */
  async function forwarding(...options: string[]): Promise<void> {
    const config = await configOf(engineer);
    const running = start(scope, 'ssh', [
      '-F',
      config,
      '-v',
      '-N',
      '-o',
      'ExitOnForwardFailure=yes',
      ...options,
      'host',
    ]);
    await until('the forward stands', () =>
      /Entering interactive session|remote forward success|pledge/.test(running.stderrText())
        ? true
        : undefined,
    );
  }

  it('lead from here to a port and to a unix socket at the target', async () => {
    const port = await shouting();
    const path = join(sshd.directory, 'unix');
    await shouting(path);
    const local = join(scope.directory(), 'local');
    const near = await freePort();
    await forwarding('-L', `${near}:127.0.0.1:${port}`, '-L', `${local}:${path}`);
    expect(await until('it answers', () => ask(near).catch(() => undefined))).toBe('HELLO');
    expect(await ask(local)).toBe('HELLO');
  });

  it('lead from the target to here', async () => {
    const port = await shouting();
    const far = await freePort();
    await forwarding('-R', `${far}:127.0.0.1:${port}`);
    expect(await until('it answers', () => ask(far).catch(() => undefined))).toBe('HELLO');
  });

  it('serve as SOCKS, and -W joins standard input', async () => {
    const port = await shouting();
    const { stdout } = await through(engineer, ['ssh', '-W', `127.0.0.1:${port}`, 'host'], 'hi');
    expect(stdout).toBe('HI');
  });

  it('end where policy or the gateway says no, and the target dials nobody', async () => {
    for (const place of ['169.254.169.254:80', '[fe80::1]:22', '0xa9fea9fe:80', '127.0.0.1:9']) {
      const { status, stderr } = await through(engineer, ['ssh', '-W', place, 'host'], '');
      expect({ place, status }).toEqual({ place, status: 255 });
      expect(stderr).toContain(place.endsWith(':9') ? 'port 9 is closed' : 'link-local');
    }
  });
});

describe('one connection for several sessions', () => {
  it('is shared by ControlMaster', async () => {
    const socket = join(scope.directory(), 'control');
    const shared = ['-o', 'ControlMaster=auto', '-o', `ControlPath=${socket}`, '-o', 'ControlPersist=30'];
    expect(await through(engineer, ['ssh', ...shared, 'host', 'echo one'])).toMatchObject({
      stdout: 'one\n',
    });
    const [two, three] = await Promise.all([
      through(engineer, ['ssh', ...shared, 'host', 'echo two']),
      through(engineer, ['ssh', ...shared, 'host', 'sleep 0.2; echo three']),
    ]);
    expect([two.stdout, three.stdout]).toEqual(['two\n', 'three\n']);
    await through(engineer, ['ssh', ...shared, '-O', 'exit', 'host']);
    expect((await lastSession(engineer)).statements.map(({ text }) => text).sort()).toEqual([
      'echo one',
      'echo two',
      'sleep 0.2; echo three',
    ]);
  });
});

describe('a denial', () => {
  it('says why, and the command does not run', async () => {
    const contractor = await login(scope, gateway, 'contractor');
    const marker = join(sshd.directory, 'ran');
    const { status, stderr } = await through(contractor, ['ssh', 'host', `touch ${marker}`]);
    expect({ status, stderr }).toEqual({
      status: 126,
      stderr: expect.stringContaining('throughline: denied: contractors may not run commands here') as string,
    });
    expect(existsSync(marker)).toBe(false);
    expect((await lastSession(contractor)).statements).toMatchObject([
      { decision: 'denied', text: `touch ${marker}` },
    ]);
  });
});

describe('throughline exec', () => {
  it('gives a program an ssh that knows the way, also to programs that look in folders of their own first', async () => {
    const line = 'PATH=/usr/lib/git-core:$PATH; ssh host "echo there"; echo pwd | sftp -q -b - host';
    const { stdout, status } = await engineer.cli(['exec', 'host', '--', 'sh', '-c', line]);
    expect(stdout).toMatch(/^there\n[^]*Remote working directory/);
    expect(status).toBe(0);
  });
});

describe('a handle', () => {
  it('opens the gateway’s own listener as a password', async () => {
    const handle = await engineer.json<{ user: string; password: string }>(['handle', 'host']);
    const askpass = join(scope.directory(), 'askpass');
    writeFileSync(askpass, '#!/bin/sh\nprintf "%s\\n" "$HANDLE"\n', { mode: 0o700 });
    const [host = '', port = ''] = gateway.listeners['ssh']?.split(':') ?? [];
    const options = [
      '-p',
      port,
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-q',
    ];
    const knock = (user: string, password: string): Promise<Outcome> =>
      run('ssh', [...options, `${user}@${host}`, 'echo in'], {
        env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', HANDLE: password },
      });
    expect(await knock(handle.user, handle.password)).toMatchObject({ status: 0, stdout: 'in\n' });
    expect(await knock(handle.user.replace('host+', ''), handle.password)).toMatchObject({
      status: 0,
      stdout: 'in\n',
    });
    expect(await knock(handle.user, `${handle.password}x`)).toMatchObject({ status: 255, stdout: '' });
    expect(await knock(handle.user.replace('host', 'other'), handle.password)).toMatchObject({
      status: 255,
      stdout: '',
    });
    expect(handle.password.length).toBeLessThanOrEqual(64);
  });
});
