import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyText } from '../../../../renderer/features/sql/grid/copy.js';
import { lex, significant } from '../../../../renderer/features/sql/text/lexer.js';
import { statementsOf } from '../../../../renderer/features/sql/text/statements.js';

const columns = [
  { name: 'id', kind: 'number', origin: 'public.orders.id' },
  { name: 'Note', kind: 'text', origin: 'public.orders.Note' },
] as const;
const rows = fc.array(fc.tuple(fc.integer().map(String), fc.option(fc.string({ unit: 'binary' }))), {
  minLength: 1,
  maxLength: 6,
});

/** A reader of RFC 4180, written against the RFC and not against the writer. */
function readSeparated(text: string, separator: string): (string | null)[][] {
  const table: (string | null)[][] = [[]];
  let at = 0;
  for (;;) {
    let value: string | null = null;
    if (text[at] === '"') {
      value = '';
      for (at += 1; at < text.length; at++) {
        if (text[at] === '"' && text[at + 1] === '"') at += 1;
        else if (text[at] === '"') break;
        value += text[at];
      }
      at += 1;
    } else {
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at += 1;
      if (at > start) value = text.slice(start, at);
    }
    table.at(-1)?.push(value);
    if (at >= text.length) return table;
    if (text[at] !== separator) {
      at += text.startsWith('\r\n', at) ? 1 : 0;
      table.push([]);
    }
    at += 1;
  }
}

describe('what is copied', () => {
  it('CSV keeps every value and keeps NULL and empty apart', () => {
    fc.assert(
      fc.property(rows, (list) => {
        expect(readSeparated(copyText('csv', columns, list), ',')).toEqual([['id', 'Note'], ...list]);
      }),
    );
  });

  it('a cell never becomes two cells of a spreadsheet', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const read = readSeparated(copyText('tsv', columns, list), '\t');
        expect(read.map((row) => row.length)).toEqual(list.map(() => 2));
      }),
    );
    expect(copyText('tsv-header', columns, [['1', null]])).toBe('id\tNote\n1\t');
  });

  it('JSON can be read back, and no number is changed by it', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const read = JSON.parse(copyText('json', columns, list)) as { id: unknown; Note: unknown }[];
        expect(read.map(({ id, Note }) => [String(id), Note])).toEqual(list);
      }),
    );
    const big = [
      { name: 'n', kind: 'number' },
      { name: 'n', kind: 'json' },
    ] as const;
    expect(JSON.parse(copyText('json', big, [['12345678901234567890.10', '{"a":1}']]))).toEqual([
      { n: '12345678901234567890.10', n_2: { a: 1 } },
    ]);
  });

  it('an INSERT is one statement per row, whatever the values hold', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const text = copyText('insert', columns, list);
        const statements = statementsOf(text);
        expect(statements).toHaveLength(list.length);
        for (const { tokens } of statements) {
          const strings = significant(tokens).filter(({ kind }) => kind === 'string');
          expect(strings.every(({ open }) => !open)).toBe(true);
        }
      }),
    );
    expect(copyText('insert', columns, [['1', "it's"]])).toBe(
      `INSERT INTO public.orders (id, "Note") VALUES (1, 'it''s');`,
    );
    expect(copyText('insert', [{ name: 'a', kind: 'number' }], [['NaN']])).toBe(
      "INSERT INTO table_name (a) VALUES ('NaN');",
    );
    expect(lex(copyText('insert', [{ name: 'a', kind: 'boolean' }], [['t']])).inside).toBeUndefined();
  });

  it('a Markdown row has as many cells as there are columns', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const lines = copyText('markdown', columns, list).split('\n');
        expect(lines).toHaveLength(list.length + 2);
        for (const line of lines) expect(line.replaceAll(/\\\\|\\\|/g, '').split('|')).toHaveLength(4);
      }),
    );
  });
});
