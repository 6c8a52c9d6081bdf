import { afterAll, beforeAll, expect, test } from 'vitest';
import { paths } from '../../../gateway-core/contract/api.js';
import type { WatchItem } from '../../../gateway-core/contract/watch.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../agent/fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../agent/support.js';
import { type Ran, run, type World } from './run.js';
import { hostile, sessionId } from './sample.js';

const evil = '\x1b]0;owned\x07\x1b]52;c;QQ==\x07\x1b[6n\x1b[?1000h';
const shown: readonly WatchItem[] = [
  { kind: 'beat', at: '2026-11-21T08:00:00.000Z' },
  {
    kind: 'statement',
    atMs: 1,
    seq: 1,
    command: 'shell',
    text: `bash ${hostile}`,
    decision: 'allowed',
  },
  { kind: 'screen', atMs: 2, seq: 1, columns: 90, rows: 20, data: `${evil}ready> `, whole: false },
  { kind: 'terminal', atMs: 3, seq: 1, data: `${evil}ls\r\n` },
  { kind: 'terminal', atMs: 3, seq: 2, data: 'of another terminal' },
  { kind: 'outcome', atMs: 4, seq: 1, state: 'ok', tag: 'exit 0' },
  { kind: 'output', atMs: 5, seq: 3, stream: 'stderr', text: `oops ${evil}\n`, cut: false },
  { kind: 'end', atMs: 6, endCause: 'client' },
];

let fake: FakeGateway;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  const made = await temporaryHome();
  ({ home, env } = made);
  fake = await startFakeGateway();
  await demoLogin(fake, made.state);
});
afterAll(async () => {
  await fake.kill();
  await Promise.all([fake.directory, home].map(remove));
});

/** Each request is answered with the next of `answers`; the last one again and again. */
function answering(...answers: (readonly WatchItem[])[]): () => number {
  let asked = 0;
  const answer: RouteHandler = (_, response) => {
    const items = answers[Math.min(asked, answers.length - 1)] ?? [];
    asked += 1;
    response.end(items.map((item) => JSON.stringify(item)).join('\n'));
  };
  fake.behaviour.routes[`GET ${paths.watch(sessionId)}`] = answer;
  return () => asked;
}

const follow = (argv: string[] = [], world: World = {}): Promise<Ran> =>
  run(['replay', sessionId, '--follow', '--gateway', fake.url, ...argv], { env, ...world });
const closed = (why: Extract<WatchItem, { kind: 'closed' }>['why']): WatchItem => ({ kind: 'closed', why });

test('a watched terminal can only paint here: no title, no clipboard, no question, and the screen is given back', async () => {
  answering([...shown, closed('session-ended')]);
  const { status, out } = await follow([], { isTTY: true });
  expect(status).toBe(0);
  expect(out).toContain('ready> ls\r\n');
  expect(out).toContain('what it showed before may be missing');
  expect(out).not.toContain('of another terminal');
  expect(out).not.toContain(hostile);
  // oxlint-disable-next-line no-control-regex -- what must not come through
  expect(out).not.toMatch(/\x1b\]|\x1b\[6n|\x1b\[\?1000h|\x07/);
  expect(out).toMatch(/exit 0[^]*oops[^]*the session ended: client/);
});

test('--json gives each line as it came', async () => {
  answering([...shown, closed('session-ended')]);
  const { status, out } = await follow(['--json']);
  expect(status).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([...shown, closed('session-ended')]);
});

test('after an hour it is asked for again; without the right to it, it ends with status 4', async () => {
  const asked = answering([closed('time')], [closed('rights')]);
  const { status, err } = await follow();
  expect(asked()).toBe(2);
  expect(status).toBe(4);
  expect(err).toContain('may not be watched any more');
});

test('a gateway that is gone is no end of the session', async () => {
  answering(shown.slice(0, 3));
  const { status, err } = await follow();
  expect(status).toBe(6);
  expect(err).toContain('throughline replay');
});

test('it follows a session, and not a file, and in no other time than its own', async () => {
  expect((await follow(['--speed', '2'])).status).toBe(2);
  expect((await run(['replay', 'evidence.zip', '--follow'], { env })).status).toBe(2);
});
