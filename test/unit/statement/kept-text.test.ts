import { beforeAll, describe, expect, test } from 'vitest';
import {
  literalValue,
  loadParser,
  maskedText,
  parseStatements,
} from '../../../gateway-core/codec/postgres/statement/index.js';

beforeAll(loadParser);

function literalsOf(sql: string) {
  const parsed = parseStatements(sql);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.statements.flatMap((statement) => statement.facts.literals);
}

const secret = 'ann@example.com';

const spellings = [
  `'${secret}'`,
  `E'ann\\x40example.com'`,
  `E'ann\\100example.com'`,
  `E'ann\\u0040example.com'`,
  `E'ann\\U00000040example.com'`,
  `e'\\ann@example.com'`,
  `U&'ann\\0040example.com'`,
  `U&'ann!0040example.com' UESCAPE '!'`,
  `N'${secret}'`,
  `$$${secret}$$`,
  `$a$ ${secret} $a$`,
  `'ann'\n'@example.com'`,
  `E'ann'\n'\\x40example.com'`,
  `X'${Buffer.from(secret).toString('hex')}'`,
];

describe('a value is found however it is written', () => {
  test.each(spellings)('%s', (spelling) => {
    const sql = `select ${spelling}, 'kept', 12 as "é"`;
    const kept = maskedText(sql, literalsOf(sql), (value) => value.includes(secret));
    expect(kept).toContain("'‹masked›'");
    expect(kept).toContain("'kept', 12");
    expect(kept).not.toMatch(/ann|0040|example/);
    expect(parseStatements(kept.replace(/ UESCAPE '!'/, '')).ok).toBe(true);
  });
});

test('all literals of a statement can be masked, and the text still parses', () => {
  const sql = "select 'it''s', -1.5, $1, E'\\'', b'01' from \"t'1\" where a = $$x$$ /* 'c' */ limit 10";
  const kept = maskedText(sql, literalsOf(sql), 'all');
  const masked = "'‹masked›'";
  expect(kept).toBe(
    `select ${masked}, -${masked}, $1, ${masked}, ${masked} from "t'1" where a = ${masked} /* 'c' */ limit ${masked}`,
  );
  expect(parseStatements(kept).ok).toBe(true);
});

test('the caller may put another text in a literal’s place', () => {
  const sql = "select 'abc', 'd'";
  expect(maskedText(sql, literalsOf(sql), (value) => (value === 'abc' ? "'a**'" : false))).toBe(
    "select 'a**', 'd'",
  );
});

test.each([
  ["''", ''],
  ["'a''b'", "a'b"],
  ["'a\\nb'", 'a\\nb'],
  ["E'a\\nb\\\\c\\'d''e'", "a\nb\\c'd'e"],
  ["E'\\xc3\\xa9'", 'é'],
  ['$q$a$$b$q$', 'a$$b'],
  ["X'616'", '616'],
  ["b'01'", '01'],
  ["U&'a'", undefined],
  ['12', '12'],
  ["-- it's", "-- it's"],
])('%s says %j', (written, value) => {
  expect(literalValue(written)).toBe(value);
});

test('a literal as long as a statement may be is read', () => {
  const long = "a''".repeat(300_000);
  expect(literalValue(`'${long}'`)).toHaveLength(600_000);
  expect(literalValue(`E'${long}\\n'`)).toHaveLength(600_001);
});
