import { bodyOf, listAt, stringOf, stringsOf, textAt, treeAt, unwrap } from './tree.js';

/**
 * The name that PostgreSQL gives an output column without AS (FigureColname in parse_target.c). undefined where it
 * is not certain in every version: such a column then answers to any name.
 */
export function columnName(value: unknown): string | undefined {
  const node = unwrap(value);
  if (node === undefined) return undefined;
  switch (node.kind) {
    case 'ColumnRef':
      return stringsOf(listAt(node.body, 'fields')).at(-1);
    case 'A_Indirection': {
      const field = stringsOf(listAt(node.body, 'indirection')).at(-1);
      const isColumn = bodyOf(node.body['arg'], 'ColumnRef') !== undefined;
      return field ?? (isColumn ? columnName(node.body['arg']) : undefined);
    }
    case 'FuncCall':
      // Calls in SQL syntax changed their names over time: extract was date_part.
      if (textAt(node.body, 'funcformat') !== 'COERCE_EXPLICIT_CALL') return undefined;
      return stringOf(listAt(node.body, 'funcname').at(-1));
    case 'CollateClause':
      return columnName(node.body['arg']);
    case 'TypeCast':
      return castName(node.body['arg'], stringsOf(listAt(treeAt(node.body, 'typeName'), 'names')).at(-1));
    case 'CoalesceExpr':
      return 'coalesce';
    case 'A_ArrayExpr':
      return 'array';
    case 'RowExpr':
      return 'row';
    case 'A_Expr':
      return textAt(node.body, 'kind') === 'AEXPR_NULLIF' ? 'nullif' : '?column?';
    case 'BoolExpr':
    case 'NullTest':
    case 'ParamRef':
      return '?column?';
    default:
      return undefined;
  }
}

/** A cast has its operand's name if that has one of its own, else the type's. */
function castName(operand: unknown, type: string | undefined): string | undefined {
  const inner = unwrap(operand);
  if (inner?.kind === 'TypeCast' || inner?.kind === 'CollateClause') return castName(inner.body['arg'], type);
  const name = columnName(operand);
  return name === '?column?' || inner?.kind === 'A_Const' ? type : name;
}
