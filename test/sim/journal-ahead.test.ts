import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../gateway-core/contract/recorder.js';
import {
  aheadTemporaryName,
  decodeFrameHeader,
  format,
  reserveName,
} from '../../gateway-core/store/journal/format.js';
import type { Journal } from '../../gateway-core/store/journal/journal.js';
import { openJournal } from '../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../gateway-core/store/journal/source.js';
import type { Fate, Step } from './memory-disk.js';
import { MemoryDisk } from './memory-disk.js';
import { randomOf, seedOfRun } from './random.js';

const key = Buffer.alloc(32, 5);
const nowMs = (): number => 0;
const sizes = { fileBytes: 6000, reserveBytes: 2000, aheadBytes: 700 };
type Image = Map<string, Buffer>;

function open(disk: MemoryDisk, aheadBytes = sizes.aheadBytes): Promise<Journal> {
  return openJournal({ directory: '', key, node: 'sim', nowMs, disk, ...sizes, aheadBytes });
}

/** Hands over durable events one after the other; those that were acknowledged. */
async function write(disk: MemoryDisk, journal: Journal, from: number, to: number): Promise<string[]> {
  const kept: string[] = [];
  for (let index = from; index < to && !disk.dead; index += 1) {
    const event = { kind: 'record.read', by: 'x', what: 'search', query: String(index) } as const;
    const state = { answered: false };
    journal.event(event, 'durable', (appended) => {
      state.answered = true;
      if ('position' in appended && !disk.dead) kept.push(String(index));
    });
    while (!state.answered && !disk.dead) await new Promise((resolve) => setImmediate(resolve));
  }
  return kept;
}

function queries(disk: MemoryDisk): string[] {
  const source = openJournalSource({ directory: '', key, disk });
  const records: JournalRecord[] = [...source.read(0)];
  source.close();
  return records.map((record) =>
    record.kind === 'event' && record.event.kind === 'record.read' ? (record.event.query ?? '') : '?',
  );
}

interface Found {
  readonly before: string[] | string;
  readonly after: string[] | string;
  readonly tornBytes: number;
  readonly image: Image;
}

/** What an image gives to a reader, and to a reader after the journal was opened on it. */
async function found(image: Image): Promise<Found> {
  const disk = new MemoryDisk(randomOf(1), image);
  const code = (error: unknown): string =>
    error instanceof Error && 'code' in error ? String(error.code) : String(error);
  let before: string[] | string;
  try {
    before = queries(disk);
  } catch (error) {
    before = code(error);
  }
  try {
    const journal = await open(disk);
    await journal.close();
    return { before, after: queries(disk), tornBytes: journal.recovery.tornBytes, image: disk.afterKill() };
  } catch (error) {
    return { before, after: code(error), tornBytes: 0, image: disk.afterKill() };
  }
}

function names(image: Image): string[] {
  return [...image.keys()].filter((name) => name.endsWith('.journal')).sort();
}

const count = 30;
const all = Array.from({ length: count }, (_, index) => String(index));

/** A journal of several files, and its newest file. */
async function written(): Promise<{ image: Image; name: string; file: Buffer }> {
  const disk = new MemoryDisk(randomOf(1));
  const journal = await open(disk);
  await write(disk, journal, 0, count);
  await journal.close();
  const image = disk.afterKill();
  const name = names(image).at(-1) ?? '';
  return { image, name, file: image.get(name) ?? Buffer.alloc(0) };
}

/** Where the last frame of a file ends. */
function framesEnd(file: Buffer): number {
  let at: number = format.headerBytes;
  while (at + format.frameHeaderBytes <= file.length) {
    const { sealedBytes } = decodeFrameHeader(file, at);
    if (sealedBytes === 0) break;
    at += format.frameHeaderBytes + sealedBytes;
  }
  return at;
}

const some = fc.integer({ min: 1, max: 5000 });

describe('zeros behind the last frame', () => {
  it('are the end of the journal, however many there are, and recovery cuts them off', async () => {
    const { image, name, file } = await written();
    expect(names(image).length).toBeGreaterThan(2);
    expect(framesEnd(file), 'close cuts them off too').toBe(file.length);
    await fc.assert(
      fc.asyncProperty(some, async (more) => {
        const longer = new Map(image).set(name, Buffer.concat([file, Buffer.alloc(more)]));
        const result = await found(longer);
        expect(result).toMatchObject({ before: all, after: all, tornBytes: 0 });
        expect(result.image.get(name)?.equals(file)).toBe(true);
      }),
      { numRuns: 30, seed: seedOfRun() },
    );
  });

  it('never make damage or a torn tail look better or worse than the end of the file does', async () => {
    const { image, name, file } = await written();
    const bits = fc.integer({ min: 1, max: 255 });
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), bits, fc.boolean(), some, async (at, flip, torn, more) => {
        // Zeros could complete a frame that lost nothing else.
        fc.pre(!torn || file[at] !== 0);
        const hurt = Buffer.from(torn ? file.subarray(0, at) : file);
        if (!torn) hurt[at] = (hurt[at] ?? 0) ^ flip;
        const plain = await found(new Map(image).set(name, hurt));
        const padded = await found(new Map(image).set(name, Buffer.concat([hurt, Buffer.alloc(more)])));
        expect(padded.before).toEqual(plain.before);
        expect(padded.after).toEqual(plain.after);
      }),
      { numRuns: 300, seed: seedOfRun() },
    );
  });

  it('hide nothing: other bytes among them are a torn tail, counted to the last of them, and cut', async () => {
    const { image, name, file } = await written();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3000),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(3000),
        async (gap, byte, more) => {
          const tail = [Buffer.alloc(gap), Buffer.from([byte]), Buffer.alloc(more)];
          const result = await found(new Map(image).set(name, Buffer.concat([file, ...tail])));
          expect(result).toMatchObject({ before: all, after: all, tornBytes: gap + 1 });
          expect(result.image.get(name)?.equals(file)).toBe(true);
        },
      ),
      { numRuns: 50, seed: seedOfRun() },
    );
  });

  it('in the place of frames are damage in every file but the newest', async () => {
    const { image } = await written();
    for (const name of names(image).slice(0, -1)) {
      const file = image.get(name) ?? Buffer.alloc(0);
      for (const from of [0, format.headerBytes, framesEnd(file) - 1]) {
        const zeroed = Buffer.concat([file.subarray(0, from), Buffer.alloc(file.length - from)]);
        if (zeroed.equals(file)) continue;
        const result = await found(new Map(image).set(name, zeroed));
        expect(result).toMatchObject({ before: 'verification-failed', after: 'verification-failed' });
      }
    }
  });

  it('alone in the newest file are a file that was never begun', async () => {
    const { image } = await written();
    for (const bytes of [1, 512, 6000]) {
      const begun = new Map(image).set('0000000000000030-00000077.journal', Buffer.alloc(bytes));
      const result = await found(begun);
      expect(result).toMatchObject({ before: all, after: all, tornBytes: 0 });
    }
  });
});

describe('the reserve', () => {
  it('is made anew at the start when it is not all zeros: a power cut can give a used one its old name back', async () => {
    const { image, name, file } = await written();
    const used = Buffer.concat([file], sizes.reserveBytes);
    const result = await found(new Map(image).set(reserveName, used));
    expect(result).toMatchObject({ before: all, after: all });
    expect(result.image.get(reserveName)?.equals(Buffer.alloc(sizes.reserveBytes))).toBe(true);
    expect(result.image.get(name)?.equals(file)).toBe(true);
  });
});

describe('preparing the next file', () => {
  it('renames it into place only when its zeros were synced, and nothing else was ever in it', async () => {
    const steps: Step[] = [];
    let renamed = 0;
    class Watched extends MemoryDisk {
      override rename(from: string, to: string): void {
        if (from === aheadTemporaryName) {
          renamed += 1;
          const content = this.afterKill().get(from) ?? Buffer.from('missing');
          expect(content.every((byte) => byte === 0)).toBe(true);
          expect(steps.indexOf('data-sync', steps.lastIndexOf('fill'))).toBeGreaterThan(0);
        }
        super.rename(from, to);
      }
    }
    const disk = new Watched(randomOf(2));
    disk.fate = (step) => {
      steps.push(step);
      return undefined;
    };
    const journal = await open(disk);
    await write(disk, journal, 0, count);
    await journal.close();
    expect(renamed).toBeGreaterThan(2);
    expect(queries(disk)).toEqual(all);
    expect(disk.list()).not.toContain(aheadTemporaryName);
    expect(disk.descriptorsOpen).toBe(0);
  });

  it('loses nothing that was promised and leaves nothing behind when the process or the power dies at any step', async () => {
    const seed = seedOfRun();
    for (let deathAt = 1, dead = true; dead; deathAt += 1) {
      for (const powerCut of [false, true]) {
        const disk = new MemoryDisk(randomOf(seed + deathAt));
        let steps = 0;
        disk.fate = (): Fate => {
          steps += 1;
          return steps === deathAt ? { dies: true, bytes: 0.5 } : undefined;
        };
        const kept: string[] = [];
        try {
          const journal = await open(disk);
          kept.push(...(await write(disk, journal, 0, count)));
          if (!disk.dead) await journal.close();
        } catch (error) {
          if (!disk.dead) throw error;
        }
        dead = disk.dead;
        const result = await found(powerCut ? disk.afterPowerCut() : disk.afterKill());
        expect(result.after.slice(0, kept.length), `FUZZ_SEED=${seed}, step ${deathAt}`).toEqual(kept);
        expect(result.image.has(aheadTemporaryName)).toBe(false);
        for (const name of names(result.image)) {
          const file = result.image.get(name) ?? Buffer.alloc(0);
          expect(framesEnd(file), `no zeros are left in ${name}`).toBe(file.length);
        }
      }
    }
  });

  it.each(['its writes fail', 'its syncs fail', 'there is little space'])(
    'stops nobody when %s: the files grow, and the space is given back',
    async (what) => {
      let fills = 0;
      class Failing extends MemoryDisk {
        #ahead = -1;
        override create(name: string): number {
          const file = super.create(name);
          if (name === aheadTemporaryName) this.#ahead = file;
          return file;
        }
        override async dataSync(file: number): Promise<void> {
          if (file === this.#ahead && what === 'its syncs fail') throw new Error('EIO');
          await super.dataSync(file);
        }
      }
      // Left over from a crash: goes at the start, whether or not another one is prepared.
      const disk = new Failing(randomOf(3), new Map([[aheadTemporaryName, Buffer.alloc(900, 1)]]));
      disk.fate = (step) => {
        if (step === 'fill') fills += 1;
        return step === 'fill' && what === 'its writes fail' ? { error: 'ENOSPC', bytes: 0.5 } : undefined;
      };
      if (what === 'there is little space') disk.free = 2000;
      const journal = await open(disk);
      expect(await write(disk, journal, 0, count)).toEqual(all);
      expect(journal.failed).toBeUndefined();
      await journal.close();
      expect(disk.list()).not.toContain(aheadTemporaryName);
      expect(fills > 0).toBe(what !== 'there is little space');
      expect(queries(disk)).toEqual(all);
      expect(disk.descriptorsOpen).toBe(0);
    },
  );
});
