import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionName } from '../../gateway-core/contract/ids.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  login,
  putPolicies,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { createScope, until } from './processes.js';
import { type Editor, errorsOf, exported, keyOf, loaded, openEditor, pages, type Tab } from './sql-editor.js';

/** The built-in SQL client with more than a screen holds: many rows, wide rows, long cells, many tables. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let editor: Editor;
let tab: Tab;
let tunnel: TunnelPlace;

const peopleCount = 30_000;
const columnsMax = 1600;
const wide = ConnectionName.parse('wide');

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'wide',
    `create table person (id int, email text, note text, amount numeric, active boolean, doc jsonb, at timestamptz);
     insert into person select n, 'p' || n || '@example.com',
       case n % 4 when 0 then null when 1 then '' when 2 then 'say "hi", ' || chr(10) || 'm' || n || '@example.org' else repeat('x', 300) end,
       n * 1.10, n % 2 = 0, jsonb_build_object('n', n, 'a', array['é😀']), timestamptz '2026-01-01' + n * interval '1 minute'
       from generate_series(1, ${peopleCount}) n;
     create table many (n int, word text);
     insert into many select n, case when n % 1000 = 0 then null else md5(n::text) end from generate_series(1, 200000) n;
     create table long as select 'a😀é' || repeat('ü', 25 * 1024 * 1024) || 'end' as cell;
     create table "we""ird <b>" ("co""l <i>" int primary key, "a.b" text references "we""ird <b>" ("co""l <i>") deferrable)`.replace(
      '"a.b" text',
      '"a.b" int',
    ),
  );
  await cluster.query(
    `do $$ begin
       for n in 1..3000 loop execute format('create table t%s (id int)', n); end loop;
       execute 'create table columns (' || (select string_agg(format('c%s int', n), ',') from generate_series(1, ${columnsMax}) n) || ')';
       execute 'insert into columns (c1, c${columnsMax}) values (1, 2)';
       execute 'grant select on all tables in schema public to app';
       create function is_admin() returns bool language sql as 'select true';
       create function _own() returns trigger language plpgsql as 'begin return new; end';
     end $$`,
    'wide',
  );
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, '@id("all")\npermit(principal, action, resource);\n');
  await addConnections(admin, [
    connectionTo(cluster, 'wide', {
      masks: [
        { columns: ['public.person.email'], with: 'partial' },
        { detect: ['email'], with: 'redact' },
      ],
    }),
  ]);
  editor = openEditor(scope, await admin.gateway());
  tab = await editor.open('wide');
  tunnel = await admin.tunnel('wide');
});

/** What the gateway answers to a client of its own kind: every cell as text. */
async function answer(text: string): Promise<(string | null)[][]> {
  const client = new pg.Client({
    host: tunnel.host,
    port: tunnel.port,
    user: tunnel.user,
    database: tunnel.database,
  });
  await client.connect();
  try {
    const { rows } = await client.query({ text, rowMode: 'array', types: { getTypeParser: () => String } });
    return rows as (string | null)[][];
  } finally {
    await client.end();
  }
}

describe('many rows', () => {
  it('pause at the bound, and come on when more is asked for, each once and in order', async () => {
    const paused = await tab.run('select n, word from many order by n', 1000);
    expect(paused.state).toBe('paused');
    const result = keyOf(paused.statements[0]);
    const before = paused.statements[0]?.result?.rows ?? 0;
    expect(before).toBeGreaterThanOrEqual(1000);
    expect(before).toBeLessThan(100_000);
    await expect(tab.start('select 1')).rejects.toMatchObject({ code: 'conflict' });
    await editor.call['sql.more']({ result, rowsMax: 1000 });
    const again = await until('more came', async () => {
      const { state, statements } = await editor.call['sql.runState']({ run: paused.run });
      const rows = statements[0]?.result?.rows ?? 0;
      return state === 'paused' && rows >= before + 1000 ? rows : undefined;
    });
    expect(again).toBeLessThan(200_000);
    await editor.call['sql.more']({ result, rowsMax: 5_000_000 });
    const ended = await tab.reached(paused.run, 'done');
    expect(ended.statements[0]?.result).toMatchObject({ rows: 200_000, state: 'done' });
    const [first] = await pages(editor.call, result);
    expect(first?.numbers).toEqual(first?.rows.map(([n]) => Number(n) - 1));
  });

  it('200,000 are sorted and filtered as PostgreSQL does it', async () => {
    const { statements } = await tab.run('select n, word from many order by n');
    const result = keyOf(statements[0]);
    expect(statements[0]?.result?.rows).toBe(200_000);
    const { rows } = await editor.call['sql.view']({
      result,
      view: {
        filter: 'AB12',
        sort: [{ column: 0, descending: true }],
        columns: [{ column: 0, operator: 'greater', value: '1000' }],
      },
    });
    const wanted = await cluster.query(
      "select n::text from many where word like '%ab12%' and n > 1000 order by many.n desc",
      'wide',
    );
    expect((await loaded(editor.call, result)).map(([n]) => n)).toEqual(wanted.map(({ n }) => n));
    expect(rows).toBe(wanted.length);
    await editor.call['sql.view']({
      result,
      view: { filter: '', sort: [{ column: 1, descending: false }], columns: [] },
    });
    const ordered = await loaded(editor.call, result);
    expect(ordered.slice(-200).every(([, word]) => word === null)).toBe(true);
    expect(ordered.slice(0, 3)).toHaveLength(3);
    await editor.call['sql.dispose']({ run: 'run_0' });
  });

  it('an older sort is given up for a newer one', async () => {
    const { statements } = await tab.run('select n, word from many');
    const result = keyOf(statements[0]);
    const view = (descending: boolean) =>
      editor.call['sql.view']({
        result,
        view: { filter: '', sort: [{ column: 0, descending }], columns: [] },
      });
    const [older, newer] = await Promise.allSettled([view(false), view(true)]);
    expect([older.status, newer.status]).toEqual(['rejected', 'fulfilled']);
    const page = await editor.call['sql.rows']({ result, from: 0, count: 1 });
    expect(page.rows[0]?.[0]).toBe('200000');
  });
});

/** RFC 4180 as the export writes it. */
function csvRows(text: string): (string | null)[][] {
  const fields = [...text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)];
  const rows: (string | null)[][] = [[]];
  for (const [, quoted, plain, end] of fields) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? (plain === '' ? null : (plain ?? null)));
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('an export of a result that has paused', () => {
  const query = 'select * from person order by id';
  let wanted: (string | null)[][] = [];

  beforeAll(async () => {
    wanted = await answer(query);
  });

  it.each(['csv', 'json', 'ndjson'] as const)(
    'holds all rows, as %s, as the gateway masks them',
    async (format) => {
      const paused = await tab.run(`${query}; select 'after'`, 500);
      expect(paused.state).toBe('paused');
      const result = keyOf(paused.statements[0]);
      const done = await exported(editor, { result, format, name: 'people', view: false });
      expect(done).toMatchObject({
        state: 'done',
        rows: peopleCount,
        maskedCells: peopleCount + peopleCount / 4,
      });
      const text = readFileSync(done.path, 'utf8');
      expect(text).not.toMatch(/p\d+@example\.com|m\d+@example\.org/);
      expect(wanted).toHaveLength(peopleCount);
      if (format === 'csv') {
        const [head, ...rows] = csvRows(text);
        expect(head).toEqual(['id', 'email', 'note', 'amount', 'active', 'doc', 'at']);
        expect(rows).toEqual(wanted);
      } else {
        const objects = (
          format === 'json'
            ? (JSON.parse(text) as unknown[])
            : text
                .trimEnd()
                .split('\n')
                .map((line): unknown => JSON.parse(line))
        ) as Record<string, unknown>[];
        expect(objects).toEqual(
          wanted.map(([id, email, note, amount, active, doc, at]) => ({
            id: Number(id),
            email,
            note,
            amount: Number(amount),
            active: active === 't',
            doc: JSON.parse(doc ?? 'null') as unknown,
            at,
          })),
        );
      }
      const { statements } = await tab.reached(paused.run, 'done');
      expect(statements[0]?.result?.state).toBe('cut');
      expect(await loaded(editor.call, keyOf(statements[1]))).toEqual([['after']]);
    },
  );

  it('that is cancelled leaves no file, and the session can be stopped and used', async () => {
    const paused = await tab.run('select m.n, p.note from many m, person p where p.id < 100', 500);
    const result = keyOf(paused.statements[0]);
    const { id } = await editor.call['exports.start']({
      result,
      format: 'csv',
      name: 'endless',
      view: false,
    });
    await until('it writes', async () =>
      (await editor.call['exports.list']({})).some((each) => each.id === id && each.rows > 1000)
        ? true
        : undefined,
    );
    await editor.call['exports.cancel']({ id });
    await until('it is over', async () =>
      (await editor.call['exports.list']({})).some((each) => each.id === id && each.state === 'cancelled')
        ? true
        : undefined,
    );
    await editor.call['sql.cancel']({ key: tab.key });
    await tab.reached(paused.run, 'cancelled');
    expect(await tab.rows('select 1')).toEqual([['1']]);
  });
});

describe('large values', () => {
  it('a cell of 50 MB is shown by its beginning, and is whole in pieces', async () => {
    const { statements } = await tab.run('select cell from long');
    const result = keyOf(statements[0]);
    const page = await editor.call['sql.rows']({ result, from: 0, count: 10 });
    const wanted = `a😀é${'ü'.repeat(25 * 1024 * 1024)}end`;
    expect(page.cut).toEqual([[0, 0, wanted.length]]);
    expect(wanted.startsWith(page.rows[0]?.[0] ?? '-')).toBe(true);
    let text = '';
    const count = 1_000_000;
    while (text.length < wanted.length) {
      const piece = await editor.call['sql.cell']({ result, number: 0, column: 0, from: text.length, count });
      expect(piece.characters).toBe(wanted.length);
      text += piece.text ?? '';
    }
    expect(text === wanted).toBe(true);
  });

  it('1,600 columns are 1,600 columns', async () => {
    const { statements } = await tab.run('select * from columns');
    expect(statements[0]?.result?.columns).toHaveLength(columnsMax);
    const [row] = await loaded(editor.call, keyOf(statements[0]));
    expect(row).toHaveLength(columnsMax);
    expect([row?.[0], row?.[1], row?.[columnsMax - 1]]).toEqual(['1', null, '2']);
  });

  it('a text of thousands of statements has a result for each; one that is too long is refused with a reason', async () => {
    const run = await tab.run(Array.from({ length: 2000 }, (_, n) => `select ${n};`).join('\n'));
    expect(run.state).toBe('done');
    expect(run.statements).toHaveLength(2000);
    expect(await loaded(editor.call, keyOf(run.statements[1999]))).toEqual([['1999']]);
    const long = await tab.run(`select '${'x'.repeat(2 * 1024 * 1024)}'; select 1`);
    expect(long.statements.map(({ state }) => state)).toEqual(['failed', 'skipped']);
    expect(errorsOf(long)[0]?.message).toMatch(/large|long|bytes/);
    expect(await tab.rows('select 2')).toEqual([['2']]);
  });
});

describe('the schema', () => {
  it('has every one of 3,000 tables, and names as they are', async () => {
    const schema = await editor.call['schema.read']({ connection: wide, refresh: false });
    expect(schema.cut).toBe(false);
    expect(schema.searchPath).toContain('public');
    const names = schema.objects.filter((each) => each.schema === 'public').map(({ name }) => name);
    expect(names.filter((name) => /^t\d+$/.test(name))).toHaveLength(3000);
    expect(names).toContain('we"ird <b>');
    const columns = await editor.call['schema.columns']({
      connection: wide,
      schema: 'public',
      name: 'we"ird <b>',
    });
    expect(columns).toEqual([
      { name: 'co"l <i>', type: 'integer', notNull: true, primaryKey: true },
      {
        name: 'a.b',
        type: 'integer',
        notNull: false,
        primaryKey: false,
        references: 'public.we"ird <b>.co"l <i>',
      },
    ]);
    expect(await editor.call['schema.columns']({ connection: wide, schema: 'public', name: 'none' })).toEqual(
      [],
    );
  });

  it('has the functions that people call, and not those that only PostgreSQL calls', async () => {
    const { functions } = await editor.call['schema.read']({ connection: wide, refresh: false });
    const names = new Set(functions.map(({ schema, name }) => `${schema}.${name}`));
    for (const name of [
      'public.is_admin',
      'pg_catalog.min',
      'pg_catalog.asin',
      'pg_catalog.now',
      'pg_catalog.count',
    ])
      expect(names, name).toContain(name);
    for (const name of ['public._own', 'pg_catalog.int4in', 'pg_catalog.textsend', 'pg_catalog.eqsel'])
      expect(names, name).not.toContain(name);
  });

  it('is read again when it is asked to be, also after its session was ended', async () => {
    await cluster.query('create table fresh (id int)', 'wide');
    const has = async (refresh: boolean): Promise<boolean> => {
      const { objects } = await editor.call['schema.read']({ connection: wide, refresh });
      return objects.some(({ name }) => name === 'fresh');
    };
    expect(await has(false)).toBe(false);
    await cluster.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'wide' and pid <> pg_backend_pid()",
    );
    await until('it is connected again', () => has(true).catch(() => undefined));
    expect(await has(false)).toBe(true);
  });
});
