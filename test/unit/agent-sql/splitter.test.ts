import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { offsetOfPosition, splitStatements } from '../../../gateway-core/agent/sql/splitter.js';
import { lex } from '../../../gateway-core/codec/postgres/statement/lexer.js';

const split = (text: string): string[] =>
  splitStatements(text).map(({ offset, length }) => text.slice(offset, offset + length));

/** One statement each, whatever semicolons are in it. */
const statements = [
  'select 1',
  "select ';', 'it''s; ', $$;$$, $tag$ $$; ' $tag$",
  'select 1 as "a;""b"',
  "select E'\\';', 1",
  "select '\\', 2",
  "select U&'\\0061;' as U&\"d!;\" uescape '!'",
  'select 1 -- ; not yet\n, 2',
  'select /* ; /* nested; */ still; */ 3',
  'create rule r as on insert to t do also (insert into a values (1); insert into b values (2))',
  'create or replace function f() returns int begin atomic select 1; select case when true then 1 end; end',
  'CREATE PROCEDURE p() BEGIN /* here; */ ATOMIC INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); END',
  'begin',
  'commit',
  'select 1e5',
  'select $1, a$b$c from t$',
  'select "é😀;" from 表',
];
const separators = [';', ' ; ', ';\n\n', ';;;', '; -- done;\n', ';/* between; */', '\t;\r\n'];

/** What opens, what closes, and what only looks like it. */
const pieces = [
  "'",
  "''",
  '"',
  '$$',
  '$a$',
  '$1',
  '/*',
  '*/',
  '--',
  '\n',
  ' ',
  ';',
  '(',
  ')',
  "E'",
  "b'",
  'U&"',
  '\\',
  'begin',
  'atomic',
  'create function',
  'end',
  'case',
  '1e5',
  '0x1f',
  'a1',
  '😀',
  '\ud83d',
];
const anyText = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 40 })
  .map((parts) => parts.join(''));

describe('cutting a text into statements', () => {
  it('statements that are joined by semicolons, space and comments are found as they were, where they were', () => {
    const part = fc.tuple(fc.constantFrom(...statements), fc.constantFrom(...separators));
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 12 }),
        fc.constantFrom('', ' ', '\n-- first;\n'),
        (parts, head) => {
          let text = head;
          const wanted = parts.map(([statement, separator]) => {
            const span = { offset: text.length, length: statement.length };
            text += statement + separator;
            return span;
          });
          // A comment before a statement belongs to it: PostgreSQL and the log see it, too.
          const found = splitStatements(text);
          expect(found.map(({ offset, length }) => offset + length)).toEqual(
            wanted.map(({ offset, length }) => offset + length),
          );
          found.forEach(({ offset }, index) => {
            expect(lex(text.slice(offset, wanted[index]?.offset))?.literals).toEqual([]);
            expect(text.slice(offset, wanted[index]?.offset)).toMatch(/^$|^--|^\/\*/);
          });
        },
      ),
    );
  });

  it('of any text nothing is lost: what is in no statement is space, semicolons and comments', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        let at = 0;
        for (const { offset, length } of splitStatements(text)) {
          expect(remains(text.slice(at, offset))).toBe('');
          expect(length).toBeGreaterThan(0);
          const own = text.slice(offset, offset + length);
          expect(own.trim()).toBe(own);
          at = offset + length;
        }
        expect(remains(text.slice(at))).toBe('');
      }),
    );
  });

  it('a statement by itself is that one statement', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const statement of split(text)) expect(split(statement)).toEqual([statement]);
      }),
    );
  });

  it('comments nest, and a text of nothing but them has no statement', () => {
    expect(split('/* a /* b; */ ; */ -- c;\n ; ;; /**/')).toEqual([]);
    expect(split('/* a /* b */ select 1; */ select 2; select 3')).toEqual([
      '/* a /* b */ select 1; */ select 2',
      'select 3',
    ]);
  });

  it('a backslash escapes a quote in E strings and nowhere else', () => {
    expect(split("select 'a\\'; select 'b'")).toEqual(["select 'a\\'", "select 'b'"]);
    expect(split("select E'a\\'; select '; select 2")).toEqual(["select E'a\\'; select '", 'select 2']);
  });

  it('a string that goes on in the next line is one string', () => {
    expect(split("select 'a'\n  ';b'; select 2")).toEqual(["select 'a'\n  ';b'", 'select 2']);
  });

  it('a dollar quote ends at its own tag only, and a dollar in a name opens none', () => {
    expect(split('select $a$ $b$;$b$ $$ $a$; select t$a$;')).toEqual([
      'select $a$ $b$;$b$ $$ $a$',
      'select t$a$',
    ]);
    expect(split("select 1e5$$a;b$$; select 'x;y'")).toEqual(['select 1e5$$a;b$$', "select 'x;y'"]);
  });

  it('semicolons in BEGIN ATOMIC bodies belong to the body; BEGIN alone is a statement', () => {
    expect(split('create function f() returns int begin atomic select 1; end; begin; select 2; end')).toEqual(
      ['create function f() returns int begin atomic select 1; end', 'begin', 'select 2', 'end'],
    );
    expect(split('create table atomic (n int); begin; select 1')).toHaveLength(3);
  });

  it('what is not closed goes to the end of the text; statements before it are cut as usual', () => {
    for (const [open, rest] of [
      ["'", "c; d' e' f"],
      ['"', 'c; d'],
      ['$$', 'c; $a$ d'],
      ['$x$', 'c; $$ d; $X$'],
      ['/*', 'c; /* */ d'],
      ["E'", "c; \\' d"],
    ] as const) {
      const last = `select ${open}${rest}`;
      expect(split(`select 'a;b'; select $$a'b$$, "x'" ; ${last}`)).toEqual([
        "select 'a;b'",
        `select $$a'b$$, "x'"`,
        last,
      ]);
    }
  });

  it('a bracket that is not closed holds all semicolons behind it, one too many holds none', () => {
    expect(split('select (1; select 2')).toEqual(['select (1; select 2']);
    expect(split('select 1); select 2')).toEqual(['select 1)', 'select 2']);
  });

  it("psql's backslash commands are statements like others, for PostgreSQL to refuse", () => {
    expect(split('\\d orders\nselect 1; select 2')).toEqual(['\\d orders\nselect 1', 'select 2']);
  });

  it('the work grows with the length of the text and no faster, whatever the text', () => {
    const hostile = [
      "'a',",
      "('a', 1);",
      'a"',
      '""',
      "'",
      "''",
      '/*',
      '/**/;',
      '*/',
      '$$',
      '$a$',
      '$a',
      "$a$'$b$",
      ';',
      '(',
      '--\n',
      '-- ;',
      "E'\\'",
      "'\n",
      '"a;" ',
      '\'{"a":1}\';',
      ' ',
      'create function begin atomic ',
    ];
    const length = 1024 * 1024;
    for (const piece of hostile) {
      for (const opening of ['', "'", '"', '$a$', '/*']) {
        const whole = opening + piece.repeat(Math.ceil(length / 8 / piece.length));
        expect.soft(work(whole) / whole.length, `${opening}${piece}...`).toBeLessThan(24);
      }
    }
    const long = 'insert into t values (\'a\', "b", $$c$$); /* d */ '.repeat(length / 50);
    expect(work(long) / long.length).toBeLessThan(24);
  });
});

describe("the place of PostgreSQL's error position", () => {
  it('counts characters as PostgreSQL does, and answers in UTF-16 units', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(40), (text, index) => {
        const characters = Array.from(text);
        expect(offsetOfPosition(text, index + 1)).toBe(characters.slice(0, index).join('').length);
      }),
    );
    expect(offsetOfPosition("select '😀', nope", 13)).toBe("select '😀', ".length);
  });
});

function remains(gap: string): string {
  const comments = lex(gap)?.comments ?? [];
  let rest = '';
  let at = 0;
  for (const { start, end } of comments) {
    rest += gap.slice(at, start);
    at = end;
  }
  return (rest + gap.slice(at)).replaceAll(/[\s;]/g, '');
}

/** Characters that are looked at while the text is cut: a count is the same on every machine, a time is not. */
function work(text: string): number {
  let looked = 0;
  const strings = Object.getPrototypeOf('') as typeof String.prototype;
  const { charCodeAt, charAt, indexOf } = Object.getOwnPropertyDescriptors(strings);
  const count = (name: string, value: (this: string, ...given: never[]) => unknown): void => {
    Object.defineProperty(strings, name, { ...charAt, value });
  };
  try {
    count('charCodeAt', function (at: number) {
      looked += 1;
      return charCodeAt.value?.call(this, at);
    });
    count('charAt', function (at: number) {
      looked += 1;
      return charAt.value?.call(this, at);
    });
    count('indexOf', function (wanted: string, from = 0) {
      const found = indexOf.value?.call(this, wanted, from) ?? -1;
      looked += (found < 0 ? this.length : found) - from;
      return found;
    });
    splitStatements(text);
  } finally {
    Object.defineProperties(strings, { charCodeAt, charAt, indexOf });
  }
  return looked;
}
