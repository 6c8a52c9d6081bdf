import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResultView } from '../../../../gateway-core/contract/bridge/sql.js';
import {
  columnFilter,
  filterText,
  isPlain,
  type Sort,
  toggleSort,
} from '../../../../renderer/features/sql/grid/filters.js';

describe('the filter of a column', () => {
  it('is read from what is typed', () => {
    const read = (text: string) => {
      const filter = columnFilter(0, text);
      return filter && `${filter.operator} ${filter.value}`;
    };
    expect(read(' abc ')).toBe('contains abc');
    expect(read('=a b')).toBe('equals a b');
    expect(read('=')).toBe('equals ');
    expect(read('!= x')).toBe('not-equals x');
    expect(read('<>x')).toBe('not-equals x');
    expect(read('>10')).toBe('greater 10');
    expect(read('< 2')).toBe('less 2');
    expect(read('NULL')).toBe('null ');
    expect(read('!null')).toBe('not-null ');
    expect(read('~null')).toBe('contains null');
    expect(read('>')).toBeUndefined();
    expect(read('  ')).toBeUndefined();
  });

  it('made by a click on a cell means that cell', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string().filter((value) => value === value.trim())),
        fc.boolean(),
        (value, not) => {
          const filter = columnFilter(3, filterText(value, not));
          expect(filter?.operator).toBe(
            value === null ? (not ? 'not-null' : 'null') : not ? 'not-equals' : 'equals',
          );
          if (value !== null) expect(filter?.value).toBe(value);
        },
      ),
    );
  });
});

describe('the order of a result', () => {
  it('a click goes through ascending, descending and none, and never past what the bridge takes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.boolean()), { maxLength: 60 }), (clicks) => {
        let sort: Sort[] = [];
        for (const [column, add] of clicks) sort = toggleSort(sort, column, add);
        expect(ResultView.safeParse({ sort, filter: '', columns: [] }).success).toBe(true);
        expect(new Set(sort.map(({ column }) => column)).size).toBe(sort.length);
      }),
    );
    const once = toggleSort([], 1, false);
    const twice = toggleSort(once, 1, false);
    expect([once, twice, toggleSort(twice, 1, false)]).toEqual([
      [{ column: 1, descending: false }],
      [{ column: 1, descending: true }],
      [],
    ]);
    expect(toggleSort(once, 2, true)).toHaveLength(2);
    expect(isPlain({ sort: [], filter: '', columns: [] })).toBe(true);
    expect(isPlain({ sort: once, filter: '', columns: [] })).toBe(false);
  });
});
