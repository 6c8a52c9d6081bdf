import type { FileStream } from '../../contract/data-streams.js';
import type { StreamMasker } from '../../masking/stream-masker.js';
import type { Use } from './use.js';

interface Kept {
  readonly masker: StreamMasker;
  bytes: number;
}

/**
 * Puts the beginning of what moves through one open file into the record, each way up to a bound, with values masked at
 * their length. What is hashed is the file as it was; what is kept is its masked copy.
 */
export class FileKeeper {
  readonly #use: Use;
  readonly #bytesMax: number;
  readonly #newMasker: () => StreamMasker;
  readonly #ways = new Map<FileStream, Kept>();

  constructor(use: Use, bytesMax: number, newMasker: () => StreamMasker) {
    this.#use = use;
    this.#bytesMax = bytesMax;
    this.#newMasker = newMasker;
  }

  /** The next bytes of the file, which may be used until this returns. True: some of them are kept. */
  take(stream: FileStream, data: Uint8Array): boolean {
    let kept = this.#ways.get(stream);
    if (kept === undefined) this.#ways.set(stream, (kept = { masker: this.#newMasker(), bytes: 0 }));
    const taken = data.subarray(0, Math.max(0, this.#bytesMax - kept.bytes));
    if (taken.length === 0) return false;
    kept.bytes += taken.length;
    this.#use.keep(stream, kept.masker.push(taken), true);
    return true;
  }

  /** What is held back goes into the record. Returns how many bytes are in there, both ways together. */
  end(): number {
    let bytes = 0;
    for (const [stream, kept] of this.#ways) {
      this.#use.keep(stream, kept.masker.flush(), true);
      this.#use.maskedValues += kept.masker.masked;
      bytes += kept.bytes;
    }
    return bytes;
  }
}
