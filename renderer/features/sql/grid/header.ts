import { visibleText } from '../../../ui/visible-text.js';
import { make, setText, slotOf } from './dom.js';
import style from './grid.module.css';
import type { GridModel } from './model.js';
import type { Range } from './rows.js';

interface HeaderSlot {
  readonly element: HTMLElement;
  readonly name: Text;
  readonly type: Text;
  readonly order: Text;
  readonly input: HTMLInputElement;
  column: number;
}

export interface HeaderEvents {
  /** A column got another width. */
  resized(): void;
  menu(column: number, x: number, y: number): void;
  /** The keyboard leaves a filter for the rows. */
  leave(): void;
}

const fittedByHandPx = 1200;

/** The names of the columns that are seen, their order, filters, and the edges that change their width. */
export class HeaderLayer {
  readonly #model: GridModel;
  readonly #names: HTMLElement;
  readonly #filters: HTMLElement;
  readonly #events: HeaderEvents;
  #slots: HeaderSlot[] = [];

  constructor(model: GridModel, names: HTMLElement, filters: HTMLElement, events: HeaderEvents) {
    this.#model = model;
    this.#names = names;
    this.#filters = filters;
    this.#events = events;
  }

  paint(columns: Range, left: number): void {
    const shift = `translateX(${-left}px)`;
    this.#names.style.transform = shift;
    this.#filters.style.transform = shift;
    const needed = columns.to - columns.from;
    if (needed > this.#slots.length) {
      while (this.#slots.length < needed + 2) this.#slots.push(this.#newSlot());
      for (const slot of this.#slots) this.#hide(slot);
    }
    for (const slot of this.#slots) {
      if (slot.column < columns.from || slot.column >= columns.to) this.#hide(slot);
    }
    for (let column = columns.from; column < columns.to; column++) {
      const slot = slotOf(this.#slots, column);
      if (slot !== undefined) this.#paintSlot(slot, column);
    }
  }

  /** Puts the cursor into the filter of a column, if that is seen. */
  focusFilter(column: number): void {
    this.#slots.find((slot) => slot.column === column)?.input.focus();
  }

  #hide(slot: HeaderSlot): void {
    if (slot.column < 0) return;
    if (document.activeElement === slot.input) this.#events.leave();
    slot.column = -1;
    slot.element.hidden = true;
    slot.input.hidden = true;
  }

  #paintSlot(slot: HeaderSlot, column: number): void {
    const described = this.#model.columns[column];
    if (described === undefined) return;
    const { widths, sort } = this.#model;
    const [left, width] = [`${widths.start(column)}px`, `${widths.width(column)}px`];
    for (const { style: css } of [slot.element, slot.input]) {
      css.left = left;
      css.width = width;
    }
    if (slot.column !== column) {
      slot.column = column;
      slot.element.hidden = false;
      slot.input.hidden = false;
      slot.element.setAttribute('aria-colindex', String(column + 1));
      const name = visibleText(described.name);
      setText(slot.name, name);
      setText(slot.type, described.type);
      slot.input.setAttribute('aria-label', `Filter ${name}`);
      slot.element.toggleAttribute('data-masked', described.mask !== undefined);
      slot.element.title = titleOf(described);
    }
    if (document.activeElement !== slot.input) slot.input.value = this.#model.typed(column);
    const at = sort.findIndex((each) => each.column === column);
    const order = sort[at];
    const arrow = order === undefined ? '' : order.descending ? '▼' : '▲';
    setText(slot.order, sort.length > 1 && arrow !== '' ? `${arrow}${at + 1}` : arrow);
    const aria = order === undefined ? 'none' : order.descending ? 'descending' : 'ascending';
    slot.element.setAttribute('aria-sort', aria);
  }

  #newSlot(): HeaderSlot {
    const element = make('div', this.#names, { role: 'columnheader', class: style['column'] ?? '' });
    element.hidden = true;
    const text = (name: string): Text => {
      const node = document.createTextNode('');
      make('span', element, { class: style[name] ?? '' }).append(node);
      return node;
    };
    const slot: HeaderSlot = {
      element,
      name: text('name'),
      type: text('type'),
      order: text('order'),
      input: make('input', this.#filters, {
        class: style['filter'] ?? '',
        type: 'text',
        spellcheck: 'false',
        autocomplete: 'off',
        placeholder: 'contains, =, !=, <, >, null',
      }),
      column: -1,
    };
    slot.input.hidden = true;
    const edge = make('div', element, {
      class: style['edge'] ?? '',
      title: 'Drag: width. Double click: fit',
    });
    element.addEventListener('click', (event) => this.#model.sortBy(slot.column, event.shiftKey));
    element.addEventListener('contextmenu', (event) => {
      event.preventDefault();
      this.#events.menu(slot.column, event.clientX, event.clientY);
    });
    this.#listenEdge(slot, edge);
    slot.input.addEventListener('input', () => this.#model.setTyped(slot.column, slot.input.value));
    slot.input.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Escape' && slot.input.value !== '') {
        slot.input.value = '';
        this.#model.setTyped(slot.column, '');
      } else if (event.key === 'Escape' || event.key === 'Enter' || event.key === 'ArrowDown')
        this.#events.leave();
    });
    return slot;
  }

  #listenEdge(slot: HeaderSlot, edge: HTMLElement): void {
    edge.addEventListener('click', (event) => event.stopPropagation());
    edge.addEventListener('dblclick', () => {
      this.#model.fit(slot.column, fittedByHandPx);
      this.#events.resized();
    });
    edge.addEventListener('pointerdown', (down) => {
      down.preventDefault();
      const { column } = slot;
      const before = this.#model.widths.width(column);
      edge.setPointerCapture(down.pointerId);
      const move = (event: PointerEvent): void => {
        this.#model.widths.resize(column, before + event.clientX - down.clientX);
        this.#events.resized();
      };
      edge.addEventListener('pointermove', move);
      const end = (): void => edge.removeEventListener('pointermove', move);
      edge.addEventListener('pointerup', end, { once: true });
      edge.addEventListener('pointercancel', end, { once: true });
    });
  }
}

function titleOf(column: GridModel['columns'][number]): string {
  const lines = [`${visibleText(column.name)}  ${column.type}`];
  if (column.origin !== undefined) lines.push(`from ${visibleText(column.origin)}`);
  if (column.mask !== undefined) lines.push(`masked by the rule ${visibleText(column.mask)}`);
  return lines.join('\n');
}
