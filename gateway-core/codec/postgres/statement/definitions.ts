import type { Analysis } from './analysis.js';
import { expression, predicate } from './expressions.js';
import { clean, openRow, type Taint, unknown, wholeRow } from './rows.js';
import { innerScope, relationOf, type Scope } from './scope.js';
import { tableRow } from './tables.js';
import { bodyOf, isRangeVar, listAt, type Tree, textAt, treeAt, unwrap } from './tree.js';

/** What statements that define something do with masked columns. A kind that stands nowhere here is opaque. */
export function definitionUses(analysis: Analysis, kind: string, body: Tree): void {
  switch (kind) {
    case 'AlterTableStmt':
      alterTable(analysis, body);
      return;
    case 'RenameStmt':
      rename(analysis, body);
      return;
    case 'AlterObjectSchemaStmt':
      shed(analysis, relationTaint(analysis, body));
      return;
    case 'IndexStmt':
      index(analysis, body);
      return;
    case 'CreateStmt':
    case 'CreateStatsStmt':
    case 'CreateDomainStmt':
      // Expressions over the own columns reveal nothing by being defined, but functions in them run unseen.
      expression(analysis, body, ownScope);
      return;
    default:
      analysis.use('opaque', unknown);
  }
}

const ownScope: Scope = {
  relations: [relationOf(undefined, openRow(clean), {})],
  outer: undefined,
  withQueries: undefined,
};

function relationTaint(analysis: Analysis, body: Tree): Taint {
  const relation = treeAt(body, 'relation');
  return relation === undefined ? unknown : wholeRow(tableRow(analysis, relation).row);
}

/** Masks go by name: what moves or renames a masked column takes its values out of their reach. */
function shed(analysis: Analysis, taint: Taint): void {
  analysis.use('copy-into-table', taint);
}

function definitionScope(analysis: Analysis, body: Tree): Scope {
  const scope = innerScope(undefined, undefined);
  const relation = treeAt(body, 'relation');
  if (relation !== undefined && isRangeVar(relation)) {
    scope.relations.push(analysis.relation(textAt(relation, 'relname'), tableRow(analysis, relation).row));
  }
  return scope;
}

/**
 * An index is made by reading every row: whether its expressions can be evaluated, and whether a unique one can be
 * made at all, tells about the values.
 */
function index(analysis: Analysis, body: Tree): void {
  const scope = definitionScope(analysis, body);
  const elements = listAt(body, 'indexParams');
  predicate(analysis, expression(analysis, elements, scope));
  predicate(analysis, expression(analysis, body['whereClause'], scope));
  if (body['unique'] !== true) return;
  const relation = treeAt(body, 'relation');
  const row = relation === undefined ? openRow(unknown) : tableRow(analysis, relation).row;
  for (const element of elements) {
    const name = textAt(bodyOf(element, 'IndexElem'), 'name');
    if (name === undefined) continue;
    const column = row.columns.find((each) => each.name === name);
    predicate(analysis, column?.taint ?? (row.complete ? unknown : row.rest));
  }
}

const leavesParent: ReadonlySet<string> = new Set([
  'AT_DropInherit',
  'AT_DetachPartition',
  'AT_DetachPartitionFinalize',
]);

function alterTable(analysis: Analysis, body: Tree): void {
  const scope = definitionScope(analysis, body);
  const whole = relationTaint(analysis, body);
  for (const item of listAt(body, 'cmds')) {
    const command = bodyOf(item, 'AlterTableCmd') ?? {};
    const subtype = textAt(command, 'subtype') ?? '';
    if (leavesParent.has(subtype)) shed(analysis, whole);
    else if (subtype === 'AT_AttachPartition')
      joinParent(analysis, partitionOf(command), treeAt(body, 'relation'));
    else if (subtype === 'AT_AddInherit')
      joinParent(analysis, treeAt(body, 'relation'), bodyOf(command['def'], 'RangeVar'));
    const value = expression(analysis, columnExpressions(command['def']), scope);
    if (subtype === 'AT_AddConstraint') predicate(analysis, value);
    else if (subtype === 'AT_AlterColumnType')
      shed(analysis, value & ~columnTaint(scope, textAt(command, 'name')));
    else shed(analysis, value);
  }
}

function partitionOf(command: Tree): Tree | undefined {
  return treeAt(bodyOf(command['def'], 'PartitionCmd'), 'name');
}

/** From then on the parent shows the child's rows, under the masks of the parent's columns only. */
function joinParent(analysis: Analysis, child: Tree | undefined, parent: Tree | undefined): void {
  const childRow = tableRow(analysis, child ?? {}).row;
  const parentRow = tableRow(analysis, parent ?? {}).row;
  shed(analysis, childRow.rest & ~parentRow.rest);
  for (const { name, taint } of childRow.columns) {
    const shown = parentRow.columns.find((column) => column.name === name)?.taint ?? parentRow.rest;
    shed(analysis, taint & ~shown);
  }
}

/** Types, names and referenced tables of a definition are no expressions. */
function columnExpressions(definition: unknown): unknown[] {
  const node = unwrap(definition);
  if (node === undefined || node.kind === 'PartitionCmd' || node.kind === 'RangeVar') return [];
  if (node.kind !== 'ColumnDef' && node.kind !== 'Constraint') return [definition];
  const constraints = listAt(node.body, 'constraints').flatMap(columnExpressions);
  return [node.body['raw_default'], node.body['raw_expr'], node.body['where_clause'], ...constraints];
}

function columnTaint(scope: Scope, name: string | undefined): Taint {
  let taint = clean;
  for (const relation of scope.relations)
    taint |= (name === undefined ? undefined : relation.byName.get(name)) ?? clean;
  return taint;
}

function rename(analysis: Analysis, body: Tree): void {
  const type = textAt(body, 'renameType');
  if (type === 'OBJECT_SCHEMA') {
    const schema = textAt(body, 'subname');
    for (const relation of analysis.targets.catalog.relations) {
      if (relation.schema === schema) shed(analysis, wholeRow(analysis.targets.rowOf(relation)));
    }
    return;
  }
  if (type === 'OBJECT_COLUMN' || type === 'OBJECT_ATTRIBUTE') {
    const scope = definitionScope(analysis, body);
    const name = textAt(body, 'subname');
    const isListed = scope.relations.some((relation) => name !== undefined && relation.byName.has(name));
    shed(analysis, isListed ? columnTaint(scope, name) : relationTaint(analysis, body));
    return;
  }
  if (treeAt(body, 'relation') !== undefined && type !== 'OBJECT_INDEX' && type !== 'OBJECT_SEQUENCE') {
    shed(analysis, relationTaint(analysis, body));
  }
}
