import type { Analysis } from './analysis.js';
import { columnTaint, expression, relationTaint, soleName } from './expressions.js';
import { columnName } from './names.js';
import {
  type Column,
  clean,
  concatRows,
  openRow,
  type Row,
  rowOf,
  type Taint,
  unknown,
  wholeRow,
} from './rows.js';
import { findAlias, isOnlyAlias, type Scope } from './scope.js';
import { bodyOf, listAt, stringsOf, textAt, unwrap } from './tree.js';

/** The columns of a select list or of RETURNING. `from`: what `*` stands for. */
export function targetRow(analysis: Analysis, targets: readonly unknown[], scope: Scope, from: Row): Row {
  const single: Column[] = [];
  const rows: Row[] = [];
  for (const item of targets) {
    const target = bodyOf(item, 'ResTarget');
    const value = target?.['val'];
    const star = starRow(analysis, value, scope, from);
    if (star !== undefined) {
      analysis.step(star.columns.length);
      rows.push(rowOf(single.splice(0)), star);
      analysis.read(wholeRow(star), true);
    } else {
      const name = textAt(target, 'name') ?? columnName(value);
      single.push({ name, taint: outputTaint(analysis, value, scope) });
    }
  }
  if (rows.length === 0) return rowOf(single);
  return concatRows([...rows, rowOf(single)]);
}

/** A column by itself is shown, not compared with anything: no literal of the statement can be its value. */
function outputTaint(analysis: Analysis, value: unknown, scope: Scope): Taint {
  const reference = bodyOf(value, 'ColumnRef');
  if (reference === undefined) return expression(analysis, value, scope);
  return analysis.read(columnTaint(analysis, reference, scope), true);
}

/** What `*`, `alias.*` or `(expression).*` stand for; undefined for everything else. */
function starRow(analysis: Analysis, value: unknown, scope: Scope, from: Row): Row | undefined {
  const node = unwrap(value);
  if (node?.kind === 'ColumnRef') {
    const fields = listAt(node.body, 'fields');
    if (bodyOf(fields.at(-1), 'A_Star') === undefined) return undefined;
    const alias = stringsOf(fields).at(-1);
    if (alias !== undefined) return aliasRow(analysis, alias, scope);
    for (const relation of scope.relations) relationTaint(analysis, relation);
    return from;
  }
  if (node?.kind !== 'A_Indirection') return undefined;
  const parts = listAt(node.body, 'indirection');
  if (bodyOf(parts.at(-1), 'A_Star') === undefined) return undefined;
  const alias = soleName(node.body['arg']);
  if (parts.length === 1 && alias !== undefined && isOnlyAlias(scope, alias, analysis.step))
    return aliasRow(analysis, alias, scope);
  return openRow(expression(analysis, value, scope));
}

function aliasRow(analysis: Analysis, alias: string, scope: Scope): Row {
  const relations = findAlias(scope, alias, analysis.step);
  let taint = clean;
  for (const relation of relations) taint |= relationTaint(analysis, relation);
  const [relation] = relations;
  if (relation === undefined) return openRow(unknown);
  return relations.length === 1 ? relation.row : openRow(taint);
}
