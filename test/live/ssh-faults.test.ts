import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SessionDetail, VerifyReport } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, type Running, run, start, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';

/** What breaks while SSH sessions run: the gateway, the target, the disk. Nothing that a client saw is lost. */
const scope = createScope();
afterAll(() => scope.close());

let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let config: string;

async function prepared(from: GatewayRun): Promise<{ readonly person: Person; readonly config: string }> {
  const person = await login(scope, from, 'admin');
  await putPolicies(person, livePolicies);
  await addConnections(person, [
    sshd.connection('host', { recording: { rows: 'all', durability: 'strict' } }),
  ]);
  const place = (await person.tunnel('host')) as unknown as { readonly config: string };
  return { person, config: place.config };
}

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  ({ person: admin, config } = await prepared(gateway));
});

const ssh = (through: string, command: string): Running =>
  start(scope, 'ssh', ['-F', through, 'host', command]);

async function lastSession(person: Person): Promise<SessionDetail> {
  return until('the session has ended', async () => {
    const sessions = await person.json<{ id: string; state: string; startedAt: string }[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    if (latest?.state !== 'ended') return undefined;
    return person.json<SessionDetail>(['sessions', 'show', latest.id]);
  });
}

/** What the recording holds of a session's output. */
async function recordedOutput(person: Person, id: string): Promise<string> {
  const { stdout } = await person.cli(['replay', id, '--json']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { kind?: string; text?: string })
    .map(({ kind, text }) => (kind === 'output' ? (text ?? '') : ''))
    .join('');
}

/** Numbered lines without end, a few hundred at a time. */
const lines = 'i=0; while :; do i=$((i+1)); echo line-$i; [ $((i%200)) = 0 ] && sleep 0.01; done';

it('a target that is killed ends its session with a clear word, and what it said before is there', async () => {
  const running = ssh(config, 'echo before; read word; kill -9 $PPID; sleep 30');
  await running.waitFor(/before\n/);
  running.stdin.write('now\n');
  const { status, stdout, stderr } = await running.ended;
  expect({ status, stdout }).toEqual({ status: 255, stdout: 'before\n' });
  expect(stderr).toContain('the target closed the connection');
  const session = await lastSession(admin);
  expect(session.endCause).toBe('target');
  expect(session.statements).toMatchObject([{ command: 'exec', decision: 'interrupted' }]);
  expect(await recordedOutput(admin, session.id)).toBe('before\n');
  expect((await ssh(config, 'echo again').ended).stdout).toBe('again\n');
});

it('after kill -9 of the gateway every line that the client saw is in the recording', async () => {
  const running = ssh(config, lines);
  await running.waitFor(/line-5000\n/);
  gateway.signal('SIGKILL');
  await gateway.ended;
  const { status, stdout } = await running.ended;
  expect(status).toBe(255);
  gateway = await startGateway(scope, { data: gateway.data, listen: new URL(gateway.url).host });
  const session = await lastSession(admin);
  expect(session).toMatchObject({ endCause: 'gateway-restart', statements: [{ text: lines }] });
  const recorded = await recordedOutput(admin, session.id);
  const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1);
  expect(recorded.startsWith(whole)).toBe(true);
  const report = await admin.json<VerifyReport>(['log', 'verify', '--data', gateway.data]);
  expect(report).toMatchObject({ ok: true, problems: [] });
});

const canMount = process.getuid?.() === 0 && process.platform === 'linux';

// Without the right to mount, a full disk is the business of test/sim, which fills one in memory.
it.runIf(canMount)(
  'on a full disk sessions end with a reason, no file comes and nothing is shown unrecorded, and it recovers',
  async () => {
    const disk = scope.directory();
    const place = join(disk, 'mounted');
    const script = `mkdir -p ${place} && mount -t tmpfs -o size=48m,mode=700 tmpfs ${place} && exec "$@"`;
    const full = await startGateway(scope, {
      data: join(place, 'data'),
      wrapper: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'],
      // Its own view of the file system: what it names is read from outside through /proc.
      env: { THROUGHLINE_HOME: join(disk, 'home') },
    });
    const inside = (path: string): string => `/proc/${full.pid}/root${path}`;
    const { person, config: through } = await prepared({
      ...full,
      ca: inside(full.ca),
      demoSecret: inside(full.demoSecret),
    });
    const terminal = start(scope, 'ssh', [
      '-F',
      through,
      '-tt',
      'host',
      lines.replace('echo', 'echo wide-$i-$i-$i-$i-$i'),
    ]);
    await terminal.waitFor(/line-200\r\n/);
    const ballast = inside(join(place, 'ballast'));
    expect((await run('sh', ['-c', `head -c 100000000 /dev/zero > ${ballast}`])).status).not.toBe(0);
    // The journal may still have room in files that it laid out before: somebody else fills them.
    const filling = await until(
      'the disk is full for the journal too',
      async () => {
        const ended = await run('ssh', ['-F', through, 'host', 'head -c 3000000 /dev/urandom | base64'], {});
        return ended.status === 0 ? undefined : ended;
      },
      60_000,
    );
    expect(filling.stderr).toMatch(/throughline|closed/);
    const { status, stderr } = await terminal.ended;
    expect({ status, said: /throughline|closed/.test(stderr) }).toEqual({ status: 255, said: true });
    const file = join(disk, 'file');
    writeFileSync(file, 'nobody judged this');
    const copied = join(sshd.directory, 'copied');
    const upload = await run('scp', ['-q', '-F', through, file, `host:${copied}`], {});
    expect({ failed: upload.status !== 0, there: existsSync(copied) }).toEqual({
      failed: true,
      there: false,
    });
    await run('rm', [ballast]);
    await until('it serves again', async () => {
      const again = await run('scp', ['-q', '-F', through, file, `host:${copied}`], {});
      return again.status === 0 ? true : undefined;
    });
    expect(existsSync(copied)).toBe(true);
    const shown = terminal.stdoutText().replaceAll('\r', '');
    const seen = shown.slice(0, shown.lastIndexOf('\n') + 1);
    const sessions = await person.json<{ id: string; startedAt: string }[]>(['sessions']);
    const [first] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    const { stdout } = await person.cli(['replay', first?.id ?? '', '--json']);
    const recorded = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { kind?: string; data?: string })
      .map(({ kind, data }) => (kind === 'terminal' ? (data ?? '') : ''))
      .join('')
      .replaceAll('\r', '');
    expect(recorded.startsWith(seen)).toBe(true);
    const verified = await person.json<VerifyReport>(['log', 'verify']);
    expect(verified).toMatchObject({ ok: true, problems: [] });
  },
  300_000,
);
