import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ColumnGeometry,
  columnWidthMaxPx,
  columnWidthMinPx,
  RowGeometry,
  rowHeightPx,
  scrollHeightMaxPx,
} from '../../../../renderer/features/sql/grid/geometry.js';

const anyRows = fc.record({ rows: fc.nat(5_000_000), viewport: fc.integer({ min: 1, max: 4000 }) });

describe('where rows stand', () => {
  it('no result is higher than a browser can scroll, and both ends of the scroll bar are the ends of the rows', () => {
    fc.assert(
      fc.property(anyRows, ({ rows, viewport }) => {
        const geometry = new RowGeometry(rows, viewport);
        expect(geometry.scrollPx).toBeLessThanOrEqual(scrollHeightMaxPx);
        expect(geometry.toTop(0)).toBe(0);
        const scrollMax = Math.max(0, geometry.scrollPx - viewport);
        expect(geometry.toTop(scrollMax)).toBeCloseTo(geometry.topMax, 3);
        const end = geometry.visible(geometry.topMax);
        expect(end.to).toBe(rows);
      }),
    );
  });

  it('a place of the rows and its place of the scroll bar are each other', () => {
    fc.assert(
      fc.property(anyRows, fc.double({ min: 0, max: 1, noNaN: true }), ({ rows, viewport }, share) => {
        const geometry = new RowGeometry(rows, viewport);
        const top = share * geometry.topMax;
        expect(geometry.toTop(geometry.toScroll(top))).toBeCloseTo(top, 3);
      }),
    );
  });

  it('a million rows need no scaling of their own and are all reachable', () => {
    const geometry = new RowGeometry(1_000_000, 600);
    expect(geometry.visible(geometry.toTop(geometry.scrollPx - 600)).to).toBe(1_000_000);
  });

  it('a revealed row is seen whole, and moves nothing when it is', () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), (size, pick, share) => {
        fc.pre(size.rows > 0 && size.viewport >= rowHeightPx);
        const geometry = new RowGeometry(size.rows, size.viewport);
        const row = pick % size.rows;
        const top = geometry.reveal(row, share * geometry.topMax);
        expect(row * rowHeightPx).toBeGreaterThanOrEqual(top - 0.001);
        expect((row + 1) * rowHeightPx).toBeLessThanOrEqual(top + size.viewport + 0.001);
        expect(geometry.reveal(row, top)).toBeCloseTo(top, 6);
      }),
    );
  });
});

describe('where columns stand', () => {
  const widths = fc.array(fc.integer({ min: columnWidthMinPx, max: 400 }), { minLength: 1, maxLength: 60 });

  it('the column at a place is the one that covers it', () => {
    fc.assert(
      fc.property(widths, fc.nat(30_000), (list, pick) => {
        const columns = new ColumnGeometry(list);
        const place = pick % columns.totalPx;
        const column = columns.at(place);
        expect(columns.start(column)).toBeLessThanOrEqual(place);
        expect(columns.start(column + 1)).toBeGreaterThan(place);
      }),
    );
  });

  it('what is visible covers the viewport and no column more than it must', () => {
    fc.assert(
      fc.property(widths, fc.nat(30_000), fc.integer({ min: 1, max: 3000 }), (list, pick, viewport) => {
        const columns = new ColumnGeometry(list);
        const left = pick % columns.totalPx;
        const { from, to } = columns.visible(left, viewport);
        expect(columns.start(from)).toBeLessThanOrEqual(left);
        expect(columns.start(to)).toBeGreaterThanOrEqual(Math.min(left + viewport, columns.totalPx));
        expect(columns.start(to - 1)).toBeLessThan(left + viewport);
      }),
    );
  });

  it('a resized column keeps its bounds and moves only what follows', () => {
    const columns = new ColumnGeometry([100, 100, 100]);
    columns.resize(1, 250);
    expect([columns.start(1), columns.start(2), columns.totalPx]).toEqual([100, 350, 450]);
    columns.resize(1, 1);
    expect(columns.width(1)).toBe(columnWidthMinPx);
    columns.resize(1, 1_000_000);
    expect(columns.width(1)).toBe(columnWidthMaxPx);
    columns.resize(9, 10);
    expect(columns.count).toBe(3);
  });
});
