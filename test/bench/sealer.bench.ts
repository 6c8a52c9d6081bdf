import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateLogKey } from '../../gateway-core/audit/keys.js';
import { toLeaf } from '../../gateway-core/audit/leaf.js';
import { type Log, openLog } from '../../gateway-core/audit/log.js';
import type { AuditEvent } from '../../gateway-core/contract/events.js';
import type { SessionId } from '../../gateway-core/contract/ids.js';
import type { JournalRecord, JournalSource } from '../../gateway-core/contract/recorder.js';
import { systemFiles } from '../../gateway-core/recording/files.js';
import { SealerEngine } from '../../gateway-core/server/sealer/engine.js';
import { IndexDatabase } from '../../gateway-core/server/sealer/index-database.js';
import { rowMessages, sessionId } from '../sim/sealer-journal.js';

const statements = 60_000;
/** Two events and one piece of content, about 6,000 statements a round: what a round at full speed holds. */
const roundRecordsMax = 18_000;
const content = rowMessages(['abalance'], [['12345', 'some masked text of a row, 100 bytes']]);

/**
 * What the sealer costs for a statement (two events and 100 bytes of content), in microseconds of CPU: everything,
 * and of that the audit room's part (leaves and commits) and the search index. The records' own making is taken off.
 */
export async function sealerBench(): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const sessions of [1, 8, 100]) {
    const name = `${sessions} sessions`;
    await seal(sessions);
    const cost = await seal(sessions);
    result[`${name}: CPU us per statement`] = cost.all;
    result[`${name}: of that leaves and log`] = round(cost.log + leafCost(sessions));
    result[`${name}: of that index`] = cost.index;
    result[`${name}: us per statement by the clock`] = cost.wall;
  }
  return result;
}

function* records(sessions: number): Generator<JournalRecord> {
  const ids = Array.from({ length: sessions }, (_, index) => sessionId(index));
  let position = 0;
  const startMs = Date.now();
  const event = (fields: object): JournalRecord => ({
    position: position++,
    kind: 'event',
    event: {
      v: 1,
      at: new Date(startMs + position / 30).toISOString(),
      node: 'bench',
      ...fields,
    } as AuditEvent,
  });
  for (const id of ids) yield event(started(id));
  for (let seq = 1; seq <= statements / sessions; seq += 1) {
    for (const session of ids) {
      yield event({
        kind: 'statement.decided',
        session,
        seq,
        decision: 'allowed',
        policy: ['engineers-read'],
        policyVersion: '0123456789abcdef',
        action: 'sql:read',
        command: 'SELECT',
        payload: {
          text: `SELECT abalance FROM pgbench_accounts WHERE aid = ${(seq * 7919) % 1_000_000};`,
          exactHash: 'ab'.repeat(32),
        },
      });
      yield {
        position: position++,
        kind: 'content',
        atMs: startMs,
        session,
        seq,
        stream: 'rows',
        bytes: content,
      };
      yield event({
        kind: 'statement.ended',
        session,
        seq,
        state: 'ok',
        durationUs: 350,
        rows: 1,
        bytes: content.length,
        maskedValues: 1,
        payload: { tag: 'SELECT 1' },
      });
    }
  }
}

function started(session: SessionId): object {
  return {
    kind: 'session.started',
    session,
    connection: 'shop-db',
    protocol: 'postgres',
    chain: [{ id: 'demo/contractor', kind: 'person', name: 'Contractor', assurance: 'proven' }],
    signIn: 'sgn_1',
    via: 'tunnel',
    durability: 'grouped',
    policy: ['p0'],
    policyVersion: '0123456789abcdef',
  };
}

async function seal(sessions: number): Promise<{ all: number; log: number; index: number; wall: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'sealer-bench-'));
  const key = generateLogKey({ file: join(directory, 'key'), origin: 'bench/log' });
  const spent = { log: 0, index: 0 };
  const log = openLog({ dir: join(directory, 'audit'), origin: 'bench/log', key });
  const index = await IndexDatabase.open(join(directory, 'index.sqlite'));
  const apply = index.apply.bind(index);
  index.apply = (changes) => void (spent.index += cpuOf(() => apply(changes)));
  const engine = new SealerEngine({
    place: { files: systemFiles, directory: join(directory, 'recordings'), masterKey: Buffer.alloc(32, 1) },
    source: sourceOf(sessions),
    log: timedLog(log, spent),
    index,
    nowMs: () => Date.now(),
    onProblem: () => undefined,
    roundRecordsMax,
  });
  const from = performance.now();
  const cpu = process.cpuUsage();
  while ((await engine.round()).more);
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - from;
  const making = makingCost(sessions);
  engine.release();
  index.close();
  rmSync(directory, { recursive: true, force: true });
  return {
    all: round((user + system - making) / statements),
    log: spent.log / statements,
    index: round(spent.index / statements),
    wall: round((wall * 1000) / statements),
  };
}

function sourceOf(sessions: number): JournalSource {
  const all = records(sessions);
  return {
    read: () => ({ [Symbol.iterator]: () => ({ next: () => all.next() }) }),
    release: () => undefined,
    close: () => undefined,
  };
}

function timedLog(log: Log, spent: { log: number }): Log {
  return {
    get size() {
      return log.size;
    },
    append: (leaves) => {
      let appended = { firstIndex: 0 };
      spent.log += cpuOf(() => {
        appended = log.append(leaves);
      });
      return appended;
    },
    commit: () => void (spent.log += cpuOf(() => log.commit())),
    checkpoint: (nowMs) => log.checkpoint(nowMs),
    lastLeaf: () => log.lastLeaf(),
    entry: (at) => log.entry(at),
    entries: (from, to) => log.entries(from, to),
    inclusionProof: (at, size) => log.inclusionProof(at, size),
    consistencyProof: (first, second) => log.consistencyProof(first, second),
    tlogProof: (at) => log.tlogProof(at),
  };
}

/** Microseconds of CPU that leaves alone take for a statement. */
function leafCost(sessions: number): number {
  const salt = Buffer.alloc(16);
  const both = cpuOf(() => {
    for (const record of records(sessions)) {
      if (record.kind === 'event') toLeaf(record.event, { position: record.position, salt });
    }
  });
  const making = makingCost(sessions);
  return (both - making) / statements;
}

function makingCost(sessions: number): number {
  const all = records(sessions);
  return cpuOf(() => {
    while (all.next().done !== true);
  });
}

function cpuOf(act: () => void): number {
  const cpu = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(cpu);
  return user + system;
}

function round(us: number): number {
  return Math.round(us * 100) / 100;
}
