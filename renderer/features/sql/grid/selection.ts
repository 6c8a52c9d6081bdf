export interface Cell {
  readonly row: number;
  readonly column: number;
}

/** A rectangle of cells: from where it was begun to where the cursor stands. */
export interface Selection {
  readonly anchor: Cell;
  readonly focus: Cell;
}

/** Both ends inclusive. */
export interface Bounds {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export function bounds({ anchor, focus }: Selection): Bounds {
  return {
    top: Math.min(anchor.row, focus.row),
    bottom: Math.max(anchor.row, focus.row),
    left: Math.min(anchor.column, focus.column),
    right: Math.max(anchor.column, focus.column),
  };
}

export function contains(box: Bounds, row: number, column: number): boolean {
  return row >= box.top && row <= box.bottom && column >= box.left && column <= box.right;
}

export interface Extent {
  readonly rows: number;
  readonly columns: number;
  /** Rows that Page Up and Page Down go. */
  readonly page: number;
}

/** What a key does to a selection; undefined: nothing. `far`: with Ctrl or Cmd. */
export function moved(
  selection: Selection,
  key: string,
  { extend, far }: { readonly extend: boolean; readonly far: boolean },
  extent: Extent,
): Selection | undefined {
  const target = targetOf(selection.focus, key, far, extent);
  if (target === undefined || extent.rows === 0 || extent.columns === 0) return undefined;
  const focus = clamp(target, extent);
  return { anchor: extend ? selection.anchor : focus, focus };
}

function targetOf(
  { row, column }: Cell,
  key: string,
  far: boolean,
  { rows, columns, page }: Extent,
): Cell | undefined {
  switch (key) {
    case 'ArrowUp':
      return { row: far ? 0 : row - 1, column };
    case 'ArrowDown':
      return { row: far ? rows - 1 : row + 1, column };
    case 'ArrowLeft':
      return { row, column: far ? 0 : column - 1 };
    case 'ArrowRight':
      return { row, column: far ? columns - 1 : column + 1 };
    case 'PageUp':
      return { row: row - page, column };
    case 'PageDown':
      return { row: row + page, column };
    case 'Home':
      return { row: far ? 0 : row, column: 0 };
    case 'End':
      return { row: far ? rows - 1 : row, column: columns - 1 };
    default:
      return undefined;
  }
}

export function clamp({ row, column }: Cell, { rows, columns }: Omit<Extent, 'page'>): Cell {
  return {
    row: Math.max(0, Math.min(row, rows - 1)),
    column: Math.max(0, Math.min(column, columns - 1)),
  };
}

/** The selection inside of what is there now; undefined when nothing is. */
export function fitted(
  selection: Selection | undefined,
  extent: Omit<Extent, 'page'>,
): Selection | undefined {
  if (selection === undefined || extent.rows === 0 || extent.columns === 0) return undefined;
  return { anchor: clamp(selection.anchor, extent), focus: clamp(selection.focus, extent) };
}
