import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import type { ResultColumn, ResultView } from '../../../../gateway-core/contract/bridge/sql.js';
import { call, failureOf } from '../../../bridge/index.js';
import { columnFilter, isPlain, type Sort, toggleSort } from './filters.js';
import { ColumnGeometry } from './geometry.js';
import { Pages } from './pages.js';
import { fitted, type Selection } from './selection.js';
import { firstWidth, fittedWidth } from './widths.js';

export interface Loaded {
  readonly rows: number;
  readonly bytes: number;
  readonly maskedCells: number;
  readonly state: 'streaming' | 'paused' | 'done' | 'cut';
}

const rowsMeasured = 100;
const filterDelayMs = 150;

/**
 * One result as it is looked at: its rows, order, filters, widths, what is selected and where it stands. Outlives the
 * grid on the screen, so that going to another result and back changes nothing.
 */
export class GridModel {
  readonly result: string;
  readonly columns: readonly ResultColumn[];
  readonly widths: ColumnGeometry;
  readonly pages: Pages;
  /** Place of the content, in pixels. */
  top = 0;
  left = 0;
  selection: Selection | undefined;
  filtersShown = false;
  /** Widths were measured once, or set by hand. */
  measured = false;
  #loaded: Loaded;
  #sort: readonly Sort[] = [];
  #filter = '';
  readonly #typed = new Map<number, string>();
  /** Loaded rows when the view was made; undefined while there is none. */
  #viewOf: number | undefined;
  #applying = 0;
  #problem: BridgeError | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #version = 0;
  readonly #listeners = new Set<() => void>();

  constructor(result: string, columns: readonly ResultColumn[], loaded: Loaded) {
    this.result = result;
    this.columns = columns;
    this.#loaded = loaded;
    this.widths = new ColumnGeometry(columns.map(firstWidth));
    this.pages = new Pages({
      rows: loaded.rows,
      columns: columns.length,
      fetch: (from, count) => call('sql.rows', { result, from, count }),
      failureOf,
      changed: () => this.#arrived(),
    });
  }

  get loaded(): Loaded {
    return this.#loaded;
  }
  /** Rows of the view. */
  get rows(): number {
    return this.pages.rows;
  }
  get sort(): readonly Sort[] {
    return this.#sort;
  }
  get filter(): string {
    return this.#filter;
  }
  get applying(): boolean {
    return this.#applying > 0;
  }
  get problem(): BridgeError | undefined {
    return this.#problem ?? this.pages.problem;
  }
  /** Rows are sorted or filtered, and these were loaded since: they are not in the view yet. */
  get notInView(): number {
    return this.#viewOf === undefined ? 0 : this.#loaded.rows - this.#viewOf;
  }
  get viewed(): boolean {
    return this.#viewOf !== undefined;
  }
  typed(column: number): string {
    return this.#typed.get(column) ?? '';
  }
  get filtered(): boolean {
    return this.#filter !== '' || this.#typed.size > 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly version = (): number => this.#version;
  /** Something that is shown changed. */
  changed(): void {
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }

  /** More was loaded. */
  load(loaded: Loaded): void {
    const ended = this.#loaded.state === 'streaming' && loaded.state !== 'streaming';
    if (
      loaded.rows === this.#loaded.rows &&
      loaded.state === this.#loaded.state &&
      loaded.bytes === this.#loaded.bytes
    )
      return;
    this.#loaded = loaded;
    if (this.#viewOf === undefined) this.pages.grow(loaded.rows);
    else if (ended && this.notInView > 0) this.apply();
    this.changed();
  }

  select(selection: Selection | undefined): void {
    this.selection = fitted(selection, { rows: this.rows, columns: this.columns.length });
    this.changed();
  }

  sortBy(column: number, add: boolean): void {
    this.#sort = toggleSort(this.#sort, column, add);
    this.apply();
  }
  setSort(sort: readonly Sort[]): void {
    this.#sort = sort;
    this.apply();
  }
  setFilter(text: string): void {
    this.#filter = text;
    this.#soon();
  }
  setTyped(column: number, text: string): void {
    if (text === '') this.#typed.delete(column);
    else this.#typed.set(column, text);
    this.#soon();
  }
  clearFilters(): void {
    this.#filter = '';
    this.#typed.clear();
    this.apply();
  }

  /** While somebody types, the view is made once they pause. */
  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.apply(), filterDelayMs);
    this.changed();
  }

  view(): ResultView {
    const columns = [...this.#typed].flatMap(([column, text]) => columnFilter(column, text) ?? []);
    return { sort: [...this.#sort], filter: this.#filter, columns: columns.slice(0, 100) };
  }

  /** Makes the view of what is loaded now. */
  apply(): void {
    clearTimeout(this.#timer);
    void this.#apply();
  }

  async #apply(): Promise<void> {
    const view = this.view();
    const { rows: loadedRows } = this.#loaded;
    const mine = ++this.#applied;
    this.#applying += 1;
    this.changed();
    try {
      const { rows } = await call('sql.view', { result: this.result, view });
      if (mine !== this.#applied) return;
      this.#problem = undefined;
      this.#viewOf = isPlain(view) ? undefined : loadedRows;
      this.pages.reset(this.#viewOf === undefined ? this.#loaded.rows : rows);
      this.selection = fitted(this.selection, { rows: this.rows, columns: this.columns.length });
    } catch (cause) {
      if (mine === this.#applied) this.#problem = failureOf(cause);
    } finally {
      this.#applying -= 1;
      this.changed();
    }
  }
  #applied = 0;

  /** Rows are here for the first time: columns get the width that they need. */
  #arrived(): void {
    if (!this.measured && this.pages.row(0) !== undefined) {
      this.measured = true;
      for (let column = 0; column < this.columns.length; column++) this.fit(column);
    }
    this.changed();
  }

  /** Gives a column the width of its name and of the rows that are known around what is seen. */
  fit(column: number, maxPx?: number): void {
    const described = this.columns[column];
    if (described === undefined) return;
    const first = Math.max(0, Math.floor(this.top / 24) - rowsMeasured / 2);
    const rows = [];
    for (let at = first; at < first + rowsMeasured; at++) {
      const row = this.pages.row(at);
      if (row !== undefined) rows.push(row);
    }
    this.widths.resize(column, fittedWidth(described, column, rows, maxPx));
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.pages.dispose();
    this.#listeners.clear();
  }
}
