import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClientState } from '../../../../gateway-core/agent/client/state.js';
import { type Conflict, ReceiptFiles } from '../../../../gateway-core/agent/recording/receipt-file.js';
import { checkReceipt, Receipts } from '../../../../gateway-core/agent/recording/receipts.js';
import { type Log, openLog } from '../../../../gateway-core/audit/log.js';
import type { LogKey } from '../../../../gateway-core/audit/note.js';
import { ThroughlineError } from '../../../../gateway-core/contract/errors.js';
import type { AuditEvent } from '../../../../gateway-core/contract/events.js';
import { SessionId } from '../../../../gateway-core/contract/ids.js';
import type { ReceiptRequest, ReceiptResponse } from '../../../../gateway-core/contract/local-record.js';
import { ended, leafOf, newKey, origin, scratchDirectory, sessionId, started } from '../../audit/support.js';
import { remove, temporaryHome } from '../support.js';

const nowMs = Date.UTC(2026, 10, 21, 12);

/** A gateway's log with what a test writes into it. */
class LogOfTest {
  readonly key: LogKey;
  readonly log: Log;
  readonly #events: AuditEvent[] = [];

  constructor(key: LogKey) {
    this.key = key;
    this.log = openLog({ dir: scratchDirectory(), origin, key });
  }

  write(...events: AuditEvent[]): this {
    this.log.append(events.map((each, at) => leafOf(each, this.#events.length + at)));
    this.log.commit();
    this.#events.push(...events);
    return this;
  }

  answer({ kept, sessions }: ReceiptRequest): ReceiptResponse {
    const { log } = this;
    const { size } = log;
    if (kept > size) throw new ThroughlineError('conflict', 'the log is shorter');
    const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');
    const entries = this.#events.flatMap((event, index) =>
      'session' in event && sessions.includes(event.session as SessionId)
        ? [
            {
              session: event.session as SessionId,
              index,
              leaf: Buffer.from(log.entry(index)).toString(),
              proof: log.inclusionProof(index, size).map(base64),
            },
          ]
        : [],
    );
    const consistency = kept === 0 || kept === size ? [] : log.consistencyProof(kept, size).map(base64);
    return { checkpoint: log.checkpoint(nowMs), consistency, entries };
  }
}

let state: ClientState;
let home: string;
let files: ReceiptFiles;
let asked: ReceiptRequest[];
let conflicts: Conflict[];

beforeEach(async () => {
  ({ home, state } = await temporaryHome());
  files = new ReceiptFiles(state, 'https://gateway.test');
  asked = [];
  conflicts = [];
});
afterEach(() => remove(home));

const first = SessionId.parse(sessionId(1));
const second = SessionId.parse(sessionId(2));

function receipts(
  log: LogOfTest,
  change: (answer: ReceiptResponse) => ReceiptResponse = (answer) => answer,
  pinned = log.key.vkey,
): Receipts {
  return new Receipts({
    files,
    pinnedKey: () => Promise.resolve(pinned),
    ask: (body) => {
      asked.push(body);
      return Promise.resolve().then(() => change(log.answer(body)));
    },
    newest: () => Promise.resolve(log.log.checkpoint(nowMs)),
    // The ids of these tests are from 1970.
    nowMs: () => 0,
    conflicts: (conflict) => {
      conflicts.push(conflict);
      return Promise.resolve();
    },
  });
}

describe('a receipt', () => {
  it('is asked for until the log has the session’s end, and proves both with nothing but the key', async () => {
    const log = new LogOfTest(newKey()).write(started(1), started(2));
    await files.expect(first);
    await files.expect(second);
    const keeper = receipts(log);
    expect(await keeper.round()).toEqual([first, second]);
    log.write(ended(1, 3));
    expect(await keeper.round()).toEqual([second]);
    expect(asked).toMatchObject([{ kept: 0 }, { kept: 2, sessions: [first, second] }]);
    const receipt = files.receipt(first);
    if (receipt === undefined) throw new Error('nothing was kept');
    expect(checkReceipt(receipt, log.key.vkey)).toEqual({
      entries: ['session.started', 'session.ended'],
      size: 3,
    });
    expect(checkReceipt(receipt, newKey().vkey)).toBeUndefined();
    const [entry] = receipt.entries;
    if (entry === undefined) throw new Error('nothing was kept');
    const forged = { ...entry, leaf: entry.leaf.replace('shop-db', 'shop-dc') };
    expect(checkReceipt({ ...receipt, entries: [forged] }, log.key.vkey)).toBeUndefined();
    expect(conflicts).toEqual([]);
  });

  it('also without any session makes sure that the log still holds what it held', async () => {
    const log = new LogOfTest(newKey()).write(started(1));
    const keeper = receipts(log);
    await keeper.round();
    log.write(started(2), ended(2, 0));
    await keeper.round();
    expect(asked).toEqual([
      { kept: 0, sessions: [] },
      { kept: 1, sessions: [] },
    ]);
    expect(files.checkpoint()).toContain('\n3\n');
  });

  it('that cannot be had now is asked for later, and nothing is a conflict', async () => {
    const log = new LogOfTest(newKey()).write(started(1));
    const keeper = receipts(log, () => {
      throw new ThroughlineError('rate-limited', 'later');
    });
    await files.expect(first);
    await expect(keeper.round()).rejects.toThrow('later');
    expect(files.pending()).toEqual([first]);
    expect(conflicts).toEqual([]);
  });
});

describe('a log that is not the one it was', () => {
  const rewritten: readonly (readonly [string, (key: LogKey) => LogOfTest, string])[] = [
    [
      'was rewritten',
      (key) => new LogOfTest(key).write(started(3), ended(3, 0), started(4)),
      'does not hold what it held',
    ],
    ['was rolled back', (key) => new LogOfTest(key).write(started(1)), 'shorter than it was'],
    [
      'has another history of the same length',
      (key) => new LogOfTest(key).write(started(1), ended(1, 9)),
      'does not hold what it held',
    ],
    [
      'has another key',
      () => new LogOfTest(newKey()).write(started(1), ended(1, 0), started(2)),
      'another key',
    ],
  ];

  it.each(rewritten)(
    'because it %s is found out; what is kept stays, and both notes are told once',
    async (_, make, why) => {
      const key = newKey();
      await receipts(new LogOfTest(key).write(started(1), ended(1, 0))).round();
      const kept = files.checkpoint();
      const other = make(key);
      await files.expect(first);
      for (let round = 0; round < 3; round += 1) await receipts(other, undefined, key.vkey).round();
      expect(files.checkpoint()).toBe(kept);
      expect(files.receipt(first)).toBeUndefined();
      expect(conflicts.length).toBe(1);
      expect(conflicts[0]?.kept).toBe(kept);
      expect(conflicts[0]?.why).toContain(why);
      expect(conflicts[0]?.given).toContain(origin);
      expect(files.conflict()).toEqual(conflicts[0]);
    },
  );

  it('because a proof, an entry or a signature is wrong gives no receipt', async () => {
    const log = new LogOfTest(newKey()).write(started(1), ended(1, 0), started(2));
    await files.expect(first);
    await receipts(log).round();
    await files.expect(first);
    rmSync(join(home, 'client', 'receipts'), { recursive: true });
    const flip = (text: string): string => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;
    const changes: ((answer: ReceiptResponse) => ReceiptResponse)[] = [
      (answer) => ({ ...answer, checkpoint: answer.checkpoint.replace('\n3\n', '\n4\n') }),
      (answer) => ({ ...answer, checkpoint: '' }),
      (answer) => ({ ...answer, entries: answer.entries.map((each) => ({ ...each, session: second })) }),
      (answer) => ({
        ...answer,
        entries: answer.entries.map((each) => ({ ...each, index: each.index + 1 })),
      }),
      (answer) => ({
        ...answer,
        entries: answer.entries.map((each) => ({ ...each, proof: each.proof.map(flip) })),
      }),
      (answer) => ({ ...answer, entries: answer.entries.map((each) => ({ ...each, proof: [] })) }),
      (answer) => ({
        ...answer,
        entries: answer.entries.map((each) => ({ ...each, leaf: `${each.leaf} ` })),
      }),
      (answer) => ({
        ...answer,
        entries: [...answer.entries, ...log.answer({ kept: 0, sessions: [second] }).entries],
      }),
    ];
    for (const change of changes) {
      files = new ReceiptFiles(state, `https://gateway.test:${changes.indexOf(change) + 1}`);
      await files.expect(first);
      const before = conflicts.length;
      await receipts(log, change).round();
      expect(conflicts.length, String(change)).toBe(before + 1);
      expect(files.receipt(first)).toBeUndefined();
      expect(files.checkpoint()).toBeUndefined();
    }
  });

  it('is not believed either when the checkpoint that is kept here was changed', async () => {
    const log = new LogOfTest(newKey()).write(started(1));
    await receipts(log).round();
    const note = files.checkpoint() ?? '';
    writeFileSync(
      join(home, 'client', 'receipts', receiptsDirectory(), 'checkpoint'),
      note.replace('\n1\n', '\n2\n'),
    );
    await receipts(log).round();
    expect(conflicts.map(({ why }) => why)).toEqual([
      'the checkpoint kept here was signed by another key than the log has',
    ]);
  });
});

function receiptsDirectory(): string {
  return files.lock.split('/').at(-2) ?? '';
}
