import { type Column, RowFields } from '../../codec/postgres/backend.js';
import { writeRowDescription } from '../../codec/postgres/backend-writers.js';
import { int32At } from '../../codec/postgres/bytes.js';
import { type CopyTransformer, createCopyTransformer } from '../../codec/postgres/copy.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import type { StatementFacts } from '../../contract/sql.js';

/**
 * What happens to a value `[start, end)` of one column. undefined: it stays as it is. null: SQL NULL. The bytes are
 * those of the value's own format, and so is the answer.
 */
export type ValueMask = ((
  buffer: Uint8Array,
  start: number,
  end: number,
) => Uint8Array | null | undefined) & {
  /** NULL and empty values are masked like any other: being one of them can be the answer to a question. */
  readonly coversNull?: boolean;
};

/** What masks a column. `whole`: every value; else only those in which a detector finds something. */
export interface MarkedColumn {
  readonly rule: string;
  readonly whole: boolean;
}

/** Masks the rows of one result. `undefined` in `masks`: nothing in that column can need a mask. */
export class RowMasker {
  readonly #description: Uint8Array;
  readonly #masks: readonly (ValueMask | undefined)[];
  readonly #passes: boolean;
  readonly #rules: () => readonly (MarkedColumn | undefined)[];
  readonly #fields = new RowFields();
  readonly #writer = new MessageWriter();
  #maskedValues = 0;
  #marked: [number, number][] | undefined;
  #row = 0;

  /**
   * `keptName`: a column's name as it may be kept; whoever writes a query can put anything into an alias. `rules`: what
   * masks each column, asked for only where a client wants to know.
   */
  constructor(
    columns: readonly Column[],
    masks: readonly (ValueMask | undefined)[],
    keptName: (name: string) => string,
    rules: () => readonly (MarkedColumn | undefined)[],
  ) {
    this.#masks = masks;
    this.#rules = rules;
    this.#passes = masks.every((mask) => mask === undefined);
    writeRowDescription(
      this.#writer,
      columns.map((column) => ({ ...column, name: keptName(column.name) })),
    );
    this.#description = this.#writer.take();
  }

  /** RowDescription as the record keeps it. */
  get description(): Uint8Array {
    return this.#description;
  }

  /** What masks each column, for a client that shows it. */
  get rules(): readonly (MarkedColumn | undefined)[] {
    return this.#rules();
  }

  /** Values masked since the last call. */
  takeMaskedValues(): number {
    const count = this.#maskedValues;
    this.#maskedValues = 0;
    return count;
  }

  /**
   * A run of DataRow messages. undefined: all of it may pass as it is. Else the same messages, masked. `marked` gets
   * row (in this run) and column of every value that was replaced.
   */
  mask(
    buffer: Uint8Array,
    start: number,
    end: number,
    marked?: [row: number, column: number][],
  ): Uint8Array | 'malformed' | undefined {
    if (this.#passes) return undefined;
    this.#marked = marked;
    this.#row = 0;
    let changed = false;
    /** First byte that is not in the writer yet. */
    let copied = start;
    let at = start;
    while (at < end) {
      const next = at + 1 + int32At(buffer, at + 1);
      if (!this.#fields.read(buffer, at + 5, next)) return 'malformed';
      if (this.#fields.count !== this.#masks.length) return 'malformed';
      if (this.#maskRow(buffer, copied, at)) {
        changed = true;
        copied = next;
      }
      this.#row += 1;
      at = next;
    }
    if (!changed) return undefined;
    this.#writer.bytes(buffer, copied, end);
    return this.#writer.take();
  }

  /** Writes what lies between `from` and the row, and the row itself, if a value of it is replaced. */
  #maskRow(buffer: Uint8Array, from: number, row: number): boolean {
    const { starts, lengths, count } = this.#fields;
    const masks = this.#masks;
    let open = false;
    let done = 0;
    for (let index = 0; index < count; index += 1) {
      const mask = masks[index];
      const length = lengths[index] as number;
      if (mask === undefined || (length <= 0 && mask.coversNull !== true)) continue;
      const start = starts[index] as number;
      const replaced = mask(buffer, start, start + Math.max(0, length));
      if (replaced === undefined || (replaced === null && length < 0)) continue;
      if (!open) {
        this.#writer.bytes(buffer, from, row);
        this.#writer.begin(backendTypes.dataRow).int16(count);
        open = true;
        done = row + 7;
      }
      // Everything from the last written value up to this one's length field is as it was.
      this.#writer.bytes(buffer, done, start - 4);
      if (replaced === null) this.#writer.int32(-1);
      else this.#writer.int32(replaced.length).bytes(replaced);
      done = start + Math.max(0, length);
      this.#maskedValues += 1;
      this.#marked?.push([this.#row, index]);
    }
    if (!open) return false;
    const end = count === 0 ? row + 7 : endOfRow(buffer, row);
    this.#writer.bytes(buffer, done, end).end();
    return true;
  }
}

function endOfRow(buffer: Uint8Array, row: number): number {
  return row + 1 + int32At(buffer, row + 1);
}

/** Masks COPY data line by line. */
export class CopyMasker {
  readonly #transformer: CopyTransformer;

  constructor(transformer: CopyTransformer) {
    this.#transformer = transformer;
  }

  get rows(): number {
    return this.#transformer.rows;
  }

  get replaced(): number {
    return this.#transformer.replaced;
  }

  /** Masked bytes of the lines that are complete; undefined when the data is not in its format. */
  push(piece: Uint8Array): Uint8Array | undefined {
    const masked = this.#transformer.push(piece);
    return 'kind' in masked ? undefined : masked;
  }

  /** False: the data ended inside a line. */
  end(): boolean {
    return this.#transformer.end() === undefined;
  }
}

/** A masker for the data of a COPY statement. `masks(index)`: the mask of the column at that place. */
export function copyMasker(
  copy: NonNullable<StatementFacts['copy']>,
  masks: (column: number) => ValueMask | undefined,
): CopyMasker {
  const known: (ValueMask | undefined)[] = [];
  const transformer = createCopyTransformer(copy, (buffer, start, end, column) => {
    if (column >= known.length)
      for (let at = known.length; at <= column; at += 1) {
        const mask = masks(at);
        // COPY leaves NULL as it is: where NULL would tell something, all of the column becomes NULL.
        known.push(mask?.coversNull === true ? () => null : mask);
      }
    return known[column]?.(buffer, start, end);
  });
  return new CopyMasker(transformer);
}
