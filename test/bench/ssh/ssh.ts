import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addConnections,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from '../../live/harness.js';
import { createScope, type Environment, run, type Scope, start } from '../../live/processes.js';
import { type Sshd, startSshd } from '../../live/sshd.js';
import { type Cpu, type Pids, perGigabyte, watchCpu } from './cpu.js';

export interface SshWay {
  readonly name: string;
  /** MB/s. */
  readonly catDown: number;
  readonly catUp: number;
  readonly scpDown: number;
  readonly scpUp: number;
  readonly sftpDown: number;
  readonly sftpUp: number;
  /** From `ssh host true` to its end. */
  readonly setUpMs: number;
  /** A key at a terminal to its echo, ms. */
  readonly echo: { readonly p50: number; readonly p99: number };
  /** What the gateway, and its tunnel's process, used of a processor for cat down and up, without connecting: seconds a GB. */
  readonly cpu: { readonly down: Cpu; readonly up: Cpu };
}

/** Whom a way goes through, and what ssh has to know for it. */
interface Way {
  readonly name: string;
  readonly config: string;
  readonly host: string;
  readonly pids?: Pids;
  readonly env?: Environment;
}

export interface SshReport {
  readonly megabytes: number;
  readonly ways: readonly SshWay[];
  readonly memoryMb: number;
  readonly sessionKb: number;
}

type Options = { readonly quick: boolean; readonly say: (line: string) => void };

const policies = `${livePolicies}
@id("hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);
`;

/** OpenSSH's clients, direct, through a jump host, and through the gateway, one after the other in each round. */
export async function sshBench({ quick, say }: Options): Promise<SshReport> {
  const scope = createScope();
  try {
    const megabytes = quick ? 64 : 256;
    const sshd = await startSshd(scope);
    const file = join(sshd.directory, 'random');
    writeFileSync(file, randomBytes(megabytes * 1_000_000));
    const gateway = await startGateway(scope);
    const admin = await login(scope, gateway, 'admin');
    await addConnections(admin, [
      sshd.connection('host', { recording: { rows: 'none' } }),
      sshd.connection('recorded', { recording: { rows: 'all' } }),
      sshd.connection('masked', {
        recording: { rows: 'all' },
        masks: [{ detect: ['card', 'key'], with: 'redact' }],
      }),
    ]);
    await putPolicies(admin, policies);
    const engineer = await login(scope, gateway, 'engineer');
    const direct = directConfig(scope, sshd);
    const { pid } = gateway;
    const through = async (name: string, host: string): Promise<Way> => {
      const tunnel = await engineer.tunnel(host);
      const { config } = tunnel as unknown as { config: string };
      return { name, config, host, pids: { gateway: pid, tunnel: tunnel.running.pid } };
    };
    const tunnel = await through('tunnel and gateway', 'host');
    const ways: readonly Way[] = [
      { name: 'direct', config: direct, host: 'direct' },
      { name: 'ProxyJump', config: direct, host: 'jumped' },
      await listenerWay(scope, gateway, engineer),
      tunnel,
      await through('the same, output kept', 'recorded'),
      await through('the same, masked and kept', 'masked'),
    ];
    const memory = watchMemory(pid);
    const measured: SshWay[] = [];
    for (const way of ways) {
      say(way.name);
      measured.push(await measureWay({ way, file, megabytes, scope, quick }));
    }
    say('idle sessions');
    const sessionKb = await idleSessions(scope, tunnel.config, pid, quick ? 10 : 40);
    return { megabytes, ways: measured, memoryMb: memory.stop(), sessionKb };
  } finally {
    await scope.close();
  }
}

/** `direct` goes to the server, `jumped` to the same by itself. */
function directConfig(scope: Scope, { port, privateKey, user, hostKey }: Sshd): string {
  const directory = scope.directory();
  const [key, known, config] = ['key', 'known', 'config'].map((name) => join(directory, name));
  if (key === undefined || known === undefined || config === undefined)
    throw new Error('three files have three names');
  writeFileSync(key, privateKey, { mode: 0o600 });
  writeFileSync(known, `bench ${hostKey}\n`);
  const common = [
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${user}`,
    `  IdentityFile ${key}`,
    '  IdentitiesOnly yes',
    '  HostKeyAlias bench',
    `  UserKnownHostsFile ${known}`,
    '  Ciphers aes128-gcm@openssh.com',
  ];
  const lines = ['Host direct', ...common, 'Host jumped', ...common, '  ProxyJump direct'];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return config;
}

/** The gateway's own listener, with a handle as the password: what the gateway costs without a tunnel before it. */
async function listenerWay(scope: Scope, gateway: GatewayRun, person: Person): Promise<Way> {
  const directory = scope.directory();
  const { user, password } = await person.handle('host', '--sessions', '1000');
  const [address = '', port = ''] = gateway.listeners['ssh']?.split(':') ?? [];
  const askpass = join(directory, 'askpass');
  writeFileSync(askpass, '#!/bin/sh\nprintf "%s\\n" "$HANDLE"\n', { mode: 0o700 });
  const config = join(directory, 'config');
  const lines = [
    'Host listener',
    `  HostName ${address}`,
    `  Port ${port}`,
    `  User ${user}`,
    '  PreferredAuthentications password',
    '  StrictHostKeyChecking no',
    '  UserKnownHostsFile /dev/null',
    '  LogLevel ERROR',
    '  Ciphers aes128-gcm@openssh.com',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', HANDLE: password };
  return { name: 'the gateway’s listener', config, host: 'listener', pids: { gateway: gateway.pid }, env };
}

async function measureWay(input: {
  readonly way: Way;
  readonly file: string;
  readonly megabytes: number;
  readonly scope: Scope;
  readonly quick: boolean;
}): Promise<SshWay> {
  const { way, file, megabytes, scope, quick } = input;
  const { name, config, host, env = {} } = way;
  const ssh = `ssh -F ${config} ${host}`;
  const rate = async (command: string): Promise<number> => {
    const began = performance.now();
    const { status, stderr } = await run('sh', ['-c', command], { env, timeoutMs: 300_000 });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
    return (megabytes * 1000) / (performance.now() - began);
  };
  const timed = async (count: number, command: string): Promise<number> => {
    const began = performance.now();
    for (let each = 0; each < count; each += 1) await run('sh', ['-c', command], { env });
    return (performance.now() - began) / count;
  };
  const costing = async (command: string): Promise<{ readonly rate: number; readonly cpu: Cpu }> => {
    const connecting = watchCpu(way.pids);
    await timed(1, `${ssh} true`);
    const without = connecting();
    const all = watchCpu(way.pids);
    return { rate: await rate(command), cpu: perGigabyte(all(), without, megabytes) };
  };
  await timed(1, `${ssh} true`);
  const down = await costing(`${ssh} cat ${file} > /dev/null`);
  const up = await costing(`${ssh} 'cat > /dev/null' < ${file}`);
  return {
    name,
    catDown: down.rate,
    catUp: up.rate,
    scpDown: await rate(`scp -q -O -F ${config} ${host}:${file} /dev/null`),
    scpUp: await rate(`scp -q -O -F ${config} ${file} ${host}:/dev/null`),
    sftpDown: await rate(`scp -q -F ${config} ${host}:${file} /dev/null`),
    sftpUp: await rate(`scp -q -F ${config} ${file} ${host}:/dev/null`),
    setUpMs: await timed(quick ? 5 : 20, `${ssh} true`),
    echo: await echoes(scope, way, quick ? 200 : 1000),
    cpu: { down: down.cpu, up: up.cpu },
  };
}

/** A key, its echo, the next one: as somebody types, at a terminal in which nothing else happens. */
async function echoes(scope: Scope, { config, host, env = {} }: Way, count: number): Promise<SshWay['echo']> {
  const args = ['-F', config, '-tt', host, 'stty -icanon; echo ready; cat > /dev/null'];
  const running = start(scope, 'ssh', args, { env });
  await running.waitFor(/ready\r\n/);
  const times: number[] = [];
  for (let each = 0; each < count; each += 1) {
    const before = running.stdoutText().length;
    const began = performance.now();
    running.stdin.write('x');
    while (running.stdoutText().length === before) await new Promise((resolve) => setImmediate(resolve));
    times.push(performance.now() - began);
  }
  running.signal('SIGTERM');
  await running.ended;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

const residentKb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

function watchMemory(pid: number): { stop(): number } {
  let mostKb = 0;
  const timer = setInterval(() => {
    mostKb = Math.max(mostKb, residentKb(pid));
  }, 50);
  return {
    stop: () => {
      clearInterval(timer);
      return Math.round(mostKb / 1024);
    },
  };
}

async function idleSessions(scope: Scope, config: string, pid: number, count: number): Promise<number> {
  const open = async (): Promise<void> => {
    const running = start(scope, 'ssh', ['-F', config, '-tt', 'host', 'echo ready; cat']);
    await running.waitFor(/ready\r\n/);
  };
  await open();
  const before = residentKb(pid);
  for (let each = 0; each < count; each += 1) await open();
  return Math.round((residentKb(pid) - before) / count);
}
