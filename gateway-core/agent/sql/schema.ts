import type { ConnectionDetail } from '../../contract/api.js';
import type { Schema, SchemaColumn, SchemaFunction, SchemaObject } from '../../contract/bridge/sql.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';
import { askOf } from './session.js';
import { WireSession } from './wire.js';

const kinds: Readonly<Record<string, SchemaObject['kind']>> = {
  r: 'table',
  v: 'view',
  m: 'materialized-view',
  f: 'foreign-table',
  S: 'sequence',
  p: 'partitioned-table',
};

const objectsQuery = `select n.nspname, c.relname, c.relkind, case when c.reltuples >= 0 then c.reltuples::bigint::text end
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r','v','m','f','S','p') and n.nspname !~ '^pg_(toast|temp)' and n.nspname <> 'information_schema'
   and (n.nspname <> 'pg_catalog' or c.relkind in ('r','v'))
   and not c.relispartition
 order by n.nspname = 'pg_catalog', 1, 2 limit ${sqlLimits.schemaObjectsMax + 1}`;

const functionsQuery = `select n.nspname, p.proname, pg_catalog.pg_get_function_arguments(p.oid), coalesce(pg_catalog.pg_get_function_result(p.oid), '')
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where p.prokind in ('f','a','w','p') and p.prorettype <> all ('{trigger,event_trigger}'::pg_catalog.regtype[])
   and n.nspname <> 'information_schema' and (n.nspname <> 'pg_catalog' or (
     p.proname !~ '^(pg_stat_get|pg_logical|binary_upgrade|_)' and p.proname !~ '(recv|send)$'
     and not (p.proargtypes::pg_catalog.oid[] || p.prorettype) && '{internal,cstring}'::pg_catalog.regtype[]::pg_catalog.oid[]))
 order by n.nspname = 'pg_catalog', 1, 2 limit ${sqlLimits.schemaFunctionsMax}`;

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const columnsQuery = (
  schema: string,
  name: string,
): string => `select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
       coalesce((select true from pg_catalog.pg_constraint k where k.conrelid = a.attrelid and k.contype = 'p' and a.attnum = any (k.conkey)), false),
       (select fn.nspname || '.' || fc.relname || '.' || fa.attname
          from pg_catalog.pg_constraint k
          join pg_catalog.pg_class fc on fc.oid = k.confrelid join pg_catalog.pg_namespace fn on fn.oid = fc.relnamespace
          join pg_catalog.pg_attribute fa on fa.attrelid = k.confrelid and fa.attnum = k.confkey[pg_catalog.array_position(k.conkey, a.attnum)]
         where k.conrelid = a.attrelid and k.contype = 'f' and a.attnum = any (k.conkey) limit 1)
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = ${literal(schema)} and c.relname = ${literal(name)} and a.attnum > 0 and not a.attisdropped
 order by a.attnum limit ${sqlLimits.columnsMax}`;

/** How long one session for the catalog waits for the next question. */
const idleMs = 20_000;

interface Held {
  schema: Promise<Schema> | undefined;
  readonly columns: Map<string, Promise<SchemaColumn[]>>;
  wire: Promise<WireSession> | undefined;
  /** Questions wait for each other: one session, one query. */
  last: Promise<unknown>;
  timer: NodeJS.Timeout | undefined;
}

/** The live schema of each connection, on a session of its own: what the editor runs is not disturbed. */
export class Schemas {
  readonly #options: SqlEngineOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: SqlEngineOptions) {
    this.#options = options;
  }

  read(connection: string, refresh: boolean): Promise<Schema> {
    const held = this.#of(connection);
    if (refresh) {
      held.columns.clear();
      held.schema = undefined;
    }
    if (held.schema !== undefined) return held.schema;
    const asked = this.#read(connection);
    held.schema = asked;
    asked.catch(() => {
      if (held.schema === asked) held.schema = undefined;
    });
    return asked;
  }

  columns(connection: string, schema: string, name: string): Promise<SchemaColumn[]> {
    const held = this.#of(connection);
    const key = JSON.stringify([schema, name]);
    const known = held.columns.get(key);
    if (known !== undefined) return known;
    const asked = this.#columns(connection, schema, name);
    held.columns.set(key, asked);
    asked.catch(() => {
      if (held.columns.get(key) === asked) held.columns.delete(key);
    });
    return asked;
  }

  close(): void {
    for (const held of this.#held.values()) {
      clearTimeout(held.timer);
      held.wire?.then((wire) => wire.close()).catch(() => undefined);
    }
    this.#held.clear();
  }

  #of(connection: string): Held {
    const known = this.#held.get(connection);
    if (known !== undefined) return known;
    const held: Held = {
      schema: undefined,
      columns: new Map(),
      wire: undefined,
      last: Promise.resolve(),
      timer: undefined,
    };
    this.#held.set(connection, held);
    return held;
  }

  async #read(connection: string): Promise<Schema> {
    const objects = await this.#ask(connection, objectsQuery);
    const functions = await this.#ask(connection, functionsQuery);
    const path = await this.#ask(connection, 'select pg_catalog.unnest(pg_catalog.current_schemas(false))');
    return {
      connection,
      readAt: new Date(this.#options.nowMs()).toISOString(),
      searchPath: path.map(([schema]) => schema ?? ''),
      objects: objects.slice(0, sqlLimits.schemaObjectsMax).map(objectOf),
      functions: functions.map(functionOf),
      cut: objects.length > sqlLimits.schemaObjectsMax || functions.length >= sqlLimits.schemaFunctionsMax,
    };
  }

  async #columns(connection: string, schema: string, name: string): Promise<SchemaColumn[]> {
    const detail = await this.#options.detail(connection);
    const rows = await this.#ask(connection, columnsQuery(schema, name));
    return rows.map(([column, type, notNull, primaryKey, references]) => {
      const mask = maskOf(detail.masks ?? [], schema, name, column ?? '');
      return {
        name: column ?? '',
        type: type ?? '',
        notNull: notNull === 't',
        primaryKey: primaryKey === 't',
        ...(references === null || references === undefined ? {} : { references }),
        ...(mask === undefined ? {} : { mask }),
      };
    });
  }

  #ask(connection: string, text: string): Promise<(string | null)[][]> {
    const held = this.#of(connection);
    const asked = held.last.then(async () => {
      clearTimeout(held.timer);
      const opening = (held.wire ??= this.#connect(connection, held));
      const wire = await opening;
      // A session that is over is not asked again. INVARIANT: what is held is closed by its timer or by its end.
      const forget = (): void => {
        if (held.wire === opening) held.wire = undefined;
      };
      wire.onEnd = forget;
      if (this.#held.get(connection) !== held) wire.close();
      try {
        return await askOf(wire, text);
      } finally {
        held.timer = setTimeout(() => {
          forget();
          wire.close();
        }, idleMs);
        held.timer.unref();
      }
    });
    held.last = asked.catch(() => undefined);
    return asked;
  }

  async #connect(connection: string, held: Held): Promise<WireSession> {
    try {
      const detail = await this.#options.detail(connection);
      const stream = await this.#options.openStream(connection);
      const place = { user: detail.user ?? 'throughline', database: detail.database ?? connection };
      return await WireSession.open(stream, place, this.#options.recorded?.(stream));
    } catch (error) {
      held.wire = undefined;
      throw error;
    }
  }
}

function objectOf([schema, name, kind, rows]: readonly (string | null)[]): SchemaObject {
  return {
    schema: schema ?? '',
    name: name ?? '',
    kind: kinds[kind ?? ''] ?? 'table',
    ...(rows === null || rows === undefined ? {} : { rows: Number(rows) }),
  };
}

function functionOf([schema, name, parameters, returns]: readonly (string | null)[]): SchemaFunction {
  return { schema: schema ?? '', name: name ?? '', arguments: parameters ?? '', returns: returns ?? '' };
}

/** The rule that masks a column: `schema.table.column` patterns, `*` for any one part. */
export function maskOf(
  masks: NonNullable<ConnectionDetail['masks']>,
  schema: string,
  table: string,
  column: string,
): string | undefined {
  const parts = [schema, table, column];
  for (const rule of masks) {
    if (!('columns' in rule)) continue;
    const pattern = rule.columns.find((each) => matchesColumn(each, parts));
    if (pattern !== undefined) return `${pattern}: ${rule.with}`;
  }
  return undefined;
}

function matchesColumn(pattern: string, parts: readonly string[]): boolean {
  const wanted = [...pattern.matchAll(/"((?:[^"]|"")*)"|([^."]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
  const own = parts.slice(-wanted.length);
  return wanted.length <= parts.length && wanted.every((each, index) => each === '*' || each === own[index]);
}
