import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { seal, unseal } from '../../../gateway-core/agent/client/seal.js';
import { History } from '../../../gateway-core/agent/sql/history.js';
import { sqlLimits } from '../../../gateway-core/agent/sql/limits.js';
import type { HistoryEntry } from '../../../gateway-core/contract/bridge/work.js';
import { engineOptions } from './support.js';

let directory = '';
let file = '';
const key = randomBytes(32);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throughline-history-'));
  file = join(directory, 'history.sealed');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

interface Opened {
  readonly history: History;
  readonly list: (wanted?: Partial<Parameters<History['list']>[0]>) => Promise<HistoryEntry[]>;
  readonly ids: (wanted?: Partial<Parameters<History['list']>[0]>) => Promise<string[]>;
}

/** As an app of its own would open it. */
function opened(sealingKey = key, principal = 'demo/anna'): Opened {
  const history = new History(
    engineOptions({
      principal: () => principal,
      history: {
        directory,
        seal: (text) => Promise.resolve(seal(sealingKey, 'history', text).toString('base64')),
        unseal: (text) => Promise.resolve(unseal(sealingKey, 'history', Buffer.from(text, 'base64'))),
      },
    }),
  );
  const list: Opened['list'] = (wanted = {}) => history.list({ text: '', count: 500, ...wanted });
  return { history, list, ids: async (wanted) => (await list(wanted)).map(({ id }) => id) };
}

function entry(id: string, more: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    id,
    at: '2026-11-21T10:00:00.000Z',
    connection: 'shop-db',
    principal: 'demo/anna',
    text: `select '${id}'`,
    state: 'ok',
    ...more,
  };
}

it('what was run is there again after a restart, newest first', async () => {
  const { history, list } = opened();
  for (const id of ['a', 'b', 'c']) history.put(entry(id, { rows: 3 }));
  await history.settled();
  expect((await opened().list()).map(({ id, rows }) => [id, rows])).toEqual([
    ['c', 3],
    ['b', 3],
    ['a', 3],
  ]);
  expect(await list()).toEqual(await opened().list());
});

it('no text, no connection and no name of a person is in the file', async () => {
  const { history } = opened();
  history.put(
    entry('a', { text: "select 'wolpertinger'", error: 'no zitronenfalter', session: 'ses_xylophon' }),
  );
  await history.settled();
  const bytes = await readFile(file, 'latin1');
  const decoded = bytes.split('\n').map((line) => Buffer.from(line, 'base64').toString('latin1'));
  for (const part of ['wolpertinger', 'zitronenfalter', 'xylophon', 'shop-db', 'anna', 'select']) {
    expect(bytes).not.toContain(part);
    expect(decoded.join('')).not.toContain(part);
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('another key opens nothing, and what it adds is readable to itself', async () => {
  const { history } = opened();
  history.put(entry('a'));
  await history.settled();
  const other = opened(randomBytes(32));
  expect(await other.list()).toEqual([]);
  other.history.put(entry('b'));
  expect(await other.ids()).toEqual(['b']);
  expect(await opened().ids()).toEqual(['a']);
});

it('another person of this device sees nothing of it', async () => {
  const { history } = opened();
  history.put(entry('a'));
  await history.settled();
  expect(await opened(key, 'demo/otto').list()).toEqual([]);
});

it('broken lines are skipped, and a line that was cut off takes no other with it', async () => {
  const { history } = opened();
  for (const id of ['a', 'b']) history.put(entry(id));
  await history.settled();
  await appendFile(file, 'not sealed at all\n\n\0\0\0\n');
  await appendFile(file, `${seal(key, 'history', '{"id":').toString('base64')}\n`);
  await appendFile(file, `${seal(key, 'history', '{"id":"x","state":"odd"}').toString('base64')}\n`);
  const second = opened();
  second.history.put(entry('c'));
  await second.history.settled();
  await truncate(file, (await stat(file)).size - 10);
  const third = opened();
  expect(await third.ids()).toEqual(['b', 'a']);
  third.history.put(entry('d'));
  await third.history.settled();
  expect(await opened().ids()).toEqual(['d', 'b', 'a']);
});

it('a run is one entry, where it began, whenever it ends; one that never ended is told as interrupted', async () => {
  const { history } = opened();
  history.put(entry('long', { state: 'running' }));
  history.put(entry('lost', { state: 'running' }));
  history.put(entry('short'));
  history.put(entry('long', { state: 'error', error: 'no' }));
  await history.settled();
  for (const each of [history, opened().history]) {
    const found = await each.list({ text: '', count: 10 });
    expect(found.map(({ id }) => id)).toEqual(['short', 'lost', 'long']);
    expect(found.at(-1)).toMatchObject({ state: 'error', error: 'no' });
  }
  expect((await opened().list()).map(({ state }) => state)).toEqual(['ok', 'interrupted', 'error']);
});

it('is read in pages, by text and connection', async () => {
  const { history, ids } = opened();
  for (let index = 0; index < 10; index += 1)
    history.put(
      entry(`e${index}`, { connection: index % 2 === 0 ? 'even' : 'odd', text: `SELECT ${index}` }),
    );
  expect(await ids({ count: 3 })).toEqual(['e9', 'e8', 'e7']);
  expect(await ids({ count: 3, before: 'e7' })).toEqual(['e6', 'e5', 'e4']);
  expect(await ids({ connection: 'even', count: 2, before: 'e6' })).toEqual(['e4', 'e2']);
  expect(await ids({ text: 'select 7' })).toEqual(['e7']);
  expect(await ids({ before: 'gone' })).toEqual([]);
});

it('is bounded in entries: the oldest make room', async () => {
  const lines: string[] = [];
  const { historyEntriesMax } = sqlLimits;
  for (let index = 0; index < historyEntriesMax; index += 1)
    lines.push(seal(key, 'history', JSON.stringify(entry(`e${index}`))).toString('base64'));
  await writeFile(file, `${lines.join('\n')}\n`);
  const { history } = opened();
  history.put(entry('one more'));
  const last = await history.list({ text: '', count: 500, before: 'e2' });
  expect(last.map(({ id }) => id)).toEqual(['e1']);
});

it('is bounded in bytes, on the disk too, and what is kept is the newest', async () => {
  const { historyBytesMax, historyTextCharactersMax } = sqlLimits;
  const { history, list, ids } = opened();
  const count = Math.ceil((historyBytesMax * 1.2) / historyTextCharactersMax);
  for (let index = 0; index < count; index += 1)
    history.put(entry(`e${index}`, { text: `${index} ${'x'.repeat(historyTextCharactersMax * 2)}` }));
  await history.settled();
  expect((await stat(file)).size).toBeLessThan(historyBytesMax * 1.01);
  const [newest] = await list({ count: 1 });
  expect(newest?.id).toBe(`e${count - 1}`);
  expect(newest?.text).toHaveLength(historyTextCharactersMax);
  expect(await opened().ids()).toEqual(await ids());
});

it('of a file that is too large the newest part is read', async () => {
  const { history } = opened();
  history.put(entry('old'));
  await history.settled();
  await appendFile(file, `${'x'.repeat(1023)}\n`.repeat(sqlLimits.historyBytesMax / 1024));
  const second = opened();
  second.history.put(entry('new'));
  expect(await second.ids()).toEqual(['new']);
  expect((await stat(file)).size).toBeLessThan(1024 * 1024);
  expect(await opened().ids()).toEqual(['new']);
});

it('clearing it leaves no file and no entry, and what is put afterwards is kept', async () => {
  const { history, ids } = opened();
  history.put(entry('a'));
  const cleared = history.clear();
  history.put(entry('b'));
  await cleared;
  expect(await ids()).toEqual(['b']);
  expect(await opened().ids()).toEqual(['b']);
  await history.clear();
  await expect(stat(file)).rejects.toThrow('ENOENT');
});

it('a history that cannot be written stops nothing', async () => {
  await rm(directory, { recursive: true });
  const { history, ids } = opened();
  history.put(entry('a'));
  await history.settled();
  expect(await ids()).toEqual(['a']);
});
