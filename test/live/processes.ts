import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { temporaryFolder } from '../folders.js';

/** Programs that a test starts, and the certainty that they end: everything is stopped by its own process id. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Outcome {
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Added to `plainEnvironment`. */
  readonly env?: Environment;
  readonly input?: string | Buffer;
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  /** SIGKILL after so long: a client that hangs must fail its test, not the run. */
  readonly timeoutMs?: number;
}

/** What a test file has made; closed in the reverse order. */
export interface Scope {
  /** A directory of its own, on a disk (not tmpfs), that others can enter when `mode` lets them. */
  directory(mode?: number): string;
  onClose(work: () => Promise<void> | void): void;
  close(): Promise<void>;
}

export function createScope(): Scope {
  const works: (() => Promise<void> | void)[] = [];
  return {
    directory: (mode = 0o700) => {
      // Below /var/tmp an unprivileged server can reach its data, which it cannot below root's home.
      const path = temporaryFolder('throughline-', process.platform === 'linux' ? '/var/tmp' : tmpdir());
      chmodSync(path, mode);
      works.push(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
      return path;
    },
    onClose: (work) => works.push(work),
    close: async () => {
      const failures: unknown[] = [];
      for (let work = works.pop(); work !== undefined; work = works.pop()) {
        try {
          await work();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, 'not everything could be cleaned up');
    },
  };
}

/** Nothing of the person who runs the tests: no proxy, no libpq setting, no keyring. */
export function plainEnvironment(more: Environment = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    NO_COLOR: '1',
    THROUGHLINE_KEYRING: 'off',
    PGPASSFILE: '/nonexistent',
    PGSERVICEFILE: '/nonexistent',
    PGSYSCONFDIR: '/nonexistent',
    // The demo's database is made for the first who connects: on a busy machine that takes its time.
    PGCONNECT_TIMEOUT: '100',
    PSQLRC: '/nonexistent',
    PSQL_HISTORY: '/dev/null',
    PAGER: 'cat',
    ...more,
  };
}

export interface Running {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdoutText: () => string;
  readonly stderrText: () => string;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<Outcome>;
  /** Nothing once it has ended: its process id may be another's by then. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves to the match as soon as stdout or stderr holds it. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

/** Starts a program in the background; `scope` kills it when it still runs at the end. */
export function start(
  scope: Scope,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Running {
  const running = launch(program, args, options);
  scope.onClose(async () => {
    running.signal('SIGKILL');
    await running.ended;
  });
  return running;
}

/** Runs a program to its end. Never throws for an exit status. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const running = launch(program, args, options);
  const timer = setTimeout(() => running.signal('SIGKILL'), options.timeoutMs ?? 60_000);
  running.stdin.end(options.input ?? '');
  const outcome = await running.ended;
  clearTimeout(timer);
  return outcome;
}

function launch(program: string, args: readonly string[], options: RunOptions): Running {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: plainEnvironment(options.env),
    cwd: options.cwd ?? '/',
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  const told = (): void => {
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    told();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    told();
  });
  // A program that does not read its input closes it; its status tells.
  child.stdin.on('error', () => undefined);
  let over = false;
  /** Its output can come behind its end. */
  let complete = false;
  const ended = new Promise<Outcome>((resolve) => {
    child.once('error', (error) => {
      over = true;
      stderr += `${error.message}\n`;
      if (child.pid !== undefined) return;
      complete = true;
      resolve({ status: 127, signal: null, stdout, stderr });
      told();
    });
    child.once('exit', () => {
      over = true;
    });
    child.once('close', (status, signal) => {
      over = true;
      complete = true;
      resolve({ status, signal, stdout, stderr });
      told();
    });
  });
  return {
    pid: child.pid ?? -1,
    stdin: child.stdin,
    stdoutText: () => stdout,
    stderrText: () => stderr,
    ended,
    signal: (signal) => {
      if (!over && child.pid !== undefined) child.kill(signal);
    },
    waitFor: (pattern, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const finish = (): void => {
          watchers.delete(look);
          clearTimeout(timer);
        };
        const fail = (why: string): void => {
          finish();
          reject(new Error(`${program} ${args.join(' ')} ${why} ${String(pattern)}\n${stdout}${stderr}`));
        };
        const look = (): void => {
          const found = pattern.exec(stdout) ?? pattern.exec(stderr);
          if (found !== null) {
            finish();
            resolve(found);
          } else if (complete) fail('ended without');
        };
        const timer = setTimeout(() => fail('did not say'), timeoutMs);
        watchers.add(look);
        look();
      }),
  };
}

/** Below those that the system gives to whoever asks for any: Linux begins at 32768, others at 49152. */
const portsFrom = 20_000;
const portsTo = 32_000;
/** Ports of one worker are so far apart: those between are other workers'. */
const lanes = 16;
const lane = Number(process.env['VITEST_POOL_ID'] ?? process.pid) % lanes;
let nextPort = randomInt(portsFrom / lanes, portsTo / lanes) * lanes + lane;

/**
 * A TCP port on 127.0.0.1 for a program that binds it later, also again after it was killed. Not one of those that the
 * system gives away: there, another test's server could have it by then.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort;
    nextPort = port + lanes < portsTo ? port + lanes : portsFrom + lane;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
}

/** Waits for something that is bound to happen; fails with `what` when it does not. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 60_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`it did not happen in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
