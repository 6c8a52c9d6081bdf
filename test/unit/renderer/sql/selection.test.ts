import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bounds,
  contains,
  fitted,
  moved,
  type Selection,
} from '../../../../renderer/features/sql/grid/selection.js';

const keys = ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'PageUp', 'PageDown', 'Home', 'End'];
const at = (row: number, column: number): Selection => ({ anchor: { row, column }, focus: { row, column } });
const press = (selection: Selection, key: string, extend = false, far = false) =>
  moved(selection, key, { extend, far }, { rows: 100, columns: 10, page: 20 });

describe('the selection of a grid', () => {
  it('never leaves the grid, whatever is pressed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...keys), fc.boolean(), fc.boolean()), { maxLength: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (presses, rows, columns) => {
          let selection = at(0, 0);
          for (const [key, extend, far] of presses) {
            selection = moved(selection, key, { extend, far }, { rows, columns, page: 7 }) ?? selection;
            const box = bounds(selection);
            expect(box.top).toBeGreaterThanOrEqual(0);
            expect(box.bottom).toBeLessThan(rows);
            expect(box.left).toBeGreaterThanOrEqual(0);
            expect(box.right).toBeLessThan(columns);
            expect(contains(box, selection.focus.row, selection.focus.column)).toBe(true);
            if (!extend) expect(selection.anchor).toEqual(selection.focus);
          }
        },
      ),
    );
  });

  it('moves by cells, pages and to the ends', () => {
    expect(press(at(5, 5), 'ArrowDown')).toEqual(at(6, 5));
    expect(press(at(5, 5), 'PageDown')).toEqual(at(25, 5));
    expect(press(at(5, 5), 'Home')).toEqual(at(5, 0));
    expect(press(at(5, 5), 'End', false, true)).toEqual(at(99, 9));
    expect(press(at(5, 5), 'ArrowUp', false, true)).toEqual(at(0, 5));
    expect(press(at(5, 5), 'a')).toBeUndefined();
  });

  it('keeps its beginning while it is extended', () => {
    expect(press(at(5, 5), 'ArrowDown', true)).toEqual({
      anchor: { row: 5, column: 5 },
      focus: { row: 6, column: 5 },
    });
  });

  it('is gone with the rows, and inside of them when there are fewer', () => {
    expect(fitted(at(5, 5), { rows: 0, columns: 3 })).toBeUndefined();
    expect(fitted(at(5, 5), { rows: 3, columns: 3 })).toEqual(at(2, 2));
  });
});
