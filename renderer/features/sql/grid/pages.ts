import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import type { RowPage } from '../../../../gateway-core/contract/bridge/sql.js';

/** Cells of one page at most: a page of a wide result has fewer rows. */
const pageCellsMax = 5000;
const pageRowsMost = 500;
const pageRowsLeast = 8;
/** Characters of all pages that are kept. */
const charactersMax = 24_000_000;
/** Pages on their way at once: what is scrolled past quickly is not asked for. */
const requestsMax = 2;
const retryDelayMs = 1000;

export function rowsPerPage(columns: number): number {
  const fitting = Math.floor(pageCellsMax / Math.max(1, columns));
  return Math.min(pageRowsMost, Math.max(pageRowsLeast, fitting));
}

/** One row as it was read. */
export interface Row {
  readonly cells: readonly (string | null)[];
  /** Its number in the result itself. */
  readonly number: number;
  /** The rule that masks the value in a column. */
  maskOf(column: number): string | undefined;
  /** Characters of the whole value, where only its beginning was read. */
  cutOf(column: number): number | undefined;
}

interface Page {
  readonly rows: readonly Row[];
  readonly characters: number;
}

/**
 * The rows of one result, read page by page as they are looked at. What was looked at lately is kept; what is asked
 * for is what is seen now, not what was scrolled past.
 */
export class Pages {
  readonly #fetch: (from: number, count: number) => Promise<RowPage>;
  readonly #changed: () => void;
  readonly #size: number;
  /** In order of their last use. */
  readonly #pages = new Map<number, Page>();
  readonly #asked = new Set<number>();
  #characters = 0;
  #rows: number;
  #wanted: readonly number[] = [];
  #generation = 0;
  #problem: BridgeError | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failureOf: (cause: unknown) => BridgeError;

  constructor(options: {
    readonly rows: number;
    readonly columns: number;
    readonly fetch: (from: number, count: number) => Promise<RowPage>;
    /** Rows arrived, or could not be read. */
    readonly changed: () => void;
    readonly failureOf: (cause: unknown) => BridgeError;
  }) {
    this.#rows = options.rows;
    this.#fetch = options.fetch;
    this.#changed = options.changed;
    this.#failureOf = options.failureOf;
    this.#size = rowsPerPage(options.columns);
  }

  get rows(): number {
    return this.#rows;
  }
  /** Why rows that are wanted are not there. */
  get problem(): BridgeError | undefined {
    return this.#problem;
  }

  /** More rows were loaded. Pages stay, the last one is read again when it is looked at. */
  grow(rows: number): void {
    this.#rows = rows;
  }

  /** Another order or filter: nothing that was read holds any more. */
  reset(rows: number): void {
    this.#rows = rows;
    this.#generation += 1;
    this.#pages.clear();
    this.#asked.clear();
    this.#characters = 0;
    this.#wanted = [];
    this.#problem = undefined;
  }

  /** A row, if it was read. */
  row(index: number): Row | undefined {
    return this.#pages.get(Math.floor(index / this.#size))?.rows[index % this.#size];
  }

  /** Says what is seen now, and whither it moves: what comes next is read ahead. */
  want(from: number, to: number, direction: -1 | 0 | 1): void {
    const first = Math.floor(Math.max(0, from) / this.#size);
    const last = Math.floor(Math.max(0, Math.min(to, this.#rows) - 1) / this.#size);
    const wanted: number[] = [];
    for (let page = first; page <= last && this.#rows > 0; page++) wanted.push(page);
    if (direction > 0) wanted.push(last + 1);
    else if (direction < 0) wanted.reverse().push(first - 1);
    this.#wanted = wanted.filter((page) => page >= 0 && page * this.#size < this.#rows);
    for (const page of this.#wanted) this.#touch(page);
    this.#pump();
  }

  /**
   * Rows of a range, read where they are not there. For copying: does not disturb what is kept.
   * @returns undefined when the view changed meanwhile, so that rows of two orders never get mixed
   */
  async range(from: number, to: number): Promise<Row[] | undefined> {
    const generation = this.#generation;
    const rows: Row[] = [];
    for (let at = from; at < to; ) {
      const known = this.row(at);
      if (known === undefined) {
        const start = Math.floor(at / this.#size) * this.#size;
        const read = toRows(await this.#fetch(start, Math.min(this.#size, this.#rows - start)));
        if (generation !== this.#generation) return undefined;
        const part = read.slice(at - start, Math.min(read.length, to - start));
        if (part.length === 0) break;
        rows.push(...part);
        at += part.length;
      } else {
        rows.push(known);
        at += 1;
      }
    }
    return rows;
  }

  /** Forgets what waits. */
  dispose(): void {
    this.reset(0);
    clearTimeout(this.#retry);
  }

  #touch(page: number): void {
    const held = this.#pages.get(page);
    if (held === undefined) return;
    this.#pages.delete(page);
    this.#pages.set(page, held);
  }

  #complete(page: number): boolean {
    const held = this.#pages.get(page);
    return held !== undefined && held.rows.length >= Math.min(this.#size, this.#rows - page * this.#size);
  }

  #pump(): void {
    for (const page of this.#wanted) {
      if (this.#asked.size >= requestsMax) return;
      if (!this.#asked.has(page) && !this.#complete(page) && this.#retry === undefined) void this.#read(page);
    }
  }

  async #read(page: number): Promise<void> {
    const generation = this.#generation;
    const from = page * this.#size;
    this.#asked.add(page);
    try {
      const answer = await this.#fetch(from, Math.min(this.#size, this.#rows - from));
      if (generation !== this.#generation) return;
      this.#problem = undefined;
      this.#keep(page, toRows(answer));
    } catch (cause) {
      if (generation !== this.#generation) return;
      this.#problem = this.#failureOf(cause);
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.#pump();
      }, retryDelayMs);
    }
    this.#asked.delete(page);
    this.#changed();
    this.#pump();
  }

  #keep(page: number, rows: readonly Row[]): void {
    this.#drop(page);
    let characters = 0;
    for (const { cells } of rows) for (const cell of cells) characters += (cell?.length ?? 0) + 8;
    this.#pages.set(page, { rows, characters });
    this.#characters += characters;
    for (const oldest of this.#pages.keys()) {
      if (this.#characters <= charactersMax) return;
      if (oldest !== page && !this.#wanted.includes(oldest)) this.#drop(oldest);
    }
  }

  #drop(page: number): void {
    this.#characters -= this.#pages.get(page)?.characters ?? 0;
    this.#pages.delete(page);
  }
}

function toRows(page: RowPage): Row[] {
  const masked = new Map<number, Map<number, string>>();
  for (const [row, column, rule] of page.masked) put(masked, row, column, rule);
  const cut = new Map<number, Map<number, number>>();
  for (const [row, column, characters] of page.cut) put(cut, row, column, characters);
  return page.rows.map((cells, at) => {
    const [rules, lengths] = [masked.get(at), cut.get(at)];
    return {
      cells,
      number: page.numbers[at] ?? page.from + at,
      maskOf: (column) => rules?.get(column),
      cutOf: (column) => lengths?.get(column),
    };
  });
}

function put<T>(map: Map<number, Map<number, T>>, row: number, column: number, value: T): void {
  const inner = map.get(row);
  if (inner === undefined) map.set(row, new Map([[column, value]]));
  else inner.set(column, value);
}
