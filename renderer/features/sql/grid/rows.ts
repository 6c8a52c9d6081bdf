import { faceOf } from './cells.js';
import { make, setText, slotOf } from './dom.js';
import { rowHeightPx } from './geometry.js';
import style from './grid.module.css';
import type { GridModel } from './model.js';
import { type Bounds, bounds, contains } from './selection.js';

interface CellSlot {
  readonly element: HTMLElement;
  readonly text: Text;
  column: number;
  look: string;
  title: string;
  selected: boolean;
}

interface RowSlot {
  readonly element: HTMLElement;
  readonly number: HTMLElement;
  readonly numberText: Text;
  readonly cells: CellSlot[];
  row: number;
  /** What it was painted from: when all are the same, it is not painted again. */
  epoch: number;
  from: number;
  to: number;
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Rows are placed relative to one of them: far down, a browser's pixels are not exact. */
const rebasePx = 1_000_000;

/**
 * The rows that are seen, as elements that are used again for the rows that come next. An element belongs to the row
 * whose number leaves its own as remainder, so that scrolling by one row changes one element.
 */
export class RowLayer {
  readonly #model: GridModel;
  readonly #canvas: HTMLElement;
  readonly #numbers: HTMLElement;
  readonly #focusId: string;
  #slots: RowSlot[] = [];
  #columnSlots = 0;
  #base = 0;
  #epoch = 0;
  #focused: CellSlot | undefined;
  nullText = 'NULL';

  constructor(model: GridModel, canvas: HTMLElement, numbers: HTMLElement, focusId: string) {
    this.#model = model;
    this.#canvas = canvas;
    this.#numbers = numbers;
    this.#focusId = focusId;
  }

  /** What is shown is to be looked at again: rows arrived, the selection moved, a column was resized. */
  invalidate(): void {
    this.#epoch += 1;
  }

  /** @returns whether a row that is seen is not here yet */
  paint(rows: Range, columns: Range, top: number, left: number): boolean {
    this.#allot(rows.to - rows.from, columns.to - columns.from);
    if (Math.abs(top - this.#base * rowHeightPx) > rebasePx) this.#rebase(top);
    const down = this.#base * rowHeightPx - top;
    this.#canvas.style.transform = `translate3d(${-left}px, ${down}px, 0)`;
    this.#numbers.style.transform = `translate3d(0, ${down}px, 0)`;
    const { selection } = this.#model;
    const box = selection === undefined ? undefined : bounds(selection);
    if (this.#focused !== undefined) this.#blur(this.#focused);
    let pending = false;
    for (let row = rows.from; row < rows.to; row++) {
      const slot = slotOf(this.#slots, row);
      if (slot === undefined) continue;
      this.#place(slot, row);
      if (this.#paintRow(slot, columns, box)) pending = true;
    }
    for (const slot of this.#slots) if (slot.row < rows.from || slot.row >= rows.to) this.#hide(slot);
    this.#focus(rows, columns);
    return pending;
  }

  /** The id of the cell with the cursor, while it is painted. */
  get activeId(): string | undefined {
    return this.#focused === undefined ? undefined : this.#focusId;
  }

  #focus(rows: Range, columns: Range): void {
    const cell = this.#model.selection?.focus;
    if (cell === undefined || cell.row < rows.from || cell.row >= rows.to) return;
    if (cell.column < columns.from || cell.column >= columns.to) return;
    const slot = slotOf(slotOf(this.#slots, cell.row)?.cells ?? [], cell.column);
    if (slot === undefined) return;
    slot.element.id = this.#focusId;
    slot.element.dataset['focus'] = '';
    this.#focused = slot;
  }

  #blur({ element }: CellSlot): void {
    element.removeAttribute('id');
    delete element.dataset['focus'];
    this.#focused = undefined;
  }

  /** As many elements as are seen, and one more of each, so that no two rows share one. */
  #allot(rows: number, columns: number): void {
    if (columns > this.#columnSlots) {
      this.#columnSlots = columns + 2;
      for (const slot of this.#slots) this.#remove(slot);
      this.#slots = [];
    }
    if (rows <= this.#slots.length) return;
    // Rows change their element when the ring grows.
    for (const slot of this.#slots) this.#hide(slot);
    while (this.#slots.length < rows + 4) this.#slots.push(this.#newRow());
  }

  #newRow(): RowSlot {
    const element = make('div', this.#canvas, { role: 'row', class: style['row'] ?? '' });
    const number = make('div', this.#numbers, { class: style['number'] ?? '' });
    // Nothing is seen before it has its place.
    element.hidden = true;
    number.hidden = true;
    const numberText = document.createTextNode('');
    number.append(numberText);
    const cells = Array.from({ length: this.#columnSlots }, (): CellSlot => {
      const cell = make('div', element, { role: 'gridcell', class: style['cell'] ?? '' });
      const text = document.createTextNode('');
      cell.hidden = true;
      cell.append(text);
      return { element: cell, text, column: -1, look: '', title: '', selected: false };
    });
    return { element, number, numberText, cells, row: -1, epoch: -1, from: -1, to: -1 };
  }

  #remove({ element, number }: RowSlot): void {
    element.remove();
    number.remove();
  }

  #hide(slot: RowSlot): void {
    if (slot.row < 0) return;
    slot.row = -1;
    slot.element.hidden = true;
    slot.number.hidden = true;
  }

  #rebase(top: number): void {
    this.#base = Math.floor(top / rowHeightPx);
    for (const slot of this.#slots) this.#hide(slot);
  }

  #place(slot: RowSlot, row: number): void {
    if (slot.row === row) return;
    if (slot.row < 0) {
      slot.element.hidden = false;
      slot.number.hidden = false;
    }
    slot.row = row;
    slot.epoch = -1;
    const place = `translateY(${(row - this.#base) * rowHeightPx}px)`;
    slot.element.style.transform = place;
    slot.number.style.transform = place;
    // The header is the first row.
    slot.element.setAttribute('aria-rowindex', String(row + 2));
    setText(slot.numberText, String(row + 1));
  }

  /** @returns whether the row is not here yet */
  #paintRow(slot: RowSlot, columns: Range, box: Bounds | undefined): boolean {
    const row = this.#model.pages.row(slot.row);
    const same = slot.epoch === this.#epoch && slot.from === columns.from && slot.to === columns.to;
    if (same) return row === undefined;
    slot.epoch = this.#epoch;
    slot.from = columns.from;
    slot.to = columns.to;
    const inRow = box !== undefined && slot.row >= box.top && slot.row <= box.bottom;
    slot.number.toggleAttribute('data-selected', inRow);
    const { widths } = this.#model;
    for (let column = columns.from; column < columns.to; column++) {
      const cell = slotOf(slot.cells, column);
      if (cell === undefined) continue;
      const width = widths.width(column);
      this.#placeCell(cell, column, width);
      const face = faceOf(row, this.#model.columns[column], column, width, this.nullText);
      setText(cell.text, face.text);
      if (cell.look !== face.look) {
        cell.look = face.look;
        cell.element.dataset['look'] = face.look;
      }
      if (cell.title !== face.title) {
        cell.title = face.title;
        cell.element.title = face.title;
      }
      const selected = box !== undefined && contains(box, slot.row, column);
      if (cell.selected !== selected) {
        cell.selected = selected;
        if (selected) cell.element.setAttribute('aria-selected', 'true');
        else cell.element.removeAttribute('aria-selected');
      }
    }
    this.#hideCells(slot, columns);
    return row === undefined;
  }

  #placeCell(cell: CellSlot, column: number, widthPx: number): void {
    const { style: css } = cell.element;
    const left = `${this.#model.widths.start(column)}px`;
    const width = `${widthPx}px`;
    if (css.left !== left) css.left = left;
    if (css.width !== width) css.width = width;
    if (cell.column === column) return;
    if (cell.column < 0) cell.element.hidden = false;
    cell.column = column;
    cell.element.setAttribute('aria-colindex', String(column + 1));
  }

  #hideCells({ cells }: RowSlot, columns: Range): void {
    for (const cell of cells) {
      if (cell.column >= columns.from && cell.column < columns.to) continue;
      cell.column = -1;
      cell.element.hidden = true;
    }
  }
}
