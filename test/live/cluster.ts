import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, type Running, run, type Scope, start, until } from './processes.js';

/** A PostgreSQL of the test's own: own data, own port and socket, an unprivileged user where we are root. */
export interface Cluster {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Holds `.s.PGSQL.<port>`; only the server's own user and root get in. */
  readonly socketDirectory: string;
  /** Certificate of the server, PEM file; undefined without TLS. */
  readonly caFile: string | undefined;
  readonly superuser: { readonly user: 'postgres'; readonly password: string };
  /** Owns the databases that `createDatabase` makes. */
  readonly application: { readonly user: 'app'; readonly password: string };
  /** Runs statements straight at the server as the superuser; answers the last one's rows. */
  query(text: string, database?: string): Promise<Record<string, unknown>[]>;
  createDatabase(name: string, statements?: string): Promise<void>;
  /** libpq's variables for a connection that bypasses the gateway. */
  environment(database: string): Record<string, string>;
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
}

export interface ClusterOptions {
  readonly tls?: boolean;
  /** postgresql.conf, beside what a throw-away cluster wants anyway. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Debian's layout, newest version first, else what PATH offers. */
export function postgresProgram(name: string): string {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => `${base}/${version}/bin/${name}`).find((path) => existsSync(path)) ?? name;
}

function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('PostgreSQL cannot run as root, and there is neither a user postgres nor nobody');
}

export async function startCluster(scope: Scope, options: ClusterOptions = {}): Promise<Cluster> {
  const directory = scope.directory(0o755);
  const owner = serverUser();
  const data = join(directory, 'data');
  const socketDirectory = join(directory, 'socket');
  mkdirSync(socketDirectory, { mode: 0o700 });
  const passwords = {
    superuser: randomBytes(12).toString('hex'),
    application: randomBytes(12).toString('hex'),
  };
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, passwords.superuser, { mode: 0o600 });
  for (const path of [directory, socketDirectory, passwordFile]) own(path, owner);
  const made = await run(
    postgresProgram('initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--no-sync',
    ],
    { ...owner },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const caFile = options.tls === true ? await makeCertificate(directory, owner) : undefined;
  const port = await freePort();
  const server = postmaster(
    scope,
    { data, socketDirectory, port, owner, directory, tls: caFile !== undefined },
    options,
  );
  await server.start();
  scope.onClose(() => server.stop('immediate'));

  const query = async (text: string, database = 'postgres'): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password: passwords.superuser,
      database,
    });
    await client.connect();
    try {
      const result: unknown = await client.query(text);
      const last: unknown = Array.isArray(result) ? (result as unknown[]).at(-1) : result;
      return (last as { rows: Record<string, unknown>[] }).rows;
    } finally {
      await client.end();
    }
  };
  await query(`create role app login password '${passwords.application}'`);
  return {
    host: '127.0.0.1',
    port,
    socketDirectory,
    caFile,
    superuser: { user: 'postgres', password: passwords.superuser },
    application: { user: 'app', password: passwords.application },
    query,
    createDatabase: async (name, statements) => {
      await query(`create database ${name} owner app`);
      await query('alter schema public owner to app', name);
      if (statements !== undefined) await query(`set role app; ${statements}`, name);
    },
    environment: (database) => ({
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      PGUSER: 'app',
      PGPASSWORD: passwords.application,
      PGDATABASE: database,
    }),
    stop: (mode) => server.stop(mode),
    start: () => server.start(),
  };
}

function own(path: string, owner: { uid: number; gid: number } | undefined): void {
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}

interface ServerPlace {
  readonly data: string;
  readonly socketDirectory: string;
  readonly directory: string;
  readonly port: number;
  readonly owner: { uid: number; gid: number } | undefined;
  readonly tls: boolean;
}

function postmaster(
  scope: Scope,
  place: ServerPlace,
  options: ClusterOptions,
): { start(): Promise<void>; stop(mode?: 'fast' | 'immediate'): Promise<void> } {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(place.port),
    unix_socket_directories: place.socketDirectory,
    // Lost with the test anyway; the gateway's durability is what is tested, not the target's.
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    ...(place.tls
      ? {
          ssl: 'on',
          ssl_cert_file: join(place.directory, 'server.pem'),
          ssl_key_file: join(place.directory, 'server.key'),
        }
      : {}),
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let server: Running | undefined;
  return {
    start: async () => {
      const started = start(scope, postgresProgram('postgres'), ['-D', place.data, ...args], {
        ...place.owner,
      });
      server = started;
      let over = false;
      void started.ended.then(() => {
        over = true;
      });
      // Line 8 of postmaster.pid is the server's state.
      await until('the PostgreSQL server is ready', () => {
        if (over) throw new Error(`PostgreSQL did not start: ${started.stderrText()}`);
        return isReady(join(place.data, 'postmaster.pid'), started.pid) ? true : undefined;
      });
    },
    // https://www.postgresql.org/docs/current/server-shutdown.html
    stop: async (mode = 'fast') => {
      server?.signal(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await server?.ended;
    },
  };
}

function isReady(pidFile: string, pid: number): boolean {
  try {
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    return Number(lines[0]) === pid && (lines[7] ?? '').trim() === 'ready';
  } catch {
    return false;
  }
}

/** A self-signed certificate for 127.0.0.1 and localhost; its own authority. */
async function makeCertificate(
  directory: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<string> {
  const key = join(directory, 'server.key');
  const certificate = join(directory, 'server.pem');
  const made = await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  if (made.status !== 0) throw new Error(`openssl failed: ${made.stderr}`);
  for (const path of [key, certificate]) own(path, owner);
  return certificate;
}
