import { randomBytes } from 'node:crypto';
import { Ahead } from './ahead.js';
import type { JournalDisk } from './disk.js';
import { writeAll } from './disk.js';
import { FrameCursor } from './files.js';
import type { FileHeader, Mark } from './format.js';
import {
  Chain,
  encodeHeader,
  fileName,
  format,
  journalLimits,
  reserveName,
  reserveTemporaryName,
  startMark,
  temporaryName,
} from './format.js';
import type { Verified } from './verify.js';

export interface LogOptions {
  readonly disk: JournalDisk;
  readonly key: Uint8Array;
  readonly fileBytes: number;
  /** 0: no reserve. */
  readonly reserveBytes: number;
  /** Space to prepare in the first file; 0: files only ever grow. */
  readonly aheadBytes: number;
}

interface OpenFile {
  readonly name: string;
  readonly descriptor: number;
  readonly chain: Chain;
  readonly start: Mark;
  /** Behind the last frame that was written whole. */
  end: Mark;
  /** The file cannot grow beyond this when it is the reserve. */
  readonly bytesMax: number;
  /** Zeros were written and synced up to here before it was used; 0 when it just grows. */
  readonly preparedBytes: number;
  readonly begunMs: number;
  /** A write failed in it: nothing is written into it any more. */
  broken: boolean;
}

const zeros = Buffer.alloc(256 * 1024);

/**
 * The journal's files as their one writer sees them: sealed frames go in, files roll, syncs make what was written
 * durable. Knows nothing of callers and waits for nobody; what a failure means to them is the journal's business.
 */
export class JournalLog {
  readonly #options: LogOptions;
  readonly #ahead: Ahead;
  /** Number of the file during which a next one was prepared, or tried to: once each. */
  #aheadFor = 0;
  #current: OpenFile;
  /** Files that were rolled and are not known to be synced to their end, oldest first. */
  #retired: OpenFile[] = [];
  #numberMax: number;
  /** INVARIANT: everything before this mark was synced by an fdatasync that did not fail. */
  #durable: Mark;
  #directoryDirty = true;
  #suspect = false;

  private constructor(options: LogOptions, ahead: Ahead, current: OpenFile) {
    this.#options = options;
    this.#ahead = ahead;
    this.#current = current;
    this.#numberMax = current.start.number;
    this.#durable = current.start;
  }

  /** Begins a new file behind what `verifyJournal` found, and makes the reserve. */
  static async open(options: LogOptions, found: Verified, firstPosition: number): Promise<JournalLog> {
    if (!reserveStands(options)) await makeReserve(options);
    const header = newHeader(found.numberMax + 1, firstPosition, firstPosition, found.end);
    const ahead = new Ahead(options.disk);
    await ahead.prepare(Math.min(options.aheadBytes, options.fileBytes));
    const file = nextFile(options, ahead, fileName(firstPosition, header.number), header);
    const log = new JournalLog(options, ahead, file);
    await log.sync();
    return log;
  }

  /** An fdatasync failed: what stands behind the durable mark may or may not be on the disk. */
  get suspect(): boolean {
    return this.#suspect;
  }

  /** Is everything that was written durable? */
  get clean(): boolean {
    return this.#durable.position >= this.#current.end.position;
  }

  /**
   * Seals and writes one batch: when it returns, the kernel has it whole. Returns the bytes it took.
   * Throws the system's error; then nothing of the batch counts, and only `startReserve` and `rescue` make the log
   * writable again.
   */
  write(plain: Uint8Array, records: number, firstPosition: number): number {
    if (this.#isFull(this.#current)) this.#roll(firstPosition);
    const file = this.#current;
    if (file.broken) throw new Error('a write into this file failed before');
    try {
      const bytes = append(this.#options.disk, file, plain, records, firstPosition, this.#durable.position);
      this.#lookAhead(file);
      return bytes;
    } catch (error) {
      file.broken = true;
      this.#ahead.drop();
      this.#cutTail(file);
      throw error;
    }
  }

  /**
   * Makes everything that was written before the call durable and returns the position behind it. One at a time.
   * After it threw, the log is suspect: no later sync says anything about this data (a kernel reports a lost page
   * once and then calls it clean), only `rescue` does.
   */
  async sync(): Promise<number> {
    const { disk } = this.#options;
    const retired = this.#retired;
    const current = this.#current;
    const target = current.end;
    const directoryDirty = this.#directoryDirty;
    this.#retired = [];
    this.#directoryDirty = false;
    try {
      for (const file of retired) await disk.dataSync(file.descriptor);
      if (directoryDirty) await disk.directorySync();
      await disk.dataSync(current.descriptor);
    } catch (error) {
      this.#retired = [...retired, ...this.#retired];
      this.#directoryDirty = true;
      this.#suspect = true;
      this.#ahead.drop();
      throw error;
    }
    for (const file of retired) disk.close(file.descriptor);
    this.#durable = target;
    return target.position;
  }

  /** Goes on in the preallocated file, which needs no free space. Throws when it is gone. */
  startReserve(firstPosition: number): void {
    const { disk, reserveBytes } = this.#options;
    const header = this.#nextHeader(firstPosition, this.#current.end);
    const name = fileName(firstPosition, header.number);
    disk.rename(reserveName, name);
    this.#directoryDirty = true;
    const descriptor = disk.open(name, 'write');
    this.#replaceCurrent(beginFile(this.#options, name, descriptor, header, reserveBytes, reserveBytes));
  }

  /**
   * After a failure: copies everything behind the durable mark out of the page cache into a new file, each seal
   * checked, syncs that file, and only then puts it in the place of the suspect ones. Proves on the way that the
   * disk takes `reserveBytes` and a sync again. Returns how many positions could not be read back.
   * Throws the system's error; then nothing is lost, and it can be tried again. No write or sync may run meanwhile.
   */
  async rescue(): Promise<number> {
    const { disk } = this.#options;
    await makeReserve(this.#options);
    const suspects = [...this.#retired, this.#current];
    const header = this.#nextHeader(this.#durable.position, this.#durable);
    const name = fileName(header.firstPosition, header.number);
    disk.remove(temporaryName);
    const file = createFile(this.#options, temporaryName, header);
    let lost = 0;
    try {
      for (const suspect of suspects) lost += this.#copy(suspect, file);
      await disk.dataSync(file.descriptor);
      disk.rename(temporaryName, name);
    } catch (error) {
      disk.close(file.descriptor);
      throw error;
    }
    this.#retired = [];
    this.#current = { ...file, name };
    this.#directoryDirty = true;
    for (const suspect of suspects) {
      disk.close(suspect.descriptor);
      // The file with the durable mark still holds what stands before it.
      if (suspect.start.number !== this.#durable.number) disk.remove(suspect.name);
    }
    await this.sync();
    this.#suspect = false;
    return lost;
  }

  /** Gives back what was prepared and not used. No other call may run. */
  async close(): Promise<void> {
    await this.#ahead.close();
    this.#cutTail(this.#current);
    for (const file of [...this.#retired, this.#current]) this.#options.disk.close(file.descriptor);
    this.#retired = [];
  }

  /** A file is full at its size, and when its prepared space is used up and another file is prepared. */
  #isFull({ end, preparedBytes }: OpenFile): boolean {
    return end.offset >= this.#options.fileBytes || (this.#ahead.ready && end.offset >= preparedBytes);
  }

  /** Has the next file prepared when half of this one's prepared space is used. */
  #lookAhead(file: OpenFile): void {
    const { start, end, bytesMax, preparedBytes } = file;
    if (this.#aheadFor === start.number || end.offset * 2 < preparedBytes) return;
    if (bytesMax !== Number.POSITIVE_INFINITY || isFast(file)) return;
    const { aheadBytes, fileBytes } = this.#options;
    this.#aheadFor = start.number;
    const bytes = Math.max(aheadBytes, preparedBytes * journalLimits.aheadFactor);
    void this.#ahead.prepare(Math.min(bytes, fileBytes));
  }

  #roll(firstPosition: number): void {
    const header = this.#nextHeader(firstPosition, this.#current.end);
    const next = nextFile(this.#options, this.#ahead, fileName(firstPosition, header.number), header);
    this.#directoryDirty = true;
    this.#replaceCurrent(next);
  }

  #replaceCurrent(next: OpenFile): void {
    this.#retired.push(this.#current);
    this.#current = next;
  }

  #nextHeader(firstPosition: number, previous: Mark): FileHeader {
    this.#numberMax += 1;
    return newHeader(this.#numberMax, firstPosition, this.#durable.position, previous);
  }

  /** Copies the frames of one file behind the durable mark. Returns the positions that could not be read. */
  #copy(from: OpenFile, into: OpenFile): number {
    const { disk, key } = this.#options;
    const start = from.start.number === this.#durable.number ? this.#durable : from.start;
    const cursor = new FrameCursor(disk, from.descriptor, key, start);
    for (
      let frame = cursor.next(from.end.offset);
      frame !== undefined;
      frame = cursor.next(from.end.offset)
    ) {
      append(disk, into, frame.plain, frame.records, frame.firstPosition, this.#durable.position);
    }
    return from.end.position - cursor.mark.position;
  }

  /** Gives back the blocks of a half-written frame and of prepared space. Only good manners: the next file's header says where this ends. */
  #cutTail(file: OpenFile): void {
    try {
      if (file.bytesMax === Number.POSITIVE_INFINITY) {
        this.#options.disk.truncate(file.descriptor, file.end.offset);
      }
    } catch {
      // The write's own error is the one that counts.
    }
  }
}

function append(
  disk: JournalDisk,
  file: OpenFile,
  plain: Uint8Array,
  records: number,
  firstPosition: number,
  durable: number,
): number {
  const bytes = format.frameHeaderBytes + plain.length + format.tagBytes;
  const { offset, number, fileId } = file.end;
  if (offset + bytes > file.bytesMax) throw new Error('the reserve is used up');
  writeAll(disk, file.descriptor, file.chain.seal(plain, records, firstPosition, durable), offset);
  const { batch, tag } = file.chain;
  file.end = { number, fileId, offset: offset + bytes, batch, tag, position: firstPosition + records };
  return bytes;
}

/** Too fast for preparing to pay. */
function isFast({ end, begunMs }: OpenFile): boolean {
  if (end.offset <= journalLimits.aheadFirstBytes) return false;
  return end.offset > (performance.now() - begunMs) * journalLimits.aheadBytesPerMsMax;
}

function newHeader(
  number: number,
  firstPosition: number,
  durable: number,
  previous: Mark | undefined,
): FileHeader {
  return { fileId: randomBytes(format.fileIdBytes), number, firstPosition, durable, previous };
}

function createFile(options: LogOptions, name: string, header: FileHeader): OpenFile {
  const descriptor = options.disk.create(name);
  return beginFile(options, name, descriptor, header, Number.POSITIVE_INFINITY, 0);
}

/** Begun in the prepared file when there is one. */
function nextFile(options: LogOptions, ahead: Ahead, name: string, header: FileHeader): OpenFile {
  const prepared = ahead.take(name);
  if (prepared === undefined) return createFile(options, name, header);
  const { descriptor, bytes } = prepared;
  return beginFile(options, name, descriptor, header, Number.POSITIVE_INFINITY, bytes);
}

function beginFile(
  options: LogOptions,
  name: string,
  descriptor: number,
  header: FileHeader,
  bytesMax: number,
  preparedBytes: number,
): OpenFile {
  const bytes = encodeHeader(header, options.key);
  try {
    // Whole or not at all, and within one sector: a header that does not fit has no frame behind it, then.
    const written = options.disk.write(descriptor, [bytes], 0);
    if (written < bytes.length) throw new Error('the disk took half a file header');
  } catch (error) {
    options.disk.close(descriptor);
    options.disk.remove(name);
    throw error;
  }
  const start = startMark(header, bytes);
  return {
    name,
    descriptor,
    chain: new Chain(options.key, start),
    start,
    end: start,
    bytesMax,
    preparedBytes,
    begunMs: performance.now(),
    broken: false,
  };
}

/**
 * A reserve that somebody wrote into is none: a power cut can keep a frame that was written into it and lose its new
 * name, and a file that is begun in it later could then show the old header under the new name.
 */
function reserveStands({ disk, reserveBytes }: LogOptions): boolean {
  if (reserveBytes === 0 || !disk.list().includes(reserveName)) return reserveBytes === 0;
  const file = disk.open(reserveName, 'read');
  try {
    return disk.size(file) === reserveBytes && isZero(disk, file, reserveBytes);
  } finally {
    disk.close(file);
  }
}

function isZero(disk: JournalDisk, file: number, bytes: number): boolean {
  const piece = Buffer.alloc(zeros.length);
  for (let at = 0; at < bytes; ) {
    const count = disk.read(file, piece, at);
    if (count === 0 || !piece.subarray(0, count).equals(zeros.subarray(0, count))) return false;
    at += count;
  }
  return true;
}

/** Written with zeros, not only sized: its blocks must be there when no others are. */
async function makeReserve({ disk, reserveBytes }: LogOptions): Promise<void> {
  if (reserveBytes === 0) return;
  disk.remove(reserveTemporaryName);
  const file = disk.create(reserveTemporaryName);
  try {
    for (let at = 0; at < reserveBytes; at += zeros.length) {
      writeAll(disk, file, [zeros.subarray(0, Math.min(zeros.length, reserveBytes - at))], at);
    }
    await disk.dataSync(file);
  } finally {
    disk.close(file);
  }
  disk.rename(reserveTemporaryName, reserveName);
}
