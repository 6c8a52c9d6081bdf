import { spoolLimits } from '../../contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../recording/spool-head.js';
import type { SpoolFiles } from './files.js';
import { type FrameView, frameAt, frameBytesMax, headerBytes, openFrame, openHeader } from './format.js';
import { spoolBounds } from './limits.js';

/** Where a reader stands: before the record with this number. */
export interface Position {
  readonly number: number;
  readonly offset: number;
  /** Chain over all records before it. */
  readonly head: Buffer;
  /** Bytes of all records before it. */
  readonly recordBytes: number;
}

export interface ReadRecord {
  readonly text: string;
  readonly after: Position;
}

/**
 * more: there is more before `end`. whole: exactly to `end`. torn: what follows is no frame, and no frame follows it.
 * damaged: what follows is no frame of this segment, though frames come after it or it was sealed otherwise.
 */
export type ReadEnd = 'more' | 'whole' | 'torn' | 'damaged';

/** One segment's file, for reading. Records are opened as they are read; nothing is held. */
export class Segment {
  readonly device: string;
  readonly number: number;
  readonly start: Position;
  readonly #files: SpoolFiles;
  readonly #handle: number;
  readonly #key: Buffer;

  private constructor(
    files: SpoolFiles,
    handle: number,
    header: { device: string; segment: number; key: Buffer },
  ) {
    this.#files = files;
    this.#handle = handle;
    this.#key = header.key;
    this.device = header.device;
    this.number = header.segment;
    const head = firstSpoolHead(header.device, header.segment);
    this.start = { number: 0, offset: headerBytes, head, recordBytes: 0 };
  }

  /** Undefined: there is none, or it cannot be opened with this key. @throws the system's error */
  static open(
    place: { readonly files: SpoolFiles; readonly spoolKey: Buffer; readonly gateway: string },
    path: string,
  ): Segment | undefined {
    const { files, spoolKey, gateway } = place;
    const handle = files.openRead(path);
    if (handle === undefined) return undefined;
    const bytes = Buffer.alloc(headerBytes);
    const count = files.read(handle, bytes, 0);
    const header = openHeader(spoolKey, gateway, bytes.subarray(0, count));
    if (header !== undefined) return new Segment(files, handle, header);
    files.close(handle);
    return undefined;
  }

  get size(): number {
    return this.#files.size(this.#handle);
  }

  close(): void {
    this.#files.close(this.#handle);
  }

  /** Records from `from` on, up to `end` (an offset), `recordsMax`, and until `take` says that it has enough. */
  read(
    from: Position,
    end: number,
    recordsMax: number,
    take: (record: ReadRecord) => boolean,
  ): { readonly end: ReadEnd; readonly at: Position } {
    let at = from;
    let window: Buffer = Buffer.alloc(0);
    for (let count = 0; at.offset < end; count += 1) {
      if (count === recordsMax) return { end: 'more', at };
      let frame = frameAt(window);
      if (frame === undefined) {
        window = this.#window(at.offset, end);
        frame = frameAt(window);
      }
      const record =
        frame?.number === at.number && frame.bytes <= end - at.offset
          ? openFrame(this.#key, at.head, frame)
          : undefined;
      if (frame === undefined || record === undefined) {
        return { end: frame !== undefined || this.#followed(at, end) ? 'damaged' : 'torn', at };
      }
      window = window.subarray(frame.bytes);
      const after = {
        number: at.number + 1,
        offset: at.offset + frame.bytes,
        head: nextSpoolHead(at.head, record),
        recordBytes: at.recordBytes + record.length,
      };
      if (!take({ text: record.toString('utf8'), after })) return { end: 'more', at };
      at = after;
    }
    return { end: 'whole', at };
  }

  /** Numbers of whole frames behind a place where there is none. */
  lostAfter({ offset, number }: Position, end: number): number {
    let last = number;
    this.#search(offset + 1, end, (frame) => {
      if (frame.number >= number && frame.number < spoolLimits.recordsPerSegmentMax) {
        last = Math.max(last, frame.number);
      }
      return false;
    });
    return last - number + 1;
  }

  #window(offset: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(spoolBounds.readBytes, frameBytesMax), end - offset));
    return bytes.subarray(0, this.#files.read(this.#handle, bytes, offset));
  }

  #followed({ offset, number }: Position, end: number): boolean {
    return this.#search(offset + 1, end, (frame) => frame.number > number);
  }

  /** Looks for whole frames at every byte: only where something is broken. */
  #search(from: number, end: number, found: (frame: FrameView) => boolean): boolean {
    let base = from;
    while (base < end) {
      const window = this.#window(base, end);
      if (window.length === 0) return false;
      // The next window begins where this one cannot hold a whole frame any more.
      const last = base + window.length >= end;
      const until = last ? window.length : Math.max(1, window.length - frameBytesMax);
      let at = 0;
      while (at < until) {
        const frame = window[at] === 0 ? frameAt(window.subarray(at)) : undefined;
        if (frame !== undefined && found(frame)) return true;
        at += frame?.bytes ?? 1;
      }
      base += at;
    }
    return false;
  }
}
