/**
 * What can reach a value: bit 0 for "cannot be known", bit i + 1 for columns under mask pattern i. Zero is clean.
 * A bigint, since a connection may have more patterns than a number has bits.
 */
export type Taint = bigint;

export const clean: Taint = 0n;
export const unknown: Taint = 1n;

export function patternTaint(index: number): Taint {
  return 1n << BigInt(index + 1);
}

export function patternsOf(taint: Taint): number[] {
  const patterns: number[] = [];
  let rest = taint >> 1n;
  for (let index = 0; rest !== clean; index += 1, rest >>= 1n)
    if ((rest & 1n) !== clean) patterns.push(index);
  return patterns;
}

export interface Column {
  /** undefined: the name cannot be told, so it may be any. */
  readonly name: string | undefined;
  readonly taint: Taint;
}

/** The columns of a table, view, subquery or result. */
export interface Row {
  readonly columns: readonly Column[];
  /** false: the number of columns is not known; `rest` stands for those that `columns` does not name. */
  readonly complete: boolean;
  readonly rest: Taint;
}

export function rowOf(columns: readonly Column[]): Row {
  return { columns, complete: true, rest: clean };
}

export function openRow(rest: Taint): Row {
  return { columns: [], complete: false, rest };
}

export const unknownRow = openRow(unknown);

export function wholeRow(row: Row): Taint {
  let taint = row.rest;
  for (const column of row.columns) taint |= column.taint;
  return taint;
}

/** Columns one after the other; open as soon as one part is. */
export function concatRows(rows: readonly Row[]): Row {
  if (rows.every((row) => row.complete)) return rowOf(rows.flatMap((row) => row.columns));
  return openRow(rows.reduce((taint, row) => taint | wholeRow(row), clean));
}

/** The same columns by position, from either side: set operations, VALUES, recursion. Names of the left. */
export function unionRows(left: Row, right: Row): Row {
  if (!left.complete || !right.complete || left.columns.length !== right.columns.length) {
    return openRow(wholeRow(left) | wholeRow(right));
  }
  return rowOf(
    left.columns.map((column, index) => ({
      name: column.name,
      taint: column.taint | (right.columns[index]?.taint ?? clean),
    })),
  );
}

export function sameTaints(left: Row, right: Row): boolean {
  return (
    left.complete === right.complete &&
    left.rest === right.rest &&
    left.columns.length === right.columns.length &&
    left.columns.every((column, index) => column.taint === right.columns[index]?.taint)
  );
}

/** `AS alias(a, b)`: the first columns get new names. Of an open row every name may then be any column. */
export function renamed(row: Row, names: readonly string[]): Row {
  if (names.length === 0) return row;
  if (!row.complete) return openRow(wholeRow(row));
  return rowOf(
    row.columns.map((column, index) => ({ name: names[index] ?? column.name, taint: column.taint })),
  );
}
