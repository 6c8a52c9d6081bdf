import { RowFields } from '../../codec/postgres/backend.js';
import { int32At } from '../../codec/postgres/bytes.js';
import { sqlLimits } from './limits.js';

/** A list of numbers that grows without making an object for each. */
class Numbers {
  #values = new Uint32Array(16);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Uint32Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length] = value;
    this.length += 1;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  get byteLength(): number {
    return this.#values.byteLength;
  }
}

export interface Cell {
  /** Characters from the beginning, as many as were asked for; null: SQL NULL. */
  readonly text: string | null;
  /** Bytes of the whole value. */
  readonly bytes: number;
}

/**
 * The rows of one result as they came over the wire, in chunks: a million rows take what they took there and twelve
 * bytes each. Values become text when somebody looks at them.
 */
export class RowStore {
  readonly #chunks: Buffer[] = [];
  #used = 0;
  readonly #chunkOf = new Numbers();
  readonly #startOf = new Numbers();
  readonly #endOf = new Numbers();
  /** Row and column of masked cells, in the order in which rows came. */
  readonly #maskedRows = new Numbers();
  readonly #maskedColumns = new Numbers();
  readonly #fields = new RowFields();
  #contentBytes = 0;
  #chunkBytes = 0;

  get rows(): number {
    return this.#chunkOf.length;
  }

  /** What it takes of memory: chunks count as they are allocated, whatever of them is filled. */
  get bytes(): number {
    return this.#chunkBytes + this.#chunkOf.byteLength * 3 + this.#maskedRows.byteLength * 2;
  }

  get contentBytes(): number {
    return this.#contentBytes;
  }

  get maskedCells(): number {
    return this.#maskedRows.length;
  }

  /** Takes a run of DataRow messages. False: one of them is malformed. */
  add(buffer: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const next = at + 1 + int32At(buffer, at + 1);
      if (!this.#fields.read(buffer, at + 5, next)) return false;
      this.addRow(buffer, at + 5, next);
      at = next;
    }
    return true;
  }

  /** A row's body: field count, then length and bytes of each. */
  addRow(buffer: Uint8Array, start: number, end: number): void {
    const length = end - start;
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.length - this.#used < length) {
      // As large as all before: a script of thousands of small answers must not hold a full chunk for each.
      const wanted = Math.min(Math.max(this.#chunkBytes, sqlLimits.chunkBytesMin), sqlLimits.chunkBytes);
      chunk = Buffer.allocUnsafeSlow(Math.max(length, wanted));
      this.#chunks.push(chunk);
      this.#chunkBytes += chunk.length;
      this.#used = 0;
    }
    chunk.set(buffer.subarray(start, end), this.#used);
    this.#chunkOf.push(this.#chunks.length - 1);
    this.#startOf.push(this.#used);
    this.#endOf.push(this.#used + length);
    this.#used += length;
    this.#contentBytes += length;
  }

  /** A masked cell of a row that comes next or later. Rows never go back. */
  mark(row: number, column: number): void {
    this.#maskedRows.push(row);
    this.#maskedColumns.push(column);
  }

  /** Forgets the marks of rows that did not come yet; how many they were. */
  takeMarksAhead(): number {
    const first = this.#firstMark(this.rows);
    const count = this.#maskedRows.length - first;
    this.#maskedRows.length = first;
    this.#maskedColumns.length = first;
    return count;
  }

  /** Place of the first mark of this row or a later one. */
  #firstMark(row: number): number {
    let low = 0;
    let high = this.#maskedRows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#maskedRows.at(middle) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Columns of a row that hold masked values. */
  maskedIn(row: number): number[] {
    let low = this.#firstMark(row);
    const columns: number[] = [];
    for (; low < this.#maskedRows.length && this.#maskedRows.at(low) === row; low += 1)
      columns.push(this.#maskedColumns.at(low));
    return columns;
  }

  /** Columns of the row that is read next by `value` and `piece`; -1: there is no such row. */
  read(row: number): number {
    const chunk = this.#chunks[this.#chunkOf.at(row)];
    if (row >= this.rows || chunk === undefined) return -1;
    return this.#fields.read(chunk, this.#startOf.at(row), this.#endOf.at(row)) ? this.#fields.count : -1;
  }

  /** A value of the row that `read` was called for: a view, or null. */
  value(row: number, column: number): Buffer | null {
    const chunk = this.#chunks[this.#chunkOf.at(row)];
    const length = this.#fields.lengths[column] ?? -1;
    if (chunk === undefined || column >= this.#fields.count || length < 0) return null;
    const start = this.#fields.starts[column] ?? 0;
    return chunk.subarray(start, start + length);
  }

  /** The beginning of a value, without decoding the rest of it. */
  cell(row: number, column: number, charactersMax: number): Cell {
    const value = this.value(row, column);
    if (value === null) return { text: null, bytes: 0 };
    return { text: beginning(value, charactersMax), bytes: value.length };
  }
}

/** At most so many UTF-16 units of a UTF-8 text, never half a character. */
export function beginning(value: Buffer, charactersMax: number): string {
  // A character takes four bytes at most; what is cut in two at the end falls away with the slice.
  const text = value.toString('utf8', 0, Math.min(value.length, charactersMax * 4));
  if (text.length <= charactersMax) return value.length <= charactersMax * 4 ? text : text.slice(0, -1);
  const code = text.charCodeAt(charactersMax - 1);
  return text.slice(0, code >= 0xd800 && code < 0xdc00 ? charactersMax - 1 : charactersMax);
}
