import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateLogKey } from '../../../gateway-core/audit/keys.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import { type Sealer, startSealer } from '../../../gateway-core/server/sealer/index.js';
import { type Journal, openJournal } from '../../../gateway-core/store/journal/journal.js';
import { MemoryJournal } from '../../sim/sealer-journal.js';

/** A gateway's journal and sealer on a real disk, without the rest of it. */
export class SealerRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'sealer-'));
  readonly data = join(this.directory, 'data');
  readonly complaints: string[] = [];
  readonly #key = Buffer.alloc(32, 1);
  journal!: Journal;
  sealer!: Sealer;

  constructor() {
    mkdirSync(this.data, { mode: 0o700 });
    generateLogKey({ file: join(this.directory, 'log.key'), origin: 'test/log' });
  }

  async start(): Promise<void> {
    this.sealer = await startSealer({
      dataDirectory: this.data,
      journalDirectory: join(this.data, 'journal'),
      journalKey: this.#key,
      recordingKey: Buffer.alloc(32, 2),
      logKeyFile: join(this.directory, 'log.key'),
      logOrigin: 'test/log',
      onComplaint: (what) => this.complaints.push(what),
    });
    this.journal = await openJournal({
      directory: join(this.data, 'journal'),
      key: this.#key,
      node: 'node-1',
      nowMs: () => Date.now(),
      minimumPosition: this.sealer.journalPosition,
    });
    this.sealer.onSealed((position) => this.journal.released(position));
  }

  record(event: AuditEventInput): Promise<void> {
    return new Promise((resolve, reject) => {
      this.journal.event(event, 'recorded', (result) =>
        result instanceof Error ? reject(result) : resolve(),
      );
    });
  }

  /** Puts what a test wrote into a memory journal into the real one, with today's times. */
  async write(fill: (journal: MemoryJournal) => void): Promise<void> {
    const memory = new MemoryJournal();
    fill(memory);
    for (const record of memory.records) {
      if (record.kind === 'event') {
        const { v: _v, at: _at, node: _node, ...event } = record.event;
        await this.record(event);
      } else {
        this.journal.content(record.session, record.seq, record.stream, record.bytes);
      }
    }
  }

  async stop(): Promise<void> {
    await this.journal.close();
    await this.sealer.close();
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
