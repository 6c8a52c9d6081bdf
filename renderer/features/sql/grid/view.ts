import { make } from './dom.js';
import { RowGeometry, rowHeightPx } from './geometry.js';
import style from './grid.module.css';
import { HeaderLayer } from './header.js';
import type { GridModel } from './model.js';
import { type Range, RowLayer } from './rows.js';
import { bounds, type Cell, contains, moved } from './selection.js';

const headerPx = 28;
const filterPx = 26;
const extraRows = 3;
const extraColumns = 1;
/** Places of rows that are not here yet are drawn only when they are waited for longer. */
const lateMs = 200;
const lineWheelPx = 40;

export interface GridEvents {
  /** Enter, F2 or a double click on a cell. */
  activate(): void;
  menu(x: number, y: number): void;
  headerMenu(column: number, x: number, y: number): void;
  copy(withHeader: boolean): void;
  /** Mod+F: the box that filters all columns. */
  find(): void;
}

let nextId = 1;

/** The grid on the screen: scrolls and paints a model, and turns keys and clicks into what happens to it. */
export class GridView {
  readonly #scroller: HTMLElement;
  readonly #model: GridModel;
  readonly #events: GridEvents;
  readonly #spacer: HTMLElement;
  readonly #frame: HTMLElement;
  readonly #body: HTMLElement;
  readonly #rows: RowLayer;
  readonly #header: HeaderLayer;
  readonly #observer: ResizeObserver;
  readonly #stop = new AbortController();
  #geometry = new RowGeometry(0, 0);
  #width = 0;
  #gutterPx = 40;
  #lastTop = 0;
  /** Where the scroll bar was put by us: its event brings nothing new. */
  #ownScroll = -1;
  #frameAsked = 0;
  #late: ReturnType<typeof setTimeout> | undefined;
  #dragging = false;

  constructor(scroller: HTMLElement, model: GridModel, events: GridEvents) {
    this.#scroller = scroller;
    this.#model = model;
    this.#events = events;
    const presentation = { role: 'presentation' };
    this.#spacer = make('div', scroller, presentation);
    this.#frame = make('div', this.#spacer, { ...presentation, class: style['frame'] ?? '' });
    const head = make('div', this.#frame, { role: 'rowgroup', class: style['head'] ?? '' });
    const names = make('div', head, { role: 'row', 'aria-rowindex': '1', class: style['names'] ?? '' });
    const filters = make('div', this.#frame, { ...presentation, class: style['filters'] ?? '' });
    const filterRow = make('div', filters, presentation);
    this.#body = make('div', this.#frame, { role: 'rowgroup', class: style['body'] ?? '' });
    const canvas = make('div', this.#body, { ...presentation, class: style['canvas'] ?? '' });
    const gutter = make('div', this.#frame, { 'aria-hidden': 'true', class: style['gutter'] ?? '' });
    const numbers = make('div', gutter, { class: style['canvas'] ?? '' });
    make('div', this.#frame, { 'aria-hidden': 'true', class: style['corner'] ?? '' });
    this.#rows = new RowLayer(model, canvas, numbers, `grid-${nextId++}-cell`);
    this.#header = new HeaderLayer(model, names, filterRow, {
      resized: () => this.refresh(),
      menu: (column, x, y) => events.headerMenu(column, x, y),
      leave: () => scroller.focus(),
    });
    this.#listen();
    this.#observer = new ResizeObserver(() => this.refresh());
    this.#observer.observe(scroller);
    this.refresh();
    this.#scrollTo(model.top, model.left);
  }

  destroy(): void {
    this.#stop.abort();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frameAsked);
    clearTimeout(this.#late);
    this.#spacer.remove();
  }

  set nullText(text: string) {
    this.#rows.nullText = text;
    this.#rows.invalidate();
    this.#soon();
  }

  /** Looks at the model again: rows, widths, selection. */
  refresh(): void {
    const { clientWidth, clientHeight } = this.#scroller;
    const { rows, columns, widths, filtersShown } = this.#model;
    const headPx = headerPx + (filtersShown ? filterPx : 0);
    this.#width = clientWidth;
    this.#geometry = new RowGeometry(rows, Math.max(0, clientHeight - headPx));
    this.#gutterPx = Math.max(34, String(rows).length * 8 + 16);
    const { style: css } = this.#spacer;
    css.height = `${this.#geometry.scrollPx + headPx}px`;
    css.width = `${widths.totalPx + this.#gutterPx + 24}px`;
    this.#frame.style.width = `${clientWidth}px`;
    this.#frame.style.height = `${clientHeight}px`;
    this.#frame.style.setProperty('--gutter', `${this.#gutterPx}px`);
    this.#frame.style.setProperty('--head', `${headPx}px`);
    this.#frame.toggleAttribute('data-filters', filtersShown);
    this.#scroller.setAttribute('aria-rowcount', String(rows + 1));
    this.#scroller.setAttribute('aria-colcount', String(columns.length));
    if (this.#model.top > this.#geometry.topMax) this.#model.top = this.#geometry.topMax;
    this.#rows.invalidate();
    this.#soon();
  }

  focus(): void {
    this.#scroller.focus({ preventScroll: true });
  }
  focusFilter(column: number): void {
    this.#header.focusFilter(column);
  }

  /** Moves so that the cell with the cursor is seen. */
  reveal(): void {
    const cell = this.#model.selection?.focus;
    if (cell === undefined) return;
    const top = this.#geometry.reveal(cell.row, this.#model.top);
    const left = this.#model.widths.reveal(cell.column, this.#model.left, this.#viewportPx);
    if (top !== this.#model.top || left !== this.#model.left) this.#scrollTo(top, left);
  }

  get #viewportPx(): number {
    return Math.max(0, this.#width - this.#gutterPx);
  }

  #listen(): void {
    const scroller = this.#scroller;
    const { signal } = this.#stop;
    scroller.addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    scroller.addEventListener('wheel', (event) => this.#wheel(event), { signal, passive: false });
    scroller.addEventListener('keydown', (event) => this.#key(event), { signal });
    scroller.addEventListener('pointerdown', (event) => this.#down(event), { signal });
    scroller.addEventListener('pointermove', (event) => this.#move(event), { signal });
    scroller.addEventListener('pointerup', () => this.#up(), { signal });
    scroller.addEventListener('pointercancel', () => this.#up(), { signal });
    this.#body.addEventListener('dblclick', () => this.#events.activate(), { signal });
    this.#body.addEventListener('contextmenu', (event) => this.#context(event), { signal });
    this.#stop.signal.addEventListener(
      'abort',
      this.#model.subscribe(() => this.refresh()),
    );
  }

  #scrolled(): void {
    const { scrollTop, scrollLeft } = this.#scroller;
    this.#model.left = Math.max(0, scrollLeft);
    if (Math.abs(scrollTop - this.#ownScroll) >= 1) this.#model.top = this.#geometry.toTop(scrollTop);
    this.#ownScroll = -1;
    this.#paint();
  }

  /** Where the scroll bar is shorter than the rows, one step of it would be many rows: the wheel moves the rows. */
  #wheel(event: WheelEvent): void {
    if (!this.#geometry.scaled || event.ctrlKey || event.shiftKey || event.deltaY === 0) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? lineWheelPx : event.deltaMode === 2 ? this.#geometry.viewportPx : 1;
    this.#scrollTo(this.#model.top + event.deltaY * unit, this.#model.left + event.deltaX * unit);
  }

  #scrollTo(top: number, left: number): void {
    this.#model.top = Math.max(0, Math.min(top, this.#geometry.topMax));
    this.#model.left = Math.max(0, left);
    this.#scroller.scrollTop = this.#geometry.toScroll(this.#model.top);
    this.#scroller.scrollLeft = this.#model.left;
    // Read back: the browser rounds it and keeps it in its bounds.
    this.#ownScroll = this.#scroller.scrollTop;
    this.#model.left = this.#scroller.scrollLeft;
    this.#soon();
  }

  #soon(): void {
    if (this.#frameAsked !== 0) return;
    this.#frameAsked = requestAnimationFrame(() => {
      this.#frameAsked = 0;
      this.#paint();
    });
  }

  #paint(): void {
    const { top, left, widths, pages } = this.#model;
    const rows = this.#geometry.visible(top, extraRows);
    const columns: Range = widths.visible(left, this.#viewportPx, extraColumns);
    const direction = Math.sign(top - this.#lastTop) as -1 | 0 | 1;
    this.#lastTop = top;
    const pending = this.#rows.paint(rows, columns, top, left);
    this.#header.paint(columns, left);
    this.#wait(pending);
    const { activeId } = this.#rows;
    if (activeId === undefined) this.#scroller.removeAttribute('aria-activedescendant');
    else this.#scroller.setAttribute('aria-activedescendant', activeId);
    if (this.#geometry.viewportPx > 0) pages.want(rows.from, rows.to, direction);
  }

  #wait(pending: boolean): void {
    if (!pending) {
      clearTimeout(this.#late);
      this.#late = undefined;
      this.#frame.removeAttribute('data-late');
    } else this.#late ??= setTimeout(() => this.#frame.setAttribute('data-late', ''), lateMs);
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.#scroller || event.altKey) return;
    if (this.#command(event) || this.#navigate(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  #command(event: KeyboardEvent): boolean {
    const far = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (far && key === 'a') this.#selectAll();
    else if (far && key === 'c') this.#events.copy(event.shiftKey);
    else if (far && key === 'f' && !event.shiftKey) this.#events.find();
    else if (!far && (key === 'enter' || key === 'f2')) this.#events.activate();
    else if (key === 'contextmenu' || (key === 'f10' && event.shiftKey)) this.#menuAtFocus();
    else return false;
    return true;
  }

  #navigate(event: KeyboardEvent): boolean {
    const { rows, columns, selection } = this.#model;
    const page = Math.max(1, Math.floor(this.#geometry.viewportPx / rowHeightPx) - 1);
    const start = { row: Math.ceil(this.#model.top / rowHeightPx), column: 0 };
    const how = { extend: event.shiftKey, far: event.ctrlKey || event.metaKey };
    const before = selection ?? { anchor: start, focus: start };
    const next = moved(before, event.key, how, { rows, columns: columns.length, page });
    if (next === undefined) return false;
    this.#model.select(selection === undefined ? before : next);
    this.reveal();
    return true;
  }

  #selectAll(): void {
    const { rows, columns } = this.#model;
    this.#model.select({
      anchor: { row: 0, column: 0 },
      focus: { row: rows - 1, column: columns.length - 1 },
    });
  }

  #menuAtFocus(): void {
    const cell = this.#model.selection?.focus;
    if (cell === undefined) return;
    const { left, top } = this.#body.getBoundingClientRect();
    const x = left + this.#model.widths.start(cell.column) - this.#model.left + 16;
    this.#events.menu(x, top + cell.row * rowHeightPx - this.#model.top + rowHeightPx);
  }

  /** The cell below a point, or the nearest; `inGutter` where the row numbers are. */
  #cellAt(x: number, y: number): Cell & { readonly inGutter: boolean; readonly inHead: boolean } {
    const box = this.#frame.getBoundingClientRect();
    const headPx = headerPx + (this.#model.filtersShown ? filterPx : 0);
    const [inX, inY] = [x - box.left, y - box.top];
    return {
      row: Math.max(
        0,
        Math.min(this.#model.rows - 1, Math.floor((inY - headPx + this.#model.top) / rowHeightPx)),
      ),
      column: this.#model.widths.at(inX - this.#gutterPx + this.#model.left),
      inGutter: inX < this.#gutterPx,
      inHead: inY < headPx,
    };
  }

  #down(event: PointerEvent): void {
    const onBar = event.offsetX > this.#width && event.target === this.#scroller;
    if (event.button !== 0 || onBar || this.#model.rows === 0) return;
    const { inGutter, inHead, ...cell } = this.#cellAt(event.clientX, event.clientY);
    if (inHead) {
      if (inGutter) this.#selectAll();
      return;
    }
    if (event.target instanceof Element && !this.#frame.contains(event.target)) return;
    this.focus();
    const last = this.#model.columns.length - 1;
    const anchor = inGutter ? { row: cell.row, column: 0 } : cell;
    const focus = inGutter ? { row: cell.row, column: last } : cell;
    const before = this.#model.selection;
    this.#model.select({ anchor: event.shiftKey && before !== undefined ? before.anchor : anchor, focus });
    this.#dragging = true;
    this.#scroller.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  #move(event: PointerEvent): void {
    const { selection } = this.#model;
    if (!this.#dragging || selection === undefined) return;
    const cell = this.#cellAt(event.clientX, event.clientY);
    const focus =
      cell.inGutter && selection.anchor.column === 0
        ? { row: cell.row, column: selection.focus.column }
        : cell;
    if (focus.row === selection.focus.row && focus.column === selection.focus.column) return;
    this.#model.select({ anchor: selection.anchor, focus: { row: focus.row, column: focus.column } });
    this.reveal();
  }

  #up(): void {
    this.#dragging = false;
  }

  #context(event: MouseEvent): void {
    event.preventDefault();
    const { row, column } = this.#cellAt(event.clientX, event.clientY);
    const { selection } = this.#model;
    if (selection === undefined || !contains(bounds(selection), row, column)) {
      this.#model.select({ anchor: { row, column }, focus: { row, column } });
    }
    this.#events.menu(event.clientX, event.clientY);
  }
}
