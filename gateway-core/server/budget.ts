/** How much one of many may ask for: a token bucket for each name, bounded. Names beyond the bound share one. */
export class Budget {
  readonly #most: number;
  readonly #perMs: number;
  readonly #namesMax: number;
  readonly #spent = new Map<string, { left: number; atMs: number }>();

  /** `most` at once, `perSecond` on the average. */
  constructor(options: { readonly most: number; readonly perSecond: number; readonly namesMax?: number }) {
    this.#most = options.most;
    this.#perMs = options.perSecond / 1000;
    this.#namesMax = options.namesMax ?? 10_000;
  }

  /** True, and `cost` is spent, when there was anything left: one that costs more than is left has to wait after it. */
  spend(name: string, cost: number, nowMs: number): boolean {
    const key = this.#spent.has(name) || this.#spent.size < this.#namesMax ? name : '';
    if (this.#spent.size >= this.#namesMax) this.#forget(nowMs);
    const { left, atMs } = this.#spent.get(key) ?? { left: this.#most, atMs: nowMs };
    const now = Math.min(this.#most, left + Math.max(0, nowMs - atMs) * this.#perMs);
    const may = now > 0;
    this.#spent.set(key, { left: may ? now - cost : now, atMs: nowMs });
    return may;
  }

  /** Those who have all of it again need no entry. */
  #forget(nowMs: number): void {
    for (const [name, { left, atMs }] of this.#spent) {
      if (left + (nowMs - atMs) * this.#perMs >= this.#most) this.#spent.delete(name);
    }
  }
}
