import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Segment } from '../../../../gateway-core/agent/spool/segment.js';
import { SpoolWriter } from '../../../../gateway-core/agent/spool/writer.js';
import type { LocalRecord } from '../../../../gateway-core/contract/local-record.js';
import { SimulatedFiles } from '../../../sim/sealer-files.js';
import { VirtualClock } from '../../../sim/virtual-clock.js';

const spoolKey = Buffer.alloc(32, 5);
const gateway = 'https://gateway.test';
const record = (number: number): LocalRecord => ({
  kind: 'gap',
  at: '2026-11-21T12:00:00.000Z',
  monoMs: number,
  boot: 'b',
  lost: number,
  since: '2026-11-21T12:00:00.000Z',
  reason: 'r'.repeat(number % 50),
});

/** A segment with so many records, and its file's path. */
async function written(count: number): Promise<{ files: SimulatedFiles; path: string; texts: string[] }> {
  const files = new SimulatedFiles();
  const writer = new SpoolWriter({
    files,
    spoolKey,
    gateway,
    device: 'd',
    clock: new VirtualClock(),
    claim: () => Promise.resolve({ directory: '/spool/1', firstSegment: 7 }),
    changed: () => undefined,
    reserveBytes: 10,
  });
  files.makeDirectory('/spool/1');
  const records = Array.from({ length: count }, (_, number) => record(number));
  await writer.append(records);
  const path = files.paths().find((each) => each.endsWith('.spool')) ?? '';
  return { files, path, texts: records.map((each) => JSON.stringify(each)) };
}

function read(files: SimulatedFiles, path: string, at = gateway, key = spoolKey) {
  const segment = Segment.open({ files, spoolKey: key, gateway: at }, path);
  if (segment === undefined) return undefined;
  const texts: string[] = [];
  const { end } = segment.read(segment.start, segment.size, Number.POSITIVE_INFINITY, ({ text }) => {
    texts.push(text);
    return true;
  });
  return { end, texts };
}

describe('a segment’s file', () => {
  it('gives back what was written, whole and in order', async () => {
    const { files, path, texts } = await written(300);
    expect(read(files, path)).toEqual({ end: 'whole', texts });
  });

  it('that was changed anywhere gives the records before that, and never another one', async () => {
    const { files, path, texts } = await written(20);
    const whole = files.bytes(path);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        files.tamper(path, () => {
          const bytes = Buffer.from(whole);
          bytes[at] = (bytes[at] ?? 0) ^ change;
          return bytes;
        });
        const found = read(files, path);
        if (found === undefined) return;
        expect(found.end).not.toBe('whole');
        expect(found.texts.length).toBeLessThan(20);
        expect(found.texts).toEqual(texts.slice(0, found.texts.length));
      }),
    );
  });

  it('whose frames were exchanged, left out or doubled gives none of what follows', async () => {
    const { files, path, texts } = await written(4);
    const whole = files.bytes(path);
    const starts: number[] = [];
    let end = whole.length;
    // From the first frame on: u32 length, u32 crc, u64 number.
    for (let at = whole.length - frameBytesOf(whole); at < end; at += 16 + whole.readUInt32BE(at))
      starts.push(at);
    end = whole.length;
    const frames = starts.map((at, index) => whole.subarray(at, starts[index + 1] ?? end));
    const [head, first, second, third, fourth] = [whole.subarray(0, starts[0]), ...frames];
    const orders = [
      [head, first, third, second, fourth],
      [head, first, third, fourth],
      [head, first, first, second],
      [head, second],
    ];
    for (const order of orders) {
      files.tamper(path, () => Buffer.concat(order.filter((each) => each !== undefined)));
      const found = read(files, path);
      expect(found?.end).toBe('damaged');
      expect(found?.texts).toEqual(texts.slice(0, order[1] === first ? 1 : 0));
    }
  });

  it('opens with its own key and for its own gateway only, and holds no clear text', async () => {
    const { files, path } = await written(3);
    expect(read(files, path, 'https://other.test')).toBeUndefined();
    expect(read(files, path, gateway, Buffer.alloc(32, 6))).toBeUndefined();
    expect(files.bytes(path).includes('gap')).toBe(false);
  });

  it('that claims frames of any length is read within bounds', async () => {
    const { files, path } = await written(1);
    const header = files.bytes(path).length - frameBytesOf(files.bytes(path));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        files.tamper(path, (whole) => Buffer.concat([whole.subarray(0, header), bytes]));
        expect(read(files, path)?.texts).toEqual([]);
      }),
    );
  });
});

/** Of all frames: what follows the header, which is as long in every segment. */
function frameBytesOf(whole: Buffer): number {
  return whole.length - (7 + 1 + 8 + 1 + 64 + 12 + 32 + 16);
}
