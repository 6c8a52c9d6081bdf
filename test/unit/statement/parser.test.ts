import { beforeAll, describe, expect, test } from 'vitest';
import { loadParser, parseStatements } from '../../../gateway-core/codec/postgres/statement/index.js';
import { limits } from '../../../gateway-core/contract/limits.js';

beforeAll(loadParser);

function reasonOf(sql: string): string | undefined {
  const parsed = parseStatements(sql);
  return parsed.ok ? undefined : parsed.reason;
}

describe('a text that cannot be judged comes back as a value', () => {
  test.each([
    ['a NUL', 'select 1;\0drop table t', 'not-text'],
    ['half a surrogate pair', "select '\ud800'", 'not-text'],
    ['too many characters', `select '${'a'.repeat(limits.statementBytesMax)}'`, 'too-long'],
    ['too many bytes', `select '${'€'.repeat(limits.statementBytesMax / 3)}'`, 'too-long'],
    ['too many statements', ';select 1'.repeat(10_001), 'too-long'],
    ['a syntax error', 'selec 1', 'syntax'],
    ['an open string', "select 'a", 'syntax'],
    ['an open comment', 'select 1 /* /* */', 'syntax'],
    ['replication commands', 'START_REPLICATION 0/0', 'syntax'],
    ['a second statement that is no SQL', 'select 1; nonsense', 'syntax'],
  ])('%s', (_, sql, reason) => {
    expect(reasonOf(sql)).toBe(reason);
  });

  test('the place of a syntax error counts UTF-16 units', () => {
    const parsed = parseStatements("select '😀é' frm t");
    expect(parsed).toMatchObject({ ok: false, position: "select '😀é' frm ".length });
  });

  test('literals are told apart in a text that does not parse', () => {
    const parsed = parseStatements("selec 'secret'");
    expect(parsed).toMatchObject({ ok: false, literals: [{ start: 6, end: 14, kind: 'string' }] });
  });
});

function columns(count: number): string {
  return Array.from({ length: count }, (_, index) => `c${index}`).join();
}

const deep: readonly (readonly [string, (levels: number) => string])[] = [
  ['brackets', (n) => `select ${'('.repeat(n)}1${')'.repeat(n)}`],
  ['open brackets', (n) => `select ${'('.repeat(n)}`],
  ['sums', (n) => `select 1${'+1'.repeat(n)}`],
  ['signs', (n) => `select ${'- '.repeat(n)}a`],
  ['negations', (n) => `select ${'not '.repeat(n)}true`],
  ['casts', (n) => `select 1${'::int'.repeat(n)}`],
  ['subqueries', (n) => `select ${'(select '.repeat(n)}1${')'.repeat(n)}`],
  ['arrays', (n) => `select ${'array['.repeat(n)}1${']'.repeat(n)}`],
  ['cases', (n) => `select ${'case when true then '.repeat(n)}1${' end'.repeat(n)}`],
  ['unions', (n) => `select a, b${' union select a, b'.repeat(n)}`],
  ['joins', (n) => `select 1 from a${' join b on true and true'.repeat(n)}`],
  ['collations', (n) => `select 'a'${' collate "C"'.repeat(n)}`],
  ['time zones', (n) => `select now()${" at time zone 'utc'".repeat(n)}`],
  ['calls', (n) => `select ${'f('.repeat(n)}1${')'.repeat(n)}`],
  ['row types', (n) => `select ${'row('.repeat(n)}1${')'.repeat(n)}`],
  ['subscripts', (n) => `select a${'[1]'.repeat(n)}`],
  ['fields', (n) => `select (a)${'.b'.repeat(n)}`],
];

describe('deep nesting never ends the process', () => {
  test.each(deep)('%s, 50,000 deep', (_, text) => {
    const parsed = parseStatements(text(50_000));
    if (!parsed.ok) expect(['too-deep', 'too-long', 'syntax']).toContain(parsed.reason);
    expect(parseStatements('select 1').ok).toBe(true);
  });

  test.each(deep)('%s as deep as people write them are read', (name, text) => {
    if (name !== 'open brackets') expect(parseStatements(text(100)).ok).toBe(true);
  });

  test.each([
    ['assigned from a query', (n: number) => `update t set (${columns(n)}) = (select ${columns(n)})`],
    ['assigned from a row', (n: number) => `update t set (${columns(n)}) = row(${columns(n)})`],
    [
      'assigned from a sum',
      (n: number) => `update t set (${columns(n)}) = 1${' + 1'.repeat(300)}${', a = 1'.repeat(n)}`,
    ],
    [
      'assigned in a query that is assigned',
      (n: number) => {
        const inner = `with x as (update t set (${columns(n / 20)}) = (select ${columns(n / 20)})) select 1`;
        return `update t set (${columns(n / 20)}) = (${inner})`;
      },
    ],
  ])('columns %s are written out once each, so there are not too many', (_, text) => {
    expect(reasonOf(text(8000))).toBe('too-long');
    expect(parseStatements(text(40)).ok).toBe(true);
    expect(process.exitCode).toBeUndefined();
  });

  test('flat lists may be long', () => {
    expect(parseStatements(`insert into t values ${Array(5000).fill("(1, -2, 'a' || 'b')").join()}`).ok).toBe(
      true,
    );
    expect(parseStatements(`select 1 from t where ${Array(5000).fill('a = 1').join(' or ')}`).ok).toBe(true);
    expect(parseStatements(`select ${Array(5000).fill('case when a then b end').join()}`).ok).toBe(true);
  });
});

/** Calls from a stack that is nearly used up: the parser's own stack overflows long before its limits are met. */
function callDeep(levels: number, call: () => void): void {
  if (levels === 0) call();
  else callDeep(levels - 1, call);
}

test('an overflow inside the parser costs the statement, never a later one', async () => {
  const sql = `select ${'not '.repeat(700)}true`;
  let refused = 0;
  for (let round = 0; round < 12; round += 1) {
    let isExhausted = false;
    for (let levels = 3000; !isExhausted; levels += 300) {
      try {
        callDeep(levels, () => {
          if (!parseStatements(sql).ok) refused += 1;
        });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        isExhausted = true;
      }
    }
    await loadParser();
    expect(parseStatements("select a, 'b' from c where d = 1")).toMatchObject({ ok: true });
  }
  expect(refused).toBeGreaterThan(12);
});

describe('spans', () => {
  test('each statement of a text has its own place, without surrounding space', () => {
    const sql = " select '€' ;\n\tselect '😀', 2 ; /* c */ table t ";
    const parsed = parseStatements(sql);
    expect(
      parsed.ok && parsed.statements.map(({ facts }) => sql.slice(facts.span.start, facts.span.end)),
    ).toEqual(["select '€'", "select '😀', 2", 'table t']);
    expect(
      parsed.ok &&
        parsed.statements.map(({ facts }) => facts.literals.map(({ start, end }) => sql.slice(start, end))),
    ).toEqual([["'€'"], ["'😀'", '2'], []]);
    expect(parsed.ok && parsed.comments.map(({ start, end }) => sql.slice(start, end))).toEqual(['/* c */']);
  });

  test('control characters in names and values are no obstacle', () => {
    for (let code = 1; code < 32; code += 1) {
      const char = String.fromCharCode(code);
      const sql = `select "a${char}b", 'c${char}d', E'\\x0${(code % 15) + 1}' from "\u2028\ufeff"`;
      expect(parseStatements(sql), String(code)).toMatchObject({ ok: true });
    }
  });

  test.each(['', ' ', ';', ' ; ;', '-- nothing', '/* nothing */'])('%j holds no statement', (sql) => {
    expect(parseStatements(sql)).toMatchObject({ ok: true, statements: [] });
  });
});
