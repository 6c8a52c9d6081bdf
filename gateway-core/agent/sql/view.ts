import type { ResultColumn, ResultView } from '../../contract/bridge/sql.js';
import { ThroughlineError } from '../../contract/errors.js';
import { comparerOf, type Key } from './compare.js';
import { sqlLimits } from './limits.js';
import type { RowStore } from './row-store.js';

/** Numbers of the rows that a view shows, in its order. */
export type Order = Uint32Array;

/** Whether a newer call made this one useless. */
export type Stale = () => boolean;

const sortedCharactersMax = 256;

/**
 * Filters and sorts what is loaded, on the masked text. In slices: whatever else lives in this process goes on.
 * @throws ThroughlineError conflict when `stale` says that nobody waits any more
 */
export async function orderOf(
  store: RowStore,
  columns: readonly ResultColumn[],
  view: ResultView,
  stale: Stale,
): Promise<Order> {
  const rows = await filtered(store, columns, view, stale);
  return view.sort.length === 0 ? rows : sorted(store, columns, view, rows, stale);
}

/** What a caller is told whom a newer call has overtaken. */
export function overtaken(): ThroughlineError {
  return new ThroughlineError('conflict', 'a newer sort or filter took its place');
}

class Slices {
  #startedMs = performance.now();
  readonly #stale: Stale;

  constructor(stale: Stale) {
    this.#stale = stale;
  }

  get due(): boolean {
    return performance.now() - this.#startedMs > sqlLimits.sliceMs;
  }

  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#stale()) throw overtaken();
    this.#startedMs = performance.now();
  }
}

async function filtered(
  store: RowStore,
  columns: readonly ResultColumn[],
  view: ResultView,
  stale: Stale,
): Promise<Order> {
  const count = store.rows;
  const wanted = view.filter.toLowerCase();
  const tests = view.columns
    .filter(({ column }) => column < columns.length)
    .map((each) => ({ column: each.column, test: testOf(each, columns[each.column]) }));
  const kept = new Uint32Array(count);
  let length = 0;
  const slices = new Slices(stale);
  for (let row = 0; row < count; row += 1) {
    if (row % 512 === 511 && slices.due) await slices.rest();
    if (wanted === '' && tests.length === 0) {
      kept[length++] = row;
      continue;
    }
    const width = store.read(row);
    if (!tests.every(({ column, test }) => test(text(store, row, column)))) continue;
    if (wanted !== '' && !contains(store, row, width, wanted)) continue;
    kept[length++] = row;
  }
  return kept.subarray(0, length);
}

function contains(store: RowStore, row: number, width: number, wanted: string): boolean {
  for (let column = 0; column < width; column += 1) {
    if (text(store, row, column)?.toLowerCase().includes(wanted) === true) return true;
  }
  return false;
}

function text(store: RowStore, row: number, column: number): string | null {
  return store.value(row, column)?.toString('utf8') ?? null;
}

type Test = (value: string | null) => boolean;

function testOf({ operator, value }: ResultView['columns'][number], column: ResultColumn | undefined): Test {
  const lower = value.toLowerCase();
  const { key, compare } = comparerOf(column);
  const wanted = key(value);
  // Words that sort alike (a1, a01) are not equal; numbers that are written differently (1.0, 1) are.
  const same = (each: string): boolean =>
    column?.kind === 'number' ? compare(key(each), wanted) === 0 : each === value;
  switch (operator) {
    case 'contains':
      return (each) => each?.toLowerCase().includes(lower) === true;
    case 'equals':
      return (each) => each !== null && same(each);
    case 'not-equals':
      return (each) => each !== null && !same(each);
    case 'less':
      return (each) => each !== null && compare(key(each), wanted) < 0;
    case 'greater':
      return (each) => each !== null && compare(key(each), wanted) > 0;
    case 'null':
      return (each) => each === null;
    case 'not-null':
      return (each) => each !== null;
  }
}

/** A merge sort that can rest: stable, so that equal rows keep the order in which they came. */
async function sorted(
  store: RowStore,
  columns: readonly ResultColumn[],
  view: ResultView,
  rows: Order,
  stale: Stale,
): Promise<Order> {
  const slices = new Slices(stale);
  const keys = view.sort
    .filter(({ column }) => column < columns.length)
    .map(({ column, descending }) => ({
      descending,
      comparer: comparerOf(columns[column]),
      values: Array.from<Key | null>({ length: rows.length }),
      column,
    }));
  for (let index = 0; index < rows.length; index += 1) {
    if (index % 512 === 511 && slices.due) await slices.rest();
    const row = rows[index] ?? 0;
    store.read(row);
    for (const { values, comparer, column } of keys) {
      const { text: value } = store.cell(row, column, sortedCharactersMax);
      values[index] = value === null ? null : comparer.key(value);
    }
  }
  const before = (a: number, b: number): number => {
    for (const { values, comparer, descending } of keys) {
      const [x, y] = [values[a] ?? null, values[b] ?? null];
      // NULLs stand last in both directions: they are what one does not look for.
      if (x === null || y === null) {
        if (x === y) continue;
        return x === null ? 1 : -1;
      }
      const order = comparer.compare(x, y);
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  };
  let from = Uint32Array.from(rows.keys());
  let to = new Uint32Array(rows.length);
  for (let width = 1; width < rows.length; width *= 2) {
    for (let low = 0; low < rows.length; low += width * 2) {
      merge(
        from,
        to,
        low,
        Math.min(low + width, rows.length),
        Math.min(low + width * 2, rows.length),
        before,
      );
      if (slices.due) await slices.rest();
    }
    [from, to] = [to, from];
  }
  return from.map((index) => rows[index] ?? 0);
}

function merge(
  from: Uint32Array,
  to: Uint32Array,
  low: number,
  middle: number,
  high: number,
  before: (a: number, b: number) => number,
): void {
  let left = low;
  let right = middle;
  for (let at = low; at < high; at += 1) {
    const takeLeft = left < middle && (right >= high || before(from[left] ?? 0, from[right] ?? 0) <= 0);
    to[at] = (takeLeft ? from[left++] : from[right++]) ?? 0;
  }
}
