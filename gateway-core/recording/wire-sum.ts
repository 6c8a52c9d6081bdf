import { createHash, type Hash } from 'node:crypto';
import { type WireSum, wireBlockBytes, wireSaltBytes } from '../contract/local-record.js';

/** Where a block is cut: everything up to its 64 KiB, and the stream's last one where it ends. */
export interface WireBlock {
  /** Counted from 0. */
  readonly number: number;
  readonly bytes: number;
  /** SHA-256 over salt and block, 32 bytes. */
  readonly hash: Buffer;
}

/**
 * Hashes one direction of a raw stream as both seats do (contract/local-record.ts): SHA-256 over the salt and each
 * block of `wireBlockBytes`, and SHA-256 over the hashes of all blocks. How the stream was cut into chunks makes no
 * difference. Nothing is copied or kept; a small chunk costs one call of the hash.
 */
export class WireHash {
  readonly #salt: Uint8Array;
  readonly #onBlock: ((block: WireBlock) => void) | undefined;
  readonly #all = createHash('sha256');
  #block: Hash | undefined;
  #blockBytes = 0;
  #blocks = 0;
  #bytes = 0;
  #sum: WireSum | undefined;

  /** `salt` is of the session. `onBlock` gets every block once it is whole, and the last one, cut or not, in `finish`. */
  constructor(salt: Uint8Array, onBlock?: (block: WireBlock) => void) {
    if (salt.length !== wireSaltBytes) throw new RangeError(`a salt has ${wireSaltBytes} bytes`);
    this.#salt = salt;
    this.#onBlock = onBlock;
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk is read before this returns. After `finish` it is a mistake of the caller and throws. */
  update(chunk: Uint8Array): void {
    if (this.#sum !== undefined) throw new Error('the stream was hashed to its end already');
    let rest = chunk;
    while (rest.length > 0) {
      const room = wireBlockBytes - this.#blockBytes;
      const piece = rest.length <= room ? rest : rest.subarray(0, room);
      this.#block ??= createHash('sha256').update(this.#salt);
      this.#block.update(piece);
      this.#blockBytes += piece.length;
      this.#bytes += piece.length;
      if (this.#blockBytes === wireBlockBytes) this.#cut();
      if (piece === rest) return;
      rest = rest.subarray(piece.length);
    }
  }

  /** The sum of what came. Again: the same. Of no byte at all: SHA-256 of nothing. */
  finish(): WireSum {
    if (this.#sum === undefined) {
      this.#cut();
      this.#sum = { bytes: this.#bytes, blocks: this.#all.digest('hex') };
    }
    return this.#sum;
  }

  #cut(): void {
    if (this.#block === undefined) return;
    const hash = this.#block.digest();
    const block = { number: this.#blocks, bytes: this.#blockBytes, hash };
    this.#all.update(hash);
    this.#block = undefined;
    this.#blockBytes = 0;
    this.#blocks += 1;
    this.#onBlock?.(block);
  }
}
