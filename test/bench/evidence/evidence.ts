import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Gateway } from '../../../gateway-core/agent/client/gateway.js';
import { saveBundle } from '../../../gateway-core/agent/evidence/save.js';
import type { ResultFormat } from '../../../gateway-core/contract/evidence.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { startCluster } from '../../live/cluster.js';
import {
  addConnections,
  connectionTo,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from '../../live/harness.js';
import { createScope, until } from '../../live/processes.js';

export interface EvidenceReport {
  readonly rows: number;
  /** One result set of so many rows, exported by the gateway over TLS into a file. */
  readonly exports: readonly {
    readonly results: string;
    readonly seconds: number;
    readonly bundleMb: number;
    readonly rowsPerSecond: number;
    /** The gateway's resident memory before, and at most meanwhile. */
    readonly beforeMb: number;
    readonly peakMb: number;
    readonly verify: Verified;
  }[];
  /** A session of many small statements, checked: what a check costs by the entry instead of by the byte. */
  readonly statements: { readonly count: number; readonly bundleMb: number; readonly verify: Verified };
}

/** One `verifyBundle` in a process of its own. */
interface Verified {
  readonly entries: number;
  readonly seconds: number;
  /** Of the process, Node's own included. */
  readonly peakMb: number;
}

/** How long it takes to take a large result away as evidence, and what the gateway needs for it. */
export async function evidenceBench(options: {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}): Promise<EvidenceReport> {
  const scope = createScope();
  try {
    const rows = options.quick ? 100_000 : 1_000_000;
    const [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
    await cluster.createDatabase('bench');
    const admin = await login(scope, gateway, 'admin');
    await putPolicies(admin, livePolicies);
    await addConnections(admin, [
      connectionTo(cluster, 'bench', { recording: { rows: 'all' }, superuser: true }),
    ]);
    options.say(`a result of ${rows} rows`);
    const { env } = await admin.tunnel('bench');
    await psql(
      env,
      `select n as id, md5(n::text) as hash, now() as at, n * 1.5 as amount from generate_series(1, ${rows}) n`,
      ['-o', '/dev/null'],
    );
    const session = await ended(admin, []);
    const held = await admin.gateway();
    const exports = [];
    for (const results of [[], ['ndjson', 'csv'], ['parquet']] as const) {
      options.say(`export as ${results.join(' and ') || 'recording only'}`);
      exports.push(
        await exporting(held, gateway.pid, session, results, rows, join(scope.directory(), 'b.zip')),
      );
    }
    const count = options.quick ? 5000 : 50_000;
    options.say(`a session of ${count} statements`);
    await psql((await admin.tunnel('bench')).env, 'select 1;\n'.repeat(count), ['-o', '/dev/null']);
    const many = await ended(admin, [session]);
    const file = join(scope.directory(), 'b.zip');
    const subject = { kind: 'session', id: many } as const;
    const { bytes } = await saveBundle(held, { request: { subject, results: [] }, file });
    options.say('verify');
    const statements = { count, bundleMb: bytes / 1024 ** 2, verify: verifying(file) };
    return { rows, exports, statements };
  } finally {
    await scope.close();
  }
}

async function ended(person: Person, before: readonly string[]): Promise<SessionId> {
  const found = await until('the session has ended', async () => {
    const all = await person.json<{ id: string; state: string }[]>(['sessions']);
    return all.find(({ id, state }) => state === 'ended' && !before.includes(id))?.id;
  });
  return SessionId.parse(found);
}

async function exporting(
  gateway: Gateway,
  pid: number,
  session: SessionId,
  results: readonly ResultFormat[],
  rows: number,
  file: string,
): Promise<EvidenceReport['exports'][number]> {
  const beforeMb = memoryMb(pid, 'VmRSS');
  // From here on VmHWM is the most since now (proc_pid_clear_refs(5)).
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const startedAt = performance.now();
  const subject = { kind: 'session', id: session } as const;
  const { bytes } = await saveBundle(gateway, { request: { subject, results: [...results] }, file });
  const seconds = (performance.now() - startedAt) / 1000;
  const peakMb = memoryMb(pid, 'VmHWM');
  const verify = verifying(file);
  rmSync(file);
  return {
    results: results.join('+') || 'recording only',
    seconds,
    bundleMb: bytes / 1024 ** 2,
    rowsPerSecond: Math.round(rows / seconds),
    beforeMb,
    peakMb,
    verify,
  };
}

function verifying(file: string): Verified {
  const program = fileURLToPath(new URL('verify-once.js', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program, file], { encoding: 'utf8' });
  if (stderr !== '') throw new Error(stderr);
  const { ok, entries, seconds, peakMb } = JSON.parse(stdout) as Verified & { readonly ok: boolean };
  if (!ok) throw new Error('the bundle does not hold');
  return { entries, seconds, peakMb: Math.round(peakMb) };
}

function memoryMb(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}
