import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  analyseLineage,
  compileMaskTargets,
  fingerprintShape,
  type Literal,
  loadParser,
  type MaskTargets,
  type ParsedStatement,
  parseStatements,
  reuseForShape,
} from '../../../gateway-core/codec/postgres/statement/index.js';
import { lex } from '../../../gateway-core/codec/postgres/statement/lexer.js';
import { catalog, patterns, statements } from './corpus.js';

let targets: MaskTargets;

beforeAll(async () => {
  await loadParser();
  targets = compileMaskTargets(catalog, patterns);
});

const session = { searchPath: ['public'], temporary: new Map<string, 'clean'>() };

const string = fc
  .string({ unit: fc.constantFrom('a', 'B', "'", ' ', '%', ';', '-', '$', '"', '(', '1', '.', ':', '{') })
  .map((text) => `'${text.replaceAll("'", "''")}'`);
const integer = fc.integer({ min: 0, max: 2_147_483_647 }).map(String);
const decimal = fc.tuple(fc.nat(999), fc.nat(999)).map(([whole, part]) => `${whole}.${part}`);
const large = fc.bigInt({ min: 2_147_483_648n, max: 99_999_999_999_999n }).map(String);

/** The same statement with other literals of the same kinds. */
function refilled(sql: string, literals: readonly Literal[], values: readonly string[]): string {
  let text = '';
  let kept = 0;
  literals.forEach((literal, index) => {
    text += sql.slice(kept, literal.start) + (values[index] ?? '');
    kept = literal.end;
  });
  return text + sql.slice(kept);
}

function valueFor(sql: string, literal: Literal): fc.Arbitrary<string> {
  if (literal.kind === 'string') return string;
  const text = sql.slice(literal.start, literal.end);
  if (text.includes('.')) return fc.oneof(decimal, large);
  return Number(text) > 2_147_483_647 ? fc.oneof(decimal, large) : integer;
}

/** Everything but the tree, which holds the values themselves. */
function judged(parsed: readonly ParsedStatement[]): unknown {
  return parsed.map((statement) => ({
    ...statement,
    tree: undefined,
    lineage: analyseLineage(statement, targets, session),
  }));
}

const shaped = statements.flatMap((sql) => {
  const shape = fingerprintShape(sql);
  return shape === undefined || shape.literals.length === 0 ? [] : [{ sql, shape }];
});

test('texts of equal shape have equal facts and lineage, apart from spans', () => {
  expect(shaped.length).toBeGreaterThan(12);
  let reused = 0;
  const refill = fc
    .constantFrom(...shaped)
    .chain(({ sql, shape }) =>
      fc
        .tuple(...shape.literals.map((literal) => valueFor(sql, literal)))
        .map((values) => ({ sql, shape, other: refilled(sql, shape.literals, values) })),
    );
  fc.assert(
    fc.property(refill, ({ sql, shape, other }) => {
      const otherShape = fingerprintShape(other);
      expect(otherShape?.shape).toBe(shape.shape);
      const first = parseStatements(sql);
      const second = parseStatements(other);
      expect(second.ok).toBe(true);
      if (!first.ok || !second.ok || otherShape === undefined) return;
      expect(first.statements.map(({ literalSensitive }) => literalSensitive)).toEqual(
        second.statements.map(({ literalSensitive }) => literalSensitive),
      );
      if (first.statements.some(({ literalSensitive }) => literalSensitive)) return;
      reused += 1;
      const moved = reuseForShape(first.statements, shape.literals, otherShape.literals);
      expect(judged(moved)).toEqual(judged(second.statements));
    }),
    { numRuns: 400 },
  );
  expect(reused).toBeGreaterThan(100);
});

const pieces = [
  ...String.raw`' '' 'a' " "" "a" $1 $ \ -- /* E n U& & é 1 12 0x1 1_0 1.5 .5 1. .. e5 a select a1 _ ; , ( ) - +`.split(
    ' ',
  ),
  '\n',
  '\t',
  ' ',
  '\v',
];

test('the literals of a shape are those that the lexer finds', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
      const sql = parts.join('');
      const shape = fingerprintShape(sql);
      if (shape === undefined) return;
      compared += 1;
      const lexed = lex(sql);
      expect(shape.literals).toEqual(lexed?.literals);
      expect(lexed?.comments).toEqual([]);
    }),
    { numRuns: 6000 },
  );
  expect(compared).toBeGreaterThan(500);
});

test('shapes differ wherever anything but a literal of the same kind differs', () => {
  const texts = [
    'select 1',
    "select 'a'",
    'select 1.5',
    'select 3000000000 + 1',
    'select 1 + 1',
    'select a',
    'select A',
    'select "a"',
    'select $1',
    'select $2',
    'select  1',
    'select 1;',
    "select 'a', 'b'",
  ];
  expect(new Set(texts.map((text) => fingerprintShape(text)?.shape)).size).toBe(texts.length);
});

describe('a text whose literals take more than a look has no shape', () => {
  test.each([
    'select 1 -- a',
    'select /* a */ 1',
    'select $$a$$',
    'select $a$b$a$',
    "select E'a'",
    "select e'a'",
    "select b'1'",
    "select X'1'",
    "select N'a'",
    "select U&'a'",
    'select U&"a"',
    "select 'a\\'",
    "select 'é'",
    'select é',
    "select 'a'\n'b'",
    "select 'a' 'b'",
    "select 'a",
    'select "a',
    'select 1e5',
    'select 0x1f',
    'select 1_000',
    'select 1..2',
    'select 1a',
    'select $1a',
    "select 'a\nb'",
    'select\v1',
    `select ${'1,'.repeat(5000)}1`,
  ])('%j', (sql) => {
    expect(fingerprintShape(sql)).toBeUndefined();
  });
});

test.each([
  ['select a from t order by 1', true],
  ['select a from t group by 1, b', true],
  ['select distinct on (1) a from t', true],
  ['select a from t group by grouping sets ((1), (b))', true],
  ["select set_config('work_mem', 'a', false)", true],
  ["set work_mem = '1MB'", true],
  ["select 'a'::regclass", true],
  ["select query_to_xml('a', true, true, '')", true],
  ["copy t to stdout (delimiter ',')", true],
  ["explain (analyze 'off') select 1", true],
  ['create table t (a int default 1)', true],
  ["notify a, 'b'", true],
  ["alter role a password 'b'", true],
  ["select a from t where b = 'c' and d > 1 order by e limit 5 offset 6", false],
  ["insert into t values (1, 'a')", false],
  ["select interval '1 day', '2020-01-01'::date, numeric(3) '1.5'", false],
  ["select nextval('a')", false],
  ['explain select 1', false],
  ['commit', false],
])('%s hangs on its literals: %s', (sql, expected) => {
  const parsed = parseStatements(sql);
  expect(parsed.ok && parsed.statements[0]?.literalSensitive).toBe(expected);
});
