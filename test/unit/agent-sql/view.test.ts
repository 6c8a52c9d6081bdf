import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlResult } from '../../../gateway-core/agent/sql/result.js';
import { orderOf } from '../../../gateway-core/agent/sql/view.js';
import type { ResultColumn, ResultView } from '../../../gateway-core/contract/bridge/sql.js';
import { column, dataRow, type Row, storeOf, view } from './support.js';

async function numbersOf(
  rows: readonly Row[],
  columns: readonly ResultColumn[],
  wanted: Partial<ResultView>,
) {
  return [...(await orderOf(storeOf(rows), columns, view(wanted), () => false))];
}

/** The values of one column in the order of the view. */
async function sorted(kind: ResultColumn['kind'], values: Row, descending = false): Promise<Row> {
  const rows = values.map((value) => [value]);
  const order = await numbersOf(rows, [column(kind)], { sort: [{ column: 0, descending }] });
  return order.map((row) => values[row] ?? null);
}

async function kept(
  kind: ResultColumn['kind'],
  values: Row,
  operator: ResultView['columns'][number]['operator'],
  value = '',
): Promise<Row> {
  const rows = values.map((each) => [each]);
  const order = await numbersOf(rows, [column(kind)], { columns: [{ column: 0, operator, value }] });
  return order.map((row) => values[row] ?? null);
}

describe('sorting', () => {
  it('keeps every row, puts them in order, and leaves equal ones as they came', async () => {
    const value = fc.option(fc.integer({ min: -4, max: 4 }).map(String));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(value, value), { maxLength: 80 }),
        fc.boolean(),
        fc.boolean(),
        async (rows, first, second) => {
          const sort = [
            { column: 0, descending: first },
            { column: 1, descending: second },
          ];
          const order = await numbersOf(rows, [column('number'), column('number', 'b')], { sort });
          const stands = (x: string | null, y: string | null, descending: boolean): number => {
            if (x === null || y === null) return Number(x === null) - Number(y === null);
            return descending ? Number(y) - Number(x) : Number(x) - Number(y);
          };
          const wanted = rows
            .map((row, index) => ({ row, index }))
            .sort(
              (a, b) =>
                stands(a.row[0], b.row[0], first) || stands(a.row[1], b.row[1], second) || a.index - b.index,
            );
          expect(order).toEqual(wanted.map(({ index }) => index));
        },
      ),
    );
  });

  it('puts NULL last in both directions', async () => {
    expect(await sorted('text', [null, 'b', '', null, 'a'])).toEqual(['', 'a', 'b', null, null]);
    expect(await sorted('text', [null, 'b', '', null, 'a'], true)).toEqual(['b', 'a', '', null, null]);
  });

  it('puts numbers by value, infinities at the ends, NaN above all', async () => {
    const wanted = ['-Infinity', '-10', '-9.5', '-1e-7', '0', '2', '10', '1e+20', 'Infinity', 'NaN'];
    expect(await sorted('number', [...wanted].reverse())).toEqual(wanted);
    expect(await sorted('number', wanted, true)).toEqual([...wanted].reverse());
  });

  it('tells numbers apart that doubles cannot', async () => {
    const wanted = [
      '-9007199254740994',
      '-9007199254740993',
      '-0.10000000000000000002',
      '-0.1000000000000000000100',
      '0.1000000000000000000100',
      '0.10000000000000000002',
      '9007199254740992.9',
      '9007199254740993',
      '9007199254740994',
    ];
    expect(await sorted('number', [...wanted].reverse())).toEqual(wanted);
    expect(await sorted('number', ['1.0', '1', '1.00', '-0', '0'])).toEqual(['-0', '0', '1.0', '1', '1.00']);
  });

  it('puts words with numbers in them as people do', async () => {
    expect(await sorted('text', ['item 10', 'Item 9', 'item 1'])).toEqual(['item 1', 'Item 9', 'item 10']);
  });

  it('puts times by when they are, whatever their fraction, offset, era', async () => {
    const wanted = [
      '-infinity',
      '0044-03-15 00:00:00+00 BC',
      '0099-01-01 00:00:00+00',
      '2026-10-25 02:59:59+02',
      '2026-10-25 02:00:00+01',
      '2026-10-25 02:30:00.123456+01',
      '2026-10-25 02:30:00.5+01',
      '2026-10-25 02:30:01+01',
      '10000-01-01 00:00:00+00',
      'infinity',
    ];
    expect(await sorted('time', [...wanted].reverse())).toEqual(wanted);
    expect(await sorted('time', ['10:00:00.25', '09:59:59', '10:00:00.5', '10:00:00'])).toEqual([
      '09:59:59',
      '10:00:00',
      '10:00:00.25',
      '10:00:00.5',
    ]);
    expect(await sorted('time', ['2026-02-01', '2026-01-31', '0001-12-31 BC', '0001-01-01'])).toEqual([
      '0001-12-31 BC',
      '0001-01-01',
      '2026-01-31',
      '2026-02-01',
    ]);
  });

  it('puts masked text in a column of numbers behind the numbers', async () => {
    expect(await sorted('number', ['[masked]', '3', null, '1'])).toEqual(['1', '3', '[masked]', null]);
  });

  it('by a column that is not there changes nothing', async () => {
    expect(
      await numbersOf([['b'], ['a']], [column('text')], { sort: [{ column: 7, descending: true }] }),
    ).toEqual([0, 1]);
  });
});

describe('filtering', () => {
  it('by text keeps the rows that hold it in any column, whatever its case', async () => {
    const rows = [
      ['Anna', 'x'],
      ['Otto', 'ANN'],
      [null, 'é'],
      ['', ''],
    ];
    const columns = [column('text'), column('text', 'b')];
    expect(await numbersOf(rows, columns, { filter: 'ann' })).toEqual([0, 1]);
    expect(await numbersOf(rows, columns, { filter: 'É' })).toEqual([2]);
    expect(await numbersOf(rows, columns, { filter: 'null' })).toEqual([]);
  });

  it('by equality takes text by the letter and numbers by value', async () => {
    const zips = ['01234', '1234', 'a\u00adb', 'ab', null];
    expect(await kept('text', zips, 'equals', '1234')).toEqual(['1234']);
    expect(await kept('text', zips, 'not-equals', 'ab')).toEqual(['01234', '1234', 'a\u00adb']);
    const numbers = ['1.0', '1', '-1', '1.0000000000000000000001', 'NaN', 'Infinity', null];
    expect(await kept('number', numbers, 'equals', '1.00')).toEqual(['1.0', '1']);
    expect(await kept('number', numbers, 'equals', 'NaN')).toEqual(['NaN']);
  });

  it('by order takes numbers and times by value', async () => {
    expect(await kept('number', ['9', '10', '-11', 'NaN', null], 'less', '10')).toEqual(['9', '-11']);
    expect(await kept('number', ['9', '10', 'NaN', 'Infinity', null], 'greater', '9.5')).toEqual([
      '10',
      'NaN',
      'Infinity',
    ]);
    expect(await kept('time', ['2026-01-02', '2026-01-01', null], 'greater', '2026-01-01')).toEqual([
      '2026-01-02',
    ]);
  });

  it('tells NULL from an empty text', async () => {
    expect(await kept('text', ['', null, 'a'], 'null')).toEqual([null]);
    expect(await kept('text', ['', null, 'a'], 'not-null')).toEqual(['', 'a']);
    expect(await kept('text', ['', null, 'a'], 'contains', '')).toEqual(['', 'a']);
  });

  it('and sorting go together, and each row has to pass each filter', async () => {
    const rows = [
      ['3', 'x'],
      ['1', 'x'],
      ['2', 'y'],
      ['10', 'xx'],
    ];
    const order = await numbersOf(rows, [column('number'), column('text', 'b')], {
      filter: 'x',
      columns: [
        { column: 0, operator: 'greater', value: '1' },
        { column: 9, operator: 'null', value: '' },
      ],
      sort: [{ column: 0, descending: true }],
    });
    expect(order).toEqual([3, 0]);
  });
});

const textColumn = {
  name: 'n',
  tableOid: 0,
  columnNumber: 0,
  typeOid: 25,
  typeSize: -1,
  typeModifier: -1,
  format: 0 as const,
};

describe('a newer view', () => {
  const result = (): SqlResult => {
    const made = new SqlResult('res_1', [textColumn], [], 1);
    for (const value of ['b', 'c', 'a']) {
      const message = dataRow([value]);
      made.store.add(message, 0, message.length);
    }
    return made;
  };
  const shown = (of: SqlResult): unknown => of.page(0, 10).rows.map(([value]) => value);

  it('ends an older one, also when both are asked for at once', async () => {
    const one = result();
    const older = one.look(view({ sort: [{ column: 0, descending: false }] }));
    const newer = one.look(view());
    await expect(older).rejects.toMatchObject({ code: 'conflict' });
    await newer;
    expect(shown(one)).toEqual(['b', 'c', 'a']);
  });

  it('that ends an older one is the one that is shown', async () => {
    const one = result();
    const older = one.look(view({ filter: 'b' }));
    const newer = one.look(view({ sort: [{ column: 0, descending: true }] }));
    await expect(older).rejects.toMatchObject({ code: 'conflict' });
    await newer;
    expect(shown(one)).toEqual(['c', 'b', 'a']);
  });

  it('is not disturbed by rows that come meanwhile: they are in the next one', async () => {
    const one = result();
    await one.look(view({ sort: [{ column: 0, descending: false }] }));
    const message = dataRow(['0']);
    one.store.add(message, 0, message.length);
    expect(shown(one)).toEqual(['a', 'b', 'c']);
    await one.look(view());
    expect(shown(one)).toEqual(['b', 'c', 'a', '0']);
  });
});

it('a view that nobody waits for any more stops between two slices of work', async () => {
  const store = storeOf(Array.from({ length: 40_000 }, (_, index) => [String((index * 7919) % 40_000)]));
  let asked = 0;
  // Not stale until it was asked the first time: the work had begun.
  const stale = (): boolean => ++asked > 1;
  const slow = orderOf(store, [column('text')], view({ sort: [{ column: 0, descending: false }] }), stale);
  await expect(slow).rejects.toMatchObject({ code: 'conflict' });
});
