/** All rows of the grid are equally high. */
export const rowHeightPx = 24;
/**
 * Browsers do not make an element higher than some limit (Chromium 33.5 million pixels, Firefox 17.8). Above this
 * height the scroll bar is shorter than what it scrolls, and its way is scaled.
 */
export const scrollHeightMaxPx = 16_000_000;

/** Where rows stand, and what the scroll bar's place means. */
export class RowGeometry {
  readonly rows: number;
  readonly viewportPx: number;

  constructor(rows: number, viewportPx: number) {
    this.rows = rows;
    this.viewportPx = viewportPx;
  }

  /** Height of all rows. */
  get contentPx(): number {
    return this.rows * rowHeightPx;
  }
  /** Height of what the browser scrolls. */
  get scrollPx(): number {
    return Math.min(this.contentPx, scrollHeightMaxPx);
  }
  get scaled(): boolean {
    return this.contentPx > scrollHeightMaxPx;
  }
  /** The furthest that the content can be moved. */
  get topMax(): number {
    return Math.max(0, this.contentPx - this.viewportPx);
  }

  /** The content's place for a place of the scroll bar. Both ends are exact. */
  toTop(scrollTop: number): number {
    const scrollMax = this.scrollPx - this.viewportPx;
    if (!this.scaled || scrollMax <= 0) return Math.min(Math.max(0, scrollTop), this.topMax);
    return Math.min(1, Math.max(0, scrollTop / scrollMax)) * this.topMax;
  }
  toScroll(top: number): number {
    const scrollMax = this.scrollPx - this.viewportPx;
    if (!this.scaled || this.topMax <= 0) return top;
    return (top / this.topMax) * scrollMax;
  }

  /** Rows that are seen, past the end exclusive, with so many more on both sides. */
  visible(top: number, extra = 0): { readonly from: number; readonly to: number } {
    const from = Math.max(0, Math.floor(top / rowHeightPx) - extra);
    const to = Math.min(this.rows, Math.ceil((top + this.viewportPx) / rowHeightPx) + extra);
    return { from: Math.min(from, to), to };
  }

  /** The nearest place of the content at which a row is seen whole. */
  reveal(row: number, top: number): number {
    const rowTop = row * rowHeightPx;
    if (rowTop < top) return rowTop;
    const needed = rowTop + rowHeightPx - this.viewportPx;
    return Math.min(this.topMax, Math.max(top, needed));
  }
}

export const columnWidthMinPx = 40;
export const columnWidthMaxPx = 2000;

/** Where columns stand. Widths change; places are summed up again when they are asked for. */
export class ColumnGeometry {
  readonly #widths: number[];
  #starts: Float64Array | undefined;

  constructor(widths: readonly number[]) {
    this.#widths = [...widths];
  }

  get count(): number {
    return this.#widths.length;
  }
  width(column: number): number {
    return this.#widths[column] ?? 0;
  }
  resize(column: number, widthPx: number): void {
    if (column < 0 || column >= this.#widths.length) return;
    this.#widths[column] = Math.round(Math.min(columnWidthMaxPx, Math.max(columnWidthMinPx, widthPx)));
    this.#starts = undefined;
  }
  /** The left edge; of `count`, the width of all. */
  start(column: number): number {
    this.#starts ??= sums(this.#widths);
    return this.#starts[Math.min(Math.max(0, column), this.count)] ?? 0;
  }
  get totalPx(): number {
    return this.start(this.count);
  }

  /** The column at a place, or the nearest. */
  at(leftPx: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start(middle + 1) <= leftPx) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, Math.min(low, this.count - 1));
  }

  /** Columns that are seen, past the end exclusive, with so many more on both sides. */
  visible(left: number, viewportPx: number, extra = 0): { readonly from: number; readonly to: number } {
    if (this.count === 0) return { from: 0, to: 0 };
    const from = Math.max(0, this.at(left) - extra);
    const to = Math.min(this.count, this.at(left + Math.max(0, viewportPx - 1)) + 1 + extra);
    return { from, to };
  }

  /** The nearest horizontal place at which a column is seen whole, its left edge first. */
  reveal(column: number, left: number, viewportPx: number): number {
    const start = this.start(column);
    const end = start + this.width(column);
    if (start < left) return start;
    return end > left + viewportPx ? Math.min(start, end - viewportPx) : left;
  }
}

function sums(widths: readonly number[]): Float64Array {
  const starts = new Float64Array(widths.length + 1);
  for (const [index, width] of widths.entries()) starts[index + 1] = (starts[index] ?? 0) + width;
  return starts;
}
