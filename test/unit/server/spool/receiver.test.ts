import { describe, expect, it } from 'vitest';
import { type LocalRecord, spoolLimits } from '../../../../gateway-core/contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../../../gateway-core/recording/spool-head.js';
import { spoolDesk } from '../../../../gateway-core/server/spool/desk.js';
import type { Upload } from '../../../../gateway-core/server/spool/messages.js';
import { readSegment } from '../../../../gateway-core/server/spool/segment.js';
import { SimulatedFiles } from '../../../sim/sealer-files.js';
import { at, closed, device, gap, hashed, ids, opened } from './setup.js';

const idKey = Buffer.alloc(32, 4);
const masterKey = Buffer.alloc(32, 6);
const directory = 'data/spool';
const place = { device, segment: 7 };
const { sum } = hashed(Buffer.from('x'));

function desk(files = new SimulatedFiles(), bytesPerDeviceMax = 10_000_000) {
  let now = Date.parse(at);
  const made = spoolDesk({ directory, masterKey, idKey, bytesPerDeviceMax }, files, () => {
    now += 1000;
    return now;
  });
  const send = (body: unknown, to = place) => made.upload(to, Buffer.from(JSON.stringify(body)));
  return { ...made, files, send };
}

const texts = (records: readonly LocalRecord[]): string[] => records.map((record) => JSON.stringify(record));
const session = ids.next(1_700_000_000_000, device);
const records = texts([opened(session), closed(session, sum, sum)]);

function headOf(list: readonly string[], of = place): string {
  let head: Buffer = firstSpoolHead(of.device, of.segment);
  for (const text of list) head = nextSpoolHead(head, text);
  return head.toString('hex');
}

function refusal(answer: Upload): { code: string | undefined; problem: string; fields: unknown } {
  if (answer.kind !== 'refused') throw new Error('it was kept');
  return { code: answer.code, problem: answer.problem.code, fields: answer.problem.fields };
}

describe('an upload', () => {
  it('is kept, and answered with the number that comes next and the chain over all before it', async () => {
    const { send } = desk();
    expect(await send({ from: 0, records: records.slice(0, 1) })).toMatchObject({
      kind: 'kept',
      next: 1,
      head: headOf(records.slice(0, 1)),
      arrival: { sessions: [session], closed: [] },
    });
    expect(await send({ from: 1, records: records.slice(1), last: true })).toMatchObject({
      next: 2,
      head: headOf(records),
      arrival: { sessions: [session], closed: [session] },
    });
  });

  it('that comes twice, or overlaps, is kept once; also by the gateway’s next process', async () => {
    const first = desk();
    await first.send({ from: 0, records });
    await first.send({ from: 0, records });
    const second = desk(first.files);
    const answer = await second.send({ from: 1, records: [...records.slice(1), JSON.stringify(gap(1))] });
    expect(answer).toMatchObject({ kind: 'kept', next: 3, arrival: { sessions: [], closed: [], gaps: 1 } });
    const frames = [...readSegment({ files: first.files, directory, masterKey }, place)];
    expect(frames.flatMap(({ content }) => content.map(String))).toEqual([
      ...records,
      JSON.stringify(gap(1)),
    ]);
  });

  it('of nothing says how far a segment is, and makes no file', async () => {
    const { send, files } = desk();
    expect(await send({ from: 0, records: [] })).toMatchObject({ next: 0, head: headOf([]) });
    expect(files.paths()).toEqual([]);
  });

  it('that leaves something out is not kept, and told where to go on', async () => {
    const { send } = desk();
    expect(refusal(await send({ from: 3, records }))).toEqual({
      code: undefined,
      problem: 'conflict',
      fields: { next: 0 },
    });
    await send({ from: 0, records });
    expect(refusal(await send({ from: 3, records })).fields).toEqual({ next: 2 });
  });

  it('that says something else of a record that is there is refused whole, wherever it differs', async () => {
    const { send } = desk();
    await send({ from: 0, records });
    await send({ from: 2, records: texts([gap(1)]) });
    for (const [from, forged] of [
      [0, [records[0], JSON.stringify(gap(2))]],
      [2, texts([gap(2)])],
      [1, [records[1], JSON.stringify(gap(2)), JSON.stringify(gap(3))]],
    ] as const) {
      expect(refusal(await send({ from, records: forged }))).toMatchObject({
        code: 'forked',
        problem: 'verification-failed',
      });
    }
    expect(await send({ from: 3, records: [] })).toMatchObject({ next: 3 });
  });

  it('behind the end of a finished segment is refused', async () => {
    const { send } = desk();
    await send({ from: 0, records, last: true });
    expect(await send({ from: 0, records, last: true })).toMatchObject({ kind: 'kept', next: 2 });
    expect(refusal(await send({ from: 2, records: texts([gap(1)]) })).code).toBe('forked');
  });

  it('of sessions that were not given to this device is refused whole', async () => {
    const { send } = desk();
    const others = ids.next(1_700_000_000_005, 'e'.repeat(43));
    for (const other of [others, ids.next(1_700_000_000_005, undefined)]) {
      const answer = await send({ from: 0, records: [records[0], ...texts([opened(other)])] });
      expect(refusal(answer)).toEqual({ code: 'unknown-session', problem: 'denied', fields: { record: 1 } });
    }
    expect(await send({ from: 0, records: [] })).toMatchObject({ next: 0 });
  });

  it.each<[string, unknown, string]>([
    ['nothing', null, 'malformed'],
    ['no records', { from: 0 }, 'malformed'],
    ['another field', { from: 0, records, extra: 1 }, 'malformed'],
    ['a record that is no JSON', { from: 0, records: ['{"kind":'] }, 'malformed'],
    ['a record of another kind', { from: 0, records: ['{"kind":"password"}'] }, 'malformed'],
    ['a record with another field', { from: 0, records: [records[0]?.replace('{', '{"x":1,')] }, 'malformed'],
    ['half a character', { from: 0, records: [`${records[0]?.slice(0, -1)}\ud800"}`] }, 'malformed'],
    [
      'a session in other letters',
      { from: 0, records: [records[0]?.replace('ses_', '\\u0073es_')] },
      'malformed',
    ],
    ['a negative number', { from: -1, records }, 'malformed'],
    ['too many records', { from: spoolLimits.recordsPerSegmentMax, records }, 'too-large'],
    [
      'too much',
      { from: 0, records: Array.from({ length: 40 }, () => `${records[0]}${' '.repeat(60_000)}`) },
      'too-large',
    ],
  ])('that is %s is refused with a reason', async (_, body, code) => {
    const { send, files } = desk();
    expect(refusal(await send(body)).code).toBe(code);
    expect(files.paths()).toEqual([]);
  });

  it('that is no text is refused', async () => {
    const { upload } = desk();
    const answer = await upload(place, Buffer.from([0xff, 0xfe, 0x00]));
    expect(refusal(answer).code).toBe('malformed');
  });

  it('is refused when the device has no room left, and others have theirs', async () => {
    const { send } = desk(new SimulatedFiles(), 1500);
    const many = texts(Array.from({ length: 20 }, (_, n) => gap(n + 1)));
    expect(refusal(await send({ from: 0, records: many }))).toMatchObject({ code: 'too-large' });
    const other = { device: 'e'.repeat(43), segment: 7 };
    expect(await send({ from: 0, records: many.slice(0, 5) }, other)).toMatchObject({ kind: 'kept' });
  });

  it('too often is told to come later, and then is taken', async () => {
    let now = 0;
    const files = new SimulatedFiles();
    const { upload } = spoolDesk({ directory, masterKey, idKey, bytesPerDeviceMax: 1e9 }, files, () => now);
    const body = Buffer.from(JSON.stringify({ from: 0, records: [] }));
    let answer = await upload(place, body);
    for (let count = 0; answer.kind === 'kept' && count < 5000; count += 1)
      answer = await upload(place, body);
    expect(refusal(answer)).toMatchObject({ code: undefined, problem: 'rate-limited' });
    now += 60_000;
    expect(await upload(place, body)).toMatchObject({ kind: 'kept' });
  });

  it('names what a dispute of the log holds, also when it comes again', async () => {
    const { send } = desk();
    const conflict: LocalRecord = {
      kind: 'log-conflict',
      at,
      monoMs: 0,
      boot: '',
      kept: 'a',
      given: 'b',
      why: 'c',
    };
    for (let time = 0; time < 2; time += 1) {
      const answer = await send({ from: 0, records: texts([conflict]) });
      expect(answer).toMatchObject({ arrival: { conflicts: [{ kept: 'a', given: 'b' }] } });
    }
  });
});

describe('what was uploaded', () => {
  it('is given back per session, in order, with where it stands, page after page', async () => {
    const { send, lines } = desk();
    const other = ids.next(1_700_000_000_001, device);
    await send({ from: 0, records: [...texts([opened(other)]), ...records.slice(0, 1)], last: true });
    await send({ from: 0, records: [JSON.stringify(gap(1)), ...records.slice(1)] }, { device, segment: 9 });
    const found = await lines(device, session, undefined);
    expect(found.map(({ segment, seq, record }) => [segment, seq, record])).toEqual([
      [7, 1, records[0]],
      [9, 1, records[1]],
    ]);
    expect(await lines(device, session, { segment: 7, seq: 1 })).toHaveLength(1);
    expect(await lines(device, session, { segment: 9, seq: 1 })).toEqual([]);
    expect(await lines('e'.repeat(43), session, undefined)).toEqual([]);
  });

  it('stands on the disk unreadable, and bound to device, segment and order', async () => {
    const { send, files } = desk();
    await send({ from: 0, records: records.slice(0, 1) });
    await send({ from: 1, records: records.slice(1) });
    const [path = ''] = files.paths();
    expect(files.bytes(path).includes('opened')).toBe(false);
    expect([...readSegment({ files, directory, masterKey }, place)]).toHaveLength(2);
    files.tamper(path, (bytes) => {
      bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
      return bytes;
    });
    const cuts: number[] = [];
    const whole = [...readSegment({ files, directory, masterKey }, place, (offset) => cuts.push(offset))];
    expect(whole).toHaveLength(1);
    expect(cuts).toHaveLength(1);
    const elsewhere = [...readSegment({ files, directory, masterKey: Buffer.alloc(32, 9) }, place)];
    expect(elsewhere).toHaveLength(0);
  });

  it('goes with retention, segment by segment, and what is newer stays', async () => {
    const first = desk();
    await first.send({ from: 0, records, last: true });
    await first.send({ from: 0, records: texts([gap(1)]) }, { device, segment: 9 });
    await first.close();
    const { removeBefore, side } = desk(first.files);
    expect(await removeBefore(Date.parse(at))).toEqual({ segments: 0, bytes: 0 });
    const [, newer = ''] = first.files.paths();
    const [frame] = readSegment({ files: first.files, directory, masterKey }, { device, segment: 9 });
    expect(await removeBefore(frame?.receivedAtMs ?? 0)).toMatchObject({ segments: 1 });
    expect(first.files.paths()).toEqual([newer]);
    expect(await side(device, session)).toBeUndefined();
  });
});
