import type { ResultColumn } from '../../../../gateway-core/contract/bridge/sql.js';
import { splitName } from '../text/catalog.js';
import { written } from '../text/words.js';

export const copyFormats = ['tsv', 'tsv-header', 'csv', 'json', 'insert', 'markdown'] as const;
export type CopyFormat = (typeof copyFormats)[number];

/** A clipboard is no export: more than this is refused, and the export offered. */
export const copyCellsMax = 500_000;
export const copyCharactersMax = 32_000_000;

type Value = string | null;
type Column = Pick<ResultColumn, 'name' | 'kind' | 'origin'>;

/** Cells as text for the clipboard. Masked cells are what they are on the screen: the masked text. */
export function copyText(
  format: CopyFormat,
  columns: readonly Column[],
  rows: readonly (readonly Value[])[],
): string {
  const names = columns.map(({ name }) => name);
  switch (format) {
    case 'tsv':
      return rows.map((row) => row.map(tabCell).join('\t')).join('\n');
    case 'tsv-header':
      return [names, ...rows].map((row) => row.map(tabCell).join('\t')).join('\n');
    case 'csv':
      return [names, ...rows].map((row) => row.map(commaCell).join(',')).join('\r\n');
    case 'json':
      return toJson(columns, rows);
    case 'insert':
      return toInserts(columns, rows);
    case 'markdown':
      return toMarkdown(columns, rows);
  }
}

/** As spreadsheets take it: quotes only where a tab or a line break would split the cell. NULL is an empty cell. */
function tabCell(value: Value): string {
  if (value === null) return '';
  return /[\t\n\r]|^"/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** RFC 4180. An empty text is `""`, NULL is nothing, so that they stay apart. */
function commaCell(value: Value): string {
  if (value === null) return '';
  return value === '' || /[",\n\r]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function toJson(columns: readonly Column[], rows: readonly (readonly Value[])[]): string {
  const names = distinct(columns.map(({ name }) => name));
  const objects = rows.map((row) => {
    const members = names.map(
      (name, at) => `${JSON.stringify(name)}: ${jsonValue(columns[at], row[at] ?? null)}`,
    );
    return `  { ${members.join(', ')} }`;
  });
  return `[\n${objects.join(',\n')}\n]`;
}

/** The value as JSON text. A number that JSON readers would change stays a string. */
function jsonValue(column: Column | undefined, value: Value): string {
  if (value === null) return 'null';
  if (column?.kind === 'boolean' && (value === 't' || value === 'f')) return value === 't' ? 'true' : 'false';
  if (column?.kind === 'number' && String(Number(value)) === value && Number.isFinite(Number(value)))
    return value;
  if (column?.kind === 'json' && isJson(value)) return value;
  return JSON.stringify(value);
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}_${count}`;
  });
}

function toInserts(columns: readonly Column[], rows: readonly (readonly Value[])[]): string {
  const names = columns.map(({ name }) => written(name)).join(', ');
  const head = `INSERT INTO ${tableOf(columns)} (${names}) VALUES`;
  return rows
    .map((row) => `${head} (${columns.map((column, at) => sqlValue(column, row[at] ?? null)).join(', ')});`)
    .join('\n');
}

/** The table that all columns come from, else a name that has to be replaced. */
function tableOf(columns: readonly Column[]): string {
  const tables = columns.map(({ origin }) => {
    const parts = origin === undefined ? [] : splitName(origin);
    return parts.slice(0, -1).map(written).join('.');
  });
  const [first = ''] = tables;
  return first !== '' && tables.every((table) => table === first) ? first : 'table_name';
}

function sqlValue(column: Column, value: Value): string {
  if (value === null) return 'NULL';
  if (column.kind === 'number' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return value;
  if (column.kind === 'boolean' && (value === 't' || value === 'f')) return value === 't' ? 'true' : 'false';
  return `'${value.replaceAll("'", "''")}'`;
}

function toMarkdown(columns: readonly Column[], rows: readonly (readonly Value[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = columns.map(({ kind }) => (kind === 'number' ? '---:' : '---'));
  return [
    line(columns.map(({ name }) => markdownCell(name))),
    line(rule),
    ...rows.map((row) => line(columns.map((_, at) => markdownCell(row[at] ?? null)))),
  ].join('\n');
}

function markdownCell(value: Value): string {
  if (value === null) return 'NULL';
  return value.replaceAll(/[\\|<>`*_[\]]/g, '\\$&').replaceAll(/\r\n|[\r\n]/g, '<br>');
}
