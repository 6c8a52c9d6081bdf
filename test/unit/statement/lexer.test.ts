import * as fc from 'fast-check';
import { loadModule, scanSync } from 'libpg-query';
import { beforeAll, describe, expect, test } from 'vitest';
import { lex } from '../../../gateway-core/codec/postgres/statement/lexer.js';

interface Token {
  readonly kind: 'string' | 'number' | 'comment';
  readonly text: string;
}

/** The parser's own scanner, which counts in bytes. */
function scanned(sql: string): Token[] | undefined {
  let tokens: { start: number; end: number; tokenName: string; tokenType: number }[];
  try {
    tokens = scanSync(sql).tokens;
  } catch {
    return undefined;
  }
  const bytes = Buffer.from(sql, 'utf8');
  return tokens.flatMap((token): Token[] => {
    const text = bytes.subarray(token.start, token.end).toString('utf8');
    // SCONST, USCONST, BCONST and XCONST; FCONST and ICONST; the two comments: only some have names.
    if ([261, 262, 263, 264].includes(token.tokenType)) return [{ kind: 'string', text }];
    if (token.tokenType === 260 || token.tokenType === 266) return [{ kind: 'number', text }];
    if (token.tokenType === 275 || token.tokenType === 276) return [{ kind: 'comment', text }];
    return [];
  });
}

function lexed(sql: string): Token[] | undefined {
  const found = lex(sql);
  if (found === undefined) return undefined;
  const tokens = [
    ...found.literals.map((literal) => ({ ...literal })),
    ...found.comments.map((comment) => ({ ...comment, kind: 'comment' as const })),
  ].sort((left, right) => left.start - right.start);
  return tokens.map(({ kind, start, end }) => ({ kind, text: sql.slice(start, end) }));
}

const pieces = [
  ...String.raw`' '' " $ $$ $a$ $1 \ \' E E' e' b B' x' U& u&' u&" n 'a' E'a\'b' $$x$$ -- /* */ - 1 0 0x1f 0b1 0o7`.split(
    ' ',
  ),
  ...'1_000 1.5 .5 1. .. 1e5 1e 1e+5 e5 _ a select é € 😀 ; , ( ) [ ] + * / < = :: : . # @ & |'.split(' '),
  '$a$ $$ $a$',
  '/* /* */ */',
  '-- x\n',
  '\n',
  ' ',
  '\t',
  '\r',
];

describe('the lexer', () => {
  beforeAll(loadModule);

  test('agrees with the parser on every literal and comment of a text that the parser can scan', () => {
    let compared = 0;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), (parts) => {
        const sql = parts.join('');
        const expected = scanned(sql);
        if (expected === undefined) return;
        compared += 1;
        expect(lexed(sql)).toEqual(expected);
      }),
      { numRuns: 6000 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  test.each([
    ["select 'a", 'a string'],
    ['select "a', 'an identifier'],
    ['select /* /* */', 'a comment'],
    ['select $x$ $y$', 'a dollar quote'],
    ["select E'a\\'", 'an escape string'],
    ["select u&'a", 'a Unicode string'],
  ])('says nothing of %s, in which %s is not closed', (sql) => {
    expect(lex(sql)).toBeUndefined();
  });

  test('a string continued on another line is one literal', () => {
    const sql = "select 'a' \n  'b', 'c' 'd'";
    expect(lexed(sql)).toEqual([
      { kind: 'string', text: "'a' \n  'b'" },
      { kind: 'string', text: "'c'" },
      { kind: 'string', text: "'d'" },
    ]);
  });

  test('spans count UTF-16 units', () => {
    expect(lexed("select '😀é' as \"€\", 'z'")).toEqual([
      { kind: 'string', text: "'😀é'" },
      { kind: 'string', text: "'z'" },
    ]);
  });
});
