import { readFileSync } from 'node:fs';
import net from 'node:net';
import pg from 'pg';

type Report = Record<string, unknown>;

/** pg takes `rows` as the most that one Execute may bring; its types do not know. */
interface PortalConfig extends pg.QueryConfig {
  readonly rows: number;
}

interface Cancellable {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
}

/**
 * node-postgres, used in every way that speaks a different part of the protocol. Finds the server in libpq's
 * variables. What it reports must be the same whether it reached PostgreSQL or the gateway.
 */
export async function report(env: NodeJS.ProcessEnv = process.env): Promise<Report> {
  const ca = env['PGSSLROOTCERT'];
  const settings: pg.ClientConfig = {
    ssl: ca === undefined ? false : { ca: readFileSync(ca, 'utf8') },
    enableChannelBinding: env['PGCHANNELBINDING'] === 'require',
  };
  const client = new pg.Client(settings);
  await client.connect();
  const found: Report = {
    ...(await results(client)),
    ...(await prepared(client)),
    ...(await transactions(client)),
    ...(await errors(client)),
    ...(await notification(client, settings)),
    ...(await cancellation(client)),
  };
  await client.end();
  const pool = new pg.Pool({ ...settings, max: 4 });
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => pool.query<{ n: number }>('select $1::int as n', [n]));
  found['pool'] = (await Promise.all(numbers)).map(({ rows }) => rows[0]?.n);
  await pool.end();
  return found;
}

async function rowsOf(client: pg.Client, text: string, values?: unknown[]): Promise<unknown[]> {
  return (await client.query<Record<string, unknown>>(text, values)).rows;
}

/** What a program can tell about an error. */
async function failure(promise: Promise<unknown>): Promise<Report> {
  try {
    await promise;
    return { none: true };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) return { message: String(error) };
    const { code, message, severity, position, constraint } = error;
    return { code, message, severity, position, constraint };
  }
}

async function results(client: pg.Client): Promise<Report> {
  const several: unknown = await client.query("select 1 as a; select 'zwei' as b");
  const parameters = [
    42,
    'größer \u{1f600}',
    [1, 2, 3],
    '2026-01-02T03:04:05Z',
    { k: [1, null] },
    Buffer.from([0, 255, 10]),
    null,
  ];
  const many = await client.query<{ n: number; text: string }>(
    "select n, repeat('x', 50) || n as text from generate_series(1, 20000) as n",
  );
  const wide = await client.query<{ wide: string }>("select repeat('0123456789', 300000) as wide");
  return {
    simple: await rowsOf(client, 'select 1 as one, null as nothing'),
    several: (several as pg.QueryResult[]).map(({ command, rows }) => [command, rows as unknown]),
    empty: (await client.query('')).rowCount,
    parameters: await rowsOf(
      client,
      'select $1::int as i, $2::text as t, $3::int[] as a, $4::timestamptz as at, $5::jsonb as j, $6::bytea as b, $7::text as n',
      parameters,
    ),
    many: [many.rowCount, many.rows.reduce((sum, { n, text }) => sum + n + text.length, 0)],
    wide: [wide.rows[0]?.wide.length, wide.rows[0]?.wide.slice(-20)],
  };
}

async function prepared(client: pg.Client): Promise<Report> {
  const named = { name: 'by-id', text: 'select id, name, amount, at from items where id = $1' };
  const rows: unknown[] = [];
  for (const id of [1, 2, 1, 40]) rows.push((await client.query({ ...named, values: [id] })).rows);
  // A portal that is suspended after every 7 rows and executed again.
  const portal: PortalConfig = {
    text: 'select id from items where id <= $1 order by id',
    values: [30],
    rows: 7,
  };
  const { fields } = await client.query('select id, name, amount, at, tags, doc from items limit $1', [1]);
  return {
    prepared: rows,
    preparedTwice: await failure(client.query({ ...named, text: 'select 2', values: [] })),
    portal: (await client.query<{ id: number }>(portal)).rows,
    fields: fields.map(({ name, dataTypeID, format }) => [name, dataTypeID, format]),
  };
}

async function transactions(client: pg.Client): Promise<Report> {
  await client.query('delete from scratch');
  await client.query('begin');
  await client.query("insert into scratch values (1, 'gone')");
  await client.query('rollback');
  const afterRollback = await rowsOf(client, 'select count(*)::int as n from scratch');
  await client.query('begin');
  const inserted = await rowsOf(client, "insert into scratch values ($1, 'kept') returning *", [2]);
  const failed = await failure(client.query('select * from not_there'));
  const afterFailure = await failure(client.query('select 1'));
  await client.query('rollback');
  const { rowCount } = await client.query("insert into scratch values (3, 'a'), (4, 'b')");
  return { afterRollback, inserted, failed, afterFailure, rowCount };
}

async function errors(client: pg.Client): Promise<Report> {
  return {
    division: await failure(client.query('select 1/0')),
    divisionPrepared: await failure(client.query('select 1/$1::int', [0])),
    missing: await failure(client.query('select nothing from items')),
    duplicate: await failure(client.query("insert into scratch values (3, 'again')")),
    // The gateway's own parser speaks here: only the code is the same.
    syntax: (await failure(client.query('selec 1')))['code'],
    stillUsable: await rowsOf(client, 'select 7 as seven'),
  };
}

async function notification(client: pg.Client, settings: pg.ClientConfig): Promise<Report> {
  const listener = new pg.Client(settings);
  await listener.connect();
  const heard = new Promise<pg.Notification>((resolve) => listener.once('notification', resolve));
  await listener.query('listen news');
  await client.query("notify news, 'hello'");
  const { channel, payload, processId } = await heard;
  await listener.end();
  return { notification: [channel, payload, typeof processId] };
}

async function cancellation(client: pg.Client): Promise<Report> {
  const target = client as unknown as Cancellable;
  const sleeping = failure(client.query('select pg_sleep(600)'));
  const ended = sleeping.then(() => true);
  const soon = (): Promise<boolean> => new Promise((resolve) => setTimeout(resolve, 300, false));
  // A cancel that comes before its statement is rightly lost: asked again until it has worked. One at a time: a late
  // one would meet the next statement.
  for (let over = false; !over; ) {
    await cancel(target);
    over = await Promise.race([ended, soon()]);
  }
  const cancelled = await sleeping;
  return { cancelled, afterCancel: await rowsOf(client, 'select 8 as eight') };
}

/** A CancelRequest on a connection of its own, unencrypted as libpq sends it; resolves when the server has closed that. */
async function cancel(target: Cancellable): Promise<void> {
  const packet = Buffer.alloc(16);
  packet.writeInt32BE(16, 0);
  packet.writeInt32BE(80_877_102, 4);
  packet.writeInt32BE(target.processID, 8);
  packet.writeInt32BE(target.secretKey, 12);
  const socket = net.connect(target.port, target.host);
  socket.on('error', () => socket.destroy());
  socket.end(packet);
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
}
