import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../../gateway-core/agent/client/gateway.js';
import type { ConnectionInput } from '../../../gateway-core/contract/connection.js';
import { type Cluster, startCluster } from '../../live/cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from '../../live/harness.js';
import { freePort, type Running, run, type Scope, start, until } from '../../live/processes.js';

/** One way to the database: straight, through the gateway in its settings, through what people use instead. */
export interface Way {
  readonly name: string;
  /** libpq's variables; asked before each run, because a handle does not live long. */
  env(): Promise<Record<string, string>>;
  /** The processes whose CPU is what the way costs; empty for direct. */
  readonly pids: readonly number[];
}

export interface Bench {
  readonly cluster: Cluster;
  readonly gateway: GatewayRun;
  /** Direct first. */
  readonly ways: readonly Way[];
  /** The same with TLS from client to proxy and from proxy to target. */
  readonly encrypted: readonly Way[];
  /** Records every row of a result, whatever its size. */
  readonly recordingAll: Way;
  readonly absent: readonly string[];
}

const database = 'bench';

/** What a shop would mask: columns by name, and values wherever they stand. */
const masks: ConnectionInput['masks'] = [
  { columns: ['public.wide.full_name'], with: 'redact' },
  { columns: ['public.wide.email', 'public.wide.card_number'], with: 'partial' },
  { detect: ['email', 'card', 'iban', 'phone', 'key'], with: 'partial' },
];

/** 288 bytes of text a row, personal data in every one. */
const wideTable = (rows: number): string => `
  create table wide as select n as id, 'Person Number ' || n as full_name, 'person.' || n || '@example.com' as email,
    '4111 1111 1111 ' || lpad((n % 10000)::text, 4, '0') as card_number, '+49 170 ' || lpad((n % 10000000)::text, 7, '0') as phone,
    'order ' || n || ' was sent to the address on file and arrived ' || repeat('in good order, ', 10) as note, 'Berlin' as city,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' as created_at
  from generate_series(1, ${rows}) as n;
  vacuum analyze wide`;

export const wideColumns = 'id, full_name, email, card_number, phone, note, city, created_at';

export async function prepareBench(
  scope: Scope,
  options: { readonly wideRows: number; readonly scale: number },
): Promise<Bench> {
  const settings = { shared_buffers: '512MB', autovacuum: 'off' };
  const [cluster, gateway] = await Promise.all([
    startCluster(scope, { tls: true, settings }),
    startGateway(scope),
  ]);
  await cluster.createDatabase(database);
  for (const statement of wideTable(options.wideRows).split(';')) await cluster.query(statement, database);
  await cluster.query('grant select on wide to app', database);
  const made = await run('pgbench', ['-i', '-q', '-s', String(options.scale)], {
    env: cluster.environment(database),
    timeoutMs: 600_000,
  });
  if (made.status !== 0) throw new Error(made.stderr);
  const admin = await login(scope, gateway, 'admin');
  const engineer = await login(scope, gateway, 'engineer');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, connections(cluster));
  const opened = await engineer.gateway();
  const direct = (mode: string): Way => ({
    name: 'direct',
    env: () => Promise.resolve({ ...cluster.environment(database), PGSSLMODE: mode }),
    pids: [],
  });
  const through = (name: string, connection: string, mode = 'disable'): Way =>
    native(gateway, opened, name, connection, mode);
  const tunnel = await tunnelWay(engineer, gateway, 'tunnel', 'grouped');
  const others = await otherProxies(scope, cluster);
  return {
    cluster,
    gateway,
    ways: [
      direct('disable'),
      through('gateway, grouped', 'grouped'),
      through('gateway, strict', 'strict'),
      tunnel,
      ...others.ways,
    ],
    encrypted: [
      direct('require'),
      through('gateway', 'encrypted', 'require'),
      await tunnelWay(engineer, gateway, 'tunnel', 'encrypted'),
    ],
    recordingAll: through('gateway, every row kept', 'kept'),
    absent: others.absent,
  };
}

function connections(cluster: Cluster): ConnectionInput[] {
  const one = (name: string, more: Partial<ConnectionInput>): ConnectionInput => ({
    ...connectionTo(cluster, name),
    database,
    tls: 'off',
    masks,
    ...more,
  });
  return [
    one('grouped', { recording: { durability: 'grouped', rows: '4MB' } }),
    one('strict', { recording: { durability: 'strict', rows: '4MB' } }),
    one('kept', { recording: { durability: 'grouped', rows: 'all' } }),
    one('encrypted', {
      recording: { durability: 'grouped', rows: '4MB' },
      tls: connectionTo(cluster, 'x').tls,
    }),
  ];
}

function native(gateway: GatewayRun, opened: Gateway, name: string, connection: string, mode: string): Way {
  return {
    name,
    env: async () => {
      const { user, password } = await api.createHandle(opened, { connection, sessionsMax: 10_000 });
      return {
        PGHOST: gateway.native.host,
        PGPORT: String(gateway.native.port),
        PGUSER: user,
        PGPASSWORD: password,
        PGDATABASE: connection,
        PGSSLMODE: mode,
      };
    },
    pids: [gateway.pid],
  };
}

async function tunnelWay(
  person: Person,
  gateway: GatewayRun,
  name: string,
  connection: string,
): Promise<Way> {
  const tunnel = await person.tunnel(connection);
  return { name, env: () => Promise.resolve(tunnel.env), pids: [gateway.pid, tunnel.running.pid] };
}

async function otherProxies(scope: Scope, cluster: Cluster): Promise<{ ways: Way[]; absent: string[] }> {
  const ways: Way[] = [];
  const absent: string[] = [];
  for (const [name, startProxy] of [
    ['haproxy', startHaproxy],
    ['pgbouncer', startPgbouncer],
  ] as const) {
    const { status } = await run(name, ['--version']).catch(() => ({ status: 127 }));
    if (status !== 0 && status !== 1) absent.push(name);
    else ways.push(await startProxy(scope, cluster));
  }
  return { ways, absent };
}

async function startHaproxy(scope: Scope, cluster: Cluster): Promise<Way> {
  const directory = scope.directory();
  const port = await freePort();
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    [
      'global',
      '  maxconn 1000',
      '  nbthread 1',
      'defaults',
      '  mode tcp',
      '  timeout connect 10s',
      '  timeout client 1h',
      '  timeout server 1h',
      'listen postgres',
      `  bind 127.0.0.1:${port}`,
      `  server target 127.0.0.1:${cluster.port}`,
      '',
    ].join('\n'),
  );
  const running = start(scope, 'haproxy', ['-db', '-f', file]);
  return proxyWay('haproxy', running, cluster, port);
}

async function startPgbouncer(scope: Scope, cluster: Cluster): Promise<Way> {
  const directory = scope.directory(0o755);
  const port = await freePort();
  const { user, password } = cluster.application;
  const users = join(directory, 'users.txt');
  const file = join(directory, 'pgbouncer.ini');
  writeFileSync(users, `"${user}" "${password}"\n`);
  writeFileSync(
    file,
    [
      '[databases]',
      `${database} = host=127.0.0.1 port=${cluster.port} dbname=${database}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = session',
      'default_pool_size = 50',
      'max_client_conn = 200',
      'ignore_startup_parameters = extra_float_digits',
      '',
    ].join('\n'),
  );
  // It refuses to be root; nobody can read these files, and nothing is written.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
  if (nobody !== undefined) for (const path of [users, file]) chownSync(path, nobody.uid, nobody.gid);
  const running = start(scope, 'pgbouncer', ['-q', file], { ...nobody });
  return proxyWay('pgbouncer', running, cluster, port);
}

async function proxyWay(name: string, running: Running, cluster: Cluster, port: number): Promise<Way> {
  const env = { ...cluster.environment(database), PGPORT: String(port), PGSSLMODE: 'disable' };
  await until(`${name} answers`, async () => {
    const { status } = await run('psql', ['-Xc', 'select 1'], { env });
    return status === 0 ? true : undefined;
  });
  return { name, env: () => Promise.resolve(env), pids: [running.pid] };
}
