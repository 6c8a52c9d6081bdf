import { createHash, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2, { type Client, type ParsedKey } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import { sshBytes } from '../../gateway-core/codec/ssh/wire.js';
import type { SessionDetail } from '../../gateway-core/contract/api.js';
import { sshKeyStatement } from '../../gateway-core/contract/ssh-key.js';
import { logged } from './audit-log.js';
import {
  addConnections,
  cliProgram,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { contentOf, filesBelow } from './leaks.js';
import { createScope, type Outcome, type Running, run, start, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** OpenSSH at the gateway's own listener, with the key of a device that is signed in. */
const scope = createScope();
let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;

const policies = `${livePolicies}
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);

@id("contractors-run")
permit (principal in Group::"contractors", action == Action::"ssh:exec", resource);

@id("known-programs-only")
@message("this host is for programs that are known")
forbid (principal, action, resource in Label::"strict=yes")
when { context.chain.lineage == "unattributed" };
`;

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [
    sshd.connection('host'),
    sshd.connection('other'),
    sshd.connection('strict', { labels: { strict: 'yes' } }),
  ]);
  await putPolicies(admin, policies);
  engineer = await login(scope, gateway, 'engineer');
});
afterAll(() => scope.close());

interface NativePlace {
  readonly config: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly fingerprint: string;
  readonly knownHosts: readonly string[];
  readonly running: Running;
}

async function native(person: Person, connection = 'host'): Promise<NativePlace> {
  const place = await person.tunnel(connection, '--native');
  return place as unknown as NativePlace;
}

const ssh = (place: NativePlace, ...args: string[]): Promise<Outcome> =>
  run('ssh', ['-F', place.config, '-o', 'BatchMode=yes', ...args]);

/** The latest session of a person that has ended. */
async function lastSession(person: Person): Promise<SessionDetail> {
  return until('the session has ended', async () => {
    const sessions = await person.json<SessionDetail[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    return latest?.state === 'ended'
      ? person.json<SessionDetail>(['sessions', 'show', latest.id])
      : undefined;
  });
}

describe('a device’s key', () => {
  it('opens its connection at the gateway’s own listener, in the name of its person', async () => {
    const place = await native(engineer);
    expect(`${place.host}:${place.port}`).toBe(gateway.listeners['ssh']);
    expect(await ssh(place, 'host', 'echo in')).toMatchObject({ status: 0, stdout: 'in\n' });
    const session = await lastSession(engineer);
    expect(session).toMatchObject({
      via: 'native',
      chain: [{ id: 'demo/engineer', kind: 'person', assurance: 'proven' }],
      statements: [{ text: 'echo in', decision: 'allowed' }],
    });
    expect(session.chain).toHaveLength(1);
    const file = join(scope.directory(), 'file');
    writeFileSync(file, 'content');
    for (const flags of [[], ['-O']]) {
      const copy = join(sshd.directory, `copy${flags.join('')}`);
      const copied = await run('scp', ['-q', '-F', place.config, ...flags, file, `host:${copy}`]);
      expect(copied).toMatchObject({ status: 0 });
      expect(readFileSync(copy, 'utf8')).toBe('content');
    }
  });

  it('is checked with the gateway’s key, which is given for other tools, too', async () => {
    const place = await native(engineer);
    const known = join(scope.directory(), 'known_hosts');
    const options = (lines: readonly string[]): string[] => {
      writeFileSync(known, `${lines.join('\n')}\n`);
      return ['-o', `UserKnownHostsFile=${known}`, '-o', 'HostKeyAlias=none'];
    };
    const alias = (line: string): string => `none ${line.split(' ').slice(1).join(' ')}`;
    expect(await ssh(place, ...options(place.knownHosts.map(alias)), 'host', 'echo in')).toMatchObject({
      stdout: 'in\n',
    });
    expect(await ssh(place, ...options([`none ${sshd.hostKey}`]), 'host', 'echo in')).toMatchObject({
      status: 255,
      stdout: '',
    });
  });

  it('is in no file, and its agent signs for nobody else', async () => {
    const place = await native(engineer);
    for (const path of filesBelow(engineer.home)) expect(contentOf(path).includes('PRIVATE KEY')).toBe(false);
    const { stderr, status } = await ssh(place, '-l', 'other', 'host', 'echo in');
    expect(status).toBe(255);
    expect(stderr).toMatch(/agent refused|signing failed/);
    const config = readFileSync(place.config, 'utf8');
    const agent = /IdentityAgent "(.+)"/.exec(config)?.[1] ?? '';
    const env = { SSH_AUTH_SOCK: agent };
    expect((await run('ssh-add', ['-l'], { env })).stdout).toContain(place.fingerprint);
    const key = join(scope.directory(), 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    expect((await run('ssh-add', [key], { env })).status).not.toBe(0);
    expect((await run('ssh-add', ['-D'], { env })).status).not.toBe(0);
    expect(await ssh(place, 'host', 'echo in')).toMatchObject({ stdout: 'in\n' });
  });

  it('is not used by what runs as an agent: that has a way of its own', async () => {
    const place = await native(engineer);
    const below = ['run', '--agent', 'helper', '--', 'ssh', '-F', place.config, '-o', 'BatchMode=yes'];
    const { status, stdout, stderr } = await engineer.cli([...below, 'host', 'echo in']);
    expect({ status, stdout }).toEqual({ status: 255, stdout: '' });
    expect(stderr).toMatch(/agent refused|signing failed/);
    // One that the person started, and that nobody minted anything for, is known by its name.
    const claude = join(scope.directory(), 'claude');
    const words = JSON.stringify(['-F', place.config, '-o', 'BatchMode=yes', 'host', 'echo in']);
    const script = `require('node:child_process').spawnSync('ssh', ${words}, { stdio: 'inherit' }).status`;
    writeFileSync(
      claude,
      `#!${process.execPath}
process.exitCode = ${script};
`,
      { mode: 0o755 },
    );
    expect(await run(claude, [])).toMatchObject({ status: 255, stdout: '' });
    expect(await ssh(place, 'host', 'echo in')).toMatchObject({ stdout: 'in\n' });
  });

  it('is over with the command that made it', async () => {
    const place = await native(engineer);
    const agent = /IdentityAgent "(.+)"/.exec(readFileSync(place.config, 'utf8'))?.[1] ?? '';
    expect(existsSync(agent)).toBe(true);
    place.running.signal('SIGTERM');
    await place.running.ended;
    expect(existsSync(agent)).toBe(false);
    expect(await ssh(place, 'host', 'echo in')).toMatchObject({ status: 255, stdout: '' });
  });

  it('of one command is not taken along when another ends, and what a killed one leaves is removed', async () => {
    const [first, second] = [await native(engineer), await native(engineer)];
    first.running.signal('SIGTERM');
    await first.running.ended;
    expect(await ssh(second, 'host', 'echo in')).toMatchObject({ stdout: 'in\n' });
    second.running.signal('SIGKILL');
    await second.running.ended;
    expect(await ssh(second, 'host', 'echo in')).toMatchObject({ status: 255 });
    const left = (): number =>
      readdirSync(join(engineer.home, 'client', 'ssh')).filter((name) => name.endsWith('.agent')).length;
    const before = left();
    const third = await native(engineer);
    expect(left()).toBe(before);
    expect(await ssh(third, 'host', 'echo in')).toMatchObject({ stdout: 'in\n' });
  });

  it('lets nobody in where policy wants programs that are known, and says so', async () => {
    const place = await native(engineer, 'strict');
    const { status, stderr } = await ssh(place, 'strict', 'echo in');
    expect(status).toBe(255);
    expect(stderr).toContain('this host is for programs that are known');
  });

  it('is not for agents, nor for what does not speak SSH', async () => {
    const run1 = ['run', '--agent', 'helper', '--', process.execPath, cliProgram];
    const asked = await engineer.cli([...run1, 'connect', 'host', '--native', '--json']);
    expect(asked).toMatchObject({ status: 4 });
    expect(asked.stderr).toContain('an agent cannot register an SSH key');
    const database = await engineer.cli(['connect', 'shop-db', '--native', '--json']);
    expect(database).toMatchObject({ status: 2 });
  });
});

describe('a sign-in that ends', () => {
  it.each([
    ['the person leaves', (person: Person) => person.cli(['logout'])],
    ['the device is revoked', (_person: Person, device: string) => revoked('device', device)],
    ['the person is revoked', () => revoked('principal', 'demo/contractor')],
  ])('ends what runs, and its key opens nothing: %s', async (_how, end) => {
    const person = await login(scope, gateway, 'contractor');
    const { deviceKey } = await person.json<{ deviceKey: string }>(['whoami']);
    const place = await native(person);
    const running = start(scope, 'ssh', ['-F', place.config, 'host', 'echo begun; sleep 600']);
    await running.waitFor(/begun/);
    expect((await end(person, deviceKey)).status).toBe(0);
    expect((await running.ended).status).toBe(255);
    expect(await ssh(place, 'host', 'echo in')).toMatchObject({ status: 255, stdout: '' });
  });

  async function revoked(kind: string, id: string): Promise<Outcome> {
    return admin.cli(['revoke', kind, id, '--reason', 'test', '--json']);
  }
});

interface Key {
  readonly publicKey: string;
  readonly blob: Buffer;
  readonly sign: (data: Buffer) => Buffer;
}

function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const x = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = sshBytes('ssh-ed25519', x);
  const sign = (data: Buffer): Buffer => signWith(null, data, privateKey);
  return { publicKey: `ssh-ed25519 ${blob.toString('base64')}`, blob, sign };
}

const idOf = ({ blob }: Key): string => createHash('sha256').update(blob).digest('base64url');

/** Registers a key as a device does. */
async function registered(person: Person, key: Key): Promise<Key> {
  const to = await person.gateway();
  const { issuer } = await api.gateway(to);
  const statement = sshKeyStatement({
    issuer,
    deviceKey: to.deviceKey,
    connection: 'host',
    publicKey: key.publicKey,
  });
  const proof = key.sign(Buffer.from(statement)).toString('base64');
  await api.registerSshKey(to, { connection: 'host', publicKey: key.publicKey, proof });
  return key;
}

interface Knock {
  /** What came of it. */
  readonly result: 'in' | 'refused';
  /** How often the server wanted a signature: that is, said that the key would do. */
  readonly wanted: number;
}

/** One attempt with a key by the package's own client; `sign` may lie. */
async function knock(
  user: string,
  key: Pick<Key, 'blob'>,
  sign: (data: Buffer) => Buffer,
  type = 'ssh-ed25519',
): Promise<Knock> {
  let wanted = 0;
  class Liar extends ssh2.BaseAgent {
    override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
      const parsed = ssh2.utils.parseKey(`${type} ${key.blob.toString('base64')}`);
      callback(null, parsed instanceof Error ? [] : [parsed]);
    }
    override sign(_key: unknown, data: Buffer, ...rest: unknown[]): void {
      wanted += 1;
      const callback = rest.find((each) => typeof each === 'function') as (
        error: null,
        signature: Buffer,
      ) => void;
      callback(null, sign(data));
    }
  }
  const client = new ssh2.Client();
  const [host = '', port = ''] = gateway.listeners['ssh']?.split(':') ?? [];
  const result = await new Promise<Knock['result']>((resolve) => {
    client.on('ready', () => resolve('in'));
    client.on('error', () => resolve('refused'));
    client.on('close', () => resolve('refused'));
    client.connect({
      host,
      port: Number(port),
      username: user,
      agent: new Liar(),
      authHandler: ['agent'],
    });
  });
  client.destroy();
  return { result, wanted };
}

describe('somebody at the listener without the right key', () => {
  it('is not let in by another’s, an unknown or a taken-back key, by another name, or by a wrong signature', async () => {
    const key = await registered(engineer, newKey());
    const unknown = newKey();
    expect(await knock('host', key, key.sign)).toEqual({ result: 'in', wanted: 1 });
    const gone = await registered(engineer, newKey());
    await api.removeSshKey(await engineer.gateway(), idOf(gone));
    const wrong: readonly [string, Key, (data: Buffer) => Buffer][] = [
      ['host', unknown, unknown.sign],
      ['host', gone, gone.sign],
      ['host', key, unknown.sign],
      ['host', key, () => Buffer.alloc(64)],
      ['host', key, () => Buffer.alloc(0)],
      ['host', key, (data) => key.sign(data.subarray(1))],
      ['other', key, key.sign],
      ['HOST', key, key.sign],
      ['host ', key, key.sign],
      ['', key, key.sign],
    ];
    for (const [user, which, sign] of wrong)
      expect({ user, ...(await knock(user, which, sign)) }).toMatchObject({ user, result: 'refused' });
  });

  it('cannot use a signature again, nor one for another session', async () => {
    const key = await registered(engineer, newKey());
    let seen: Buffer | undefined;
    await knock('host', key, (data) => (seen = key.sign(data)));
    const used = seen ?? Buffer.alloc(0);
    expect(used).toHaveLength(64);
    expect(await knock('host', key, () => used)).toMatchObject({ result: 'refused' });
    const otherSession = (data: Buffer): Buffer => {
      const changed = Buffer.from(data);
      changed[4] = (changed[4] ?? 0) ^ 1;
      return key.sign(changed);
    };
    expect(await knock('host', key, otherSession)).toMatchObject({ result: 'refused' });
  });

  it('learns of no key and no name whether it is known', async () => {
    const key = await registered(engineer, newKey());
    const lies = (): Buffer => Buffer.alloc(64);
    const answers = await Promise.all([
      knock('host', key, lies),
      knock('host', newKey(), lies),
      knock('no-such-host', key, lies),
      knock('no-such-host', newKey(), lies),
    ]);
    for (const answer of answers) expect(answer).toEqual({ result: 'refused', wanted: 1 });
    // A handle has a password, and no other kind of key is ever right: that depends on nothing that is known here.
    expect(await knock('host+dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X', key, lies)).toMatchObject({ wanted: 0 });
  });

  it('is not in by a question without a signature: what comes next is cut off', async () => {
    const key = await registered(engineer, newKey());
    const outcome = await questionThenChannel(key);
    expect(outcome).toEqual({ question: 'would do', channel: 'cut off' });
  });

  it('is in the log: one line a socket, however many keys its agent has', async () => {
    const user = 'nobody-of-ours';
    const keys = await Promise.all(
      ['one', 'two', 'three'].map(async (name) => {
        const path = join(scope.directory(), name);
        await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
        return ['-i', path];
      }),
    );
    const [host = '', port = ''] = gateway.listeners['ssh']?.split(':') ?? [];
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
    const flags = [...options.flatMap((option) => ['-o', option]), ...keys.flat(), '-p', port];
    const { status, stderr } = await run('ssh', ['-F', 'none', '-v', ...flags, `${user}@${host}`, 'true']);
    expect(status).toBe(255);
    expect(stderr.match(/Server accepts key/g)).toHaveLength(3);
    // What is registered now comes behind whatever that has left.
    const { fingerprint } = await native(engineer);
    const all = await until('the log is that far', () => {
      const found = logged(gateway);
      return found.some((event) => event['fingerprint'] === fingerprint) ? found : undefined;
    });
    const about = all.filter(({ connection }) => connection === user);
    expect(about).toMatchObject([{ kind: 'session.refused', code: 'handle-invalid' }]);
  });
});

/** The package's own half, which says whatever it is told to. */
function protocolOf(client: Client): { session(...fields: readonly number[]): void } {
  // oxlint-disable-next-line no-underscore-dangle -- the package's own name
  return (client as unknown as { _protocol: ReturnType<typeof protocolOf> })._protocol;
}

/** A client that asks whether its key would do, and goes on as if it were in. */
async function questionThenChannel(key: Key): Promise<{ question: string; channel: string }> {
  const client = new ssh2.Client();
  const [host = '', port = ''] = gateway.listeners['ssh']?.split(':') ?? [];
  let question = 'refused';
  class Asking extends ssh2.BaseAgent {
    override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
      const parsed = ssh2.utils.parseKey(key.publicKey);
      callback(null, parsed instanceof Error ? [] : [parsed]);
    }
    override sign(): void {
      question = 'would do';
      protocolOf(client).session(0, 1024 * 1024, 32 * 1024);
    }
  }
  let open = false;
  const channel = await new Promise<string>((resolve) => {
    client.on('ready', () => (open = true));
    client.on('error', () => resolve('cut off'));
    client.on('close', () => resolve('cut off'));
    client.connect({
      host,
      port: Number(port),
      username: 'host',
      agent: new Asking(),
      authHandler: ['agent'],
    });
  });
  client.destroy();
  return { question, channel: open ? 'open' : channel };
}

describe('the log', () => {
  it('says who registered a key, who used it and that it was taken back', async () => {
    const place = await native(engineer);
    await ssh(place, 'host', 'true');
    place.running.signal('SIGTERM');
    await place.running.ended;
    const about = await until('all of it is there', () => {
      const found = logged(gateway).filter((event) => event['fingerprint'] === place.fingerprint);
      return found.length >= 3 ? found : undefined;
    });
    expect(about).toMatchObject([
      { kind: 'ssh-key.registered', principal: 'demo/engineer', connection: 'host' },
      { kind: 'ssh-key.used', principal: 'demo/engineer', connection: 'host', from: '127.0.0.1' },
      { kind: 'ssh-key.removed', principal: 'demo/engineer' },
    ]);
  });
});
