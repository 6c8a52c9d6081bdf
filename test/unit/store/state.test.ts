import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqlite } from '../../../gateway-core/store/sqlite.js';
import type { State } from '../../../gateway-core/store/state.js';
import { openState } from '../../../gateway-core/store/state.js';
import type { StateAnswer } from '../../../gateway-core/store/state-messages.js';
import { stateMigrations } from '../../../gateway-core/store/state-migrations.js';
import { StateQueue } from '../../../gateway-core/store/state-worker.js';

let directory = '';
let opened: State[] = [];

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'state-'));
  opened = [];
});
afterEach(async () => {
  for (const state of opened) await state.close();
  fs.rmSync(directory, { recursive: true });
});

async function open(): Promise<State> {
  const state = await openState({ directory });
  opened.push(state);
  return state;
}

async function reopen(): Promise<State> {
  for (const state of opened.splice(0)) await state.close();
  return open();
}

describe('the state database', () => {
  it('keeps rows with text, integers and blobs over a restart', async () => {
    const { database } = await open();
    const credential = Buffer.from('pooled buffer').subarray(3, 8);
    const row = { name: 'shop', config: '{"ü":1}', digest: 'd', updated_at_ms: 2 ** 45 + 1, updated_by: 'x' };
    const result = await database
      .insertInto('connections')
      .values({ ...row, credential })
      .executeTakeFirst();
    expect(result.numInsertedOrUpdatedRows).toBe(1n);
    const again = await reopen();
    const found = await again.database.selectFrom('connections').selectAll().executeTakeFirstOrThrow();
    expect(found).toEqual({ ...row, credential: new Uint8Array(Buffer.from('led b')) });
  });

  it('is for the owner only, and refuses a directory that others can write', async () => {
    const { database } = await open();
    await database.insertInto('meta').values({ key: 'a', value: '1' }).execute();
    for (const name of fs.readdirSync(directory)) {
      expect(fs.statSync(path.join(directory, name)).mode & 0o777, name).toBe(0o600);
    }
    await opened.pop()?.close();
    fs.chmodSync(directory, 0o777);
    await expect(open()).rejects.toMatchObject({ code: 'invalid-config' });
    fs.chmodSync(directory, 0o700);
  });

  it('is open in one place at a time', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: 'conflict' });
  });

  it('refuses a schema that is newer than it knows, and leaves it alone', async () => {
    await open();
    await opened.pop()?.close();
    const file = path.join(directory, 'state.db');
    const raw = await openSqlite(file);
    raw.exec(`pragma user_version = ${stateMigrations.length + 1}`);
    raw.close();
    await expect(open()).rejects.toMatchObject({ code: 'invalid-config', message: /newer/ });
    const again = await openSqlite(file);
    expect(again.run('pragma user_version', [], true).rows).toEqual([
      { user_version: stateMigrations.length + 1 },
    ]);
    again.close();
  });

  it('says what is wrong with a file that is no database', async () => {
    fs.writeFileSync(path.join(directory, 'state.db'), 'x'.repeat(5000));
    await expect(open()).rejects.toMatchObject({ code: 'invalid-config', message: /NOTADB/ });
  });

  it('fails one statement of a group alone', async () => {
    const { database } = await open();
    const insert = (key: string) => database.insertInto('meta').values({ key, value: key }).execute();
    await insert('b');
    const results = await Promise.allSettled([insert('a'), insert('b'), insert('c'), insert('c')]);
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
    ]);
    expect(results[1]).toMatchObject({ reason: { code: 'conflict' } });
    const again = await reopen();
    const rows = await again.database.selectFrom('meta').select('key').orderBy('key').execute();
    expect(rows.map((row) => row.key)).toEqual(['a', 'b', 'c']);
  });

  it('keeps a transaction whole and alone: others wait, and see all of it or nothing', async () => {
    const { database } = await open();
    await database.insertInto('meta').values({ key: 'n', value: '0' }).execute();
    const add = () =>
      database.transaction().execute(async (transaction) => {
        const { value } = await transaction.selectFrom('meta').select('value').executeTakeFirstOrThrow();
        await new Promise((resolve) => setImmediate(resolve));
        await transaction
          .updateTable('meta')
          .set({ value: String(Number(value) + 1) })
          .execute();
      });
    const failing = database.transaction().execute(async (transaction) => {
      await transaction.updateTable('meta').set({ value: '1000' }).execute();
      throw new Error('changed my mind');
    });
    const refused = expect(failing).rejects.toThrow('changed my mind');
    const seen: Promise<{ value: string }>[] = [];
    const all = [add(), add(), add()];
    for (let index = 0; index < 5; index += 1) {
      seen.push(database.selectFrom('meta').select('value').executeTakeFirstOrThrow());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    await refused;
    for (const one of seen) expect(['0', '1', '2', '3']).toContain((await one).value);
    expect(await database.selectFrom('meta').select('value').executeTakeFirst()).toEqual({ value: '3' });
  });

  it('returns rows of returning and raw statements, and counts changes', async () => {
    const { database } = await open();
    const inserted = await database
      .insertInto('meta')
      .values({ key: 'a', value: '1' })
      .returning('value')
      .execute();
    expect(inserted).toEqual([{ value: '1' }]);
    const { rows } = await sql<{ n: number }>`select count(*) as n from meta`.execute(database);
    expect(rows).toEqual([{ n: 1 }]);
    const updated = await database.updateTable('meta').set({ value: '2' }).executeTakeFirst();
    expect(updated.numUpdatedRows).toBe(1n);
  });

  it('answers what was asked before close, and fails what is asked after it', async () => {
    const state = await open();
    const { database } = state;
    const asked = Array.from({ length: 20 }, (_, index) =>
      database
        .insertInto('meta')
        .values({ key: String(index), value: '' })
        .execute(),
    );
    await Promise.all([state.close(), ...asked]);
    opened = [];
    await expect(database.selectFrom('meta').selectAll().execute()).rejects.toThrow();
    const again = await open();
    expect((await again.database.selectFrom('meta').selectAll().execute()).length).toBe(20);
  });
});

describe('a transaction that takes too long', () => {
  it('is rolled back, and nothing that was meant for it runs outside of it', async () => {
    const database = await openSqlite(path.join(directory, 'queue.db'));
    database.exec('create table t (n integer)');
    const answers = new Map<number, StateAnswer>();
    const queue = new StateQueue(database, (answer) => answers.set(answer.id, answer), 20);
    const run = {
      kind: 'run',
      sql: 'insert into t values (1)',
      values: [],
      reads: false,
      returnsRows: false,
    } as const;
    queue.add({ id: 1, connection: 1, kind: 'begin' });
    queue.add({ id: 2, connection: 1, ...run });
    queue.add({ id: 3, connection: 2, ...run });
    while (!answers.has(3)) await new Promise((resolve) => setTimeout(resolve, 5));
    queue.add({ id: 4, connection: 1, ...run });
    queue.add({ id: 5, connection: 1, kind: 'commit' });
    queue.add({ id: 6, connection: 1, ...run });
    while (!answers.has(6)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([...answers].map(([id, answer]) => [id, answer.ok])).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [4, false],
      [5, false],
      [6, false],
    ]);
    expect(database.run('select count(*) as n from t', [], true).rows).toEqual([{ n: 1 }]);
    queue.close();
  });
});
