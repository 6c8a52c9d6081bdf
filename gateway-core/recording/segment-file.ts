import type { SessionId } from '../contract/ids.js';
import type { RecordingFiles } from './files.js';
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  type FrameHeader,
  frameHeaderBytes,
  frameTypes,
  openFrame,
  type SegmentHeader,
  segmentHeaderBytes,
  tagBytes,
} from './format.js';
import { segmentPath } from './paths.js';

export interface ScannedFrame {
  readonly header: FrameHeader;
  readonly headerBytes: Buffer;
  readonly offset: number;
  readonly end: number;
  readonly previousTag: Buffer;
  readonly tag: Buffer;
}

/**
 * How a walk along a segment ended. closed: end frame, then nothing. open: at the file's end, between frames.
 * torn: the last frame is not whole. damaged: from `offset` on there is no frame where one must be.
 */
export interface ScanEnd {
  readonly kind: 'closed' | 'open' | 'torn' | 'damaged';
  readonly offset: number;
}

/** One segment file for reading. Where it stands: `RecordingPlace`. */
export class SegmentFile {
  readonly header: SegmentHeader;
  readonly #files: RecordingFiles;
  readonly #handle: number;

  constructor(files: RecordingFiles, handle: number, header: SegmentHeader) {
    this.#files = files;
    this.#handle = handle;
    this.header = header;
  }

  /** Undefined: there is no such file. `damaged`: it is there, and its header is not one that our key sealed. */
  static open(
    place: RecordingPlace,
    session: SessionId,
    segment: number,
  ): SegmentFile | 'damaged' | undefined {
    const handle = place.files.openRead(segmentPath(place.directory, session, segment));
    if (handle === undefined) return undefined;
    const bytes = Buffer.alloc(segmentHeaderBytes);
    const count = place.files.read(handle, bytes, 0);
    const header = decodeSegmentHeader(place.masterKey, bytes.subarray(0, count), { session, segment });
    if (header === undefined) {
      place.files.close(handle);
      return 'damaged';
    }
    return new SegmentFile(place.files, handle, header);
  }

  close(): void {
    this.#files.close(this.#handle);
  }

  get size(): number {
    return this.#files.size(this.#handle);
  }

  /** Walks frame headers and tags; bodies are neither read nor checked. */
  *frames(): Generator<ScannedFrame, ScanEnd> {
    const size = this.size;
    let offset = segmentHeaderBytes;
    let previousTag = this.header.tag;
    for (;;) {
      if (offset === size) return { kind: 'open', offset };
      const headerBytes = Buffer.alloc(frameHeaderBytes);
      if (this.#files.read(this.#handle, headerBytes, offset) < frameHeaderBytes)
        return { kind: 'torn', offset };
      const header = decodeFrameHeader(headerBytes);
      if (header === undefined) return { kind: 'damaged', offset };
      const end = offset + frameHeaderBytes + header.bodyBytes + tagBytes;
      const tag = Buffer.alloc(tagBytes);
      if (end > size || this.#files.read(this.#handle, tag, end - tagBytes) < tagBytes) {
        return { kind: 'torn', offset };
      }
      yield { header, headerBytes, offset, end, previousTag, tag };
      if (header.type === frameTypes.end) return { kind: end === size ? 'closed' : 'damaged', offset: end };
      previousTag = tag;
      offset = end;
    }
  }

  /** Clear body of a frame; undefined when its seal does not fit. */
  body(frame: ScannedFrame): Buffer | undefined {
    const sealed = Buffer.alloc(frame.header.bodyBytes + tagBytes);
    const count = this.#files.read(this.#handle, sealed, frame.offset + frameHeaderBytes);
    if (count < sealed.length) return undefined;
    return openFrame(this.header, frame.header, frame.headerBytes, frame.previousTag, sealed);
  }

  /** Calls back with the file's bytes in order, up to `length`. */
  readThrough(length: number, chunkBytesMax: number, take: (chunk: Buffer) => void): void {
    const buffer = Buffer.alloc(Math.min(length, chunkBytesMax));
    for (let at = 0; at < length; ) {
      const count = this.#files.read(this.#handle, buffer.subarray(0, length - at), at);
      if (count === 0) return;
      take(buffer.subarray(0, count));
      at += count;
    }
  }
}

/** Where recordings stand and what opens them. */
export interface RecordingPlace {
  readonly files: RecordingFiles;
  /** Holds one directory per day. */
  readonly directory: string;
  /** 32 bytes; wraps every session's data key. */
  readonly masterKey: Buffer;
  /**
   * Weight at which a segment closes, of content as of events; `recordingLimits.segmentBytes` when absent.
   * INVARIANT: never changed while sessions are live, or a crash could put the log in another order than the frames say.
   */
  readonly segmentBytes?: number;
}
