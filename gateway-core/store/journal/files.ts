import type { JournalDisk } from './disk.js';
import type { FileHeader, Mark } from './format.js';
import {
  Chain,
  damaged,
  decodeFrameHeader,
  decodeHeader,
  format,
  journalLimits,
  parseFileName,
  startMark,
} from './format.js';

/** A journal file whose header was checked. */
export interface JournalFile {
  readonly name: string;
  readonly header: FileHeader;
  /** Directly behind the header. */
  readonly start: Mark;
}

export interface Listing {
  /** The files that make up the journal, oldest first, each holding the end of the one before. */
  readonly chain: readonly JournalFile[];
  /** Names of files that a rescue has replaced: not part of the journal any more. */
  readonly superseded: readonly string[];
  /** Names of files, newest of all, whose header was never written whole. */
  readonly blank: readonly string[];
  /** Files older than the chain that nothing in it refers to. */
  readonly loose: readonly JournalFile[];
  /** Highest number of any file, 0 when there is none. */
  readonly numberMax: number;
}

/**
 * Reads the directory. `known` keeps the headers that were read before: a header never changes.
 * Throws `verification-failed` for a header that is there and does not fit.
 */
export function listJournal(disk: JournalDisk, key: Uint8Array, known: Map<string, JournalFile>): Listing {
  const names = disk
    .list()
    .map((name) => ({ name, parsed: parseFileName(name) }))
    .filter((entry) => entry.parsed !== undefined)
    .sort((a, b) => (a.parsed?.number ?? 0) - (b.parsed?.number ?? 0));
  const files: JournalFile[] = [];
  const blank: string[] = [];
  for (const { name } of names) {
    const file = known.get(name) ?? readHeader(disk, key, name);
    if (file === undefined) blank.push(name);
    else {
      known.set(name, file);
      files.push(file);
    }
  }
  for (const name of known.keys()) if (!names.some((entry) => entry.name === name)) known.delete(name);
  return { ...linked(files), blank, numberMax: names.at(-1)?.parsed?.number ?? 0 };
}

/** Follows the headers from the newest of `files` backwards; a number that was passed over has been replaced. */
export function linked(files: readonly JournalFile[]): Pick<Listing, 'chain' | 'superseded' | 'loose'> {
  const numbers = new Map(files.map((file) => [file.header.number, file]));
  const chain: JournalFile[] = [];
  let file = files.at(-1);
  while (file !== undefined) {
    chain.unshift(file);
    const before: Mark | undefined = file.header.previous;
    if (before === undefined || before.number >= file.header.number) break;
    file = numbers.get(before.number);
    if (file !== undefined && !file.header.fileId.equals(before.fileId)) break;
  }
  const first = chain[0]?.header.number ?? 0;
  const outside = files.filter((other) => !chain.includes(other));
  return {
    chain,
    superseded: outside.filter((other) => other.header.number > first).map((other) => other.name),
    loose: outside.filter((other) => other.header.number < first),
  };
}

function readHeader(disk: JournalDisk, key: Uint8Array, name: string): JournalFile | undefined {
  let file: number;
  try {
    file = disk.open(name, 'read');
  } catch {
    // Released by the reader or replaced by a rescue between the listing and now.
    return undefined;
  }
  try {
    const bytes = Buffer.alloc(format.headerBytes + format.frameHeaderBytes);
    const length = readFully(disk, file, bytes, 0);
    const headerOnly = bytes.subarray(0, Math.min(length, format.headerBytes));
    const empty = bytes.subarray(format.headerBytes).every((byte) => byte === 0);
    const header = decodeHeader(headerOnly, key, name, empty);
    if (header === 'blank') return undefined;
    const parsed = parseFileName(name);
    if (parsed?.number !== header.number || parsed.firstPosition !== header.firstPosition) {
      throw damaged('was renamed', name, 0);
    }
    return { name, header, start: startMark(header, headerOnly) };
  } finally {
    disk.close(file);
  }
}

function readFully(disk: JournalDisk, file: number, into: Buffer, at: number): number {
  let length = 0;
  while (length < into.length) {
    const count = disk.read(file, into.subarray(length), at + length);
    if (count === 0) break;
    length += count;
  }
  return length;
}

export interface Frame {
  readonly plain: Buffer;
  readonly records: number;
  readonly firstPosition: number;
  readonly durable: number;
  readonly bytes: number;
}

/** A window grows from here, twice each time: behind the last frame there may be nothing but zeros to be read. */
const windowBytesMin = 64 * 1024;
const windowBytesMax = 1024 * 1024;
const nowhere = -1;

/** Reads one file's frames in order, each opened and checked. Memory: one window and one frame. */
export class FrameCursor {
  readonly #disk: JournalDisk;
  readonly #file: number;
  readonly #key: Uint8Array;
  readonly #chain: Chain;
  readonly #from: Mark;
  #offset: number;
  #position: number;
  #buffer = Buffer.alloc(0);
  /** The part of the buffer that was read, and where in the file it begins. */
  #window = this.#buffer;
  #windowAt = nowhere;
  #windowBytes = windowBytesMin;

  /** `file` stays the caller's: it is not closed here. */
  constructor(disk: JournalDisk, file: number, key: Uint8Array, from: Mark) {
    this.#disk = disk;
    this.#file = file;
    this.#key = key;
    this.#chain = new Chain(key, from);
    this.#from = from;
    this.#offset = from.offset;
    this.#position = from.position;
  }

  /** Behind the last frame that was read. */
  get mark(): Mark {
    const { number, fileId } = this.#from;
    const { batch, tag } = this.#chain;
    return { number, fileId, offset: this.#offset, batch, tag, position: this.#position };
  }

  /**
   * The next frame, or undefined where there is none that is whole and fits its seal. `limit`: offset at which the
   * file is known to end. After undefined the cursor stands where it stood; `forget` lets it look again.
   */
  next(limit = Number.MAX_SAFE_INTEGER): Frame | undefined {
    if (this.#offset >= limit) return undefined;
    const frame = this.#take(limit);
    if (frame !== undefined || this.#windowAt === this.#offset) return frame;
    return this.#fill() ? this.#take(limit) : undefined;
  }

  /** Drops what was read ahead: the file may have more by now. */
  forget(): void {
    this.#windowAt = nowhere;
    this.#windowBytes = windowBytesMin;
  }

  /**
   * Offset behind the last byte that is not zero, or where the cursor stands: what is between the two is a tail that
   * is not whole. Behind it there is only space that was prepared.
   */
  writtenEnd(): number {
    const piece = Buffer.alloc(windowBytesMax);
    let end = this.#offset;
    for (let at = this.#offset; ; ) {
      const count = this.#disk.read(this.#file, piece, at);
      if (count === 0) return end;
      const last = lastNonZero(piece.subarray(0, count));
      if (last >= 0) end = at + last + 1;
      at += count;
    }
  }

  /**
   * Looks behind a place where `next` found nothing: does a later frame that fits its seal claim that more than
   * `position` was durable? Follows lengths and tags as they stand, so it can prove damage, never its absence.
   */
  claimsBeyond(position: number): boolean {
    for (let rest = this.#skip(); rest !== undefined; rest = rest.#skip()) {
      for (let frame = rest.next(); frame !== undefined; frame = rest.next()) {
        if (frame.durable > position) return true;
      }
    }
    return false;
  }

  /** A cursor behind the frame that does not fit. */
  #skip(): FrameCursor | undefined {
    const head = Buffer.alloc(format.frameHeaderBytes);
    if (readFully(this.#disk, this.#file, head, this.#offset) < head.length) return undefined;
    const { sealedBytes } = decodeFrameHeader(head, 0);
    if (!plausible(sealedBytes)) return undefined;
    const offset = this.#offset + head.length + sealedBytes;
    const tag = Buffer.alloc(format.tagBytes);
    if (readFully(this.#disk, this.#file, tag, offset - tag.length) < tag.length) return undefined;
    const from = { ...this.#from, offset, batch: this.#chain.batch + 1, tag, position: 0 };
    return new FrameCursor(this.#disk, this.#file, this.#key, from);
  }

  /** The frame at the offset, if the window holds it whole. */
  #take(limit: number): Frame | undefined {
    const total = this.#frameBytes();
    const at = this.#offset - this.#windowAt;
    if (total === undefined || at + total > this.#window.length) return undefined;
    if (this.#offset + total > limit) return undefined;
    const header = decodeFrameHeader(this.#window, at);
    if (header.firstPosition < this.#position) return undefined;
    const body = at + format.frameHeaderBytes;
    const plain = this.#chain.open(this.#window.subarray(at, body), this.#window.subarray(body, at + total));
    if (plain === undefined) return undefined;
    this.#offset += total;
    this.#position = header.firstPosition + header.records;
    return { ...header, plain, bytes: total };
  }

  /** Bytes of the frame at the offset as its header says; undefined when the window does not hold a possible one. */
  #frameBytes(): number | undefined {
    const at = this.#offset - this.#windowAt;
    if (this.#windowAt === nowhere || at + format.frameHeaderBytes > this.#window.length) return undefined;
    const { sealedBytes } = decodeFrameHeader(this.#window, at);
    return plausible(sealedBytes) ? format.frameHeaderBytes + sealedBytes : undefined;
  }

  /** Reads from the offset on, at least the whole frame that begins there when there is one. */
  #fill(): boolean {
    this.#read(this.#windowBytes);
    this.#windowBytes = Math.min(this.#windowBytes * 2, windowBytesMax);
    const total = this.#frameBytes();
    if (total !== undefined && total > this.#window.length) this.#read(Math.max(total, this.#windowBytes));
    return total !== undefined;
  }

  #read(bytes: number): void {
    if (this.#buffer.length < bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    const length = readFully(this.#disk, this.#file, this.#buffer.subarray(0, bytes), this.#offset);
    this.#window = this.#buffer.subarray(0, length);
    this.#windowAt = this.#offset;
  }
}

const zeros = Buffer.alloc(windowBytesMax);

/** -1 when there are only zeros. */
function lastNonZero(bytes: Buffer): number {
  if (bytes.equals(zeros.subarray(0, bytes.length))) return -1;
  return bytes.findLastIndex((byte) => byte !== 0);
}

function plausible(sealedBytes: number): boolean {
  return sealedBytes >= format.tagBytes && sealedBytes <= journalLimits.sealedBytesMax;
}
