/**
 * What arrived in one piece and is worked through bit by bit. Masking 64 KiB takes a millisecond or two, and every
 * statement of every other session passes through the same loop four times: it waits for one slice each time.
 */
const sliceBytes = 16 * 1024;

export class Slices {
  #waiting: Buffer[] = [];

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#waiting.push(chunk);
  }

  /** The next slice; undefined when nothing waits. */
  next(): Buffer | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    if (first.length <= sliceBytes) {
      this.#waiting.shift();
      return first;
    }
    this.#waiting[0] = first.subarray(sliceBytes);
    return first.subarray(0, sliceBytes);
  }
}
