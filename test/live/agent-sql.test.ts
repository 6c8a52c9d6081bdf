import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { ConnectionName } from '../../gateway-core/contract/ids.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, until } from './processes.js';
import { type Editor, errorsOf, exported, keyOf, loaded, openEditor, pages, type Tab } from './sql-editor.js';

/** The built-in SQL client on a real gateway and a real PostgreSQL: what a person sees of each run. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let asAdmin: Gateway;
let editor: Editor;
let tab: Tab;
let contractor: Editor;

/** Stands in every value that is masked, and nowhere else. */
const clear = 'zitronenfalter';

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'shop',
    `create table person (id int primary key, email text, note text, joined date);
     insert into person select n, '${clear}' || n || '@example.com',
       case n % 3 when 0 then 'write to ${clear}n' || n || '@example.org' when 1 then null else '' end, date '2026-01-01' + n
       from generate_series(1, 20000) n;
     create table scratch (id int primary key, name text);`,
  );
  const [admin, reader] = await Promise.all([
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'contractor'),
  ]);
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'plain', { database: 'shop' }),
    connectionTo(cluster, 'shop', {
      masks: [
        { columns: ['public.person.email'], with: 'partial' },
        { detect: ['email'], with: 'redact' },
      ],
    }),
  ]);
  asAdmin = await admin.gateway();
  editor = openEditor(scope, asAdmin);
  tab = await editor.open('shop');
  contractor = openEditor(scope, await reader.gateway());
});

describe('a text of several statements', () => {
  it('has a result set for each that returns rows, in order, each with its place and its tag', async () => {
    const text =
      "select 1 as one; -- first\ninsert into scratch values (1, 'a'), (2, null) returning name;\n\nselect id from scratch where false; delete from scratch";
    const { state, statements } = await tab.run(text);
    expect(state).toBe('done');
    expect(statements.map(({ offset, length }) => text.slice(offset, offset + length))).toEqual([
      'select 1 as one',
      "-- first\ninsert into scratch values (1, 'a'), (2, null) returning name",
      'select id from scratch where false',
      'delete from scratch',
    ]);
    expect(statements.map(({ tag }) => tag)).toEqual(['SELECT 1', 'INSERT 0 2', 'SELECT 0', 'DELETE 2']);
    expect(
      statements.map(({ result }) => result?.columns.map(({ name, type, kind }) => [name, type, kind])),
    ).toEqual([
      [['one', 'integer', 'number']],
      [['name', 'text', 'text']],
      [['id', 'integer', 'number']],
      undefined,
    ]);
    expect(await loaded(editor.call, keyOf(statements[1]))).toEqual([['a'], [null]]);
  });

  it('stops at the first error, which stands at its exact place', async () => {
    for (const [before, wrong] of [
      ["select 'é😀', ", 'nope from person'],
      ["select 'é😀' from ", ', nope'],
      ['select ', "'😀'::int, 1"],
    ]) {
      const text = `select 'ä😀';\n  ${before}${wrong};\nselect 3`;
      const run = await tab.run(text);
      expect(run.state).toBe('failed');
      expect(run.statements.map(({ state }) => state)).toEqual(['done', 'failed', 'skipped']);
      expect(text.slice(errorsOf(run)[0]?.offset)).toBe(`${wrong};\nselect 3`);
    }
    expect(await tab.rows('select 4')).toEqual([['4']]);
  });

  it('that PostgreSQL does not know, such as a command of psql, is an error of that statement', async () => {
    const run = await tab.run('select 1; \\d person');
    expect(run.statements.map(({ state }) => state)).toEqual(['done', 'failed']);
    expect(errorsOf(run)[0]?.denied).toBeUndefined();
  });

  it('tells notices with their severity, and EXPLAIN as JSON', async () => {
    const plain = await editor.open('plain');
    const { statements } = await plain.run(
      "do $$ begin raise notice 'hello %', 'you'; raise warning 'take care'; end $$",
    );
    expect(statements[0]?.problems.map(({ kind, severity, message }) => [kind, severity, message])).toEqual([
      ['notice', 'NOTICE', 'hello you'],
      ['notice', 'WARNING', 'take care'],
    ]);
    const { json } = await editor.call['sql.explain']({
      key: tab.key,
      text: 'select id from scratch -- all',
      analyze: true,
    });
    expect(JSON.parse(json)).toMatchObject([{ Plan: { 'Node Type': 'Seq Scan' } }]);
    await editor.call['sql.close']({ key: plain.key });
    await expect(
      editor.call['sql.explain']({ key: tab.key, text: 'select 1; select 2', analyze: false }),
    ).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(
      editor.call['sql.explain']({ key: tab.key, text: 'select nope', analyze: false }),
    ).rejects.toMatchObject({ message: expect.stringContaining('nope') as string });
  });
});

describe('what policy says', () => {
  it('a denied statement carries its policy and what to do, and the rest does not run', async () => {
    const denied = await contractor.open('shop');
    const run = await denied.run('select 1; delete from scratch; select 2');
    expect(run.statements.map(({ state }) => state)).toEqual(['done', 'failed', 'skipped']);
    const [error] = errorsOf(run);
    expect(error?.denied?.action).not.toBe('');
    expect(error?.denied?.policy).toBeDefined();
    expect(error?.message).not.toContain('throughline:');
    expect(await denied.rows('select 3')).toEqual([['3']]);
    const [entry] = await contractor.call['history.list']({ text: 'delete from scratch', count: 1 });
    expect(entry).toMatchObject({ state: 'denied', error: error?.message });
  });

  it('a connection that may not be used says so, and leaves no session', async () => {
    await expect(contractor.open('not-there')).rejects.toMatchObject({ code: 'denied' });
    expect((await contractor.call['sql.sessions']({})).map(({ connection }) => connection)).toEqual(['shop']);
  });
});

describe('a masked value', () => {
  it('carries its rule, and is in clear in no page, cell, piece, export or history', async () => {
    const { statements } = await tab.run('select id, email, note from person order by id limit 3000');
    const result = keyOf(statements[0]);
    expect(statements[0]?.result?.columns.map(({ mask }) => mask)).toEqual([
      undefined,
      'public.person.email: partial',
      undefined,
    ]);
    const found = await pages(editor.call, result);
    expect(JSON.stringify(found)).not.toContain(clear);
    const [first] = found;
    expect(first?.masked.filter(([row]) => row < 3)).toEqual([
      [0, 1, 'public.person.email: partial'],
      [1, 1, 'public.person.email: partial'],
      [2, 1, 'public.person.email: partial'],
      [2, 2, 'email: redact'],
    ]);
    expect(statements[0]?.result?.maskedCells).toBe(4000);
    const cell = await editor.call['sql.cell']({ result, number: 2, column: 2, from: 0, count: 1000 });
    expect(cell.text).toBe(first?.rows[2]?.[2]);
    const { rows } = await editor.call['sql.view']({
      result,
      view: { sort: [{ column: 1, descending: false }], filter: clear, columns: [] },
    });
    expect(rows).toBe(0);
    await editor.call['sql.view']({
      result,
      view: { sort: [{ column: 0, descending: true }], filter: '', columns: [] },
    });
    const [last] = await pages(editor.call, result);
    expect(last?.numbers[0]).toBe(2999);
    expect(last?.masked.filter(([row]) => row === 0).map(([, column]) => column)).toEqual([1, 2]);
    for (const format of ['csv', 'json', 'ndjson'] as const) {
      const { path, maskedCells } = await exported(editor, { result, format, name: 'masked', view: false });
      expect(readFileSync(path, 'utf8')).not.toContain(clear);
      expect(maskedCells).toBe(4000);
    }
    for (const name of readdirSync(editor.directory))
      expect(readFileSync(join(editor.directory, name), 'latin1')).not.toContain(clear);
  });

  it('is named in the schema, so that the editor can say so before it runs', async () => {
    const columns = await editor.call['schema.columns']({
      connection: ConnectionName.parse('shop'),
      schema: 'public',
      name: 'person',
    });
    expect(columns.map(({ name, type, mask, primaryKey }) => [name, type, mask, primaryKey])).toEqual([
      ['id', 'integer', undefined, true],
      ['email', 'text', 'public.person.email: partial', false],
      ['note', 'text', undefined, false],
      ['joined', 'date', undefined, false],
    ]);
  });
});

describe('cancelling', () => {
  it('ends a statement that would not end, skips the rest, and the session goes on', async () => {
    const name = await tab.start('select 1; select pg_sleep(600); select 2');
    await until('it sleeps', async () => {
      const { statements } = await editor.call['sql.runState']({ run: name });
      return statements[1]?.state === 'running' ? true : undefined;
    });
    await editor.call['sql.cancel']({ key: tab.key });
    const { statements } = await tab.reached(name, 'cancelled');
    expect(statements.map(({ state }) => state)).toEqual(['done', 'cancelled', 'cancelled']);
    expect(await tab.rows('select 3')).toEqual([['3']]);
    expect((await tab.view()).state).toBe('ready');
  });

  it('is no word for a timeout', async () => {
    const run = await tab.run("set statement_timeout = '50ms'; select pg_sleep(600)");
    expect(run.state).toBe('failed');
    expect(errorsOf(run)[0]?.message).toContain('statement timeout');
    await tab.rows('set statement_timeout = 0; select 1');
  });
});

describe('without autocommit', () => {
  it('a transaction opens with the first statement, fails with an error, and ends when the person says so', async () => {
    const own = await editor.open('shop', false);
    const transaction = async (): Promise<string> => (await own.view()).transaction;
    expect(await transaction()).toBe('idle');
    await own.run("insert into scratch values (10, 'kept')");
    expect(await transaction()).toBe('open');
    expect((await own.view()).transactionSince).toBeDefined();
    const seen = (): Promise<unknown> => cluster.query('select name from scratch', 'shop');
    expect(await seen()).toEqual([]);
    await editor.call['sql.transaction']({ key: own.key, end: 'commit' });
    expect(await transaction()).toBe('idle');
    expect(await seen()).toEqual([{ name: 'kept' }]);

    await own.run("insert into scratch values (11, 'lost')");
    expect((await own.run('select 1 / 0')).state).toBe('failed');
    expect(await transaction()).toBe('failed');
    expect(errorsOf(await own.run('select 1'))[0]?.code).toBe('25P02');
    const { transaction: after } = await editor.call['sql.transaction']({ key: own.key, end: 'rollback' });
    expect(after).toBe('idle');
    expect(await seen()).toEqual([{ name: 'kept' }]);

    expect((await own.run('/* outside */ vacuum scratch')).state).toBe('done');
    await editor.call['sql.explain']({ key: own.key, text: 'delete from scratch', analyze: true });
    expect(await transaction()).toBe('open');
    await editor.call['sql.transaction']({ key: own.key, end: 'rollback' });
    expect(await seen()).toEqual([{ name: 'kept' }]);
    await editor.call['sql.autocommit']({ key: own.key, on: true });
    await own.run('delete from scratch');
    expect(await seen()).toEqual([]);
    await editor.call['sql.close']({ key: own.key });
  });
});

describe('COPY', () => {
  it('to us is shown line by line and masked, or refused with a reason', async () => {
    const { state, statements } = await tab.run(
      'copy (select id, email from person order by id limit 3) to stdout',
    );
    expect(state).toBe('done');
    const rows = await loaded(editor.call, keyOf(statements[0]));
    expect(rows.map(([line]) => line?.split('\t')[0])).toEqual(['1', '2', '3']);
    expect(JSON.stringify(rows)).not.toContain(clear);
  });

  it('from us ends at once and says where to do it instead', async () => {
    const run = await tab.run('copy scratch from stdin; select 1');
    expect(run.statements.map(({ state }) => state)).toEqual(['failed', 'skipped']);
    expect(errorsOf(run)[0]?.message).toContain('psql');
    expect(await tab.rows('select 5')).toEqual([['5']]);
  });
});

describe('a session that ends', () => {
  it('because its backend was ended says so, and connects again under the same key', async () => {
    const own = await editor.open('shop', false);
    await own.run('select 1');
    await cluster.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'shop' and state = 'idle in transaction'",
    );
    const closed = await until('it is closed', async () => {
      const view = await own.view();
      return view.state === 'closed' ? view : undefined;
    });
    expect(closed.transaction).toBe('idle');
    expect(closed.problem?.message).toMatch(/terminat|ended/);
    await expect(own.start('select 1')).rejects.toMatchObject({ code: 'target-refused' });
    const again = await editor.call['sql.reconnect']({ key: own.key });
    expect(again).toMatchObject({ key: own.key, state: 'ready', transaction: 'idle' });
    expect(again.problem).toBeUndefined();
    expect(again.session).not.toBe(closed.session);
    expect(await own.rows('select 2')).toEqual([['2']]);
    await editor.call['sql.close']({ key: own.key });
  });

  it('because it was revoked says by what reason, also in the middle of a statement, and keeps its rows', async () => {
    const own = await editor.open('shop');
    const { statements } = await own.run('select 7');
    const name = await own.start('select pg_sleep(600)');
    await until('it sleeps', async () =>
      (await editor.call['sql.runState']({ run: name })).statements[0]?.state === 'running'
        ? true
        : undefined,
    );
    const { session = '' } = await own.view();
    await api.revoke(asAdmin, { kind: 'session', id: session, reason: 'lost laptop' });
    const run = await own.reached(name, 'failed');
    const { problem } = await until('it is closed', async () => {
      const view = await own.view();
      return view.state === 'closed' ? view : undefined;
    });
    expect(problem?.message).toContain('lost laptop');
    expect(errorsOf(run)[0]?.message).toContain('lost laptop');
    expect(await loaded(editor.call, keyOf(statements[0]))).toEqual([['7']]);
    await editor.call['sql.reconnect']({ key: own.key });
    expect(await own.rows('select 8')).toEqual([['8']]);
    await editor.call['sql.close']({ key: own.key });
  });

  it('two sessions run at the same time and know nothing of each other', async () => {
    const other = await editor.open('shop');
    const sleeping = await tab.start('select pg_sleep(600)');
    expect(await other.rows('set application_name = x; select 9')).toEqual([['9']]);
    expect((await tab.view()).state).toBe('running');
    await editor.call['sql.cancel']({ key: tab.key });
    await tab.reached(sleeping, 'cancelled');
    await editor.call['sql.close']({ key: other.key });
  });
});
