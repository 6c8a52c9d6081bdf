import { ThroughlineError } from '../../contract/errors.js';
import { codecLimits } from './limits.js';

/**
 * Builds messages one after the other into slabs. `take` gives everything written since the last `take`.
 *
 * INVARIANT: bytes that were taken are never written again, so they may wait in a socket without a copy.
 * Errors: ThroughlineError `too-large` beyond `bytesMax` between two takes, `invalid-request` for text with a NUL.
 * Both leave the writer as it was before the open message.
 */
export class MessageWriter {
  readonly #slabBytes: number;
  readonly #bytesMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  /** First byte that has not been taken, and where the next one goes. */
  #from = 0;
  #at = 0;
  /** Where the open message's type byte (or, without one, its length) stands; -1: no message is open. */
  #open = -1;
  #lengthAt = -1;

  constructor(options: { readonly slabBytes?: number; readonly bytesMax?: number } = {}) {
    this.#slabBytes = options.slabBytes ?? codecLimits.writerSlabBytes;
    this.#bytesMax = options.bytesMax ?? codecLimits.writerBytesMax;
  }

  /** Bytes written since the last `take`. */
  get byteLength(): number {
    return this.#at - this.#from;
  }

  /** Starts a message; `end` fills its length in. Without a type: a start-up packet. */
  begin(type?: number): this {
    if (this.#open >= 0) throw new Error('a message is still open');
    this.#reserve(5);
    this.#open = this.#at;
    if (type !== undefined) this.#buffer[this.#at++] = type;
    this.#lengthAt = this.#at;
    this.#at += 4;
    return this;
  }

  end(): this {
    if (this.#open < 0) throw new Error('no message is open');
    writeInt32(this.#buffer, this.#lengthAt, this.#at - this.#lengthAt);
    this.#open = -1;
    return this;
  }

  uint8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#at++] = value;
    return this;
  }

  /** Signed or unsigned. */
  int16(value: number): this {
    this.#reserve(2);
    this.#buffer[this.#at] = value >> 8;
    this.#buffer[this.#at + 1] = value;
    this.#at += 2;
    return this;
  }

  /** Signed or unsigned. */
  int32(value: number): this {
    this.#reserve(4);
    writeInt32(this.#buffer, this.#at, value);
    this.#at += 4;
    return this;
  }

  /** Text and its NUL. Text that holds a NUL itself would end early and shift all that follows: refused. */
  text(value: string): this {
    if (value.includes('\0')) {
      this.#drop();
      throw new ThroughlineError('invalid-request', 'text in a protocol message must not contain NUL');
    }
    // At most three bytes for a UTF-16 code unit; counted exactly only where that guess would waste memory.
    this.#reserve((value.length <= this.#slabBytes / 4 ? value.length * 3 : Buffer.byteLength(value)) + 1);
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
    this.#buffer[this.#at++] = 0;
    return this;
  }

  /** `[start, end)` of `bytes`, as they are. Outside a message: whole messages that pass unchanged. */
  bytes(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.#reserve(end - start);
    this.#buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#at);
    this.#at += end - start;
    return this;
  }

  /** What was written since the last time, now the caller's. */
  take(): Buffer {
    if (this.#open >= 0) throw new Error('a message is still open');
    const taken = this.#buffer.subarray(this.#from, this.#at);
    this.#from = this.#at;
    return taken;
  }

  #reserve(bytes: number): void {
    const end = this.#at + bytes;
    if (end > this.#buffer.length || end - this.#from > this.#bytesMax) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const written = this.#at - this.#from;
    const needed = written + bytes;
    if (needed > this.#bytesMax) {
      this.#drop();
      throw new ThroughlineError('too-large', 'a protocol message is beyond its bound', {
        fields: { bytesMax: this.#bytesMax },
      });
    }
    const larger = Buffer.allocUnsafe(needed <= this.#slabBytes ? this.#slabBytes : 2 * needed);
    larger.set(this.#buffer.subarray(this.#from, this.#at));
    if (this.#open >= 0) {
      this.#open -= this.#from;
      this.#lengthAt -= this.#from;
    }
    this.#buffer = larger;
    this.#from = 0;
    this.#at = written;
  }

  #drop(): void {
    if (this.#open >= 0) this.#at = this.#open;
    this.#open = -1;
  }
}

function writeInt32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >> 24;
  buffer[at + 1] = value >> 16;
  buffer[at + 2] = value >> 8;
  buffer[at + 3] = value;
}
