import type { Schema, SchemaColumn, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';

/** The schema as completion looks at it: what is known now, and what could be read. */
export interface Catalog {
  readonly schema: Schema;
  /** Columns that were read already. */
  columns(object: SchemaObject): readonly SchemaColumn[] | undefined;
}

interface Index {
  readonly byName: ReadonlyMap<string, readonly SchemaObject[]>;
  readonly schemas: readonly string[];
}
const indexes = new WeakMap<Schema, Index>();

function indexOf(schema: Schema): Index {
  const known = indexes.get(schema);
  if (known !== undefined) return known;
  const byName = new Map<string, SchemaObject[]>();
  const schemas = new Set<string>();
  for (const object of schema.objects) {
    schemas.add(object.schema);
    const list = byName.get(object.name);
    if (list === undefined) byName.set(object.name, [object]);
    else list.push(object);
  }
  const made = { byName, schemas: [...schemas].sort() };
  indexes.set(schema, made);
  return made;
}

export function schemaNames(schema: Schema): readonly string[] {
  return indexOf(schema).schemas;
}

/** The object that a name means: the first schema of the search path that has it, where none is written. */
export function findObject(
  schema: Schema,
  inSchema: string | undefined,
  name: string,
): SchemaObject | undefined {
  const named = indexOf(schema).byName.get(name) ?? [];
  if (inSchema !== undefined) return named.find((each) => each.schema === inSchema);
  for (const path of ['pg_catalog', ...schema.searchPath]) {
    const found = named.find((each) => each.schema === path);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `schema.table.column` or a quoted form of it, as the parts. */
export function splitName(name: string): string[] {
  const parts = name.match(/"(?:[^"]|"")*"|[^."]+/g) ?? [];
  return parts.map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part));
}
