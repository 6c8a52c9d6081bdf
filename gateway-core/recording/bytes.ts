/** A frame's body turned out not to be what its type says. With a good tag this is a bug or a newer writer. */
export class FrameDecodeError extends Error {}

/** Grows as needed; `take` hands out what was written and starts over. Numbers are LEB128, 53 bits at most. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #room(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#buffer.length) return;
    let size = this.#buffer.length * 2;
    while (size < wanted) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = value;
  }

  /** Whole numbers from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${value}`);
    this.#room(8);
    let left = value;
    // Bitwise operators stop at 32 bits: divide while the value is larger.
    while (left > 0x7fffffff) {
      this.#buffer[this.#length++] = (left % 128) | 0x80;
      left = Math.floor(left / 128);
    }
    while (left > 0x7f) {
      this.#buffer[this.#length++] = (left & 0x7f) | 0x80;
      left >>>= 7;
    }
    this.#buffer[this.#length++] = left;
  }

  /** Whole numbers of either sign, zigzag; magnitude below 2^52. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** Varint of the UTF-8 length, then the text. Lone surrogates do not survive: see `isWellFormed`. */
  text(value: string): void {
    // Short texts are mostly ASCII: guess one length byte and one byte a letter, move when the guess was wrong.
    if (value.length < 42) {
      this.#room(value.length * 3 + 1);
      const written = this.#buffer.write(value, this.#length + 1);
      this.#buffer[this.#length] = written;
      this.#length += written + 1;
      return;
    }
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#room(size);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** Half as many bytes as `value` has digits. */
  hex(value: string): void {
    this.#room(value.length / 2);
    this.#length += this.#buffer.write(value, this.#length, 'hex');
  }

  /** The bytes written so far; valid until the next write or `reset`. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  reset(bufferBytesKept: number): void {
    this.#length = 0;
    if (this.#buffer.length > bufferBytesKept) this.#buffer = Buffer.allocUnsafeSlow(1024);
  }
}

/** Reads what ByteWriter wrote; throws FrameDecodeError instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new FrameDecodeError('body ends early');
    this.#at += 1;
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 8; index += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new FrameDecodeError('number too large');
        return value;
      }
      scale *= 128;
    }
    throw new FrameDecodeError('number too long');
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new FrameDecodeError('body ends early');
    const value = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  text(): string {
    return this.bytes(this.varint()).toString('utf8');
  }

  hex(bytes: number): string {
    return this.bytes(bytes).toString('hex');
  }
}

/** False for text that UTF-8 cannot hold (a pair of code units that was cut apart). */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}
