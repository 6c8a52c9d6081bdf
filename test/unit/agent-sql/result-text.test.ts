import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResultColumn } from '../../../gateway-core/contract/bridge/sql.js';
import type { ExportView } from '../../../gateway-core/contract/bridge/work.js';
import { formatOf } from '../../../gateway-core/contract/result-text.js';
import { column, type Row } from './support.js';

function written(
  format: ExportView['format'],
  columns: readonly ResultColumn[],
  rows: readonly Row[],
): string {
  const made = formatOf(format, columns);
  return made.begin + rows.map((values, index) => made.row(values, index === 0)).join('') + made.end;
}

/** RFC 4180, read letter by letter; null: an empty field without quotes. */
function readCsv(text: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  let record: (string | null)[] = [];
  let at = 0;
  while (at < text.length) {
    let value: string | null = null;
    if (text[at] === '"') {
      value = '';
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        if (at >= text.length) throw new Error('a quote is not closed');
        if (text[at] === '"') at += 1;
        value += text[at];
      }
      at += 1;
    } else {
      for (; at < text.length && text[at] !== ',' && !text.startsWith('\r\n', at); at += 1) {
        if (text[at] === '"') throw new Error('a quote inside of a field without quotes');
        value = (value ?? '') + (text[at] ?? '');
      }
    }
    record.push(value);
    if (text[at] === ',') {
      at += 1;
      continue;
    }
    if (!text.startsWith('\r\n', at)) throw new Error('a field ends in nothing');
    at += 2;
    records.push(record);
    record = [];
  }
  if (record.length > 0) throw new Error('the last line has no end');
  return records;
}

const cell = fc.option(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('', ',', '"', '""', '\r', '\n', '\r\n', ' a', 'a\t', '\\.', '😀', '\u2028', '"\r\n"'),
  ),
);
const table = (cells: fc.Arbitrary<string | null>): fc.Arbitrary<Row[]> =>
  fc
    .integer({ min: 2, max: 5 })
    .chain((width) => fc.array(fc.array(cells, { minLength: width, maxLength: width }), { minLength: 1 }));
const columnsOf = (rows: readonly Row[], kind: ResultColumn['kind'] = 'text'): ResultColumn[] =>
  (rows[0] ?? []).map((_, index) => column(kind, `c${index}`));

describe('CSV', () => {
  it('is read back as it was, NULL told from an empty text', () => {
    fc.assert(
      fc.property(table(cell), (rows) => {
        const [head, ...body] = readCsv(written('csv', columnsOf(rows), rows));
        expect(head).toEqual(columnsOf(rows).map(({ name }) => name));
        expect(body).toEqual(rows);
      }),
    );
  });

  it('has names of columns in quotes where they need them', () => {
    const names = ['a,b', 'say "hi"', '', 'two\nlines'];
    const text = written(
      'csv',
      names.map((name) => column('text', name)),
      [],
    );
    expect(readCsv(text)).toEqual([names]);
  });

  it('leaves what a spreadsheet would run as it stands: a value that was changed is another value', () => {
    const values = ['=1+1', '+1', '-1', '@sum(a1)', "'=1", '=cmd|"/c calc"!A1'];
    const columns = values.map((_, index) => column('text', `c${index}`));
    expect(readCsv(written('csv', columns, [values]))[1]).toEqual(values);
  });
});

/** What a value of this kind has to be in JSON. */
function jsonOf(value: string | null, kind: ResultColumn['kind']): unknown {
  if (value === null) return null;
  if (kind === 'json' || (kind === 'number' && /^-?\d/.test(value))) return JSON.parse(value) as unknown;
  if (kind === 'boolean') return value === 't';
  return value;
}

describe('JSON and NDJSON', () => {
  const kinds = {
    text: cell,
    number: fc.option(
      fc.constantFrom('0', '-1', '1.50', '1e+20', '-1.5e-07', 'NaN', 'Infinity', '-Infinity'),
    ),
    boolean: fc.constantFrom('t', 'f', null),
    json: fc.option(fc.json()),
    time: fc.constantFrom('2026-11-21', 'infinity', null),
  };

  it('are valid whatever the values, and read back as they were', () => {
    for (const [kind, cells] of Object.entries(kinds) as [
      keyof typeof kinds,
      fc.Arbitrary<string | null>,
    ][]) {
      fc.assert(
        fc.property(table(cells), (rows) => {
          const columns = columnsOf(rows, kind);
          const wanted = rows.map((row) =>
            Object.fromEntries(row.map((value, index) => [`c${index}`, jsonOf(value, kind)])),
          );
          expect(JSON.parse(written('json', columns, rows))).toEqual(wanted);
          const lines = written('ndjson', columns, rows).split('\n');
          expect(lines.pop()).toBe('');
          expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(wanted);
        }),
      );
    }
  });

  it('of no rows are an empty list, and nothing', () => {
    expect(JSON.parse(written('json', [column('text')], []))).toEqual([]);
    expect(written('ndjson', [column('text')], [])).toBe('');
  });

  it('keep every digit of a number', () => {
    const digits = '12345678901234567890.12345678901234567890';
    expect(written('ndjson', [column('number', 'n')], [[digits], ['9007199254740993']])).toBe(
      `{"n":${digits}}\n{"n":9007199254740993}\n`,
    );
  });

  it('write what is no number, no boolean or no JSON of its column as text: a mask may have made it so', () => {
    const text = '[masked]';
    for (const kind of ['number', 'boolean', 'json'] as const)
      expect(JSON.parse(written('ndjson', [column(kind, 'x')], [[text]]))).toEqual({ x: text });
  });

  it('take JSON over with its digits and its text, on one line', () => {
    const value = '{\r\n  "a": 1.10,\n  "b": "two\\nlines"\n}';
    const line = written('ndjson', [column('json', 'x')], [[value]]);
    expect(line.trimEnd()).not.toMatch(/[\r\n]/);
    expect(line).toContain('1.10');
    expect(JSON.parse(line)).toEqual({ x: { a: 1.1, b: 'two\nlines' } });
  });

  it('lose no value to another column of the same name', () => {
    const columns = ['a', 'a_2', 'a', 'a', '__proto__'].map((name) => column('text', name));
    const line = written('ndjson', columns, [['1', '2', '3', '4', '5']]);
    expect([...line.matchAll(/"(\w+)":"(\d)"/g)].map(([, name, value]) => [name, value])).toEqual([
      ['a', '1'],
      ['a_2', '2'],
      ['a_3', '3'],
      ['a_4', '4'],
      ['__proto__', '5'],
    ]);
  });
});
