import type { MaskRule } from '../../gateway-core/contract/masks.js';
import { livePolicies } from './harness.js';
import { cardOf, ibanOf, token } from './leaks.js';

/** What masking.test.ts puts into a database, and all the ways in which it tries to get it out. */
export const masks: MaskRule[] = [
  { columns: ['public.people.full_name'], with: 'redact' },
  { columns: ['public.people.email', 'public.people.card', 'public.people.iban'], with: 'partial' },
  { columns: ['public.people.phone'], with: 'redact' },
  { columns: ['public.people.salary'], with: 'null' },
  { detect: ['email', 'card', 'iban', 'phone', 'key'], with: 'partial' },
];

/** A word of our own for `source`, with the token in front. */
export const secret = (source: string): string => `${token}${source.replaceAll(/[^a-z]/g, '')}`;
export const secretEmail = (source: string): string => `${secret(source)}@mail.example.com`;

export const openPolicies = `${livePolicies.replace(
  'Group::"admin", action, resource);',
  'Group::"admin", action, resource) unless { resource in Label::"open=yes" };',
)}
@id("admin-may-do-anything-with-what-is-open")
@opens("predicate, order, copy-into-table, statistics, explain-analyze, opaque")
permit (principal in Group::"admin", action, resource in Label::"open=yes");
`;

/** Values that only a control may find again: they are not masked. */
export const visible = 'plainlyvisibleborough';

export const peopleCount = 40;
export const people = `
  create table people (
    id int primary key, full_name text not null, email text not null unique, card text not null, iban text not null,
    phone text not null, salary int not null check (salary > 0), note text, doc jsonb, city text not null);
  create table notes (id int, body text);
`;
export const rows = Array.from({ length: peopleCount }, (_, at) => {
  const id = at + 1;
  const four = String(1000 + at);
  return [
    id,
    `Q${secret('name').slice(1)}${id}`,
    `${secret('row')}${id}@corp.example.com`,
    cardOf(`49293847${four}321`),
    ibanOf(`70050088264${four}77`.padEnd(18, '5')),
    `+49 170 884${four}`,
    739_204_000 + id,
    `write to ${secret('note')}${id}@mail.example.com or pay ${cardOf(`49293847${four}654`).replaceAll(/(.{4})(?=.)/g, '$1 ')}`,
    JSON.stringify({ contact: { email: `${secret('doc')}${id}@mail.example.com` }, tags: ['x'] }),
    `${visible}${id}`,
  ] as const;
});

export interface Case {
  readonly name: string;
  readonly text: string;
  /** Runs as the admin, whom policy lets do everything. */
  readonly admin?: boolean;
  /** Must succeed: else this case would prove nothing. */
  readonly mustRun?: boolean;
}

/** Secrets that come out of the table. */
export const fromRows: readonly Case[] = [
  { name: 'whole rows', text: 'select * from people', mustRun: true },
  {
    name: 'some rows, ordered by what is open',
    text: 'select id, email, full_name from people where id < 5 order by id',
    mustRun: true,
  },
  {
    name: 'expressions',
    text: "select upper(email), email || '!', substr(email, 1, 14), initcap(full_name), reverse(email), left(card, 12) from people",
  },
  {
    name: 'encodings',
    text: "select encode(email::bytea, 'base64'), encode(email::bytea, 'hex'), convert_to(full_name, 'UTF8'), quote_literal(full_name) from people",
  },
  {
    name: 'aggregates',
    text: "select array_agg(email), string_agg(full_name, ','), min(full_name), max(iban), jsonb_agg(salary), sum(salary) from people",
  },
  {
    name: 'rows as values',
    text: 'select p, p::text, row_to_json(p), to_jsonb(p), row(p.full_name, p.salary), array[p.full_name] from people as p',
  },
  {
    name: 'sub-queries, CTEs and unions',
    text: 'with q as (select full_name as x from people) select x from q union all select email from people union all select (select full_name from people where id = 3)',
    mustRun: true,
  },
  { name: 'a union that compares', text: 'select full_name from people union select email from people' },
  {
    name: 'lateral joins and values',
    text: 'select t.x, v.y from people as p cross join lateral (select p.full_name as x) as t cross join lateral (values (p.email)) as v (y)',
    mustRun: true,
  },
  {
    name: 'arrays unfolded into rows',
    text: 'select s from people as p cross join lateral unnest(array[p.full_name, p.email]) as s',
  },
  {
    name: 'coalesce, case and casts',
    text: "select coalesce(full_name, 'none'), case when id > 0 then email end, full_name::varchar(60), (salary::text || '') from people",
  },
  {
    name: 'joins and windows',
    text: 'select a.full_name, b.email, first_value(a.full_name) over (order by a.id) from people as a join people as b using (id)',
  },
  {
    name: 'functions over text',
    text: "select format('%s', full_name), concat(full_name, email), string_to_array(full_name, 'x'), xmlelement(name x, full_name), translate(email, '@', ' '), overlay(full_name placing 'x' from 2) from people",
    mustRun: true,
  },
  {
    name: 'functions that compare',
    text: "select regexp_matches(full_name, '.*'), position('x' in full_name), starts_with(full_name, 'Q') from people",
  },
  {
    name: 'full joins and recursive queries',
    text: 'with recursive r as (select id, email as x from people where id = 1 union all select p.id, r.x from r join people as p on p.id = r.id + 1) select x from r; select a.email from people as a full join people as b using (id)',
    mustRun: true,
  },
  { name: 'COPY to the client, text', text: 'copy people to stdout', mustRun: true },
  {
    name: 'COPY to the client, CSV',
    text: 'copy people (full_name, email, salary, city) to stdout (format csv, header, force_quote *)',
    mustRun: true,
  },
  {
    name: 'COPY of a query',
    text: 'copy (select full_name, upper(email), note, doc from people) to stdout',
    mustRun: true,
  },
  { name: 'COPY to the client, binary', text: 'copy people to stdout (format binary)', mustRun: true },
  { name: 'a cast that fails', text: 'select email::int from people' },
  {
    name: 'a cast that fails in a predicate',
    text: "select 1 from people where full_name::date > '2020-01-01'",
  },
  {
    name: 'a cast that fails in an index expression',
    text: 'select (array[1,2])[full_name::int] from people',
  },
  { name: 'a check that fails', text: 'update people set salary = -1 where id = 4' },
  { name: 'a null that fails', text: 'update people set email = null where id = 5' },
  { name: 'a value too wide', text: 'select full_name::char(3)::"char", full_name::bit(8) from people' },
  { name: 'a division that fails', text: 'select 1 / (salary - salary) from people' },
  {
    name: 'a cursor',
    text: 'begin; declare walk cursor for select full_name, email from people; fetch 5 from walk; commit',
    mustRun: true,
  },
  {
    name: 'PREPARE and EXECUTE',
    text: 'prepare q as select full_name, email from people where id = $1; execute q(6)',
    mustRun: true,
  },
  { name: 'returning', text: 'update people set city = city where id = 7 returning *', mustRun: true },
  {
    name: 'explain with rows',
    text: "explain (analyze, verbose) select * from people where email like 'q%'",
  },
  { name: 'statistics', text: "select * from pg_stats where tablename = 'people'" },
  {
    name: 'a table of a query',
    text: 'create temp table copied as select * from people; select * from copied',
    admin: true,
  },
  {
    name: 'a view made now',
    text: 'create view seen as select full_name as x, email as y from people; select x, y from seen; drop view seen',
    admin: true,
  },
  {
    name: 'a function made now',
    text: "create function f() returns text language sql as 'select full_name from people where id = 8'; select f(); drop function f()",
    admin: true,
  },
  {
    name: 'a notice',
    text: "do $$ begin raise notice 'of %', (select full_name || email from people where id = 9); end $$",
    admin: true,
  },
  {
    name: 'an exception',
    text: "do $$ begin raise exception 'of %', (select full_name || email from people where id = 10) using detail = (select iban from people where id = 10), hint = (select card from people where id = 10); end $$",
    admin: true,
  },
  {
    name: 'XML of a query in a string',
    text: "select query_to_xml('select * from people', true, false, '')",
    admin: true,
  },
  {
    name: 'a notification made of a row',
    text: "listen rows; select pg_notify('rows', full_name || email) from people where id = 11",
    admin: true,
  },
  {
    name: 'a setting made of a row',
    text: "select set_config('my.setting', full_name, false) from people where id = 12; show my.setting",
    admin: true,
  },
];

/**
 * The same table behind a policy that opens every use of masked columns: what the gateway cannot follow any more,
 * the detectors still find. Only values that a detector knows are asked for.
 */
export const opened: readonly Case[] = [
  {
    name: 'open: a notice',
    text: "do $$ begin raise notice 'of %', (select email || ' ' || note from people where id = 20); end $$",
    mustRun: true,
  },
  {
    name: 'open: an exception',
    text: "do $$ begin raise exception 'of %', (select email from people where id = 21) using detail = (select iban from people where id = 21), hint = (select note from people where id = 21); end $$",
  },
  {
    name: 'open: XML of a query in a string',
    text: "select query_to_xml('select id, email, card, iban from people', true, false, '')",
  },
  {
    name: 'open: a notification made of a row',
    text: "listen rows; select pg_notify('rows', email) from people where id = 22",
    mustRun: true,
  },
  {
    name: 'open: a setting made of a row',
    text: "select set_config('my.setting', email, false) from people where id = 23; show my.setting",
    mustRun: true,
  },
  {
    name: 'open: a table of a query',
    text: 'create table copied as select email, note, doc from people; select * from copied; copy copied to stdout; drop table copied',
    mustRun: true,
  },
  {
    name: 'open: a function made now',
    text: "create function f() returns setof text language sql as 'select email from people'; select f(); select * from f(); drop function f()",
    mustRun: true,
  },
  {
    name: 'open: predicates and order',
    text: "select email from people where email like 'q%' order by email",
    mustRun: true,
  },
  {
    name: 'open: statistics',
    text: "select histogram_bounds from pg_stats where tablename = 'people' and attname in ('email', 'note')",
  },
  {
    name: 'open: explain with rows',
    text: 'explain (analyze, verbose, costs off, timing off) select email from people where id = 24',
    mustRun: true,
  },
  { name: 'open: a cast that fails', text: 'select * from people where email::int = 1' },
];

/** Secrets that the client types. What it is shown is not compared: psql shows people their own text. */
export const typed: readonly Case[] = [
  { name: 'a literal', text: `select '${secretEmail('literal')}'`, mustRun: true },
  {
    name: 'a literal that is stored',
    text: `insert into notes values (1, 'call ${secretEmail('stored')} now')`,
    mustRun: true,
  },
  { name: 'a dollar-quoted literal', text: `select $x$${secretEmail('dollar')}$x$`, mustRun: true },
  { name: 'an escape string', text: `select E'${secretEmail('escape')}\\n'`, mustRun: true },
  { name: 'a comment', text: `select 1 /* for ${secretEmail('comment')} */`, mustRun: true },
  { name: 'a comment at the end', text: `select 1 -- for ${secretEmail('line')}`, mustRun: true },
  { name: 'a name of a column', text: `select 1 as "${secretEmail('alias')}"` },
  { name: 'a text that does not parse', text: `selec '${secretEmail('syntax')}'` },
  { name: 'a text that ends in the middle of a literal', text: `select '${secretEmail('unclosed')}` },
  { name: 'a denied statement', text: `drop table people; select '${secretEmail('denied')}'` },
  {
    name: 'a duplicate key',
    text: `insert into people values (1000, 'x', '${secret('row')}1@corp.example.com', 'c', 'i', 'p', 1, null, null, 'c')`,
  },
  { name: 'a literal that is not a number', text: `select '${secretEmail('cast')}'::int` },
  {
    name: 'EXECUTE with a literal',
    text: `prepare l as select $1::text; execute l('${secretEmail('execute')}')`,
    mustRun: true,
  },
  { name: 'a notification', text: `listen typed; notify typed, '${secretEmail('notify')}'`, mustRun: true },
  { name: 'a very long text', text: `select '${secretEmail('long')}', '${'y'.repeat(1_200_000)}'` },
  { name: 'a long text', text: `select '${'y'.repeat(70_000)}', '${secretEmail('late')}'`, mustRun: true },
  {
    name: 'a notice of a literal',
    text: `do $$ begin raise warning 'about ${secretEmail('raise')}'; end $$`,
    admin: true,
  },
  { name: 'a setting', text: `set application_name = '${secretEmail('setting')}'; select 1` },
];
