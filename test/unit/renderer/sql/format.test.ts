import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSql, sameTokens } from '../../../../renderer/features/sql/text/format.js';
import { lex, significant } from '../../../../renderer/features/sql/text/lexer.js';
import { sqlText } from './support.js';

const values = (text: string): string[] =>
  significant(lex(text).tokens).map(({ start, end }) => text.slice(start, end));

describe('the formatter', () => {
  it('gives back the same tokens or refuses, for any text', async () => {
    await fc.assert(
      fc.asyncProperty(sqlText, async (text) => {
        const formatted = await formatSql(text);
        if (formatted.kind === 'formatted') expect(values(formatted.text)).toEqual(values(text));
      }),
    );
  });

  it('gives back the same tokens or refuses, for statements with any string in them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.nat(3), async (content, form) => {
        const escaped = content.replaceAll("'", "''");
        const literal = [
          `'${escaped}'`,
          `E'${escaped.replaceAll('\\', '\\\\')}'`,
          `$x$${content.replaceAll('$', '')}$x$`,
          `"${content.replaceAll('"', '""')}"`,
        ][form];
        const text = `select a, ${literal}, b from t where c = ${literal} and d->>'x' is not null`;
        const formatted = await formatSql(text);
        if (formatted.kind === 'formatted') expect(values(formatted.text)).toEqual(values(text));
      }),
    );
  });

  it('lays out ordinary statements', async () => {
    const text =
      "select id, email from customers c join orders o on o.customer_id = c.id where total > 1 and name like 'a  b%'; select 2";
    const formatted = await formatSql(text);
    expect(formatted.kind).toBe('formatted');
    if (formatted.kind === 'formatted') expect(formatted.text.split('\n').length).toBeGreaterThan(5);
  });

  it('takes a line between two strings for part of the meaning', () => {
    expect(sameTokens("select 'a'\n'b'", "select 'a' 'b'")).toBe(false);
    expect(sameTokens("select 'a'\n'b'", "select 'a'\n\n  'b'")).toBe(true);
    expect(sameTokens('select a', 'select  a')).toBe(true);
    expect(sameTokens("select ' '", "select '  '")).toBe(false);
    expect(sameTokens('select 1 -- a', 'select 1 -- b')).toBe(false);
  });

  it('refuses what is too long to be laid out at once', async () => {
    expect((await formatSql(`select '${'x'.repeat(200_001)}'`)).kind).toBe('refused');
  });
});
