import { beforeAll, describe, expect, test } from 'vitest';
import {
  analyseLineage,
  compileMaskTargets,
  effectiveAction,
  type Lineage,
  type LineageSession,
  loadParser,
  type MaskTargets,
  type ParsedStatement,
  parseStatements,
} from '../../../gateway-core/codec/postgres/statement/index.js';
import { catalog, patterns } from './corpus.js';

let targets: MaskTargets;

beforeAll(async () => {
  await loadParser();
  targets = compileMaskTargets(catalog, patterns);
});

const publicPath: LineageSession = { searchPath: ['public'], temporary: new Map() };

function parsed(sql: string): ParsedStatement {
  const result = parseStatements(sql);
  const statement = result.ok ? result.statements[0] : undefined;
  if (statement === undefined) throw new Error(`does not parse: ${sql}`);
  return statement;
}

function lineage(sql: string, session = publicPath): Lineage {
  return analyseLineage(parsed(sql), targets, session);
}

/** c clean, t tainted, u unknown, in order; `~` where the columns cannot be told; `-` where nothing masked is touched. */
function outputs(sql: string, session = publicPath): string {
  const { outputs: found, touchesMasked } = lineage(sql, session);
  if (!touchesMasked && !found.complete) return '-';
  return found.complete ? found.columns.map((column) => column[0]).join('') : '~';
}

function uses(sql: string): string {
  return lineage(sql)
    .uses.map(({ use }) => use)
    .sort()
    .join(' ');
}

describe('no output that could hold a masked value is called clean', () => {
  test.each([
    ['select email from customers', 't'],
    ['select id, name from customers', 'cc'],
    ['select * from customers', 'cctttcc'],
    ['table customers', 'cctttcc'],
    ['select public.customers.email from public.customers', 't'],
    ['select "email" from "customers"', 't'],
    ['select c from customers c', 't'],
    ['select customers from customers', 't'],
    ['select (c).email, (c).name from customers c', 'tc'],
    ['select (c).* from customers c', 'cctttcc'],
    ['select c.*, 1 from customers c', 'cctttccc'],
    ['select row_to_json(c), to_jsonb(c), c::text, array_agg(c) from customers c group by c.id', 'tttt'],
    ['select c.row_to_json, (c).to_json from customers c', 'tt'],
    ['select count(c), count(c.*), count(email), count(*) from customers c', 'cccc'],
    [
      'select email::text, email collate "C", email || name, upper(email), coalesce(email, name) from customers',
      'ttttt',
    ],
    [
      'select length(email), md5(email), substring(email from 2), trim(email), (email)::varchar(3) from customers',
      'ttttt',
    ],
    ['select min(email), max(pin), string_agg(email, name), sum(pin + 1) from customers', 'tttt'],
    ['select lag(email) over (order by id), first_value(name) over () from customers', 'tc'],
    [
      'select greatest(email, name), nullif(email, name), row(email), array[email], (array[email])[1] from customers',
      'ttttt',
    ],
    [
      'select xmlforest(email), json_build_object(name, email), jsonb_agg(email), json_object_agg(id, name) from customers',
      'tttc',
    ],
    ["select doc->>'email', doc #>> '{a}' from customers", 'cc'],
    ['select a, b from customers as q(a, b, c, d)', 'cc'],
    ['select c from customers as q(a, b, c)', 't'],
    ['select q.name from (select email as name from customers) q', 't'],
    ['select email, name from (select email as name, name as email from customers) q', 'ct'],
    ['select b from (select id, email from customers) q(a, b)', 't'],
    ['select q from (select email from customers) q', 't'],
    ['select q.email from (table customers) q', 't'],
    ['select "?column?" from (select email || name from customers) q', 't'],
    ['select upper from (select upper(email) from customers) q', 't'],
    ['select "varchar" from (select (email || name)::text::varchar from customers) q', 't'],
    ['select "case" from (select case when true then email end from customers) q', 't'],
    ['select date_part from (select extract(year from email::date) from customers) q', 't'],
    ['with t as (select email from customers) select * from t', 't'],
    ['with t(name) as (select email from customers) select name from t', 't'],
    ['with orders as (select email as id from customers) select id from orders', 't'],
    ['with customers as (select id as email from orders) select email from customers', 'c'],
    ['with customers as (select id as email from orders) select email from public.customers', 't'],
    [
      'with recursive t as (select name from customers union all select email from t, customers) select name from t',
      't',
    ],
    [
      'with recursive t(a, b, c) as (select id, name, email from customers union all select a, c, b from t) select a, b from t',
      'ct',
    ],
    ['with recursive a as (select * from b), b as (select email from customers) select * from a', 't'],
    [
      'with recursive t as (select id, email from customers) search depth first by id set o select id, o from t',
      'ct',
    ],
    [
      'with recursive t(a) as (select email from customers union select a from t) cycle a set y using p select p from t',
      't',
    ],
    ['select (select email from customers limit 1)', 't'],
    ['select array(select email from customers)', 't'],
    ['select (select c.email) from customers c', 't'],
    ['select (select email from orders limit 1) from staff', 'c'],
    ['select id from staff union all select email from customers', 't'],
    ['select email from orders union all select name from staff', 'c'],
    ['values (1, (select email from customers)), (2, null)', 'ct'],
    ['select column2 from (values (1, (select card from customers))) v', 't'],
    ['select * from orders natural join staff', 'ccccccc'],
    ['select * from customers join staff using (id, city)', 'ccctttcc'],
    ['select * from customers c join orders o using (email)', 'tccttcccccc'],
    ['select j.email from (customers c join orders o using (email)) j', 't'],
    ['select u.email from customers join orders using (email) as u', 't'],
    ['select j.c from (customers cross join staff) as j(a, b, c)', 't'],
    ['select o.email from orders o, customers c', 'c'],
    ['select q.x from customers c, lateral (select c.email as x) q', 't'],
    ['select x from customers c cross join lateral (values (c.email)) q(x)', 't'],
    ['select f from customers c, lower(c.email) f', 't'],
    ['select f.* from customers c, lower(c.name) f', '-'],
    ['select k, v from customers c, jsonb_each_text(to_jsonb(c)) e(k, v)', 'tt'],
    ['select a from customers c, rows from (jsonb_to_record(to_jsonb(c)) as (a text)) r', 't'],
    [
      "select x from xmltable('/a' passing (select xmlelement(name a, email) from customers) columns x text path '.') t",
      't',
    ],
    ["select j.x from customers c, json_table(to_jsonb(c), '$' columns (x text path '$.email')) j", 't'],
    ['select who from contacts', 't'],
    ['select who2, n from contacts2', 'tc'],
    ['select city, n from cities', 'cc'],
    ['select a from lost', 'u'],
    ['select a from hidden', 'u'],
    ['select a from loop', 'u'],
    ['select a from called', 'u'],
    ['select email, label from part', 'tc'],
    ['select email, label from part_1', 'tc'],
    ['select * from part_1', 'tcc'],
    ['select code, id from base', 'tc'],
    ['select code, extra from only kid', 'tc'],
    ['select "Name" from "Shop"."Odd"', 't'],
    ['select secret, id from archive.orders', 'tc'],
    ['select id from nowhere', 'u'],
    ['select * from nowhere', '~'],
    ['select c.id, n.* from customers c, nowhere n', '~'],
    ['select nosuch from customers', 'u'],
    ['select x.email from customers', 'u'],
    ['select c.nosuch from customers c', 't'],
    ['select leak(id) from orders', 'u'],
    ['select public.lower(name) from staff', 'u'],
    ['select (o).leak, o.leak from orders o', 'uu'],
    ['select id operator(public.+) 1 from orders', 'u'],
    ['select id operator(pg_catalog.+) 1 from orders', 'c'],
    ["select ('select email from customers').ts_stat", 'u'],
    ["select query_to_xml('select 1', true, true, '')", 'u'],
    ['select ctid, tableoid, xmin from customers', 'ccc'],
    ['select grouping(id), id from customers group by rollup (id)', 'cc'],
    ['insert into orders (id) values (1) returning *', 'ccccc'],
    ["insert into customers (email) values ('a') returning id, email", 'ct'],
    ['insert into customers default values returning customers', 't'],
    ['insert into orders (note) select email from customers returning note', 't'],
    [
      'insert into orders (note) select email from customers on conflict (id) do update set email = excluded.note returning email',
      't',
    ],
    ['update customers set name = name returning old.email, new.name, *', 'tccctttcc'],
    ['update customers set name = name returning with (old as o) o.email, (o).card', 'tt'],
    [
      'update orders o set note = c.name from customers c where c.id = o.id returning o.note, c.*',
      'ccctttcc',
    ],
    ['update orders set note = c.email from customers c returning note', 't'],
    [
      'update orders set (note, email) = (select name, email from customers limit 1) returning id, note',
      'ct',
    ],
    ['delete from customers where id = 1 returning *', 'cctttcc'],
    ['delete from orders using customers c returning c.email, orders.id', 'tc'],
    [
      'merge into orders o using customers c on c.id = o.id when matched then delete returning c.email, o.id',
      'tc',
    ],
    ['with d as (delete from customers returning email as id) select id from d', 't'],
    ['declare k cursor for select id, email from customers', 'ct'],
    ['prepare p as select id, email from customers', 'ct'],
    ['copy customers to stdout', 'cctttcc'],
    ['copy customers (email, id) to stdout', 'tc'],
    ['copy (select id, card from customers) to stdout', 'ct'],
    ['copy nowhere to stdout', '~'],
    ['copy customers (id, email) from stdin', 'ct'],
    ['execute p', '~'],
    ['fetch k', '~'],
    ['explain select email from customers', 'c'],
    ['show all', '-'],
    ['begin', '-'],
    ['select relname from pg_class', 'c'],
    ['select * from pg_class', '-'],
    ['select * from information_schema.columns', '-'],
    ['select pid, state from pg_stat_activity', 'cc'],
    ['select query from pg_stat_activity', 'u'],
    ['select q from pg_stat_activity as a(p, q)', 'u'],
    ['select chunk_data from pg_toast.pg_toast_16384', 'u'],
    ['select 1 into temp x', ''],
  ])('%s: %s', (sql, expected) => {
    expect(outputs(sql)).toBe(expected);
  });
});

describe('every way to learn about a masked column without showing it is a use of it', () => {
  test.each([
    ['select id from customers', ''],
    ['select email from customers', ''],
    ['select email || name, upper(email), length(email), email::text from customers', ''],
    ["select id from customers where email like 'a%'", 'predicate'],
    ['select id from customers where email is null', 'predicate'],
    ['select id from customers where id in (select pin from customers)', 'predicate'],
    ['select id from orders where exists (select from customers c where c.pin = total)', 'predicate'],
    ['select id from orders where exists (select email from customers)', ''],
    ['select 1 from customers c join orders o on o.email = c.email', 'predicate'],
    ['select 1 from customers c join orders o using (email)', 'predicate'],
    ['select 1 from customers c natural join orders o', 'predicate'],
    ['select 1 from customers c natural join nowhere', 'predicate'],
    ["select email like 'a%' from customers", 'predicate'],
    ["select email = any (array['a']) from customers", 'predicate'],
    ['select case when pin > 1 then 1 end from customers', 'predicate'],
    ['select case pin when 1 then 1 end from customers', 'predicate'],
    ["select nullif(email, 'a') from customers", 'predicate'],
    ["select count(nullif(email, 'a')) from customers", 'predicate'],
    ['select count(distinct email) from customers', 'predicate'],
    ['select count(*) filter (where pin = 1) from customers', 'predicate'],
    ['select count(email), count(c.email), count(c), count(c.*) from customers c', ''],
    ["select count(x) from (select substring(email from '^a') as x from customers) q", 'predicate'],
    [
      "with q as (select substring(email from '^a') as x from customers) select count(q.x) from q",
      'predicate',
    ],
    ['select count(who) from contacts', 'predicate'],
    ['select count(q.lower) from customers q', 'predicate'],
    ['select 1 / pin from customers', 'predicate'],
    ['select pin / 12 from customers', ''],
    ['select distinct email from customers', 'predicate'],
    ['select distinct id from customers', ''],
    ['select distinct on (email) id from customers', 'predicate'],
    ['select email from customers union select name from staff', 'predicate'],
    ['select email from customers union all select name from staff', ''],
    ['select email from customers except all select name from staff', 'predicate'],
    ['select id from customers group by id, email', 'predicate'],
    ['select id, email from customers group by 1, 2', 'predicate'],
    ['select email as e, count(*) from customers group by e', 'predicate'],
    ['select city from customers group by city having max(pin) > 1', 'predicate'],
    ['select city from customers group by grouping sets ((city), (pin))', 'predicate'],
    ['select id from customers limit (select max(pin) from customers)', 'predicate'],
    ['select generate_series(1, pin) from customers', 'predicate'],
    ['select 1 from customers, generate_series(1, pin)', 'predicate'],
    ['select id from customers order by email', 'order'],
    ['select id, email from customers order by 2', 'order'],
    ['select id, email as e from customers order by e', 'order'],
    ['select id from customers order by lower(email) desc', 'order'],
    ['select id, email from customers order by 1', ''],
    ['(select email from customers union all select name from staff) order by 1', 'order'],
    ['select row_number() over (order by email) from customers', 'order'],
    ['select count(*) over (partition by email) from customers', 'order'],
    ['select count(*) over w from customers window w as (order by pin)', 'order'],
    ['select array_agg(id order by email) from customers', 'order'],
    ['select percentile_disc(0.5) within group (order by pin) from customers', 'order'],
    ['create table x as select email from customers', 'copy-into-table'],
    ['create table x as select name from customers', ''],
    ['create temp table x as table customers', 'copy-into-table'],
    ['create table x as execute p', 'copy-into-table'],
    ['select email into x from customers', 'copy-into-table'],
    ['create view x as select email from customers', 'copy-into-table'],
    ['create materialized view x as select who from contacts', 'copy-into-table'],
    ['create schema x create view y as select email from public.customers', 'copy-into-table'],
    ['insert into orders (note) select email from customers', 'copy-into-table'],
    ['insert into orders (id, note) select id, name from customers', ''],
    ['insert into orders select * from customers', 'copy-into-table'],
    ['insert into customers (email) select lower(email) from customers', ''],
    ['insert into customers (card) select email from customers', 'copy-into-table'],
    ['insert into nowhere select email from customers', 'copy-into-table'],
    ['insert into customers (id, email) values (1, 2) on conflict (email) do nothing', 'predicate'],
    ['insert into customers (id, email) values (1, 2) on conflict (lower(email)) do nothing', 'predicate'],
    ['insert into customers (id, email) values (1, 2) on conflict do nothing', 'predicate'],
    ['insert into customers (id, email) values (1, 2) on conflict on constraint k do nothing', 'predicate'],
    ['insert into customers (id, name) values (1, 2) on conflict do nothing', ''],
    ['insert into orders values (1) on conflict do nothing', ''],
    [
      'insert into customers (id, email) values (1, 2) on conflict (id) do update set email = excluded.email',
      '',
    ],
    [
      'insert into customers (id) values (1) on conflict (id) do update set name = customers.email',
      'copy-into-table',
    ],
    [
      'insert into customers (id) values (1) on conflict (id) do update set id = 1 where customers.pin = 1',
      'predicate',
    ],
    ['update customers set email = lower(email)', ''],
    ['update customers set name = email', 'copy-into-table'],
    ['update orders set note = (select email from customers limit 1)', 'copy-into-table'],
    ['update orders set (id, note) = (select id, email from customers limit 1)', 'copy-into-table'],
    ['update orders set note = 1 from customers c where c.pin = 1', 'predicate'],
    ['delete from orders using customers c where c.email = note', 'predicate'],
    [
      'merge into orders o using customers c on c.id = o.id when matched then update set note = c.email',
      'copy-into-table',
    ],
    [
      'merge into orders o using customers c on c.id = o.id when not matched then insert values (1, 2, 3, c.email)',
      'copy-into-table',
    ],
    ['merge into orders o using customers c on c.email = o.email when matched then delete', 'predicate'],
    ['merge into orders o using customers c on true when matched and c.pin = 1 then delete', 'predicate'],
    ["select set_config('a.b', email, false) from customers", 'copy-into-table'],
    ["select pg_notify('a', email) from customers", 'copy-into-table'],
    ['select pg_advisory_lock(pin) from customers', 'copy-into-table'],
    ['select (pin).pg_sleep from customers', 'copy-into-table'],
    ["copy customers (email) to '/tmp/a'", 'copy-into-table'],
    ['alter table customers rename column email to mail', 'copy-into-table'],
    ['alter table customers rename column name to nick', ''],
    ['alter table customers rename to clients', 'copy-into-table'],
    ['alter table customers set schema archive', 'copy-into-table'],
    ['alter schema public rename to other', 'copy-into-table'],
    ['alter table base rename to other', 'copy-into-table'],
    ['alter table staff rename to people', ''],
    ['alter table customers alter name type text using email', 'copy-into-table'],
    ['alter table customers alter email type text using lower(email)', ''],
    ['alter table customers add x text generated always as (lower(email)) stored', 'copy-into-table'],
    ["alter table customers add check (email like 'a%')", 'predicate'],
    ['alter table part detach partition part_1', 'copy-into-table'],
    ['alter table kid no inherit base', 'copy-into-table'],
    ['alter table orders attach partition customers for values in (1)', 'copy-into-table'],
    ['alter table orders attach partition staff for values in (1)', ''],
    ['alter table customers inherit staff', 'copy-into-table'],
    ['alter table kid inherit base', ''],
    ['create index on customers (lower(email))', 'predicate'],
    ['create index on customers (leak(id))', 'opaque predicate'],
    ["create table x (a int check (a > 1), b text default 'c')", ''],
    ['select most_common_vals from pg_stats', 'statistics'],
    ['select * from pg_stats_ext', 'statistics'],
    ['select s from pg_statistic s', 'statistics'],
    ['select s.stavalues1 from pg_catalog.pg_statistic s', 'statistics'],
    ['select query from pg_stat_activity', 'statistics'],
    ['select a.* from pg_stat_activity a', 'statistics'],
    ['select pid from pg_stat_activity', ''],
    ['select pg_stat_get_backend_activity(1)', 'statistics'],
    ['explain analyze select email from customers', 'explain-analyze'],
    ['explain analyze select id from customers', ''],
    ['explain (analyze off) select email from customers', ''],
    ['explain analyze execute p', 'explain-analyze'],
    ['explain select id from customers where pin = 1', 'predicate'],
    ['select leak(1)', 'opaque'],
    ['select * from leak(1)', 'opaque predicate'],
    ['select 1 from orders where leak(id)', 'opaque predicate'],
    ['select (1).leak', 'opaque'],
    ['select o.leak from orders o', 'opaque'],
    ["select query_to_xml('select 1', true, true, '')", 'opaque'],
    ["select table_to_xml('customers', true, true, '')", 'opaque'],
    ['do $$ begin end $$', 'opaque'],
    ['call archive_all()', 'opaque'],
    ["create function f() returns int language sql as 'select 1'", 'opaque'],
    ['create rule r as on select to orders do instead select 1', 'opaque'],
    ['create policy p on orders using (true)', 'opaque'],
    ['vacuum customers', ''],
    ['truncate customers', ''],
    ['lock customers', ''],
  ])('%s: %s', (sql, expected) => {
    expect(uses(sql)).toBe(expected);
  });

  test('a use names the patterns concerned, and * where it cannot be known', () => {
    expect(lineage('select id from customers where email = card').uses).toEqual([
      { use: 'predicate', columns: ['public.customers.email', 'public.customers.card'] },
    ]);
    expect(lineage('select 1 from nowhere where a').uses).toEqual([{ use: 'predicate', columns: ['*'] }]);
  });
});

test('an output names the patterns whose masks reach it', () => {
  const found = lineage('select id, email, card || email, who2 from customers, contacts2');
  expect(found.outputPatterns).toEqual([[], [0], [0, 1], [0]]);
});

test.each([
  ["insert into customers (id, email) values (1, 'a')", true],
  ["insert into customers values (1, 'a', 'b')", true],
  ["insert into customers values (1, 'a')", false],
  ["insert into customers (id, name) values (1, 'a')", false],
  ["update customers set email = 'a'", true],
  ["update customers set name = 'a' where id = 1", false],
  ['insert into orders values (1)', false],
  ["insert into nowhere values ('a')", true],
  ["insert into customers (id) values (1) on conflict (id) do update set card = 'a'", true],
  ["merge into customers c using staff s on true when matched then update set email = 'a'", true],
  [
    "merge into customers c using staff s on true when not matched then insert (id, name) values (1, 'a')",
    false,
  ],
  ["with x as (update customers set email = 'a' returning 1) select 1", true],
  ['copy customers from stdin', true],
  ['copy customers (id, name) from stdin', false],
  ["update contacts set who = 'a'", true],
])('%s writes what is masked when it is read: %s', (sql, expected) => {
  expect(lineage(sql).writesMasked).toBe(expected);
});

test.each([
  ['select email from customers where id = 5', false],
  ['select * from customers where name = 5', false],
  ["select coalesce(email, 'a') from customers", true],
  ["select id from customers where email = 'a'", true],
  ["update customers set email = 'a' where id = 1", true],
  ["update customers set name = 'a' where id = 1", false],
  ["select leak('a')", true],
])('%s: its literals could be masked values: %s', (sql, expected) => {
  expect(lineage(sql).literalsMayMatch).toBe(expected);
});

describe('names', () => {
  test('the search path decides which of two tables of one name is meant', () => {
    const session = (searchPath: readonly string[] | undefined) => ({ searchPath, temporary: new Map() });
    expect(outputs('select id from orders', session(['public', 'archive']))).toBe('c');
    expect(outputs('select secret from orders', session(['archive', 'public']))).toBe('t');
    expect(outputs('select id from orders', session(undefined))).toBe('t');
    expect(outputs('select id from orders', session(['nowhere']))).toBe('u');
    expect(outputs('select id from archive.orders', session([]))).toBe('c');
  });

  test('a temporary table hides the table of the same name', () => {
    const temporary = new Map<string, 'clean' | 'unknown'>([
      ['orders', 'unknown'],
      ['customers', 'clean'],
    ]);
    const session = { searchPath: ['public'], temporary };
    expect(outputs('select id from orders', session)).toBe('u');
    expect(outputs('select email from customers', session)).toBe('c');
    expect(outputs('select email from public.customers', session)).toBe('t');
    expect(outputs('select id from pg_temp.orders', session)).toBe('u');
    expect(outputs('select id from pg_temp.other', session)).toBe('u');
  });

  test('a table that shares its name with one of the system is not told apart', () => {
    const own = { ...catalog, relations: catalog.relations.map((entry) => ({ ...entry, name: 'pg_class' })) };
    const statement = parsed('select relname from pg_class');
    expect(analyseLineage(statement, compileMaskTargets(own, patterns), publicPath).outputs.columns).toEqual([
      'unknown',
    ]);
  });
});

test('without a catalog nothing is clean, without masks everything is', () => {
  const blind = compileMaskTargets({ relations: [], userFunctions: new Set() }, ['a.b.c']);
  expect(analyseLineage(parsed('select id from t'), blind, publicPath).outputs.columns).toEqual(['unknown']);
  const open = analyseLineage(parsed('select leak(id) from t'), compileMaskTargets(catalog, []), publicPath);
  expect(open).toMatchObject({ touchesMasked: false, writesMasked: false, uses: [] });
});

test('a function called by a dot counts when the catalog has it and no such column', () => {
  expect(effectiveAction(parsed('select (1).archive_all'), targets)).toBe('sql:write');
  expect(effectiveAction(parsed('select o.archive_all from orders o'), targets)).toBe('sql:write');
  expect(effectiveAction(parsed('select o.note from orders o'), targets)).toBe('sql:read');
  expect(effectiveAction(parsed('select o.archive_all from orders o; select 1'), targets)).toBe('sql:write');
});

describe('the analysis is bounded', () => {
  const stars = Array(3000).fill('*').join();

  test('a statement that multiplies counts as touching everything', () => {
    const wide = `with ${Array.from({ length: 9 }, (_, i) => {
      const from = i === 0 ? 'customers' : `w${i - 1}`;
      return `w${i} as (select *, *, *, *, *, * from ${from})`;
    }).join()} select * from w8`;
    expect(lineage(wide)).toMatchObject({
      touchesMasked: true,
      uses: [{ use: 'opaque' }],
      outputs: { complete: false },
    });
    expect(lineage(`select ${stars} from customers`).outputs.columns).toHaveLength(21_000);
  });

  test('many names cost no more than the steps', () => {
    const many = (text: (i: number) => string) => Array.from({ length: 12_000 }, (_, i) => text(i)).join();
    lineage(`with ${many((i) => `w${i} as (select 1 from w${Math.max(i - 1, 0)})`)} select 1`);
    lineage(`select ${many((i) => `(c${i}).id`)} from ${many((i) => `customers c${i}`)}`);
    lineage(`select 1 from customers natural join (select ${many((i) => `1 as a${i}`)}) x`);
    expect(lineage(`select ${many(() => '*')} from ${many(() => 'customers')}`).touchesMasked).toBe(true);
  });

  test('a long insert is analysed to its end', () => {
    const rows = Array.from({ length: 40_000 }, (_, i) => `(${i}, 'a')`).join();
    expect(lineage(`insert into orders (id, note) values ${rows}`)).toMatchObject({
      touchesMasked: false,
      uses: [],
    });
    expect(lineage(`insert into customers (id, email) values ${rows}`)).toMatchObject({ writesMasked: true });
  });

  test('recursion inside recursion ends', () => {
    let sql = 'select 1 as a, email as b from customers';
    for (let level = 0; level < 12; level += 1) {
      sql = `with recursive r${level}(a, b) as (${sql} union all select b, a from r${level}) select * from r${level}`;
    }
    expect(outputs(sql)).not.toContain('c');
  });
});
