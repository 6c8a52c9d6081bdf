/** Says of each key whether it comes for the first time; of very many, the oldest are forgotten. */
export class Once {
  readonly #keysMax: number;
  readonly #seen = new Set<string>();

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  isFirst(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= this.#keysMax) break;
      this.#seen.delete(oldest);
    }
    return true;
  }
}
