/** Bytes for the client, in order. Neighbouring pieces of one buffer are given as one. */
export class Outbox {
  #pieces: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  bytes = 0;

  range(buffer: Uint8Array, start: number, end: number): void {
    this.bytes += end - start;
    if (this.#buffer === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#close();
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  piece(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#close();
    this.#pieces.push(bytes);
    this.bytes += bytes.length;
  }

  take(): Uint8Array[] {
    this.#close();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.bytes = 0;
    return pieces;
  }

  #close(): void {
    if (this.#buffer !== undefined) this.#pieces.push(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = undefined;
  }
}
