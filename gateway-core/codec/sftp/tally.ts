import { createHash, type Hash } from 'node:crypto';
import { sftpLimits } from './limits.js';

/** What was moved through one handle, in one direction. */
export interface Moved {
  readonly bytes: number;
  /** Hex, of the bytes from the file's start on without a gap; undefined: they were not moved so, or not all arrived. */
  readonly sha256: string | undefined;
  /** The bytes that were hashed are the file as it was: read to its end, or written into an empty file. */
  readonly whole: boolean;
}

/** The next bytes of a file; good until this returns. */
export type InOrder = (data: Uint8Array) => void;

/** Bytes that are held for all handles of a channel. */
export interface ReorderBudget {
  heldBytes: number;
}

/**
 * Hashes one direction of one handle. Pipelined requests may be answered out of order, so what comes early is held, up to
 * a bound; beyond it, or where bytes come twice, there is no hash: it says so instead of guessing.
 */
export class DirectionTally {
  #bytes = 0;
  #hash: Hash | undefined = createHash('sha256');
  /** All bytes before this one were hashed. */
  #next = 0;
  /** Runs of bytes that came early, by their first byte and by the byte behind their last. */
  readonly #early = new Map<number, EarlyRun>();
  readonly #earlyByEnd = new Map<number, EarlyRun>();
  #earlyBytes = 0;
  #endAt: number | undefined;
  readonly #budget: ReorderBudget;
  readonly #inOrder: InOrder | undefined;

  /** `inOrder` is given what is hashed, as it is hashed. */
  constructor(budget: ReorderBudget, inOrder?: InOrder) {
    this.#budget = budget;
    this.#inOrder = inOrder;
  }

  /** The next bytes of what began at some offset; `offset` is where these ones belong. */
  add(offset: number, data: Uint8Array): void {
    this.#bytes += data.length;
    if (this.#hash === undefined || data.length === 0) return;
    if (offset < this.#next) return this.lose();
    if (offset > this.#next) return this.#keep(offset, data);
    this.#take(data);
    this.#next += data.length;
    this.#useEarly();
  }

  /** The file ends here. */
  end(offset: number): void {
    this.#endAt = Math.min(offset, this.#endAt ?? offset);
  }

  /** What was moved is not what a reader of the whole file would see. */
  lose(): void {
    this.#hash = undefined;
    this.#drop();
  }

  /** To be asked once, at the end. `complete`: what was moved is the whole file, because it was empty before. */
  result(complete = false): Moved {
    const gap = this.#early.size > 0;
    this.#drop();
    const sha256 = gap || this.#bytes === 0 ? undefined : this.#hash?.digest('hex');
    return {
      bytes: this.#bytes,
      sha256,
      whole: sha256 !== undefined && (complete || this.#endAt === this.#next),
    };
  }

  #keep(offset: number, data: Uint8Array): void {
    this.#hold(data.length + pieceOverheadBytes);
    const tooMuch =
      this.#earlyBytes > sftpLimits.reorderBytesMax ||
      this.#budget.heldBytes > sftpLimits.reorderBytesMaxOfChannel;
    if (tooMuch) return this.lose();
    // Pieces of one packet come one behind the other; they are one run.
    const run = this.#earlyByEnd.get(offset) ?? { start: offset, end: offset, pieces: [] };
    if (run.pieces.length === 0 && this.#early.has(offset)) return this.lose();
    this.#earlyByEnd.delete(offset);
    // Copied: views alias memory that is not ours to keep.
    run.pieces.push(Uint8Array.from(data));
    run.end += data.length;
    this.#early.set(run.start, run);
    this.#earlyByEnd.set(run.end, run);
  }

  #useEarly(): void {
    for (let run = this.#early.get(this.#next); run !== undefined; run = this.#early.get(this.#next)) {
      this.#early.delete(run.start);
      this.#earlyByEnd.delete(run.end);
      for (const piece of run.pieces) {
        this.#take(piece);
        this.#hold(-piece.length - pieceOverheadBytes);
      }
      this.#next = run.end;
    }
  }

  #take(data: Uint8Array): void {
    this.#hash?.update(data);
    this.#inOrder?.(data);
  }

  #hold(bytes: number): void {
    this.#earlyBytes += bytes;
    this.#budget.heldBytes += bytes;
  }

  #drop(): void {
    this.#hold(-this.#earlyBytes);
    this.#early.clear();
    this.#earlyByEnd.clear();
  }
}

interface EarlyRun {
  readonly start: number;
  end: number;
  readonly pieces: Uint8Array[];
}

/** What a piece costs besides its bytes, so that many tiny ones are bounded as well. */
const pieceOverheadBytes = 128;
