import { bundlePathPattern } from '../../contract/evidence.js';
import { crc32 } from './crc32.js';
import {
  dataDescriptor,
  directoryRecord,
  endRecords,
  localHeader,
  methodCodes,
  saturated,
  saturatedCount,
  spanOf,
  type ZipEnd,
  type ZipEntry,
  zipSizes,
} from './profile.js';

/** Bytes that are read where they are wanted: a file on disk, one that a page was given, or what the page carries. */
export interface RandomAccess {
  readonly size: number;
  /** Exactly `length` bytes, or fewer where the file has become shorter. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Raw DEFLATE (RFC 1951), handed in because Node and a page have their own. Throws, whatever it likes, unless the
 * bytes are one stream from the first to the last. `sizes`: of both sides, as the ZIP says, which is not yet checked.
 */
export type Inflate = (
  packed: AsyncIterable<Uint8Array>,
  sizes: { readonly packedBytes: number; readonly bytes: number },
) => AsyncIterable<Uint8Array>;

export const zipLimits = {
  entriesMax: 100_000,
  pathBytesMax: 512,
  /** Directories above one file, and itself. */
  pathPartsMax: 16,
  /** DEFLATE packs 1032 to 1 at best. */
  ratioMax: 1032,
  /** Of content and of one read. */
  pieceBytes: 256 * 1024,
} as const;

/** `zip-gap`: bytes that belong to no entry, or to two. `zip-form`: a header that no bundle has. */
export type ZipProblem =
  | 'zip-cut'
  | 'zip-form'
  | 'zip-gap'
  | 'zip-path'
  | 'zip-duplicate'
  | 'zip-limit'
  | 'zip-data';

/** The file is not a ZIP as bundles are. `where`: the entry's path as far as it is known, or the file's part. */
export class ZipError extends Error {
  override readonly name = 'ZipError';
  readonly code: ZipProblem;
  readonly where: string;

  constructor(code: ZipProblem, where: string, message: string) {
    super(message);
    this.code = code;
    this.where = where;
  }
}

/**
 * A ZIP of the one form that `createBundleZip` writes, and no other (profile.ts): two programs that open it see the
 * same files. Nothing stands before, between or behind the entries, nothing overlaps, names are relative, plain ASCII
 * and distinct on every file system, and every header is what it must be to the byte. Memory: the directory, and a
 * piece of 256 KiB.
 */
export class ZipReader {
  readonly #source: RandomAccess;
  readonly #inflate: Inflate;
  /** In the order of the file. */
  readonly entries: ReadonlyMap<string, ZipEntry>;

  private constructor(source: RandomAccess, inflate: Inflate, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.#inflate = inflate;
    this.entries = entries;
  }

  /** @throws ZipError, and what reading throws */
  static async open(source: RandomAccess, inflate: Inflate): Promise<ZipReader> {
    const end = await readEnd(source);
    return new ZipReader(source, inflate, await readDirectory(source, end));
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  /**
   * A file's content. What came is the file only once the generator has ended: sizes, CRC and the headers around it
   * are compared as they are passed.
   * @throws ZipError, and what reading throws; RangeError when there is no such entry
   */
  async *content(path: string): AsyncGenerator<Uint8Array> {
    const entry = this.entries.get(path);
    if (entry === undefined) throw new RangeError(`the ZIP has no ${path}`);
    const header = localHeader(entry);
    await this.#expect(path, entry.offset, header);
    const packed = this.#packed(entry, entry.offset + header.length);
    let bytes = 0;
    let crc = 0;
    for await (const piece of entry.method === 'stored' ? packed : this.#inflated(entry, packed)) {
      bytes += piece.length;
      if (bytes > entry.bytes) break;
      crc = crc32(piece, crc);
      yield piece;
    }
    if (bytes !== entry.bytes || crc !== entry.crc32) {
      throw new ZipError('zip-data', path, 'its content has not the size and CRC that the ZIP says');
    }
    await this.#expect(path, entry.offset + header.length + entry.packedBytes, dataDescriptor(entry));
  }

  async *#packed({ path, packedBytes }: ZipEntry, offset: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packedBytes; at += zipLimits.pieceBytes) {
      const length = Math.min(zipLimits.pieceBytes, packedBytes - at);
      yield await readExactly(this.#source, path, offset + at, length);
    }
  }

  async *#inflated(entry: ZipEntry, packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    // What reading throws is not what inflating throws.
    let failed: { readonly error: unknown } | undefined;
    async function* kept(): AsyncGenerator<Uint8Array> {
      try {
        yield* packed;
      } catch (error) {
        failed = { error };
        throw error;
      }
    }
    const pieces = this.#inflate(kept(), entry)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const step = await pieces.next().catch((): never => {
          if (failed !== undefined) throw failed.error;
          throw new ZipError('zip-data', entry.path, 'its content cannot be unpacked');
        });
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await pieces.return?.().catch(() => undefined);
    }
  }

  async #expect(path: string, offset: number, expected: Uint8Array): Promise<void> {
    const bytes = await readExactly(this.#source, path, offset, expected.length);
    if (!same(bytes, expected)) throw formError(path);
  }
}

const formError = (where: string): ZipError =>
  new ZipError('zip-form', where, 'a header is not as a bundle has it');

const cutError = (where: string): ZipError =>
  new ZipError('zip-cut', where, 'the file ends before the ZIP does, or is none');

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

async function readExactly(
  source: RandomAccess,
  where: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = length === 0 ? new Uint8Array() : await source.read(offset, length);
  if (bytes.length !== length) throw cutError(where);
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Up to 2^53 - 1; larger ones become larger than any file, so no comparison holds with them. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

async function readEnd(source: RandomAccess): Promise<ZipEnd> {
  const where = 'end of the file';
  if (source.size < zipSizes.end) throw cutError(where);
  const length = Math.min(source.size, zipSizes.end64);
  const bytes = await readExactly(source, where, source.size - length, length);
  const view = viewOf(bytes);
  const last = length - zipSizes.end;
  const end: ZipEnd = {
    entries: view.getUint16(last + 10, true),
    directoryBytes: view.getUint32(last + 12, true),
    directoryOffset: view.getUint32(last + 16, true),
  };
  const large = [
    end.entries === saturatedCount,
    end.directoryBytes === saturated,
    end.directoryOffset === saturated,
  ];
  const found =
    large.includes(true) && length === zipSizes.end64
      ? { entries: u64(view, 32), directoryBytes: u64(view, 40), directoryOffset: u64(view, 48) }
      : end;
  if (found.entries > zipLimits.entriesMax)
    throw new ZipError(
      'zip-limit',
      where,
      `it says ${found.entries} entries, a bundle has ${zipLimits.entriesMax} at most`,
    );
  const records = endRecords(found);
  // The end is the last thing in the file: no comment, and no second directory behind it.
  if (records.length > length || !same(bytes.subarray(length - records.length), records)) {
    const begins = view.getUint32(last, true) === viewOf(endRecords(end)).getUint32(0, true);
    throw begins ? formError(where) : cutError(where);
  }
  const recordBytesMax = zipSizes.directoryRecord + zipLimits.pathBytesMax + zipSizes.directoryExtra;
  if (found.directoryBytes > found.entries * recordBytesMax)
    throw new ZipError('zip-limit', where, 'its directory is larger than its entries can be');
  if (found.directoryOffset + found.directoryBytes !== source.size - records.length) {
    throw new ZipError('zip-gap', where, 'its directory does not stand between the entries and the end');
  }
  return found;
}

async function readDirectory(source: RandomAccess, end: ZipEnd): Promise<Map<string, ZipEntry>> {
  const bytes = await readExactly(source, 'directory', end.directoryOffset, end.directoryBytes);
  const entries = new Map<string, ZipEntry>();
  const names = new Names();
  let at = 0;
  let offset = 0;
  for (let number = 0; number < end.entries; number += 1) {
    const { entry, length } = readRecord(bytes, at, number);
    at += length;
    if (entry.offset !== offset)
      throw new ZipError('zip-gap', entry.path, 'it does not begin where the entry before it ends');
    offset += spanOf(entry);
    names.add(entry.path);
    entries.set(entry.path, entry);
  }
  if (at !== bytes.length) throw new ZipError('zip-gap', 'directory', 'there is more in it than its entries');
  if (offset !== end.directoryOffset)
    throw new ZipError('zip-gap', 'directory', 'it does not begin where the last entry ends');
  return entries;
}

/** One record of the directory, checked against itself: nothing in it is left unread. */
function readRecord(bytes: Uint8Array, at: number, number: number): { entry: ZipEntry; length: number } {
  const where = `directory entry ${number}`;
  if (at + zipSizes.directoryRecord > bytes.length) throw formError(where);
  const view = viewOf(bytes.subarray(at));
  const [nameBytes, extraBytes] = [view.getUint16(28, true), view.getUint16(30, true)];
  const large = extraBytes === zipSizes.directoryExtra;
  const length = zipSizes.directoryRecord + nameBytes + (large ? extraBytes : 0);
  if (at + length > bytes.length || (extraBytes !== 0 && !large)) throw formError(where);
  const path = nameIn(
    bytes.subarray(at + zipSizes.directoryRecord, at + zipSizes.directoryRecord + nameBytes),
    where,
  );
  const extra = zipSizes.directoryRecord + nameBytes + 4;
  const code = view.getUint16(10, true);
  const entry: ZipEntry = {
    path,
    method: code === methodCodes.stored ? 'stored' : 'deflated',
    crc32: view.getUint32(16, true),
    bytes: large ? u64(view, extra) : view.getUint32(24, true),
    packedBytes: large ? u64(view, extra + 8) : view.getUint32(20, true),
    offset: large ? u64(view, extra + 16) : view.getUint32(42, true),
  };
  if (![entry.bytes, entry.packedBytes, entry.offset].every(Number.isSafeInteger)) throw formError(path);
  if (!same(bytes.subarray(at, at + length), directoryRecord(entry))) throw formError(path);
  const bytesMax = entry.method === 'stored' ? entry.packedBytes : entry.packedBytes * zipLimits.ratioMax;
  if (entry.bytes > bytesMax)
    throw new ZipError('zip-limit', path, 'it says that it unpacks to more than anything can');
  return { entry, length };
}

function nameIn(bytes: Uint8Array, where: string): string {
  const name = String.fromCharCode(...bytes.subarray(0, zipLimits.pathBytesMax));
  const short = bytes.length <= zipLimits.pathBytesMax && name.split('/').length <= zipLimits.pathPartsMax;
  if (short && bundlePathPattern.test(name)) return name;
  throw new ZipError('zip-path', where, 'its name is not one that a bundle may hold');
}

/** Names as a file system sees them that knows no case: each once, and none a file and a directory. */
class Names {
  readonly #files = new Set<string>();
  readonly #directories = new Set<string>();

  add(path: string): void {
    const name = path.toLowerCase();
    const parts = name.split('/');
    const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
    if (this.#files.has(name) || this.#directories.has(name) || above.some((each) => this.#files.has(each)))
      throw new ZipError('zip-duplicate', path, 'another entry has this name');
    this.#files.add(name);
    for (const each of above) this.#directories.add(each);
  }
}
