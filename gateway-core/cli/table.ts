import { fit, neutral, type Output, type Part, print, widthOf } from './output.js';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** May be cut when the terminal is narrow; others are cut only when nothing else is left. */
  readonly flexible?: boolean;
}

const gap = '  ';
const flexibleWidthMin = 12;
/** Where nothing is cut, one long value must not push the columns of all other rows away. */
const paddedWidthMax = 80;
/** Below this a table is no table any more: every row becomes a small list. */
const tableWidthMin = 40;

/** Aligned columns under a header; as wide as the terminal at most, unbounded when the output is no terminal. */
export function printTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): void {
  const widthMax = output.isTTY === true ? (output.columns ?? 80) : Number.POSITIVE_INFINITY;
  const texts = rows.map((row) => columns.map((_, at) => neutral(textOf(row[at] ?? ''))));
  const natural = columns.map(({ title }, at) =>
    Math.max(widthOf(title), ...texts.map((row) => widthOf(row[at] ?? ''))),
  );
  const cuts = widthMax !== Number.POSITIVE_INFINITY;
  const widths = cuts
    ? shrink(columns, natural, widthMax)
    : natural.map((width) => Math.min(width, paddedWidthMax));
  if (widthMax < tableWidthMin || widths === undefined) return printRecords(output, columns, rows);
  printRow(
    output,
    columns,
    widths,
    cuts,
    columns.map(({ title }) => ({ style: 'dim', text: title }) as const),
  );
  for (const row of rows) printRow(output, columns, widths, cuts, row);
}

function textOf(part: Part): string {
  return typeof part === 'string' ? part : part.text;
}

/** undefined when not even cutting every flexible column is enough. */
function shrink(columns: readonly Column[], natural: number[], widthMax: number): number[] | undefined {
  const widths = [...natural];
  const total = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1);
  while (total() > widthMax) {
    const widest = columns
      .map((column, at) => ({ column, at, width: widths[at] ?? 0 }))
      .filter(({ column, width }) => column.flexible === true && width > flexibleWidthMin)
      .sort((a, b) => b.width - a.width)[0];
    if (widest === undefined) return undefined;
    widths[widest.at] = Math.max(flexibleWidthMin, widest.width - (total() - widthMax));
  }
  return widths;
}

function printRow(
  output: Output,
  columns: readonly Column[],
  widths: readonly number[],
  cuts: boolean,
  row: readonly Part[],
): void {
  const parts: Part[] = [];
  columns.forEach((column, at) => {
    const part = row[at] ?? '';
    const width = widths[at] ?? 0;
    const whole = neutral(textOf(part));
    const text = cuts ? fit(whole, width) : whole;
    const padding = ' '.repeat(Math.max(0, width - widthOf(text)));
    const last = at === columns.length - 1;
    const styled = typeof part === 'string' ? text : { ...part, text };
    if (at > 0) parts.push(gap);
    parts.push(...(column.right === true ? [padding, styled] : last ? [styled] : [styled, padding]));
  });
  print(output, ...parts);
}

function printRecords(output: Output, columns: readonly Column[], rows: readonly (readonly Part[])[]): void {
  for (const row of rows) {
    columns.forEach(({ title }, at) => {
      print(output, { style: 'dim', text: `${title.toLowerCase()}: ` }, row[at] ?? '');
    });
    print(output);
  }
}
