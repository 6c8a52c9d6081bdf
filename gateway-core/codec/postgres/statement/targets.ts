import { ThroughlineError } from '../../../contract/errors.js';
import type { Catalog, CatalogRelation } from '../../../contract/sql.js';
import {
  type Column,
  clean,
  patternsOf,
  patternTaint,
  type Row,
  rowOf,
  type Taint,
  unknown,
} from './rows.js';

/** What is known of one column of the target: which patterns' masks reach it, and whether that is all. */
export interface ColumnMaskState {
  readonly patterns: readonly number[];
  /** A view whose definition could not be followed, or a relation that the catalog does not have: mask by all. */
  readonly unknown: boolean;
}

/** Rows of a view's definition; undefined when it cannot be followed. Handed in, since it takes the whole analysis. */
type ViewReader = (definition: string, targets: MaskTargets) => Row | undefined;

/** Oids below are the system's own (FirstNormalObjectId in access/transam.h). */
const systemOidsEnd = 16_384;
/** pg_statistic and pg_statistic_ext_data hold samples of columns. */
const sampleOids: ReadonlySet<number> = new Set([2619, 3429]);

/** A catalog with the columns that masks reach. Views are followed when they are first asked for. */
export class MaskTargets {
  readonly catalog: Catalog;
  readonly patterns: readonly string[];
  /** Patterns that no column of the catalog matches, by index: most likely a mistake worth showing. */
  readonly unmatched: readonly number[];
  private readonly byName = new Map<string, CatalogRelation[]>();
  private readonly byOid = new Map<number, CatalogRelation>();
  private readonly columnNames = new Set<string>();
  private readonly direct: ReadonlyMap<number, ReadonlyMap<string, Taint>>;
  private readonly rows = new Map<number, Row | 'running'>();
  private readonly readView: ViewReader;

  constructor(catalog: Catalog, patterns: readonly string[], readView: ViewReader) {
    this.catalog = catalog;
    this.patterns = patterns;
    this.readView = readView;
    for (const relation of catalog.relations) {
      this.byOid.set(relation.oid, relation);
      const named = this.byName.get(relation.name);
      if (named === undefined) this.byName.set(relation.name, [relation]);
      else named.push(relation);
      for (const column of relation.columns) this.columnNames.add(column.name);
    }
    const direct = matchColumns(catalog, patterns.map(parsePattern));
    this.unmatched = patterns.map((_, index) => index).filter((index) => !direct.matched.has(index));
    inherit(catalog, direct.taints);
    this.direct = direct.taints;
  }

  /** Nothing is to be masked by column: every result is clean. */
  get empty(): boolean {
    return this.patterns.length === 0;
  }

  relationsNamed(name: string): readonly CatalogRelation[] {
    return this.byName.get(name) ?? [];
  }

  hasColumnNamed(name: string): boolean {
    return this.columnNames.has(name);
  }

  /** The relation's columns in their order, with what reaches them. */
  rowOf(relation: CatalogRelation): Row {
    const known = this.rows.get(relation.oid);
    // A view that is defined by itself cannot exist; a catalog that says so is not to be trusted.
    if (known !== undefined) return known === 'running' ? this.columnsAs(relation, undefined) : known;
    const isView = relation.kind === 'v' || relation.kind === 'm';
    if (!isView || this.empty) return this.remember(relation, this.columnsAs(relation, clean));
    this.rows.set(relation.oid, 'running');
    const body = relation.definition === undefined ? undefined : this.readView(relation.definition, this);
    return this.remember(relation, this.columnsAs(relation, body));
  }

  /**
   * What masks reach the column that RowDescription names: `tableOid` and `attributeNumber` of its field.
   * Zero for both says that the column comes from no table, which tells nothing here: ask the lineage.
   */
  columnMask(tableOid: number, attributeNumber: number): ColumnMaskState {
    const taint = this.empty || tableOid === 0 ? clean : this.columnTaint(tableOid, attributeNumber);
    return { patterns: patternsOf(taint), unknown: (taint & unknown) !== clean };
  }

  private columnTaint(tableOid: number, attributeNumber: number): Taint {
    const relation = this.byOid.get(tableOid);
    if (relation === undefined)
      return tableOid < systemOidsEnd && !sampleOids.has(tableOid) ? clean : unknown;
    if (attributeNumber < 0) return clean;
    const row = this.rowOf(relation);
    if (attributeNumber === 0) return row.columns.reduce((taint, column) => taint | column.taint, clean);
    const index = orderedColumns(relation).findIndex((column) => column.number === attributeNumber);
    return row.columns[index]?.taint ?? unknown;
  }

  private remember(relation: CatalogRelation, row: Row): Row {
    this.rows.set(relation.oid, row);
    return row;
  }

  /** `inner`: the view's own query; undefined: not followed; clean: a table. */
  private columnsAs(relation: CatalogRelation, inner: Row | Taint | undefined): Row {
    const direct = this.direct.get(relation.oid);
    const columns = orderedColumns(relation);
    const follows = typeof inner === 'object' && inner.complete && inner.columns.length === columns.length;
    const fallback = typeof inner === 'bigint' ? inner : unknown;
    // What a generated column is made of does not stand in the catalog: any masked column of the same row.
    let anyMasked = clean;
    for (const taint of direct?.values() ?? []) anyMasked |= taint;
    return rowOf(
      columns.map((column, index): Column => {
        const taint =
          typeof inner === 'object' && follows ? (inner.columns[index]?.taint ?? unknown) : fallback;
        const own = column.generated === true ? anyMasked : (direct?.get(column.name) ?? clean);
        return { name: column.name, taint: taint | own };
      }),
    );
  }
}

/** A relation's columns as `*` lists them. */
export function orderedColumns(relation: CatalogRelation): CatalogRelation['columns'] {
  return [...relation.columns].sort((left, right) => left.number - right.number);
}

type Part = { readonly text: string; readonly exact: boolean } | '*';

function matches(part: Part, name: string): boolean {
  return part === '*' || (part.exact ? part.text === name : part.text === name.toLowerCase());
}

/**
 * `schema.table.column`. Unquoted parts match whatever the case, so that a mask never misses by spelling.
 * Throws `invalid-config` for anything else: a mask that cannot be read must not be skipped.
 */
function parsePattern(pattern: string): readonly [Part, Part, Part] {
  const parts: Part[] = [];
  const part = /(?:"((?:[^"]|"")+)"|([^".]+))(\.|$)/y;
  while (part.lastIndex < pattern.length) {
    const match = part.exec(pattern);
    if (match === null) break;
    const [, quoted, bare, end] = match;
    if (bare === '*') parts.push('*');
    else if (bare !== undefined) parts.push({ text: bare.trim().toLowerCase(), exact: false });
    else parts.push({ text: (quoted ?? '').replaceAll('""', '"'), exact: true });
    if (end === '') break;
  }
  const [schema, table, column] = parts;
  const whole = part.lastIndex === pattern.length && !pattern.endsWith('.');
  if (!whole || schema === undefined || table === undefined || column === undefined || parts.length !== 3) {
    throw new ThroughlineError('invalid-config', 'a mask names a column that cannot be read', {
      action: 'write it as schema.table.column, with * for any one part',
      fields: { pattern },
    });
  }
  return [schema, table, column];
}

type Taints = Map<number, Map<string, Taint>>;

function matchColumns(
  catalog: Catalog,
  patterns: readonly (readonly [Part, Part, Part])[],
): { taints: Taints; matched: ReadonlySet<number> } {
  const taints: Taints = new Map();
  const matched = new Set<number>();
  for (const relation of catalog.relations) {
    patterns.forEach(([schema, table, name], index) => {
      if (!matches(schema, relation.schema) || !matches(table, relation.name)) return;
      for (const column of relation.columns) {
        if (!matches(name, column.name)) continue;
        matched.add(index);
        add(taints, relation.oid, column.name, patternTaint(index));
      }
    });
  }
  return { taints, matched };
}

/** Whether this is news. */
function add(taints: Taints, oid: number, column: string, taint: Taint): boolean {
  let columns = taints.get(oid);
  if (columns === undefined) {
    columns = new Map();
    taints.set(oid, columns);
  }
  const before = columns.get(column) ?? clean;
  columns.set(column, before | taint);
  return (before | taint) !== before;
}

/**
 * A parent shows its children's rows and a child holds its parent's, so a mask reaches both ways, by column name
 * (partitions may number their columns differently).
 */
function inherit(catalog: Catalog, taints: Taints): void {
  const relatives = new Map<number, number[]>();
  const names = new Map<number, ReadonlySet<string>>();
  for (const relation of catalog.relations) {
    if (relation.parents.length === 0) continue;
    for (const parent of relation.parents) {
      relatives.set(relation.oid, [...(relatives.get(relation.oid) ?? []), parent]);
      const children = relatives.get(parent);
      if (children === undefined) relatives.set(parent, [relation.oid]);
      else children.push(relation.oid);
    }
  }
  for (const relation of catalog.relations) {
    if (relatives.has(relation.oid))
      names.set(relation.oid, new Set(relation.columns.map((column) => column.name)));
  }
  const queue = [...taints.keys()];
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    for (const relative of relatives.get(oid) ?? []) {
      for (const [column, taint] of taints.get(oid) ?? []) {
        if (names.get(relative)?.has(column) === true && add(taints, relative, column, taint))
          queue.push(relative);
      }
    }
  }
}
