import { beforeAll, describe, expect, test } from 'vitest';
import {
  isBuiltin,
  loadParser,
  type ParsedStatement,
  parseStatements,
} from '../../../gateway-core/codec/postgres/statement/index.js';

beforeAll(loadParser);

function only(sql: string): ParsedStatement {
  const parsed = parseStatements(sql);
  if (!parsed.ok) throw new Error(`${sql}: ${parsed.message}`);
  const [statement] = parsed.statements;
  if (statement === undefined || parsed.statements.length !== 1) throw new Error(`not one statement: ${sql}`);
  return statement;
}

function tablesOf(sql: string): string[] {
  return only(sql).facts.tables.map(({ schema, name, access }) => `${access} ${schema ?? ''}.${name}`);
}

const classes: Record<string, readonly (readonly [string, string])[]> = {
  'sql:read': [
    ['select 1', 'SELECT'],
    ['values (1)', 'SELECT'],
    ['table t', 'SELECT'],
    ['select * from t where a = 1', 'SELECT'],
    ['with a as (select 1) select * from a', 'SELECT'],
    ['explain select 1', 'EXPLAIN'],
    ['explain analyze select 1', 'EXPLAIN'],
    ['show all', 'SHOW'],
    ['begin', 'BEGIN'],
    ['start transaction read only', 'START TRANSACTION'],
    ['commit', 'COMMIT'],
    ['rollback to savepoint a', 'ROLLBACK'],
    ['savepoint a', 'SAVEPOINT'],
    ['set statement_timeout = 5', 'SET'],
    ['set enable_seqscan = off', 'SET'],
    ["set client_encoding to 'UTF8'", 'SET'],
    ["set names 'utf-8'", 'SET'],
    ['set standard_conforming_strings = on', 'SET'],
    ['set standard_conforming_strings to default', 'SET'],
    ["set datestyle = 'ISO, MDY'", 'SET'],
    ["set local time zone 'UTC'", 'SET'],
    ['set search_path to a, b', 'SET'],
    ['set application_name = x', 'SET'],
    ['set transaction isolation level serializable', 'SET'],
    ['set constraints all deferred', 'SET CONSTRAINTS'],
    ['reset all', 'RESET'],
    ['reset client_encoding', 'RESET'],
    ['declare c cursor for select 1', 'DECLARE CURSOR'],
    ['fetch 5 from c', 'FETCH'],
    ['move all in c', 'MOVE'],
    ['close c', 'CLOSE CURSOR'],
    ['listen a', 'LISTEN'],
    ['unlisten *', 'UNLISTEN'],
    ['lock table t in access share mode', 'LOCK TABLE'],
    ['copy t to stdout', 'COPY TO'],
    ['copy (select 1) to stdout', 'COPY TO'],
    ['prepare p as select 1', 'PREPARE'],
    ['execute p(1)', 'EXECUTE'],
    ['deallocate p', 'DEALLOCATE'],
    ['discard all', 'DISCARD ALL'],
    ["select set_config('search_path', '', false)", 'SELECT'],
    ["select pg_catalog.set_config('work_mem', $1, true)", 'SELECT'],
    ['select pg_sleep(1), pg_advisory_lock(1), now(), random(), lastval()', 'SELECT'],
    ['select count(*), max(a) filter (where b) over (partition by c) from t', 'SELECT'],
    ['select a.nextvalue, (b).c from t', 'SELECT'],
  ],
  'sql:write': [
    ['insert into t values (1)', 'INSERT'],
    ['update t set a = 1', 'UPDATE'],
    ['delete from t', 'DELETE'],
    ['merge into t using s on true when matched then delete', 'MERGE'],
    ['truncate t', 'TRUNCATE TABLE'],
    ['with a as (delete from t returning *) select * from a', 'SELECT'],
    ['select (with a as (select 1) select 1 from a) from t for update', 'SELECT'],
    ['select * from (select * from t for share) s', 'SELECT'],
    ["select nextval('s')", 'SELECT'],
    ["select setval('s', 1)", 'SELECT'],
    ["select 1 where nextval('s') > 1", 'SELECT'],
    ["select ('s'::regclass).nextval", 'SELECT'],
    ['notify a', 'NOTIFY'],
    ["select pg_notify('a', 'b')", 'SELECT'],
    ['select lo_unlink(1)', 'SELECT'],
    ['copy t from stdin', 'COPY FROM'],
    ['explain delete from t', 'EXPLAIN'],
    ['explain analyze insert into t values (1)', 'EXPLAIN'],
    ['prepare p as update t set a = $1', 'PREPARE'],
    ['lock table t', 'LOCK TABLE'],
    ["prepare transaction 'a'", 'PREPARE TRANSACTION'],
    ["commit prepared 'a'", 'COMMIT PREPARED'],
    ['select my_function(1)', 'SELECT'],
    ['select public.lower(a) from t', 'SELECT'],
    ['select "Lower"(a) from t', 'SELECT'],
    ["set app.tenant = 'a'", 'SET'],
    ["select set_config('app.tenant', 'a', false)", 'SELECT'],
  ],
  'sql:ddl': [
    ['create table t (a int)', 'CREATE TABLE'],
    ['create temp table t (a int)', 'CREATE TABLE'],
    ['create table t as select 1', 'CREATE TABLE AS'],
    ['select 1 into t', 'SELECT INTO'],
    ['create view v as select 1', 'CREATE VIEW'],
    ['create materialized view v as select 1', 'CREATE MATERIALIZED VIEW'],
    ['refresh materialized view v', 'REFRESH MATERIALIZED VIEW'],
    ['alter table t add column a int', 'ALTER TABLE'],
    ['alter table t rename to u', 'ALTER TABLE'],
    ['alter table t set schema s', 'ALTER TABLE'],
    ['drop table t', 'DROP TABLE'],
    ['drop materialized view v', 'DROP MATERIALIZED VIEW'],
    ['create index on t (a)', 'CREATE INDEX'],
    ['create sequence s', 'CREATE SEQUENCE'],
    ["create type t as enum ('a')", 'CREATE TYPE'],
    ['create schema s', 'CREATE SCHEMA'],
    ['create schema s create table t (a int)', 'CREATE SCHEMA'],
    ["comment on table t is 'a'", 'COMMENT'],
    ['vacuum t', 'VACUUM'],
    ['analyze t', 'ANALYZE'],
    ['reindex table t', 'REINDEX'],
    ['cluster t', 'CLUSTER'],
    ['explain create table t as select 1', 'EXPLAIN'],
  ],
  'sql:admin': [
    ['grant select on t to a', 'GRANT'],
    ['revoke all on t from a', 'REVOKE'],
    ['grant a to b', 'GRANT ROLE'],
    ['create role a', 'CREATE ROLE'],
    ["alter role a password 'x'", 'ALTER ROLE'],
    ['alter system set work_mem = 1', 'ALTER SYSTEM'],
    ['create extension a', 'CREATE EXTENSION'],
    ['drop extension a', 'DROP EXTENSION'],
    ["security label on table t is 'a'", 'SECURITY LABEL'],
    ["create function f() returns int language sql as 'select 1'", 'CREATE FUNCTION'],
    ['drop function f()', 'DROP FUNCTION'],
    ['create language l handler h', 'CREATE LANGUAGE'],
    ['create publication p', 'CREATE PUBLICATION'],
    ["create subscription s connection 'a' publication p", 'CREATE SUBSCRIPTION'],
    ['create server s foreign data wrapper w', 'CREATE SERVER'],
    ['create user mapping for a server s', 'CREATE USER MAPPING'],
    ['create foreign table t (a int) server s', 'CREATE FOREIGN TABLE'],
    ['create policy p on t', 'CREATE POLICY'],
    ['create trigger g after insert on t execute function f()', 'CREATE TRIGGER'],
    ['create rule r as on insert to t do also delete from u', 'CREATE RULE'],
    ['create event trigger g on ddl_command_end execute function f()', 'CREATE EVENT TRIGGER'],
    ['create database d', 'CREATE DATABASE'],
    ['create operator + (function = f, leftarg = int)', 'CREATE OPERATOR'],
    ['create cast (a as b) without function', 'CREATE CAST'],
    ['alter table t owner to a', 'ALTER TABLE'],
    ['alter table t disable row level security', 'ALTER TABLE'],
    ['alter table t add a int, disable trigger all', 'ALTER TABLE'],
    ['alter function f() owner to a', 'ALTER FUNCTION'],
    ['alter role a rename to b', 'ALTER ROLE'],
    ['create schema authorization a', 'CREATE SCHEMA'],
    ['create schema s grant select on t to a', 'CREATE SCHEMA'],
    ['do $$ begin end $$', 'DO'],
    ['call p()', 'CALL'],
    ['checkpoint', 'CHECKPOINT'],
    ["load 'a'", 'LOAD'],
    ["copy t to '/tmp/a'", 'COPY TO'],
    ["copy t from program 'a'", 'COPY FROM'],
    ["select pg_read_file('/etc/passwd')", 'SELECT'],
    ["select ('/etc/passwd'::text).pg_read_file", 'SELECT'],
    ["select x.pg_ls_dir from cast('/' as text) x", 'SELECT'],
    ['select * from t where pg_terminate_backend(1)', 'SELECT'],
    ["select lo_export(1, 'a')", 'SELECT'],
    ["select dblink('host=a', 'select 1')", 'SELECT'],
    ['select pg_reload_conf()', 'SELECT'],
    ["select query_to_xml('select 1', true, true, '')", 'SELECT'],
    ["select * from ts_stat('select 1')", 'SELECT'],
    ["select pg_create_logical_replication_slot('a', 'b')", 'SELECT'],
    ["select pg_logical_emit_message(true, 'a', 'b')", 'SELECT'],
    ['explain analyze select pg_promote()', 'EXPLAIN'],
    ['create table t (a int default pg_switch_wal())', 'CREATE TABLE'],
    ['set session_replication_role = replica', 'SET'],
    ['set some_setting_of_next_year = on', 'SET'],
    ['reassign owned by a to b', 'REASSIGN OWNED'],
  ],
};

describe.each(Object.entries(classes))('%s is what policy is asked for', (action, statements) => {
  test.each(statements)('%s', (sql, command) => {
    expect(only(sql).facts).toMatchObject({ action, command });
  });
});

test('data definition and administration may have changed the catalog, reading and writing have not', () => {
  for (const [action, statements] of Object.entries(classes)) {
    const changes = action === 'sql:ddl' || action === 'sql:admin';
    for (const [sql] of statements) expect(only(sql).facts.changesCatalog, sql).toBe(changes);
  }
});

test('functions that are not built in count as writing, unless the caller knows better', () => {
  expect(only('select f(1)')).toMatchObject({
    facts: { action: 'sql:write' },
    actionWithoutFunctions: 'sql:read',
  });
  expect(only("select f(1), nextval('s')").actionWithoutFunctions).toBe('sql:write');
  expect(only("select dblink('a', 'b')").actionWithoutFunctions).toBe('sql:admin');
});

describe('never allowed, whatever policy says', () => {
  test.each([
    'set standard_conforming_strings = off',
    'set "Standard_Conforming_Strings" = 0',
    "set local standard_conforming_strings to 'no'",
    'set standard_conforming_strings = a, b',
    "set client_encoding = 'LATIN1'",
    "set names 'SJIS'",
    'set client_encoding to sql_ascii',
    'set backslash_quote = on',
    'set role a',
    'SET ROLE NONE',
    'reset role',
    'set "RoLe" to a',
    'set local role a',
    'set session authorization a',
    'set session authorization default',
    'reset session authorization',
    "select set_config('role', 'a', false)",
    "select set_config('Role', 'a', false)",
    "select pg_catalog.set_config('session_authorization', 'a', false)",
    "select set_config('standard_conforming_strings', 'off', true)",
    "select set_config('client_encoding', $1, true)",
    'select set_config($1, $2, false)',
    "select set_config('ro' || 'le', 'a', false)",
    "select set_config(n, 'a', false) from (values ('role')) v(n)",
    "select set_config('role.x'::varchar(4), 'a', false)",
    "select set_config(cast('role.x' as char(4)), 'a', false)",
    "select set_config('role.x'::name, 'a', false)",
    "select set_config(U&'r\\006fle'::text, 'a', false)",
    "select set_config(E'r\\x6fle', 'a', false)",
    "select set_config('client_encoding', 'utf8'::varchar(3), false)",
    "select set_config(setting_name => 'role', new_value => 'a', is_local => false)",
    "with x as (select set_config('role', 'a', false)) select 1",
    "insert into t select set_config('role', 'a', false)",
    "prepare p as select set_config('role', 'a', false)",
    "explain analyze select set_config('role', 'a', false)",
    "declare c cursor for select set_config('role', 'a', false)",
    "copy (select set_config('role', 'a', false)) to stdout",
    "select set_config('application_name', 'a', false)",
    "alter role a set application_name = 'b'",
    'alter role a set standard_conforming_strings = off',
    'alter role a set role = b',
    'alter database d set client_encoding = latin1',
    'alter role all set session_preload_libraries = x',
    "alter system set archive_command = 'x'",
    "create function f() returns int language sql set role to a as 'select 1'",
    'alter function f() set standard_conforming_strings = off',
    "create function f() returns int language sql set application_name to a as 'select 1'",
    "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
    "update pg_catalog.pg_settings set setting = 'a' where name = 'role'",
    "with x as (update pg_settings set setting = 'a') select 1",
    'create view v as select * from pg_settings',
    'set local_preload_libraries = a',
    "load 'a'",
    "copy t to program 'cat'",
    "copy t from '/etc/passwd'",
    "copy t to stdout (encoding 'latin1')",
    "copy t from stdin with (format csv, encoding 'SQL_ASCII')",
  ])('%s', (sql) => {
    expect(only(sql).facts.forbidden).toBeTypeOf('string');
  });

  test.each([
    'set standard_conforming_strings to ON',
    "set client_encoding = ' utf8 '",
    'set escape_string_warning = off',
    "copy t to stdout (encoding 'utf8')",
    'select * from pg_settings',
    "select current_setting('role')",
    "select my.set_config('role', 'a', false)",
    'show role',
  ])('but: %s', (sql) => {
    expect(only(sql).facts.forbidden).toBeUndefined();
  });
});

test.each([
  ['set application_name = a', 'SET application_name TO DEFAULT'],
  ["SET SESSION Application_Name TO 'x'", 'SET application_name TO DEFAULT'],
  ["set local application_name to 'x'", 'SET LOCAL application_name TO DEFAULT'],
  ['reset application_name', 'RESET application_name'],
  ['set work_mem = 1', undefined],
  ['select 1', undefined],
])('%s never reaches the target as written, if it names the application', (sql, sendInstead) => {
  expect(only(sql)).toMatchObject({ facts: { forbidden: undefined } });
  expect(only(sql).sendInstead).toBe(sendInstead);
});

test.each([
  ['set search_path = a', true],
  ["select set_config('search_path', 'a', true)", true],
  ['reset all', true],
  ['discard temp', true],
  ['set role a', true],
  ['create temp table t (a int)', true],
  ['select 1 into temp t', true],
  ['set app.tenant = 1', true],
  ['do $$ begin end $$', true],
  ['call p()', true],
  ['set work_mem = 1', false],
  ['select 1', false],
])('%s: verdicts made before are made again: %s', (sql, expected) => {
  expect(only(sql).facts.changesSession).toBe(expected);
});

test.each([
  ['select * from a join s.b on true, lateral (select from c) x', ['read .a', 'read s.b', 'read .c']],
  ['insert into a select * from b', ['write .a', 'read .b']],
  ['update a set x = (select 1 from a)', ['write .a', 'read .a']],
  ['merge into a using b on true when matched then delete', ['write .a', 'read .b']],
  ['with a as (select 1 from b) select * from a', ['read .b']],
  ['with a as (select 1 from a) select * from a', ['read .a']],
  ['with recursive a as (select 1 from a) select * from a', []],
  ['with a as (select 1), b as (select * from a) select * from b, s.a', ['read s.a']],
  ['with a as (select 1) delete from a', ['write .a']],
  ['with recursive x as (select * from y), y as (select 1) select * from x', []],
  ['with x as (select * from y), y as (select 1) select * from x', ['read .y']],
  ['select * from (with a as (select 1) select * from a) q, a', ['read .a']],
  ['select 1 where exists (with b as (select 1) select from b, c)', ['read .c']],
  ['with x as (insert into a values (1) returning *) select * from x', ['write .a']],
  ['create temp table a as select * from b', ['read .b', 'write pg_temp.a']],
  ['select 1 into a from b', ['write .a', 'read .b']],
  ['drop table a, s.b', ['write .a', 'write s.b']],
  ['truncate a, b', ['write .a', 'write .b']],
  ['copy a to stdout', ['read .a']],
  ['copy s.a from stdin', ['write s.a']],
  ['alter table a add foreign key (x) references b', ['write .a', 'write .b']],
  ['create table a (like b)', ['write .a', 'read .b']],
  ['lock table a', ['read .a']],
  ['explain select * from a', ['read .a']],
  ['prepare p as delete from a', ['write .a']],
  ['table a union table b', ['read .a', 'read .b']],
  ['with a as (with a as (select 1 from a) select * from a) select * from a', ['read .a']],
  ['select (with b as (select 1) select 1 from b), 2 from b', ['read .b']],
  ['select "A b" from "C d"."E f"', ['read C d.E f']],
])('the tables of %s', (sql, expected) => {
  expect(tablesOf(sql).sort()).toEqual([...expected].sort());
});

test('functions are listed as written, with quotes where case matters', () => {
  const sql = 'select a(), s.b(), "C"(), LOWER(x), pg_catalog.now(), db.s.f() from g(1) where h()';
  expect(only(sql).facts.functions).toEqual([
    '"C"',
    'a',
    'db.s.f',
    'g',
    'h',
    'lower',
    'pg_catalog.now',
    's.b',
  ]);
  expect(['lower', 'pg_catalog.lower', 'uuidv7', 'information_schema._pg_truetypid'].every(isBuiltin)).toBe(
    true,
  );
  expect(['"LOWER"', 'public.lower', 'leak', 'pg_catalog.leak', ''].some(isBuiltin)).toBe(false);
});

test.each([
  ['prepare p as select 1', { kind: 'prepared', name: 'p' }, undefined],
  ['declare c cursor for select 1', { kind: 'cursor', name: 'c' }, undefined],
  ['execute p', undefined, { kind: 'prepared', name: 'p' }],
  ['explain execute p', undefined, { kind: 'prepared', name: 'p' }],
  ['create table t as execute p', undefined, { kind: 'prepared', name: 'p' }],
  ['deallocate "P"', undefined, { kind: 'prepared', name: 'P' }],
  ['fetch all c', undefined, { kind: 'cursor', name: 'c' }],
  ['close c', undefined, { kind: 'cursor', name: 'c' }],
  ['select 1', undefined, undefined],
])('%s defines and refers by name', (sql, defines, refersTo) => {
  expect(only(sql).facts.defines).toEqual(defines);
  expect(only(sql).facts.refersTo).toEqual(refersTo);
});

const copyDefaults = { schema: undefined, table: 't', columns: undefined, header: false };
const textCopy = { format: 'text', delimiter: '\t', quote: '"', escape: '"', nullText: '\\N' };
const csvCopy = { ...textCopy, format: 'csv', delimiter: ',', nullText: '' };

test.each([
  ['copy t to stdout', { direction: 'to', ...textCopy }],
  ['copy s.t (a, "B") from stdin', { direction: 'from', schema: 's', columns: ['a', 'B'], ...textCopy }],
  ['copy (select 1) to stdout', { direction: 'to', table: undefined, ...textCopy }],
  ['copy t to stdout csv header', { direction: 'to', header: true, ...csvCopy }],
  [
    "copy t from stdin (format csv, header match, quote '''', null 'x')",
    {
      direction: 'from',
      header: true,
      ...csvCopy,
      quote: "'",
      escape: "'",
      nullText: 'x',
    },
  ],
  ["copy t to stdout (format 'csv', escape '\\', header off)", { direction: 'to', ...csvCopy, escape: '\\' }],
  ["copy t to stdout delimiters '|'", { direction: 'to', ...textCopy, delimiter: '|' }],
  ['copy t to stdout binary', { direction: 'to', ...textCopy, format: 'binary' }],
])('%s is described with the defaults filled in', (sql, expected) => {
  expect(only(sql).facts.copy).toEqual({ ...copyDefaults, ...expected });
});

test.each([
  ["create role a password 'x'", true],
  ["alter user a with password 'x' valid until 'y'", true],
  ["create user mapping for a server s options (password 'x')", true],
  ["create subscription s connection 'password=x' publication p", true],
  ["select dblink_connect('password=x')", true],
  ["select crypt('x', 'y')", true],
  ["select public.pgp_sym_decrypt(a, 'key') from t", true],
  ["select 'x'", false],
])('%s: every literal is a secret: %s', (sql, expected) => {
  expect(only(sql).alwaysMaskLiterals).toBe(expected);
});
