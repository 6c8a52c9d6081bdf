import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AuditEventInput } from '../../gateway-core/contract/events.js';
import type { SessionId } from '../../gateway-core/contract/ids.js';
import type { Durability } from '../../gateway-core/contract/recorder.js';
import type { Journal } from '../../gateway-core/store/journal/journal.js';
import { openJournal } from '../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../gateway-core/store/journal/source.js';

/** What the journal costs and carries. `directory`: on the disk that is to be measured; the system's for temporary files by default. */
export async function journalBench(directory = os.tmpdir()): Promise<Record<string, number>> {
  const results: Record<string, number> = {};
  for (const durability of ['recorded', 'durable'] as const) {
    for (const batch of [1, 10, 100]) {
      results[`events per s, ${durability}, batch ${batch}`] = await inJournal(directory, (journal) =>
        eventsPerSecond(journal, durability, batch, durability === 'durable' ? 500 : 4000),
      );
    }
  }
  for (const durability of ['recorded', 'durable'] as const) {
    for (const clients of [1, 8, 64]) {
      const found = await inJournal(directory, async (journal) => {
        await transactions(journal, durability, clients, 20_000);
        return transactions(journal, durability, clients, durability === 'durable' ? 10_000 : 100_000);
      });
      const name = `transaction, ${durability} intent, ${clients} clients`;
      results[`${name}: CPU us`] = found.cpuUs;
      results[`${name}: user CPU us`] = found.userUs;
      results[`${name}: per s`] = found.perSecond;
    }
  }
  results['content MB per s'] = await inJournal(directory, contentRate);
  results['content read back MB per s'] = await readRate(directory);
  return results;
}

async function inJournal<T>(parent: string, use: (journal: Journal) => Promise<T>): Promise<T> {
  const directory = fs.mkdtempSync(path.join(parent, 'journal-bench-'));
  try {
    const journal = await openJournal({ directory, key: randomBytes(32), node: 'bench', nowMs: Date.now });
    const found = await use(journal);
    await journal.close();
    return found;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

const session = 'ses_01JD3Q5Z6X7Y8W9V0T1S2R3Q4P' as SessionId;
const decided = (seq: number): AuditEventInput => ({
  kind: 'statement.decided',
  session,
  seq,
  decision: 'allowed',
  policy: ['engineers-read'],
  policyVersion: '0123456789abcdef',
  action: 'sql:read',
  command: 'SELECT',
  payload: {
    text: 'SELECT abalance FROM pgbench_accounts WHERE aid = $1',
    parameters: ['12345'],
    exactHash: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  },
});
const ended = (seq: number): AuditEventInput => ({
  kind: 'statement.ended',
  session,
  seq,
  state: 'ok',
  durationUs: 210,
  rows: 1,
  bytes: 100,
  maskedValues: 0,
  payload: { tag: 'SELECT 1' },
});
const row = randomBytes(100);

async function eventsPerSecond(
  journal: Journal,
  durability: Durability,
  batch: number,
  rounds: number,
): Promise<number> {
  const start = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) {
    await new Promise<void>((resolve) => {
      for (let index = 1; index < batch; index += 1) journal.event(decided(index), durability, () => {});
      journal.event(decided(batch), durability, () => resolve());
    });
  }
  return Math.round((rounds * batch) / secondsSince(start));
}

/** intent, rows, outcome: each client starts its next transaction when the outcome was called back. */
async function transactions(
  journal: Journal,
  durability: Durability,
  clients: number,
  count: number,
): Promise<{ cpuUs: number; userUs: number; perSecond: number }> {
  const start = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  let left = count;
  const one = (done: () => void): void => {
    if (left === 0) return done();
    left -= 1;
    const seq = left + 1;
    journal.event(decided(seq), durability, () => {
      journal.content(session, seq, 'rows', row);
      journal.event(ended(seq), 'recorded', () => one(done));
    });
  };
  await Promise.all(Array.from({ length: clients }, () => new Promise<void>((resolve) => one(resolve))));
  const used = process.cpuUsage(cpu);
  return {
    cpuUs: round2((used.user + used.system) / count),
    userUs: round2(used.user / count),
    perSecond: Math.round(count / secondsSince(start)),
  };
}

const contentBytes = 512 * 1024 * 1024;
const sliceBytes = 128 * 1024;

async function writeContent(journal: Journal): Promise<void> {
  const slice = randomBytes(sliceBytes);
  for (let sent = 0; sent < contentBytes; sent += sliceBytes) {
    journal.content(session, 1, 'rows', slice);
    await new Promise<void>((resolve) => journal.flush(() => resolve()));
  }
}

async function contentRate(journal: Journal): Promise<number> {
  const start = process.hrtime.bigint();
  await writeContent(journal);
  return Math.round(contentBytes / 1e6 / secondsSince(start));
}

async function readRate(parent: string): Promise<number> {
  const directory = fs.mkdtempSync(path.join(parent, 'journal-bench-'));
  const key = randomBytes(32);
  try {
    const journal = await openJournal({ directory, key, node: 'bench', nowMs: Date.now });
    await writeContent(journal);
    await journal.close();
    const source = openJournalSource({ directory, key });
    const start = process.hrtime.bigint();
    let bytes = 0;
    for (const record of source.read(0)) if (record.kind === 'content') bytes += record.bytes.length;
    const seconds = secondsSince(start);
    source.close();
    return Math.round(bytes / 1e6 / seconds);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function secondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
