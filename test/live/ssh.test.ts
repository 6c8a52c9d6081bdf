import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
import { createScope, type Outcome, run, until } from './processes.js';
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
}, 60_000);
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
