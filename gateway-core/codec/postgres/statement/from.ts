import type { Analysis } from './analysis.js';
import { functionName } from './builtins.js';
import { expression, predicate } from './expressions.js';
import {
  type Column,
  clean,
  concatRows,
  openRow,
  type Row,
  renamed,
  rowOf,
  unknownRow,
  wholeRow,
} from './rows.js';
import { findWithQuery, innerScope, type Scope } from './scope.js';
import { type Table, tableRow } from './tables.js';
import { bodyOf, listAt, stringOf, stringsOf, type Tree, textAt, treeAt, unwrap } from './tree.js';

/**
 * Adds one item of FROM to the scope and returns its columns as `*` lists them. Items see those before them, which
 * PostgreSQL grants to LATERAL and functions only; for the rest it would be an error.
 */
export function fromItem(analysis: Analysis, value: unknown, scope: Scope): Row {
  analysis.step(1);
  const node = unwrap(value);
  if (node === undefined) return add(analysis, {}, unknownRow, scope);
  switch (node.kind) {
    case 'RangeVar':
      return tableItem(analysis, node.body, scope);
    case 'RangeSubselect': {
      const select = unwrap(node.body['subquery'])?.body ?? {};
      const outer = node.body['lateral'] === true ? scope : scope.outer;
      return add(analysis, node.body, analysis.query(analysis, select, outer, scope.withQueries), scope);
    }
    case 'JoinExpr':
      return joinItem(analysis, node.body, scope);
    case 'RangeFunction':
      return functionItem(analysis, node.body, scope);
    case 'RangeTableSample':
      predicate(analysis, expression(analysis, [node.body['args'], node.body['repeatable']], scope));
      return fromItem(analysis, node.body['relation'], scope);
    case 'RangeTableFunc':
    case 'JsonTable': {
      // Any column may be made of all that goes in.
      const taint = expression(analysis, value, innerScope(scope, scope.withQueries));
      predicate(analysis, taint);
      return add(analysis, node.body, openRow(taint), scope);
    }
    default:
      return add(analysis, node.body, unknownRow, scope);
  }
}

function add(analysis: Analysis, body: Tree, row: Row, scope: Scope): Row {
  const alias = treeAt(body, 'alias');
  const columns = renamed(row, stringsOf(listAt(alias, 'colnames')));
  scope.relations.push(analysis.relation(textAt(alias, 'aliasname'), columns));
  return columns;
}

function tableItem(analysis: Analysis, body: Tree, scope: Scope): Row {
  const name = textAt(body, 'relname') ?? '';
  const read =
    textAt(body, 'schemaname') === undefined
      ? findWithQuery(scope.withQueries, name, analysis.step)
      : undefined;
  const table: Table = read === undefined ? tableRow(analysis, body) : { row: read() };
  const alias = treeAt(body, 'alias');
  const row = renamed(table.row, stringsOf(listAt(alias, 'colnames')));
  scope.relations.push(analysis.relation(textAt(alias, 'aliasname') ?? name, row, table));
  return row;
}

function joinItem(analysis: Analysis, body: Tree, scope: Scope): Row {
  const before = scope.relations.length;
  const left = fromItem(analysis, body['larg'], scope);
  const right = fromItem(analysis, body['rarg'], scope);
  const using =
    body['isNatural'] === true ? commonNames(left, right) : stringsOf(listAt(body, 'usingClause'));
  analysis.step(left.columns.length + right.columns.length);
  const joined =
    using === undefined ? openJoin(analysis, left, right) : joinedRow(analysis, left, right, using);
  predicate(analysis, expression(analysis, body['quals'], scope));
  const usingAlias = textAt(treeAt(body, 'join_using_alias'), 'aliasname');
  if (usingAlias !== undefined) scope.relations.push(analysis.relation(usingAlias, joined));
  const alias = treeAt(body, 'alias');
  if (alias === undefined) return joined;
  // An alias hides the names inside the join.
  scope.relations.length = before;
  return add(analysis, body, joined, scope);
}

/** Names on both sides; undefined when a side's names are not all known. */
function commonNames(left: Row, right: Row): string[] | undefined {
  const isKnown = (row: Row) => row.complete && row.columns.every((column) => column.name !== undefined);
  if (!isKnown(left) || !isKnown(right)) return undefined;
  const names = new Set(right.columns.map((column) => column.name));
  return left.columns.flatMap((column) =>
    column.name !== undefined && names.has(column.name) ? [column.name] : [],
  );
}

function openJoin(analysis: Analysis, left: Row, right: Row): Row {
  const taint = wholeRow(left) | wholeRow(right);
  return openRow(predicate(analysis, taint));
}

/** USING: the shared columns first, either side's value; then the others of the left, then those of the right. */
function joinedRow(analysis: Analysis, left: Row, right: Row, using: readonly string[]): Row {
  if (using.length === 0) return concatRows([left, right]);
  const shared = using.map((name): Column => {
    analysis.step(left.columns.length + right.columns.length);
    const taint = namedTaint(left, name) | namedTaint(right, name);
    return { name, taint: predicate(analysis, taint) };
  });
  if (!left.complete || !right.complete) return concatRows([left, right]);
  const names = new Set(using);
  const rest = [...left.columns, ...right.columns].filter(
    ({ name }) => name === undefined || !names.has(name),
  );
  const isRegular = left.columns.length + right.columns.length - rest.length === 2 * using.length;
  // A column without a known name may be one of the shared ones: then positions are not known either.
  return isRegular ? rowOf([...shared, ...rest]) : concatRows([openRow(wholeRow(left)), right]);
}

function namedTaint(row: Row, name: string): bigint {
  let taint = row.rest;
  for (const column of row.columns)
    if (column.name === name || column.name === undefined) taint |= column.taint;
  return taint;
}

/** Functions in FROM whose result is one column that is no row. */
const oneColumn: ReadonlySet<string> = new Set([
  'generate_series',
  'generate_subscripts',
  'regexp_split_to_table',
  'string_to_table',
  'jsonb_array_elements',
  'jsonb_array_elements_text',
  'json_array_elements',
  'json_array_elements_text',
  'jsonb_object_keys',
  'json_object_keys',
]);

function functionItem(analysis: Analysis, body: Tree, scope: Scope): Row {
  const parts: Row[] = [];
  for (const item of listAt(body, 'functions')) {
    const [called, definitions] = listAt(bodyOf(item, 'List'), 'items');
    const taint = predicate(analysis, expression(analysis, called, scope));
    const listed = [...listAt(bodyOf(definitions, 'List'), 'items'), ...listAt(body, 'coldeflist')];
    if (listed.length > 0) {
      parts.push(
        rowOf(listed.map((column) => ({ name: textAt(bodyOf(column, 'ColumnDef'), 'colname'), taint }))),
      );
    } else parts.push(isOneColumn(called) ? rowOf([{ name: undefined, taint }]) : openRow(taint));
  }
  if (body['ordinality'] === true) parts.push(rowOf([{ name: undefined, taint: clean }]));
  const alias = treeAt(body, 'alias');
  const row = renamed(concatRows(parts), stringsOf(listAt(alias, 'colnames')));
  const name = textAt(alias, 'aliasname') ?? functionAlias(listAt(body, 'functions'));
  scope.relations.push(analysis.relation(name, row));
  return row;
}

function isOneColumn(called: unknown): boolean {
  const name = functionName(stringsOf(listAt(bodyOf(called, 'FuncCall'), 'funcname')));
  return name.builtin !== undefined && oneColumn.has(name.builtin);
}

/** Without an alias a function goes by its own name; other expressions have a name that only `*` could reach. */
function functionAlias(functions: readonly unknown[]): string | undefined {
  const call = bodyOf(listAt(bodyOf(functions[0], 'List'), 'items')[0], 'FuncCall');
  return stringOf(listAt(call, 'funcname').at(-1));
}
