import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  login,
  putPolicies,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { createScope } from './processes.js';

/** The side channel in which a client is told what is masked: only who asks, only from the gateway. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let tunnel: TunnelPlace;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'marks',
    `create table person (id int, email text, note text);
     insert into person select n, 'p' || n || '@example.com', case when n % 3 = 0 then 'mail m' || n || '@example.org' else 'nothing' end
       from generate_series(0, 999) n;`,
  );
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, '@id("all")\npermit(principal, action, resource);\n');
  await addConnections(admin, [
    connectionTo(cluster, 'marks', {
      masks: [
        { columns: ['public.person.email'], with: 'partial' },
        { detect: ['email'], with: 'redact' },
      ],
    }),
  ]);
  tunnel = await admin.tunnel('marks');
});

interface Marked {
  readonly told: { readonly name: string; readonly value: string }[];
  readonly rows: (string | null)[][];
}

async function ask(sql: string, wants: string | undefined): Promise<Marked> {
  const client = new pg.Client({
    host: tunnel.env['PGHOST'],
    port: Number(tunnel.env['PGPORT']),
    user: tunnel.env['PGUSER'],
    database: tunnel.env['PGDATABASE'],
  });
  const inner = client as unknown as {
    getStartupConf(): Record<string, string>;
    connection: { on(name: string, hear: (message: Record<string, string>) => void): void };
  };
  const plain = inner.getStartupConf.bind(client);
  inner.getStartupConf = () => ({
    ...plain(),
    ...(wants === undefined ? {} : { '_pq_.throughline_marks': wants }),
  });
  const told: { name: string; value: string }[] = [];
  inner.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    if (parameterName?.startsWith('throughline.'))
      told.push({ name: parameterName, value: parameterValue ?? '' });
  });
  await client.connect();
  const answer = await client.query({ text: sql, rowMode: 'array', types: { getTypeParser: () => String } });
  await client.end();
  return { told, rows: answer.rows as (string | null)[][] };
}

it('a client that asks is told every masked cell, and its rule, before it gets the rows', async () => {
  const { told, rows } = await ask('select id, email, note from person order by id', '1');
  expect(told[0]?.name).toBe('throughline.session');
  expect(told[0]?.value).toMatch(/^ses_/);
  const marks = told
    .filter(({ name }) => name === 'throughline.marks')
    .map(({ value }) => JSON.parse(value) as object);
  expect(marks[0]).toEqual({
    columns: [
      ['email: redact', false],
      ['public.person.email: partial', true],
      ['email: redact', false],
    ],
  });
  const cells = marks.slice(1).flatMap((mark) => ('cells' in mark ? (mark.cells as number[]) : []));
  const pairs = new Set<string>();
  for (let at = 0; at < cells.length; at += 2) pairs.add(`${cells[at]} ${cells[at + 1]}`);
  const wanted = rows.flatMap((row, at) =>
    row.flatMap((value, column) =>
      value !== null && /\[masked\]|\*\*\*/.test(value) ? [`${at} ${column}`] : [],
    ),
  );
  expect(wanted).toHaveLength(1000 + 334);
  expect([...pairs].sort()).toEqual(wanted.sort());
});

it('a client that does not ask is told nothing', async () => {
  expect((await ask('select email from person', undefined)).told).toEqual([]);
  expect((await ask('select email from person', '0')).told).toEqual([]);
});

it('what nothing masks has no marks', async () => {
  const { told } = await ask('select true as yes, now() as at', '1');
  expect(told.filter(({ name }) => name === 'throughline.marks').map(({ value }) => value)).toEqual([
    '{"columns":[null,null]}',
  ]);
});
