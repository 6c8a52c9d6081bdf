import { dirname, join } from 'node:path';
import type { RecordingFiles } from '../../recording/files.js';
import { firstSpoolHead, nextSpoolHead } from '../../recording/spool-head.js';
import {
  type FileHeader,
  type FrameHeader,
  fileHeaderBytes,
  frameHeaderBytes,
  newFileHeader,
  openFrame,
  readFileHeader,
  readFrameHeader,
  type SegmentPlace,
  sealFrame,
  tagBytes,
} from './format.js';

/** Where the spools of all devices stand, and what opens them. */
export interface SpoolPlace {
  readonly files: RecordingFiles;
  readonly directory: string;
  /** 32 bytes. */
  readonly masterKey: Uint8Array;
}

const fileName = /^(\d{16})\.tlspool$/;
const deviceName = /^[A-Za-z0-9_-]{43}$/;

export function isDevice(text: string): boolean {
  return deviceName.test(text);
}

export function segmentPath({ directory }: SpoolPlace, { device, segment }: SegmentPlace): string {
  if (!isDevice(device)) throw new TypeError('not the name of a device: it becomes a path');
  return join(directory, device, `${String(segment).padStart(16, '0')}.tlspool`);
}

/** Numbers of a device's segments, ascending. */
export function segmentsOf(place: SpoolPlace, device: string): number[] {
  if (!isDevice(device)) return [];
  return place.files.list(join(place.directory, device)).flatMap((name) => {
    const match = fileName.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

export function devicesOf(place: SpoolPlace): string[] {
  return place.files.list(place.directory).filter(isDevice);
}

export interface ReadFrame extends FrameHeader {
  /** Where it begins in the file, and where the next one does. */
  readonly at: number;
  readonly end: number;
  readonly tag: Buffer;
  readonly records: number;
  readonly content: readonly Buffer[];
}

/**
 * A segment's frames, in order, each one checked; ends before the first that is not whole and returns where that is.
 */
function* framesOf(
  files: RecordingFiles,
  handle: number,
  size: number,
  header: FileHeader,
): Generator<ReadFrame, number> {
  let at = fileHeaderBytes;
  let tag: Buffer = header.tag;
  const head = Buffer.alloc(frameHeaderBytes);
  for (;;) {
    if (at === size || files.read(handle, head, at) < frameHeaderBytes) return at;
    const read = readFrameHeader(head);
    if (read === undefined) return at;
    const sealed = Buffer.alloc(read.bodyBytes + tagBytes);
    if (files.read(handle, sealed, at + frameHeaderBytes) < sealed.length) return at;
    const content = openFrame(header.key, tag, head, read, sealed);
    if (content === undefined) return at;
    const end = at + frameHeaderBytes + sealed.length;
    tag = Buffer.from(sealed.subarray(read.bodyBytes));
    yield { ...read, at, end, tag, content };
    at = end;
  }
}

/**
 * Reads a segment without changing it. Gives nothing when there is no such file, or when its header is damaged. What
 * follows a damaged frame is not given; `cut` is then called with where it stopped.
 */
export function* readSegment(
  place: SpoolPlace,
  segment: SegmentPlace,
  cut?: (at: number) => void,
): Generator<ReadFrame> {
  const { files } = place;
  const handle = files.openRead(segmentPath(place, segment));
  if (handle === undefined) return;
  try {
    const size = files.size(handle);
    const header = headerOf(place, segment, handle);
    const end = header === undefined ? 0 : yield* framesOf(files, handle, size, header);
    if (end < size) cut?.(end);
  } finally {
    files.close(handle);
  }
}

/** When the last whole frame of a segment came; undefined when there is none. Seals are not checked. */
export function lastReceivedMs(place: SpoolPlace, segment: SegmentPlace): number | undefined {
  const { files } = place;
  const handle = files.openRead(segmentPath(place, segment));
  if (handle === undefined) return undefined;
  try {
    let last = headerOf(place, segment, handle)?.createdAtMs;
    const head = Buffer.alloc(frameHeaderBytes);
    for (let at = fileHeaderBytes; files.read(handle, head, at) === frameHeaderBytes; ) {
      const read = readFrameHeader(head);
      if (read === undefined) break;
      last = read.receivedAtMs;
      at += frameHeaderBytes + read.bodyBytes + tagBytes;
    }
    return last;
  } finally {
    files.close(handle);
  }
}

function headerOf(place: SpoolPlace, segment: SegmentPlace, handle: number): FileHeader | undefined {
  const bytes = Buffer.alloc(fileHeaderBytes);
  place.files.read(handle, bytes, 0);
  return readFileHeader(bytes, place.masterKey, segment);
}

/**
 * A segment that records are appended to. Opening reads it through and cuts what is not whole: the desktop keeps a
 * segment until its end is acknowledged, so whatever was not, comes again. INVARIANT: one per file, and nothing is
 * acknowledged before `sync` has returned.
 */
export class OpenSegment {
  readonly place: SegmentPlace;
  readonly #files: RecordingFiles;
  readonly #handle: number;
  readonly #header: FileHeader;
  /** Offset and first record of each frame. */
  readonly #frames: { readonly at: number; readonly first: number }[] = [];
  #size: number;
  /** What a failure leaves: all that was known to be whole before. */
  #keptSize: number;
  /** Nobody knows whether what a process before this one wrote is durable: the first `sync` makes it so. */
  #isDurable = false;
  #next = 0;
  #head: Buffer;
  #tag: Buffer;
  #finished = false;
  /** Directories in which a name is new. */
  #newNames: readonly string[];

  private constructor(
    place: SpoolPlace,
    segment: SegmentPlace,
    file: { handle: number; header: FileHeader; newNames: readonly string[] },
  ) {
    this.place = segment;
    this.#files = place.files;
    this.#handle = file.handle;
    this.#header = file.header;
    this.#newNames = file.newNames;
    this.#head = firstSpoolHead(segment.device, segment.segment);
    this.#tag = file.header.tag;
    this.#size = fileHeaderBytes;
    this.#keptSize = fileHeaderBytes;
  }

  /** Makes the file when it is not there. Throws what the disk throws. */
  static open(place: SpoolPlace, segment: SegmentPlace, nowMs: number): OpenSegment {
    const path = segmentPath(place, segment);
    const { files } = place;
    const exists = files.list(dirname(path)).includes(path.slice(dirname(path).length + 1));
    const directories = files.makeDirectory(dirname(path));
    const handle = files.open(path, !exists);
    try {
      let header = headerOf(place, segment, handle);
      if (header === undefined) {
        // A crash came before its first sync, or it is damaged: the desktop that appends to it still has all of it.
        const bytes = newFileHeader(segment.segment, nowMs);
        files.truncate(handle, 0);
        files.write(handle, [bytes], 0);
        header = readFileHeader(bytes, place.masterKey, segment);
      }
      if (header === undefined) throw new Error('a new header does not fit its own reader');
      const opened = new OpenSegment(place, segment, {
        handle,
        header,
        newNames: [dirname(path), ...directories],
      });
      opened.#readThrough();
      return opened;
    } catch (error) {
      // Half a header helps nobody; one that cannot be removed is written anew by the next opening.
      try {
        if (!exists) files.removeFile(path);
        else if (headerOf(place, segment, handle) === undefined) files.truncate(handle, 0);
      } catch {}
      files.close(handle);
      throw error;
    }
  }

  #readThrough(): void {
    const size = this.#files.size(this.#handle);
    for (const frame of framesOf(this.#files, this.#handle, size, this.#header)) {
      if (frame.first !== this.#next) break;
      this.#frames.push({ at: frame.at, first: frame.first });
      for (const record of frame.content) this.#head = nextSpoolHead(this.#head, record);
      this.#next = frame.first + frame.records;
      this.#tag = frame.tag;
      this.#size = frame.end;
      this.#finished = frame.last;
    }
    this.#keptSize = this.#size;
    if (this.#size < size) this.#files.truncate(this.#handle, this.#size);
  }

  get next(): number {
    return this.#next;
  }
  get head(): Buffer {
    return this.#head;
  }
  get finished(): boolean {
    return this.#finished;
  }
  get size(): number {
    return this.#size;
  }
  get frames(): number {
    return this.#frames.length;
  }

  /** Whether the records from `first` on that are there already are these bytes. Records behind the end do not count. */
  holds(first: number, records: readonly Uint8Array[]): boolean {
    const until = Math.min(this.#next, first + records.length);
    if (first >= until) return true;
    let index = this.#frames.findLastIndex((frame) => frame.first <= first);
    const head = Buffer.alloc(frameHeaderBytes);
    while (index >= 0) {
      const frame = this.#frames[index];
      if (frame === undefined || frame.first >= until) return true;
      const read = this.#files.read(this.#handle, head, frame.at) === head.length && readFrameHeader(head);
      if (read === false || read === undefined) return false;
      const sealed = Buffer.alloc(read.bodyBytes + tagBytes);
      this.#files.read(this.#handle, sealed, frame.at + frameHeaderBytes);
      const content = openFrame(this.#header.key, this.#tagBefore(frame.at), head, read, sealed) ?? [];
      for (let number = Math.max(first, frame.first); number < until; number += 1) {
        if (number >= frame.first + read.records) break;
        const there = content[number - frame.first];
        const given = records[number - first];
        if (there === undefined || given === undefined || Buffer.compare(there, given) !== 0) return false;
      }
      index += 1;
    }
    return false;
  }

  #tagBefore(at: number): Buffer {
    if (at === fileHeaderBytes) return this.#header.tag;
    const tag = Buffer.alloc(tagBytes);
    this.#files.read(this.#handle, tag, at - tagBytes);
    return tag;
  }

  /** Writes one frame. Durable after `sync`. Throws what the disk throws; then call `undo` and `close`. */
  append(records: readonly Uint8Array[], last: boolean, nowMs: number): void {
    const frame = { first: this.#next, receivedAtMs: nowMs, last };
    const { parts, tag, bytes } = sealFrame(this.#header.key, this.#tag, frame, records);
    this.#isDurable = false;
    this.#files.write(this.#handle, parts, this.#size);
    this.#frames.push({ at: this.#size, first: this.#next });
    this.#size += bytes;
    this.#tag = tag;
    this.#next += records.length;
    this.#finished = last;
    for (const record of records) this.#head = nextSpoolHead(this.#head, record);
  }

  /** fdatasync where something is not durable yet; the names first. */
  async sync(): Promise<void> {
    if (this.#isDurable) return;
    const size = this.#size;
    await this.#files.sync(this.#handle);
    for (const directory of this.#newNames) await this.#files.syncDirectory(directory);
    this.#newNames = [];
    this.#keptSize = size;
    this.#isDurable = this.#size === size;
  }

  /** After a failure: takes back what was never acknowledged, so that nobody reads it as if it were kept. */
  undo(): void {
    this.#files.truncate(this.#handle, this.#keptSize);
  }

  close(): void {
    this.#files.close(this.#handle);
  }
}
