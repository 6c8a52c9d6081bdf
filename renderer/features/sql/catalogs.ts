import { create } from 'zustand';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { CallInput } from '../../../gateway-core/contract/bridge/calls.js';
import type { Schema, SchemaColumn, SchemaObject } from '../../../gateway-core/contract/bridge/sql.js';
import { call, failureOf, on } from '../../bridge/index.js';
import type { Catalog } from './text/catalog.js';

type Connection = CallInput<'schema.read'>['connection'];

interface Known {
  readonly schema: Schema | undefined;
  readonly reading: boolean;
  readonly problem: BridgeError | undefined;
  readonly columns: ReadonlyMap<string, readonly SchemaColumn[]>;
}

const none: Known = { schema: undefined, reading: false, problem: undefined, columns: new Map() };
/** Tables of one connection whose columns are kept. */
const tablesMax = 2000;

/** The live schema of each connection, as far as it was asked for. */
export const useCatalogs = create<{ readonly known: ReadonlyMap<string, Known> }>(() => ({
  known: new Map(),
}));

const keyOf = (object: { readonly schema: string; readonly name: string }): string =>
  JSON.stringify([object.schema, object.name]);

export function knownOf(connection: string): Known {
  return useCatalogs.getState().known.get(connection) ?? none;
}

function change(connection: string, changed: Partial<Known>): void {
  useCatalogs.setState(({ known }) => ({
    known: new Map(known).set(connection, { ...(known.get(connection) ?? none), ...changed }),
  }));
}

const catalogs = new WeakMap<Known, Catalog>();

/** What completion and hover look at; undefined until the schema was read. */
export function catalogOf(connection: string): Catalog | undefined {
  const known = knownOf(connection);
  const { schema, columns } = known;
  if (schema === undefined) return undefined;
  const made = catalogs.get(known) ?? { schema, columns: (object) => columns.get(keyOf(object)) };
  catalogs.set(known, made);
  return made;
}

/** Reads the schema if nobody did, or again. */
export async function readSchema(connection: string, refresh = false): Promise<void> {
  const before = knownOf(connection);
  if (before.reading || (before.schema !== undefined && !refresh)) return;
  change(connection, { reading: true, problem: undefined });
  try {
    const schema = await call('schema.read', { connection: connection as Connection, refresh });
    // Columns may have changed with it: they are read again as they are asked for.
    change(connection, {
      schema,
      reading: false,
      columns: refresh ? new Map() : knownOf(connection).columns,
    });
  } catch (cause) {
    change(connection, { reading: false, problem: failureOf(cause) });
  }
}

const asked = new Map<string, Promise<void>>();

/** Reads the columns of tables that are not known yet. Never fails: what could not be read stays unknown. */
export async function readColumns(connection: string, objects: readonly SchemaObject[]): Promise<void> {
  await Promise.all(
    objects
      .filter((object) => !knownOf(connection).columns.has(keyOf(object)))
      .map((object) => {
        const key = `${connection} ${keyOf(object)}`;
        const reading = asked.get(key) ?? readTable(connection, object).finally(() => asked.delete(key));
        asked.set(key, reading);
        return reading;
      }),
  );
}

async function readTable(connection: string, { schema, name }: SchemaObject): Promise<void> {
  try {
    const read = await call('schema.columns', { connection: connection as Connection, schema, name });
    const columns = new Map(knownOf(connection).columns).set(keyOf({ schema, name }), read);
    const oldest = columns.keys().next();
    if (columns.size > tablesMax && oldest.done !== true) columns.delete(oldest.value);
    change(connection, { columns });
  } catch {
    // The table is gone, or the gateway is away: completion does without it.
  }
}

/** Policies or masks changed: what is masked now is read again. */
on('connections.changed', () => {
  for (const [connection, { schema }] of useCatalogs.getState().known) {
    change(connection, { columns: new Map() });
    if (schema !== undefined) void readSchema(connection, true);
  }
});
/** Another person may see another schema. */
on('app.changed', ({ signIn }) => {
  if (signIn.state !== 'signed-in' && useCatalogs.getState().known.size > 0)
    useCatalogs.setState({ known: new Map() });
});
