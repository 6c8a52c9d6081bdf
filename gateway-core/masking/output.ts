const keptBytesMax = 1024 * 1024;
const inlineBytesMax = 64;

/** Bytes under construction, reused from value to value; `take` gives a copy of its own. */
export class Output {
  private bytes = Buffer.allocUnsafeSlow(4096);
  private length = 0;

  clear(): void {
    this.length = 0;
    // One huge value must not keep its memory for ever.
    if (this.bytes.length > keptBytesMax) this.bytes = Buffer.allocUnsafeSlow(4096);
  }

  byte(byte: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = byte;
  }

  /** Appends `source[start, end)`. */
  copy(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.length + size > this.bytes.length) this.grow(size);
    const { bytes } = this;
    let to = this.length;
    this.length += size;
    if (size > inlineBytesMax) {
      bytes.set(source.subarray(start, end), to);
      return;
    }
    for (let at = start; at < end; at++) bytes[to++] = source[at] as number;
  }

  take(): Buffer {
    const { length } = this;
    const out = Buffer.allocUnsafe(length);
    if (length > inlineBytesMax) this.bytes.copy(out, 0, 0, length);
    else for (let at = 0; at < length; at++) out[at] = this.bytes[at] as number;
    return out;
  }

  private grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + size));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
