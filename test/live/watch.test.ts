import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { SessionDetail, SessionView } from '../../gateway-core/contract/api.js';
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
import { createScope, type Running, start, until } from './processes.js';
import { type Sshd, startSshd } from './sshd.js';
import { unzip } from './unzip.js';
import { screenAfter, watch } from './watching.js';

/** Watching a terminal of real OpenSSH while it is worked in. */
const scope = createScope();
let sshd: Sshd;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;
let contractor: Person;

const policies = `${livePolicies}
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);
`;

beforeAll(async () => {
  [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host', { masks: [{ detect: ['email'], with: 'redact' }] })]);
  await putPolicies(admin, policies);
  [engineer, contractor] = await Promise.all([
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'contractor'),
  ]);
});
afterAll(() => scope.close());

interface Shell {
  readonly session: string;
  readonly running: Running;
  readonly line: (text: string, until: RegExp) => Promise<void>;
}

/** A shell with a terminal on the host, and the session that it is. */
async function shell(): Promise<Shell> {
  const before = new Set((await engineer.json<SessionView[]>(['sessions'])).map(({ id }) => id));
  const { config } = (await engineer.tunnel('host')) as unknown as { config: string };
  const running = start(scope, 'ssh', [
    '-F',
    config,
    '-tt',
    'host',
    'PS1="ready> " exec bash --norc --noprofile',
  ]);
  await running.waitFor(/ready> $/);
  const sessions = await engineer.json<SessionView[]>(['sessions', '--live']);
  const session = sessions.find(({ id }) => !before.has(id))?.id ?? '';
  return {
    session,
    running,
    line: async (text, until_) => {
      running.stdin.write(text);
      await until('it is echoed', () => (running.stdoutText().includes(text) ? true : undefined));
      running.stdin.write('\r');
      await running.waitFor(until_);
    },
  };
}

async function viewOf(person: Person, session: string): Promise<SessionView> {
  const found = (await person.json<SessionView[]>(['sessions'])).find(({ id }) => id === session);
  if (found === undefined) throw new Error('there is no such session');
  return found;
}

describe('watching a session', () => {
  it('begins with the screen as it is and goes on with what the person sees, masked', async () => {
    const { session, running, line } = await shell();
    await line('printf "%s@%s.%s\\n" jane.doe example com', /\n\*{10,}\r\n/);
    const watching = await watch(scope, admin, session);
    const same = () =>
      until('both see the same', async () =>
        (await watching.screen()) === (await screenAfter(running.stdoutText())) ? true : undefined,
      );
    await same();
    expect(await watching.screen()).toMatch(/\n\*{10,}\nready>/);
    writeFileSync(
      join(sshd.directory, 'whole'),
      'printf "\\033[?1049h\\033[2J\\033[5;9Hwhole screen"; read -r x; printf "\\033[?1049l"',
    );
    await line(`. ${sshd.directory}/whole`, /whole screen/);
    await same();
    expect(await watching.screen()).toMatch(/^alternate/);
    running.stdin.write('\r');
    // Not the same any more: on the normal screen stands the line that says who watches.
    await until('the normal screen is back', async () =>
      /^normal[^]*ready>/.test(await watching.screen()) ? true : undefined,
    );
    running.stdin.write('exit\r');
    expect(await watching.ended).toBe('ended');
    expect(watching.items.slice(-2)).toMatchObject([
      { kind: 'end' },
      { kind: 'closed', why: 'session-ended' },
    ]);
    expect(watching.text()).not.toContain('jane.doe@');
    expect(watching.items.find(({ kind }) => kind === 'screen')).toMatchObject({ whole: true });
  });

  it('is told to whose session it is for as long as it lasts, and stands in the log', async () => {
    const { session, running, line } = await shell();
    const watching = await watch(scope, admin, session);
    const told = await until('the person is told', async () => (await viewOf(engineer, session)).watchers);
    expect(told).toMatchObject([{ principal: 'demo/admin', name: 'Ada Admin' }]);
    // In the terminal itself below the next command, where it breaks nothing.
    await line(
      'echo told',
      /throughline: Ada Admin watches this session since \d\d:\d\d UTC\r\n[^]*\ntold\r\n/,
    );
    watching.leave();
    await until('it is over', async () =>
      (await viewOf(engineer, session)).watchers === undefined ? true : undefined,
    );
    await line('exit', /throughline: Ada Admin no longer watches this session \(\d\d:\d\d UTC\)/);
    await running.ended;
    const { watched } = await engineer.json<SessionDetail>(['sessions', 'show', session]);
    expect(watched).toMatchObject([
      { principal: 'demo/admin', name: 'Ada Admin', until: expect.any(String) as string },
    ]);
    const bundle = join(scope.directory(), 'session.zip');
    await admin.json(['export', session, '-o', bundle]);
    expect(await admin.json(['verify', bundle])).toMatchObject({ ok: true, problems: [] });
    const files = await unzip(bundle);
    const events = [...files].flatMap(([name, bytes]) =>
      name.endsWith('events.ndjson') ? [bytes.toString()] : [],
    );
    expect(events.join('')).toMatch(
      /"kind":"session.watched"[^\n]*Ada Admin[^]*"kind":"session.unwatched"[^\n]*"why":"left"/,
    );
  });

  it('is refused as if there were no such session to whoever may not see it', async () => {
    const { session, running } = await shell();
    const other = await contractor.gateway();
    const refused = async (id: string): Promise<unknown> => {
      try {
        for await (const item of api.watch(other, id).items) return item;
      } catch (error) {
        return String(error).replace(id, 'ID');
      }
      return 'nothing';
    };
    const answer = await refused(session);
    expect(answer).toMatch(/there is no session/);
    expect(answer).toBe(await refused('ses_01JD3Q5Z6X7Y8W9V0T1S2R3Q4P'));
    expect((await viewOf(engineer, session)).watchers).toBeUndefined();
    running.stdin.write('exit\r');
    await running.ended;
  });

  it('ends at once when the policy that allowed it goes, or the watcher signs out; the session goes on', async () => {
    const { session, running, line } = await shell();
    const auditor = await login(scope, gateway, 'auditor');
    const watching = await watch(scope, auditor, session);
    await until('it is shown', () => watching.items.find(({ kind }) => kind === 'screen'));
    await putPolicies(
      admin,
      policies.replace(
        'Action::"session:replay", Action::"evidence:export"], resource);',
        'Action::"evidence:export"], resource);',
      ),
    );
    expect(await watching.ended).toBe('ended');
    expect(watching.items.at(-1)).toEqual({ kind: 'closed', why: 'rights' });
    await expect(watch(scope, auditor, session)).rejects.toMatchObject({ code: 'denied' });
    await putPolicies(admin, policies);
    const again = await watch(scope, auditor, session);
    await auditor.json(['logout']);
    expect(await again.ended).toBe('ended');
    expect(again.items.at(-1)).toEqual({ kind: 'closed', why: 'signed-out' });
    await line('echo still here', /\nstill here\r\n/);
    running.stdin.write('exit\r');
    await running.ended;
  });

  it('by somebody who reads nothing holds up neither the session nor other watchers', async () => {
    const { session, running, line } = await shell();
    const idle = api.watch(await admin.gateway(), session);
    scope.onClose(() => idle.abort());
    const reader = idle.items[Symbol.asyncIterator]();
    expect((await reader.next()).value).toMatchObject({ kind: 'beat' });
    const watching = await watch(scope, admin, session);
    await line('seq 1 400000; echo all of it', /\n400000\r\nall of it\r\nready> $/);
    await until('the other sees the end', async () =>
      (await watching.screen()) === (await screenAfter(running.stdoutText())) ? true : undefined,
    );
    running.stdin.write('exit\r');
    await running.ended;
    expect(await watching.ended).toBe('ended');
  });

  it('shows what a program without a terminal says; throughline replay --follow ends with the session', async () => {
    const { config } = (await engineer.tunnel('host')) as unknown as { config: string };
    const before = new Set((await engineer.json<SessionView[]>(['sessions'])).map(({ id }) => id));
    const running = start(scope, 'ssh', [
      '-F',
      config,
      '-T',
      'host',
      'read -r word; echo "got $word"; echo oops >&2; exit 3',
    ]);
    const session = await until('it runs', async () =>
      (await engineer.json<SessionView[]>(['sessions', '--live'])).find(({ id }) => !before.has(id)),
    );
    const following = start(
      scope,
      process.execPath,
      [cliProgram, 'replay', session.id, '--follow', '--json'],
      {
        env: { THROUGHLINE_HOME: admin.home },
      },
    );
    await following.waitFor(/"kind":"statement"/);
    running.stdin.write('word\n');
    expect((await following.ended).status).toBe(0);
    const shown = following.stdoutText();
    expect(shown).toMatch(/"stream":"stdout","text":"got word\\n"/);
    expect(shown).toMatch(/"stream":"stderr","text":"oops\\n"/);
    expect(shown).toMatch(/"kind":"outcome"[^\n]*"tag":"exit 3"[^]*"kind":"end"/);
    // Nothing of it was said into what the program says.
    expect((await running.ended).status).toBe(3);
    expect(running.stdoutText() + running.stderrText()).toBe('got word\noops\n');
  });

  it('is refused for a session that has ended', async () => {
    const { session, running } = await shell();
    running.stdin.write('exit\r');
    await running.ended;
    await until('it has ended', async () =>
      (await viewOf(engineer, session)).state === 'ended' ? true : undefined,
    );
    const { status, stderr } = await admin.cli(['replay', session, '--follow']);
    expect(status).toBe(1);
    expect(stderr).toContain('ended already');
  });
});
