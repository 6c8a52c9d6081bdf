import { TextLines } from '../codec/terminal/lines.js';
import type { ReplayItem } from '../contract/api.js';
import { dataText, goesIn } from '../contract/data-streams.js';
import {
  bold,
  dim,
  neutral,
  type Output,
  oneLine,
  type Part,
  print,
  printBlock,
  red,
  widthOf,
  yellow,
} from './output.js';
import { counted, humanDuration, localTime } from './values.js';

/** Rows that are held to find the widths of a result's columns; later ones are fitted to these. */
const measuredRowsMax = 200;
const cellWidthMax = 60;
const nullText = '∅';

/** Prints a recording as it comes: statements, result tables, messages. `flush` prints what is held back. */
export interface ReplayPrinter {
  add(item: ReplayItem): void;
  flush(): void;
}

type Of<K extends ReplayItem['kind']> = Extract<ReplayItem, { kind: K }>;

export function createReplayPrinter(output: Output): ReplayPrinter {
  let table: ResultTable | undefined;
  const terminals = new Map<number, TextLines>();
  const flush = (): void => table?.flush();
  return {
    flush,
    add: (item) => {
      if (item.kind === 'columns') {
        flush();
        table = createResultTable(output, item.columns);
      } else if (item.kind === 'row') {
        // Rows without columns cannot be: a recording that has them is shown all the same.
        table ??= createResultTable(output, []);
        table.row(item.values);
      } else if (item.kind === 'terminal' || item.kind === 'output') {
        const lines = terminals.get(item.seq) ?? new TextLines();
        terminals.set(item.seq, lines);
        printRunning(output, item, lines);
      } else {
        flush();
        table = undefined;
        if (item.kind === 'outcome') {
          for (const line of terminals.get(item.seq)?.end() ?? []) printBlock(output, line, '  ');
          terminals.delete(item.seq);
        }
        printItem(output, item);
      }
    },
  };
}

/** Lines of a terminal without their escape sequences, and of a program. */
function printRunning(output: Output, item: Of<'terminal'> | Of<'output'>, lines: TextLines): void {
  const isTerminal = item.kind === 'terminal';
  const ended = isTerminal ? lines.push('terminal', item.data) : lines.push(item.stream, item.text);
  const indent = !isTerminal && item.stream === 'stderr' ? '  ! ' : '  ';
  for (const line of ended) printBlock(output, line, indent);
}

type Printed = Exclude<ReplayItem, Of<'columns'> | Of<'row'> | Of<'terminal'> | Of<'output'>>;

function printItem(output: Output, item: Printed): void {
  switch (item.kind) {
    case 'session':
      return printSession(output, item);
    case 'statement':
      return printStatement(output, item);
    case 'data':
      return printBlock(output, dataText(item), goesIn(item.stream) ? '  > ' : '  < ');
    case 'message':
      return print(output, yellow(`  ${item.severity}: `), oneLine(item.text));
    case 'size':
      return;
    case 'outcome':
      return printOutcome(output, item);
    case 'end':
      print(output);
      return print(
        output,
        dim(`${clock(item.atMs)}  session ended${item.endCause === undefined ? '' : `: ${item.endCause}`}`),
      );
    case 'problem':
      if (item.code === 'deleted-by-retention') return print(output, red('  DELETED: '), oneLine(item.text));
      return print(output, red(`  THE RECORDING IS DAMAGED (${item.code}): `), oneLine(item.text));
  }
}

function printSession(output: Output, item: Of<'session'>): void {
  print(output, bold(item.session), `  ${item.connection}  ${localTime(item.startedAt)}`);
  print(output, dim(item.chain.map(({ name, assurance }) => `${name} (${assurance})`).join(' > ')));
}

function printStatement(output: Output, item: Of<'statement'>): void {
  const { decision, message } = item;
  print(output);
  const head: Part[] = [dim(`${clock(item.atMs)}  #${item.seq}`)];
  if (decision !== 'allowed') head.push('  ', red(decision));
  if (message !== undefined) head.push(`: ${oneLine(message)}`);
  print(output, ...head);
  printBlock(output, item.text, '  ');
}

function printOutcome(output: Output, { state, tag, error, rows, rowsKept }: Of<'outcome'>): void {
  if (error !== undefined) return print(output, red('  ERROR: '), oneLine(error));
  const cut = rows !== undefined && rowsKept !== undefined && rowsKept < rows;
  const kept = cut ? ` (${rowsKept} of ${counted(rows, 'row')} were kept)` : '';
  print(output, dim(`  ${tag ?? state}${kept}`));
}

/** Minutes, seconds and milliseconds since the session began. */
function clock(atMs: number): string {
  if (atMs >= 3_600_000) return `+${humanDuration(atMs)}`;
  const seconds = Math.floor(atMs / 1000);
  const pad = (value: number, length: number): string => String(value).padStart(length, '0');
  return `+${pad(Math.floor(seconds / 60), 2)}:${pad(seconds % 60, 2)}.${pad(Math.floor(atMs % 1000), 3)}`;
}

interface ResultTable {
  row(values: readonly (string | null)[]): void;
  flush(): void;
}

function createResultTable(output: Output, columns: readonly string[]): ResultTable {
  let held: (readonly (string | null)[])[] = [];
  let widths: number[] | undefined;
  const line = (cells: readonly string[], style?: 'dim'): void => {
    const text = cells
      .map((cell, at) => padded(cell, widths?.[at] ?? 0))
      .join(' | ')
      .trimEnd();
    print(output, style === undefined ? `  ${text}` : { style, text: `  ${text}` });
  };
  const flush = (): void => {
    const rows = held.map((values) => values.map(cellText));
    held = [];
    if (widths === undefined) {
      const titles = columns.map((title) => neutral(oneLine(title)));
      widths = columnWidths([titles, ...rows]);
      line(titles, 'dim');
    }
    for (const row of rows) line(row);
  };
  return {
    flush: () => {
      if (held.length > 0 || widths === undefined) flush();
    },
    row: (values) => {
      held.push(values);
      if (widths !== undefined || held.length >= measuredRowsMax) flush();
    },
  };
}

function cellText(value: string | null): string {
  return value === null ? nullText : neutral(oneLine(value));
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, Math.min(cellWidthMax, widthOf(cell)));
    });
  }
  return widths;
}

/** Long values are shown whole: a replay leaves nothing out, it only stops being aligned. */
function padded(cell: string, width: number): string {
  return `${cell}${' '.repeat(Math.max(0, width - widthOf(cell)))}`;
}
