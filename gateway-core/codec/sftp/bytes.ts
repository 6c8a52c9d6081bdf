import { sftpLimits } from './limits.js';

/** The stream is lost: nothing behind it can be understood. The reason holds no byte of what came. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly reason: string;
}

export function malformed(reason: string): Malformed {
  return { kind: 'malformed', reason };
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the fields of one packet (RFC 4251 section 5). What is not there reads as nothing and sets `failed`, which is
 * asked once at the end.
 */
export class FieldReader {
  failed = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** All was there, and nothing is left. */
  get complete(): boolean {
    return !this.failed && this.left === 0;
  }

  uint32(): number {
    if (!this.#take(4)) return 0;
    return this.#view.getUint32(this.#at - 4);
  }

  /** Where values above 2^53 - 1 mean nothing (offsets, lengths): they fail. */
  uint53(): number {
    const value = this.uint64();
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    this.failed = true;
    return 0;
  }

  uint64(): bigint {
    if (!this.#take(8)) return 0n;
    return this.#view.getBigUint64(this.#at - 8);
  }

  /** A view of a string's bytes. */
  bytes(bytesMax: number): Uint8Array {
    const length = this.uint32();
    if (length > bytesMax || !this.#take(length)) {
      this.failed = true;
      return nothing;
    }
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  rest(): Uint8Array {
    const from = this.#at;
    this.#at = this.#bytes.length;
    return this.#bytes.subarray(from);
  }

  /** Text for people and names of the protocol: bad bytes are replaced. */
  text(bytesMax: number): string {
    return Buffer.from(this.bytes(bytesMax)).toString('utf8');
  }

  /** An opaque handle, one character for each byte. */
  handle(): string {
    return Buffer.from(this.bytes(sftpLimits.handleBytesMax)).toString('latin1');
  }

  /** A path must hold no NUL: it would end there for the target and not for us. */
  path(): string {
    const bytes = this.bytes(sftpLimits.pathBytesMax);
    if (bytes.includes(0)) this.failed = true;
    return pathText(bytes);
  }

  #take(length: number): boolean {
    if (this.failed || this.left < length) {
      this.failed = true;
      return false;
    }
    this.#at += length;
    return true;
  }
}

const nothing: Uint8Array = new Uint8Array(0);

/** Paths have no encoding. What is not UTF-8 is written `\xHH`, byte by byte, so that no two of them are the same by chance. */
export function pathText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    let text = '';
    for (const byte of bytes) {
      text += byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    }
    return text;
  }
}
