import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultPreferences } from '../../../gateway-core/contract/bridge/app.js';
import { calls, type Handlers } from '../../../gateway-core/contract/bridge/calls.js';
import { type ToRenderer, wireLimits } from '../../../gateway-core/contract/bridge/wire.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { createDispatcher, openBytesMax } from '../../../main/ipc/dispatcher.js';
import { BridgeFailure } from '../../../main/ipc/failure.js';
import { inputLimits, plainSize } from '../../../main/ipc/measure.js';

type Answering = (name: string, input: unknown) => Promise<unknown>;

/** A dispatcher whose handlers do what `answering` does, and one window of it. */
function setup(answering: Answering = () => Promise.resolve({})) {
  const ran: { name: string; input: unknown; at: 'host' | 'agent' }[] = [];
  const complaints: string[] = [];
  const run = (at: 'host' | 'agent', name: string, input: unknown): Promise<never> => {
    ran.push({ at, name, input });
    return answering(name, input) as Promise<never>;
  };
  const host = Object.fromEntries(
    Object.entries(calls)
      .filter(([, { at }]) => at === 'host')
      .map(([name]) => [name, (input: unknown) => run('host', name, input)]),
  ) as unknown as Handlers<'host'>;
  const dispatcher = createDispatcher({
    host,
    agent: { call: (name, input) => run('agent', name, input) },
    complain: (what, cause) => complaints.push(cause instanceof Error ? `${what}: ${cause.message}` : what),
  });
  const sent: ToRenderer[] = [];
  const window = dispatcher.attach((message) => sent.push(message));
  return { dispatcher, ran, complaints, sent, window };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function answerTo(answering: Answering, name: string, input: unknown): Promise<ToRenderer | undefined> {
  const { window, sent } = setup(answering);
  expect(window.receive({ kind: 'call', id: 7, name, input })).toBe('taken');
  await settled();
  return sent[0];
}

describe('the dispatcher', () => {
  it('a call goes to where the map says, with the checked input, and its output comes back', async () => {
    const { window, ran, sent } = setup((name) =>
      Promise.resolve(name === 'preferences.set' ? { ...defaultPreferences, zoom: 120 } : []),
    );
    window.receive({ kind: 'call', id: 0, name: 'preferences.set', input: { zoom: 120 } });
    window.receive({ kind: 'call', id: 1, name: 'connections.list', input: {} });
    await settled();
    expect(ran).toEqual([
      { at: 'host', name: 'preferences.set', input: { zoom: 120 } },
      { at: 'agent', name: 'connections.list', input: {} },
    ]);
    expect(sent).toEqual([
      { kind: 'result', id: 0, output: { ...defaultPreferences, zoom: 120 } },
      { kind: 'result', id: 1, output: [] },
    ]);
  });

  it('what the schema of a call does not say is refused and never run', async () => {
    const wrong: [string, unknown][] = [
      ['preferences.set', { zoom: 1000 }],
      ['preferences.set', { zoom: 100, admin: true }],
      ['preferences.get', undefined],
      ['preferences.get', { more: 1 }],
      ['queries.read', { name: '../etc/passwd' }],
      ['queries.read', { name: '.hidden' }],
      ['app.useGateway', { url: 'https://x', fingerprint: 'XYZ' }],
      ['sql.rows', { result: 'res_1', from: -1, count: 1 }],
      ['sql.rows', { result: 'res_1', from: 0, count: 1e9 }],
      ['sessions.show', []],
    ];
    for (const [name, input] of wrong) {
      const { window, ran, sent } = setup();
      window.receive({ kind: 'call', id: 1, name, input });
      await settled();
      expect(ran).toEqual([]);
      expect(sent).toMatchObject([{ kind: 'error', id: 1, error: { code: 'invalid-request' } }]);
    }
  });

  it('an output of another shape is an error, and nothing of it is told', async () => {
    const answer = await answerTo(() => Promise.resolve({ secret: 'x' }), 'connections.list', {});
    expect(answer).toMatchObject({ kind: 'error', error: { code: 'internal' } });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  it('an output is cut to what its schema says', async () => {
    const answer = await answerTo(() => Promise.resolve({ url: 'https://x', token: 't' }), 'app.signIn', {});
    expect(answer).toEqual({ kind: 'result', id: 7, output: { url: 'https://x' } });
  });

  it('expected failures are told as they are', async () => {
    const thrown = new ThroughlineError('conflict', 'there is one already', {
      action: 'take another',
      fields: { n: 1 },
    });
    const expected = {
      code: 'conflict',
      message: 'there is one already',
      action: 'take another',
      fields: { n: 1 },
    };
    expect(await answerTo(() => Promise.reject(thrown), 'queries.list', {})).toEqual({
      kind: 'error',
      id: 7,
      error: expected,
    });
    const failure = new BridgeFailure({ code: 'agent-stopped', message: 'gone' });
    expect(await answerTo(() => Promise.reject(failure), 'queries.list', {})).toMatchObject({
      error: { code: 'agent-stopped' },
    });
  });

  it('of a bug nothing is told: no message, no stack, no path', async () => {
    for (const cause of [
      new TypeError('cannot read /home/somebody/.key'),
      'text',
      null,
      { code: 'ENOENT' },
    ]) {
      const { window, sent, complaints } = setup(() => Promise.reject(cause));
      window.receive({ kind: 'call', id: 1, name: 'queries.list', input: {} });
      await settled();
      expect(sent).toEqual([
        {
          kind: 'error',
          id: 1,
          error: { code: 'internal', message: 'something failed inside the app', action: 'try again' },
        },
      ]);
      expect(complaints).toHaveLength(1);
    }
  });

  it('a handler that throws at once is an answer too', async () => {
    const answer = await answerTo(
      () => {
        throw new Error('at once');
      },
      'queries.list',
      {},
    );
    expect(answer).toMatchObject({ kind: 'error', error: { code: 'internal' } });
  });

  it('no window has more calls open than there may be, and each window counts alone', async () => {
    const { window, dispatcher, ran, sent } = setup(() => new Promise(() => undefined));
    for (let id = 0; id < wireLimits.callsMax + 3; id += 1) {
      window.receive({ kind: 'call', id, name: 'connections.list', input: {} });
    }
    await settled();
    expect(ran).toHaveLength(wireLimits.callsMax);
    expect(sent).toHaveLength(3);
    expect(sent[0]).toMatchObject({ kind: 'error', error: { code: 'busy' } });
    const other: ToRenderer[] = [];
    dispatcher
      .attach((message) => other.push(message))
      .receive({ kind: 'call', id: 1, name: 'connections.list', input: {} });
    await settled();
    expect(ran).toHaveLength(wireLimits.callsMax + 1);
    expect(other).toEqual([]);
  });

  it('open calls hold no more bytes than they may', async () => {
    const { window, ran, sent } = setup(() => new Promise(() => undefined));
    const text = 'x'.repeat(30 * 1024 * 1024);
    for (let id = 0; id < 6; id += 1) {
      window.receive({ kind: 'call', id, name: 'workspace.save', input: { text } });
    }
    await settled();
    expect(ran).toHaveLength(Math.floor(openBytesMax / text.length));
    expect(sent.every((each) => each.kind === 'error' && each.error.code === 'busy')).toBe(true);
    expect(ran.length + sent.length).toBe(6);
  });

  it('an id that is open cannot be used again, one that was answered can', async () => {
    let answer: (value: unknown) => void = () => undefined;
    const { window, sent } = setup(() => new Promise((resolve) => (answer = resolve)));
    const message = { kind: 'call', id: 5, name: 'connections.list', input: {} };
    expect(window.receive(message)).toBe('taken');
    expect(window.receive(message)).toBe('violation');
    answer([]);
    await settled();
    expect(sent).toHaveLength(1);
    expect(window.receive(message)).toBe('taken');
  });

  it('a window that is closed gets nothing more', async () => {
    let answer: (value: unknown) => void = () => undefined;
    const { window, sent, dispatcher } = setup(() => new Promise((resolve) => (answer = resolve)));
    window.receive({ kind: 'call', id: 5, name: 'connections.list', input: {} });
    window.close();
    answer([]);
    dispatcher.broadcast('resync', {});
    await settled();
    expect(sent).toEqual([]);
    expect(dispatcher.windows()).toBe(0);
  });

  it('an event reaches every window, checked and cut to its schema', () => {
    const { dispatcher, sent, complaints } = setup();
    const other: ToRenderer[] = [];
    dispatcher.attach((message) => other.push(message));
    dispatcher.relay('sql.closed', { key: 'sql_1', more: 'x' });
    const told = [{ kind: 'event', name: 'sql.closed', payload: { key: 'sql_1' } }];
    expect([sent, other]).toEqual([told, told]);
    for (const name of ['__proto__', 'constructor', 'nothing']) dispatcher.relay(name, {});
    dispatcher.relay('sql.closed', { key: 'no key' });
    expect(sent).toHaveLength(1);
    expect(complaints).toHaveLength(4);
  });

  it('a notice that nobody saw waits for the next window’s first call', async () => {
    const { dispatcher, window, sent } = setup(() => Promise.resolve([]));
    window.close();
    dispatcher.broadcast('notice', { level: 'warning', title: 'Preferences', text: 'broken' });
    dispatcher.broadcast('resync', {});
    const later: ToRenderer[] = [];
    const next = dispatcher.attach((message) => later.push(message));
    expect(later).toEqual([]);
    next.receive({ kind: 'call', id: 1, name: 'connections.list', input: {} });
    await settled();
    expect(later.map(({ kind }) => kind)).toEqual(['event', 'result']);
    expect(sent).toEqual([]);
  });
});

describe('hostile messages', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  });
  const names = fc.oneof(
    fc.constantFrom(...Object.keys(calls)),
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      '__defineGetter__',
      'hasOwnProperty',
    ),
    fc.string(),
  );

  it('never throw, run nothing that has another shape, and every call that was taken has one answer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            anything,
            fc.record(
              {
                kind: fc.constantFrom('call', 'hello', 'result', 'event', '__proto__'),
                id: fc.oneof(fc.integer(), fc.double(), fc.maxSafeNat(), fc.string()),
                name: names,
                input: anything,
                key: fc.string(),
              },
              { requiredKeys: [] },
            ),
          ),
          { maxLength: 20 },
        ),
        async (messages) => {
          const { window, ran, sent } = setup(() => Promise.resolve(undefined));
          const taken = messages.filter((message) => window.receive(message) === 'taken');
          await settled();
          expect(sent).toHaveLength(taken.length);
          expect(sent.every(({ kind }) => kind === 'result' || kind === 'error')).toBe(true);
          for (const { name, input, at } of ran) {
            expect(Object.hasOwn(calls, name)).toBe(true);
            const call = calls[name as keyof typeof calls];
            expect(call.at).toBe(at);
            expect(call.input.safeParse(input).success).toBe(true);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('an object’s prototype cannot be reached by an input', async () => {
    const input = JSON.parse('{"shortcuts":{"__proto__":"x","constructor":"y"},"zoom":100}') as unknown;
    const { window, ran } = setup(() => Promise.resolve(defaultPreferences));
    window.receive({ kind: 'call', id: 1, name: 'preferences.set', input });
    window.receive(
      JSON.parse('{"kind":"call","id":2,"name":"preferences.set","input":{"__proto__":{"zoom":90}}}'),
    );
    await settled();
    expect(({} as Record<string, unknown>)['zoom']).toBeUndefined();
    expect((ran[1]?.input as Record<string, unknown> | undefined)?.['zoom']).toBeUndefined();
  });

  it('input that is deep, round, wide, large or no plain data is refused before its schema is asked', () => {
    let deep: unknown = 'x';
    for (let depth = 0; depth <= inputLimits.depthMax + 1; depth += 1) deep = [deep];
    const round: Record<string, unknown> = {};
    round['self'] = round;
    const wide = Array.from({ length: inputLimits.partsMax + 1 }, () => 0);
    const refused = [
      deep,
      round,
      wide,
      'x'.repeat(1001),
      new Map(),
      new Date(),
      Buffer.alloc(1),
      1n,
      () => 1,
      Symbol('x'),
    ];
    expect(refused.map((each) => plainSize(each, 1000))).toEqual(refused.map(() => undefined));
    expect(plainSize({ a: ['x', 1, null, undefined, true] }, 1000)).toBeGreaterThan(0);
  });

  it('the size that is told of plain data is no less than an eighth of its JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const size = plainSize(value, 1e9);
        expect(size).toBeDefined();
        expect((size ?? 0) * 8).toBeGreaterThanOrEqual(JSON.stringify(value).length);
      }),
    );
  });
});
