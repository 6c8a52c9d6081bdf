import { clean, type Row, type Taint, wholeRow } from './rows.js';

/** One name in FROM, or what stands for one: the target of a write, `excluded`, `old`, `new`. */
export interface Relation {
  readonly alias: string | undefined;
  readonly row: Row;
  readonly whole: Taint;
  /** Columns whose name is known; several of one name are joined. */
  readonly byName: ReadonlyMap<string, Taint>;
  /** What a name may mean that `byName` does not have: columns without a known name, or an open row. */
  readonly otherwise: Taint | undefined;
  /** Shows samples of columns or other people's statements: what is read of it is the use `statistics`. */
  readonly statistics: boolean;
  /** A table as it is stored, so that whether a column is NULL says nothing more of its value. */
  readonly stored: boolean;
}

export interface RelationTraits {
  readonly statistics?: boolean;
  readonly stored?: boolean;
}

export function relationOf(
  alias: string | undefined,
  row: Row,
  { statistics = false, stored = false }: RelationTraits,
): Relation {
  const byName = new Map<string, Taint>();
  let otherwise: Taint | undefined = row.complete ? undefined : row.rest;
  for (const column of row.columns) {
    if (column.name === undefined) otherwise = (otherwise ?? clean) | column.taint;
    else byName.set(column.name, (byName.get(column.name) ?? clean) | column.taint);
  }
  return { alias, row, whole: wholeRow(row), byName, otherwise, statistics, stored };
}

/** WITH queries, innermost first. `read` may run the query when it is first asked for. */
export type WithQueries =
  | { readonly name: string; readonly read: () => Row; readonly outer: WithQueries }
  | undefined;

/**
 * What the names in one query level mean. Look-ups join the answers of all levels where PostgreSQL would stop at the
 * innermost one that knows the name: too much at worst.
 */
export interface Scope {
  readonly relations: Relation[];
  readonly outer: Scope | undefined;
  readonly withQueries: WithQueries;
}

export function innerScope(outer: Scope | undefined, withQueries: WithQueries): Scope {
  return { relations: [], outer, withQueries };
}

interface Found {
  readonly taint: Taint;
  /** Some relation does not list the name, so it may be a function that takes the whole row. */
  readonly callable: boolean;
  readonly statistics: boolean;
  /** Some of it comes from a query, a view or a function, where a value may be NULL for what it is. */
  readonly derived: boolean;
}

/** Takes steps off what one analysis may use up. */
type Step = (count: number) => void;

const systemColumns: ReadonlySet<string> = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);

/** `name` by itself: a column of any relation in sight, or a whole row. undefined: nothing in sight has the name. */
export function findName(scope: Scope | undefined, name: string, step: Step): Found | undefined {
  let found: Found | undefined;
  for (let level = scope; level !== undefined; level = level.outer) {
    step(level.relations.length + 1);
    for (const relation of level.relations) {
      const listed = relation.byName.get(name);
      if (listed !== undefined) found = join(found, listed, false, relation);
      if (relation.otherwise !== undefined) found = join(found, relation.otherwise, false, relation);
      if (relation.alias === name) found = join(found, relation.whole, false, relation);
    }
  }
  return (
    found ??
    (systemColumns.has(name)
      ? { taint: clean, callable: false, statistics: false, derived: false }
      : undefined)
  );
}

/**
 * `alias.name`: a column of the relations of that alias. A name that none of them has is a call with the whole row as
 * its argument (`c.row_to_json`). undefined: no relation of that alias is in sight.
 */
export function findField(
  scope: Scope | undefined,
  alias: string,
  name: string,
  step: Step,
): Found | undefined {
  let found: Found | undefined;
  for (let level = scope; level !== undefined; level = level.outer) {
    step(level.relations.length + 1);
    for (const relation of level.relations) {
      if (relation.alias !== alias) continue;
      const listed = relation.byName.get(name);
      if (listed !== undefined) {
        found = join(found, listed | (relation.otherwise ?? clean), false, relation);
      } else if (systemColumns.has(name)) found = join(found, clean, false, relation);
      else found = join(found, relation.whole, true, relation);
    }
  }
  return found;
}

function join(found: Found | undefined, taint: Taint, callable: boolean, relation: Relation): Found {
  return {
    taint: (found?.taint ?? clean) | taint,
    callable: (found?.callable ?? false) || callable,
    statistics: (found?.statistics ?? false) || (relation.statistics && taint !== clean),
    derived: (found?.derived ?? false) || (!relation.stored && taint !== clean),
  };
}

/** The relations of that alias at the innermost level that has one. */
export function findAlias(scope: Scope | undefined, alias: string, step: Step): readonly Relation[] {
  for (let level = scope; level !== undefined; level = level.outer) {
    step(level.relations.length + 1);
    const named = level.relations.filter((relation) => relation.alias === alias);
    if (named.length > 0) return named;
  }
  return [];
}

export function findWithQuery(queries: WithQueries, name: string, step: Step): (() => Row) | undefined {
  for (let query = queries; query !== undefined; query = query.outer) {
    step(1);
    if (query.name === name) return query.read;
  }
  return undefined;
}

/** Whether `alias` names a relation and can be no column of any in sight. */
export function isOnlyAlias(scope: Scope | undefined, alias: string, step: Step): boolean {
  for (let level = scope; level !== undefined; level = level.outer) {
    step(level.relations.length + 1);
    for (const relation of level.relations) {
      if (relation.byName.has(alias) || relation.otherwise !== undefined) return false;
    }
  }
  return findAlias(scope, alias, step).length > 0;
}
