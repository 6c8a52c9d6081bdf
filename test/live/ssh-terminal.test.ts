import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionDetail } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  cli,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, type Running, start, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';
import { below, unzip } from './unzip.js';

/** A person at an interactive shell: what is shown, kept and judged. */
const scope = createScope();
let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;

const policies = `${livePolicies}
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);

@id("contractors-use-shells")
permit (principal in Group::"contractors", action in [Action::"connect", Action::"ssh:shell"], resource);

@id("no-removal")
@message("nothing is removed here")
forbid (principal in Group::"contractors", action == Action::"ssh:shell", resource)
when { context has command && (context.command.programs.contains("rm") || !context.command.unknown.isEmpty()) };
`;

const masks = [{ detect: ['email', 'card'], with: 'redact' }] as const;

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [
    sshd.connection('host'),
    sshd.connection('masked', { masks: masks.map((mask) => ({ ...mask, detect: [...mask.detect] })) }),
  ]);
  await putPolicies(admin, policies);
  engineer = await login(scope, gateway, 'engineer');
});
afterAll(() => scope.close());

/** A shell with a terminal, typed into like a person: a line when the prompt is there. */
async function shell(person: Person, connection: string) {
  const { config } = (await person.tunnel(connection)) as unknown as { config: string };
  const running = start(scope, 'ssh', [
    '-F',
    config,
    '-tt',
    connection,
    'PS1="ready> " exec bash --norc --noprofile',
  ]);
  await running.waitFor(/ready> $/);
  return {
    running,
    type: async (line: string, until_: RegExp): Promise<void> => {
      running.stdin.write(line);
      await until('it is echoed', () => (running.stdoutText().includes(line) ? true : undefined));
      running.stdin.write('\r');
      await running.waitFor(until_);
    },
    write: (text: string) => running.stdin.write(text),
  };
}

async function ended(person: Person, running: Running): Promise<SessionDetail> {
  await running.ended;
  return until('the session has ended', async () => {
    const sessions = await person.json<{ id: string; state: string; startedAt: string }[]>(['sessions']);
    const [latest] = sessions.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
    return latest?.state === 'ended'
      ? person.json<SessionDetail>(['sessions', 'show', latest.id])
      : undefined;
  });
}

describe('an interactive shell', () => {
  it('is kept line by line as the person sent it, and nothing that is typed without echo', async () => {
    const { running, type, write } = await shell(engineer, 'host');
    await type('echo one two', /\none two\r\n/);
    write('ecxx\x7f\x7fho edited');
    await running.waitFor(/ho edited$/);
    await type('', /\nedited\r\n/);
    await type('read -s -p "who? " secret && echo got it', /\nwho\? $/);
    write('hunter2-not-echoed');
    write('\r');
    await running.waitFor(/who\? got it\r\n[^]*ready> $/);
    await type('exit', /\nexit\r\n/);
    const session = await ended(engineer, running);
    const lines = session.statements.filter(({ command }) => command === 'line').map(({ text }) => text);
    expect(lines).toEqual([
      'echo one two',
      'echo edited',
      'read -s -p "who? " secret && echo got it',
      'exit',
    ]);
    const recording = await engineer.cli(['replay', session.id, '--json']);
    expect(recording.stdout + JSON.stringify(session)).not.toContain('hunter2');
  });

  it('stops a line that policy refuses, says so in the terminal, and goes on', async () => {
    await addConnections(admin, [sshd.connection('judged')]);
    const contractor = await login(scope, gateway, 'contractor');
    const config = ((await contractor.tunnel('judged')) as unknown as { config: string }).config;
    const running = start(scope, 'ssh', ['-F', config, '-tt', 'judged']);
    await running.waitFor(/[#$] $/);
    running.stdin.write('rm -rf /nowhere');
    await running.waitFor(/rm -rf \/nowhere/);
    running.stdin.write('\r');
    await running.waitFor(/throughline: denied: nothing is removed here/);
    await running.waitFor(/\^C[^]*[#$] $/);
    running.stdin.write('echo still here');
    await running.waitFor(/echo still here/);
    running.stdin.write('\r');
    // What is typed before the prompt is there could be anybody's: such a line is refused here, too.
    await running.waitFor(/\nstill here\r\n[^]*[#$] $/);
    running.stdin.write('exit');
    await running.waitFor(/[#$] exit$/);
    running.stdin.write('\r');
    const { statements } = await ended(contractor, running);
    expect(statements).toContainEqual(
      expect.objectContaining({ text: 'rm -rf /nowhere', decision: 'denied' }),
    );
    expect(statements).toContainEqual(
      expect.objectContaining({ text: 'echo still here', decision: 'allowed' }),
    );
  });

  it('shows and keeps the same masked bytes', async () => {
    const { running, write } = await shell(engineer, 'masked');
    write('printf "%s@%s.%s\\n" jane.doe example com; echo 4111 1111 1111 1111');
    // Masked in the echo, too.
    await running.waitFor(/echo \*{10,}/);
    write('\r');
    await running.waitFor(/\n\*{8,}[^]*\n\*{10,}[^]*ready> $/);
    write('exit\r');
    const session = await ended(engineer, running);
    const recording = await engineer.cli(['replay', session.id, '--json']);
    for (const text of [running.stdoutText(), recording.stdout]) {
      expect(text).not.toContain('jane.doe@example.com');
      expect(text).not.toContain('4111 1111 1111 1111\r\n');
    }
    expect(session.statements[0]).toMatchObject({
      command: 'exec',
      maskedValues: expect.any(Number) as number,
    });
  });

  it('is evidence: a bundle with its terminal as an asciicast, verified without the gateway', async () => {
    const { running, type, write } = await shell(engineer, 'host');
    await type('echo for the auditor', /\nfor the auditor\r\n/);
    write('exit\r');
    const session = await ended(engineer, running);
    const file = join(scope.directory(), 'session.zip');
    await engineer.json(['export', session.id, '-o', file]);
    const verified = await cli(scope.directory(), ['verify', file, '--json']);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, sessions: 1, problems: [] });
    const files = await unzip(file);
    const [path = ''] = below(files, 'casts/');
    const cast = files.get(path)?.toString() ?? '';
    expect(cast.split('\n')[0]).toContain('"version":3');
    expect(cast).toContain('for the auditor');
    const replayed = await cli(scope.directory(), ['replay', file]);
    expect(replayed.stdout).toContain('for the auditor');
  });

  it('is told in its own way that it was revoked', async () => {
    const { running } = await shell(engineer, 'host');
    const [live] = await engineer.json<{ id: string }[]>(['sessions', '--live']);
    await admin.json(['revoke', 'session', live?.id ?? '', '--reason', 'enough for today']);
    const { status, stderr } = await running.ended;
    expect(status).toBe(255);
    expect(stderr).toContain('enough for today');
    expect(await ended(engineer, running)).toMatchObject({ endCause: 'revoked' });
  });
});

describe('a target', () => {
  it('that proves another host key than the pinned one gets no credential, and the event says so', async () => {
    const other = await startSshd(scope);
    await addConnections(admin, [{ ...sshd.connection('moved'), address: other.address }]);
    const { config } = (await engineer.tunnel('moved')) as unknown as { config: string };
    const { status, stderr } = await start(scope, 'ssh', ['-F', config, 'moved', 'true']).ended;
    expect(status).toBe(255);
    expect(stderr).toContain('the target has a host key that is not known');
    expect(other.running.stderrText()).not.toContain('Accepted');
  });

  it('that is met for the first time is pinned, and must be the same from then on', async () => {
    const other = await startSshd(scope);
    const first = { ...other.connection('met'), hostKeys: 'first-contact' as const };
    await addConnections(admin, [first]);
    const { config } = (await engineer.tunnel('met')) as unknown as { config: string };
    expect((await start(scope, 'ssh', ['-F', config, 'met', 'echo in']).ended).stdout).toBe('in\n');
    other.running.signal('SIGTERM');
    await other.running.ended;
    const again = await startSshd(scope, [], other.port);
    expect(again.port).toBe(other.port);
    const { stderr } = await start(scope, 'ssh', ['-F', config, 'met', 'echo in']).ended;
    expect(stderr).toContain('the target has a host key that is not known');
  });

  it('that dies in the middle ends the session, and the client hears why', async () => {
    const other = await startSshd(scope);
    await addConnections(admin, [other.connection('dying')]);
    const { config } = (await engineer.tunnel('dying')) as unknown as { config: string };
    const running = start(scope, 'ssh', [
      '-F',
      config,
      'dying',
      'echo there; sleep 0.5; kill -9 $PPID; sleep 20',
    ]);
    const { status, stdout, stderr } = await running.ended;
    expect({ status, stdout }).toEqual({ status: 255, stdout: 'there\n' });
    expect(stderr).toContain('the target closed the connection');
    expect(await ended(engineer, running)).toMatchObject({ endCause: 'target' });
  });
});
