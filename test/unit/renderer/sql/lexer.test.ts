import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lex as gatewayLex } from '../../../../gateway-core/codec/postgres/statement/lexer.js';
import { lex, nameOf } from '../../../../renderer/features/sql/text/lexer.js';
import { sqlText } from './support.js';

const kinds = (text: string): string[] =>
  lex(text)
    .tokens.filter(({ kind }) => kind !== 'space')
    .map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

describe('the lexer of the editor', () => {
  it('covers every text, in order, without a gap', () => {
    fc.assert(
      fc.property(sqlText, (text) => {
        let at = 0;
        for (const { start, end } of lex(text).tokens) {
          expect(start).toBe(at);
          expect(end).toBeGreaterThan(start);
          at = end;
        }
        expect(at).toBe(text.length);
      }),
    );
  });

  it('reads a text line by line as it reads it whole', () => {
    fc.assert(
      fc.property(sqlText, (text) => {
        const whole = lex(text);
        const kindAt = (at: number) => whole.tokens.find(({ start, end }) => start <= at && at < end)?.kind;
        let inside: ReturnType<typeof lex>['inside'];
        let offset = 0;
        // A backslash before a line's end takes the line break with it: the next line goes on behind it.
        for (const line of text.split(/(?<=\n)/)) {
          const lexed = lex(line, inside);
          for (const token of lexed.tokens) expect(token.kind).toBe(kindAt(offset + token.start));
          inside = lexed.inside;
          offset += line.length;
        }
        expect(inside).toEqual(whole.inside);
      }),
    );
  });

  it('finds the same comments and strings as the gateway, wherever the gateway can read the text', () => {
    fc.assert(
      fc.property(sqlText, (text) => {
        const gateway = gatewayLex(text);
        if (gateway === undefined) return;
        const { tokens } = lex(text);
        const spans = (kind: string) =>
          tokens.filter((token) => token.kind === kind).map(({ start, end }) => ({ start, end }));
        expect(spans('comment').filter(outsideOf(gateway.literals))).toEqual(gateway.comments);
        const strings = gateway.literals.filter(({ kind }) => kind === 'string');
        for (const { start } of strings)
          expect(spans('string').some((own) => own.start === start)).toBe(true);
        for (const own of spans('string')) {
          expect(strings.some(({ start, end }) => start <= own.start && own.end <= end)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('knows quotes, dollar quotes, nested comments and operators as PostgreSQL does', () => {
    expect(kinds("E'a\\'b' 'it''s' $q$ ; $q$ /* a /* b */ c */ a--x")).toEqual([
      "string E'a\\'b'",
      "string 'it''s'",
      'string $q$ ; $q$',
      'comment /* a /* b */ c */',
      'word a',
      'comment --x',
    ]);
    // https://www.postgresql.org/docs/current/sql-syntax-lexical.html: no quote is written within bits.
    expect(kinds("X'1F''s' b'01'''")).toEqual(["string X'1F'", "string 's'", "string b'01'", "string ''"]);
    expect(kinds("N'it''s'")).toEqual(['word N', "string 'it''s'"]);
    expect(kinds('0_$$ ; $$ 1_0')).toEqual(['number 0', 'word _$$', 'punctuation ;', 'string $$ 1_0']);
    expect(kinds('a=-1 b->>c x::int y:=2 a$1 $1 @-')).toEqual(
      'word a|operator =|operator -|number 1|word b|operator ->>|word c|word x|punctuation ::|word int|word y|punctuation :=|number 2|word a$1|parameter $1|operator @-'.split(
        '|',
      ),
    );
  });

  it('folds a name as the server does', () => {
    const name = (text: string): string =>
      nameOf(text, lex(text).tokens[0] ?? { kind: 'word', start: 0, end: 0, open: false });
    expect(name('CamelCase')).toBe('camelcase');
    expect(name('"Camel ""x"""')).toBe('Camel "x"');
    expect(name('ÄRGER')).toBe('Ärger');
  });
});

/** A comment between the parts of one literal is part of that literal for the gateway. */
function outsideOf(literals: readonly { readonly start: number; readonly end: number }[]) {
  return (span: { readonly start: number; readonly end: number }): boolean =>
    !literals.some(({ start, end }) => start <= span.start && span.end <= end);
}
