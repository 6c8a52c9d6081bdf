import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Gateway, openGateway } from '../../gateway-core/agent/client/gateway.js';
import { openState } from '../../gateway-core/agent/client/state.js';
import type { ConnectionInput } from '../../gateway-core/contract/connection.js';
import type { Cluster } from './cluster.js';
import {
  type Environment,
  freePort,
  type Outcome,
  plainEnvironment,
  type Running,
  run,
  type Scope,
  start,
  until,
} from './processes.js';

/** The real product: the compiled command, a gateway of its own per test file, real people, real tunnels. */

export const cliProgram = join(cloneRoot(), 'gateway-core', 'cli', 'throughline.mjs');

/** This file also runs compiled, from below out/. */
export function cloneRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

export type DemoPerson = 'contractor' | 'engineer' | 'approver' | 'admin' | 'auditor';

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface GatewayOptions {
  /** Default true: the demo's sign-in needs no browser. Its target starts only when somebody connects to it. */
  readonly demo?: boolean;
  readonly data?: string;
  readonly keys?: string;
  /** Keys of the config file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** To come back at the addresses of the run before. */
  readonly listen?: string;
  readonly nativeListen?: string;
  readonly env?: Environment;
  /** A program that runs the command: `['unshare', '-m', ...]`. */
  readonly wrapper?: readonly string[];
}

export interface GatewayRun {
  readonly pid: number;
  readonly url: string;
  readonly ca: string;
  readonly native: Place;
  readonly listeners: Readonly<Record<string, string>>;
  readonly data: string;
  readonly demoSecret: string;
  /** Everything it printed so far. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Outcome>;
}

interface ReadyLine {
  readonly ready: boolean;
  readonly url: string;
  readonly ca: string;
  readonly listeners: Record<string, string>;
  readonly demoSecret?: string;
}

/** `throughline up`, ready. Stopped with the scope; its directories are removed. */
export async function startGateway(scope: Scope, options: GatewayOptions = {}): Promise<GatewayRun> {
  const data = options.data ?? join(scope.directory(), 'data');
  const config = join(scope.directory(), 'gateway.yaml');
  // Ports that nobody else gets while a gateway that was killed comes back.
  const [listen, nativeListen] = [
    options.listen ?? (await ownPlace()),
    options.nativeListen ?? (await ownPlace()),
  ];
  const listeners = { postgres: nativeListen, ssh: '127.0.0.1:0' };
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ listeners, ...options.config }));
  const demo = options.demo ?? true;
  if (demo) scope.onClose(() => removeDemoTarget(data));
  const [command = process.execPath, ...args] = [
    ...(options.wrapper ?? []),
    process.execPath,
    cliProgram,
    'up',
    ...(demo ? ['--demo'] : []),
    '--json',
    '--data',
    data,
    '--listen',
    listen,
    '--config',
    config,
    ...(options.keys === undefined ? [] : ['--keys', options.keys]),
  ];
  const env = { THROUGHLINE_HOME: join(data, '..', 'gateway-home'), ...options.env };
  const running = start(scope, command, args, { env });
  const [line] = await running.waitFor(/^\{.*"ready".*\}$/m);
  const ready = JSON.parse(line) as ReadyLine;
  return {
    pid: running.pid,
    url: ready.url,
    ca: ready.ca,
    native: placeOf(ready.listeners['postgres'] ?? ''),
    listeners: ready.listeners,
    data,
    demoSecret: ready.demoSecret ?? '',
    log: () => running.stdoutText() + running.stderrText(),
    signal: (signal) => running.signal(signal),
    ended: running.ended,
  };
}

const ownPlace = async (): Promise<string> => `127.0.0.1:${await freePort()}`;

function placeOf(address: string): Place {
  const at = address.lastIndexOf(':');
  if (at < 1) throw new Error(`the gateway names no PostgreSQL listener: "${address}"`);
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

/** The demo's own PostgreSQL outlives its gateway on purpose (kill -9): ended here, by the pid in its own file. */
export async function removeDemoTarget(data: string): Promise<void> {
  const beside = `${resolve(data)}.target`;
  const hash = createHash('sha256').update(beside).digest('hex').slice(0, 16);
  for (const directory of [beside, `/var/lib/throughline/demo-${hash}`]) {
    if (!existsSync(directory)) continue;
    const pidFile = join(directory, 'data', 'postmaster.pid');
    if (existsSync(pidFile)) {
      const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
      const isOurs = (): boolean => commandLine(pid).includes(directory);
      if (isOurs()) process.kill(pid, 'SIGQUIT');
      await until('the demo database has ended', () => (isOurs() ? undefined : true));
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

export interface CliOptions {
  readonly input?: string;
  readonly env?: Environment;
  readonly timeoutMs?: number;
}

/** `throughline ...args` with this client state. */
export function cli(home: string, args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
  return run(process.execPath, [cliProgram, ...args], {
    ...options,
    env: { THROUGHLINE_HOME: home, ...options.env },
  });
}

export interface TunnelPlace extends Place {
  readonly connection: string;
  readonly protocol: string;
  readonly user: string;
  readonly database?: string;
  readonly command: string;
  readonly running: Running;
  /** libpq's variables. */
  readonly env: Record<string, string>;
}

export interface HandlePlace extends Place {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly connection: string;
  readonly expiresAt: string;
  readonly sessionsMax: number;
  /** libpq's variables: encrypted, the gateway's certificate checked, the channel bound. */
  readonly env: Record<string, string>;
}

/** Somebody who is signed in, with a client state of their own. */
export interface Person {
  readonly home: string;
  cli(args: readonly string[], options?: CliOptions): Promise<Outcome>;
  /** Runs with `--json`, expects success, answers the value. */
  json<T>(args: readonly string[], options?: CliOptions): Promise<T>;
  tunnel(connection: string, ...args: string[]): Promise<TunnelPlace>;
  handle(connection: string, ...args: string[]): Promise<HandlePlace>;
  /** The same sign-in in this process: for raw streams and for many small requests. */
  gateway(): Promise<Gateway>;
}

/** Signs in without a browser. */
export async function login(scope: Scope, gateway: GatewayRun, name: DemoPerson): Promise<Person> {
  const home = scope.directory();
  const result = await cli(home, [
    'login',
    '--gateway',
    gateway.url,
    '--demo-user',
    name,
    '--demo-secret',
    gateway.demoSecret,
    '--ca',
    gateway.ca,
    '--json',
  ]);
  if (result.status !== 0) throw new Error(`sign-in as ${name} failed: ${result.stderr}`);
  const person: Person = {
    home,
    cli: (args, options) => cli(home, args, options),
    json: async <T>(args: readonly string[], options?: CliOptions): Promise<T> => {
      const { status, stdout, stderr } = await cli(home, withJson(args), options);
      if (status !== 0) throw new Error(`throughline ${args.join(' ')}: status ${status}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    tunnel: (connection, ...args) => openTunnel(scope, home, connection, args),
    handle: async (connection, ...args) => {
      const handle = await person.json<Omit<HandlePlace, 'env'>>(['handle', connection, ...args]);
      return { ...handle, env: handleEnvironment(handle, gateway.ca) };
    },
    gateway: async () => {
      const state = openState(plainEnvironment({ THROUGHLINE_HOME: home }));
      const opened = await openGateway(gateway.url, { state });
      scope.onClose(() => opened.close());
      return opened;
    },
  };
  return person;
}

/** `--json` among our own arguments, never among those of the program behind `--`. */
function withJson(args: readonly string[]): string[] {
  const at = args.indexOf('--');
  return at === -1 ? [...args, '--json'] : [...args.slice(0, at), '--json', ...args.slice(at)];
}

async function openTunnel(
  scope: Scope,
  home: string,
  connection: string,
  args: readonly string[],
): Promise<TunnelPlace> {
  const env = { THROUGHLINE_HOME: home };
  const running = start(scope, process.execPath, [cliProgram, 'connect', connection, ...args, '--json'], {
    env,
  });
  const [line] = await running.waitFor(/^\{.*"port".*\}$/m);
  const place = JSON.parse(line) as Omit<TunnelPlace, 'running' | 'env'>;
  return {
    ...place,
    running,
    env: {
      PGHOST: place.host,
      PGPORT: String(place.port),
      PGUSER: place.user,
      ...(place.database === undefined ? {} : { PGDATABASE: place.database }),
      PGSSLMODE: 'disable',
    },
  };
}

function handleEnvironment(handle: Omit<HandlePlace, 'env'>, ca: string): Record<string, string> {
  return {
    PGHOST: handle.host,
    PGPORT: String(handle.port),
    PGUSER: handle.user,
    PGPASSWORD: handle.password,
    PGDATABASE: handle.database,
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: ca,
    PGCHANNELBINDING: 'require',
  };
}

/** Registers connections as an admin does, from a file. */
export async function addConnections(admin: Person, connections: readonly ConnectionInput[]): Promise<void> {
  const file = join(admin.home, 'connections.json');
  writeFileSync(file, JSON.stringify({ connections }), { mode: 0o600 });
  await admin.json(['admin', 'connections', 'add', file]);
}

export async function putPolicies(admin: Person, text: string): Promise<void> {
  const file = join(admin.home, 'policies.cedar');
  writeFileSync(file, text);
  await admin.json(['admin', 'policies', 'put', file]);
}

/** A connection to a database of a test's own cluster. */
export function connectionTo(
  cluster: Cluster,
  name: string,
  more: Partial<ConnectionInput> & { readonly superuser?: boolean } = {},
): ConnectionInput {
  const { superuser, ...fields } = more;
  return {
    name,
    protocol: 'postgres',
    address: `${cluster.host}:${cluster.port}`,
    database: name.replaceAll('-', '_'),
    tls:
      cluster.caFile === undefined
        ? 'off'
        : { mode: 'verify-full', ca: readFileSync(cluster.caFile, 'utf8') },
    credential: superuser === true ? cluster.superuser : cluster.application,
    labels: { team: 'shop' },
    ...fields,
  };
}

/** Engineers read and write, contractors read, the admin may do anything: also DDL and `DO`. */
export const livePolicies = `
@id("engineers-read-and-write")
permit (principal in Group::"engineers", action in [Action::"connect", Action::"sql:read", Action::"sql:write"], resource);

@id("contractors-read-the-shop")
@message("contractors may read the shop's data, not change it")
permit (principal in Group::"contractors", action in [Action::"connect", Action::"sql:read"], resource in Label::"team=shop");

@id("own-sessions")
permit (principal, action in [Action::"session:view", Action::"session:replay", Action::"session:revoke", Action::"evidence:export"], resource)
when { context.session.own };

@id("auditors-see")
permit (principal in Group::"auditors", action in [Action::"session:view", Action::"session:replay", Action::"evidence:export"], resource);

@id("admin-may-do-anything")
permit (principal in Group::"admin", action, resource);
`;

/** psql as scripts use it: no settings of the person, stops at the first error, tuples only. */
export function psql(env: Environment, text: string, args: readonly string[] = []): Promise<Outcome> {
  return run('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...args], { env, input: text });
}
