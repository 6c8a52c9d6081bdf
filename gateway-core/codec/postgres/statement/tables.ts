import type { CatalogRelation } from '../../../contract/sql.js';
import type { Analysis } from './analysis.js';
import { clean, openRow, type Row, unknown, unknownRow, wholeRow } from './rows.js';
import { systemTables } from './system-tables.js';
import { type Tree, textAt } from './tree.js';

const systemSchemas: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema']);

/** Views that show samples of columns. pg_stat_activity shows other people's statements. */
const statisticsViews: ReadonlySet<string> = new Set([
  'pg_statistic',
  'pg_statistic_ext_data',
  'pg_stats',
  'pg_stats_ext',
  'pg_stats_ext_exprs',
]);

export interface Table {
  readonly row: Row;
  readonly statistics?: boolean;
  readonly stored?: boolean;
}

/** The columns of a table by name, whatever WITH queries there are. */
export function tableRow(analysis: Analysis, body: Tree): Table {
  const name = textAt(body, 'relname') ?? '';
  const schema = textAt(body, 'schemaname');
  const { targets, session } = analysis;
  const temporary = schema === undefined || schema === 'pg_temp' ? session.temporary.get(name) : undefined;
  if (temporary !== undefined || schema === 'pg_temp') {
    return { row: openRow(temporary === 'clean' ? clean : unknown) };
  }
  if (schema !== undefined && systemSchemas.has(schema)) return systemTable(name);
  if (schema === undefined && systemTables.has(name)) {
    // PostgreSQL looks into pg_catalog first unless the search path says otherwise.
    return targets.relationsNamed(name).length === 0
      ? systemTable(name)
      : { row: unknownRow, statistics: true };
  }
  const relations = catalogRelations(analysis, body);
  const stored = relations.every(({ kind }) => kind === 'r' || kind === 'p');
  return { row: catalogRow(analysis, relations), stored };
}

/** The relations that the name may stand for: one where the search path is known, else all of that name. */
export function catalogRelations(analysis: Analysis, body: Tree): readonly CatalogRelation[] {
  const schema = textAt(body, 'schemaname');
  const path = analysis.session.searchPath;
  const named = analysis.targets
    .relationsNamed(textAt(body, 'relname') ?? '')
    .filter((relation) => schema === undefined || relation.schema === schema);
  if (schema !== undefined || path === undefined) return named;
  for (const candidate of path) {
    const found = named.filter((relation) => relation.schema === candidate);
    if (found.length > 0) return found;
  }
  return [];
}

function catalogRow(analysis: Analysis, relations: readonly CatalogRelation[]): Row {
  const [first, ...others] = relations;
  if (first === undefined) return unknownRow;
  const row = analysis.targets.rowOf(first);
  analysis.step(row.columns.length);
  if (others.length === 0) return row;
  return openRow(
    others.reduce((taint, relation) => taint | wholeRow(analysis.targets.rowOf(relation)), wholeRow(row)),
  );
}

function systemTable(name: string): Table {
  if (statisticsViews.has(name)) return { row: unknownRow, statistics: true };
  if (name !== 'pg_stat_activity') return { row: openRow(clean) };
  // Its columns have grown over the versions; only the one with the text of statements matters.
  return {
    row: { columns: [{ name: 'query', taint: unknown }], complete: false, rest: clean },
    statistics: true,
  };
}
