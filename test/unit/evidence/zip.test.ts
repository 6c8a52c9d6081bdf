import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import yauzl from 'yauzl';
import { bundlePathPattern } from '../../../gateway-core/contract/evidence.js';
import { crc32 } from '../../../gateway-core/evidence/zip/crc32.js';
import { inflate } from '../../../gateway-core/evidence/zip/node.js';
import {
  directoryRecord,
  endRecords,
  localHeader,
  spanOf,
  type ZipEntry,
} from '../../../gateway-core/evidence/zip/profile.js';
import { type RandomAccess, ZipReader } from '../../../gateway-core/evidence/zip/read.js';
import { unzip } from '../../live/unzip.js';
import { rawZip, refusalOf, unzipStrict, zipOf } from './zip-files.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const small = new Map([
  ['manifest.json', bytes('{"a":1}\n')],
  ['sessions/one/content.bin', Buffer.alloc(70_000, 'content ')],
  ['empty', bytes('')],
  ['log/tile/0/000.p/3', Buffer.from(Array.from({ length: 96 }, (_, at) => (at * 37) % 256))],
]);
const smallZip = zipOf(small);

const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,12}[a-z]$/);
const pathOf = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

describe('the ZIP of a bundle', () => {
  it('what was written is what is read, by our reader and by another', async () => {
    const files = fc.uniqueArray(fc.tuple(pathOf, fc.uint8Array({ maxLength: 3000 })), {
      selector: ([path]) => path.split('/')[0],
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(files, async (list) => {
        fc.pre(list.every(([path]) => bundlePathPattern.test(path)));
        const written = new Map(list.map(([path, content]) => [path, Buffer.from(content)]));
        const zip = await zipOf(written);
        expect(await unzipStrict(zip)).toEqual(written);
        expect(await unzip(zip)).toEqual(written);
      }),
      { numRuns: 50 },
    );
  });

  it('the same files give the same bytes', async () => {
    expect(await zipOf(small)).toEqual(await smallZip);
  });

  it('a file above a piece comes in pieces, none larger than one', async () => {
    const large = Buffer.alloc(3_000_000, 'abcdefg');
    const zip = await zipOf(new Map([['large', large]]));
    const reader = await ZipReader.open(
      { size: zip.length, read: async (at, n) => zip.subarray(at, at + n) },
      inflate,
    );
    const sizes: number[] = [];
    for await (const piece of reader.content('large')) sizes.push(piece.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(large.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024);
  });

  it('CRC-32 is that of zlib, however it is cut', () => {
    const known = zlib as unknown as { crc32?: (data: Uint8Array, before?: number) => number };
    expect(crc32(bytes('123456789'))).toBe(0xcbf4_3926);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (data, cut) => {
        const whole = crc32(data);
        if (known.crc32 !== undefined) expect(whole).toBe(known.crc32(data));
        expect(crc32(data.subarray(cut), crc32(data.subarray(0, cut)))).toBe(whole);
      }),
    );
  });
});

describe('a name in a bundle', () => {
  const bad = [
    '../up',
    'a/../b',
    '/absolute',
    'C:/drive',
    'back\\slash',
    'nul\0byte',
    'a//b',
    'a/',
    '.hidden',
    'a/.',
    'trailing.',
    'a./b',
    'space name',
    'nul',
    'a/CON.txt',
    'com1',
    'ünicode',
    'a\nb',
    '\u202Efdp.exe',
    'a'.repeat(513),
    'a/'.repeat(16) + 'a',
    '',
  ];

  it.each(bad)('%j is refused', async (path) => {
    expect(await refusalOf(rawZip([{ path, content: bytes('x') }]))).toBe('zip-path');
  });

  it('is there once: not again, not in other case, not as file and directory', async () => {
    for (const [one, two] of [
      ['a', 'a'],
      ['log/vkey', 'LOG/vkey'],
      ['a', 'a/b'],
      ['a/b', 'A'],
    ] as const) {
      const entries = [one, two].map((path) => ({ path, content: bytes(path) }));
      expect([one, two, await refusalOf(rawZip(entries))]).toEqual([one, two, 'zip-duplicate']);
    }
  });
});

/** The bytes with some of them replaced. */
function patched(zip: Buffer, at: number, ...values: readonly number[]): Buffer {
  const copy = Buffer.from(zip);
  copy.set(values, at < 0 ? zip.length + at : at);
  return copy;
}

describe('a ZIP that no gateway wrote', () => {
  it('is refused when it is cut, whatever its length', async () => {
    const zip = await smallZip;
    for (let length = 0; length < zip.length; length += 7)
      expect([length, await refusalOf(zip.subarray(0, length))]).toEqual([length, 'zip-cut']);
  });

  it('is refused with a byte before it, behind it, or a second ZIP behind it', async () => {
    const zip = await smallZip;
    const junk = bytes('junk');
    expect(await refusalOf(Buffer.concat([junk, zip]))).toBe('zip-gap');
    expect(await refusalOf(Buffer.concat([zip, junk]))).toBe('zip-cut');
    expect(await refusalOf(Buffer.concat([zip, zip]))).toBe('zip-gap');
    expect(await refusalOf(Buffer.concat([await zipOf(new Map([['a', junk]])), zip]))).toBe('zip-gap');
  });

  it('is refused with a comment, several disks, an encrypted, linked or unknown entry', async () => {
    const zip = await smallZip;
    const at = zip.readUInt32LE(zip.length - 6);
    expect(await refusalOf(patched(Buffer.concat([zip, bytes('hi')]), -4, 2, 0))).toBe('zip-cut');
    expect(await refusalOf(patched(zip, -18, 1))).toBe('zip-form');
    expect(await refusalOf(patched(zip, at + 8, 0x09))).toBe('zip-form');
    expect(await refusalOf(patched(zip, at + 10, 12))).toBe('zip-form');
    // S_IFLNK in the high half of the external attributes.
    expect(await refusalOf(patched(zip, at + 40, 0xff, 0xa1))).toBe('zip-form');
    // An extra field, or a comment of an entry.
    expect(await refusalOf(patched(zip, at + 30, 4))).toBe('zip-form');
    expect(await refusalOf(patched(zip, at + 32, 1))).toBe('zip-form');
  });

  it('is refused when a local header says something else than the directory', async () => {
    const zip = await smallZip;
    for (const at of [4, 6, 8, 10, 14, 18, 22, 26, 28, 30]) {
      expect([at, await refusalOf(patched(zip, at, (zip[at] ?? 0) ^ 0x21))]).toEqual([at, 'zip-form']);
    }
  });

  it('is refused when entries overlap or leave a gap', async () => {
    const one = { path: 'a', content: bytes('one') };
    const two = { path: 'b', content: bytes('two') };
    expect(await refusalOf(rawZip([one, { ...two, says: { offset: 0 } }]))).toBe('zip-gap');
    expect(await refusalOf(rawZip([one, { ...two, says: { packedBytes: 1 } }]))).toBe('zip-gap');
    expect(await refusalOf(rawZip([{ ...one, says: { offset: 1 } }, two]))).toBe('zip-gap');
  });

  it('is refused when its content is not of the size or CRC that it says', async () => {
    const content = Buffer.alloc(5000, 'abc');
    for (const says of [{ crc32: 1 }, { bytes: 4999 }, { bytes: 5001 }, { bytes: 0 }]) {
      expect([says, await refusalOf(rawZip([{ path: 'a', content, says }]))]).toEqual([says, 'zip-data']);
    }
  });

  it('is refused when bytes stand behind the packed stream, small or large', async () => {
    for (const length of [10, 3_000_000]) {
      const content = Buffer.alloc(length, 'x');
      const packed = Buffer.concat([zlib.deflateRawSync(content), bytes('hidden')]);
      const raw = rawZip([{ path: 'a', content: packed, method: 'stored' }]);
      // The same bytes, said to be deflated.
      const as = {
        path: 'a',
        method: 'deflated',
        bytes: length,
        packedBytes: packed.length,
        crc32: crc32(content),
        offset: 0,
      } as const;
      const header = localHeader(as);
      const record = directoryRecord(as);
      const end = { entries: 1, directoryBytes: record.length, directoryOffset: spanOf(as) };
      const descriptor = Buffer.from(raw.subarray(header.length + packed.length, spanOf(as)));
      descriptor.writeUInt32LE(as.crc32, 4);
      descriptor.writeUInt32LE(as.bytes, 12);
      const zip = Buffer.concat([header, packed, descriptor, record, endRecords(end)]);
      expect([length, await refusalOf(zip)]).toEqual([length, 'zip-data']);
    }
  });

  it('is refused when it would unpack to more than its bytes can, and stops at what it says', async () => {
    const bomb = Buffer.alloc(50_000_000);
    expect(await refusalOf(rawZip([{ path: 'a', content: bomb, says: { bytes: 1e12 } }]))).toBe('zip-limit');
    let seen = 0;
    const zip = rawZip([{ path: 'a', content: bomb, says: { bytes: 1_100_000 } }]);
    const reader = await ZipReader.open(
      { size: zip.length, read: async (at, n) => zip.subarray(at, at + n) },
      inflate,
    );
    const read = async (): Promise<void> => {
      for await (const piece of reader.content('a')) seen += piece.length;
    };
    await expect(read()).rejects.toMatchObject({ code: 'zip-data' });
    expect(seen).toBeLessThanOrEqual(1_100_000);
  });

  it('is refused when it says more entries than a bundle has, before any is read', async () => {
    const directory = { directoryBytes: 4_000_000_000, directoryOffset: 0 };
    expect(await refusalOf(Buffer.from(endRecords({ entries: 4e9, ...directory })))).toBe('zip-limit');
    expect(await refusalOf(Buffer.from(endRecords({ entries: 3, ...directory })))).toBe('zip-limit');
  });

  it('no changed byte goes by: it is refused, or every file reads as before', async () => {
    const zip = await smallZip;
    await fc.assert(
      fc.asyncProperty(fc.nat(zip.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = patched(zip, at, (zip[at] ?? 0) ^ flip);
        const code = await refusalOf(changed);
        // The last byte of a DEFLATE stream may have bits that mean nothing.
        if (code === undefined) expect(await unzipStrict(changed)).toEqual(small);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a ZIP of more than four gigabytes', () => {
  const gigabytes = 5 * 2 ** 30;
  const first: ZipEntry = {
    path: 'big',
    method: 'stored',
    bytes: gigabytes,
    packedBytes: gigabytes,
    crc32: 7,
    offset: 0,
  };
  const content = bytes('behind it');
  const second: ZipEntry = {
    path: 'small',
    method: 'stored',
    bytes: content.length,
    packedBytes: content.length,
    crc32: crc32(content),
    offset: spanOf(first),
  };
  const tailAt = spanOf(first) - 24;

  /** Only its ends are there. */
  function source(): RandomAccess & { bytes(at: number, length: number): Buffer } {
    const descriptor = Buffer.alloc(24);
    const tail = rawZip([{ path: 'small', content, method: 'stored' }]);
    const span = spanOf(second);
    const local = tail.subarray(0, span - 24);
    descriptor.writeUInt32LE(0x0807_4b50);
    descriptor.writeUInt32LE(second.crc32, 4);
    descriptor.writeBigUInt64LE(BigInt(content.length), 8);
    descriptor.writeBigUInt64LE(BigInt(content.length), 16);
    const directory = Buffer.concat([directoryRecord(first), directoryRecord(second)]);
    const directoryOffset = second.offset + span;
    const end = endRecords({ entries: 2, directoryBytes: directory.length, directoryOffset });
    const bytesBehind = Buffer.concat([Buffer.alloc(24), local, descriptor, directory, end]);
    const bytesAt = (at: number, length: number): Buffer => {
      const read = Buffer.alloc(length);
      bytesBehind.copy(read, Math.max(0, tailAt - at), Math.max(0, at - tailAt));
      return read;
    };
    return {
      size: tailAt + bytesBehind.length,
      bytes: bytesAt,
      read: async (at, length) => bytesAt(at, length),
    };
  }

  it('is read by our reader and by another as the same entries', async () => {
    const access = source();
    const zip = await ZipReader.open(access, inflate);
    expect([...zip.entries.values()]).toEqual([first, second]);
    let read = '';
    for await (const piece of zip.content('small')) read += Buffer.from(piece).toString();
    expect(read).toBe('behind it');
    class Reader extends yauzl.RandomAccessReader {
      override _readStreamForRange(): never {
        throw new Error('not asked for');
      }
      override read(
        buffer: Buffer,
        offset: number,
        length: number,
        position: number,
        done: (error: Error | null) => void,
      ): void {
        buffer.set(access.bytes(position, length), offset);
        done(null);
      }
    }
    const other = await new Promise<yauzl.ZipFile>((resolve, reject) => {
      yauzl.fromRandomAccessReader(
        new Reader(),
        access.size,
        { autoClose: false, lazyEntries: true },
        (error, opened) => (error === null ? resolve(opened) : reject(error)),
      );
    });
    const entries: [string, number][] = [];
    await new Promise<void>((resolve, reject) => {
      other.on('entry', (entry: yauzl.Entry) => {
        entries.push([entry.fileName, entry.relativeOffsetOfLocalHeader]);
        other.readEntry();
      });
      other.on('end', resolve);
      other.on('error', reject);
      other.readEntry();
    });
    expect(entries).toEqual([
      ['big', 0],
      ['small', second.offset],
    ]);
  });
});
