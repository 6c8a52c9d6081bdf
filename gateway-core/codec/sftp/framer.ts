import { type Malformed, malformed } from './bytes.js';
import { sftpLimits } from './limits.js';

/**
 * packet: a whole packet, or the head of one whose data follows. piece: the next part of that data; `last` ends it, and
 * comes also when there is none. malformed: the stream is lost, and says so again at each push.
 */
export type SftpEvent<Packet> =
  | { readonly kind: 'packet'; readonly packet: Packet; readonly raw: Uint8Array }
  | { readonly kind: 'piece'; readonly data: Uint8Array; readonly last: boolean }
  | Malformed;

interface Grammar<Packet> {
  /** The type whose data comes in pieces. */
  readonly streamed: number;
  /** Before the data stand a handle and an offset (WRITE), or nothing (DATA). */
  readonly handle: boolean;
  /** Reads `bytes`, from the length field on. */
  readonly read: (bytes: Uint8Array) => Packet | Malformed;
}

const headBytes = 5;
const nothing: Uint8Array = new Uint8Array(0);

/**
 * Cuts one direction of a channel into packets (section 3: uint32 length, type, body).
 * INVARIANT: of a packet that spans chunks at most twice what arrived is held, and never more than `packetBytesMax`;
 * of data nothing is held.
 * INVARIANT: memory that was given out is not written to again.
 */
export class SftpFramer<Packet> {
  readonly #grammar: Grammar<Packet>;
  #held: Uint8Array = nothing;
  #heldBytes = 0;
  #dataLeft = 0;
  #malformed: Malformed | undefined;
  #events: SftpEvent<Packet>[] = [];

  constructor(grammar: Grammar<Packet>) {
    this.#grammar = grammar;
  }

  get heldBytes(): number {
    return this.#heldBytes + this.#dataLeft;
  }

  push(chunk: Uint8Array): readonly SftpEvent<Packet>[] {
    this.#events = [];
    let at = 0;
    while (this.#malformed === undefined && at < chunk.length) {
      at = this.#dataLeft > 0 ? this.#data(chunk, at) : this.#packet(chunk, at);
    }
    if (this.#malformed !== undefined) {
      this.#held = nothing;
      this.#events.push(this.#malformed);
    }
    return this.#events;
  }

  #data(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#dataLeft);
    this.#dataLeft -= end - at;
    this.#events.push({ kind: 'piece', data: chunk.subarray(at, end), last: this.#dataLeft === 0 });
    return end;
  }

  /** One packet, or the chunk's end put aside. Returns where to go on. */
  #packet(chunk: Uint8Array, from: number): number {
    let at = from;
    for (;;) {
      const bytes = this.#heldBytes > 0 ? this.#held.subarray(0, this.#heldBytes) : chunk.subarray(at);
      const wanted = this.#wanted(bytes);
      if (wanted === undefined) return chunk.length;
      if (bytes.length >= wanted) {
        this.#give(bytes.subarray(0, wanted));
        if (this.#heldBytes === 0) return at + wanted;
        this.#held = nothing;
        this.#heldBytes = 0;
        return at;
      }
      if (at === chunk.length) return at;
      const end = Math.min(chunk.length, at + wanted - this.#heldBytes);
      this.#hold(chunk.subarray(at, end), wanted);
      at = end;
    }
  }

  #hold(bytes: Uint8Array, wanted: number): void {
    const needed = this.#heldBytes + bytes.length;
    if (needed > this.#held.length) {
      const doubled = Math.max(needed, 2 * this.#held.length, sftpLimits.assemblyBytesInitial);
      const grown = new Uint8Array(Math.min(doubled, Math.max(wanted, needed)));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = needed;
  }

  /** How many bytes of the packet must be there before it can go on; undefined: it is malformed. */
  #wanted(bytes: Uint8Array): number | undefined {
    if (bytes.length < headBytes) return headBytes;
    const length = uint32At(bytes, 0);
    if (length < 1) return this.#fail('a packet of no bytes');
    if (length > sftpLimits.packetBytesMax) return this.#fail('a packet larger than the limit');
    if (bytes[4] !== this.#grammar.streamed) return 4 + length;
    const beforeData = this.#beforeData(bytes);
    if (beforeData === undefined || bytes.length < beforeData) return beforeData;
    const data = uint32At(bytes, beforeData - 4);
    return beforeData + data === 4 + length
      ? beforeData
      : this.#fail('data of another length than its packet');
  }

  /** Bytes before the data, its length field included, as far as it is known. */
  #beforeData(bytes: Uint8Array): number | undefined {
    const idEnd = headBytes + 4;
    if (!this.#grammar.handle || bytes.length < idEnd + 4) return idEnd + 4;
    const handle = uint32At(bytes, idEnd);
    if (handle > sftpLimits.handleBytesMax) return this.#fail('a handle larger than the limit');
    return idEnd + 4 + handle + 8 + 4;
  }

  #give(raw: Uint8Array): void {
    const packet = this.#grammar.read(raw);
    if (isMalformed(packet)) {
      this.#malformed = packet;
      return;
    }
    this.#events.push({ kind: 'packet', packet, raw });
    if (raw[4] !== this.#grammar.streamed) return;
    this.#dataLeft = uint32At(raw, raw.length - 4);
    if (this.#dataLeft === 0) this.#events.push({ kind: 'piece', data: nothing, last: true });
  }

  #fail(reason: string): undefined {
    this.#malformed = malformed(reason);
    return undefined;
  }
}

function isMalformed(value: unknown): value is Malformed {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'malformed';
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}
