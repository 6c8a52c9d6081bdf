import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasEnded } from '../../gateway-core/agent/lineage/facts.js';
import { openProc } from '../../gateway-core/agent/lineage/proc.js';
import type { AgentNode } from '../../gateway-core/contract/delegation.js';
import { readText } from './agents-tree.js';
import { cliProgram, type GatewayRun, login, type Person, psql, startGateway } from './harness.js';
import { createScope, type Outcome, type Running, start, until } from './processes.js';

/** What becomes of the programs of an agent whose delegation is over. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let engineer: Person;
let directory: string;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
  await psql((await engineer.tunnel('shop-db')).env, 'select 1');
  directory = scope.directory();
  const script = (name: string, text: string): void =>
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  // Says its pid, then stays.
  script('stay', 'echo $$ > $OUT/$1; while :; do sleep 0.1; done');
  script('stubborn', `trap '' TERM HUP; exec $OUT/stay $1`);
});

function agent(label: string, args: readonly string[], program: readonly string[]): Running {
  return start(scope, process.execPath, [cliProgram, 'run', '--agent', label, ...args, '--', ...program], {
    env: {
      THROUGHLINE_HOME: engineer.home,
      OUT: directory,
      TL: `${process.execPath} ${cliProgram}`,
    },
  });
}

const idOf = (label: string): Promise<string> =>
  until(
    `${label} is there`,
    async () => (await engineer.json<AgentNode[]>(['agents'])).find(({ name }) => name === label)?.id,
  );

const proc = openProc();

/** The process that wrote its pid to a file, as it is now: later ones with its pid are others. */
async function memberOf(name: string): Promise<{ readonly runs: () => boolean }> {
  const pid = await until(`${name} runs`, () => Number(readText(join(directory, name)).trim()) || undefined);
  const before = proc.stat(pid);
  const runs = (): boolean => {
    const now = proc.stat(pid);
    return before !== undefined && now?.startTicks === before.startTicks && !hasEnded(now);
  };
  scope.onClose(() => {
    if (runs()) process.kill(pid, 'SIGKILL');
  });
  return { runs };
}

async function revoke(label: string): Promise<void> {
  await engineer.json(['revoke', 'agent', await idOf(label), '--reason', 'enough']);
}

const said = ({ stderr }: Outcome): string[] => stderr.split('\n').filter((line) => line !== '');

describe('when a delegation ends, its program does', () => {
  it('with everything that it has started: a daemon, a program that ignores SIGTERM, a nested agent; nothing else', async () => {
    const outside = start(scope, 'sh', [join(directory, 'stay'), 'outside'], { env: { OUT: directory } });
    const other = agent('other', [], ['sh', join(directory, 'stay'), 'other']);
    const doomed = agent(
      'doomed',
      [],
      [
        'sh',
        '-c',
        `(setsid sh -c '(setsid $OUT/stay daemon &)' &)
        $OUT/stubborn stubborn &
        $TL run --agent nested -- $OUT/stay nested 2> $OUT/nested.txt; echo $? > $OUT/nested-status &
        kill -STOP $$; exec $OUT/stay never`,
      ],
    );
    const members = await Promise.all(['daemon', 'stubborn', 'nested'].map(memberOf));
    const others = await Promise.all(['outside', 'other'].map(memberOf));
    await revoke('doomed');
    const outcome = await doomed.ended;
    expect(members.map((each) => each.runs())).toEqual([false, false, false]);
    expect(others.map((each) => each.runs())).toEqual([true, true]);
    expect(outcome.status).toBe(125);
    expect(said(outcome)).toEqual([
      'throughline: the delegation of doomed is over (revoked: enough), and so is its program; ask whoever ended it before you start it again',
    ]);
    expect(readText(join(directory, 'nested.txt'))).toContain(
      'the delegation of nested is over (parent-ended',
    );
    other.signal('SIGTERM');
    expect((await other.ended).status).toBe(143);
    outside.signal('SIGKILL');
  });

  it('when its time is up', async () => {
    const outcome = await agent('brief', ['--ttl', '2s'], ['sh', join(directory, 'stay'), 'brief']).ended;
    expect({ status: outcome.status, said: said(outcome) }).toEqual({
      status: 125,
      said: [expect.stringContaining('the delegation of brief is over (expired')],
    });
  });

  it('when the agent above it was killed', async () => {
    const outer = agent('outer', [], ['sh', '-c', '$TL run --agent orphan -- $OUT/stay orphan']);
    const member = await memberOf('orphan');
    await idOf('orphan');
    outer.signal('SIGKILL');
    await until('the orphan is gone', () => (member.runs() ? undefined : true));
  });

  it('when its person signs out', async () => {
    const approver = await login(scope, gateway, 'approver');
    const running = start(
      scope,
      process.execPath,
      [cliProgram, 'run', '--agent', 'left', '--', 'sh', join(directory, 'stay'), 'left'],
      { env: { THROUGHLINE_HOME: approver.home, OUT: directory } },
    );
    const member = await memberOf('left');
    await approver.cli(['logout']);
    expect((await running.ended).status).toBe(125);
    expect(member.runs()).toBe(false);
  });

  it.skipIf(spawnSync('bwrap', ['--version']).status !== 0)('in a sandbox, too', async () => {
    const caged = agent(
      'caged',
      ['--isolate'],
      ['sh', '-c', `trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.1; done`],
    );
    await caged.waitFor(/ready/);
    await revoke('caged');
    expect(await caged.ended).toMatchObject({ status: 125, stdout: 'ready\nasked\n' });
  });

  it('a program that fails because of the end is said to have ended by it', async () => {
    const querying = agent('querying', [], ['psql', '-XAtqc', 'select pg_sleep(600)']);
    await until('it runs', async () =>
      (await engineer.json<AgentNode[]>(['agents'])).some(({ statement }) => statement?.running === true)
        ? true
        : undefined,
    );
    await revoke('querying');
    const outcome = await querying.ended;
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toContain('the delegation of querying is over (revoked: enough)');
  });
});

describe('--keep', () => {
  it('leaves the program running, says so, and ends with its status', async () => {
    const kept = agent('kept', ['--keep'], ['sh', '-c', 'echo ready; read -r line; exit 7']);
    await kept.waitFor(/ready/);
    await revoke('kept');
    await kept.waitFor(/its program goes on/);
    kept.stdin.end('go\n');
    expect((await kept.ended).status).toBe(7);
  });
});
