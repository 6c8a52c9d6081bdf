import type { Schema, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import type { Block, Source } from './blocks.js';
import { findObject, splitName } from './catalog.js';
import type { Item } from './items.js';
import type { Names } from './names.js';
import { written } from './words.js';

/** One column that points at another table's column. */
interface Link {
  readonly column: string;
  readonly schema: string;
  readonly table: string;
  readonly target: string;
}

function linksOf(names: Names, object: SchemaObject): Link[] {
  return (names.objectColumns(object) ?? []).flatMap(({ name, references }) => {
    const [schema, table, target] = references === undefined ? [] : splitName(references);
    if (schema === undefined || table === undefined || target === undefined) return [];
    return [{ column: name, schema, table, target }];
  });
}

const label = (source: Source): string => written(source.alias ?? source.name);

/** After JOIN: the tables that those already there point at, with alias and condition. */
export function joinTargets(
  schema: Schema,
  names: Names,
  block: Block,
  sources: readonly Source[],
  upper: boolean,
): Item[] {
  const taken = new Set(names.sources(block).map((source) => source.alias ?? source.name));
  const on = upper ? 'ON' : 'on';
  return sources.flatMap((source) => {
    const object = names.object(source);
    if (object === undefined) return [];
    return linksOf(names, object).flatMap((link): Item[] => {
      const target = findObject(schema, link.schema, link.table);
      if (target === undefined) return [];
      const alias = freeAlias(link.table, taken);
      const table = schema.searchPath.includes(link.schema)
        ? written(link.table)
        : `${written(link.schema)}.${written(link.table)}`;
      const condition = `${alias}.${written(link.target)} = ${label(source)}.${written(link.column)}`;
      return [
        {
          label: `${link.table} ${on} ${condition}`,
          insert: `${table} ${alias} ${on} ${condition}`,
          kind: 'join',
          detail: 'foreign key',
          rank: 0,
        },
      ];
    });
  });
}

/** After ON: conditions by foreign keys between the newest source and those before it, either way. */
export function joinConditions(names: Names, block: Block): Item[] {
  const [newest, ...others] = [...block.sources].reverse();
  if (newest === undefined) return [];
  const found = others.flatMap((other) => [
    ...conditionsBetween(names, newest, other),
    ...conditionsBetween(names, other, newest),
  ]);
  return found.map((condition) => ({
    label: condition,
    insert: condition,
    kind: 'join',
    detail: 'foreign key',
    rank: 0,
  }));
}

function conditionsBetween(names: Names, from: Source, to: Source): string[] {
  const [object, target] = [names.object(from), names.object(to)];
  if (object === undefined || target === undefined) return [];
  return linksOf(names, object)
    .filter((link) => link.schema === target.schema && link.table === target.name)
    .map((link) => `${label(from)}.${written(link.column)} = ${label(to)}.${written(link.target)}`);
}

/** The first letters of the table's words, with a number where that is taken: `order_items` becomes `oi`. */
function freeAlias(table: string, taken: ReadonlySet<string>): string {
  const letters =
    table
      .toLowerCase()
      .match(/(?<![a-z0-9])[a-z]/g)
      ?.join('') ?? 't';
  let alias = letters;
  for (let number = 2; taken.has(alias) || written(alias) !== alias; number++) alias = `${letters}${number}`;
  return alias;
}
