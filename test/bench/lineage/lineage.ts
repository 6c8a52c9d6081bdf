import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Attribute, openAttribution } from '../../../gateway-core/agent/lineage/attribute.js';
import { loadNative } from '../../../gateway-core/agent/lineage/native.js';
import { findPeerSocket } from '../../../gateway-core/agent/lineage/peer-socket.js';
import { openProc } from '../../../gateway-core/agent/lineage/proc.js';
import { openTreeWatches } from '../../../gateway-core/agent/lineage/subtree.js';

export interface LineageFigure {
  /** Processes that sleep around the client, each with fifteen descriptors. */
  readonly processes: number;
  /**
   * `tracked`: a client within a watched tree. `youngest`: one that has just been forked. `oldest`: one that is older
   * than all others and was never seen.
   */
  readonly client: 'tracked' | 'youngest' | 'oldest';
  readonly by: 'koffi' | '/proc';
  readonly connections: number;
  readonly wrong: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const descriptorsOfSleeper = 15;

/** How long it takes from an accepted socket to the processes behind it, and that they are the right ones. */
export async function lineageBench({ quick }: { quick: boolean }): Promise<LineageFigure[]> {
  const figures: LineageFigure[] = [];
  for (const processes of [100, 3000]) {
    const server = await listen();
    // Before the sleepers: with every one of them it is older than one more.
    const steady = client(server, 'while read -r _; do exec 3<>$peer; read -r _ <&3; exec 3>&-; done');
    const sleepers = await startSleepers(processes);
    const forking = client(server, 'while read -r _; do (exec 3<>$peer; read -r _ <&3); done');
    try {
      for (const by of ['koffi', '/proc'] as const) {
        for (const kind of ['tracked', 'youngest', 'oldest'] as const) {
          const connections = (quick ? 0.2 : 1) * (kind === 'oldest' && processes > 1000 ? 50 : 500);
          const from = kind === 'youngest' ? forking : steady;
          const found = await measure(server, from, { kind, by, connections });
          figures.push({ processes, client: kind, by, connections, ...found });
        }
      }
    } finally {
      await Promise.all([end(steady), end(forking), end(sleepers)]);
      server.close();
    }
  }
  return figures;
}

async function measure(
  server: Server,
  from: ChildProcess,
  { kind, by, connections }: Pick<LineageFigure, 'by' | 'connections'> & { kind: LineageFigure['client'] },
): Promise<Pick<LineageFigure, 'wrong' | 'p50Ms' | 'p99Ms'>> {
  const native = by === 'koffi' ? await loadNative() : undefined;
  if (by === 'koffi' && native === undefined) throw new Error('koffi does not load here');
  const proc = openProc();
  const trees = openTreeWatches(proc);
  const tree = kind === 'tracked' ? trees.watch(pidOf(from), () => undefined) : undefined;
  const times: number[] = [];
  let wrong = 0;
  for (let at = 0; at < connections; at++) {
    // Anew each time: it remembers who connected last.
    const attribute = openAttribution({
      proc,
      hints: trees.pids,
      peerOf: (ends) => findPeerSocket(ends, native),
    });
    const { ms, right } = await oneConnection(server, from, attribute, kind);
    times.push(ms);
    if (!right) wrong += 1;
  }
  tree?.stop();
  times.sort((one, other) => one - other);
  const at = (share: number): number => round(times[Math.floor((times.length - 1) * share)] ?? 0);
  return { wrong, p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function oneConnection(
  server: Server,
  from: ChildProcess,
  attribute: Attribute,
  kind: LineageFigure['client'],
): Promise<{ ms: number; right: boolean }> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  from.stdin?.write('go\n');
  const [socket] = await accepted;
  const start = performance.now();
  const found = await attribute(socket);
  const holds = found.kind === 'attributed' && found.stillHolds();
  const ms = performance.now() - start;
  // The forking client's child is in front of it.
  const pid = found.kind === 'attributed' ? found.processes[kind === 'youngest' ? 1 : 0]?.pid : undefined;
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  socket.resume();
  socket.end('bye\n');
  await closed;
  return { ms, right: holds && pid === from.pid };
}

async function listen(): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** A shell that connects each time it is told to by a line, and closes when it is answered. */
function client(server: Server, script: string): ChildProcess {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  const peer = `peer=/dev/tcp/127.0.0.1/${address.port}`;
  return spawn('bash', ['-c', `${peer}; ${script}`], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
}

async function startSleepers(count: number): Promise<ChildProcess> {
  const descriptors = Array.from(
    { length: descriptorsOfSleeper - 3 },
    (_, at) => `exec ${at + 10}</dev/null`,
  );
  const script = `${descriptors.join('; ')}; for ((i = 0; i < ${count}; i++)); do sleep 900 & done; echo ready; wait`;
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await lines.next();
  return child;
}

/** With everything that it has started: they are one process group. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-pidOf(child), 'SIGKILL');
  await ended;
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('did not start');
  return child.pid;
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
