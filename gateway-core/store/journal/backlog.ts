interface Mark {
  readonly position: number;
  /** Sum of all bytes up to here. */
  readonly total: number;
}

/** So fine is the backlog known: marks this far apart are enough and stay few. */
const markBytes = 256 * 1024;

/** Counts the bytes between what was written and what was released. */
export class Backlog {
  readonly #marks: Mark[] = [];
  #position = 0;
  #total = 0;
  #marked = 0;
  #released = 0;

  get bytes(): number {
    return this.#total - this.#released;
  }

  /** `bytes` more were written, and `position` stands behind them. */
  add(position: number, bytes: number): void {
    this.#position = position;
    this.#total += bytes;
    if (this.#total - this.#marked < markBytes) return;
    this.#marked = this.#total;
    this.#marks.push({ position, total: this.#total });
  }

  /** Everything before `position` is done with. */
  release(position: number): void {
    let mark = this.#marks[0];
    while (mark !== undefined && mark.position <= position) {
      this.#released = mark.total;
      this.#marks.shift();
      mark = this.#marks[0];
    }
    if (position < this.#position) return;
    this.#released = this.#total;
    this.#marks.length = 0;
  }
}
