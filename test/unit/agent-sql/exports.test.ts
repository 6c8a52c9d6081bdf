import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Exports, type ExportWanted } from '../../../gateway-core/agent/sql/exports.js';
import { SqlResult, type Tap } from '../../../gateway-core/agent/sql/result.js';
import type { ExportView } from '../../../gateway-core/contract/bridge/work.js';
import { dataRow, engineOptions, type Row, view } from './support.js';

/** The disk as far as a test wants it to fail. */
const disk = vi.hoisted(() => ({ bytes: Number.POSITIVE_INFINITY, code: 'ENOSPC', links: true }));
const failure = vi.hoisted(
  () =>
    (code: string): Error =>
      Object.assign(new Error(code), { code }),
);

vi.mock(import('node:fs/promises'), async (original) => {
  const real = await original();
  return {
    ...real,
    open: async (...given: Parameters<typeof real.open>) => {
      const file = await real.open(...given);
      const write = file.write.bind(file) as (bytes: Buffer, at: number) => ReturnType<typeof file.write>;
      let left = disk.bytes;
      const bounded = (bytes: Buffer, at: number) => {
        left -= bytes.length - at;
        return left < 0 ? Promise.reject(failure(disk.code)) : write(bytes, at);
      };
      return Object.assign(file, { write: bounded });
    },
    link: (...given: Parameters<typeof real.link>) =>
      disk.links ? real.link(...given) : Promise.reject(failure('EPERM')),
  };
});

let directory = '';
const told: ExportView[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throughline-exports-'));
  told.length = 0;
  Object.assign(disk, { bytes: Number.POSITIVE_INFINITY, code: 'ENOSPC', links: true });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const textColumn = (name: string) => ({
  name,
  tableOid: 0,
  columnNumber: 0,
  typeOid: 25,
  typeSize: -1,
  typeModifier: -1,
  format: 0 as const,
});

function add(result: SqlResult, rows: readonly Row[]): void {
  for (const row of rows) {
    const message = dataRow(row);
    result.store.add(message, 0, message.length);
  }
}

function resultOf(rows: readonly Row[], state: SqlResult['state'] = 'done'): SqlResult {
  const result = new SqlResult('res_1', [textColumn('a'), textColumn('b')], [], 10);
  add(result, rows);
  result.state = state;
  return result;
}

/** A statement that still runs: what an export has taken of it is in the test's hands. */
function running() {
  const taps: Tap[] = [];
  const holds: boolean[] = [];
  let diverted: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    diverted = resolve;
  });
  const run: ExportWanted['run'] = {
    divert: (_, tap) => {
      taps.push(tap);
      diverted();
    },
    hold: (_, on) => void holds.push(on),
    release: () => undefined,
  };
  const tap = async (): Promise<Tap> => {
    await begun;
    const [first] = taps;
    if (first === undefined) throw new Error('nothing was diverted');
    return first;
  };
  return { run, tap, holds };
}

function start(wanted: Partial<ExportWanted> & Pick<ExportWanted, 'result'>, where = directory) {
  const exports = new Exports(
    engineOptions({
      exportDirectory: () => where,
      emit: (name, payload) => void (name === 'export.changed' && told.push(payload as ExportView)),
    }),
  );
  const begin = (more: Partial<ExportWanted> = {}): ExportView =>
    exports.start({ run: running().run, format: 'csv', name: 'orders.csv', view: false, ...wanted, ...more });
  const { id } = begin();
  return {
    exports,
    id,
    begin,
    ended: async (): Promise<ExportView | undefined> => {
      await exports.settled();
      return exports.list().find((each) => each.id === id);
    },
  };
}

const files = async (): Promise<string[]> => (await readdir(directory)).sort();
const content = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');

describe('an export', () => {
  it('writes every row once, in order, and tells how it ended', async () => {
    const rows = Array.from({ length: 5000 }, (_, index) => [String(index), index % 2 === 0 ? null : '']);
    const done = await start({ result: resultOf(rows) }).ended();
    expect(done).toMatchObject({
      state: 'done',
      rows: 5000,
      rowsTotal: 5000,
      path: join(directory, 'orders.csv'),
    });
    const text = await content('orders.csv');
    expect(text).toBe(`a,b\r\n${rows.map(([a, b]) => `${a},${b === null ? '' : '""'}\r\n`).join('')}`);
    expect(done?.bytes).toBe(Buffer.byteLength(text));
    expect(told.at(-1)).toEqual(done);
    expect(await files()).toEqual(['orders.csv']);
    expect((await stat(join(directory, 'orders.csv'))).mode & 0o777).toBe(0o600);
  });

  it('of a view writes what the view shows, in its order', async () => {
    const result = resultOf([
      ['2', 'x'],
      ['10', 'y'],
      ['1', 'x'],
    ]);
    await result.look(view({ filter: 'x', sort: [{ column: 0, descending: false }] }));
    const done = await start({ result, view: true, format: 'ndjson' }).ended();
    expect(done).toMatchObject({ rows: 2, rowsTotal: 2 });
    expect(await content('orders.ndjson')).toBe('{"a":"1","b":"x"}\n{"a":"2","b":"x"}\n');
  });

  it('counts the masked cells that it writes', async () => {
    const result = resultOf([
      ['1', 'x'],
      ['2', 'y'],
      ['3', 'z'],
    ]);
    result.store.mark(0, 1);
    result.store.mark(2, 0);
    expect(await start({ result }).ended()).toMatchObject({ maskedCells: 2 });
  });

  it('overwrites nothing: not a file, not a link, not a folder, not another export', async () => {
    await writeFile(join(directory, 'orders.csv'), 'precious');
    await symlink(join(directory, 'elsewhere'), join(directory, 'orders (2).csv'));
    await mkdir(join(directory, 'orders (3).csv'));
    const { exports, begin } = start({ result: resultOf([['1', '2']]) });
    begin();
    await exports.settled();
    expect(await files()).toEqual([
      'orders (2).csv',
      'orders (3).csv',
      'orders (4).csv',
      'orders (5).csv',
      'orders.csv',
    ]);
    expect(await content('orders.csv')).toBe('precious');
    expect(new Set(exports.list().map(({ path }) => path)).size).toBe(2);
  });

  it('takes no name that leads out of its folder or hides', async () => {
    const result = resultOf([]);
    const { begin, ended } = start({ result });
    await ended();
    for (const name of [
      '../x',
      '..',
      '.',
      '.bashrc',
      '/etc/x',
      'a/b',
      'a\\b',
      'C:x',
      'a\nb',
      'a\0b',
      '',
      'x'.repeat(200),
    ])
      expect(() => begin({ name }), JSON.stringify(name)).toThrow('this is no name for a file');
  });

  it('writes rows that come while it writes, and those that still have to come', async () => {
    const result = resultOf([['1', 'loaded']], 'streaming');
    const { run, tap, holds } = running();
    const { ended } = start({ result, run });
    add(result, [['2', 'meanwhile']]);
    const { rows, masked, end } = await tap();
    masked(3);
    rows(Buffer.concat([dataRow(['3', 'later']), dataRow(['4', 'later'])]));
    rows(dataRow(['5', 'last']));
    end(undefined);
    expect(await ended()).toMatchObject({ state: 'done', rows: 5, maskedCells: 3 });
    expect(
      (await content('orders.csv'))
        .split('\r\n')
        .map((line) => line.slice(0, 1))
        .join(''),
    ).toBe('a12345');
    // What is slower than its rows holds them.
    expect(holds).toContain(true);
  });

  it('whose rows break off leaves no file and tells why', async () => {
    const { run, tap } = running();
    const { ended } = start({ result: resultOf([['1', '']], 'paused'), run });
    const { rows, end } = await tap();
    rows(dataRow(['2', '']));
    end({ kind: 'error', severity: 'ERROR', code: '22012', message: 'division by zero' });
    expect(await ended()).toMatchObject({
      state: 'failed',
      path: '',
      error: { code: 'target-refused', message: 'the rows broke off: division by zero' },
    });
    expect(await files()).toEqual([]);
  });

  it('that is cancelled leaves no file, also while it waits for rows', async () => {
    const { run, tap } = running();
    const { exports, id, ended } = start({ result: resultOf([['1', '']], 'paused'), run });
    const { rows } = await tap();
    rows(dataRow(['2', '']));
    exports.cancel(id);
    expect(await ended()).toMatchObject({ state: 'cancelled', path: '' });
    expect(await files()).toEqual([]);
  });

  it('of a result whose rows were not all kept is refused, what is shown of it is not', async () => {
    const { begin, exports } = start({ result: resultOf([['1', '2']], 'cut'), view: true });
    expect(() => begin({ view: false })).toThrow('were not kept');
    await exports.settled();
    expect(exports.list()).toMatchObject([{ state: 'done', rows: 1 }]);
  });

  it('does not take rows that another one takes: each would have some of them', async () => {
    const result = resultOf([['1', '2']], 'paused');
    const { run, tap } = running();
    const { begin, exports } = start({ result, run });
    expect(() => begin()).toThrow('another export reads the rest');
    (await tap()).end(undefined);
    await exports.settled();
    begin({ run: { ...run, divert: (_, second) => second.end(undefined) } });
    await exports.settled();
    expect(exports.list().map(({ state }) => state)).toEqual(['done', 'done']);
  });
});

describe('a disk that does not take it', () => {
  it('because it gets full: is told, and nothing is left of the file', async () => {
    disk.bytes = 300_000;
    const rows = Array.from({ length: 6000 }, () => ['x'.repeat(100), 'y']);
    const done = await start({ result: resultOf(rows) }).ended();
    expect(done).toMatchObject({ state: 'failed', path: '', error: { code: 'too-large' } });
    expect(done?.error?.message).toBe(`the disk that holds ${directory} is full`);
    expect(await files()).toEqual([]);
  });

  it('because it breaks: is told by its own word', async () => {
    disk.bytes = 0;
    disk.code = 'EIO';
    expect(await start({ result: resultOf([]) }).ended()).toMatchObject({
      state: 'failed',
      error: { code: 'internal', message: 'the file could not be written (EIO)' },
    });
    expect(await files()).toEqual([]);
  });

  it('without hard links gets the file all the same, and nothing of it is overwritten', async () => {
    disk.links = false;
    await writeFile(join(directory, 'orders.csv'), 'precious');
    expect(await start({ result: resultOf([['1', '2']]) }).ended()).toMatchObject({ state: 'done' });
    expect(await files()).toEqual(['orders (2).csv', 'orders.csv']);
    expect(await content('orders (2).csv')).toBe('a,b\r\n1,2\r\n');
    expect(await content('orders.csv')).toBe('precious');
  });

  it('because the folder is gone: is told, with what to do', async () => {
    const done = await start({ result: resultOf([]) }, join(directory, 'gone')).ended();
    expect(done).toMatchObject({
      state: 'failed',
      error: { code: 'denied', action: expect.stringContaining('Settings') as string },
    });
  });

  it('because the folder is none, or cannot be named: is told', async () => {
    await writeFile(join(directory, 'file'), '');
    const done = await start({ result: resultOf([]) }, join(directory, 'file')).ended();
    expect(done?.error?.code).toBe('denied');
    const unnamed = new Exports(
      engineOptions({
        exportDirectory: () => {
          throw new Error('no home');
        },
      }),
    );
    unnamed.start({ run: running().run, result: resultOf([]), format: 'csv', name: 'x', view: false });
    await unnamed.settled();
    expect(unnamed.list()).toMatchObject([{ state: 'failed' }]);
  });

  it('because the name is too long for it: is told, and nothing is left', async () => {
    const done = await start({ result: resultOf([]), name: '表'.repeat(100) }).ended();
    expect(done).toMatchObject({ state: 'failed', error: { message: 'the name is too long' } });
    expect(await files()).toEqual([]);
  });
});
