import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { report } from './clients/node-postgres.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  cloneRoot,
  connectionTo,
  type GatewayRun,
  type HandlePlace,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { openNative, startupPacket } from './postgres-socket.js';
import {
  createScope,
  type Environment,
  type Outcome,
  type RunOptions,
  run,
  start,
  until,
} from './processes.js';

/**
 * Standard clients, unchanged, through every way in. What a client prints through the gateway is compared with what
 * the same client prints straight at the server: nothing but masks may differ.
 */
const scope = createScope();
afterAll(() => scope.close());

const shop = `
  create table items (id int primary key, name text not null, amount numeric(10,2), at timestamptz, tags text[], doc jsonb);
  insert into items select n, 'item ' || n, n * 1.25, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 hour',
    array['a' || n, 'b'], jsonb_build_object('n', n, 'deep', jsonb_build_array(n, null)) from generate_series(1, 40) as n;
  create table scratch (id int primary key, name text);
  create table customers (id int primary key, full_name text not null, email text not null, city text not null);
  insert into customers select n, 'Person ' || n, 'person.' || n || '@example.com', 'City ' || n % 7 from generate_series(1, 500) as n;
  create view cities as select city, count(*) as people from customers group by city;
  create index customers_city on customers (city);
  comment on table customers is 'people';
`;

/** Compiled by the build, as the product is: the client is a process of its own. */
const nodeProgram = `const { ${report.name} } = await import(process.argv[1]);
  console.log(JSON.stringify(await ${report.name}()));`;
const nodeClient = [
  process.execPath,
  [
    '--input-type=module',
    '-e',
    nodeProgram,
    join(cloneRoot(), 'out', 'test', 'live', 'clients', 'node-postgres.js'),
  ],
] as const;
const pythonClient = [
  '/usr/bin/python3',
  [join(import.meta.dirname, 'clients', 'psycopg_client.py')],
] as const;

type Client = (program: string, args: readonly string[], options?: RunOptions) => Promise<Outcome>;

let cluster: Cluster;
let gateway: GatewayRun;
let engineer: Person;
let admin: Person;
let handle: HandlePlace;
/** How a program is run so that it reaches the connection `shop`; in each way all settings are the product's own. */
const ways: Record<string, Client> = {};
/** The same for `bench`, as the admin, who may change the schema. */
const benchWays: Record<string, Client> = {};

const withEnvironment =
  (env: Environment): Client =>
  (program, args, options = {}) =>
    run(program, args, { ...options, env: { ...env, ...options.env } });

const throughExec =
  (person: Person, connection: string): Client =>
  (program, args, options = {}) =>
    person.cli(['exec', connection, '--', program, ...args], {
      ...(options.input === undefined ? {} : { input: String(options.input) }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope, { tls: true }), startGateway(scope)]);
  await Promise.all([cluster.createDatabase('shop', shop), cluster.createDatabase('bench')]);
  [admin, engineer] = await Promise.all([login(scope, gateway, 'admin'), login(scope, gateway, 'engineer')]);
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'shop', {
      masks: [
        { columns: ['public.customers.full_name'], with: 'redact' },
        { columns: ['public.customers.email'], with: 'partial' },
      ],
    }),
    connectionTo(cluster, 'bench', { recording: { durability: 'grouped' } }),
  ]);
  const [tunnel, benchTunnel, shopHandle, benchHandle] = await Promise.all([
    engineer.tunnel('shop'),
    admin.tunnel('bench'),
    engineer.handle('shop'),
    admin.handle('bench'),
  ]);
  handle = shopHandle;
  Object.assign(ways, {
    connect: withEnvironment(tunnel.env),
    exec: throughExec(engineer, 'shop'),
    native: withEnvironment(handle.env),
  });
  Object.assign(benchWays, {
    connect: withEnvironment(benchTunnel.env),
    exec: throughExec(admin, 'bench'),
    native: withEnvironment(benchHandle.env),
  });
});

const wayNames = ['connect', 'exec', 'native'] as const;
const through = (name: string): Client => ways[name] ?? direct();
const direct = (): Client => withEnvironment(cluster.environment('shop'));

/** What a client prints straight at the server; asked once. */
const oracles = new Map<string, Promise<Outcome>>();
function oracle(name: string, ask: (client: Client) => Promise<Outcome>): Promise<Outcome> {
  const known = oracles.get(name) ?? ask(direct());
  oracles.set(name, known);
  return known;
}

const script = (client: Client, text: string, ...args: string[]): Promise<Outcome> =>
  client('psql', ['-X', '-v', 'ON_ERROR_STOP=0', ...args], { input: text });

const psqlScript = `
select 1 as one, null as nothing, 'zwei' as b \\gdesc
select id, name, tags, doc from items order by id limit 3;
\\d items
\\d+ customers
\\dt
\\dv
\\di
\\df nothing_here
\\l shop
\\x on
select * from cities order by city limit 2;
\\x off
\\set FETCH_COUNT 100
select count(*) from (select 1 from generate_series(1, 1000)) as many;
select n from generate_series(1, 250) as n;
\\unset FETCH_COUNT
begin;
declare walk cursor for select id from items order by id;
fetch 3 from walk;
move 2 in walk;
fetch 2 from walk;
close walk;
commit;
prepare by_id (int) as select name from items where id = $1;
execute by_id(4);
deallocate by_id;
select 1/0;
select nothing from items;
select * from not_there;
select 'still here';
delete from scratch;
insert into scratch values (1, 'a'), (2, 'b') returning *;
insert into scratch values (1, 'twice');
begin;
update scratch set name = 'z' where id = 2;
savepoint here;
select 1/0;
rollback to here;
select * from scratch order by id;
rollback;
select * from scratch order by id;
select 1 as a\\; select 2 as b;
show standard_conforming_strings;
set datestyle = 'German';
select date '2026-11-20';
explain (costs off) select * from items where id = 3;
\\echo :SERVER_VERSION_NUM
`;

describe.each(wayNames)('through %s', (way) => {
  it('psql prints what it prints at the server itself', async () => {
    await cluster.query('truncate scratch', 'shop');
    const expected = await oracle('psql', (client) => script(client, psqlScript));
    await cluster.query('truncate scratch', 'shop');
    const found = await script(through(way), psqlScript);
    expect(found.stdout).toBe(expected.stdout);
    expect(found.stderr).toBe(expected.stderr);
    expect(found.status).toBe(expected.status);
  });

  it('psql shows masked columns masked and all others as they are', async () => {
    const result = await through(way)('psql', ['-XAtc', 'select * from customers where id = 7']);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const [id, name, email, city] = result.stdout.trim().split('|');
    expect([id, city]).toEqual(['7', 'City 0']);
    expect(name).not.toContain('Person');
    expect(email).not.toContain('person');
    expect(email).toContain('@example.com');
  });

  it('psql exits as it does at the server: 1 after a failed statement, 2 without a connection', async () => {
    const failed = await through(way)('psql', ['-Xc', 'select 1/0']);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(/^ERROR: {2}division by zero$/m);
  });

  it('\\copy moves rows in and out', async () => {
    const directory = scope.directory();
    const file = join(directory, 'rows.csv');
    writeFileSync(file, '1,one\n2,"two, and ""more"""\n3,\n');
    const client = through(way);
    const copied = await client('psql', [
      '-XAt',
      '-v',
      'ON_ERROR_STOP=1',
      '-c',
      'delete from scratch',
      '-c',
      `\\copy scratch from '${file}' csv`,
      '-c',
      `\\copy (select * from scratch order by id) to '${file}.out' csv`,
      '-c',
      `\\copy items to '${file}.items'`,
    ]);
    expect(copied).toMatchObject({ status: 0, stderr: '' });
    expect(copied.stdout).toMatch(/^DELETE \d+\nCOPY 3\nCOPY 3\nCOPY 40\n$/);
    expect(readFileSync(`${file}.out`, 'utf8')).toBe(readFileSync(file, 'utf8'));
    const items = await direct()('psql', ['-XAtc', 'copy items to stdout']);
    expect(readFileSync(`${file}.items`, 'utf8')).toBe(items.stdout);
  });

  it('psql hears notifications of other sessions', async () => {
    const heard = await script(through(way), "listen news;\nnotify news, 'hello';\nselect 1;\n", '-At');
    expect(heard.stdout).toMatch(
      /^Asynchronous notification "news" with payload "hello" received from server process with PID \d+\.$/m,
    );
  });

  it('pg_dump writes a plain dump that restores, with every row and with masks on', async () => {
    const dump = await through(way)('pg_dump', ['--no-owner']);
    expect(dump).toMatchObject({ status: 0, stderr: '' });
    await expectRestored(`plain_${way}`, (env) => psql(env, dump.stdout));
    expect(dump.stdout).not.toContain('person.');
    expect(dump.stdout).not.toContain('Person ');
  });

  it('pg_dump -Fc writes an archive that pg_restore restores, with every row and with masks on', async () => {
    const file = join(scope.directory(), 'shop.dump');
    const dump = await through(way)('pg_dump', ['-Fc', '--no-owner', '-f', file]);
    expect(dump).toMatchObject({ status: 0, stderr: '' });
    await expectRestored(`archive_${way}`, (env) =>
      run('pg_restore', ['--no-owner', '-d', env['PGDATABASE'] ?? '', file], { env }),
    );
  });

  it('pgbench initialises and runs in every protocol mode', async () => {
    const client = benchWays[way] ?? direct();
    const made = await client('pgbench', ['-i', '-q', '-s', '1']);
    expect(made.status, made.stderr).toBe(0);
    for (const mode of ['simple', 'extended', 'prepared']) {
      const bench = await client('pgbench', ['-n', '-S', '-M', mode, '-c', '2', '-t', '100']);
      expect(bench.status, bench.stderr).toBe(0);
      expect(bench.stdout).toContain('number of transactions actually processed: 200/200');
      expect(bench.stdout).toContain('number of failed transactions: 0 (0.000%)');
    }
    const writing = await client('pgbench', ['-n', '-M', 'prepared', '-c', '2', '-t', '20']);
    expect(writing.stdout, writing.stderr).toContain('number of transactions actually processed: 40/40');
    const [sums] = await cluster.query(
      'select (select sum(abalance) from pgbench_accounts)::int as a, (select sum(delta) from pgbench_history)::int as h, (select count(*) from pgbench_history)::int as n',
      'bench',
    );
    expect(sums).toMatchObject({ n: 40 });
    expect(sums?.['a']).toBe(sums?.['h']);
  });

  it('node-postgres sees what it sees at the server itself', async () => {
    const ask = (client: Client): Promise<Outcome> => client(...nodeClient);
    await expectSame(await ask(through(way)), await oracle('node-postgres', ask));
  });

  it('psycopg sees what it sees at the server itself', async () => {
    const ask = (client: Client): Promise<Outcome> => client(...pythonClient);
    await expectSame(await ask(through(way)), await oracle('psycopg', ask));
  });
});

describe('the native listener', () => {
  it('is not usable with a wrong password, and says no more than that', async () => {
    const result = await psql({ ...handle.env, PGPASSWORD: 'wrong' }, 'select 1');
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/FATAL/);
    expect(result.stdout).toBe('');
  });

  it('is not usable with a handle of another connection', async () => {
    const result = await psql({ ...handle.env, PGDATABASE: 'bench' }, 'select 1');
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/FATAL/);
  });

  it('shows a certificate that only its own authority vouches for', async () => {
    const result = await psql({ ...handle.env, PGSSLROOTCERT: cluster.caFile }, 'select 1');
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/certificate verify failed/);
  });

  it('never asks for the password in clear text or as MD5', async () => {
    // libpq knows require_auth since version 16: here the listener's wish is read from the socket instead.
    const parameters = { user: handle.user, database: handle.database };
    for (const secure of [false, true]) {
      const socket = await openNative(scope, handle, secure ? { ca: readFileSync(gateway.ca) } : undefined);
      socket.write(startupPacket(parameters));
      const asked = await socket.message();
      expect(asked.type).toBe('R');
      const [kind, mechanisms] = [asked.body.readInt32BE(0), asked.body.toString('utf8', 4).split('\0')];
      expect(kind).toBe(10);
      expect(mechanisms.filter((name) => name !== '')).toEqual([
        ...(secure ? ['SCRAM-SHA-256-PLUS'] : []),
        'SCRAM-SHA-256',
      ]);
    }
  });
});

it('ctrl-C in psql ends the running statement', async () => {
  for (const env of [handle.env, (await engineer.tunnel('shop')).env]) {
    const running = start(scope, 'psql', ['-XAt'], { env });
    running.stdin.write("select 'ready';\n");
    await running.waitFor(/^ready$/m);
    running.stdin.write('select pg_sleep(600);\n');
    await until('the statement runs', async () => {
      const found = await cluster.query(
        "select 1 from pg_stat_activity where state = 'active' and query = 'select pg_sleep(600);'",
      );
      return found.length > 0 ? true : undefined;
    });
    running.signal('SIGINT');
    await running.waitFor(/ERROR: {2}canceling statement due to user request/);
    running.stdin.end();
    await running.ended;
  }
});

async function expectSame(found: Outcome, expected: Outcome): Promise<void> {
  expect(expected.status, expected.stderr).toBe(0);
  expect(found.status, found.stderr).toBe(0);
  expect(JSON.parse(found.stdout)).toEqual(JSON.parse(expected.stdout));
}

async function expectRestored(
  database: string,
  restore: (env: Record<string, string>) => Promise<Outcome>,
): Promise<void> {
  await cluster.createDatabase(database);
  const restored = await restore(cluster.environment(database));
  expect(restored.status, restored.stderr).toBe(0);
  const count = `select (select count(*) from items) as items, (select count(*) from customers) as customers,
    (select count(*) from scratch) as scratch, (select sum(people) from cities) as people,
    (select md5(string_agg(items::text, ',' order by id)) from items) as same`;
  expect(await cluster.query(count, database)).toEqual(await cluster.query(count, 'shop'));
  const [masked] = await cluster.query(
    `select count(*) filter (where full_name like '%Person%' or email like '%person.%')::int as clear, count(*)::int as people,
     count(distinct city)::int as cities from customers`,
    database,
  );
  expect(masked).toEqual({ clear: 0, people: 500, cities: 7 });
}
