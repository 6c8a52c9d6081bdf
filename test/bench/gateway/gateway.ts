import { join } from 'node:path';
import { startGateway } from '../../live/harness.js';
import { createScope, type Scope, start } from '../../live/processes.js';
import { bulk, median, memoryOf, type PgbenchOptions, pgbench, type TransactionRun } from './measure.js';
import { type Bench, prepareBench, type Way, wideColumns } from './ways.js';

export interface BenchOptions {
  readonly quick: boolean;
  /** Progress, for whoever waits. */
  readonly say: (line: string) => void;
}

export interface TransactionRow {
  readonly way: string;
  readonly mode: string;
  readonly clients: number;
  readonly perSecond: number;
  /** Median over the rounds of this way's figure against direct in the same round. */
  readonly shareOfDirect: number;
  readonly cpuUs: number | undefined;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly addedP50Us: number;
  readonly addedP99Us: number;
}

export interface BulkRow {
  readonly way: string;
  readonly kind: string;
  readonly seconds: number;
  readonly timesDirect: number;
  readonly cpuSeconds: number;
}

export interface GatewayReport {
  readonly absent: readonly string[];
  readonly transactions: readonly TransactionRow[];
  readonly bulk: readonly BulkRow[];
  readonly neighbour: readonly {
    readonly way: string;
    readonly aloneP99Us: number;
    readonly besideP99Us: number;
  }[];
  readonly connect: readonly {
    readonly way: string;
    readonly connectMs: number;
    readonly timesDirect: number;
  }[];
  readonly start: { readonly firstMs: number; readonly againMs: number; readonly rssMb: number };
  readonly memory: { readonly afterMb: number; readonly peakMb: number };
}

const cases: readonly Pick<PgbenchOptions, 'mode' | 'clients'>[] = [
  { mode: 'simple', clients: 1 },
  { mode: 'simple', clients: 8 },
  { mode: 'prepared', clients: 1 },
  { mode: 'prepared', clients: 8 },
];

/** Everything side by side in one run: rounds go through all ways in turn, every second one backwards. */
export async function gatewayBench({ quick, say }: BenchOptions): Promise<GatewayReport> {
  const scope = createScope();
  const size = quick
    ? { rounds: 1, seconds: 1, wideRows: 200_000, scale: 1 }
    : { rounds: 5, seconds: 3, wideRows: 1_000_000, scale: 10 };
  try {
    say('starting times');
    const begin = await startTimes(scope, quick ? 1 : 5);
    say(`preparing a database of ${size.wideRows} wide rows`);
    const bench = await prepareBench(scope, size);
    for (const way of bench.ways) await pgbench(scope, way, { mode: 'simple', clients: 1, seconds: 1 });
    const transactions = await transactionRows(scope, bench.ways, size, say);
    const bulkResults = await bulkRows(bench, size.rounds, say);
    const neighbours = await neighbourRows(scope, bench, size, say);
    const connects = await connectRows(scope, bench, size, say);
    const { nowMb, peakMb } = memoryOf(bench.gateway.pid);
    return {
      absent: bench.absent,
      transactions,
      bulk: bulkResults,
      neighbour: neighbours,
      connect: connects,
      start: begin,
      memory: { afterMb: nowMb, peakMb },
    };
  } finally {
    await scope.close();
  }
}

/** Runs `work` for every way, `rounds` times; the results of a round stand side by side. */
async function rounds<T>(
  ways: readonly Way[],
  count: number,
  work: (way: Way) => Promise<T>,
): Promise<Map<string, T>[]> {
  const results: Map<string, T>[] = [];
  for (let round = 0; round < count; round += 1) {
    const found = new Map<string, T>();
    for (const way of round % 2 === 0 ? ways : [...ways].reverse()) found.set(way.name, await work(way));
    results.push(found);
  }
  return results;
}

/** Median over the rounds of a figure of `name`, given that round's direct. */
function over<T>(
  results: readonly Map<string, T>[],
  name: string,
  figure: (own: T, direct: T) => number,
): number {
  return median(
    results.flatMap((found) => {
      const [own, direct] = [found.get(name), found.get('direct')];
      return own === undefined || direct === undefined ? [] : [figure(own, direct)];
    }),
  );
}

async function transactionRows(
  scope: Scope,
  ways: readonly Way[],
  size: { readonly rounds: number; readonly seconds: number },
  say: (line: string) => void,
): Promise<TransactionRow[]> {
  const rows: TransactionRow[] = [];
  for (const { mode, clients } of cases) {
    say(`pgbench -S, ${mode}, ${clients} clients`);
    const results = await rounds(ways, size.rounds, (way) =>
      pgbench(scope, way, { mode, clients, seconds: size.seconds }),
    );
    for (const { name, pids } of ways) {
      const of = (figure: (own: TransactionRun, direct: TransactionRun) => number): number =>
        over(results, name, figure);
      rows.push({
        way: name,
        mode,
        clients,
        perSecond: of((own) => own.perSecond),
        shareOfDirect: of((own, direct) => own.perSecond / direct.perSecond),
        cpuUs: pids.length === 0 ? undefined : of((own) => own.cpuUs ?? Number.NaN),
        p50Us: of((own) => own.p50Us),
        p99Us: of((own) => own.p99Us),
        addedP50Us: of((own, direct) => own.p50Us - direct.p50Us),
        addedP99Us: of((own, direct) => own.p99Us - direct.p99Us),
      });
    }
  }
  return rows;
}

async function bulkRows(bench: Bench, count: number, say: (line: string) => void): Promise<BulkRow[]> {
  const rows: BulkRow[] = [];
  const ways = [...bench.ways, bench.recordingAll];
  for (const kind of ['rows', 'COPY'] as const) {
    say(`all wide rows, as ${kind}`);
    const results = await rounds(ways, count, (way) => bulk(way, kind, `select ${wideColumns} from wide`));
    for (const { name } of ways) {
      rows.push({
        way: name,
        kind,
        seconds: over(results, name, (own) => own.seconds),
        timesDirect: over(results, name, (own, direct) => own.seconds / direct.seconds),
        cpuSeconds: over(results, name, (own) => own.cpuSeconds),
      });
    }
  }
  return rows;
}

/** The 99th percentile of short statements while another session of the same way streams all it can. */
async function neighbourRows(
  scope: Scope,
  bench: Bench,
  size: { readonly rounds: number; readonly seconds: number },
  say: (line: string) => void,
): Promise<GatewayReport['neighbour']> {
  say('short statements beside a bulk stream');
  const ways = [...bench.ways, bench.recordingAll];
  const short = { mode: 'simple', clients: 1, seconds: size.seconds } as const;
  const results = await rounds(ways, Math.min(3, size.rounds), async (way) => {
    const alone = await pgbench(scope, way, short);
    const stream = start(
      scope,
      'sh',
      ['-c', `while psql -Xq -o /dev/null -c 'copy (select ${wideColumns} from wide) to stdout'; do :; done`],
      {
        env: await way.env(),
      },
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const beside = await pgbench(scope, way, { ...short, busy: true });
    stream.signal('SIGTERM');
    await stream.ended;
    return { alone: alone.p99Us, beside: beside.p99Us };
  });
  return ways.map(({ name }) => ({
    way: name,
    aloneP99Us: over(results, name, (own) => own.alone),
    besideP99Us: over(results, name, (own) => own.beside),
  }));
}

async function connectRows(
  scope: Scope,
  bench: Bench,
  size: { readonly rounds: number; readonly seconds: number },
  say: (line: string) => void,
): Promise<GatewayReport['connect']> {
  say('connecting with TLS on both legs');
  const results = await rounds(bench.encrypted, size.rounds, async (way) => {
    const { connectMs } = await pgbench(scope, way, {
      mode: 'simple',
      clients: 1,
      seconds: size.seconds,
      args: ['-S', '-C'],
    });
    return connectMs ?? Number.NaN;
  });
  return bench.encrypted.map(({ name }) => ({
    way: name,
    connectMs: over(results, name, (own) => own),
    timesDirect: over(results, name, (own, direct) => own / direct),
  }));
}

/** From the command to the line that says ready: with a new data directory, and with one that has been used. */
async function startTimes(scope: Scope, count: number): Promise<GatewayReport['start']> {
  const first: number[] = [];
  const again: number[] = [];
  const rss: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const data = join(scope.directory(), 'data');
    for (const times of [first, again]) {
      const began = process.hrtime.bigint();
      const gateway = await startGateway(scope, { data });
      times.push(Number(process.hrtime.bigint() - began) / 1e6);
      rss.push(memoryOf(gateway.pid).nowMb);
      gateway.signal('SIGTERM');
      await gateway.ended;
    }
  }
  return { firstMs: median(first), againMs: median(again), rssMb: median(rss) };
}
