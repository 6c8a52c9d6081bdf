/**
 * Reading the parser's JSON tree. A node is wrapped as `{SelectStmt: {...}}` where the grammar's field is of type
 * Node, and stands bare where the field has one fixed type. Zero, false, empty and null fields are left out.
 */
export type Tree = { readonly [field: string]: unknown };

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The kind and body of a wrapped node; undefined for bare bodies, lists and scalars. */
export function unwrap(value: unknown): { readonly kind: string; readonly body: Tree } | undefined {
  if (!isTree(value)) return undefined;
  let kind: string | undefined;
  for (const key in value) {
    if (kind !== undefined) return undefined;
    kind = key;
  }
  if (kind === undefined) return undefined;
  const first = kind.charCodeAt(0);
  const body = value[kind];
  return first >= 65 && first <= 90 && isTree(body) ? { kind, body } : undefined;
}

/** The body of a wrapped node of this kind. */
export function bodyOf(value: unknown, kind: string): Tree | undefined {
  const body = isTree(value) ? value[kind] : undefined;
  return isTree(body) ? body : undefined;
}

export function treeAt(node: Tree | undefined, field: string): Tree | undefined {
  const value = node?.[field];
  return isTree(value) ? value : undefined;
}

export function listAt(node: Tree | undefined, field: string): readonly unknown[] {
  const value = node?.[field];
  return Array.isArray(value) ? value : [];
}

/** A text field; undefined when it is left out. */
export function textAt(node: Tree | undefined, field: string): string | undefined {
  const value = node?.[field];
  return typeof value === 'string' ? value : undefined;
}

/** The text of a `String` node. */
export function stringOf(value: unknown): string | undefined {
  const body = bodyOf(value, 'String');
  return body === undefined ? undefined : (textAt(body, 'sval') ?? '');
}

/** The texts of a list of `String` nodes; others (a star, a subscript) are left out. */
export function stringsOf(values: readonly unknown[]): string[] {
  const texts: string[] = [];
  for (const value of values) {
    const text = stringOf(value);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

/**
 * The text of a string constant, as it is or cast to text; undefined for every other expression. Other casts may
 * change it: `'role.x'::varchar(4)` is 'role'.
 */
export function constantText(value: unknown): string | undefined {
  const node = unwrap(value);
  if (node?.kind === 'TypeCast') return isPlainText(node.body) ? constantText(node.body['arg']) : undefined;
  if (node?.kind !== 'A_Const') return undefined;
  const text = treeAt(node.body, 'sval');
  return text === undefined ? undefined : (textAt(text, 'sval') ?? '');
}

function isPlainText(cast: Tree): boolean {
  const type = treeAt(cast, 'typeName');
  const name = stringsOf(listAt(type, 'names')).join('.');
  const isText = name === 'text' || name === 'pg_catalog.text';
  return isText && listAt(type, 'typmods').length === 0 && listAt(type, 'arrayBounds').length === 0;
}

/** A whole-number constant; undefined for every other expression. */
export function constantInteger(value: unknown): number | undefined {
  const integer = treeAt(bodyOf(value, 'A_Const'), 'ival');
  if (integer === undefined) return undefined;
  const number = integer['ival'] ?? 0;
  return typeof number === 'number' ? number : undefined;
}

/** A bare or wrapped table name: `relpersistence` stands on every RangeVar and on nothing else that has `relname`. */
export function isRangeVar(body: Tree): boolean {
  return typeof body['relname'] === 'string' && typeof body['relpersistence'] === 'string';
}
