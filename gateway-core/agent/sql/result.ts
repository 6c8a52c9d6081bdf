import type { Column } from '../../codec/postgres/backend.js';
import type {
  ResultColumn,
  ResultView,
  RowPage,
  SqlProblem,
  StatementResult,
} from '../../contract/bridge/sql.js';
import { cellCharactersShown } from '../../contract/bridge/sql.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { MarkedColumns } from './marks.js';
import { RowStore } from './row-store.js';
import type { Keeper } from './shown.js';
import { typeKind, typeName } from './types.js';
import { type Order, orderOf, overtaken } from './view.js';

/** What takes rows in place of the store: an export that wants all of them, also those that nobody looks at. */
export interface Tap {
  /** A run of DataRow messages. */
  readonly rows: (rows: Buffer) => void;
  /** So many cells of the rows that come next are masked. */
  readonly masked: (cells: number) => void;
  /** No more rows come; with an error these were not all. */
  readonly end: (problem: SqlProblem | undefined) => void;
}

/** One result set: its columns, what is loaded of it, and how it is looked at. */
export class SqlResult {
  readonly key: string;
  readonly columns: readonly ResultColumn[];
  readonly store = new RowStore();
  readonly rules: readonly (string | undefined)[];
  state: NonNullable<StatementResult['result']>['state'] = 'streaming';
  /** Rows that are loaded before it pauses. */
  rowsMax: number;
  order: Order | undefined;
  /** Number of the latest `look`: an older one that still works stops. */
  #looks = 0;
  /** The cell that was read in pieces the last time, for as long as there is memory for it. */
  #read: WeakRef<{ readonly row: number; readonly column: number; readonly text: string }> | undefined;
  tap: Tap | undefined;
  /** An export takes the rows that are still to come: there is no second time. */
  claimed = false;
  /** Rows came that were not kept. */
  dropped = false;
  /** Takes down which files hold rows of it. */
  keeper: Keeper | undefined;

  constructor(key: string, columns: readonly Column[], marks: MarkedColumns, rowsMax: number) {
    this.key = key;
    this.rowsMax = rowsMax;
    this.rules = columns.map((_, index) => marks[index]?.[0]);
    this.columns = columns.map(({ name, typeOid }, index) => {
      const mark = marks[index];
      return {
        name,
        typeOid,
        type: typeName(typeOid),
        kind: typeKind(typeOid),
        ...(mark?.[1] === true ? { mask: mark[0] } : {}),
      };
    });
  }

  get rows(): number {
    return this.order?.length ?? this.store.rows;
  }

  /** What the bridge shows of it. */
  head(): NonNullable<StatementResult['result']> {
    const { store } = this;
    return {
      key: this.key,
      columns: [...this.columns],
      rows: store.rows,
      bytes: store.contentBytes,
      maskedCells: store.maskedCells,
      state: this.state,
    };
  }

  /** Pages are of this view from now on. @throws ThroughlineError conflict when a newer call took its place */
  async look(view: ResultView): Promise<void> {
    this.#looks += 1;
    const number = this.#looks;
    const stale = (): boolean => this.#looks !== number;
    const plain = view.sort.length === 0 && view.filter === '' && view.columns.length === 0;
    const order = plain ? undefined : await orderOf(this.store, this.columns, view, stale);
    if (stale()) throw overtaken();
    this.order = order;
  }

  page(from: number, count: number): RowPage {
    const page: RowPage = { from, rows: [], numbers: [], cut: [], masked: [] };
    const { order, store } = this;
    const end = Math.min(from + count, this.rows);
    for (let place = from; place < end; place += 1) {
      const row = order === undefined ? place : (order[place] ?? 0);
      const width = store.read(row);
      const values: (string | null)[] = [];
      const index = page.rows.length;
      for (let column = 0; column < width; column += 1) {
        const { text, bytes } = store.cell(row, column, cellCharactersShown);
        values.push(text);
        if (text === null || bytes <= text.length || text.length < cellCharactersShown - 1) continue;
        const characters = store.value(row, column)?.toString('utf8').length ?? 0;
        if (characters > text.length) page.cut.push([index, column, characters]);
      }
      for (const column of store.maskedIn(row))
        page.masked.push([index, column, this.rules[column] ?? 'masked']);
      page.rows.push(values);
      page.numbers.push(row);
    }
    return page;
  }

  /** A piece of one value. @throws ThroughlineError not-found */
  piece(
    row: number,
    column: number,
    from: number,
    count: number,
  ): { text: string | null; characters: number } {
    if (this.store.read(row) <= column)
      throw new ThroughlineError('not-found', 'there is no such cell any more');
    const value = this.store.value(row, column);
    if (value === null) return { text: null, characters: 0 };
    const text = this.#decoded(row, column, value);
    return { text: text.slice(from, from + count), characters: text.length };
  }

  /** Decoded once and not for each piece: a cell of 50 MB takes fifty of them. */
  #decoded(row: number, column: number, value: Buffer): string {
    const known = this.#read?.deref();
    if (known?.row === row && known.column === column) return known.text;
    const text = value.toString('utf8');
    this.#read = new WeakRef({ row, column, text });
    return text;
  }
}
