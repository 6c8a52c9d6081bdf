import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlResult } from '../../../gateway-core/agent/sql/result.js';
import { beginning, RowStore } from '../../../gateway-core/agent/sql/row-store.js';
import { cellCharactersShown } from '../../../gateway-core/contract/bridge/sql.js';
import { dataRow, type Row, storeOf } from './support.js';

const cell = fc.option(
  fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\0', '😀', 'é'.repeat(40))),
);

function valuesOf(store: RowStore, row: number): (string | null)[] {
  const width = store.read(row);
  return Array.from({ length: width }, (_, index) => store.value(row, index)?.toString('utf8') ?? null);
}

/** A result of text columns that holds these rows. */
function resultOf(rows: readonly Row[]): SqlResult {
  const columns = Array.from({ length: rows[0]?.length ?? 0 }, (_, index) => ({
    name: `c${index}`,
    tableOid: 0,
    columnNumber: 0,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: 0 as const,
  }));
  const result = new SqlResult('res_1', columns, [], 1000);
  for (const row of rows) {
    const message = dataRow(row);
    result.store.add(message, 0, message.length);
  }
  return result;
}

describe('the rows that are loaded', () => {
  it('are read as they came, NULL and empty text told apart', () => {
    const rows = fc
      .integer({ min: 0, max: 6 })
      .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 60 }));
    fc.assert(
      fc.property(rows, (wanted) => {
        const store = storeOf(wanted);
        expect(store.rows).toBe(wanted.length);
        for (const [index, row] of wanted.entries()) expect(valuesOf(store, index)).toEqual(row);
        expect(store.read(wanted.length)).toBe(-1);
      }),
    );
  });

  it('may come many at once', () => {
    const rows = Array.from({ length: 500 }, (_, index) => [String(index), index % 3 === 0 ? null : '']);
    const messages = Buffer.concat([Buffer.from('before'), ...rows.map(dataRow), Buffer.from('after')]);
    const store = new RowStore();
    expect(store.add(messages, 6, messages.length - 5)).toBe(true);
    expect(rows.map((_, index) => valuesOf(store, index))).toEqual(rows);
  });

  it('that are malformed are not taken', () => {
    const message = dataRow(['abc', null]);
    message.writeInt32BE(100, 7);
    const store = new RowStore();
    expect(store.add(message, 0, message.length)).toBe(false);
    expect(store.rows).toBe(0);
  });

  it('have 5,000 columns where they have them', () => {
    const wide = Array.from({ length: 5000 }, (_, index) => (index % 7 === 0 ? null : `v${index}`));
    const store = storeOf([['narrow'], wide, ['narrow again']]);
    expect(valuesOf(store, 1)).toEqual(wide);
    expect(valuesOf(store, 2)).toEqual(['narrow again']);
  });

  it('take at most four times their bytes and some for each row, and small results take little', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 1, max: 1_300_000 })), { maxLength: 12 }),
        (lengths) => {
          const store = storeOf(lengths.map((length) => [Buffer.alloc(length, 'x').toString('latin1')]));
          expect(store.bytes).toBeGreaterThanOrEqual(store.contentBytes);
          expect(store.bytes).toBeLessThanOrEqual(4 * store.contentBytes + 24 * lengths.length + 8192);
        },
      ),
      { numRuns: 30 },
    );
    expect(storeOf([['1']]).bytes).toBeLessThan(5000);
  });

  it('know which of their cells are masked', () => {
    const store = storeOf([
      ['a', 'b'],
      ['c', 'd'],
      ['e', 'f'],
    ]);
    store.mark(0, 1);
    store.mark(2, 0);
    store.mark(2, 1);
    expect([0, 1, 2, 3].map((row) => store.maskedIn(row))).toEqual([[1], [], [0, 1], []]);
    expect(store.maskedCells).toBe(3);
    store.mark(3, 0);
    store.mark(4, 1);
    expect(store.takeMarksAhead()).toBe(2);
    expect(store.maskedCells).toBe(3);
    store.mark(3, 1);
    expect(store.maskedIn(3)).toEqual([1]);
  });
});

describe('the beginning of a value', () => {
  it('is the longest one that does not cut a character, within the bound', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        (text, max) => {
          const found = beginning(Buffer.from(text), max);
          expect(text.startsWith(found)).toBe(true);
          expect(Buffer.from(found).toString()).toBe(found);
          expect(found.length).toBeLessThanOrEqual(max);
          expect(found.length).toBeGreaterThanOrEqual(Math.min(text.length, max - 1));
        },
      ),
    );
  });
});

describe('a page of rows', () => {
  it('names the cells that it cuts, with their whole length, and no others', () => {
    const limit = cellCharactersShown;
    const whole = ['é'.repeat(limit), 'x'.repeat(limit), '😀'.repeat(limit / 2), '', null];
    const longer = ['é'.repeat(limit + 1), 'x'.repeat(limit + 1), `x${'😀'.repeat(limit / 2)}`];
    const { rows, cut } = resultOf([[...whole, ...longer]]).page(0, 1);
    expect(rows[0]?.slice(0, whole.length)).toEqual(whole);
    expect(cut).toEqual(longer.map((text, index) => [0, whole.length + index, text.length]));
  });

  it('ends where the rows end', () => {
    const result = resultOf([['a'], ['b'], ['c']]);
    expect(result.page(1, 1000)).toMatchObject({ from: 1, rows: [['b'], ['c']], numbers: [1, 2] });
    expect(result.page(3, 10).rows).toEqual([]);
    expect(result.page(1000, 10).rows).toEqual([]);
  });

  it('carries the rule of each masked cell', () => {
    const result = resultOf([['a', 'b']]);
    result.store.mark(0, 1);
    expect(result.page(0, 10).masked).toEqual([[0, 1, 'masked']]);
  });
});

describe('a long cell in pieces', () => {
  it('is itself again when the pieces are joined, also where a piece ends in the middle of a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 50 }),
        fc.integer({ min: 1, max: 9 }),
        (text, count) => {
          const result = resultOf([[text]]);
          let joined = '';
          for (let from = 0; ; from += count) {
            // As it goes over the bridge.
            const piece = JSON.parse(JSON.stringify(result.piece(0, 0, from, count))) as { text: string };
            expect(piece).toMatchObject({ characters: text.length });
            joined += piece.text;
            if (from + count >= text.length) break;
          }
          expect(joined).toBe(text);
        },
      ),
    );
  });

  it('may be 50 MB', () => {
    const text = 'a😀é'.repeat((50 * 1024 * 1024) / 7);
    const result = resultOf([[text, 'small']]);
    const { cut, rows } = result.page(0, 1);
    expect(cut).toEqual([[0, 0, text.length]]);
    expect(rows[0]?.[0]).toBe(text.slice(0, cellCharactersShown));
    const from = text.length - 5;
    expect(result.piece(0, 0, from, 100)).toEqual({ text: text.slice(from), characters: text.length });
  });

  it('that is NULL is no empty text, and one that is not there is told', () => {
    const result = resultOf([[null, '']]);
    expect(result.piece(0, 0, 0, 10)).toEqual({ text: null, characters: 0 });
    expect(result.piece(0, 1, 0, 10)).toEqual({ text: '', characters: 0 });
    expect(() => result.piece(0, 2, 0, 10)).toThrow('there is no such cell');
    expect(() => result.piece(1, 0, 0, 10)).toThrow('there is no such cell');
  });
});
