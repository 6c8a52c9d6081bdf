import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { HarmlessOutput } from '../../../gateway-core/codec/terminal/harmless.js';
import { paths } from '../../../gateway-core/contract/api.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../agent/fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../agent/support.js';
import { type Ran, run, type World } from './run.js';
import { hostile, recording, sessionId } from './sample.js';

const { pauses } = vi.hoisted(() => ({ pauses: { each: (): void => undefined } }));
vi.mock('node:timers/promises', () => ({
  setTimeout: () => {
    pauses.each();
    return Promise.resolve();
  },
}));

const evil = '\x1b]0;owned\x07\x1b]52;c;QQ==\x07\x1b[6n\x1b[?1000h';
const items = [
  recording[0],
  { kind: 'statement', atMs: 1, seq: 1, text: 'shell', decision: 'allowed' },
  { kind: 'size', atMs: 2, seq: 1, columns: 90, rows: 20 },
  { kind: 'terminal', atMs: 10, seq: 1, data: `${evil}$ \x1b[1ml` },
  { kind: 'terminal', atMs: 20, seq: 1, data: 's\x1b[0m' },
  { kind: 'statement', atMs: 30, seq: 2, text: `ls ${hostile}`, decision: 'allowed' },
  { kind: 'terminal', atMs: 40, seq: 1, data: '\r\nfile\r\n' },
  { kind: 'outcome', atMs: 45, seq: 2, state: 'ok' },
  { kind: 'size', atMs: 46, seq: 7, columns: 10, rows: 10 },
  { kind: 'terminal', atMs: 47, seq: 7, data: 'second' },
  { kind: 'outcome', atMs: 50, seq: 1, state: 'ok', tag: 'exit 0' },
  { kind: 'output', atMs: 60, seq: 3, stream: 'stderr', text: `oops ${evil}\n` },
  { kind: 'end', atMs: 70, endCause: 'client' },
];

let fake: FakeGateway;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  const made = await temporaryHome();
  ({ home, env } = made);
  fake = await startFakeGateway();
  await demoLogin(fake, made.state);
  const lines: RouteHandler = (_, response) =>
    response.end(items.map((item) => JSON.stringify(item)).join('\n'));
  fake.behaviour.routes[`GET ${paths.recording(sessionId)}`] = lines;
});
afterAll(async () => {
  await fake.kill();
  await Promise.all([fake.directory, home].map(remove));
});

const replay = (argv: string[], world: World = {}): Promise<Ran> =>
  run(['replay', sessionId, '--gateway', fake.url, ...argv], { env, ...world });

test('without --speed a terminal is printed as lines that nothing obeys', async () => {
  for (const isTTY of [false, true]) {
    const ran = await replay([], { isTTY, env: { ...env, NO_COLOR: '1' } });
    expect(ran).toMatchObject({ status: 0, err: '' });
    expect(ran.out).toContain('  $ ls\n');
    expect(ran.out).toContain('  file\n');
    expect(ran.out).toContain('  ! oops \n');
    expect(ran.out).not.toMatch(/(?!\n)\p{Cc}/u);
  }
});

test('with --speed it is played to a terminal, and that gets only what paints', async () => {
  const ran = await replay(['--speed', '4'], { isTTY: true, env: { ...env, NO_COLOR: '1' } });
  expect(ran.out).toContain(`$ \x1b[1mls\x1b[0m\r\nfile\r\n${new HarmlessOutput().restore()}`);
  expect(ran.out).not.toContain('\x1b]');
  expect(ran.out).not.toContain('52;c');
  expect(ran.out).not.toContain('[6n');
  expect(ran.out).not.toContain('1000');
  expect(ran.out).toContain('session ended');
});

test('whoever leaves a replay that plays gets their screen back', async () => {
  let count = 0;
  pauses.each = () => {
    count += 1;
    // Behind the second piece of the terminal.
    if (count === 5) process.emit('SIGINT');
  };
  const before = process.listenerCount('SIGINT');
  const ran = await replay(['--speed', '4'], { isTTY: true, env: { ...env, NO_COLOR: '1' } });
  pauses.each = () => undefined;
  expect(ran.status).toBe(0);
  expect(ran.out.endsWith(`ls\x1b[0m${new HarmlessOutput().restore()}`)).toBe(true);
  expect(process.listenerCount('SIGINT')).toBe(before);
});

test('--asciicast writes one terminal into a file of its own, and names the others', async () => {
  const file = join(home, 'session.cast');
  const ran = await replay(['--asciicast', '-o', file]);
  expect(ran).toMatchObject({ status: 0, err: 'this session has more terminals: --statement 7\n' });
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[]);
  expect(lines[0]).toMatchObject({ version: 3, term: { cols: 90, rows: 20 } });
  expect(lines.slice(1).map(([, code]) => code)).toEqual(['o', 'o', 'm', 'o', 'x']);
  expect(JSON.stringify(lines)).not.toContain('owned\\u0007');
  const other = join(home, 'other.cast');
  expect((await replay(['--asciicast', '-o', other, '--statement', '7', '--json'])).json()).toEqual({
    file: other,
    statement: 7,
    others: [1],
    problems: 0,
  });
});

test('--asciicast replaces no file, leaves none behind, and says what it needs', async () => {
  const file = join(home, 'mine.txt');
  await writeFile(file, 'mine');
  expect(await replay(['--asciicast', '-o', file])).toMatchObject({ status: 2 });
  expect(await readFile(file, 'utf8')).toBe('mine');
  const none = join(home, 'none.cast');
  expect((await replay(['--asciicast', '-o', none, '--statement', '99'])).status).not.toBe(0);
  await expect(readFile(none)).rejects.toThrow('ENOENT');
  for (const argv of [['--asciicast'], ['-o', none], ['--asciicast', '-o', none, '--statement', 'x']])
    expect((await replay(argv)).status).toBe(2);
});
