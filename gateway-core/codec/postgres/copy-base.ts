import { ThroughlineError } from '../../contract/errors.js';
import { type Malformed, malformed } from './bytes.js';
import { codecLimits } from './limits.js';
import { MessageWriter } from './writer.js';

/**
 * Called for every value, with the value itself (escapes undone) as `[start, end)` of `buffer`, which is only valid
 * during the call. Answers undefined: keep it. null: NULL. Bytes: put these in its place, escaped as the format
 * wants. Not called for NULL, except in text format with a NULL text other than `\N`, where a value can look like
 * NULL: it gets those bytes, so that no value escapes its mask by looking so.
 */
export type CopyMask = (
  buffer: Uint8Array,
  start: number,
  end: number,
  column: number,
) => Uint8Array | null | undefined;

/** Takes the payload of CopyData messages, cut anywhere, and gives the masked payload of whole lines or tuples. */
export interface CopyTransformer {
  /**
   * Masked bytes of every line that is complete by now; maybe none. Where nothing was replaced these are the piece's
   * own bytes, not a copy. Never written to again. After Malformed every call gives Malformed.
   */
  push(piece: Uint8Array): Uint8Array | Malformed;
  /** At CopyDone. Malformed when the data ends inside a line or, binary, before its trailer. Nothing is left to send. */
  end(): Malformed | undefined;
  /** Lines or tuples so far, without the header. */
  readonly rows: number;
  /** Values replaced so far. */
  readonly replaced: number;
}

/** What the formats take, as bytes. */
export interface CopyBytes {
  readonly delimiter: number;
  readonly quote: number;
  readonly escape: number;
  readonly nullText: Buffer;
  readonly nullIsDefault: boolean;
  readonly header: boolean;
  readonly lineBytesMax: number;
}

/** `findEnd` answers: the unit goes on in the next piece. */
export const unitOpen = -1;
/** `findEnd` answers: this is no COPY data. */
export const unitMalformed = -2;

/**
 * What the three formats share. A *unit* is a line, a tuple, a header or a trailer: it is held until it is whole,
 * then its values are offered to the mask. Bytes of units without a replaced value are passed on as they lie.
 *
 * INVARIANT: each byte is scanned for the unit's end once, however small the pieces are.
 */
export abstract class CopyBase implements CopyTransformer {
  rows = 0;
  replaced = 0;
  protected readonly mask: CopyMask;
  /** Bytes of the open unit that `findEnd` has seen. */
  protected scanned = 0;
  readonly #lineBytesMax: number;
  readonly #writer: MessageWriter;
  #failed: Malformed | undefined;
  /** The open unit, as far as it arrived. */
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  /** The bytes at work, and up to where they are written; none is written while no value was replaced. */
  #work: Uint8Array = this.#held;
  #writtenTo = 0;
  #touched = false;

  constructor(lineBytesMax: number, mask: CopyMask) {
    this.mask = mask;
    this.#lineBytesMax = lineBytesMax;
    this.#writer = new MessageWriter({ slabBytes: 64 * 1024, bytesMax: 4 * codecLimits.copyLineBytesMax });
  }

  /** Where the unit that starts at `start` ends, given `scanned`, which it brings up to date; or one of the codes. */
  protected abstract findEnd(work: Uint8Array, start: number): number;
  /** Offers the values of a whole unit to the mask, calling `replace` for some. false: malformed. */
  protected abstract maskUnit(work: Uint8Array, start: number, end: number): boolean;
  /** Why the data may not end here, when it may not, although no unit is open. */
  protected abstract endsEarly(): string | undefined;

  push(piece: Uint8Array): Uint8Array | Malformed {
    if (this.#failed !== undefined) return this.#failed;
    try {
      return this.#pass(piece);
    } catch (error) {
      // Whatever went wrong, a mask may not have been put on: nothing more comes out of here.
      const failed = this.#fail('a COPY line that could not be masked');
      if (error instanceof ThroughlineError && error.code === 'too-large') return failed;
      throw error;
    }
  }

  end(): Malformed | undefined {
    if (this.#failed !== undefined) return this.#failed;
    const reason = this.#heldBytes > 0 ? 'COPY data that ends inside a line' : this.endsEarly();
    return reason === undefined ? undefined : this.#fail(reason);
  }

  /** Puts `bytes` where `[start, end)` of the work lies. In order of place. */
  protected replace(start: number, end: number): MessageWriter {
    this.#writer.bytes(this.#work, this.#writtenTo, start);
    this.#writtenTo = end;
    this.#touched = true;
    this.replaced += 1;
    return this.#writer;
  }

  #pass(piece: Uint8Array): Uint8Array | Malformed {
    const work = this.#heldBytes === 0 ? piece : this.#appendHeld(piece);
    this.#work = work;
    this.#writtenTo = 0;
    this.#touched = false;
    let start = 0;
    while (start < work.length) {
      const end = this.findEnd(work, start);
      if (end === unitMalformed) return this.#fail('malformed COPY data');
      if (end === unitOpen) break;
      if (end - start > this.#lineBytesMax) return this.#fail('a COPY line beyond its bound');
      this.scanned = 0;
      if (!this.maskUnit(work, start, end)) return this.#fail('malformed COPY data');
      start = end;
    }
    const masked = this.#masked(work, start);
    return this.#hold(work, start) ? masked : this.#fail('a COPY line beyond its bound');
  }

  #masked(work: Uint8Array, end: number): Uint8Array {
    if (!this.#touched) return work.subarray(0, end);
    return this.#writer.bytes(work, this.#writtenTo, end).take();
  }

  /** Keeps the open unit. When the work is the held buffer and some of it was given out, that buffer is not reused. */
  #hold(work: Uint8Array, start: number): boolean {
    const left = work.length - start;
    if (left > this.#lineBytesMax) return false;
    if (left === 0) {
      if (this.#heldBytes > 0) this.#held = Buffer.alloc(0);
    } else if (start > 0 || this.#heldBytes === 0) {
      this.#held = Buffer.allocUnsafe(Math.max(2 * left, codecLimits.assemblyBytesInitial));
      this.#held.set(work.subarray(start));
    }
    this.#heldBytes = left;
    return true;
  }

  #appendHeld(piece: Uint8Array): Uint8Array {
    const needed = this.#heldBytes + piece.length;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafe(2 * needed);
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(piece, this.#heldBytes);
    return this.#held.subarray(0, needed);
  }

  #fail(reason: string): Malformed {
    this.#failed = malformed(reason);
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    return this.#failed;
  }
}

/** Bytes of one value with its escapes undone. Reused: valid until the next value. */
export class Scratch {
  bytes: Buffer = Buffer.alloc(256);
  length = 0;

  /** Empties it and makes room for `length` bytes. */
  start(length: number): void {
    if (this.bytes.length < length) this.bytes = Buffer.allocUnsafe(2 * length);
    this.length = 0;
  }

  add(byte: number): void {
    this.bytes[this.length++] = byte;
  }
}
