import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowPage } from '../../../../gateway-core/contract/bridge/sql.js';
import { pageRowsMax } from '../../../../gateway-core/contract/bridge/sql.js';
import { Pages, rowsPerPage } from '../../../../renderer/features/sql/grid/pages.js';

interface Request {
  readonly from: number;
  readonly count: number;
  answer(): void;
  fail(): void;
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function pagesOf(rows: number, columns = 10, cell = (row: number) => String(row)) {
  const requests: Request[] = [];
  let changes = 0;
  const pages = new Pages({
    rows,
    columns,
    changed: () => {
      changes += 1;
    },
    failureOf: (cause) => ({ code: 'internal', message: String(cause) }),
    fetch: (from, count) =>
      new Promise<RowPage>((resolve, reject) => {
        const numbers = Array.from({ length: count }, (_, index) => from + index);
        const page: RowPage = {
          from,
          rows: numbers.map((number) => [cell(number), null]),
          numbers,
          cut: [[0, 0, 9000]],
          masked: [[1, 0, 'email: partial']],
        };
        requests.push({ from, count, answer: () => resolve(page), fail: () => reject(new Error('gone')) });
      }),
  });
  return { pages, requests, changes: () => changes };
}

describe('the pages of a result', () => {
  it('are never longer than the bridge allows, however many columns there are', () => {
    fc.assert(
      fc.property(fc.nat(6000), (columns) => {
        expect(rowsPerPage(columns)).toBeLessThanOrEqual(pageRowsMax);
        expect(rowsPerPage(columns)).toBeGreaterThan(0);
      }),
    );
  });

  it('hold the rows that were asked for, with their masks and cuts', async () => {
    const { pages, requests } = pagesOf(2000);
    pages.want(0, 40, 0);
    expect(pages.row(3)).toBeUndefined();
    requests[0]?.answer();
    await tick();
    expect(pages.row(3)?.cells[0]).toBe('3');
    expect(pages.row(1)?.maskOf(0)).toBe('email: partial');
    expect(pages.row(1)?.maskOf(1)).toBeUndefined();
    expect(pages.row(0)?.cutOf(0)).toBe(9000);
  });

  it('what was scrolled past is not asked for: only what is seen now, two at a time', async () => {
    const { pages, requests } = pagesOf(1_000_000);
    for (let top = 0; top < 1_000_000; top += 1000) pages.want(top, top + 40, 1);
    expect(requests).toHaveLength(2);
    for (const request of requests.slice()) request.answer();
    await tick();
    expect(requests.slice(2).map(({ from }) => from)).toEqual([999_000, 999_500]);
  });

  it('the same page is asked for once while it is on its way, and not again when it is there', async () => {
    const { pages, requests } = pagesOf(500);
    for (let time = 0; time < 10; time++) pages.want(0, 40, 0);
    expect(requests).toHaveLength(1);
    requests[0]?.answer();
    await tick();
    pages.want(0, 40, 0);
    expect(requests).toHaveLength(1);
  });

  it('the last page is read again once more rows were loaded', async () => {
    const { pages, requests } = pagesOf(100);
    pages.want(0, 100, 0);
    requests[0]?.answer();
    await tick();
    pages.grow(300);
    pages.want(90, 130, 0);
    expect(requests[1]).toMatchObject({ from: 0, count: 300 });
    expect(pages.row(50)?.cells[0]).toBe('50');
  });

  it('an answer to an older view is never shown', async () => {
    const { pages, requests, changes } = pagesOf(500);
    pages.want(0, 40, 0);
    pages.reset(20);
    requests[0]?.answer();
    await tick();
    expect(pages.row(0)).toBeUndefined();
    expect(changes()).toBe(0);
  });

  it('a page that cannot be read says why', async () => {
    const { pages, requests, changes } = pagesOf(500);
    pages.want(0, 40, 0);
    requests[0]?.fail();
    await tick();
    expect(pages.problem?.message).toContain('gone');
    expect(changes()).toBe(1);
    pages.dispose();
  });

  it('memory is bounded by characters, and what is seen stays', async () => {
    const { pages, requests } = pagesOf(1_000_000, 10, (row) => String(row).padEnd(2000, 'x'));
    const held = (from: number): boolean => pages.row(from) !== undefined;
    for (let top = 0; top < 60_000; top += 500) {
      pages.want(top, top + 40, 0);
      requests.at(-1)?.answer();
      await tick();
      expect(held(top)).toBe(true);
    }
    const kept = Array.from({ length: 120 }, (_, page) => held(page * 500)).filter(Boolean).length;
    expect(kept).toBeLessThan(30);
  });

  it('a range for copying is whole, or nothing when the view changed meanwhile', async () => {
    const { pages, requests } = pagesOf(1200);
    const answering = async (): Promise<void> => {
      for (let at = 0; at < 4; at++) {
        requests[at]?.answer();
        await tick();
      }
    };
    const range = pages.range(450, 1100);
    await answering();
    expect((await range)?.map(({ number }) => number)).toEqual(
      Array.from({ length: 650 }, (_, at) => 450 + at),
    );
    const other = pages.range(0, 10);
    pages.reset(5);
    requests.at(-1)?.answer();
    expect(await other).toBeUndefined();
  });
});
