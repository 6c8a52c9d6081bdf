import type { Analysis } from './analysis.js';
import { expression, predicate } from './expressions.js';
import { fromItem } from './from.js';
import { targetRow } from './outputs.js';
import { clean, concatRows, openRow, type Row, rowOf, type Taint, unknown, wholeRow } from './rows.js';
import { innerScope, type Scope, type WithQueries } from './scope.js';
import { tableRow } from './tables.js';
import { bodyOf, listAt, type Tree, textAt, treeAt, unwrap } from './tree.js';
import { withQueries } from './with-queries.js';

/** What INSERT, UPDATE, DELETE and MERGE return; undefined for other kinds. Records what they write where. */
export function dataChangeRow(
  analysis: Analysis,
  kind: string,
  body: Tree,
  outer: WithQueries,
): Row | undefined {
  analysis.step(1);
  const queries = withQueries(analysis, body, undefined, outer);
  switch (kind) {
    case 'InsertStmt':
      return insertRow(analysis, body, queries);
    case 'UpdateStmt':
      return updateRow(analysis, body, queries);
    case 'DeleteStmt':
      return deleteRow(analysis, body, queries);
    case 'MergeStmt':
      return mergeRow(analysis, body, queries);
    default:
      return undefined;
  }
}

interface Target {
  readonly alias: string;
  /** What reaches the columns as they stand in the table. */
  readonly row: Row;
  /** What this statement puts into them besides, by name; undefined: into any. RETURNING shows it. */
  readonly stored: Map<string | undefined, Taint>;
}

function targetOf(analysis: Analysis, body: Tree): Target {
  const relation = treeAt(body, 'relation') ?? {};
  const alias = textAt(treeAt(relation, 'alias'), 'aliasname') ?? textAt(relation, 'relname') ?? '';
  return { alias, row: tableRow(analysis, relation).row, stored: new Map() };
}

/**
 * A value goes into a column. It may go where the same masks wait for it; anywhere else they would be shed.
 * `column`: undefined: not known by name.
 */
function store(analysis: Analysis, target: Target, column: string | undefined, value: Taint): void {
  const into = column === undefined ? wholeRow(target.row) : storedTaint(target.row, column);
  if (into !== clean) analysis.writesMasked = true;
  const waits = column === undefined ? narrowest(target.row) : into;
  if ((value & ~waits) !== clean) analysis.use('copy-into-table', value);
  target.stored.set(column, (target.stored.get(column) ?? clean) | value);
}

/** The target's columns with what the statement has put into them. */
function storedRow(target: Target): Row {
  const anywhere = target.stored.get(undefined) ?? clean;
  if (!target.row.complete) {
    return openRow([...target.stored.values()].reduce((taint, value) => taint | value, wholeRow(target.row)));
  }
  return rowOf(
    target.row.columns.map(({ name, taint }) => ({
      name,
      taint: taint | anywhere | (name === undefined ? clean : (target.stored.get(name) ?? clean)),
    })),
  );
}

function storedTaint(target: Row, name: string): Taint {
  const column = target.columns.find((candidate) => candidate.name === name);
  return column?.taint ?? (target.complete ? unknown : target.rest);
}

/** What masks every column that the value could go into. */
function narrowest(target: Row): Taint {
  if (!target.complete) return target.rest;
  return target.columns.reduce((taint, column) => taint & column.taint, target.columns[0]?.taint ?? clean);
}

function insertRow(analysis: Analysis, body: Tree, queries: WithQueries): Row {
  const target = targetOf(analysis, body);
  const select = unwrap(body['selectStmt']);
  const listed = listAt(body, 'cols').map((item) => textAt(bodyOf(item, 'ResTarget'), 'name'));
  if (select !== undefined) {
    const row = analysis.query(analysis, select.body, undefined, queries);
    storeRow(analysis, target, listed, row);
  }
  const conflict = treeAt(body, 'onConflictClause');
  if (conflict !== undefined) {
    const scope = innerScope(undefined, queries);
    scope.relations.push(
      analysis.relation(target.alias, target.row),
      analysis.relation('excluded', storedRow(target)),
    );
    assignments(analysis, listAt(conflict, 'targetList'), target, scope);
    predicate(analysis, expression(analysis, conflict['whereClause'], scope));
    predicate(analysis, conflictTaint(analysis, conflict, listed, target.row, scope));
  }
  return returningRow(analysis, body, target, [], innerScope(undefined, queries));
}

/** Which rows conflict tells which values are there: by the columns of the index, or by any column that is written. */
function conflictTaint(
  analysis: Analysis,
  conflict: Tree,
  listed: readonly (string | undefined)[],
  target: Row,
  scope: Scope,
): Taint {
  const elements = listAt(treeAt(conflict, 'infer'), 'indexElems');
  if (elements.length > 0) {
    return elements.reduce<Taint>((taint, item) => {
      const element = bodyOf(item, 'IndexElem');
      const name = textAt(element, 'name');
      return (
        taint |
        (name === undefined ? expression(analysis, element?.['expr'], scope) : storedTaint(target, name))
      );
    }, clean);
  }
  if (listed.length === 0) return wholeRow(target);
  return listed.reduce<Taint>(
    (taint, name) => taint | (name === undefined ? unknown : storedTaint(target, name)),
    clean,
  );
}

function storeRow(
  analysis: Analysis,
  target: Target,
  listed: readonly (string | undefined)[],
  row: Row,
): void {
  const isWhole = listed.length === 0 && target.row.complete;
  const names = isWhole ? target.row.columns.map((column) => column.name) : listed;
  if (!row.complete) {
    for (const name of names.length > 0 ? names : [undefined])
      store(analysis, target, name, row.rest | wholeRow(row));
    return;
  }
  row.columns.forEach((column, index) => store(analysis, target, names[index], column.taint));
}

/** SET lists of UPDATE, ON CONFLICT and MERGE. */
function assignments(analysis: Analysis, targets: readonly unknown[], into: Target, scope: Scope): void {
  for (const item of targets) {
    const target = bodyOf(item, 'ResTarget');
    store(analysis, into, textAt(target, 'name'), expression(analysis, target?.['val'], scope));
    expression(analysis, listAt(target, 'indirection'), scope);
  }
}

function updateRow(analysis: Analysis, body: Tree, queries: WithQueries): Row {
  const target = targetOf(analysis, body);
  const scope = innerScope(undefined, queries);
  scope.relations.push(analysis.relation(target.alias, target.row));
  const from = listAt(body, 'fromClause').map((item) => fromItem(analysis, item, scope));
  assignments(analysis, listAt(body, 'targetList'), target, scope);
  predicate(analysis, expression(analysis, body['whereClause'], scope));
  return returningRow(analysis, body, target, from, scope);
}

function deleteRow(analysis: Analysis, body: Tree, queries: WithQueries): Row {
  const target = targetOf(analysis, body);
  const scope = innerScope(undefined, queries);
  scope.relations.push(analysis.relation(target.alias, target.row));
  const from = listAt(body, 'usingClause').map((item) => fromItem(analysis, item, scope));
  predicate(analysis, expression(analysis, body['whereClause'], scope));
  return returningRow(analysis, body, target, from, scope);
}

function mergeRow(analysis: Analysis, body: Tree, queries: WithQueries): Row {
  const target = targetOf(analysis, body);
  const scope = innerScope(undefined, queries);
  scope.relations.push(analysis.relation(target.alias, target.row));
  const source = fromItem(analysis, body['sourceRelation'], scope);
  predicate(analysis, expression(analysis, body['joinCondition'], scope));
  for (const item of listAt(body, 'mergeWhenClauses')) {
    const clause = bodyOf(item, 'MergeWhenClause') ?? {};
    predicate(analysis, expression(analysis, clause['condition'], scope));
    const values = listAt(clause, 'values');
    if (values.length === 0) assignments(analysis, listAt(clause, 'targetList'), target, scope);
    else mergeInsert(analysis, clause, values, target, scope);
  }
  // RETURNING * lists the source first.
  const star = openRow(wholeRow(source) | wholeRow(storedRow(target)));
  return returningRow(analysis, body, target, [], scope, star);
}

function mergeInsert(
  analysis: Analysis,
  clause: Tree,
  values: readonly unknown[],
  target: Target,
  scope: Scope,
): void {
  const listed = listAt(clause, 'targetList').map((item) => textAt(bodyOf(item, 'ResTarget'), 'name'));
  const columns = values.map((value) => ({ name: undefined, taint: expression(analysis, value, scope) }));
  storeRow(analysis, target, listed, rowOf(columns));
}

/**
 * RETURNING, with `old` and `new` of PostgreSQL 18 or the names given to them. `star` in place of target and FROM.
 */
function returningRow(
  analysis: Analysis,
  body: Tree,
  target: Target,
  from: readonly Row[],
  scope: Scope,
  star?: Row,
): Row {
  const clause = treeAt(body, 'returningClause');
  if (clause === undefined) return rowOf([]);
  const row = storedRow(target);
  const inner: Scope = { ...scope, relations: [...scope.relations] };
  const before = inner.relations.findIndex((relation) => relation.alias === target.alias);
  inner.relations.splice(Math.max(before, 0), before < 0 ? 0 : 1, analysis.relation(target.alias, row));
  const aliases = listAt(clause, 'options').map((item) => textAt(bodyOf(item, 'ReturningOption'), 'value'));
  for (const alias of ['old', 'new', ...aliases]) inner.relations.push(analysis.relation(alias, row));
  return targetRow(analysis, listAt(clause, 'exprs'), inner, star ?? concatRows([row, ...from]));
}
