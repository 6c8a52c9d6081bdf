import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Appended } from '../../../gateway-core/contract/decision.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import type { Durability, JournalFailure, JournalRecord } from '../../../gateway-core/contract/recorder.js';
import type { JournalDisk } from '../../../gateway-core/store/journal/disk.js';
import { nodeDisk } from '../../../gateway-core/store/journal/disk.js';
import { journalLimits } from '../../../gateway-core/store/journal/format.js';
import type { Journal, JournalOptions } from '../../../gateway-core/store/journal/journal.js';
import { openJournal } from '../../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../../gateway-core/store/journal/source.js';

const key = Buffer.alloc(32, 1);
const session = 'ses_01JD3Q5Z6X7Y8W9V0T1S2R3Q4P' as SessionId;
const other = 'ses_01JD3Q5Z6X7Y8W9V0T1S2R3Q4Q' as SessionId;
let directory = '';
let opened: Journal[] = [];

beforeEach(() => {
  directory = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'journal-')), 'journal');
  opened = [];
});
afterEach(async () => {
  for (const journal of opened) await journal.close();
  fs.rmSync(path.dirname(directory), { recursive: true });
});

async function open(more: Partial<JournalOptions> = {}): Promise<Journal> {
  const nowMs = (): number => Date.UTC(2026, 10, 20, 12);
  const journal = await openJournal({ directory, key, node: 'n"1', nowMs, reserveBytes: 64 * 1024, ...more });
  opened.push(journal);
  return journal;
}

function append(journal: Journal, event: AuditEventInput, durability: Durability = 'durable') {
  return new Promise<Appended | JournalFailure>((resolve) => journal.event(event, durability, resolve));
}

function flush(journal: Journal, one?: SessionId): Promise<JournalFailure | undefined> {
  return new Promise((resolve) => journal.flush(resolve, one));
}

function note(query: string): AuditEventInput {
  return { kind: 'record.read', by: 'demo/auditor', what: 'search', query };
}

function decided(one: SessionId): AuditEventInput {
  const payload = { text: 'select 1', exactHash: '' };
  const rest = { policy: [], policyVersion: '', action: 'sql:read', command: 'SELECT', payload };
  return { kind: 'statement.decided', session: one, seq: 1, decision: 'allowed', ...rest };
}

function ended(one: SessionId): AuditEventInput {
  return {
    kind: 'session.ended',
    session: one,
    endCause: 'fault',
    statements: 1,
    bytesFromClient: 0,
    bytesToClient: 0,
  };
}

function readAll(position = 0): JournalRecord[] {
  const source = openJournalSource({ directory, key });
  try {
    return [...source.read(position)];
  } finally {
    source.close();
  }
}

function journalFiles(): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.journal'))
    .sort();
}

/** The real disk, with a hand in it. */
function disturbed(change: (disk: JournalDisk) => Partial<JournalDisk>): JournalDisk {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const disk = nodeDisk(directory);
  return { ...disk, ...change(disk) };
}

function noSpace(): Error {
  return Object.assign(new Error('no space'), { code: 'ENOSPC' });
}

describe('what is kept', () => {
  it('is what was handed over, in call order, with gapless positions from 0', async () => {
    const journal = await open();
    const positions: number[] = [];
    for (let index = 0; index < 5; index += 1) {
      const appended = await append(journal, note(`n${index}`));
      if ('position' in appended) positions.push(appended.position);
      journal.content(session, index, 'copy-out', Buffer.from(`row ${index}`));
    }
    expect(await flush(journal)).toBeUndefined();
    expect(positions).toEqual([0, 2, 4, 6, 8]);
    const records = readAll();
    expect(records.map((record) => record.position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(records[3]).toMatchObject({
      kind: 'content',
      session,
      seq: 1,
      stream: 'copy-out',
      atMs: Date.UTC(2026, 10, 20, 12),
    });
    expect(records[3]?.kind === 'content' && Buffer.from(records[3].bytes).toString()).toBe('row 1');
  });

  it('content that follows itself in one turn is one record, and nothing else is', async () => {
    const journal = await open();
    const pieces = [
      [1, 'rows', 'a'],
      [1, 'rows', 'b'],
      [1, 'messages', 'c'],
      [2, 'messages', 'd'],
      [2, 'messages', 'e'],
    ] as const;
    for (const [seq, stream, text] of pieces) journal.content(session, seq, stream, Buffer.from(text));
    await append(journal, note('between'));
    journal.content(session, 2, 'messages', Buffer.from('f'));
    await flush(journal);
    const kept = readAll().map((record) => (record.kind === 'content' ? String(record.bytes) : 'event'));
    expect(kept).toEqual(['ab', 'c', 'de', 'event', 'f']);
  });

  it('carries version, time and node from the journal, whatever the caller put there', async () => {
    const journal = await open();
    const ours = { v: 2, at: 'yesterday', node: 'elsewhere' };
    const forged: AuditEventInput = { ...note('x'), ...ours };
    await append(journal, forged);
    const [record] = readAll();
    expect(record?.kind === 'event' && record.event).toEqual({
      ...note('x'),
      v: 1,
      at: '2026-11-20T12:00:00.000Z',
      node: 'n"1',
    });
  });

  it('stays whole in any script, with lone surrogates and control characters', async () => {
    const journal = await open();
    const text = 'Zürich 東京 🦀 \u0000\u001f "\\" \ud800 ';
    await append(journal, note(text.repeat(50)));
    const [record] = readAll();
    expect(record?.kind === 'event' && record.event).toMatchObject({ query: text.repeat(50) });
  });

  it('is in clear nowhere in the directory', async () => {
    const journal = await open();
    await append(journal, note('a-very-visible-text'));
    journal.content(session, 1, 'rows', Buffer.from('another-visible-text'));
    await flush(journal);
    for (const name of fs.readdirSync(directory)) {
      const bytes = fs.readFileSync(path.join(directory, name));
      for (const text of ['visible-text', session, 'record.read']) expect(bytes.includes(text)).toBe(false);
    }
  });

  it('does not change when the caller reuses its buffer', async () => {
    const journal = await open();
    const bytes = Buffer.from('before');
    journal.content(session, 1, 'rows', bytes);
    bytes.fill('x');
    await flush(journal);
    const [record] = readAll();
    expect(record?.kind === 'content' && Buffer.from(record.bytes).toString()).toBe('before');
  });

  it('is bounded by record: large content becomes several records that join to the same bytes', async () => {
    const journal = await open();
    const bytes = Buffer.alloc(3 * journalLimits.contentRecordBytesMax + 17, 'abc');
    journal.content(session, 1, 'rows', bytes);
    await flush(journal);
    const pieces = readAll().map((record) => (record.kind === 'content' ? record.bytes : Buffer.alloc(0)));
    expect(pieces.length).toBe(4);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  });

  it('is for the owner only: 0600 files in a 0700 directory, and an open directory is refused', async () => {
    const journal = await open();
    await append(journal, note('x'));
    expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of fs.readdirSync(directory)) {
      expect(fs.statSync(path.join(directory, name)).mode & 0o777).toBe(0o600);
    }
    await journal.close();
    fs.chmodSync(directory, 0o750);
    await expect(open()).rejects.toMatchObject({ code: 'invalid-config' });
  });
});

describe('calling back', () => {
  it('never happens inside the call, and keeps call order', async () => {
    const journal = await open();
    const order: string[] = [];
    journal.event(note('1'), 'recorded', () => order.push('1'));
    journal.flush(() => order.push('2'));
    journal.event(note('3'), 'recorded', () => order.push('3'));
    const last = append(journal, note('4'));
    expect(order).toEqual([]);
    await last;
    expect(order).toEqual(['1', '2', '3']);
  });

  it('costs one write and one sync for all callers of a turn', async () => {
    let writes = 0;
    let syncs = 0;
    const disk = disturbed((real) => ({
      write: (...all) => {
        writes += 1;
        return real.write(...all);
      },
      dataSync: (file) => {
        syncs += 1;
        return real.dataSync(file);
      },
    }));
    const journal = await open({ disk });
    writes = 0;
    syncs = 0;
    await Promise.all(Array.from({ length: 50 }, (_, index) => append(journal, note(String(index)))));
    expect({ writes, syncs }).toEqual({ writes: 1, syncs: 1 });
  });

  it('comes for a durable event only after an fdatasync that began after its write', async () => {
    const log: string[] = [];
    const disk = disturbed((real) => ({
      write: (...all) => {
        log.push('write');
        return real.write(...all);
      },
      dataSync: async (file) => {
        log.push('sync begins');
        await real.dataSync(file);
        log.push('sync ends');
      },
    }));
    const journal = await open({ disk });
    log.length = 0;
    const first = append(journal, note('1'));
    await new Promise((resolve) => setImmediate(resolve));
    const second = append(journal, note('2')).then(() => log.push('second'));
    await first;
    await second;
    const write = log.lastIndexOf('write');
    const begins = log.indexOf('sync begins', write);
    expect(begins).toBeGreaterThan(write);
    expect(log.indexOf('second')).toBeGreaterThan(log.indexOf('sync ends', begins));
  });

  it('comes to who asks for durability once all that was handed over is durable, whether or not a sync is needed', async () => {
    let held = false;
    const waiting: (() => void)[] = [];
    const disk = disturbed((real) => ({
      dataSync: async (file) => {
        if (held) await new Promise<void>((resolve) => waiting.push(resolve));
        return real.dataSync(file);
      },
    }));
    const journal = await open({ disk });
    const durable = (one?: SessionId): Promise<JournalFailure | undefined> =>
      new Promise((resolve) => journal.durable(resolve, one));
    await append(journal, note('1'));
    held = true;
    expect(await durable()).toBeUndefined();
    journal.content(session, 1, 'terminal', Buffer.from('shown'));
    let answered = false;
    const asked = durable(session).then((failure) => {
      answered = true;
      return failure;
    });
    expect(await flush(journal)).toBeUndefined();
    await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(0), { timeout: 60_000 });
    expect(answered).toBe(false);
    held = false;
    for (const go of waiting) go();
    expect(await asked).toBeUndefined();
    expect(await durable()).toBeUndefined();
    await journal.close();
    expect(await durable()).toMatchObject({ code: 'not-recordable' });
  });

  it("goes on for all others when one caller's callback throws", async () => {
    const journal = await open();
    const thrown = new Promise<unknown>((resolve) => process.once('uncaughtException', resolve));
    const listeners = process.listeners('uncaughtException').slice(0, -1);
    for (const listener of listeners) process.off('uncaughtException', listener);
    journal.event(note('1'), 'recorded', () => {
      throw new Error('bug');
    });
    expect(await append(journal, note('2'), 'recorded')).toMatchObject({ position: 1 });
    expect(await thrown).toMatchObject({ message: 'bug' });
    for (const listener of listeners) process.on('uncaughtException', listener);
  });

  it('is a failure for an event that is too large, and for that one alone', async () => {
    const journal = await open();
    const huge = append(journal, note('x'.repeat(journalLimits.eventBytesMax)), 'recorded');
    const small = append(journal, note('y'), 'recorded');
    expect(await huge).toMatchObject({ code: 'not-recordable' });
    expect(await small).toMatchObject({ position: 0 });
    expect(journal.failed).toBeUndefined();
  });
});

describe('reading', () => {
  it('goes on where it ended, while the journal is written, over many files', async () => {
    const journal = await open({ fileBytes: 2000 });
    const source = openJournalSource({ directory, key });
    const found: JournalRecord[] = [];
    for (let index = 0; index < 60; index += 1) {
      await append(journal, note(String(index)), 'recorded');
      if (index % 7 === 0) found.push(...source.read(found.length));
    }
    found.push(...source.read(found.length));
    source.close();
    expect(journalFiles().length).toBeGreaterThan(3);
    expect(found.map((record) => record.position)).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(readAll(37).map((record) => record.position)).toEqual(
      Array.from({ length: 23 }, (_, i) => i + 37),
    );
  });

  it('deletes on release exactly the files that hold nothing from the position on', async () => {
    const journal = await open({ fileBytes: 2000 });
    for (let index = 0; index < 60; index += 1) await append(journal, note(String(index)), 'recorded');
    const before = journalFiles();
    const source = openJournalSource({ directory, key });
    source.release(30);
    expect(journalFiles().length).toBeLessThan(before.length);
    expect([...source.read(30)].length).toBe(30);
    expect(() => [...source.read(0)]).toThrow(/missing/);
    source.release(60);
    expect(journalFiles().length).toBe(1);
    expect([...source.read(60)]).toEqual([]);
    source.close();
  });

  it('counts as backlog what was recorded and not released, also after a restart', async () => {
    const journal = await open();
    const bytes = Buffer.alloc(200_000, 1);
    for (let index = 0; index < 20; index += 1) journal.content(session, index, 'rows', bytes);
    await flush(journal);
    expect(journal.backlogBytes()).toBeGreaterThan(4_000_000);
    journal.released(10);
    expect(journal.backlogBytes()).toBeLessThan(2_600_000);
    expect(journal.backlogBytes()).toBeGreaterThan(1_900_000);
    await journal.close();
    const again = await open({ minimumPosition: 10 });
    expect(again.backlogBytes()).toBeGreaterThan(1_900_000);
    again.released(20);
    expect(again.backlogBytes()).toBe(0);
  });
});

describe('opening again', () => {
  it('cuts a torn tail and goes on behind the last whole record, in a new file', async () => {
    const journal = await open();
    await append(journal, note('kept'));
    await journal.close();
    const [name = ''] = journalFiles();
    fs.appendFileSync(path.join(directory, name), Buffer.alloc(100, 7));
    const again = await open();
    expect(again.recovery).toMatchObject({ endPosition: 1, tornBytes: 100 });
    expect(await append(again, note('new'))).toMatchObject({ position: 1 });
    expect(journalFiles().length).toBe(2);
    expect(readAll().length).toBe(2);
  });

  it('never gives a position below the minimum that the sealer has kept', async () => {
    const journal = await open();
    await append(journal, note('0'));
    await journal.close();
    const again = await open({ minimumPosition: 9 });
    expect(await append(again, note('9'))).toMatchObject({ position: 9 });
    expect(readAll().map((record) => record.position)).toEqual([0, 9]);
  });

  it('is refused with another key, and nothing is changed', async () => {
    const journal = await open();
    await append(journal, note('0'));
    await journal.close();
    const before = journalFiles().map((name) => fs.readFileSync(path.join(directory, name)));
    await expect(open({ key: Buffer.alloc(32, 2) })).rejects.toMatchObject({ code: 'verification-failed' });
    expect(journalFiles().map((name) => fs.readFileSync(path.join(directory, name)))).toEqual(before);
  });
});

describe('a disk that takes no more', () => {
  let noRoom = false;
  /** As a full disk does: what is allocated can be overwritten, nothing can be added. */
  const filling = (): JournalDisk => {
    noRoom = false;
    return disturbed((real) => ({
      write: (file, parts, at) => {
        const end = at + parts.reduce((sum, part) => sum + part.length, 0);
        if (noRoom && end > real.size(file)) throw noSpace();
        return real.write(file, parts, at);
      },
      fill: (...all) => (noRoom ? Promise.reject(noSpace()) : real.fill(...all)),
    }));
  };

  it('goes on in the space that was prepared, and fails where that ends; the reserve is still there then', async () => {
    const journal = await open({ disk: filling(), aheadBytes: 4000 });
    noRoom = true;
    let kept = 0;
    while (journal.failed === undefined) {
      const answer = await append(journal, note(`n${kept}`));
      if ('position' in answer) kept += 1;
      else expect(answer).toMatchObject({ code: 'not-recordable' });
    }
    expect(kept).toBeGreaterThan(5);
    const closing = await append(journal, ended(session));
    expect(closing).toMatchObject({ position: kept + 1 });
    expect(readAll().length).toBe(kept + 1);
  });

  it('fails every call but closing events, which the reserve takes, until it is proved to work again', async () => {
    const journal = await open({ disk: filling(), aheadBytes: 0 });
    await append(journal, note('0'));
    noRoom = true;
    const waiting = [append(journal, note('1')), append(journal, note('2'), 'recorded'), flush(journal)];
    for (const one of waiting) expect(await one).toMatchObject({ code: 'not-recordable' });
    expect(journal.failed?.message).toContain('no space');
    expect(await append(journal, note('3'))).toMatchObject({ code: 'not-recordable' });
    const closing = await append(journal, ended(session));
    expect(closing).toMatchObject({ position: 3 });
    expect(await journal.recover()).toMatchObject({ code: 'not-recordable' });
    noRoom = false;
    expect(await journal.recover()).toBeUndefined();
    expect(await append(journal, note('4'))).toMatchObject({ position: 4 });
    expect(readAll().map((record) => record.position)).toEqual([0, 3, 4]);
    await journal.close();
    expect((await open()).recovery.endPosition).toBe(5);
  });

  it('keeps what was recorded before a failed sync, and never trusts a later sync of that file', async () => {
    let fails = false;
    const disk = disturbed((real) => ({
      dataSync: (file) =>
        fails ? Promise.reject(Object.assign(new Error('io'), { code: 'EIO' })) : real.dataSync(file),
    }));
    const journal = await open({ disk });
    expect(await append(journal, note('0'))).toMatchObject({ position: 0 });
    fails = true;
    expect(await append(journal, note('1'), 'recorded')).toMatchObject({ position: 1 });
    expect(await append(journal, note('2'))).toMatchObject({ code: 'not-recordable' });
    fails = false;
    expect(await append(journal, ended(session))).toMatchObject({ code: 'not-recordable' });
    expect(await append(journal, ended(other), 'recorded')).toMatchObject({ position: 3 });
    expect(await journal.recover()).toBeUndefined();
    expect(await append(journal, note('4'))).toMatchObject({ position: 4 });
    expect(readAll().map((record) => record.position)).toEqual([0, 1, 2, 3, 4]);
    expect(journal.lost).toBe(0);
  });

  it('stops a session whose content was lost, also after the disk works again, and no other', async () => {
    let full = false;
    const disk = disturbed((real) => ({
      write: (...all) => {
        if (full) throw noSpace();
        return real.write(...all);
      },
    }));
    const journal = await open({ disk });
    full = true;
    journal.content(session, 1, 'rows', Buffer.from('lost'));
    await flush(journal);
    full = false;
    expect(await journal.recover()).toBeUndefined();
    expect(await append(journal, decided(session))).toMatchObject({ code: 'not-recordable' });
    expect(await flush(journal, session)).toMatchObject({ code: 'not-recordable' });
    expect(await append(journal, decided(other))).toHaveProperty('position');
    expect(await flush(journal, other)).toBeUndefined();
    expect(await append(journal, ended(session))).toHaveProperty('position');
  });

  it('answers every call after close with a failure', async () => {
    const journal = await open();
    await journal.close();
    expect(await append(journal, ended(session))).toMatchObject({ code: 'not-recordable' });
    expect(await flush(journal)).toMatchObject({ code: 'not-recordable' });
  });
});
