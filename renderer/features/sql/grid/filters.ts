import type { ResultView } from '../../../../gateway-core/contract/bridge/sql.js';

export type ColumnFilter = ResultView['columns'][number];

/**
 * What stands in a column's filter: `text` contains, `=x`, `!=x`, `<x`, `>x`, `null`, `!null`. `~x` contains `x`
 * whatever `x` begins with. undefined: no filter.
 */
export function columnFilter(column: number, typed: string): ColumnFilter | undefined {
  const text = typed.trim();
  if (text === '') return undefined;
  const word = text.toLowerCase();
  if (word === 'null' || word === 'is null') return { column, operator: 'null', value: '' };
  if (word === '!null' || word === 'not null' || word === 'is not null') {
    return { column, operator: 'not-null', value: '' };
  }
  const [, sign = '', rest = ''] = /^(!=|<>|=|<|>|~)?\s*(.*)$/su.exec(text) ?? [];
  const operator = operators[sign] ?? 'contains';
  // An operator alone is one that is still being typed.
  return rest === '' && operator !== 'equals' && operator !== 'not-equals'
    ? undefined
    : { column, operator, value: rest };
}

const operators: Readonly<Record<string, ColumnFilter['operator']>> = {
  '=': 'equals',
  '!=': 'not-equals',
  '<>': 'not-equals',
  '<': 'less',
  '>': 'greater',
};

/** What to type for a filter that was made by a click on a cell. */
export function filterText(value: string | null, not: boolean): string {
  if (value === null) return not ? '!null' : 'null';
  return `${not ? '!=' : '='}${value}`;
}

export type Sort = ResultView['sort'][number];
const sortColumnsMax = 8;

/** A click on a header: ascending, descending, not at all. `add` keeps the other columns. */
export function toggleSort(sort: readonly Sort[], column: number, add: boolean): Sort[] {
  const current = sort.find((each) => each.column === column);
  const next: Sort[] =
    current === undefined
      ? [{ column, descending: false }]
      : current.descending
        ? []
        : [{ column, descending: true }];
  if (!add) return next;
  if (current === undefined) return [...sort, ...next].slice(0, sortColumnsMax);
  return sort.flatMap((each) => (each.column === column ? next : [each]));
}

/** A view that shows everything as it came. */
export function isPlain({ sort, filter, columns }: ResultView): boolean {
  return sort.length === 0 && filter === '' && columns.length === 0;
}
