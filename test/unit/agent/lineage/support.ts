import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, test } from 'vitest';
import { self } from '../../../../gateway-core/agent/lineage/self.js';

const isLinux = process.platform === 'linux';
const isRoot = isLinux && process.getuid?.() === 0;
if (!isLinux) console.warn('skipped: the look-ups are for Linux');
else if (!isRoot) console.warn("skipped: only root can start another user's process");

export const onLinux = isLinux ? test : test.skip;
export const asRoot = isRoot ? test : test.skip;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function later(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export interface Listener {
  readonly port: number;
  readonly server: Server;
  /** The next accepted socket, paused; destroyed after the test. */
  accepted(): Promise<Socket>;
}

export async function listen(host = '127.0.0.1'): Promise<Listener> {
  const waiting: Socket[] = [];
  const takers: ((socket: Socket) => void)[] = [];
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    later(() => socket.destroy());
    const taker = takers.shift();
    if (taker === undefined) waiting.push(socket);
    else taker(socket);
  }).listen({ port: 0, host, backlog: 511 });
  await once(server, 'listening');
  later(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return {
    port: address.port,
    server,
    accepted: () => {
      const socket = waiting.shift();
      return socket === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(socket);
    },
  };
}

/**
 * Ends with the test, and with it whatever it started in its process group, if it has not ended before: then its pid,
 * and so the name of its group, may be somebody else's. What is to outlive it needs `endLater`.
 */
export function start(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
): ChildProcess {
  const child = spawn(program, args, {
    stdio: [stdin, 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    detached: true,
  });
  later(async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  });
  return child;
}

/** Ends a process that is nobody's child here; not another one that has its pid by then. */
export function endLater(pid: number): void {
  const before = self(pid);
  later(() => {
    if (before !== undefined && self(pid)?.startTicks === before.startTicks) process.kill(pid, 'SIGKILL');
  });
}

/** Says a line to a process that was started with a pipe. */
export function tell(child: ChildProcess): void {
  if (child.stdin === null) throw new Error('started without a pipe');
  child.stdin.write('go on\n');
}

export function linesOf(child: ChildProcess): () => Promise<string> {
  if (child.stdout === null) throw new Error('started without a pipe');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error('ended without another line');
    return next.value;
  };
}

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('did not start');
  return child.pid;
}

export async function until(holds: () => boolean, withinMs = 60_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error('did not come about in time');
    await sleep(10);
  }
}

/** Many at once, under one clean-up. */
export function startAll(commands: readonly (readonly [string, ...string[]])[]): ChildProcess[] {
  return commands.map(([program, ...args]) => start(program, args));
}
