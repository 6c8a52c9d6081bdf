import { h } from './dom.js';

/** Browsers draw nothing below some seventeen million pixels: longer lists are scaled. */
const heightMax = 12_000_000;
const overscan = 8;

export interface ListOptions {
  readonly label: string;
  readonly role?: 'listbox' | 'tree' | 'grid';
  /** Stands above the rows, and stays there. */
  readonly header?: HTMLElement;
  readonly onScroll?: (first: number) => void;
  /** Pixels; asked again when the window changes. */
  readonly rowHeight: () => number;
  /** Content of a row, and what its element says besides. */
  readonly render: (index: number, row: HTMLElement) => void;
  readonly onChoose?: (index: number) => void;
  readonly onOpen?: (index: number) => void;
  /** True: the key was used. */
  readonly onKey?: (event: KeyboardEvent, index: number) => boolean;
}

/** A list of any length: only what is seen exists. Arrows, Page Up and Down, Home, End, Enter. */
export class VirtualList {
  readonly element: HTMLElement;
  readonly #sizer: HTMLElement;
  readonly #options: ListOptions;
  readonly #id = `list-${(nextId += 1)}`;
  readonly #rows = new Map<number, HTMLElement>();
  #count = 0;
  #chosen = -1;

  constructor(options: ListOptions) {
    this.#options = options;
    const grid = options.role === 'grid';
    this.#sizer = h('div', { class: 'sizer', ...(grid ? { role: 'rowgroup' } : {}) });
    this.element = h('div', {
      class: 'list',
      role: options.role ?? 'listbox',
      tabindex: 0,
      'aria-label': options.label,
    });
    if (options.header !== undefined) this.element.append(options.header);
    this.element.append(this.#sizer);
    this.element.addEventListener('scroll', () => this.#draw(), { passive: true });
    this.element.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.refresh()).observe(this.element);
  }

  get chosen(): number {
    return this.#chosen;
  }

  setCount(count: number): void {
    this.#count = count;
    if (this.#options.role === 'grid') this.element.setAttribute('aria-rowcount', String(count + 1));
    if (this.#chosen >= count) this.#chosen = -1;
    this.refresh();
  }

  /** The element of a row that is drawn. */
  rowAt(index: number): HTMLElement | undefined {
    return this.#rows.get(index);
  }

  /** Draws every row anew. */
  refresh(): void {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#sizer.style.height = `${Math.min(heightMax, this.#total())}px`;
    this.#draw();
  }

  choose(index: number, tell = true): void {
    if (this.#count === 0) return;
    const place = Math.min(Math.max(index, 0), this.#count - 1);
    const before = this.#rows.get(this.#chosen);
    this.#chosen = place;
    before?.setAttribute('aria-selected', 'false');
    this.scrollTo(place);
    this.#rows.get(place)?.setAttribute('aria-selected', 'true');
    this.element.setAttribute('aria-activedescendant', `${this.#id}-${place}`);
    if (tell) this.#options.onChoose?.(place);
  }

  unchoose(): void {
    this.#rows.get(this.#chosen)?.setAttribute('aria-selected', 'false');
    this.#chosen = -1;
    this.element.removeAttribute('aria-activedescendant');
  }

  scrollTo(index: number): void {
    const height = this.#options.rowHeight();
    const view = this.element.clientHeight - (this.#options.header?.offsetHeight ?? 0);
    const top = index * height;
    const at = this.#virtualTop();
    if (top < at) this.#setVirtualTop(top);
    else if (top + height > at + view) this.#setVirtualTop(top + height - view);
    this.#draw();
  }

  #total(): number {
    return this.#count * this.#options.rowHeight();
  }

  /** Scrolled pixels of the whole list, of which the page's own scroll bar has a part when the list is scaled. */
  #virtualTop(): number {
    return this.element.scrollTop * this.#scale();
  }

  #setVirtualTop(top: number): void {
    this.element.scrollTop = top / this.#scale();
  }

  #scale(): number {
    const total = this.#total();
    if (total <= heightMax) return 1;
    const view = this.element.clientHeight;
    return (total - view) / (heightMax - view);
  }

  #draw(): void {
    const height = this.#options.rowHeight();
    const top = this.#virtualTop();
    const first = Math.max(0, Math.floor(top / height) - overscan);
    const end = Math.min(this.#count, Math.ceil((top + this.element.clientHeight) / height) + overscan);
    for (const [index, row] of this.#rows) {
      if (index >= first && index < end) continue;
      row.remove();
      this.#rows.delete(index);
    }
    this.#options.onScroll?.(Math.min(this.#count - 1, Math.floor(top / height)));
    const shift = this.element.scrollTop - top;
    for (let index = first; index < end; index += 1) {
      const row = this.#rows.get(index) ?? this.#make(index, height);
      row.style.transform = `translateY(${index * height + shift}px)`;
    }
  }

  #make(index: number, height: number): HTMLElement {
    const row = h('div', {
      class: 'row',
      id: `${this.#id}-${index}`,
      role: rowRoles[this.#options.role ?? 'listbox'],
      tabindex: -1,
      'aria-selected': index === this.#chosen ? 'true' : 'false',
    });
    if (this.#options.role === 'grid') row.setAttribute('aria-rowindex', String(index + 2));
    else if (this.#options.role !== 'tree') {
      row.setAttribute('aria-posinset', String(index + 1));
      row.setAttribute('aria-setsize', String(this.#count));
    }
    row.style.height = `${height}px`;
    this.#options.render(index, row);
    row.addEventListener('mousedown', (event) => {
      if (event.button === 0) this.choose(index);
    });
    row.addEventListener('dblclick', () => this.#options.onOpen?.(index));
    this.#rows.set(index, row);
    this.#sizer.append(row);
    return row;
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#options.onKey?.(event, this.#chosen) === true) {
      event.preventDefault();
      return;
    }
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#options.rowHeight()) - 1);
    const at = this.#chosen;
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: this.#count - 1,
    }[event.key];
    if (to !== undefined) this.choose(to);
    else if (event.key === 'Enter' && at >= 0) this.#options.onOpen?.(at);
    else return;
    event.preventDefault();
  }
}

const rowRoles = { listbox: 'option', tree: 'treeitem', grid: 'row' } as const;
let nextId = 0;
