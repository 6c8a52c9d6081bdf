import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run, type Scope } from '../../live/processes.js';
import type { Way } from './ways.js';

export interface TransactionRun {
  readonly transactions: number;
  readonly perSecond: number;
  /** CPU of the way's own processes, all threads, user and system; undefined for direct. */
  readonly cpuUs: number | undefined;
  readonly p50Us: number;
  readonly p99Us: number;
  /** pgbench's own figure with -C. */
  readonly connectMs: number | undefined;
}

export interface PgbenchOptions {
  readonly mode: 'simple' | 'prepared';
  readonly clients: number;
  readonly seconds: number;
  readonly args?: readonly string[];
  /** Something else keeps the way busy on purpose: its rest is not waited for. */
  readonly busy?: boolean;
}

/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux that we know. */
const ticksPerSecond = 100;

/** User and system time of processes with all their threads (proc(5): fields 14 and 15), in microseconds. */
export function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
  }, 0);
}

/** `VmRSS` and `VmHWM` of /proc/PID/status, in MB. */
export function memoryOf(pid: number): { nowMb: number; peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return { nowMb: read('VmRSS'), peakMb: read('VmHWM') };
}

const settleStepMs = 250;
const settleTimeoutMs = 60_000;

/**
 * Waits until a way's processes rest. What a proxy does about a statement after its answer (sealing, indexing) is
 * part of what the statement costs, and must not run into the next one's measurement.
 */
async function settled({ pids }: Way): Promise<void> {
  const end = Date.now() + settleTimeoutMs;
  for (let before = cpuOf(pids); pids.length > 0 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, settleStepMs));
    const now = cpuOf(pids);
    if (now - before <= 1_000_000 / ticksPerSecond) return;
    before = now;
  }
}

/** pgbench -S (or what `args` say) on one way, with the latency of every transaction. */
export async function pgbench(scope: Scope, way: Way, options: PgbenchOptions): Promise<TransactionRun> {
  const directory = scope.directory();
  const env = await way.env();
  const before = cpuOf(way.pids);
  const outcome = await run(
    'pgbench',
    [
      '-n',
      ...(options.args ?? ['-S']),
      '-M',
      options.mode,
      '-c',
      String(options.clients),
      '-j',
      String(Math.min(2, options.clients)),
      '-T',
      String(options.seconds),
      '-l',
      `--log-prefix=${join(directory, 'log')}`,
    ],
    { env, timeoutMs: (options.seconds + 120) * 1000 },
  );
  expectDone(way, outcome);
  if (options.busy !== true) await settled(way);
  const cpu = cpuOf(way.pids) - before;
  const transactions = numberIn(outcome.stdout, /transactions actually processed: (\d+)/);
  const latencies = readLatencies(directory);
  rmSync(directory, { recursive: true });
  return {
    transactions,
    perSecond: numberIn(outcome.stdout, /tps = ([\d.]+)/),
    cpuUs: way.pids.length === 0 ? undefined : cpu / transactions,
    p50Us: quantile(latencies, 0.5),
    p99Us: quantile(latencies, 0.99),
    connectMs: /average connection time = ([\d.]+)/.test(outcome.stdout)
      ? numberIn(outcome.stdout, /average connection time = ([\d.]+)/)
      : undefined,
  };
}

export interface BulkRun {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** One large result: by rows (pgbench, which takes and drops them) or by COPY (psql, to nowhere). */
export async function bulk(way: Way, kind: 'rows' | 'COPY', query: string): Promise<BulkRun> {
  const env = await way.env();
  const before = cpuOf(way.pids);
  const began = process.hrtime.bigint();
  const outcome =
    kind === 'rows'
      ? await run('pgbench', ['-n', '-t', '1', '-f', '-'], { env, input: `${query};\n`, timeoutMs: 300_000 })
      : await run('psql', ['-Xq', '-o', '/dev/null', '-c', `copy (${query}) to stdout`], {
          env,
          timeoutMs: 300_000,
        });
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  expectDone(way, outcome);
  await settled(way);
  return { seconds, cpuSeconds: (cpuOf(way.pids) - before) / 1e6 };
}

function expectDone(way: Way, { status, stdout, stderr }: Outcome): void {
  if (status !== 0 || /number of failed transactions: [1-9]/.test(stdout)) {
    throw new Error(`${way.name}: status ${status}: ${stderr}${stdout}`);
  }
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`pgbench did not say ${String(pattern)}: ${text}`);
  return Number(found);
}

/** Third column of pgbench's transaction log: microseconds. */
function readLatencies(directory: string): number[] {
  return readdirSync(directory)
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .flatMap((line) => (line === '' ? [] : [Number(line.split(' ')[2])]))
    .sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
