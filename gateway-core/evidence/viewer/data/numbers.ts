/** A list of numbers that grows: eight bytes each, where an array of objects would take a hundred. */
export class Numbers {
  #values = new Float64Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** NaN beyond the end. */
  at(index: number): number {
    return index < this.#length ? (this.#values[index] ?? Number.NaN) : Number.NaN;
  }

  set(index: number, value: number): void {
    if (index >= this.#length) throw new RangeError('no such place');
    this.#values[index] = value;
  }

  /** In an ascending list: how many are not above `value`. */
  countUntil(value: number, from = 0, to = this.#length): number {
    let low = from;
    let high = Math.min(to, this.#length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#values[middle] ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    return low - from;
  }
}
