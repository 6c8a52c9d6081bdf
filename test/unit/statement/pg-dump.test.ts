import { beforeAll, expect, test } from 'vitest';
import { loadParser, parseStatements } from '../../../gateway-core/codec/postgres/statement/index.js';

beforeAll(loadParser);

function facts(sql: string) {
  const result = parseStatements(sql);
  if (!result.ok) throw new Error(result.message);
  const [statement] = result.statements;
  if (statement === undefined) throw new Error('no statement');
  return statement.facts;
}

test('set_config may take its setting from rows that all have one harmless name, as pg_dump does', () => {
  const dump =
    "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'";
  expect(facts(dump)).toMatchObject({ action: 'sql:read', forbidden: undefined });
  expect(facts("SELECT pg_catalog.set_config('search_path', '', false)")).toMatchObject({
    action: 'sql:read',
    forbidden: undefined,
    changesSession: true,
  });
});

test('set_config whose setting the text does not pin down is never allowed', () => {
  for (const sql of [
    "select set_config(name, 'x', false) from pg_settings",
    "select set_config(name, 'x', false) from pg_settings where name = 'role'",
    "select set_config(name, 'off', false) from pg_settings where name = 'standard_conforming_strings'",
    "select set_config(name, 'x', false) from pg_settings where name = 'work_mem' or true",
    "select set_config(name, 'x', false) from pg_settings where name <> 'work_mem'",
    "select set_config(name, 'x', false) from pg_settings where not (name = 'work_mem')",
    "select set_config(name, 'x', false) from pg_settings, other where name = 'work_mem'",
    "select set_config(name, 'x', false) from (select 'role' as name) s where name = 'work_mem'",
    "select set_config(other.name, 'x', false) from pg_settings where name = 'work_mem'",
    "select (select set_config(name, 'x', false) from t) from pg_settings where name = 'work_mem'",
    "select set_config(name, 'x', false) from pg_settings where name operator(public.=) 'work_mem'",
  ]) {
    expect(facts(sql).forbidden, sql).toBeDefined();
  }
});
