import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addConnections,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from '../../live/harness.js';
import { createScope, run, type Scope, start } from '../../live/processes.js';
import { type Sshd, startSshd } from '../../live/sshd.js';

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
    const through = async (person: Person, name: string): Promise<string> =>
      ((await person.tunnel(name)) as unknown as { config: string }).config;
    const ways: readonly (readonly [string, string, string])[] = [
      ['direct', direct, 'direct'],
      ['ProxyJump', direct, 'jumped'],
      ['gateway', await through(engineer, 'host'), 'host'],
      ['gateway, output kept', await through(engineer, 'recorded'), 'recorded'],
      ['gateway, masked and kept', await through(engineer, 'masked'), 'masked'],
    ];
    const memory = watchMemory(gateway.pid);
    const measured: SshWay[] = [];
    for (const [name, config, host] of ways) {
      say(name);
      measured.push(await measureWay({ name, config, host, file, megabytes, scope, quick }));
    }
    say('idle sessions');
    const sessionKb = await idleSessions(scope, ways[2]?.[1] ?? '', gateway.pid, quick ? 10 : 40);
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

async function measureWay(input: {
  readonly name: string;
  readonly config: string;
  readonly host: string;
  readonly file: string;
  readonly megabytes: number;
  readonly scope: Scope;
  readonly quick: boolean;
}): Promise<SshWay> {
  const { name, config, host, file, megabytes, scope, quick } = input;
  const ssh = `ssh -F ${config} ${host}`;
  const rate = async (command: string): Promise<number> => {
    const began = performance.now();
    const { status, stderr } = await run('sh', ['-c', command], { timeoutMs: 300_000 });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
    return (megabytes * 1000) / (performance.now() - began);
  };
  const timed = async (count: number, command: string): Promise<number> => {
    const began = performance.now();
    for (let each = 0; each < count; each += 1) await run('sh', ['-c', command], {});
    return (performance.now() - began) / count;
  };
  await timed(1, `${ssh} true`);
  return {
    name,
    catDown: await rate(`${ssh} cat ${file} > /dev/null`),
    catUp: await rate(`${ssh} 'cat > /dev/null' < ${file}`),
    scpDown: await rate(`scp -q -O -F ${config} ${host}:${file} /dev/null`),
    scpUp: await rate(`scp -q -O -F ${config} ${file} ${host}:/dev/null`),
    sftpDown: await rate(`scp -q -F ${config} ${host}:${file} /dev/null`),
    sftpUp: await rate(`scp -q -F ${config} ${file} ${host}:/dev/null`),
    setUpMs: await timed(quick ? 5 : 20, `${ssh} true`),
    echo: await echoes(scope, config, host, quick ? 200 : 1000),
  };
}

/** A key, its echo, the next one: as somebody types, at a terminal in which nothing else happens. */
async function echoes(scope: Scope, config: string, host: string, count: number): Promise<SshWay['echo']> {
  const running = start(scope, 'ssh', [
    '-F',
    config,
    '-tt',
    host,
    'stty -icanon; echo ready; cat > /dev/null',
  ]);
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
