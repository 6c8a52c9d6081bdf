import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeTimeline } from '../../gateway-core/contract/api.js';
import type { AgentChange, AgentNode } from '../../gateway-core/contract/delegation.js';
import { readText, tree } from './agents-tree.js';
import {
  cliProgram,
  type GatewayRun,
  login,
  type Person,
  psql,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { createScope, plainEnvironment, type Running, run, start, until } from './processes.js';

/**
 * Nested agents for real: a person, an agent, two sub-agents, scripts, psql down to the fourth level, in parallel,
 * short-lived, double-forked, with and without the handle. Every statement must land on the right line.
 */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let engineer: Person;
let outside: TunnelPlace;
let directory: string;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
  outside = await engineer.tunnel('shop-db');
  // The demo's database is made with its first use.
  await psql(outside.env, 'select 1');
  directory = scope.directory();
  writeFileSync(join(directory, 'tree.sh'), tree, { mode: 0o755 });
});

interface Shown {
  readonly id: string;
  readonly connection: string;
  readonly chain: readonly {
    readonly id: string;
    readonly kind: string;
    readonly name: string;
    readonly assurance: string;
  }[];
  readonly statements: readonly { readonly text: string }[];
}

const lineOf = (session: Pick<Shown, 'chain'>): string =>
  session.chain
    .slice(1)
    .map(({ name, assurance }) => `${name} ${assurance}`)
    .join(' > ');

/** By the mark in its statement: the line of each session. */
async function lines(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { id } of await engineer.json<Shown[]>(['sessions'])) {
    const shown = await engineer.json<Shown>(['sessions', 'show', id]);
    for (const { text } of shown.statements) {
      const mark = /'([a-z]+(?:-\d+)?)' as mark/.exec(text)?.[1] ?? /as (deepest)_mark/.exec(text)?.[1];
      if (mark !== undefined) found.set(mark, lineOf(shown));
    }
  }
  return found;
}

const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  THROUGHLINE_HOME: engineer.home,
  OUT: directory,
  OUTSIDE: String(outside.port),
  TL: `${process.execPath} ${cliProgram}`,
  ...more,
});

/** An agent in the background that stays until it is ended. */
function agent(label: string, script: string, ...args: string[]): Running {
  return start(
    scope,
    process.execPath,
    [cliProgram, 'run', '--agent', label, ...args, '--', 'sh', '-c', script],
    {
      env: environment(),
    },
  );
}

const nodes = (): Promise<AgentNode[]> => engineer.json<AgentNode[]>(['agents']);
const named = async (name: string): Promise<AgentNode | undefined> =>
  (await nodes()).find((each) => each.name === name);

describe('a tree of agents', () => {
  it('every statement lands on the line of whoever ran it', async () => {
    const { status, stderr } = await engineer.cli(
      ['run', '--agent', 'planner', '--connections', 'shop-db', '--', 'sh', join(directory, 'tree.sh')],
      { env: environment(), timeoutMs: 60_000 },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const found = await lines();
    const psqlBelow = (line: string): string => `${line} > psql observed`;
    const expected = new Map([
      ['planner', psqlBelow('planner proven')],
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((at) => [`parallel-${at}`, psqlBelow('planner proven')] as const),
      ['reader', psqlBelow('planner issued > reader proven')],
      ['deepest', psqlBelow('planner issued > reader issued > deep issued > deepest proven')],
      ['writer', psqlBelow('planner issued > writer proven')],
      ['daemon', psqlBelow('planner proven')],
      ['dropped', psqlBelow('planner observed')],
    ]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });

  it('is empty again when all have ended', async () => {
    await until('nobody acts', async () => ((await nodes()).length === 0 ? true : undefined));
  });
});

describe('each level can only narrow', () => {
  it('a child does not read a connection, take an action, a level or time that its parent does not have', async () => {
    const nested = (...args: string[]) =>
      engineer.cli(
        [
          'run',
          '--agent',
          'a',
          '--connections',
          'shop-db',
          '--actions',
          'read',
          '--depth',
          '1',
          '--ttl',
          '5m',
          '--',
          process.execPath,
          cliProgram,
          'run',
          '--agent',
          'b',
          ...args,
          '--',
          'true',
        ],
        { env: environment() },
      );
    const [wider, connection, level, longer] = await Promise.all([
      nested('--actions', 'read,write'),
      nested('--connections', 'shop-host'),
      nested('--depth', '1'),
      nested('--ttl', '10h'),
    ]);
    expect(wider).toMatchObject({ status: 125, stderr: expect.stringContaining('sql:write') as unknown });
    expect(connection).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('shop-host') as unknown,
    });
    expect(level).toMatchObject({ status: 125, stderr: expect.stringContaining('levels') as unknown });
    // Time is cut, as it has a natural end.
    expect(longer).toMatchObject({ status: 0, stderr: '' });
  });

  it('what a delegation does not include is denied on every way: its own port, its person’s port, its handle', async () => {
    const script = `
      psql -XAtqc "update customers set city = city where false"
      env -i PATH=$PATH PGSSLMODE=disable psql -XAtqc "update customers set city = city where false" -h 127.0.0.1 -p $OUTSIDE -U engineer shop
      PGUSER=$THROUGHLINE_DELEGATION PGPASSWORD=$THROUGHLINE_HANDLE PGHOST=127.0.0.1 PGPORT=${gateway.native.port} PGSSLMODE=require PGDATABASE=shop-db psql -XAtqc "update customers set city = city where false"
    `;
    const { stderr } = await engineer.cli(
      ['run', '--agent', 'narrow', '--actions', 'read', '--', 'sh', '-c', script],
      { env: environment() },
    );
    expect(stderr.match(/the delegation "narrow" does not include sql:write/g)).toHaveLength(3);
    const { stderr: own } = await psql(outside.env, 'update customers set city = city where false');
    expect(own).toBe('');
  });

  it('a budget of sessions is spent by everything below it', async () => {
    const { stdout, stderr } = await engineer.cli(
      [
        'run',
        '--agent',
        'poor',
        '--sessions',
        '2',
        '--',
        'sh',
        '-c',
        'for i in 1 2 3; do psql -XAtqc "select $i"; done',
      ],
      { env: environment() },
    );
    expect(stdout.trim().split('\n')).toEqual(['1', '2']);
    expect(stderr).toContain('has no sessions left');
  });
});

describe('the live tree', () => {
  it('shows the line down to the program and its statement while it runs, and tells every change', async () => {
    const watching = start(scope, process.execPath, [cliProgram, 'agents', '--watch', '--json'], {
      env: { THROUGHLINE_HOME: engineer.home },
    });
    const told = (): AgentChange[] =>
      watching
        .stdoutText()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as AgentChange);
    const outer = agent('outer', '$TL run --agent inner -- psql -XAtqc "select pg_sleep(600)"');
    const chain = await until('the program is in the tree', async () => {
      const all = await nodes();
      const leaf = all.find((each) => each.kind === 'process' && each.statement?.running === true);
      return leaf === undefined ? undefined : { all, leaf };
    });
    const above = (node: AgentNode): AgentNode[] => {
      const parent = chain.all.find(({ id }) => id === node.parent);
      return parent === undefined ? [node] : [...above(parent), node];
    };
    expect(above(chain.leaf).map(({ name, state }) => `${name} ${state}`)).toEqual([
      'Erin Engineer active',
      'outer active',
      'inner active',
      'psql active',
    ]);
    expect(chain.leaf).toMatchObject({
      connections: ['shop-db'],
      statement: { text: 'select pg_sleep(600)' },
    });
    expect(chain.leaf.pid).toBeGreaterThan(1);
    await until('the change is told', () =>
      Promise.resolve(
        told().some(({ node }) => node.id === chain.leaf.id && node.statement?.running === true)
          ? true
          : undefined,
      ),
    );

    const first = chain.all.find(({ name }) => name === 'outer') as AgentNode;
    const revoked = await engineer.json<{ ended: string[]; delegations: string[] }>([
      'revoke',
      'agent',
      first.id,
      '--reason',
      'runs wild',
    ]);
    expect(revoked.ended).toEqual(chain.leaf.sessions);
    expect(revoked.delegations).toHaveLength(2);
    await outer.ended;
    expect(outer.stderrText()).toContain('runs wild');
    await until('all of it is gone from the tree', () =>
      Promise.resolve(told().filter(({ change }) => change === 'ended').length >= 3 ? true : undefined),
    );
    watching.signal('SIGTERM');
  });

  it('a revoked agent opens nothing any more, also not by the port of its person', async () => {
    const script = `
      echo ready; while [ ! -e $OUT/go ]; do sleep 0.05; done
      psql -XAtqc "select 1"
      env -i PATH=$PATH PGSSLMODE=disable psql -XAtqc "select 2" -h 127.0.0.1 -p $OUTSIDE -U engineer shop
      $TL run --agent child -- true
    `;
    const running = agent('doomed', script, '--keep');
    await until('it is there', () =>
      Promise.resolve(running.stdoutText().includes('ready') ? true : undefined),
    );
    const node = (await named('doomed')) as AgentNode;
    await engineer.json(['revoke', 'agent', node.id, '--reason', 'enough']);
    writeFileSync(join(directory, 'go'), '');
    await running.ended;
    expect(running.stdoutText().trim()).toBe('ready');
    expect(running.stderrText()).toMatch(/delegation/);
  });
});

describe('orphans', () => {
  it('an agent whose holder is killed ends with everything below it', async () => {
    const running = agent('victim', 'psql -XAtqc "select pg_sleep(600)"');
    await until('it runs', async () =>
      (await named('psql'))?.statement?.running === true ? true : undefined,
    );
    const ids = (await nodes()).map(({ id }) => id);
    running.signal('SIGKILL');
    await until('it is gone', async () => ((await named('victim')) === undefined ? true : undefined));
    await until('its sessions are over', async () => {
      const live = await engineer.json<Shown[]>(['sessions', '--live']);
      return live.length === 0 ? true : undefined;
    });
    expect(ids.length).toBeGreaterThan(2);
  });

  it('a delegation ends its sessions when its time is up', async () => {
    const { stderr } = await engineer.cli(
      ['run', '--agent', 'brief', '--ttl', '2s', '--', 'psql', '-XAtqc', 'select pg_sleep(600)'],
      { env: environment() },
    );
    expect(stderr).toMatch(/expired/);
  });
});

describe('who may see and end what', () => {
  it('others see nothing of it, and cannot end it; an admin can', async () => {
    const running = agent('mine', 'psql -XAtqc "select pg_sleep(600)"');
    const node = await until('it runs', () => named('mine'));
    const contractor = await login(scope, gateway, 'contractor');
    expect(await contractor.json<AgentNode[]>(['agents'])).toEqual([]);
    const refused = await contractor.cli(['revoke', 'agent', node.id, '--reason', 'x']);
    expect(refused.status).toBe(1);
    const admin = await login(scope, gateway, 'admin');
    const seen = (await admin.json<AgentNode[]>(['agents'])).map(({ name }) => name);
    expect(seen).toContain('mine');
    await until('the session is there', async () => ((await named('psql')) === undefined ? undefined : true));
    expect(await admin.json(['revoke', 'agent', node.id, '--reason', 'policy'])).toMatchObject({
      delegations: [node.id],
    });
    await running.ended;
  });

  it('an agent ends what it has started itself, and neither its parent nor anything of its person', async () => {
    const script = `
      $TL sessions --live --json > $OUT/live.json
      $TL revoke principal demo/engineer --reason x; echo $?
      $TL revoke agent $PARENT --reason x; echo $?
      $TL handle shop-db; echo $?
      $TL admin people; echo $?
    `;
    const outer = agent(
      'outer',
      `PARENT=$THROUGHLINE_DELEGATION exec $TL run --agent inner -- sh -c '${script}'`,
    );
    await outer.ended;
    expect(outer.stdoutText().trim().split('\n')).toEqual(['4', '4', '4', '4']);
  });
});

describe('one node, afterwards', () => {
  it('everything below it is one timeline in order, and OCSF events with its delegation', async () => {
    await engineer.cli(
      [
        'run',
        '--agent',
        'story',
        '--purpose',
        'told later',
        '--',
        'sh',
        '-c',
        'psql -XAtqc "select 1 as first"; $TL run --agent chapter --actions read -- psql -XAtqc "select 2 as second"',
      ],
      { env: environment() },
    );
    const listed = await engineer.json<Shown[]>(['sessions']);
    const story = listed.flatMap(({ chain }) => chain).find(({ name }) => name === 'story');
    const timeline = await engineer.json<Omit<NodeTimeline, 'sessions'> & { sessions: { act: unknown }[] }>([
      'agents',
      'show',
      story?.id ?? '',
    ]);
    expect(timeline.statements.map(({ text }) => text)).toEqual(['select 1 as first', 'select 2 as second']);
    expect(
      timeline.delegations.map((each) => ({ label: each.label, endCause: each.endCause, scope: each.scope })),
    ).toEqual([
      { label: 'story', endCause: 'finished', scope: {} },
      { label: 'chapter', endCause: 'finished', scope: { actions: ['sql:read'] } },
    ]);
    const [, chapter] = timeline.delegations;
    expect(timeline.sessions.at(-1)?.act).toEqual({
      sub: 'demo/engineer',
      act: { sub: chapter?.id, act: { sub: story?.id } },
    });
    const { stdout } = await engineer.cli(['agents', 'show', story?.id ?? '', '--ocsf']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.at(-1)).toMatchObject({
      class_uid: 6005,
      type_uid: 600504,
      actor: { user: { uid: 'demo/engineer' }, process: { name: 'psql' } },
      query_info: { query_string: 'select 2 as second' },
      delegation: { uid: chapter?.id, parent_uid: story?.id, scopes: ['sql:read'] },
    });
    const contractor = await login(scope, gateway, 'contractor');
    expect((await contractor.cli(['agents', 'show', story?.id ?? ''])).status).toBe(1);
  });
});

const isolates =
  spawnSync('bwrap', ['--unshare-net', '--unshare-pid', '--dev-bind', '/', '/', '--', 'true']).status === 0;

describe.skipIf(!isolates)('isolation (skipped where bubblewrap may not make namespaces)', () => {
  it('reaches its connections and nothing else: no port of its person, no sign-in state, no other process', async () => {
    const script = `
      psql -XAtqc "select 'isolated' as mark"
      psql -XAtqc "select 'service' as mark" service=shop-db
      env -i PATH=$PATH PGSSLMODE=disable psql -XAtqc "select 1" -h 127.0.0.1 -p $OUTSIDE -U engineer shop || echo refused
      ls -A $THROUGHLINE_HOME/client $THROUGHLINE_HOME/client-key
      echo "handle:$THROUGHLINE_HANDLE"
      kill -0 ${process.pid} 2>/dev/null && echo seen
      $TL whoami || echo signed out
    `;
    const { status, stdout, stderr } = await engineer.cli(
      ['run', '--agent', 'caged', '--isolate', '--', 'sh', '-c', script],
      { env: environment() },
    );
    expect({
      status,
      lines: stdout.split('\n').filter((line) => line !== '' && !line.includes(engineer.home)),
    }).toEqual({
      status: 0,
      lines: ['isolated', 'service', 'refused', 'handle:', 'signed out'],
    });
    expect(stderr).toContain('refused');
    const found = await lines();
    expect([found.get('isolated'), found.get('service')]).toEqual(['caged proven', 'caged proven']);
  });
});

describe('ways around', () => {
  it.skipIf(spawnSync('tmux', ['-V']).status !== 0)(
    'a terminal multiplexer that an agent starts is the agent’s, also when the agent is over',
    async () => {
      const socket = join(directory, 'tmux');
      const { stdout, stderr } = await engineer.cli(
        [
          'run',
          '--agent',
          'muxer',
          '--',
          'sh',
          '-c',
          `tmux -S ${socket} -f /dev/null new-session -d "psql -XAtqc \\"select 'muxed' as mark\\"; sleep 60"; sleep 1; tmux -S ${socket} list-sessions`,
        ],
        { env: { ...environment(), TERM: 'xterm' } },
      );
      expect({ stdout, stderr }).toEqual({
        stdout: expect.stringContaining('1 windows') as unknown,
        stderr: '',
      });
      expect((await lines()).get('muxed')).toBe('muxer proven > psql observed');
      const late = await run(
        'tmux',
        [
          '-S',
          socket,
          'new-window',
          '-d',
          `env PGSSLMODE=disable psql -XAtqc "select 'late' as mark" -h 127.0.0.1 -p ${outside.port} -U engineer shop > ${directory}/late.txt 2>&1`,
        ],
        { env: plainEnvironment({ TERM: 'xterm' }) },
      );
      expect(late.status).toBe(0);
      await until('it was refused', () =>
        Promise.resolve(/has ended/.test(readText(join(directory, 'late.txt'))) ? true : undefined),
      );
      await run('tmux', ['-S', socket, 'kill-server'], { env: plainEnvironment() });
    },
  );

  it('a handle that is carried out of its tree is refused, with the device’s own key or another', async () => {
    const running = agent('leaky', 'echo "$THROUGHLINE_DELEGATION $THROUGHLINE_HANDLE"; exec sleep 20');
    const [, id, handle] = await running.waitFor(/(dlg_\S+) (tlh_\S+)/);
    const stolen = { THROUGHLINE_DELEGATION: id ?? '', THROUGHLINE_HANDLE: handle ?? '' };
    const same = await engineer.cli(['connections'], { env: stolen });
    expect({ status: same.status, stderr: same.stderr }).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('given to another process') as unknown,
    });
    const other = await login(scope, gateway, 'contractor');
    expect((await other.cli(['connections'], { env: stolen })).status).toBe(3);
    running.signal('SIGTERM');
    await running.ended;
  });
});

describe('the log', () => {
  it('holds the whole order: minted, started, revoked, ended; and it verifies', async () => {
    const report = await run(process.execPath, [cliProgram, 'log', 'verify', '--json'], {
      env: plainEnvironment({ THROUGHLINE_HOME: engineer.home }),
      timeoutMs: 60_000,
    });
    expect(JSON.parse(report.stdout)).toMatchObject({ ok: true, problems: [] });
  });
});
