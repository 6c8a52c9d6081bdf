import type { ReplayItem } from '../../../gateway-core/contract/api.js';

/** Items of one page, and pages that are kept: the host holds the rest. */
export const pageItems = 500;
const pagesMax = 64;

/** Reads a replay's items page by page; what was read lately is kept. */
export class ReplayPages {
  readonly #fetch: (from: number, count: number) => Promise<readonly ReplayItem[]>;
  readonly #pages = new Map<number, Promise<readonly ReplayItem[]>>();
  readonly length: number;

  constructor(length: number, fetch: (from: number, count: number) => Promise<readonly ReplayItem[]>) {
    this.length = length;
    this.#fetch = fetch;
  }

  /** Items from `from` on, before `to`. Callers ask for what a screen holds. */
  async range(from: number, to: number): Promise<ReplayItem[]> {
    const items: ReplayItem[] = [];
    const end = Math.min(to, this.length);
    for (let page = Math.floor(from / pageItems); page * pageItems < end; page++) {
      const start = page * pageItems;
      const held = await this.#page(page);
      items.push(...held.slice(Math.max(0, from - start), end - start));
    }
    return items;
  }

  /** How many of the items in `[from, to)` happened up to `atMs`. Items are in time order. */
  async countUntil(from: number, to: number, atMs: number): Promise<number> {
    let low = from;
    let high = Math.min(to, this.length);
    while (low < high) {
      const middle = (low + high) >> 1;
      const [item] = await this.range(middle, middle + 1);
      if (item !== undefined && timeOf(item) <= atMs) low = middle + 1;
      else high = middle;
    }
    return low - from;
  }

  #page(page: number): Promise<readonly ReplayItem[]> {
    const held = this.#pages.get(page);
    if (held !== undefined) {
      this.#pages.delete(page);
      this.#pages.set(page, held);
      return held;
    }
    const from = page * pageItems;
    const asked = this.#fetch(from, Math.min(pageItems, this.length - from));
    this.#pages.set(page, asked);
    // A page that failed is asked for again.
    asked.catch(() => this.#pages.delete(page));
    const oldest = this.#pages.keys().next();
    if (this.#pages.size > pagesMax && oldest.done !== true) this.#pages.delete(oldest.value);
    return asked;
  }
}

/** What has no time of its own stands where it is found: it counts as over. */
export function timeOf(item: ReplayItem): number {
  return 'atMs' in item ? item.atMs : 0;
}
