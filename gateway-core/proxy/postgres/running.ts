import { createHash, type Hash } from 'node:crypto';
import type { Judged } from './judged.js';
import type { CopyMasker, RowMasker } from './result-masker.js';

/** One statement from the moment it is sent until its outcome is in the journal. */
export class Running {
  readonly seq: number;
  readonly judged: Judged;
  readonly startedUs: number;
  rows = 0;
  bytes = 0;
  maskedValues = 0;
  rowMasker: RowMasker | undefined;
  copyMasker: CopyMasker | undefined;
  /** Masks the record of what the client copies in; what goes to the target is the client's own. */
  copyInMasker: CopyMasker | undefined;
  ended = false;
  /** What is still kept of its result; past that only counts and a hash. */
  #keepBytes: number;
  #restBytes = 0;
  #restHash: Hash | undefined;

  constructor(seq: number, judged: Judged, startedUs: number, keepBytes: number) {
    this.seq = seq;
    this.judged = judged;
    this.startedUs = startedUs;
    this.#keepBytes = keepBytes;
  }

  /** True: `bytes` belong into the record. False: they were only counted and hashed, since the result is past its cap. */
  keeps(bytes: Uint8Array): boolean {
    if (this.#restHash === undefined && bytes.length <= this.#keepBytes) {
      this.#keepBytes -= bytes.length;
      return true;
    }
    // Once over the cap everything after it is in the hash, also a small piece that would still fit: the record is a prefix.
    this.#restHash ??= createHash('sha256');
    this.#restHash.update(bytes);
    this.#restBytes += bytes.length;
    return false;
  }

  /** Bytes and SHA-256 of the masked result past the cap; undefined when all of it was kept. */
  rest(): { bytes: number; sha256: string } | undefined {
    if (this.#restHash === undefined) return undefined;
    return { bytes: this.#restBytes, sha256: this.#restHash.digest('hex') };
  }
}
