import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ThroughlineError } from '../../contract/errors.js';
import { demoTargetDatabase, demoTargetUser } from './defaults.js';
import { sampleDataStatements } from './sample-data.js';

/** The demo's database server, started when someone first connects. */
export interface DemoTarget {
  readonly kind: 'postgresql' | 'pglite';
  /** Starts it when it does not run; resolves to the directory of its unix socket. */
  start(password: string): Promise<string>;
  stop(): Promise<void>;
  /** Where its own data lies: outside the gateway's data directory, since it holds the clear values. */
  readonly directory: string;
}

const startTimeoutMs = 60_000;
/** Of a shutdown that waits for its last checkpoint, then of one that waits for nothing. */
const stopWaits = [
  ['SIGINT', 20_000],
  ['SIGQUIT', 10_000],
] as const;
const pollMs = 20;
const port = 5432;

/** A real PostgreSQL where Debian's (or another) server is installed, else PGlite. */
export function demoTarget(directory: string): DemoTarget {
  const binaries = postgresBinaries();
  if (binaries === undefined) return new PgliteTarget(directory);
  // The server's user must reach the directory, which it cannot below root's own home or a private scratch directory.
  const base = isRoot()
    ? join(
        '/var/lib/throughline',
        `demo-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`,
      )
    : directory;
  return new PostgresTarget(base, binaries);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function postgresBinaries(): string | undefined {
  const base = '/usr/lib/postgresql';
  const debian = existsSync(base)
    ? readdirSync(base)
        .sort((a, b) => Number(b) - Number(a))
        .map((each) => `${base}/${each}/bin`)
    : [];
  const others = ['/opt/homebrew/opt/postgresql/bin', '/usr/local/opt/postgresql/bin', '/usr/pgsql/bin'];
  return [...debian, ...others].find(
    (bin) => existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres')),
  );
}

interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: then `postgres`, else `nobody`, runs it. Undefined: run as ourselves. */
function unprivilegedUser(): SystemUser | undefined {
  if (!isRoot()) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const uid = spawnSync('id', ['-u', name], { encoding: 'utf8' });
    const gid = spawnSync('id', ['-g', name], { encoding: 'utf8' });
    if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new ThroughlineError(
    'target-unreachable',
    'PostgreSQL cannot run as root and there is no unprivileged user',
    {
      action: 'create a user named postgres, or run the demo as an ordinary user',
    },
  );
}

class PostgresTarget implements DemoTarget {
  readonly kind = 'postgresql';
  readonly directory: string;
  readonly #binaries: string;
  /** Found out at first use: it asks the system. */
  #user: SystemUser | undefined;
  #starting: Promise<string> | undefined;
  /** Of the start that is under way or was the last. */
  #abort = new AbortController();
  #process: ChildProcess | undefined;

  constructor(directory: string, binaries: string) {
    this.directory = directory;
    this.#binaries = binaries;
  }

  start(password: string): Promise<string> {
    if (this.#starting === undefined) {
      this.#abort = new AbortController();
      const starting = this.#start(password, this.#abort.signal);
      this.#starting = starting;
      // The next caller tries again.
      starting.catch(() => {
        if (this.#starting === starting) this.#starting = undefined;
      });
    }
    return this.#starting;
  }

  /** Also while it is being made: nothing of it runs afterwards. */
  async stop(): Promise<void> {
    const starting = this.#starting;
    this.#starting = undefined;
    this.#abort.abort();
    await starting?.catch(() => undefined);
    await this.#endServer();
  }

  /** https://www.postgresql.org/docs/15/server-shutdown.html */
  async #endServer(): Promise<void> {
    for (const [signal, waitMs] of stopWaits) {
      const pid = this.#running()?.pid ?? this.#ownPid();
      if (pid === undefined) return;
      try {
        process.kill(pid, signal);
      } catch {
        // It ended by itself meanwhile.
      }
      for (let waitedMs = 0; waitedMs < waitMs; waitedMs += pollMs) {
        if (this.#running() === undefined && this.#ownPid() === undefined) return;
        await sleep(pollMs);
      }
    }
  }

  /** Of the server that this process started, while it runs: before it has written its postmaster.pid, too. */
  #ownPid(): number | undefined {
    const child = this.#process;
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  async #start(password: string, signal: AbortSignal): Promise<string> {
    const data = join(this.directory, 'data');
    this.#user ??= unprivilegedUser();
    const running = this.#running();
    const fits = this.#passwordMark(password);
    if (running !== undefined && fits) return running.socketDirectory;
    if (running !== undefined) await this.#endServer();
    // PostgreSQL would take it for another server's if somebody of its user has the pid.
    if (this.#running() === undefined) rmSync(this.#pidFile, { force: true });
    if (!existsSync(join(this.directory, 'ready'))) await this.#initialise(data, password, signal);
    else if (!fits) await this.#setPassword(data, password, signal);
    if (signal.aborted) throw ended();

    const socketDirectory = mkdtempSync(join(tmpdir(), 'throughline-shop-'));
    this.#own(socketDirectory);
    const child = spawn(
      join(this.#binaries, 'postgres'),
      [
        '-D',
        data,
        '-k',
        socketDirectory,
        '-c',
        'listen_addresses=',
        '-c',
        `port=${port}`,
        '-c',
        'unix_socket_permissions=0700',
        '-c',
        'logging_collector=off',
        '-c',
        'max_connections=200',
      ],
      {
        ...this.#user,
        stdio: ['ignore', 'ignore', 'ignore'],
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
        detached: true,
      },
    );
    child.unref();
    this.#process = child;
    child.on('exit', () => {
      if (this.#process === child) this.#starting = undefined;
      rmSync(socketDirectory, { recursive: true, force: true });
    });
    for (let waitedMs = 0; waitedMs < startTimeoutMs; waitedMs += pollMs) {
      if (signal.aborted) throw ended();
      if (this.#running()?.ready === true) return socketDirectory;
      if (this.#ownPid() === undefined) break;
      await sleep(pollMs);
    }
    throw new ThroughlineError('target-unreachable', 'the demo database did not start', {
      action: `look at ${this.directory}, or delete it to start afresh`,
    });
  }

  get #pidFile(): string {
    return join(this.directory, 'data', 'postmaster.pid');
  }

  /** Its file: pid, data directory, start time, port, socket directory, address, shared memory, status. */
  #running(): { pid: number; socketDirectory: string; ready: boolean } | undefined {
    try {
      const lines = readFileSync(this.#pidFile, 'utf8').split('\n');
      const pid = Number(lines[0]);
      process.kill(pid, 0);
      // A file that a crash left names whoever has that pid now. A server stands in its data directory.
      const place = join(this.directory, 'data');
      if (process.platform === 'linux' && readlinkSync(`/proc/${pid}/cwd`) !== realpathSync(place))
        return undefined;
      return { pid, socketDirectory: lines[4] ?? '', ready: (lines[7] ?? '').trim() === 'ready' };
    } catch {
      return undefined;
    }
  }

  async #initialise(data: string, password: string, signal: AbortSignal): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(dirname(this.directory), { recursive: true, mode: 0o755 });
    mkdirSync(this.directory, { mode: 0o700 });
    this.#own(this.directory);
    const made = await this.#run(
      'initdb',
      ['-D', data, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--auth=reject', '--no-sync'],
      signal,
    );
    if (made.status !== 0) {
      throw new ThroughlineError('target-unreachable', `initdb failed: ${made.errors.split('\n')[0]}`, {
        action: `look at ${this.directory}`,
      });
    }
    // Nobody signs in as the superuser, and the shop's user only with its password.
    writeFileSync(join(data, 'pg_hba.conf'), `local ${demoTargetDatabase} ${demoTargetUser} scram-sha-256\n`);
    await this.#single(
      data,
      'postgres',
      [
        `create role ${demoTargetUser} login password '${quoted(password)}'`,
        `create database ${demoTargetDatabase} owner ${demoTargetUser}`,
      ],
      signal,
    );
    await this.#single(
      data,
      demoTargetDatabase,
      [
        `alter schema public owner to ${demoTargetUser}`,
        `set role ${demoTargetUser}`,
        'begin',
        ...sampleDataStatements,
        'commit',
        'reset role',
        'vacuum (analyze)',
      ],
      signal,
    );
    this.#mark(password);
    writeFileSync(join(this.directory, 'ready'), '');
  }

  async #setPassword(data: string, password: string, signal: AbortSignal): Promise<void> {
    const statement = `alter role ${demoTargetUser} password '${quoted(password)}'`;
    await this.#single(data, 'postgres', [statement], signal);
    this.#mark(password);
  }

  /** Single-user mode needs no server, no network and no client: https://www.postgresql.org/docs/15/app-postgres.html */
  async #single(
    data: string,
    database: string,
    statements: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const input = statements.map((each) => `${each.replaceAll(/\n\s*\n/g, '\n')};\n\n`).join('');
    const result = await this.#run(
      'postgres',
      ['--single', '-j', '-D', data, '-c', 'exit_on_error=true', database],
      signal,
      input,
    );
    const complaint = /(?:ERROR|FATAL):\s*(.*)/.exec(result.errors)?.[1];
    if (result.status === 0 && complaint === undefined) return;
    throw new ThroughlineError(
      'target-unreachable',
      `the demo database could not be filled: ${complaint ?? 'postgres failed'}`,
      {
        action: `delete ${this.directory} and start again`,
      },
    );
  }

  /** Never synchronously: the gateway serves others while the demo's data is made. */
  #run(
    program: string,
    args: readonly string[],
    signal: AbortSignal,
    input = '',
  ): Promise<{ status: number | null; errors: string }> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(ended());
      const child = spawn(join(this.#binaries, program), args, {
        ...this.#user,
        cwd: '/',
        stdio: ['pipe', 'ignore', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      });
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors = (errors + text).slice(-10_000);
      });
      const stop = (): void => void child.kill('SIGTERM');
      signal.addEventListener('abort', stop, { once: true });
      child.on('error', reject);
      child.on('close', (status) => {
        signal.removeEventListener('abort', stop);
        if (signal.aborted) reject(ended());
        else resolve({ status, errors });
      });
      // A child that fails early closes its end; its status says so.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }

  #mark(password: string): void {
    writeFileSync(join(this.directory, 'password-mark'), markOf(password), { mode: 0o600 });
  }

  #passwordMark(password: string): boolean {
    try {
      return readFileSync(join(this.directory, 'password-mark'), 'utf8') === markOf(password);
    } catch {
      return false;
    }
  }

  #own(path: string): void {
    if (this.#user !== undefined) chownSync(path, this.#user.uid, this.#user.gid);
  }
}

function ended(): ThroughlineError {
  return new ThroughlineError('target-unreachable', 'the gateway ends, and its demo database with it', {
    action: 'start it again: throughline up --demo',
  });
}

/** Tells whether the cluster's password is the gateway's, without being of use to sign in. */
function markOf(password: string): string {
  return createHash('sha256').update(`throughline demo mark ${password}`).digest('hex').slice(0, 16);
}

function quoted(text: string): string {
  return text.replaceAll("'", "''");
}

/** PostgreSQL compiled to WebAssembly, in this process, behind a private unix socket. One session at a time. */
class PgliteTarget implements DemoTarget {
  readonly kind = 'pglite';
  readonly directory: string;
  #starting: Promise<string> | undefined;
  #stop: (() => Promise<void>) | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  start(): Promise<string> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async stop(): Promise<void> {
    await this.#stop?.();
    this.#starting = undefined;
    this.#stop = undefined;
  }

  async #start(): Promise<string> {
    const { PGlite } = await import('@electric-sql/pglite');
    const { PGLiteSocketServer } = await import('@electric-sql/pglite-socket');
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const database = await PGlite.create(join(this.directory, 'pglite'));
    const ready = join(this.directory, 'ready');
    if (!existsSync(ready)) {
      await database.exec(`begin; ${sampleDataStatements.join(';\n')}; commit;`);
      writeFileSync(ready, '');
    }
    const socketDirectory = mkdtempSync(join(tmpdir(), 'throughline-shop-'));
    const server = new PGLiteSocketServer({
      db: database,
      path: join(socketDirectory, `.s.PGSQL.${port}`),
      maxConnections: 20,
    });
    await server.start();
    this.#stop = async () => {
      await server.stop();
      await database.close();
      rmSync(socketDirectory, { recursive: true, force: true });
    };
    return socketDirectory;
  }
}
