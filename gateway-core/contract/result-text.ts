import type { ResultColumn } from './bridge/sql.js';
import type { ExportView } from './bridge/work.js';

type Column = Pick<ResultColumn, 'name' | 'kind'>;

/** Writes rows in one format: a beginning, each row, an end. */
export interface RowFormat {
  readonly begin: string;
  row(values: readonly (string | null)[], first: boolean): string;
  readonly end: string;
}

/** RFC 8259's number: what PostgreSQL writes as NaN or Infinity is none. */
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

export function formatOf(format: ExportView['format'], columns: readonly Column[]): RowFormat {
  switch (format) {
    case 'csv':
      return csv(columns);
    case 'json': {
      const object = objects(columns);
      return { begin: '[', row: (values, first) => `${first ? '' : ','}\n${object(values)}`, end: '\n]\n' };
    }
    case 'ndjson': {
      const object = objects(columns);
      return { begin: '', row: (values) => `${object(values)}\n`, end: '' };
    }
  }
}

/**
 * RFC 4180 with CRLF and a header. NULL is an empty field, an empty text is "". Values stand as they are: a program
 * that runs what begins with = has to be told not to.
 */
function csv(columns: readonly Column[]): RowFormat {
  const field = (text: string | null): string => {
    if (text === null) return '';
    return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return {
    begin: `${columns.map(({ name }) => field(name)).join(',')}\r\n`,
    row: (values) => `${values.map(field).join(',')}\r\n`,
    end: '',
  };
}

/** Columns of one name get a number: no value is lost to another. */
export function distinctNames(columns: readonly Pick<Column, 'name'>[]): string[] {
  const taken = new Set<string>();
  return columns.map(({ name }) => {
    let free = name;
    for (let count = 2; taken.has(free); count += 1) free = `${name}_${count}`;
    taken.add(free);
    return free;
  });
}

function objects(columns: readonly Column[]): (values: readonly (string | null)[]) => string {
  const keys = distinctNames(columns).map((name) => JSON.stringify(name));
  return (values) =>
    `{${values.map((value, index) => `${keys[index] ?? '""'}:${jsonValue(value, columns[index])}`).join(',')}}`;
}

function jsonValue(value: string | null, column: Column | undefined): string {
  if (value === null) return 'null';
  if (column?.kind === 'number' && jsonNumber.test(value)) return value;
  if (column?.kind === 'boolean' && (value === 't' || value === 'f')) return value === 't' ? 'true' : 'false';
  if (column?.kind === 'json') {
    try {
      // As PostgreSQL wrote it: numbers keep their digits. A line must stay a line.
      JSON.parse(value);
      return value.replaceAll(/[\r\n]+\s*/g, ' ');
    } catch {
      // A mask may have made it a text.
    }
  }
  return JSON.stringify(value);
}
