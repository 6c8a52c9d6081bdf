import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import ssh2, { type Client } from 'ssh2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SessionDetail } from '../../gateway-core/contract/api.js';
import { addConnections, livePolicies, login, type Person, putPolicies, startGateway } from './harness.js';
import { createScope } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** Somebody who may run `ls`, `echo`, `[` and `printf`, read below one folder and forward to one port, and wants more than that. */
const scope = createScope();
let sshd: Sshd;
let admin: Person;
let attacker: Person;
let allowedPort = 0;
let forbiddenPort = 0;
let reached = 0;
let marker = '';

const policies = (folder: string): string => `${livePolicies}
@id("attackers-run-few-programs")
permit (principal in Group::"contractors", action == Action::"ssh:exec", resource)
when {
  context.command.unknown.isEmpty() && context.command.writes.isEmpty() && !context.command.writesUnknown &&
  ["ls", "echo", "[", "printf"].containsAll(context.command.programs)
};
@id("attackers-read-one-folder")
permit (principal in Group::"contractors", action == Action::"ssh:sftp", resource)
when { context.file.path like "${folder}/open/*" && ["read", "list", "stat"].contains(context.file.operation) };
@id("attackers-forward-to-one-port")
permit (principal in Group::"contractors", action == Action::"ssh:forward", resource)
when { context.forward.direction == "local" && context.forward.port == ${allowedPort} };
@id("attackers-reach-sockets-of-one-folder")
permit (principal in Group::"contractors", action == Action::"ssh:forward", resource)
when { context.forward.port == 0 && context.forward.host like "${folder}/open/*" };
@id("attackers-connect")
permit (principal in Group::"contractors", action == Action::"connect", resource);
`;

async function listening(hit: () => void): Promise<number> {
  const server = createServer((socket) => {
    hit();
    socket.end('there');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.onClose(() => void server.close());
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  allowedPort = await listening(() => undefined);
  forbiddenPort = await listening(() => {
    reached += 1;
  });
  const [host, gateway] = await Promise.all([
    startSshd(scope, ['PermitUserEnvironment yes', 'AcceptEnv *']),
    startGateway(scope),
  ]);
  sshd = host;
  marker = join(sshd.directory, 'reached');
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, policies(sshd.directory));
  attacker = await login(scope, gateway, 'contractor');
});
afterAll(() => scope.close());
beforeEach(() => rmSync(marker, { force: true }));

/** The package's own client, which says what it is told to, on a stream of the attacker's. */
async function connected(): Promise<Client> {
  const gateway = await attacker.gateway();
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  const ready = once(client, 'ready');
  client.connect({
    sock: await gateway.openStream('host'),
    username: 'host',
    authHandler: ['none'],
    strictVendor: false,
  });
  await ready;
  scope.onClose(() => void client.end());
  return client;
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

function exec(client: Client, command: string, options: object = {}): Promise<Answer> {
  return new Promise((resolve) => {
    client.exec(command, options, (error, stream) => {
      if (error !== undefined) return resolve({ status: undefined, text: error.message });
      let text = '';
      let status: number | undefined;
      stream.on('data', (data: Buffer) => (text += data.toString()));
      stream.stderr.on('data', (data: Buffer) => (text += data.toString()));
      stream.on('exit', (code: number | null) => (status = code ?? undefined));
      stream.on('close', () => resolve({ status, text }));
      stream.end();
    });
  });
}

/** Ways to run `touch MARKER` where only `ls`, `echo`, `[` and `printf` may run. */
const evasions: readonly string[] = [
  'touch M',
  '/usr/bin/touch M',
  'ls; touch M',
  'ls && touch M',
  'ls || touch M',
  'false || touch M',
  'ls & touch M',
  'ls | touch M',
  'ls\ntouch M',
  'echo $(touch M)',
  'echo `touch M`',
  'echo "$(touch M)"',
  'echo ${x:-$(touch M)}',
  'echo $((`touch M`0))',
  'ls <(touch M)',
  'echo > M',
  'echo >> M',
  'echo 2> M',
  'ls &> M',
  'echo x >| M',
  't\\ouch M',
  "t'o'uch M",
  '"touch" M',
  "$'\\x74ouch' M",
  'a=touch; $a M',
  'a=tou; ${a}ch M',
  '{touch,M}',
  '/usr/bin/t?uch M',
  'eval touch M',
  'eval "to""uch M"',
  'sh -c "touch M"',
  "bash -c 'touch M'",
  'echo touch M | sh',
  'sh <<< "touch M"',
  'sh <<X\ntouch M\nX',
  'exec touch M',
  'command touch M',
  'env touch M',
  'env -S "touch M"',
  'nohup touch M',
  'timeout 5 touch M',
  'nice touch M',
  'xargs touch M',
  'echo M | xargs touch',
  'find /tmp -maxdepth 0 -exec touch M ;',
  'find /tmp -maxdepth 0 -exec touch M \\;',
  'sudo touch M',
  'ls() { touch M; }; ls',
  'function ls { touch M; }; ls',
  'alias ls="touch M"; ls',
  'trap "touch M" EXIT',
  '. /dev/stdin <<X\ntouch M\nX',
  'source <(echo touch M)',
  "python3 -c \"open('M','w')\"",
  'perl -e "open(F,\'>M\')"',
  'awk \'BEGIN{system("touch M")}\'',
  "sed -n '1e touch M' /etc/passwd",
  'vim -c "!touch M" -c q',
  'tar cf /dev/null --checkpoint=1 --checkpoint-action=exec="touch M" /etc/hostname',
  'git -c core.pager="touch M" --paginate log',
  'PATH=/tmp:$PATH ls; touch M',
  'LD_PRELOAD=/tmp/x.so ls; touch M',
  'case x in x) touch M;; esac',
  'for i in 1; do touch M; done',
  'while touch M; do break; done',
  'if touch M; then ls; fi',
  '(touch M)',
  '{ touch M; }',
  'coproc touch M',
  '! touch M',
  'time touch M',
  'cp /etc/hostname M',
  'tee M',
  'dd if=/dev/null of=M',
  'ln -s x M',
  'mkdir M',
  'install /dev/null M',
  'base64 -d <<< dG91Y2ggTQ== | sh',
  'echo dG91Y2ggTQo= | base64 -d | sh',
  'ls\r\ntouch M',
  'scp -t M',
  'rsync --server . M',
  'sftp-server',
  'internal-sftp; touch M',
  "OPTIND='PWD[$(touch M)]'",
  "a='PWD[$(touch M)]'; OPTIND=a",
  "LINES='PWD[$(touch M)]' ls",
  'a=-v; b=\'PWD[$(touch M)]\'; [ "$a" "$b" ]',
  "a='-v PWD[$(touch M)]'; [ $a ]",
  "printf %d 'PWD[$(touch M)]'",
  "echo 'a\\' 'b; touch M #'",
  'sh -c \'ls "a\\\\\\"; touch M #"\'',
  'ls >| touch',
  "x='PWD[$(touch M)]'; ls $PWD[x]",
  'echo "\u4e2d\\"; touch M; #"',
  '\u00e9=ls touch M',
  "[ 'PWD[$(touch M)]' -eq 0 ]",
  'export LC_ALL=zh_CN.GBK\nls "\u4e2d\\"; touch M; #"',
];

describe('where only a few programs may run', () => {
  it('these do', async () => {
    const client = await connected();
    expect(await exec(client, 'echo hello')).toEqual({ status: 0, text: 'hello\n' });
    expect((await exec(client, 'ls -d /etc && echo "and $HOME"')).status).toBe(0);
    client.end();
  });

  let shared: Promise<Client> | undefined;

  it.each(evasions)('%j runs nothing', async (line) => {
    shared ??= connected();
    const client = await shared;
    const { status, text } = await exec(client, line.replaceAll('M', marker));
    expect({ status, text }).toEqual({
      status: 126,
      text: expect.stringContaining('throughline: denied') as string,
    });
    expect(existsSync(marker)).toBe(false);
  });

  it('a variable that the client sets cannot make them run another', async () => {
    for (const name of [
      'BASH_ENV',
      'ENV',
      'LD_PRELOAD',
      'PATH',
      'PROMPT_COMMAND',
      'BASH_FUNC_ls%%',
      'IFS',
      'SHELLOPTS',
    ]) {
      const client = await connected();
      const { status } = await exec(client, 'ls', { env: { [name]: `() { touch ${marker}; }` } });
      expect({ name, status }).toEqual({ name, status: 126 });
      expect(existsSync(marker)).toBe(false);
      client.end();
    }
  });

  it('a shell, a subsystem of another name, agent and X11 forwarding stay closed', async () => {
    const client = await connected();
    const shell = await new Promise<string>((resolve) => {
      client.shell((error, stream) => {
        if (error !== undefined) return resolve(error.message);
        let text = '';
        stream.on('data', (data: Buffer) => (text += data.toString()));
        stream.on('close', () => resolve(text));
        stream.write(`touch ${marker}\n`);
      });
    });
    expect(shell).toContain('throughline: denied');
    const subsystem = await new Promise<string>((resolve) => {
      client.subsys('netconf', (error, stream) => {
        if (error !== undefined) return resolve(error.message);
        let text = '';
        stream.stderr.on('data', (data: Buffer) => (text += data.toString()));
        stream.on('data', (data: Buffer) => (text += data.toString()));
        stream.on('close', () => resolve(text));
      });
    });
    expect(subsystem).toContain('throughline: denied');
    const forwarded = await new Promise<string>((resolve) => {
      client.exec('ls', { x11: true }, (error) => resolve(error?.message ?? 'allowed'));
    });
    expect(forwarded).not.toBe('allowed');
    expect(existsSync(marker)).toBe(false);
    client.end();
  });
});

describe('where one port may be reached', () => {
  const reach = (client: Client, host: string, port: number): Promise<string> =>
    new Promise((resolve) => {
      client.forwardOut('127.0.0.1', 1, host, port, (error, stream) => {
        if (error !== undefined) return resolve(error.message);
        let text = '';
        stream.on('data', (data: Buffer) => (text += data.toString()));
        stream.on('end', () => {
          stream.end();
          resolve(text);
        });
      });
    });

  it('that one is', async () => {
    const client = await connected();
    expect(await reach(client, '127.0.0.1', allowedPort)).toBe('there');
    client.end();
  });

  it('no shell connects to another by itself', async () => {
    const client = await connected();
    const before = reached;
    const place = `tcp/127.0.0.1/${forbiddenPort}`;
    // bash is asked for by name, too: the account's own shell may be one that knows nothing of it.
    for (const line of [
      `ls < /dev/${place}`,
      `x=/dev/${place}; ls < $x`,
      `x=${place}; ls 3<> "/dev/$x"`,
      `echo secret > "/dev/"${place}`,
      `bash -c 'ls < /dev/${place}'`,
    ]) {
      const { status, text } = await exec(client, line);
      expect({ status, text }).toEqual({
        status: 126,
        text: expect.stringContaining('throughline: denied') as string,
      });
    }
    expect(reached).toBe(before);
    client.end();
  });

  it('no other, by no spelling, and nobody listens at the target', async () => {
    const client = await connected();
    const before = reached;
    for (const host of [
      '127.0.0.1',
      'localhost',
      '127.1',
      '0x7f000001',
      '2130706433',
      '::1',
      '::ffff:127.0.0.1',
      '0.0.0.0',
    ])
      expect(await reach(client, host, forbiddenPort)).toContain('throughline: denied');
    for (const host of [
      '169.254.169.254',
      '0xa9fea9fe',
      '2852039166',
      '0251.0376.0251.0376',
      '::ffff:169.254.169.254',
      '64:ff9b::169.254.169.254',
      '168.63.129.16',
      'metadata.google.internal',
      'metadata',
    ])
      expect(await reach(client, host, allowedPort)).toContain('closed');
    for (const host of ['169.254.169.254 x', '127.0.0.1\0.x'])
      expect(await reach(client, host, allowedPort)).toContain('a host has no blanks');
    expect(reached).toBe(before);
    const socket = join(sshd.directory, 'closed.sock');
    const server = createServer(() => {
      reached += 1;
    }).listen(socket);
    await once(server, 'listening');
    const { directory } = sshd;
    for (const path of [socket, `${directory}/open/../closed.sock`, `/${directory}/open//../closed.sock`]) {
      const answer = await new Promise<string>((resolve) => {
        client.openssh_forwardOutStreamLocal(path, (error) => resolve(error?.message ?? 'allowed'));
      });
      expect(answer).toContain('throughline: denied');
    }
    server.close();
    expect(reached).toBe(before);
    const listened = await new Promise<string>((resolve) => {
      client.forwardIn('127.0.0.1', 0, (error) => resolve(error?.message ?? 'allowed'));
    });
    expect(listened).not.toBe('allowed');
    client.end();
  });
});

describe('where one folder may be read', () => {
  it('nothing outside of it is, by no spelling of its name, and nothing is written', async () => {
    const client = await connected();
    const sftp = await new Promise<import('ssh2').SFTPWrapper>((resolve, reject) => {
      client.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error)));
    });
    const read = (path: string, flags: 'r' | 'w' | 'a' | 'r+' = 'r'): Promise<string> =>
      new Promise((resolve) => {
        sftp.open(path, flags, (error) => resolve(error === undefined ? 'opened' : error.message));
      });
    const { directory } = sshd;
    mkdirSync(join(directory, 'open'), { recursive: true });
    mkdirSync(join(directory, 'elsewhere', 'folder'), { recursive: true });
    writeFileSync(join(directory, 'elsewhere', 'secret'), 'x');
    symlinkSync(join(directory, 'elsewhere', 'folder'), join(directory, 'open', 'link'));
    const outside = [
      `${directory}/open/link/../secret`,
      `${directory}/open/./link//.//../secret`,
      `${directory}/user_key`,
      `${directory}/open/../user_key`,
      `${directory}/open//../user_key`,
      `${directory}/open/./../user_key`,
      `//${directory}/open/../user_key`,
      `${directory}/open/x/../../user_key`,
      'user_key',
      '../user_key',
      '',
      '/',
      `/proc/self/root${directory}/user_key`,
    ];
    for (const path of outside) expect(`${path}: ${await read(path)}`).not.toContain('opened');
    for (const flags of ['w', 'a', 'r+'] as const)
      expect(await read(`${directory}/open/new`, flags)).toContain('denied');
    const change = (work: (done: (error?: Error | null) => void) => void): Promise<string> =>
      new Promise((resolve) => work((error) => resolve(error?.message ?? 'done')));
    expect(
      await change((done) => sftp.rename(`${directory}/user_key`, `${directory}/open/k`, done)),
    ).toContain('denied');
    expect(
      await change((done) => sftp.symlink(`${directory}/user_key`, `${directory}/open/k`, done)),
    ).toContain('denied');
    expect(await change((done) => sftp.unlink(`${directory}/authorized_keys`, done))).toContain('denied');
    expect(await change((done) => sftp.mkdir(`${directory}/open/d`, done))).toContain('denied');
    expect(existsSync(`${directory}/open/new`)).toBe(false);
    expect(readFileSync(`${directory}/authorized_keys`, 'utf8')).toContain('ssh-ed25519');
    client.end();
  });
});

describe('who breaks the protocol', () => {
  /** The package's own way to write a message. */
  interface Raw {
    readonly _protocol: {
      channelData(channel: number, data: Buffer): void;
      channelExtData(channel: number, data: Buffer, type: number): void;
      channelClose(channel: number): void;
      exec(channel: number, command: string, wantReply: boolean): void;
      requestSuccess(): void;
    };
  }
  // oxlint-disable-next-line no-underscore-dangle -- the package's own name
  const raw = (client: Client): Raw['_protocol'] => (client as unknown as Raw)._protocol;

  it.each<readonly [string, (client: Client) => void]>([
    ['data for a channel that was never opened', (client) => raw(client).channelData(7, Buffer.from('x'))],
    [
      'a command for a channel that was never opened',
      (client) => raw(client).exec(7, `touch ${marker}`, true),
    ],
    ['the end of a channel that was never opened', (client) => raw(client).channelClose(7)],
    ['an answer that nobody asked for', (client) => raw(client).requestSuccess()],
  ])('%s: nothing runs, and others do not notice', async (_what, attack) => {
    const [client, other] = await Promise.all([connected(), connected()]);
    attack(client);
    expect((await exec(other, 'echo fine')).text).toBe('fine\n');
    expect(existsSync(marker)).toBe(false);
    client.end();
    other.end();
  });

  it('and asks for a thousand channels gets no more than that, and the gateway stays', async () => {
    const client = await connected();
    const results = await Promise.all(
      Array.from(
        { length: 1100 },
        () =>
          new Promise<boolean>((resolve) => {
            client.forwardOut('127.0.0.1', 1, '127.0.0.1', forbiddenPort, (error) =>
              resolve(error === undefined),
            );
          }),
      ),
    );
    expect(results.some(Boolean)).toBe(false);
    expect((await exec(client, 'echo fine')).text).toBe('fine\n');
    client.end();
  });

  it('finds everything of it in the record', async () => {
    const sessions = await attacker.json<{ id: string; statements: number }[]>(['sessions']);
    const [most] = sessions.toSorted((a, b) => b.statements - a.statements);
    const shown = await attacker.json<SessionDetail>(['sessions', 'show', most?.id ?? '']);
    expect(shown.statements.length).toBeGreaterThan(500);
    expect(shown.statements.every(({ decision }) => decision !== 'held')).toBe(true);
    expect(shown.protocol).toBe('ssh');
  });
});
