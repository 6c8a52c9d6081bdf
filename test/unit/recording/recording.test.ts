import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listSessions } from '../../../gateway-core/recording/paths.js';
import { RecordingReader } from '../../../gateway-core/recording/reader.js';
import type { SealedSegment } from '../../../gateway-core/recording/recovery.js';
import { removeSegmentsBefore } from '../../../gateway-core/recording/retention.js';
import type { RecordingPlace } from '../../../gateway-core/recording/segment-file.js';
import { MemoryJournal, rowMessages } from '../../sim/sealer-journal.js';
import { type AnyRecord, anyRecord, newPlace, open, session } from './setup.js';

/** Writes records, `null` for a flush, and gives the segments that were sealed. */
async function write(
  place: RecordingPlace,
  steps: readonly (AnyRecord | null)[],
  from = 0,
): Promise<SealedSegment[]> {
  const sealed: SealedSegment[] = [];
  const writer = open(place, from - 1);
  let position = from;
  for (const step of steps) {
    if (step === null) {
      await writer.save();
      continue;
    }
    if (step.kind === 'event') writer.event(position, position * 2, step.event);
    else writer.content(position, step.atMs, step.seq, step.stream, step.bytes);
    const segment = writer.closedBy(step.kind, position, 1);
    if (segment !== undefined) sealed.push(segment);
    position += 1;
  }
  await writer.save();
  writer.release();
  return sealed;
}

function readAll(place: RecordingPlace) {
  const reader = new RecordingReader(place, session);
  const items = [...reader.items()];
  return { items, problems: reader.problems };
}

function onlyFile(place: ReturnType<typeof newPlace>): string {
  const [path] = place.files.paths();
  if (path === undefined) throw new Error('there is no file');
  return path;
}

const someRecords: readonly AnyRecord[] = (() => {
  const journal = new MemoryJournal();
  journal.session(session, ['select 1', 'select 2', 'select 3'], [['a', 'b'.repeat(200)]]);
  return journal.records as readonly AnyRecord[];
})();

describe('a recording', () => {
  it('gives back exactly what was written, in order, whatever the frames and segments were', async () => {
    const steps = fc.array(
      fc.oneof({ weight: 8, arbitrary: anyRecord }, { weight: 1, arbitrary: fc.constant(null) }),
      {
        maxLength: 40,
      },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 100, max: 20_000 }), async (written, segmentBytes) => {
        const place = newPlace(segmentBytes);
        const sealed = await write(place, written);
        const { items, problems } = readAll(place);
        expect(problems.filter(({ code }) => code !== 'recording-missing')).toEqual([]);
        const records = written.filter((one) => one !== null);
        expect(items.length).toBe(records.length);
        for (const [index, item] of items.entries()) {
          const record = records[index];
          expect(item.position).toBe(index);
          if (item.kind === 'event')
            expect(item).toMatchObject({
              logIndex: index * 2,
              event: record?.kind === 'event' ? record.event : {},
            });
          else expect({ ...item, position: undefined }).toEqual({ ...record, position: undefined });
        }
        const files = [...new RecordingReader(place, session).segments()];
        for (const { segment, bytes, sha256 } of sealed) {
          expect(files).toContainEqual({ segment, bytes, sha256, closed: true });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is written on after a restart as if nothing had been between', async () => {
    for (let cut = 0; cut <= someRecords.length; cut += 1) {
      const place = newPlace();
      const first = await write(place, someRecords.slice(0, cut));
      const second = await write(place, someRecords.slice(cut), cut);
      expect(readAll(place).problems).toEqual([]);
      expect(readAll(place).items).toHaveLength(someRecords.length);
      expect([...first, ...second]).toHaveLength(1);
      const [sealed] = [...first, ...second];
      const sha256 = createHash('sha256')
        .update(place.files.bytes(onlyFile(place)))
        .digest('hex');
      expect(sealed?.sha256).toBe(sha256);
    }
  });

  it('holds no text, no content and no key in clear', async () => {
    const place = newPlace();
    await write(place, someRecords);
    const bytes = place.files.bytes(onlyFile(place));
    for (const clear of ['select', 'bbbb', 'reads', 'SELECT', 'ab'.repeat(8)]) {
      expect(bytes.includes(Buffer.from(clear))).toBe(false);
      expect(bytes.includes(Buffer.from(clear, 'utf16le'))).toBe(false);
    }
    expect(bytes.includes(place.masterKey)).toBe(false);
  });

  it('cannot be read with another master key, or as another session', async () => {
    const place = newPlace();
    await write(place, someRecords);
    const other = new RecordingReader({ ...place, masterKey: Buffer.alloc(32, 1) }, session);
    expect([...other.items()]).toEqual([]);
    expect(other.problems).toMatchObject([{ code: 'segment-damaged' }]);
  });

  it('shows every changed byte: no flip of any bit goes unnoticed or gives other records', async () => {
    const place = newPlace();
    await write(place, someRecords.slice(0, 6));
    const path = onlyFile(place);
    const whole = readAll(place).items;
    const size = place.files.bytes(path).length;
    for (let at = 0; at < size; at += 1) {
      place.files.tamper(path, (bytes) => {
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
        return bytes;
      });
      const { items, problems } = readAll(place);
      const lost = items.length < whole.length;
      expect(problems.length > 0 || lost, `byte ${at}`).toBe(true);
      for (const item of items) expect(whole).toContainEqual(item);
      place.files.tamper(path, (bytes) => {
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
        return bytes;
      });
    }
  });

  it('names damage in the middle, and is not written on behind it', async () => {
    const place = newPlace();
    const steps = someRecords.flatMap((record) => [record, null]).slice(0, 12);
    await write(place, steps);
    const path = onlyFile(place);
    place.files.tamper(path, (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(320) ^ 1, 320);
      return bytes;
    });
    const damaged = place.files.bytes(path);
    const writer = open(place, 5);
    expect(writer.problems).toMatchObject([{ code: 'segment-damaged' }]);
    const next = someRecords[6];
    if (next?.kind === 'event') writer.event(6, 12, next.event);
    await writer.save();
    expect(place.files.bytes(path)).toEqual(damaged);
    expect(place.files.paths()).toHaveLength(2);
    const { items, problems } = readAll(place);
    expect(problems.map(({ code }) => code)).toContain('frame-damaged');
    expect(items.at(-1)).toMatchObject({ position: 6 });
  });

  it('that ends in the middle of a frame is cut to its last whole one', async () => {
    const reference = newPlace();
    await write(reference, someRecords.slice(0, 3));
    const whole = reference.files.bytes(onlyFile(reference)).length;
    for (let kept = 133; kept < whole; kept += 7) {
      const place = newPlace();
      await write(place, someRecords.slice(0, 3));
      place.files.tamper(onlyFile(place), (bytes) => bytes.subarray(0, kept));
      const writer = open(place, -1);
      expect(writer.problems).toEqual([]);
      for (const [position, record] of someRecords.slice(0, 3).entries()) {
        if (record.kind === 'event' && !writer.hasEvent(position))
          writer.event(position, position * 2, record.event);
        if (record.kind === 'content' && !writer.hasContent(position)) {
          writer.content(position, record.atMs, record.seq, record.stream, record.bytes);
        }
      }
      await writer.save();
      const { items, problems } = readAll(place);
      expect(problems).toEqual([]);
      expect(items.map(({ position }) => position)).toEqual([0, 1, 2]);
    }
  });

  it('says so when a segment is missing or was put in another place', async () => {
    const place = newPlace(150);
    const sealed = await write(place, someRecords);
    expect(sealed.length).toBeGreaterThan(2);
    const [, second, third] = place.files.paths();
    if (second === undefined || third === undefined) throw new Error('too few segments');
    const copy = place.files.bytes(second);
    place.files.tamper(third, () => copy);
    expect(readAll(place).problems.map(({ code }) => code)).toContain('segment-damaged');
    place.files.removeFile(second);
    expect(readAll(place).problems.map(({ code }) => code)).toContain('segment-missing');
  });

  it('lets statements be listed without decrypting content', async () => {
    const place = newPlace();
    const big = {
      kind: 'content',
      atMs: 1,
      seq: 1,
      stream: 'rows',
      bytes: rowMessages(['a'], [['x'.repeat(5000)]]),
    } as const;
    await write(place, [someRecords[0] ?? null, someRecords[1] ?? null, null, big, null]);
    const path = onlyFile(place);
    place.files.tamper(path, (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
      return bytes;
    });
    const reader = new RecordingReader(place, session);
    expect([...reader.events()]).toHaveLength(2);
    expect(reader.problems).toEqual([]);
    expect([...reader.content()]).toEqual([]);
    expect(reader.problems).toMatchObject([{ code: 'frame-damaged' }]);
  });

  it('refuses a session id that is not one: it becomes a path', () => {
    const place = newPlace();
    const hostile = '../../etc/passwd' as typeof session;
    expect(() => new RecordingReader(place, hostile).events().next()).toThrow();
  });
});

describe('retention', () => {
  it("removes what is older, from the front, and never a live session's last segment", async () => {
    const place = newPlace(300);
    await write(place, someRecords.slice(0, -1));
    const before = place.files.paths().length;
    expect(await removeSegmentsBefore(place, 0)).toMatchObject({ segments: 0, sessions: [] });
    const result = await removeSegmentsBefore(place, 2);
    expect(result.segments).toBeGreaterThan(0);
    expect(place.files.paths().length).toBe(Math.max(1, before - result.segments));
    expect(result.sessions).toEqual([]);
  });

  it('removes an ended session whole, directory and key with it', async () => {
    const place = newPlace(300);
    await write(place, someRecords);
    expect((await removeSegmentsBefore(place, 2)).sessions).toEqual([session]);
    expect([...listSessions(place.files, place.directory)]).toEqual([]);
    expect(readAll(place).problems).toMatchObject([{ code: 'recording-missing' }]);
  });
});
