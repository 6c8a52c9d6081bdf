import type { Action } from './decision.js';

/** `[start, end)` in UTF-16 code units of the statement's text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface TableUse {
  /** As written; undefined when the search path decides. */
  readonly schema: string | undefined;
  readonly name: string;
  readonly access: 'read' | 'write';
}

/** Ways in which a statement can learn about a masked column without showing it; denied by default. */
export type MaskedUse =
  | 'predicate' // WHERE, JOIN ON/USING, HAVING, CASE conditions, GROUP BY, DISTINCT, set operations
  | 'order' // ORDER BY, window ORDER/PARTITION BY
  | 'copy-into-table' // CREATE TABLE AS, SELECT INTO, INSERT ... SELECT, UPDATE/MERGE from it, materialised views, views
  | 'statistics' // pg_stats, pg_statistic and their kin
  | 'explain-analyze'
  | 'opaque'; // functions, DO blocks and queries-in-strings that could reach it unseen

/** What can be known of one statement from its parse tree alone (PostgreSQL grammar 18). */
export interface StatementFacts {
  /** The action that policy is asked for. Transaction control, SET and the like are `sql:read`. */
  readonly action: Extract<Action, `sql:${string}`>;
  /** The command tag's first words, upper case: `SELECT`, `INSERT`, `COPY TO`, `CREATE TABLE`. */
  readonly command: string;
  /** Where this statement stands in the text it came in. */
  readonly span: Span;
  readonly tables: readonly TableUse[];
  /** Functions called, lower case, schema-qualified where written so. */
  readonly functions: readonly string[];
  /** String, number and bit literals with their place: what is masked in the kept text. */
  readonly literals: readonly (Span & { readonly kind: 'string' | 'number' })[];
  /** Text that policy must never allow, whatever it says: reason, or undefined. Example: changing standard_conforming_strings. */
  readonly forbidden: string | undefined;
  /** PREPARE name, EXECUTE name, DECLARE/FETCH cursor name: how a later statement refers to this one, and back. */
  readonly defines: { readonly kind: 'prepared' | 'cursor'; readonly name: string } | undefined;
  readonly refersTo: { readonly kind: 'prepared' | 'cursor'; readonly name: string } | undefined;
  /** The catalog may have changed after this one: DDL, DO, CALL, ... */
  readonly changesCatalog: boolean;
  /** SET search_path, SET ROLE, DISCARD, ...: verdicts made before are made again. */
  readonly changesSession: boolean;
  readonly copy:
    | {
        readonly direction: 'to' | 'from';
        readonly schema: string | undefined;
        readonly table: string | undefined;
        /** Columns as listed; undefined: all. Undefined table: COPY (query) TO. */
        readonly columns: readonly string[] | undefined;
        readonly format: 'text' | 'csv' | 'binary';
        readonly delimiter: string;
        readonly quote: string;
        readonly escape: string;
        readonly nullText: string;
        readonly header: boolean;
      }
    | undefined;
}

export interface CatalogColumn {
  readonly name: string;
  /** pg_attribute.attnum, from 1. */
  readonly number: number;
  readonly typeOid: number;
  /** pg_attribute.attgenerated is set: COPY without a column list leaves it out. Missing: not known. */
  readonly generated?: boolean;
}

export interface CatalogRelation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r table, v view, m materialised view, p partitioned, f foreign. */
  readonly kind: 'r' | 'v' | 'm' | 'p' | 'f';
  readonly columns: readonly CatalogColumn[];
  /** pg_get_viewdef for v and m. */
  readonly definition: string | undefined;
  /** oids of parents (inheritance, partitions). */
  readonly parents: readonly number[];
}

/** The target's catalog as the gateway read it on its own connection. System schemas are not in it. */
export interface Catalog {
  readonly relations: readonly CatalogRelation[];
  /** Names of functions outside pg_catalog, lower case, without schema. */
  readonly userFunctions: ReadonlySet<string>;
}

/** What lineage says about the columns that a statement returns. */
export interface OutputColumns {
  /**
   * Per output column, left to right: is its value free of masked columns?
   * `tainted` with the patterns' indices whose masks then apply; `unknown` must be treated as tainted by every mask.
   * Empty with `complete: false` when the number of columns cannot be known from the tree (`SELECT *` over the unknown).
   */
  readonly columns: readonly ('clean' | 'tainted' | 'unknown')[];
  readonly complete: boolean;
}
