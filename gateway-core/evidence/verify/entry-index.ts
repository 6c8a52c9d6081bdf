import { hashBytes } from '../../audit/tree.js';

const chunkRows = 16_384;
const flags = { payload: 1, seen: 2 } as const;

interface Chunk {
  readonly indexes: Float64Array;
  /** -1: none. */
  readonly positions: Float64Array;
  readonly hashes: Uint8Array;
  readonly flags: Uint8Array;
}

/**
 * What the events have to fit: for each entry its place in the log and in the journal, and its leaf's hash. Numbers
 * only, 49 bytes an entry, so a million of them fit where their text does not.
 */
export class EntryIndex {
  readonly #chunks: Chunk[] = [];
  #size = 0;
  #hint = 0;

  get size(): number {
    return this.#size;
  }

  /** Ascending by `index`: the caller has checked. */
  add(index: number, position: number | undefined, leafHash: Uint8Array, hasPayload: boolean): void {
    const at = this.#size % chunkRows;
    if (at === 0)
      this.#chunks.push({
        indexes: new Float64Array(chunkRows),
        positions: new Float64Array(chunkRows),
        hashes: new Uint8Array(chunkRows * hashBytes),
        flags: new Uint8Array(chunkRows),
      });
    const chunk = this.#chunk(this.#size);
    chunk.indexes[at] = index;
    chunk.positions[at] = position ?? -1;
    chunk.hashes.set(leafHash, at * hashBytes);
    chunk.flags[at] = hasPayload ? flags.payload : 0;
    this.#size += 1;
  }

  #chunk(row: number): Chunk {
    const chunk = this.#chunks[Math.floor(row / chunkRows)];
    if (chunk === undefined) throw new RangeError('there is no such row');
    return chunk;
  }

  index(row: number): number {
    return this.#chunk(row).indexes[row % chunkRows] ?? -1;
  }

  /** Journal position; undefined: the event is not from a journal. */
  position(row: number): number | undefined {
    const position = this.#chunk(row).positions[row % chunkRows] ?? -1;
    return position < 0 ? undefined : position;
  }

  leafHash(row: number): Uint8Array {
    const at = (row % chunkRows) * hashBytes;
    return this.#chunk(row).hashes.subarray(at, at + hashBytes);
  }

  hasPayload(row: number): boolean {
    return ((this.#chunk(row).flags[row % chunkRows] ?? 0) & flags.payload) !== 0;
  }

  /** False when it was marked before. */
  mark(row: number): boolean {
    const chunk = this.#chunk(row);
    const at = row % chunkRows;
    const before = chunk.flags[at] ?? 0;
    chunk.flags[at] = before | flags.seen;
    return (before & flags.seen) === 0;
  }

  /** Indexes of the entries that nobody has marked. */
  *unmarked(): Generator<number> {
    for (let row = 0; row < this.#size; row += 1) {
      if (((this.#chunk(row).flags[row % chunkRows] ?? 0) & flags.seen) === 0) yield this.index(row);
    }
  }

  /** The row of an entry; undefined when it is not there. Quick for those that come in order. */
  find(index: number): number | undefined {
    for (let row = this.#hint; row < Math.min(this.#hint + 4, this.#size); row += 1) {
      if (this.index(row) === index) {
        this.#hint = row;
        return row;
      }
    }
    let low = 0;
    let high = this.#size - 1;
    while (low <= high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.index(middle);
      if (found === index) {
        this.#hint = middle;
        return middle;
      }
      if (found < index) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}
