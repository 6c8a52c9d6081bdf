import { noticeField, RowFields, readNoticeFields } from '../../codec/postgres/backend.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { writeBareFrontend, writeQuery } from '../../codec/postgres/frontend.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { Catalog, CatalogColumn, CatalogRelation } from '../../contract/sql.js';
import { StreamReader, writeAll } from './stream-reader.js';
import { connectUpstream, type Target } from './upstream.js';

const readTimeoutMs = 20_000;
/** Relations and columns that are read at most: a target with more is not masked by column, and so not opened. */
const columnsMax = 2_000_000;
/** A catalog older than this is read again before the next statement is judged. */
const ageMsMax = 60_000;

const columnsQuery = `
  select c.oid::text, n.nspname, c.relname, c.relkind::text, a.attname, a.attnum::text, a.atttypid::text,
    coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '')
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'v', 'm', 'p', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  order by c.oid, a.attnum`;
const parentsQuery = 'select inhrelid::text, inhparent::text from pg_catalog.pg_inherits';
const viewsQuery = `
  select c.oid::text, pg_catalog.pg_get_viewdef(c.oid)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')`;
const functionsQuery = `
  select distinct pg_catalog.lower(p.proname)
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname <> 'pg_catalog'`;

/**
 * The target's catalog, read on a connection of the gateway's own and shared by all sessions of one connection. Stale
 * after DDL of ours, after a relation that it does not know, and with age; a session that needs it waits for the new one.
 */
export class CatalogCache {
  readonly #target: Target;
  readonly #now: () => number;
  #catalog: Catalog | undefined;
  #readAtMs = 0;
  #reading: Promise<void> | undefined;
  #version = 0;

  constructor(target: Target, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  /** Counts up with every reading: verdicts of an older one are made again. */
  get version(): number {
    return this.#version;
  }

  /** Undefined when it must be read first. */
  get fresh(): Catalog | undefined {
    return this.#now() - this.#readAtMs < ageMsMax ? this.#catalog : undefined;
  }

  /** As last read, however old: enough to tell where a column comes from. */
  get latest(): Catalog | undefined {
    return this.#catalog;
  }

  markStale(): void {
    this.#readAtMs = 0;
  }

  /** Reads it; all who wait share one reading. Errors leave it stale: the caller then refuses what it cannot judge. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    // Taken before reading, so that DDL that lands meanwhile makes the result stale again, not fresh.
    const startedMs = this.#now();
    const signal = AbortSignal.timeout(readTimeoutMs);
    const settings = [['application_name', 'throughline/gateway/catalog']] as const;
    const upstream = await connectUpstream(this.#target, settings, signal);
    try {
      const query = (text: string) => rowsOf(new StreamReader(upstream.stream), text, signal);
      const columns = await query(columnsQuery);
      const parents = await query(parentsQuery);
      const views = await query(viewsQuery);
      const functions = await query(functionsQuery);
      this.#catalog = catalogOf(columns, parents, views, functions);
      this.#readAtMs = startedMs;
      this.#version += 1;
      const writer = new MessageWriter();
      writeBareFrontend(writer, 'terminate');
      await writeAll(upstream.stream, writer.take());
    } finally {
      upstream.stream.destroy();
    }
  }
}

type Row = readonly (string | null)[];

function catalogOf(
  columns: readonly Row[],
  parents: readonly Row[],
  views: readonly Row[],
  functions: readonly Row[],
): Catalog {
  const definitions = new Map(views.map(([oid, text]) => [Number(oid), text ?? undefined]));
  const parentsOf = new Map<number, number[]>();
  for (const [child, parent] of parents) {
    const list = parentsOf.get(Number(child)) ?? [];
    list.push(Number(parent));
    parentsOf.set(Number(child), list);
  }
  const relations = new Map<number, CatalogRelation & { columns: CatalogColumn[] }>();
  for (const [oidText, schema, name, kind, column, number, typeOid, generated] of columns) {
    const oid = Number(oidText);
    let relation = relations.get(oid);
    if (relation === undefined) {
      relation = {
        oid,
        schema: schema ?? '',
        name: name ?? '',
        kind: (kind ?? 'r') as CatalogRelation['kind'],
        columns: [],
        definition: definitions.get(oid),
        parents: parentsOf.get(oid) ?? [],
      };
      relations.set(oid, relation);
    }
    relation.columns.push({
      name: column ?? '',
      number: Number(number),
      typeOid: Number(typeOid),
      generated: generated !== '',
    });
  }
  return {
    relations: [...relations.values()],
    userFunctions: new Set(functions.map(([name]) => name ?? '')),
  };
}

/** Rows of one simple query, all values as text. */
async function rowsOf(reader: StreamReader, text: string, signal: AbortSignal): Promise<Row[]> {
  const writer = new MessageWriter();
  writeQuery(writer, text);
  await writeAll(reader.stream, writer.take());
  const framer = new MessageFramer('backend', { messageBytesMax: () => 64 * 1024 * 1024 });
  const fields = new RowFields();
  const rows: Row[] = [];
  for (;;) {
    const chunk = await reader.read(signal);
    if (chunk === undefined) throw failed('the target left, or took too long');
    framer.push(chunk);
    for (let event = framer.next(); event !== 'more'; event = framer.next()) {
      if (event !== 'message') throw failed('the target’s answer is malformed');
      if (framer.type === backendTypes.dataRow) {
        if (!fields.read(framer.buffer, framer.bodyStart, framer.end)) throw failed('a row is malformed');
        if (rows.length >= columnsMax) throw failed('the target has too many columns');
        rows.push(textsOf(fields, framer.buffer));
      } else if (framer.type === backendTypes.errorResponse) {
        const read = readNoticeFields(framer);
        throw failed(`SQLSTATE ${read.kind === 'malformed' ? 'unknown' : noticeField(read.fields, 'C')}`);
      } else if (framer.type === backendTypes.readyForQuery) {
        return rows;
      }
    }
  }
}

function textsOf(fields: RowFields, buffer: Uint8Array): Row {
  const values: (string | null)[] = [];
  for (let index = 0; index < fields.count; index += 1) {
    const start = fields.starts[index] ?? 0;
    const length = fields.lengths[index] ?? -1;
    values.push(length < 0 ? null : Buffer.from(buffer.subarray(start, start + length)).toString('utf8'));
  }
  return values;
}

function failed(reason: string): ThroughlineError {
  return new ThroughlineError('target-refused', `the target's catalog could not be read: ${reason}`, {
    action:
      'columns cannot be masked without it: ask an admin to check the connection’s rights on pg_catalog',
  });
}
