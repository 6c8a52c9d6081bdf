import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplayItem } from '../../../../gateway-core/contract/api.js';
import { pageItems, ReplayPages } from '../../../../renderer/ui/replay/pages.js';

const itemAt = (atMs: number): ReplayItem => ({ kind: 'row', atMs, seq: 1, values: [String(atMs)] });

function pagesOf(items: readonly ReplayItem[]) {
  const asked: number[] = [];
  const pages = new ReplayPages(items.length, async (from, count) => {
    asked.push(from);
    return items.slice(from, from + count);
  });
  return { pages, asked };
}

describe('the pages of a replay', () => {
  it('give the same items as the whole list, wherever a range begins and ends', async () => {
    const items = Array.from({ length: pageItems * 3 + 7 }, (_, index) => itemAt(index));
    await fc.assert(
      fc.asyncProperty(fc.nat(items.length + 10), fc.nat(items.length + 10), async (a, b) => {
        const { pages } = pagesOf(items);
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        expect(await pages.range(from, to)).toEqual(items.slice(from, to));
      }),
      { numRuns: 50 },
    );
  });

  it('count what happened up to a moment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(100), { maxLength: 1200 }), fc.nat(110), async (times, atMs) => {
        const sorted = [...times].sort((a, b) => a - b);
        const { pages } = pagesOf(sorted.map(itemAt));
        expect(await pages.countUntil(0, sorted.length, atMs)).toBe(sorted.filter((at) => at <= atMs).length);
      }),
      { numRuns: 50 },
    );
  });

  it('a page that is held is not asked for again', async () => {
    const { pages, asked } = pagesOf(Array.from({ length: pageItems * 2 }, (_, index) => itemAt(index)));
    await pages.range(0, 10);
    await pages.range(5, 20);
    expect(asked).toEqual([0]);
  });

  it('a page that failed is asked for again', async () => {
    let calls = 0;
    const pages = new ReplayPages(10, async () => {
      calls += 1;
      if (calls === 1) throw new Error('gone');
      return [itemAt(0)];
    });
    await expect(pages.range(0, 1)).rejects.toThrow('gone');
    expect(await pages.range(0, 1)).toHaveLength(1);
  });
});
