import { isUtf8 } from 'node:buffer';
import { codecLimits } from './limits.js';

/** What every reader of this codec answers instead of a message. `reason` is a fixed text: never input, never a secret. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly reason: string;
}

export function malformed(reason: string): Malformed {
  return { kind: 'malformed', reason };
}

/**
 * One message, or one region, inside a larger buffer: the body (after type byte and length) is `[bodyStart, end)`.
 * A MessageFramer is one, so readers take it as it is.
 */
export interface MessageView {
  readonly buffer: Uint8Array;
  readonly bodyStart: number;
  readonly end: number;
}

/** Big-endian reads. INVARIANT: the caller has checked the bounds; past the end they give nonsense, never throw. */
export function uint16At(buffer: Uint8Array, at: number): number {
  return ((buffer[at] as number) << 8) | (buffer[at + 1] as number);
}

export function int32At(buffer: Uint8Array, at: number): number {
  return (
    ((buffer[at] as number) << 24) |
    ((buffer[at + 1] as number) << 16) |
    ((buffer[at + 2] as number) << 8) |
    (buffer[at + 3] as number)
  );
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Text of `[start, end)`, or undefined when it is not UTF-8. What a parser judges must be what the server reads:
 * a decoder that replaces bad bytes would let the two differ.
 */
export function utf8Strict(buffer: Uint8Array, start: number, end: number): string | undefined {
  const bytes = asBuffer(buffer);
  if (end - start <= codecLimits.shortTextBytes && isAsciiShort(bytes, start, end)) {
    return bytes.toString('latin1', start, end);
  }
  return isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : undefined;
}

/** Text from the target: bad bytes become U+FFFD, since errors before start-up has ended come in the server's own encoding. */
export function utf8Lossy(buffer: Uint8Array, start: number, end: number): string {
  return asBuffer(buffer).toString('utf8', start, end);
}

function isAsciiShort(buffer: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if ((buffer[at] as number) >= 0x80) return false;
  return true;
}

/** Where the NUL at or after `start` stands, or -1 when there is none before `end`. */
export function nulAt(buffer: Uint8Array, start: number, end: number): number {
  const shortEnd = Math.min(end, start + codecLimits.shortTextBytes);
  for (let at = start; at < shortEnd; at += 1) if (buffer[at] === 0) return at;
  if (shortEnd === end) return -1;
  const found = buffer.indexOf(0, shortEnd);
  return found >= 0 && found < end ? found : -1;
}

/**
 * Reads a message's body front to back. After the first read outside the body (or text that is not UTF-8, where that
 * is asked for) `failed` is true and stays so, and every read gives 0 or ''. Check `complete` once at the end.
 */
export class BodyReader {
  readonly buffer: Uint8Array;
  readonly end: number;
  at: number;
  failed = false;

  constructor(view: MessageView) {
    this.buffer = view.buffer;
    this.at = view.bodyStart;
    this.end = view.end;
  }

  /** Every byte was read and none was missing. */
  get complete(): boolean {
    return !this.failed && this.at === this.end;
  }

  get left(): number {
    return this.failed ? 0 : this.end - this.at;
  }

  uint8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : (this.buffer[at] as number);
  }

  uint16(): number {
    const at = this.take(2);
    return at < 0 ? 0 : uint16At(this.buffer, at);
  }

  int16(): number {
    return (this.uint16() << 16) >> 16;
  }

  int32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : int32At(this.buffer, at);
  }

  /** Object ids are unsigned. */
  uint32(): number {
    return this.int32() >>> 0;
  }

  /** NUL-terminated text that must be UTF-8. */
  text(): string {
    const start = this.at;
    const end = this.terminated();
    if (end < 0) return '';
    if (end === start) return '';
    const text = utf8Strict(this.buffer, start, end);
    if (text === undefined) this.failed = true;
    return text ?? '';
  }

  /** NUL-terminated text from the target, bad bytes replaced. */
  textLossy(): string {
    const start = this.at;
    const end = this.terminated();
    return end <= start ? '' : utf8Lossy(this.buffer, start, end);
  }

  /** A view of the next `length` bytes, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.take(length);
    return at < 0 ? new Uint8Array(0) : this.buffer.subarray(at, at + length);
  }

  /** Where the next `length` bytes start, which are passed over; -1 when they are not there. A negative length fails. */
  take(length: number): number {
    const at = this.at;
    if (this.failed || length < 0 || length > this.end - at) {
      this.failed = true;
      return -1;
    }
    this.at = at + length;
    return at;
  }

  private terminated(): number {
    const end = this.failed ? -1 : nulAt(this.buffer, this.at, this.end);
    if (end < 0 || end - this.at > codecLimits.textBytesMax) this.failed = true;
    else this.at = end + 1;
    return this.failed ? -1 : end;
  }
}
