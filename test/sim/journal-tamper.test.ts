import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../gateway-core/contract/recorder.js';
import { decodeFrameHeader, format } from '../../gateway-core/store/journal/format.js';
import { openJournal } from '../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../gateway-core/store/journal/source.js';
import { MemoryDisk } from './memory-disk.js';
import { randomOf, seedOfRun } from './random.js';

const key = Buffer.alloc(32, 3);
const nowMs = (): number => 0;
type Image = Map<string, Buffer>;

/** A journal of 40 events in several files, closed in good order. */
async function written(): Promise<Image> {
  const disk = new MemoryDisk(randomOf(1));
  const options = { directory: '', key, node: 'sim', nowMs, disk, fileBytes: 1500, reserveBytes: 0 };
  const journal = await openJournal(options);
  for (let index = 0; index < 40; index += 1) {
    const event = { kind: 'record.read', by: 'x', what: 'search', query: String(index) } as const;
    await new Promise((resolve) => journal.event(event, 'durable', resolve));
  }
  await journal.close();
  return disk.afterKill();
}

/** What opening and reading an image gives: the queries of its records, or the error's code. */
async function found(image: Image): Promise<string[] | { code: unknown }> {
  const disk = new MemoryDisk(randomOf(1), image);
  try {
    const options = { directory: '', key, node: 'sim', nowMs, disk, reserveBytes: 0 };
    await (await openJournal(options)).close();
    return [...openJournalSource({ directory: '', key, disk }).read(0)].map(queryOf);
  } catch (error) {
    return { code: error instanceof Error && 'code' in error ? error.code : error };
  }
}

function readOnly(image: Image): string[] | { code: unknown } {
  const seen: string[] = [];
  try {
    const disk = new MemoryDisk(randomOf(1), image);
    for (const record of openJournalSource({ directory: '', key, disk }).read(0)) seen.push(queryOf(record));
    return seen;
  } catch (error) {
    return { code: error instanceof Error && 'code' in error ? error.code : error };
  }
}

function queryOf(record: JournalRecord): string {
  return record.kind === 'event' && record.event.kind === 'record.read' ? (record.event.query ?? '') : '?';
}

const all = Array.from({ length: 40 }, (_, index) => String(index));
const refused = { code: 'verification-failed' };

function names(image: Image): string[] {
  return [...image.keys()].filter((name) => name.endsWith('.journal')).sort();
}

/** Where the frames of a file begin and end. */
function frames(file: Buffer): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = [];
  for (let at = format.headerBytes as number; at < file.length; ) {
    const to = at + format.frameHeaderBytes + decodeFrameHeader(file, at).sealedBytes;
    spans.push({ from: at, to });
    at = to;
  }
  return spans;
}

/** The image with the frames of its second file put together anew. */
function rearranged(image: Image, change: (parts: Buffer[]) => Buffer[]): Image {
  const name = names(image)[1] ?? '';
  const file = image.get(name) ?? Buffer.alloc(0);
  const parts = frames(file).map(({ from, to }) => file.subarray(from, to));
  return new Map(image).set(name, Buffer.concat([file.subarray(0, format.headerBytes), ...change(parts)]));
}

describe('a journal that somebody touched', () => {
  it('is read whole when nobody did', async () => {
    const image = await written();
    expect(names(image).length).toBeGreaterThan(4);
    expect(await found(image)).toEqual(all);
  });

  it('never gives a record that was not written there, whichever byte changed', async () => {
    const image = await written();
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, where, bits) => {
        const name = names(image)[which % names(image).length] ?? '';
        const file = Buffer.from(image.get(name) ?? '');
        const at = where % file.length;
        file[at] = (file[at] ?? 0) ^ bits;
        for (const result of [
          await found(new Map(image).set(name, file)),
          readOnly(new Map(image).set(name, file)),
        ]) {
          if (Array.isArray(result)) expect(result).toEqual(all.slice(0, result.length));
          else expect(result).toEqual(refused);
          // Anywhere but at the very end it is an error, never a silent loss.
          if (name !== names(image).at(-1)) expect(result).toEqual(refused);
        }
      }),
      { numRuns: 300, seed: seedOfRun() },
    );
  });

  it('refuses frames that are left out, repeated, swapped, or come from another file', async () => {
    const image = await written();
    const [first = ''] = names(image);
    const foreign = frames(image.get(first) ?? Buffer.alloc(0)).map(({ from, to }) =>
      (image.get(first) ?? Buffer.alloc(0)).subarray(from, to),
    );
    const changes: ((parts: Buffer[]) => Buffer[])[] = [
      (parts) => parts.slice(1),
      (parts) => parts.slice(0, -1),
      (parts) => parts.flatMap((part, index) => (index === 1 ? [part, part] : [part])),
      ([one, two, ...rest]) => [two ?? Buffer.alloc(0), one ?? Buffer.alloc(0), ...rest],
      ([, ...rest]) => [foreign[0] ?? Buffer.alloc(0), ...rest],
    ];
    for (const change of changes) {
      expect(await found(rearranged(image, change))).toEqual(refused);
      expect(readOnly(rearranged(image, change))).toEqual(refused);
    }
  });

  it('refuses a file that is missing in the middle, emptied, renamed, or in the place of another', async () => {
    const image = await written();
    const [, second = '', third = ''] = names(image);
    const without = new Map(image);
    without.delete(second);
    const emptied = new Map(image).set(second, Buffer.alloc(0));
    const zeroed = new Map(image).set(second, Buffer.alloc(image.get(second)?.length ?? 0));
    const exchanged = new Map(image).set(second, image.get(third) ?? Buffer.alloc(0));
    const renamed = new Map(without).set(
      second.replace(/-\d+/, '-00000099'),
      image.get(second) ?? Buffer.alloc(0),
    );
    for (const one of [without, emptied, zeroed, exchanged, renamed]) {
      expect(await found(one)).toEqual(refused);
      expect(readOnly(one)).toEqual(refused);
    }
  });

  it('knows damage from a torn tail by what later frames say was durable', async () => {
    const image = await written();
    const name = names(image).at(-1) ?? '';
    const file = Buffer.from(image.get(name) ?? '');
    const spans = frames(file);
    const beforeLast = spans.at(-2);
    if (beforeLast === undefined) throw new Error('too few frames');
    const at = beforeLast.from + format.frameHeaderBytes + 3;
    file[at] = (file[at] ?? 0) ^ 1;
    expect(await found(new Map(image).set(name, file))).toEqual(refused);
    // Also with space behind it that was prepared and not used.
    const prepared = Buffer.concat([file, Buffer.alloc(3000)]);
    expect(await found(new Map(image).set(name, prepared))).toEqual(refused);
  });
});
