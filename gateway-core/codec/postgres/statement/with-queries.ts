import type { Analysis } from './analysis.js';
import { statementLimits } from './limits.js';
import {
  type Column,
  type Row,
  renamed,
  rowOf,
  sameTaints,
  unionRows,
  unknownRow,
  wholeRow,
} from './rows.js';
import type { Scope, WithQueries } from './scope.js';
import { bodyOf, listAt, stringsOf, type Tree, textAt, treeAt, unwrap } from './tree.js';

/** Analyses the WITH clause of a statement and returns the queries that its body sees. */
export function withQueries(
  analysis: Analysis,
  body: Tree,
  outer: Scope | undefined,
  queries: WithQueries,
): WithQueries {
  const clause = treeAt(body, 'withClause');
  if (clause === undefined) return queries;
  const items = listAt(clause, 'ctes').map((item) => bodyOf(item, 'CommonTableExpr') ?? {});
  if (clause['recursive'] === true) return recursiveQueries(analysis, items, outer, queries);
  let seen = queries;
  for (const item of items) {
    const row = namedRow(item, queryRow(analysis, item, outer, seen));
    seen = { name: textAt(item, 'ctename') ?? '', read: () => row, outer: seen };
  }
  return seen;
}

function queryRow(analysis: Analysis, item: Tree, outer: Scope | undefined, queries: WithQueries): Row {
  const query = unwrap(item['ctequery']);
  if (query === undefined) return unknownRow;
  if (query.kind === 'SelectStmt') return analysis.query(analysis, query.body, outer, queries);
  return analysis.change(analysis, query.kind, query.body, queries) ?? unknownRow;
}

/** Column names of the clause itself, and the columns that SEARCH and CYCLE add, which hold values of the others. */
function namedRow(item: Tree, row: Row): Row {
  const named = renamed(row, stringsOf(listAt(item, 'aliascolnames')));
  const search = treeAt(item, 'search_clause');
  const cycle = treeAt(item, 'cycle_clause');
  if (!named.complete || (search === undefined && cycle === undefined)) return named;
  const taint = wholeRow(named);
  const added: Column[] = [];
  if (search !== undefined) added.push({ name: textAt(search, 'search_seq_column'), taint });
  if (cycle !== undefined) {
    added.push({ name: textAt(cycle, 'cycle_mark_column'), taint });
    added.push({ name: textAt(cycle, 'cycle_path_column'), taint });
  }
  return rowOf([...named.columns, ...added]);
}

/**
 * With RECURSIVE, queries see themselves and each other in any order. Each is analysed when it is first asked for;
 * one that asks for itself gets what is known of it so far, and is analysed again until that is stable.
 */
function recursiveQueries(
  analysis: Analysis,
  items: readonly Tree[],
  outer: Scope | undefined,
  queries: WithQueries,
): WithQueries {
  let seen = queries;
  const readers: (() => Row)[] = [];
  for (const item of items) {
    let row: Row | undefined;
    let running = false;
    const read = (): Row => {
      if (row !== undefined) return row;
      if (running) return unknownRow;
      running = true;
      const set = (next: Row): void => {
        row = next;
      };
      set(stableRow(analysis, item, outer, seen, set));
      return row ?? unknownRow;
    };
    readers.push(read);
    seen = { name: textAt(item, 'ctename') ?? '', read, outer: seen };
  }
  for (const read of readers) read();
  return seen;
}

/** `so far` hands the row to the query's own references while it is not stable yet. */
function stableRow(
  analysis: Analysis,
  item: Tree,
  outer: Scope | undefined,
  queries: WithQueries,
  soFar: (row: Row) => void,
): Row {
  const body = bodyOf(item['ctequery'], 'SelectStmt');
  const first = treeAt(body, 'larg');
  if (body === undefined || first === undefined)
    return namedRow(item, queryRow(analysis, item, outer, queries));
  const inner = withQueries(analysis, body, outer, queries);
  let row = namedRow(item, analysis.query(analysis, first, outer, inner));
  for (let round = 0; round < statementLimits.recursionRoundsMax; round += 1) {
    soFar(row);
    const next = unionRows(row, namedRow(item, queryRow(analysis, item, outer, queries)));
    if (sameTaints(row, next)) return row;
    row = next;
  }
  return unknownRow;
}
