import type { Analysis } from './analysis.js';
import { expression, ordering, predicate, soleName, windowUses } from './expressions.js';
import { fromItem } from './from.js';
import { targetRow } from './outputs.js';
import { type Column, clean, concatRows, type Row, rowOf, type Taint, unionRows, wholeRow } from './rows.js';
import { findName, innerScope, type Scope, type WithQueries } from './scope.js';
import { bodyOf, constantInteger, listAt, type Tree, textAt, treeAt, unwrap } from './tree.js';
import { withQueries } from './with-queries.js';

/** The columns of a SELECT, VALUES, TABLE or set operation. */
export function selectRow(
  analysis: Analysis,
  body: Tree,
  outer: Scope | undefined,
  queries: WithQueries,
): Row {
  analysis.step(1);
  const inner = withQueries(analysis, body, outer, queries);
  const row = resultRow(analysis, body, outer, inner);
  if (treeAt(body, 'intoClause') !== undefined) analysis.use('copy-into-table', wholeRow(row));
  return row;
}

function resultRow(analysis: Analysis, body: Tree, outer: Scope | undefined, queries: WithQueries): Row {
  const left = treeAt(body, 'larg');
  const right = treeAt(body, 'rarg');
  if (left !== undefined && right !== undefined) {
    const leftRow = selectRow(analysis, left, outer, queries);
    const row = unionRows(leftRow, selectRow(analysis, right, outer, queries));
    analysis.step(row.columns.length);
    // Without ALL, and for INTERSECT and EXCEPT in any case, rows are compared with each other.
    if (body['all'] !== true || textAt(body, 'op') !== 'SETOP_UNION') predicate(analysis, wholeRow(row));
    endOfQuery(analysis, body, row, innerScope(outer, queries));
    return row;
  }
  const scope = innerScope(outer, queries);
  const lists = listAt(body, 'valuesLists');
  if (lists.length > 0) {
    const row = valuesRow(analysis, lists, scope);
    endOfQuery(analysis, body, row, scope);
    return row;
  }
  const from = listAt(body, 'fromClause').map((item) => fromItem(analysis, item, scope));
  predicate(analysis, expression(analysis, body['whereClause'], scope));
  for (const item of listAt(body, 'windowClause'))
    windowUses(analysis, bodyOf(item, 'WindowDef') ?? {}, scope);
  const row = targetRow(analysis, listAt(body, 'targetList'), scope, concatRows(from));
  grouping(analysis, body, row, scope);
  endOfQuery(analysis, body, row, scope);
  return row;
}

function valuesRow(analysis: Analysis, lists: readonly unknown[], scope: Scope): Row {
  let row: Row | undefined;
  for (const list of lists) {
    const values = listAt(bodyOf(list, 'List'), 'items').map((value, index): Column => {
      return { name: `column${index + 1}`, taint: expression(analysis, value, scope) };
    });
    row = row === undefined ? rowOf(values) : unionRows(row, rowOf(values));
  }
  return row ?? rowOf([]);
}

function grouping(analysis: Analysis, body: Tree, row: Row, scope: Scope): void {
  const distinct = listAt(body, 'distinctClause');
  // Plain DISTINCT is a list of one empty node.
  if (distinct.length > 0 && unwrap(distinct[0]) === undefined) predicate(analysis, wholeRow(row));
  for (const item of [...distinct, ...listAt(body, 'groupClause')]) {
    predicate(analysis, chosenColumn(analysis, item, row, scope));
  }
  predicate(analysis, expression(analysis, body['havingClause'], scope));
}

function endOfQuery(analysis: Analysis, body: Tree, row: Row, scope: Scope): void {
  for (const item of listAt(body, 'sortClause')) {
    ordering(analysis, chosenColumn(analysis, bodyOf(item, 'SortBy')?.['node'], row, scope));
  }
  predicate(analysis, expression(analysis, [body['limitCount'], body['limitOffset']], scope));
}

/** ORDER BY, GROUP BY and DISTINCT ON take a position, the name of an output column, or an expression. */
function chosenColumn(analysis: Analysis, value: unknown, row: Row, scope: Scope): Taint {
  const set = bodyOf(value, 'GroupingSet');
  if (set !== undefined) {
    return listAt(set, 'content').reduce<Taint>(
      (taint, item) => taint | chosenColumn(analysis, item, row, scope),
      clean,
    );
  }
  const position = constantInteger(value);
  if (position !== undefined)
    return row.complete ? (row.columns[position - 1]?.taint ?? clean) : wholeRow(row);
  const name = soleName(value);
  if (name === undefined) return expression(analysis, value, scope);
  analysis.step(row.columns.length);
  let taint = row.complete ? clean : wholeRow(row);
  let isOutput = !row.complete;
  for (const column of row.columns) {
    if (column.name !== name && column.name !== undefined) continue;
    taint |= column.taint;
    isOutput = true;
  }
  const isInput = findName(scope, name, analysis.step) !== undefined;
  return isOutput && !isInput ? taint : taint | expression(analysis, value, scope);
}
