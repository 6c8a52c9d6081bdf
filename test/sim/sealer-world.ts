import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateLogKey } from '../../gateway-core/audit/keys.js';
import { parseLeaf } from '../../gateway-core/audit/leaf.js';
import { type Log, openLog } from '../../gateway-core/audit/log.js';
import type { AuditEvent } from '../../gateway-core/contract/events.js';
import { listSessions } from '../../gateway-core/recording/paths.js';
import { type RecordingProblem, RecordingReader } from '../../gateway-core/recording/reader.js';
import type { RecordingPlace } from '../../gateway-core/recording/segment-file.js';
import { SealerEngine } from '../../gateway-core/server/sealer/engine.js';
import { IndexDatabase } from '../../gateway-core/server/sealer/index-database.js';
import { search } from '../../gateway-core/server/sealer/search.js';
import { verifyRecordings } from '../../gateway-core/server/sealer/verify-recordings.js';
import { SimulatedDisk } from './audit-disk.js';
import { type Restart, SimulatedFiles } from './sealer-files.js';
import { MemoryJournal } from './sealer-journal.js';

/** Only the index stands on a real file system, and nothing of it must last. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const keyDirectory = mkdtempSync(join(scratch, 'sealer-key-'));
const key = generateLogKey({ file: join(keyDirectory, 'key'), origin: 'test/log' });
rmSync(keyDirectory, { recursive: true });

/** Journal, recordings, log and index of one gateway, all of which but the index can stop at every step. */
export class SealerWorld {
  readonly journal = new MemoryJournal();
  readonly files = new SimulatedFiles();
  readonly disk = new SimulatedDisk();
  readonly directory = mkdtempSync(join(scratch, 'sealer-world-'));
  readonly indexFile = join(this.directory, 'index.sqlite');
  readonly problems: RecordingProblem[] = [];
  readonly place: RecordingPlace;
  readonly roundRecordsMax: number;
  nowMs = Date.parse('2026-11-20T13:00:00.000Z');

  constructor(options: { segmentBytes?: number; roundRecordsMax?: number } = {}) {
    this.place = {
      files: this.files,
      directory: '/recordings',
      masterKey: Buffer.alloc(32, 7),
      segmentBytes: options.segmentBytes ?? 3000,
    };
    this.roundRecordsMax = options.roundRecordsMax ?? 7;
  }

  openLog(): Log {
    return openLog({ dir: '/log', origin: 'test/log', key, disk: this.disk });
  }

  /** One life: opens everything, runs rounds until the journal is read, or until something throws. */
  async live(): Promise<void> {
    const log = this.openLog();
    const index = await IndexDatabase.open(this.indexFile);
    let engine: SealerEngine | undefined;
    try {
      engine = new SealerEngine({
        place: this.place,
        source: this.journal.source(),
        log,
        index,
        nowMs: () => {
          this.nowMs += 10;
          return this.nowMs;
        },
        onProblem: (problem) => this.problems.push(problem),
        roundRecordsMax: this.roundRecordsMax,
      });
      while ((await engine.round()).more);
      engine.checkpoint();
    } finally {
      try {
        engine?.release();
      } finally {
        index.close();
      }
    }
  }

  restart(kind: Restart, random: () => number): void {
    this.files.restart(kind, random);
    this.disk.restart(kind === 'kill' ? 'kill' : 'power-some-lost', random);
    if (random() < 0.2) IndexDatabase.remove(this.indexFile);
  }

  /** Every statement of an ended session is listed once and found once, whatever happened to the index. */
  async indexFaults(): Promise<string[]> {
    const index = await IndexDatabase.open(this.indexFile);
    try {
      const faults: string[] = [];
      const texts = new Map<string, number>();
      const counts = new Map<string, number>();
      for (const record of this.journal.records) {
        if (record.kind !== 'event' || record.event.kind !== 'statement.decided') continue;
        const { session, payload } = record.event;
        texts.set(payload.text, (texts.get(payload.text) ?? 0) + 1);
        counts.set(session, (counts.get(session) ?? 0) + 1);
      }
      for (const [text, count] of texts) {
        const hits = [...search(index, this.place, `"${text}"`, 1000)].filter((hit) => hit !== undefined);
        if (hits.length !== count) faults.push(`${text} is found ${hits.length} times instead of ${count}`);
      }
      for (const { id, statements } of index.sessions({})) {
        if (statements !== (counts.get(id) ?? 0))
          faults.push(`${id} is listed with ${statements} statements`);
      }
      return faults;
    } finally {
      index.close();
    }
  }

  /** Everything that must hold once the journal was sealed. Returns what is wrong, in words. */
  faults(): string[] {
    const log = this.openLog();
    const faults: string[] = [];
    const report = verifyRecordings(this.place, log, 0);
    faults.push(...report.problems.map(({ code, where, message }) => `${code} ${where}: ${message}`));
    faults.push(...this.#logFaults(log));
    for (const session of listSessions(this.files, '/recordings')) {
      const reader = new RecordingReader(this.place, session);
      const items = [...reader.items()];
      const expected = this.journal.records.filter((record) =>
        record.kind === 'content' ? record.session === session : isRecorded(record.event, session),
      );
      const positions = items.map(({ position }) => position);
      if (positions.join() !== expected.map(({ position }) => position).join()) {
        faults.push(
          `${session} holds positions ${positions.join()} instead of ${expected.map(({ position }) => position).join()}`,
        );
      }
      for (const item of items) {
        const record = this.journal.records[item.position];
        if (item.kind === 'content' && record?.kind === 'content' && !item.bytes.equals(record.bytes)) {
          faults.push(`${session} content at ${item.position} differs`);
        }
      }
    }
    return faults;
  }

  #logFaults(log: Log): string[] {
    const leaves = [...log.entries(0, log.size)].map((entry) => parseLeaf(entry));
    const logged = leaves
      .filter((leaf) => leaf?.kind !== 'recording.sealed')
      .map((leaf) => `${leaf?.pos} ${leaf?.kind}`);
    const expected = this.journal.records
      .filter((record) => record.kind === 'event')
      .map(({ position, event }) => `${position} ${event.kind}`);
    const seals = leaves.flatMap((leaf) =>
      leaf?.kind === 'recording.sealed' ? [`${leaf.session} ${leaf.segment}`] : [],
    );
    return [
      ...(logged.join() === expected.join() ? [] : [`the log holds ${logged.join()}`]),
      ...(new Set(seals).size === seals.length ? [] : ['a segment was sealed twice']),
    ];
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function isRecorded(event: AuditEvent, session: string): boolean {
  return 'session' in event && event.session === session && event.kind !== 'record.read';
}
