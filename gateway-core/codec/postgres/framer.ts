import { int32At, type Malformed, malformed } from './bytes.js';
import { codecLimits } from './limits.js';
import { type Direction, type TypeTable, typeTables } from './messages.js';

/**
 * message: `buffer`, `start`, `bodyStart`, `end`, `type`, `count` are a whole message, or a run of `count` of one type.
 * piece: `[start, end)` is the next part of a message too large to hold; see `pieceOffset`, `messageBytes`, `pieceLast`.
 * more: the chunk is used up; push the next one. malformed: the stream is lost; see `malformed`.
 */
export type FrameEvent = 'message' | 'piece' | 'more' | 'malformed';

/** Both are asked once for each type, when the bounds are set. Bytes count the whole message, type byte included. */
export interface FrameBounds {
  readonly messageBytesMax: (type: number) => number;
  /**
   * A message of more bytes than this that does not lie whole in one chunk comes in pieces instead of being held.
   * undefined, or absent: this type is always given whole.
   */
  readonly pieceAboveBytes?: (type: number) => number | undefined;
}

const headerBytes = 5;
const nothing: Uint8Array = new Uint8Array(0);

/**
 * Cuts one direction of a connection, after start-up, into messages (protocol page, "Messaging Overview": type byte,
 * Int32 length that counts itself, body). It is its own view: no object is made per message.
 *
 *     framer.push(chunk);
 *     while ((event = framer.nextRun()) === 'message') ...
 *
 * INVARIANT: the framer never writes to bytes that it has given out, so a view may be kept and sent later without a
 * copy: it lies in the caller's own chunk, or in a buffer that was made for this message alone.
 * INVARIANT: the buffer held for a message is at most twice what arrived of it, or `assemblyBytesInitial`.
 */
export class MessageFramer {
  /** The view of the latest event. `start` is the type byte, `bodyStart` the first byte after the length. */
  buffer: Uint8Array = nothing;
  start = 0;
  bodyStart = 0;
  end = 0;
  type = 0;
  /** Messages in `[start, end)`; above 1 only after `nextRun`. All are of `type`. */
  count = 0;
  /** For pieces: bytes of the message (header included) before this one, and the bytes of the whole message. */
  pieceOffset = 0;
  messageBytes = 0;
  pieceLast = false;
  /** Why the stream is lost. Sticky. */
  malformed: Malformed | undefined;

  readonly #table: TypeTable;
  /** Largest value of the length field, by type; -1 for types that may not come. */
  readonly #lengthMax = new Int32Array(256);
  readonly #pieceAbove = new Float64Array(256);
  #chunk: Uint8Array = nothing;
  #at = 0;
  /** A header that was cut by a chunk's end. */
  readonly #header = new Uint8Array(headerBytes);
  #headerHeld = 0;
  /** A message that was cut by a chunk's end, as far as it arrived. */
  #held: Buffer | undefined;
  #heldBytes = 0;
  #heldTotal = 0;
  /** Bytes of a piecewise message that have not been given yet. */
  #pieceLeft = 0;

  constructor(direction: Direction, bounds: FrameBounds) {
    this.#table = typeTables[direction];
    this.setBounds(bounds);
  }

  /** Other bounds from the next message on: small before the peer is authenticated, then the session's own. */
  setBounds(bounds: FrameBounds): void {
    for (let type = 0; type < 256; type += 1) {
      const allowed = this.#table.allowed[type] === 1;
      const bytesMax = allowed ? bounds.messageBytesMax(type) : 0;
      this.#lengthMax[type] = Math.min(Math.max(Math.trunc(bytesMax) - 1, -1), 0x7fff_fffe);
      this.#pieceAbove[type] =
        (allowed ? bounds.pieceAboveBytes?.(type) : undefined) ?? Number.POSITIVE_INFINITY;
    }
  }

  /** Bytes of memory that this framer holds beside the caller's chunk. */
  get heldCapacityBytes(): number {
    return this.#held?.length ?? 0;
  }

  /** True when the stream so far ends between two messages: at any other place its end is a truncation. */
  get atBoundary(): boolean {
    return (
      this.malformed === undefined &&
      this.#at === this.#chunk.length &&
      this.#headerHeld === 0 &&
      this.#held === undefined &&
      this.#pieceLeft === 0
    );
  }

  /** Hands over the next chunk, which the caller leaves alone from now on. The last one must be used up. */
  push(chunk: Uint8Array): void {
    if (this.#at !== this.#chunk.length) throw new Error('the last chunk is not used up');
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next message, piece, or reason to stop. */
  next(): FrameEvent {
    if (this.malformed !== undefined) return 'malformed';
    if (this.#pieceLeft > 0) return this.#nextPiece();
    if (this.#held !== undefined) return this.#fill();
    if (this.#headerHeld > 0) return this.#fillHeader();
    const chunk = this.#chunk;
    const at = this.#at;
    if (chunk.length - at < headerBytes) return this.#holdHeader();
    const type = chunk[at] as number;
    const length = int32At(chunk, at + 1);
    if (!this.#accepts(type, length)) return 'malformed';
    const end = at + 1 + length;
    if (end > chunk.length) return this.#cut(type, 1 + length);
    this.#at = end;
    return this.#give(chunk, at, end, type);
  }

  /**
   * Like `next`, but messages of one bulk type (DataRow, CopyData) that follow each other in the chunk come as one
   * region with `count`. Their headers are checked; their bodies are the reader's business.
   */
  nextRun(): FrameEvent {
    const event = this.next();
    const chunk = this.#chunk;
    const type = this.type;
    if (event !== 'message' || this.#table.runs[type] !== 1 || this.buffer !== chunk) return event;
    const lengthMax = this.#lengthMax[type] as number;
    const last = chunk.length - headerBytes;
    let at = this.#at;
    let count = 1;
    while (at <= last && chunk[at] === type) {
      const length = int32At(chunk, at + 1);
      // What is wrong with a header is said when its turn comes: the messages before it are good.
      if (length < 4 || length > lengthMax || length > chunk.length - at - 1) break;
      at += 1 + length;
      count += 1;
    }
    this.#at = at;
    this.end = at;
    this.count = count;
    return event;
  }

  #accepts(type: number, length: number): boolean {
    const lengthMax = this.#lengthMax[type] as number;
    const lengthFixed = this.#table.lengthFixed[type] as number;
    if (length >= 4 && length <= lengthMax && (lengthFixed === 0 || lengthFixed === length)) return true;
    if (this.#table.allowed[type] !== 1) this.#fail('a message of unknown type');
    else if (length < 4) this.#fail('a message length below four');
    else if (length > lengthMax) this.#fail('a message beyond its bound');
    else this.#fail('a wrong length for a message of fixed size');
    return false;
  }

  #give(buffer: Uint8Array, start: number, end: number, type: number): FrameEvent {
    this.buffer = buffer;
    this.start = start;
    this.bodyStart = start + headerBytes;
    this.end = end;
    this.type = type;
    this.count = 1;
    return 'message';
  }

  #givePiece(buffer: Uint8Array, start: number, end: number): FrameEvent {
    this.pieceOffset = this.messageBytes - this.#pieceLeft;
    this.#pieceLeft -= end - start;
    this.pieceLast = this.#pieceLeft === 0;
    this.buffer = buffer;
    this.start = start;
    this.bodyStart = Math.min(end, start + Math.max(0, headerBytes - this.pieceOffset));
    this.end = end;
    this.count = 0;
    return 'piece';
  }

  /** The rest of the chunk is less than a header. */
  #holdHeader(): FrameEvent {
    const chunk = this.#chunk;
    const at = this.#at;
    if (at === chunk.length) return 'more';
    if (this.#table.allowed[chunk[at] as number] !== 1) return this.#fail('a message of unknown type');
    this.#header.set(chunk.subarray(at));
    this.#headerHeld = chunk.length - at;
    this.#at = chunk.length;
    return 'more';
  }

  #fillHeader(): FrameEvent {
    const taken = Math.min(headerBytes - this.#headerHeld, this.#chunk.length - this.#at);
    this.#header.set(this.#chunk.subarray(this.#at, this.#at + taken), this.#headerHeld);
    this.#headerHeld += taken;
    this.#at += taken;
    if (this.#headerHeld < headerBytes) return 'more';
    this.#headerHeld = 0;
    const type = this.#header[0] as number;
    const length = int32At(this.#header, 1);
    if (!this.#accepts(type, length)) return 'malformed';
    const bytes = 1 + length;
    const inChunk = bytes - headerBytes <= this.#chunk.length - this.#at;
    if (!inChunk && bytes > (this.#pieceAbove[type] as number)) {
      this.#startPieces(type, bytes);
      return this.#givePiece(Buffer.from(this.#header), 0, headerBytes);
    }
    this.#hold(type, bytes, this.#header, 0, headerBytes);
    return this.#fill();
  }

  /** A message that begins in this chunk and ends in a later one. */
  #cut(type: number, bytes: number): FrameEvent {
    if (bytes > (this.#pieceAbove[type] as number)) {
      this.#startPieces(type, bytes);
      return this.#nextPiece();
    }
    const chunk = this.#chunk;
    this.#hold(type, bytes, chunk, this.#at, chunk.length);
    this.#at = chunk.length;
    return 'more';
  }

  #startPieces(type: number, bytes: number): void {
    this.type = type;
    this.messageBytes = bytes;
    this.#pieceLeft = bytes;
  }

  #nextPiece(): FrameEvent {
    const start = this.#at;
    const end = Math.min(this.#chunk.length, start + this.#pieceLeft);
    if (start === end) return 'more';
    this.#at = end;
    return this.#givePiece(this.#chunk, start, end);
  }

  #hold(type: number, bytes: number, source: Uint8Array, start: number, end: number): void {
    this.type = type;
    this.#heldTotal = bytes;
    this.#heldBytes = 0;
    const arrived = end - start;
    const capacity = Math.min(bytes, Math.max(codecLimits.assemblyBytesInitial, 2 * arrived));
    this.#held = Buffer.allocUnsafe(capacity);
    this.#append(this.#held, source, start, end);
  }

  /** Takes what belongs to the held message from the chunk. */
  #fill(): FrameEvent {
    const chunk = this.#chunk;
    const start = this.#at;
    const end = Math.min(chunk.length, start + this.#heldTotal - this.#heldBytes);
    const held = this.#roomFor(end - start);
    this.#append(held, chunk, start, end);
    this.#at = end;
    if (this.#heldBytes < this.#heldTotal) return 'more';
    this.#held = undefined;
    return this.#give(held, 0, this.#heldTotal, held[0] as number);
  }

  #append(held: Buffer, source: Uint8Array, start: number, end: number): void {
    held.set(source.subarray(start, end), this.#heldBytes);
    this.#heldBytes += end - start;
  }

  #roomFor(bytes: number): Buffer {
    const held = this.#held ?? Buffer.alloc(0);
    const needed = this.#heldBytes + bytes;
    if (needed <= held.length) return held;
    const larger = Buffer.allocUnsafe(Math.min(this.#heldTotal, 2 * needed));
    larger.set(held.subarray(0, this.#heldBytes));
    this.#held = larger;
    return larger;
  }

  #fail(reason: string): FrameEvent {
    this.malformed = malformed(reason);
    return 'malformed';
  }
}
