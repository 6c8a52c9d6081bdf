import { mkdirSync, rmSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { api } from '../../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../../gateway-core/agent/client/gateway.js';
import { RecordedSession } from '../../../gateway-core/agent/recording/session.js';
import { systemClock } from '../../../gateway-core/agent/spool/clock.js';
import { systemSpoolFiles } from '../../../gateway-core/agent/spool/files.js';
import { Spool, type SpoolHome } from '../../../gateway-core/agent/spool/spool.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import type { LocalRecord } from '../../../gateway-core/contract/local-record.js';
import { login, startGateway } from '../../live/harness.js';
import { createScope, type Scope } from '../../live/processes.js';

export interface SpoolReport {
  /** Sealed, written and synced: so many records in one call, one call after the other. */
  readonly kept: readonly { readonly together: number; readonly perSecond: number }[];
  /** What waited is brought to a running gateway, which syncs it before it answers. */
  readonly uploaded: { readonly records: number; readonly perSecond: number; readonly mbPerSecond: number };
  /** What the record costs a stream: time of the thread for each chunk, both ways. */
  readonly chunks: readonly { readonly bytes: number; readonly usPerChunk: number }[];
  /** From nothing to a segment that takes records, with its reserve: what a command waits for at its first session. */
  readonly firstReadyMs: number;
  /** Of this process while it brought everything away. */
  readonly memoryMb: number;
}

/** What this desktop's own record costs, and how fast it is kept and brought away. */
export async function spoolBench(options: {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}): Promise<SpoolReport> {
  const scope = createScope();
  try {
    const count = options.quick ? 5000 : 50_000;
    options.say('kept');
    const kept: SpoolReport['kept'][number][] = [];
    for (const together of [1, 10, 100, 500])
      kept.push({ together, perSecond: await keeping(scope, together, Math.min(count, together * 2000)) });
    options.say('uploaded');
    const run = await startGateway(scope);
    const person = await login(scope, run, 'engineer');
    const gateway = await person.gateway();
    let memoryMb = 0;
    const watching = setInterval(() => {
      memoryMb = Math.max(memoryMb, Math.round(process.memoryUsage().rss / 1e6));
    }, 20);
    const uploaded = await uploading(scope, gateway, count).finally(() => clearInterval(watching));
    options.say('chunks');
    const chunks = [100, 1400, 16_384, 65_536].map((bytes) => ({ bytes, usPerChunk: chunkCost(bytes) }));
    return { kept, uploaded, chunks, firstReadyMs: await firstReady(scope), memoryMb };
  } finally {
    await scope.close();
  }
}

/** About as large as what is noted of a result that was shown. */
function note(index: number): LocalRecord {
  const at = '2026-11-21T12:00:00.000Z';
  const reason = `a record of the bench, ${'x'.repeat(150)}`;
  return {
    kind: 'gap',
    at,
    monoMs: index,
    boot: '00000000-0000-4000-8000-000000000000',
    lost: 1,
    since: at,
    reason,
  };
}

function homeOf(scope: Scope, device: string): SpoolHome {
  const directory = scope.directory();
  let claims = Math.floor(Date.now() / 1000);
  return {
    files: systemSpoolFiles,
    directory,
    spoolKey: Buffer.alloc(32, 1),
    gateway: 'https://gateway.bench',
    device,
    claim: async () => {
      claims += 1;
      const own = `${directory}/${claims}`;
      mkdirSync(own);
      return Promise.resolve({ directory: own, firstSegment: claims * 2 ** 20 });
    },
    abandoned: () => Promise.resolve([]),
    release: (own) => Promise.resolve(rmSync(own, { recursive: true, force: true })),
  };
}

type Send = ConstructorParameters<typeof Spool>[0]['send'];

function spoolOf(home: SpoolHome, send: Send): Spool {
  const clock = systemClock();
  return new Spool({
    home,
    clock,
    random: Math.random,
    send,
    changed: () => undefined,
    bytesPerSecond: 2 ** 40,
  });
}

const away: Send = () =>
  Promise.reject(new ThroughlineError('gateway-unreachable', 'the bench has no gateway for this'));

async function keeping(scope: Scope, together: number, count: number): Promise<number> {
  const spool = spoolOf(homeOf(scope, 'bench'), away);
  await spool.ready();
  const beganMs = performance.now();
  for (let at = 0; at < count; at += together)
    await spool.append(Array.from({ length: together }, (_, each) => note(at + each)));
  const ms = performance.now() - beganMs;
  await spool.close(0);
  return Math.round((count / ms) * 1000);
}

async function uploading(scope: Scope, gateway: Gateway, count: number): Promise<SpoolReport['uploaded']> {
  const spool = spoolOf(homeOf(scope, gateway.deviceKey), (device, segment, body) =>
    api.spool(gateway, device, segment, body),
  );
  for (let at = 0; at < count; at += 500)
    await spool.append(Array.from({ length: 500 }, (_, each) => note(at + each)));
  const { bytes } = spool.state();
  const beganMs = performance.now();
  const alive = setInterval(() => undefined, 1000);
  await spool.settle(600_000);
  clearInterval(alive);
  const seconds = (performance.now() - beganMs) / 1000;
  const { records: left, refused, waiting } = spool.state();
  if (left > 0) throw new Error(`${left} records were not taken: ${refused[0]?.reason ?? waiting ?? ''}`);
  await spool.close(0);
  return {
    records: count,
    perSecond: Math.round(count / seconds),
    mbPerSecond: Math.round((bytes / seconds / 1024 ** 2) * 10) / 10,
  };
}

function chunkCost(bytes: number): number {
  const count = Math.min(200_000, Math.floor((400 * 1024 ** 2) / bytes));
  const run = (recorded: boolean): number => {
    const stream = new PassThrough({ highWaterMark: 2 ** 40 });
    const facts = {
      session: SessionId.parse(`ses_${'0'.repeat(26)}`),
      salt: Buffer.alloc(32),
      head: Buffer.alloc(0),
      connection: 'bench',
      by: 'tunnel' as const,
      lineage: undefined,
    };
    const notes = { append: () => Promise.resolve() };
    const session = recorded ? new RecordedSession(stream, facts, notes, systemClock()) : undefined;
    const chunk = Buffer.alloc(bytes, 7);
    const beganNs = process.hrtime.bigint();
    for (let at = 0; at < count; at += 1) {
      stream.write(chunk);
      stream.read();
    }
    const ns = Number(process.hrtime.bigint() - beganNs);
    session?.flush();
    stream.destroy();
    return ns / 1000 / count;
  };
  run(true);
  const costs = [0, 1, 2].map(() => run(true) - run(false)).sort((a, b) => a - b);
  return Math.round((costs[1] ?? 0) * 100) / 100;
}

async function firstReady(scope: Scope): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const spool = spoolOf(homeOf(scope, 'bench'), away);
    const beganMs = performance.now();
    await spool.ready();
    times.push(performance.now() - beganMs);
    await spool.close(0);
  }
  return Math.round((times.sort((a, b) => a - b)[10] ?? 0) * 10) / 10;
}
