import type { Analysis } from './analysis.js';
import {
  type FunctionName,
  functionName,
  isBuiltin,
  isSetReturning,
  isVolatileBuiltin,
  runsTextAsQuery,
  showsColumnStatistics,
} from './builtins.js';
import { clean, type Taint, unknown, wholeRow } from './rows.js';
import { findAlias, findField, findName, isOnlyAlias, type Relation, type Scope } from './scope.js';
import { bodyOf, isTree, listAt, stringOf, stringsOf, type Tree, textAt, treeAt, unwrap } from './tree.js';

/** What reaches the value of an expression. Uses inside it are recorded on the way. */
export function expression(analysis: Analysis, value: unknown, scope: Scope): Taint {
  if (Array.isArray(value)) {
    let taint = clean;
    for (const item of value) taint |= expression(analysis, item, scope);
    return taint;
  }
  if (!isTree(value)) return clean;
  analysis.step(1);
  const node = unwrap(value);
  return node === undefined
    ? children(analysis, value, scope)
    : nodeTaint(analysis, node.kind, node.body, scope);
}

/** Kinds that are not named here take what reaches any part of them. */
function children(analysis: Analysis, body: Tree, scope: Scope): Taint {
  let taint = clean;
  for (const key in body) {
    const value = body[key];
    if (typeof value === 'object') taint |= expression(analysis, value, scope);
  }
  return taint;
}

function nodeTaint(analysis: Analysis, kind: string, body: Tree, scope: Scope): Taint {
  switch (kind) {
    case 'A_Const':
    case 'ParamRef':
    case 'TypeName':
    case 'SetToDefault':
    case 'SQLValueFunction':
    case 'CurrentOfExpr':
    case 'MergeSupportFunc':
      return clean;
    case 'RangeVar':
      // A table where only values belong: nothing that this analysis knows.
      return unknown;
    case 'ColumnRef':
      return analysis.read(columnTaint(analysis, body, scope));
    case 'A_Indirection':
      return indirection(analysis, body, scope);
    case 'FuncCall':
      return call(analysis, body, scope);
    case 'SubLink':
      return subquery(analysis, body, scope);
    case 'SelectStmt':
      return wholeRow(analysis.query(analysis, body, scope, scope.withQueries));
    case 'A_Expr':
      return operator(analysis, body, scope);
    case 'CaseExpr':
      return caseTaint(analysis, body, scope);
    case 'BoolExpr':
    case 'NullTest':
    case 'BooleanTest':
      return predicate(analysis, children(analysis, body, scope));
    default:
      return children(analysis, body, scope);
  }
}

/** A value that decides something: which rows come, or which of two values. */
export function predicate(analysis: Analysis, taint: Taint): Taint {
  analysis.use('predicate', taint);
  return taint;
}

export function ordering(analysis: Analysis, taint: Taint): Taint {
  analysis.use('order', taint);
  return taint;
}

/** What reaches a column reference, without recording that it was read. */
export function columnTaint(analysis: Analysis, body: Tree, scope: Scope): Taint {
  const fields = listAt(body, 'fields');
  const names = stringsOf(fields);
  const name = names.at(-1);
  const alias = names.at(-2);
  if (bodyOf(fields.at(-1), 'A_Star') !== undefined) {
    return name === undefined ? everything(analysis, scope) : aliasTaint(analysis, name, scope);
  }
  if (name === undefined) return unknown;
  const found =
    alias === undefined ? findName(scope, name, analysis.step) : findField(scope, alias, name, analysis.step);
  if (found === undefined) return unknown;
  if (found.statistics) analysis.use('statistics', found.taint);
  return found.callable ? found.taint | fieldCall(analysis, name, found.taint) : found.taint;
}

function everything(analysis: Analysis, scope: Scope): Taint {
  let taint = clean;
  for (const relation of scope.relations) taint |= relationTaint(analysis, relation);
  return taint;
}

function aliasTaint(analysis: Analysis, alias: string, scope: Scope): Taint {
  let taint = clean;
  const relations = findAlias(scope, alias, analysis.step);
  for (const relation of relations) taint |= relationTaint(analysis, relation);
  return relations.length === 0 ? unknown : taint;
}

/** A whole row, which shows its samples where it has some. */
export function relationTaint(analysis: Analysis, relation: Relation): Taint {
  if (relation.statistics) analysis.use('statistics', relation.whole);
  return relation.whole;
}

/** `(x).name` where x has no such field calls name(x), whatever x is: `('a.txt').pg_read_file`. */
function fieldCall(analysis: Analysis, name: string, argument: Taint): Taint {
  const isUsers = analysis.targets.catalog.userFunctions.has(name.toLowerCase());
  if (!isUsers && !isBuiltin(name)) return clean;
  return functionTaint(analysis, functionName([name]), argument);
}

function indirection(analysis: Analysis, body: Tree, scope: Scope): Taint {
  const parts = listAt(body, 'indirection');
  const alias = soleName(body['arg']);
  const field = stringOf(parts[0]);
  if (alias !== undefined && field !== undefined && isOnlyAlias(scope, alias, analysis.step)) {
    const fields = { fields: [{ String: { sval: alias } }, parts[0]] };
    return further(analysis, parts.slice(1), scope, analysis.read(columnTaint(analysis, fields, scope)));
  }
  return further(analysis, parts, scope, expression(analysis, body['arg'], scope));
}

function further(analysis: Analysis, parts: readonly unknown[], scope: Scope, start: Taint): Taint {
  let taint = start;
  for (const part of parts) {
    const name = stringOf(part);
    taint |= name === undefined ? expression(analysis, part, scope) : fieldCall(analysis, name, taint);
  }
  return taint;
}

/** The name of a column reference that has one part only. */
export function soleName(value: unknown): string | undefined {
  const fields = listAt(bodyOf(value, 'ColumnRef'), 'fields');
  return fields.length === 1 ? stringOf(fields[0]) : undefined;
}

function call(analysis: Analysis, body: Tree, scope: Scope): Taint {
  const name = functionName(stringsOf(listAt(body, 'funcname')));
  const args = expression(analysis, listAt(body, 'args'), scope);
  const order = ordering(analysis, expression(analysis, listAt(body, 'agg_order'), scope));
  predicate(analysis, expression(analysis, body['agg_filter'], scope));
  const over = treeAt(body, 'over');
  if (over !== undefined) windowUses(analysis, over, scope);
  if (body['agg_distinct'] === true) predicate(analysis, args);
  if (name.builtin === 'count' && !isUserFunction(analysis, name)) {
    if (!listAt(body, 'args').every((argument) => isStoredColumn(analysis, argument, scope)))
      predicate(analysis, args);
    return clean;
  }
  return functionTaint(analysis, name, args | order);
}

/**
 * count(column) tells which values are there. count(nullif(column, 'x')), or of a column that a subquery made by
 * substring(column from 'x'), would tell which rows have the value.
 */
function isStoredColumn(analysis: Analysis, value: unknown, scope: Scope): boolean {
  const fields = listAt(bodyOf(value, 'ColumnRef'), 'fields');
  const name = stringOf(fields.at(-1));
  if (fields.length === 0) return false;
  if (name === undefined) return true;
  const alias = stringOf(fields.at(-2));
  const found =
    alias === undefined ? findName(scope, name, analysis.step) : findField(scope, alias, name, analysis.step);
  return found !== undefined && !found.derived && !found.callable;
}

function isUserFunction(analysis: Analysis, name: FunctionName): boolean {
  return name.builtin === undefined || analysis.targets.catalog.userFunctions.has(name.last.toLowerCase());
}

/** What reaches a function's result, given what reaches its arguments. */
function functionTaint(analysis: Analysis, name: FunctionName, args: Taint): Taint {
  if (name.builtin === undefined || isUserFunction(analysis, name)) {
    analysis.use('opaque', unknown);
    return unknown | args;
  }
  if (runsTextAsQuery(name.builtin)) {
    analysis.use('opaque', unknown);
    return unknown | args;
  }
  if (showsColumnStatistics(name.builtin)) {
    analysis.use('statistics', unknown);
    return unknown | args;
  }
  // set_config, pg_notify, lo_put, setval, pg_advisory_lock, pg_sleep: the value comes out elsewhere.
  if (isVolatileBuiltin(name.builtin)) analysis.use('copy-into-table', args);
  if (isSetReturning(name.builtin)) predicate(analysis, args);
  return args;
}

export function windowUses(analysis: Analysis, body: Tree, scope: Scope): void {
  ordering(analysis, expression(analysis, listAt(body, 'partitionClause'), scope));
  ordering(analysis, expression(analysis, listAt(body, 'orderClause'), scope));
  predicate(analysis, expression(analysis, [body['startOffset'], body['endOffset']], scope));
}

function subquery(analysis: Analysis, body: Tree, scope: Scope): Taint {
  const select = unwrap(body['subselect'])?.body ?? {};
  const inner = wholeRow(analysis.query(analysis, select, scope, scope.withQueries));
  const tested = expression(analysis, body['testexpr'], scope);
  switch (textAt(body, 'subLinkType') ?? '') {
    case 'EXISTS_SUBLINK':
      return clean;
    case 'EXPR_SUBLINK':
    case 'ARRAY_SUBLINK':
    case 'MULTIEXPR_SUBLINK':
      return inner | tested;
    default:
      return predicate(analysis, inner | tested);
  }
}

/** Operators whose result is a value made of its operands rather than a verdict on them. */
const valueOperators: ReadonlySet<string> = new Set([
  '||',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '->',
  '->>',
  '#>',
  '#>>',
]);

function operator(analysis: Analysis, body: Tree, scope: Scope): Taint {
  const left = expression(analysis, body['lexpr'], scope);
  const right = expression(analysis, body['rexpr'], scope);
  const names = stringsOf(listAt(body, 'name'));
  const schema = names.at(-2);
  if (schema !== undefined && schema !== 'pg_catalog') {
    analysis.use('opaque', unknown);
    return unknown | left | right;
  }
  const name = names.at(-1) ?? '';
  const makesValue = textAt(body, 'kind') === 'AEXPR_OP' && valueOperators.has(name);
  if (!makesValue) return predicate(analysis, left | right);
  // Division by zero tells whether the divisor was zero.
  if (name === '/' || name === '%') predicate(analysis, right);
  return left | right;
}

function caseTaint(analysis: Analysis, body: Tree, scope: Scope): Taint {
  let taint = predicate(analysis, expression(analysis, body['arg'], scope));
  for (const item of listAt(body, 'args')) {
    const when = bodyOf(item, 'CaseWhen');
    taint |= predicate(analysis, expression(analysis, when?.['expr'], scope));
    taint |= expression(analysis, when?.['result'], scope);
  }
  return taint | expression(analysis, body['defresult'], scope);
}
