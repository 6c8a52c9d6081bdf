import { createHash, type Hash } from 'node:crypto';
import type { ShowRecorder } from './options.js';

/** Takes down that a result was kept as a file. */
export type Keeper = (file: {
  readonly format: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}) => void;

/** Hashes the results of one session as they come, and takes each down when it is over. */
export class ShownResults {
  readonly #recorder: ShowRecorder;
  #number = 0;
  #current: { readonly columns: number; rows: number; readonly hash: Hash } | undefined;

  constructor(recorder: ShowRecorder) {
    this.#recorder = recorder;
  }

  begin(columns: number): void {
    this.end(false);
    this.#number += 1;
    this.#current = { columns, rows: 0, hash: createHash('sha256') };
  }

  /** A run of DataRow messages: Int8 'D', Int32 length, itself included. */
  rows(buffer: Uint8Array, start: number, end: number): void {
    const current = this.#current;
    if (current === undefined) return;
    current.hash.update(buffer.subarray(start, end));
    const view = new DataView(buffer.buffer, buffer.byteOffset);
    for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) current.rows += 1;
  }

  end(complete: boolean): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const { columns, rows, hash } = current;
    this.#recorder.shown({ result: this.#number, columns, rows, sha256: hash.digest('hex'), complete });
  }

  /** For files with rows of the result that comes now. */
  keeper(): Keeper {
    const result = this.#number;
    return (file) => this.#recorder.kept({ result, ...file });
  }
}
