import type { Writable } from 'node:stream';
import type { Appended, Permit } from '../../contract/decision.js';

/** Held back until its intent is kept. */
interface Slot {
  pieces: readonly Uint8Array[];
  /** Bytes that wait because of it, also while it has no pieces yet. */
  bytes: number;
  open: boolean;
}

/**
 * The only way to the target. Bytes leave in the order in which they were queued; a statement leaves only with its
 * permit and with the proof that its intent is in the journal: without both there is nothing to call.
 */
export class UpstreamQueue {
  readonly #stream: Writable;
  #slots: Slot[] = [];
  /** First slot that has not left: taking one must stay cheap however many wait. */
  #head = 0;
  #paused = false;
  #closed = false;
  #bytes = 0;
  readonly #onEmpty: () => void;

  /** `onEmpty`: called when nothing waits here any more. */
  constructor(stream: Writable, onEmpty: () => void) {
    this.#stream = stream;
    this.#onEmpty = onEmpty;
  }

  /** Bytes that wait here. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /** Protocol upkeep that runs nothing by itself: Bind, Describe, Close, Sync, Flush, COPY data of a judged COPY. */
  upkeep(bytes: Uint8Array): void {
    this.#push({ pieces: [bytes], bytes: bytes.length, open: true });
  }

  /** A text that is analysed but not run: Parse. */
  prepare(bytes: Uint8Array, _permit: Permit): void {
    this.#push({ pieces: [bytes], bytes: bytes.length, open: true });
  }

  /** Keeps a place in the order for a statement of `bytes` whose intent is being written. */
  reserve(bytes: number): {
    send: (pieces: readonly Uint8Array[], permit: Permit, appended: Appended) => void;
    drop: () => void;
  } {
    const slot: Slot = { pieces: [], bytes, open: false };
    this.#push(slot);
    return {
      send: (pieces, _permit, _appended) => {
        slot.pieces = pieces;
        slot.open = true;
        this.#flush();
      },
      drop: () => {
        slot.open = true;
        this.#flush();
      },
    };
  }

  /** Holds everything back, so that a cancel that is under way cannot meet the next statement. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  /** Nothing leaves any more, whatever is queued or permitted from now on. */
  close(): void {
    this.#closed = true;
    this.#slots = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #push(slot: Slot): void {
    if (this.#closed) return;
    this.#bytes += slot.bytes;
    this.#slots.push(slot);
    this.#flush();
  }

  #flush(): void {
    if (this.#paused || this.#slots[this.#head]?.open !== true) return;
    const stream = this.#stream;
    // Corked, even one write goes the long way, through the stream's own buffer.
    const several = this.#slots.length - this.#head > 1 || (this.#slots[this.#head]?.pieces.length ?? 0) > 1;
    if (several) stream.cork();
    for (let slot = this.#slots[this.#head]; slot?.open === true; slot = this.#slots[this.#head]) {
      this.#bytes -= slot.bytes;
      for (const piece of slot.pieces) if (!stream.destroyed) stream.write(piece);
      slot.pieces = [];
      this.#head += 1;
    }
    if (several) stream.uncork();
    if (this.#head * 2 < this.#slots.length) return;
    this.#slots = this.#slots.slice(this.#head);
    this.#head = 0;
    if (this.#slots.length === 0) this.#onEmpty();
  }
}
