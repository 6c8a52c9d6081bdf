import type { ReplayItem } from '../../../contract/api.js';
import { Numbers } from './numbers.js';

const pageItemsMax = 256;
const pageCharactersMax = 512 * 1024;
const partBytes = 4 * 1024 * 1024;
const pagesKeptMax = 48;
/** Rows that say how wide their columns are. */
const sampleRows = 100;

/** A result's columns, which hold for the rows after it. */
export interface Columns {
  /** Number of the item. */
  readonly at: number;
  readonly names: readonly string[];
  /** Longest value of the first rows, in characters; the name counts. */
  readonly widths: number[];
  rows: number;
}

/**
 * What came back, item by item, however much it was: pages of JSON in blobs, which a browser keeps out of its memory.
 * Items are read while more are added.
 */
export class ItemStore {
  readonly #parts: Blob[] = [];
  #part: Uint8Array<ArrayBuffer>[] = [];
  #partBytes = 0;
  #page: ReplayItem[] = [];
  #pageCharacters = 0;
  /** Of each page: its first item, its part, where it stands in it and how long it is. */
  readonly #first = new Numbers();
  readonly #place = new Numbers();
  readonly #offset = new Numbers();
  readonly #bytes = new Numbers();
  readonly #read = new Map<number, Promise<readonly ReplayItem[]>>();
  readonly #times = new Numbers();
  readonly columns: Columns[] = [];
  #current: Columns | undefined;
  readonly #encoder = new TextEncoder();

  get length(): number {
    return this.#times.length;
  }

  add(item: ReplayItem): void {
    if (item.kind === 'columns') {
      this.#current = {
        at: this.length,
        names: item.columns,
        widths: item.columns.map((name) => name.length),
        rows: 0,
      };
      this.columns.push(this.#current);
    } else if (item.kind === 'row' && this.#current !== undefined) {
      if (this.#current.rows < sampleRows) widen(this.#current.widths, item.values);
      this.#current.rows += 1;
    }
    const last = this.length === 0 ? 0 : this.#times.at(this.length - 1);
    this.#times.push('atMs' in item ? Math.max(item.atMs, last) : last);
    this.#page.push(item);
    this.#pageCharacters += weight(item);
    if (this.#page.length >= pageItemsMax || this.#pageCharacters > pageCharactersMax) this.#closePage();
  }

  /** The columns that hold at an item. */
  columnsAt(index: number): Columns | undefined {
    let low = 0;
    let high = this.columns.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.columns[middle]?.at ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.columns[low - 1];
  }

  timeOf(index: number): number {
    return this.#times.at(index);
  }

  /** How many of the items in `[from, to)` had happened at `atMs`. */
  countUntil(from: number, to: number, atMs: number): number {
    return this.#times.countUntil(atMs, from, to);
  }

  /** Items of `[from, to)`; fewer when there are not so many. */
  async range(from: number, to: number): Promise<ReplayItem[]> {
    const items: ReplayItem[] = [];
    let at = from;
    while (at < to && at < this.length) {
      const page = this.#first.countUntil(at) - 1;
      const open = this.#openFirst();
      const inOpen = at >= open;
      const start = inOpen ? open : this.#first.at(page);
      const held = inOpen ? this.#page : await this.#readPage(page);
      const cut = held.slice(at - start, to - start);
      if (cut.length === 0) break;
      items.push(...cut);
      at += cut.length;
    }
    return items;
  }

  #openFirst(): number {
    return this.length - this.#page.length;
  }

  #closePage(): void {
    const bytes = this.#encoder.encode(JSON.stringify(this.#page));
    this.#first.push(this.#openFirst());
    this.#place.push(this.#parts.length);
    this.#offset.push(this.#partBytes);
    this.#bytes.push(bytes.length);
    this.#part.push(bytes);
    this.#partBytes += bytes.length;
    this.#page = [];
    this.#pageCharacters = 0;
    if (this.#partBytes < partBytes) return;
    this.#parts.push(new Blob(this.#part));
    this.#part = [];
    this.#partBytes = 0;
  }

  #readPage(page: number): Promise<readonly ReplayItem[]> {
    const held = this.#read.get(page);
    if (held !== undefined) {
      this.#read.delete(page);
      this.#read.set(page, held);
      return held;
    }
    const part = this.#parts[this.#place.at(page)] ?? new Blob(this.#part);
    const offset = this.#offset.at(page);
    const read = part
      .slice(offset, offset + this.#bytes.at(page))
      .text()
      .then((text) => JSON.parse(text) as ReplayItem[]);
    this.#read.set(page, read);
    const oldest = this.#read.keys().next();
    if (this.#read.size > pagesKeptMax && oldest.done !== true) this.#read.delete(oldest.value);
    return read;
  }
}

function widen(widths: number[], values: readonly (string | null)[]): void {
  for (let index = 0; index < widths.length; index += 1) {
    widths[index] = Math.max(widths[index] ?? 0, values[index]?.length ?? 4);
  }
}

function weight(item: ReplayItem): number {
  if (item.kind === 'row') return item.values.reduce((sum, value) => sum + (value?.length ?? 4) + 3, 20);
  if (item.kind === 'columns') return item.columns.reduce((sum, name) => sum + name.length + 3, 20);
  if (item.kind === 'terminal') return item.data.length + 60;
  return 'text' in item ? item.text.length + 60 : 60;
}
