import type { ReplayItem } from '../../../contract/api.js';
import { dataText, goesIn } from '../../../contract/data-streams.js';
import type { Columns, ItemStore } from '../data/item-store.js';
import { append, button, data, h, icon, longText, replace } from './dom.js';
import { value } from './marks.js';
import { VirtualList } from './virtual-list.js';

const rowHeight = 24;
const pageItems = 64;
const pagesKeptMax = 24;
/** Wider results show the rest when a row is opened. */
const columnsMax = 120;
const columnCharactersMax = 48;

interface Page {
  items: readonly ReplayItem[] | undefined;
}

/** What came back, as a table that holds any number of rows. Enter or a double click shows a row whole. */
export class ItemsView {
  readonly list: VirtualList;
  readonly #store: ItemStore;
  readonly #header = h('div', { class: 'row columns', role: 'row' });
  #shownColumns: Columns | 'none' | 'nothing' | undefined;
  #from = 0;
  #to = 0;
  /** Before the columns were taken from it. */
  #start = 0;
  readonly #pages = new Map<number, Page>();

  constructor(store: ItemStore, label: string) {
    this.#store = store;
    this.list = new VirtualList({
      label,
      role: 'grid',
      header: h('div', { class: 'head', role: 'rowgroup' }, this.#header),
      rowHeight: () => rowHeight,
      render: (index, row) => this.#render(index, row),
      onOpen: (index) => this.#open(index),
      onScroll: (first) => this.#columns(first),
    });
    this.list.element.classList.add('items');
  }

  /** Shows the store's items of `[from, to)`. */
  show(from: number, to: number): void {
    // The names of the columns stand above already.
    const first = from < to && this.#store.columnsAt(from)?.at === from ? from + 1 : from;
    if (first === this.#from && to === this.#to && this.#start === from) return;
    // The last page was not full, and now there may be more of it.
    if (to > this.#to) this.#pages.delete(Math.floor(this.#to / pageItems));
    this.#start = from;
    this.#from = first;
    this.#to = to;
    this.list.setCount(to - first);
  }

  #item(at: number): ReplayItem | undefined {
    const number = Math.floor(at / pageItems);
    const page = this.#pages.get(number) ?? this.#read(number);
    return page.items?.[at - number * pageItems];
  }

  #read(number: number): Page {
    const page: Page = { items: undefined };
    this.#pages.set(number, page);
    const oldest = this.#pages.keys().next();
    if (this.#pages.size > pagesKeptMax && oldest.done !== true) this.#pages.delete(oldest.value);
    const start = number * pageItems;
    void this.#store.range(start, start + pageItems).then((items) => {
      page.items = items;
      if (this.#pages.get(number) !== page) return;
      for (const [index, item] of items.entries()) {
        const row = this.list.rowAt(start + index - this.#from);
        if (row !== undefined) this.#fill(start + index, item, row);
      }
    });
    return page;
  }

  #render(index: number, row: HTMLElement): void {
    const at = this.#from + index;
    const item = this.#item(at);
    if (item === undefined) append(row, [h('span', { role: 'gridcell', class: 'note' }, '…')]);
    else this.#fill(at, item, row);
  }

  #fill(at: number, item: ReplayItem, row: HTMLElement): void {
    row.style.gridTemplateColumns = '';
    row.dataset['kind'] = item.kind;
    if (item.kind === 'row') {
      const columns = this.#store.columnsAt(at);
      row.style.gridTemplateColumns = templateOf(columns, item.values.length);
      const values = item.values.slice(0, columnsMax);
      replace(
        row,
        values.map((text) => h('span', { role: 'gridcell' }, value(text))),
        overflow(item.values.length),
      );
      return;
    }
    replace(row, h('span', { role: 'gridcell', class: 'note' }, noteOf(item)));
  }

  #columns(first: number): void {
    const columns = this.#store.columnsAt(this.#from + Math.max(0, first));
    // Those of the statement before say nothing about this one.
    const own = columns !== undefined && columns.at >= this.#start ? columns : undefined;
    const shown = own ?? (this.#to > this.#from ? 'none' : 'nothing');
    if (shown === this.#shownColumns) return;
    this.#shownColumns = shown;
    const names = own?.names ?? [];
    this.#header.style.gridTemplateColumns = templateOf(own, names.length);
    const instead = shown === 'nothing' ? 'Nothing had come back.' : 'No columns';
    replace(
      this.#header,
      names.slice(0, columnsMax).map((name) => h('span', { role: 'columnheader' }, data(name, 80))),
      own === undefined && h('span', { role: 'columnheader', class: 'dim' }, instead),
      overflow(names.length),
    );
  }

  #open(index: number): void {
    const at = this.#from + index;
    const item = this.#item(at);
    if (item === undefined) return;
    const names = this.#store.columnsAt(at)?.names ?? [];
    showWhole(index, item, names);
  }
}

function overflow(length: number): HTMLElement | false {
  if (length <= columnsMax) return false;
  return h('span', { role: 'gridcell', class: 'dim' }, `${length - columnsMax} more`);
}

function templateOf(columns: Columns | undefined, length: number): string {
  const shown = Math.min(length, columnsMax);
  const widths = Array.from({ length: shown }, (_, index) => {
    const characters = columns?.widths[index] ?? 12;
    return `${Math.min(Math.max(characters, 3), columnCharactersMax) + 3}ch`;
  });
  return length > columnsMax ? `${widths.join(' ')} 12ch` : widths.join(' ');
}

function noteOf(item: Exclude<ReplayItem, { kind: 'row' }>): (string | HTMLElement)[] {
  switch (item.kind) {
    case 'columns':
      return [`a result with ${item.columns.length.toLocaleString()} columns`];
    case 'data':
      return [goesIn(item.stream) ? '→ ' : '← ', data(dataText(item))];
    case 'message':
      return [data(item.severity, 20), ': ', data(item.text)];
    case 'output':
      return [item.stream === 'stderr' ? 'stderr: ' : '', data(item.text)];
    case 'terminal':
      return [data(item.data)];
    case 'size':
      return [`the terminal has ${item.columns} columns and ${item.rows} rows`];
    case 'outcome':
      return item.error === undefined
        ? [data(item.tag ?? item.state, 80), keptOf(item)]
        : [h('span', { class: 'bad' }, 'error: ', data(item.error)), keptOf(item)];
    case 'problem':
      return [h('span', { class: 'bad' }, data(item.text))];
    case 'end':
      return [`the session ended${item.endCause === undefined ? '' : `: ${item.endCause}`}`];
    case 'statement':
      return [`statement ${item.seq}: `, data(item.text)];
    case 'session':
      return ['the session began'];
  }
}

function keptOf({ rows, rowsKept }: Extract<ReplayItem, { kind: 'outcome' }>): string {
  if (rows === undefined || rowsKept === undefined || rowsKept >= rows) return '';
  return ` · ${rowsKept.toLocaleString()} of ${rows.toLocaleString()} rows were kept`;
}

/** A dialog with everything that an item holds. */
function showWhole(index: number, item: ReplayItem, names: readonly string[]): void {
  const title = h(
    'h2',
    { id: 'whole-title' },
    item.kind === 'row' ? `Row ${(index + 1).toLocaleString()}` : 'Whole text',
  );
  const dialog = h('dialog', { class: 'whole', 'aria-labelledby': 'whole-title' });
  const close = button([icon('close'), 'Close'], () => dialog.close(), { class: 'plain' });
  append(dialog, [h('div', { class: 'bar' }, title, close), bodyOf(item, names)]);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const fieldsMax = 2000;

function bodyOf(item: ReplayItem, names: readonly string[]): HTMLElement {
  if (item.kind !== 'row') return longText('text' in item ? item.text : JSON.stringify(item, undefined, 2));
  const shown = item.values.slice(0, fieldsMax);
  return h(
    'dl',
    { class: 'fields' },
    shown.map((text, at) => [
      h('dt', {}, data(names[at] ?? `column ${at + 1}`, 200)),
      h('dd', {}, text === null || text.length <= 400 ? value(text) : longText(text)),
    ]),
    item.values.length > fieldsMax && h('dd', {}, `${item.values.length - fieldsMax} more columns`),
  );
}
