import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ToAgent } from '../../../gateway-core/contract/bridge/wire.js';
import {
  type AgentHost,
  type AgentProcess,
  agentHostLimits,
  createAgentHost,
} from '../../../main/agent-host/agent-host.js';
import { childEnvironment } from '../../../main/agent-host/environment.js';
import { forkAgent } from '../../../main/agent-host/fork.js';
import type { BridgeFailure } from '../../../main/ipc/failure.js';

interface Fake extends AgentProcess {
  readonly sent: ToAgent[];
  say(message: unknown): void;
  exit(how?: string): void;
  ended: number;
  killed: number;
}

function fakeProcess(): Fake {
  let say: (message: unknown) => void = () => undefined;
  let exit: (how: string) => void = () => undefined;
  const fake: Fake = {
    sent: [],
    ended: 0,
    killed: 0,
    send: (message) => void fake.sent.push(message),
    onMessage: (hear) => {
      say = hear;
    },
    onExit: (hear) => {
      exit = hear;
    },
    end: () => {
      fake.ended += 1;
    },
    kill: () => {
      fake.killed += 1;
      exit('SIGKILL');
    },
    say: (message) => say(message),
    exit: (how = 'status 1') => exit(how),
  };
  return fake;
}

function setup(fork?: () => AgentProcess) {
  const processes: Fake[] = [];
  const states: string[] = [];
  const heard: unknown[] = [];
  const complaints: string[] = [];
  const host = createAgentHost({
    fork:
      fork ??
      (() => {
        const made = fakeProcess();
        processes.push(made);
        return made;
      }),
    start: () => ({ kind: 'start', version: '1', platform: 'linux' }),
    onState: (state) => states.push(state),
    onEvent: (name, payload) => heard.push({ name, payload }),
    complain: (what) => complaints.push(what),
  });
  host.start();
  const last = (): Fake => processes.at(-1) as Fake;
  return { host, processes, last, states, heard, complaints };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (failure: BridgeFailure) => failure.error.code,
  );

describe('the host of the agent process', () => {
  // Turns of the event loop are real.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('the first message is the start, and the agent runs from its first word', () => {
    const { host, last, states } = setup();
    expect(last().sent).toEqual([{ kind: 'start', version: '1', platform: 'linux' }]);
    expect(host.state).toBe('starting');
    last().say({ kind: 'event', name: 'resync', payload: {} });
    expect(states).toEqual(['starting', 'running']);
  });

  it('an answer reaches the call that asked, whatever their order', async () => {
    const { host, last } = setup();
    const first = host.call('connections.list', {});
    const second = host.call('tunnels.list', {});
    const [, one, two] = last().sent as { id: number }[];
    last().say({ kind: 'result', id: two?.id, output: 'second' });
    last().say({ kind: 'error', id: one?.id, error: { code: 'denied', message: 'no' } });
    expect(await second).toBe('second');
    expect(await codeOf(first)).toBe('denied');
  });

  // What came in one piece (the host stood still for a moment) is handed on without a turn in between.
  it('an answer is not overtaken by what the agent said after it, nor by its end', async () => {
    const order: string[] = [];
    const made = fakeProcess();
    const host = createAgentHost({
      fork: () => made,
      start: () => ({ kind: 'start', version: '1', platform: 'linux' }),
      onState: () => undefined,
      onEvent: (name) => order.push(name),
      complain: () => undefined,
    });
    host.start();
    const asked = ['first', 'second'].map(async (name) => {
      const output = await host.call('sql.run', {});
      // As long as the dispatcher takes to check it.
      for (let more = 0; more < 20; more++) await Promise.resolve();
      order.push(`${name} ${String(output)}`);
    });
    const [, one, two] = made.sent as { id: number }[];
    made.say({ kind: 'event', name: 'before', payload: {} });
    made.say({ kind: 'result', id: one?.id, output: 'runs' });
    made.say({ kind: 'event', name: 'failed', payload: {} });
    made.say({ kind: 'result', id: two?.id, output: 'runs' });
    await asked[0];
    made.exit();
    await Promise.all(asked);
    expect(order.slice(0, 2)).toEqual(['before', 'first runs']);
    expect(order).toContain('failed');
    expect(order).toContain('second runs');
  });

  it('calls that wait when the agent ends fail clearly, and none is sent again', async () => {
    const { host, last, processes, states } = setup();
    const call = codeOf(host.call('connections.list', {}));
    last().exit();
    expect(await call).toBe('agent-stopped');
    expect(await codeOf(host.call('connections.list', {}))).toBe('agent-stopped');
    vi.advanceTimersByTime(agentHostLimits.firstDelayMs);
    expect(processes).toHaveLength(2);
    expect(last().sent).toEqual([{ kind: 'start', version: '1', platform: 'linux' }]);
    expect(states).toEqual(['starting', 'stopped', 'starting']);
  });

  it('an answer of an agent that ended, or to a call that nobody made, changes nothing', async () => {
    const { host, last, processes, complaints } = setup();
    const [first] = processes;
    last().exit();
    vi.advanceTimersByTime(agentHostLimits.firstDelayMs);
    const call = host.call('connections.list', {});
    const [, sent] = last().sent as { id: number }[];
    first?.say({ kind: 'result', id: sent?.id, output: 'old' });
    last().say({ kind: 'result', id: 12_345, output: 'nobody' });
    for (const wrong of [null, 1, {}, { kind: 'hello' }, { kind: 'result', id: 'x' }]) last().say(wrong);
    last().say({ kind: 'result', id: sent?.id, output: 'new' });
    expect(await call).toBe('new');
    expect(complaints).toHaveLength(6);
  });

  it('it waits longer after each end, up to a bound, and begins anew after a long life', () => {
    const { last, processes } = setup();
    const delays: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      last().exit();
      let waited = 0;
      for (const before = processes.length; processes.length === before; waited += 50)
        vi.advanceTimersByTime(50);
      delays.push(waited);
    }
    expect(delays.slice(0, 3)).toEqual([100, 200, 400]);
    expect(Math.max(...delays)).toBe(agentHostLimits.delayMsMax);
    vi.advanceTimersByTime(agentHostLimits.wellAfterMs + 1);
    last().exit();
    const before = processes.length;
    vi.advanceTimersByTime(agentHostLimits.firstDelayMs);
    expect(processes).toHaveLength(before + 1);
  });

  it('a program that cannot be started is tried again like one that ended', async () => {
    let tries = 0;
    const { host } = setup(() => {
      tries += 1;
      throw new Error('no such program');
    });
    await nextTurn();
    expect(host.state).toBe('stopped');
    vi.advanceTimersByTime(agentHostLimits.firstDelayMs);
    expect(tries).toBe(2);
  });

  it('nothing is forked or told before it is started, and starting twice starts one', () => {
    const told: string[] = [];
    let forks = 0;
    const host = createAgentHost({
      fork: () => {
        forks += 1;
        return fakeProcess();
      },
      start: () => ({ kind: 'start', version: '1', platform: 'linux' }),
      onState: (state) => told.push(state),
      onEvent: () => undefined,
      complain: (what) => told.push(what),
    });
    expect([forks, told]).toEqual([0, []]);
    host.start();
    host.start();
    expect([forks, told]).toEqual([1, ['starting']]);
  });

  it('a process that takes no message fails the call at once, and is started again when it ends', async () => {
    const made: Fake[] = [];
    const { host } = setup(() => {
      const fake = fakeProcess();
      made.push(fake);
      return {
        ...fake,
        send: () => {
          throw new Error('write EPIPE');
        },
      };
    });
    expect(await codeOf(host.call('connections.list', {}))).toBe('agent-stopped');
    host.tell({ kind: 'preferences', exportDirectory: '', tunnels: [] });
    made[0]?.exit();
    vi.advanceTimersByTime(agentHostLimits.firstDelayMs);
    expect(made).toHaveLength(2);
  });

  it('closing asks first, kills later, and starts nothing again', async () => {
    const { host, last, processes } = setup();
    const closed = host.close();
    expect(last().ended).toBe(1);
    expect(last().killed).toBe(0);
    vi.advanceTimersByTime(agentHostLimits.closingTimeoutMs);
    expect(last().killed).toBe(1);
    await closed;
    vi.advanceTimersByTime(60_000);
    expect(processes).toHaveLength(1);
    expect(host.state).toBe('stopped');
  });

  it('closing while it waits to start again is over at once', async () => {
    const { host, last, processes } = setup();
    last().exit();
    await host.close();
    vi.advanceTimersByTime(60_000);
    expect(processes).toHaveLength(1);
  });
});

describe('a forked agent', () => {
  let directory = '';
  let hosts: AgentHost[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'throughline-agent-'));
  });
  afterEach(async () => {
    await Promise.all(hosts.map((host) => host.close()));
    hosts = [];
    rmSync(directory, { recursive: true, force: true });
    vi.unstubAllEnvs();
  });

  const start = (source: string): ReturnType<typeof setup> => {
    const program = join(directory, 'agent.mjs');
    writeFileSync(program, source);
    const made = setup(() => forkAgent(program));
    hosts.push(made.host);
    return made;
  };
  const echo = `process.on('disconnect', () => process.exit(0));
    process.on('message', (m) => {
      if (m.kind === 'start') process.send({ kind: 'event', name: 'env', payload: { env: process.env, argv: process.execArgv } });
      else if (m.name === 'die') process.exit(3);
      else process.send({ kind: 'result', id: m.id, output: m.input });
    });`;
  const running = async ({ host }: { host: AgentHost }): Promise<void> => {
    while (host.state !== 'running') await sleep(10);
  };

  it('gets none of the variables that change what Node loads or trusts', async () => {
    vi.stubEnv('NODE_OPTIONS', '--throw-deprecation');
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    vi.stubEnv('NODE_EXTRA_CA_CERTS', '');
    vi.stubEnv('npm_config_registry', 'x');
    vi.stubEnv('ELECTRON_RUN_AS_NODE', '1');
    const made = start(echo);
    await running(made);
    const [{ payload }] = made.heard as [{ payload: { env: Record<string, string>; argv: string[] } }];
    const names = Object.keys(payload.env).filter((name) => /^(NODE_|ELECTRON_|npm_)/i.test(name));
    expect(names.sort()).toEqual(['NODE_ENV', 'NODE_EXTRA_CA_CERTS']);
    expect(payload.argv).toEqual([]);
    expect(childEnvironment({ node_options: 'x', PATH: 'p' })).toEqual({ PATH: 'p' });
  });

  it('values of the structured clone survive the way there and back', async () => {
    const made = start(echo);
    const input = { text: '\u0000\ud800 ü', big: 'x'.repeat(5_000_000), list: [null, 1.5, true, undefined] };
    expect(await made.host.call('connections.list', input)).toEqual(input);
  });

  it('one that ends is started again, and what was asked meanwhile fails clearly', async () => {
    const made = start(echo);
    await running(made);
    expect(await codeOf(made.host.call('die' as never, {}))).toBe('agent-stopped');
    await running(made);
    expect(await made.host.call('connections.list', 'again')).toBe('again');
  });

  it('a program that does not exist ends, is told, and leaves the host alive', async () => {
    const made = setup(() => forkAgent(join(directory, 'missing.mjs')));
    hosts.push(made.host);
    while (made.complaints.length === 0) await sleep(10);
    expect(await codeOf(made.host.call('connections.list', {}))).toBe('agent-stopped');
  });

  it('ends in order at close, and by force when it does not', async () => {
    const orderly =
      start(`process.on('message', () => process.send({ kind: 'event', name: 'x', payload: 1 }));
      process.on('SIGTERM', () => process.exit(0));`);
    await running(orderly);
    await orderly.host.close();
    expect(orderly.host.state).toBe('stopped');
    const stubborn =
      start(`process.on('message', () => process.send({ kind: 'event', name: 'x', payload: 1 }));
      process.on('SIGTERM', () => undefined); process.on('disconnect', () => undefined); setInterval(() => undefined, 1000);`);
    await running(stubborn);
    await stubborn.host.close();
    expect(stubborn.host.state).toBe('stopped');
  });
});
