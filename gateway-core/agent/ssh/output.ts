/**
 * What a terminal has put out, by its place since the beginning. Keeps the last `keptBytesMax` bytes. Pure: whoever
 * feeds it asks how much nobody has taken yet.
 */
export class Output {
  readonly #keptBytesMax: number;
  #pieces: Buffer[] = [];
  #start = 0;
  #end = 0;
  #taken = 0;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  get end(): number {
    return this.#end;
  }
  /** Some reader has had everything before this place. */
  get taken(): number {
    return this.#taken;
  }
  /** Bytes that are kept and that no reader has said to have. */
  get unread(): number {
    return this.#end - Math.max(this.#taken, this.#start);
  }

  /** Keeps the bytes themselves: they must be nobody else's. */
  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#end += bytes.length;
    this.#forget();
  }

  /** Everything before `place` has arrived. A place that was never reached counts for nothing. */
  take(place: number): void {
    if (place <= this.#end) this.#taken = Math.max(this.#taken, place);
  }

  /** Up to `bytesMax` bytes from `place`, or from the oldest that is kept. */
  read(place: number, bytesMax: number): { readonly from: number; readonly bytes: Buffer } {
    const from = Math.min(Math.max(place, this.#start), this.#end);
    const found: Buffer[] = [];
    let left = bytesMax;
    let at = this.#start;
    for (const piece of this.#pieces) {
      const skip = Math.max(0, from - at);
      at += piece.length;
      if (skip >= piece.length) continue;
      const part = piece.subarray(skip, skip + left);
      found.push(part);
      left -= part.length;
      if (left === 0) break;
    }
    return { from, bytes: Buffer.concat(found) };
  }

  #forget(): void {
    let over = this.#end - this.#start - this.#keptBytesMax;
    let gone = 0;
    while (over > 0) {
      const [first] = this.#pieces.slice(gone, gone + 1);
      if (first === undefined) break;
      if (first.length <= over) {
        gone += 1;
        over -= first.length;
        this.#start += first.length;
        continue;
      }
      this.#pieces[gone] = first.subarray(over);
      this.#start += over;
      over = 0;
    }
    if (gone > 0) this.#pieces = this.#pieces.slice(gone);
  }
}
