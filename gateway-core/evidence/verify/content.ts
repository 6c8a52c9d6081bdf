import { ByteReader, FrameDecodeError } from '../../recording/bytes.js';
import { decodeContent, type RecordedContent } from '../../recording/content-codec.js';
import { recordingLimits } from '../../recording/limits.js';

const headBytes = 4;

/**
 * content.bin of one session, read as far as it is wanted: frames of u32 length (big-endian) and records, positions
 * ascending. Memory: one frame.
 */
export class ContentCursor {
  readonly #pieces: AsyncIterator<Uint8Array>;
  /** What was read and not yet taken, from `#at` on. */
  #buffer = Buffer.alloc(0);
  #at = 0;
  #records: Iterator<RecordedContent> | undefined;
  #next: RecordedContent | undefined;
  #position = -1;
  #ended = false;
  /** What is wrong with the file; nothing is read behind it. */
  problem: { readonly code: 'content-invalid' | 'content-reordered'; readonly message: string } | undefined;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next record before a journal position; undefined: there is none, or none any more. */
  async next(position: number): Promise<RecordedContent | undefined> {
    for (;;) {
      this.#next ??= this.#take();
      const record = this.#next;
      if (record !== undefined) {
        if (record.position >= position) return undefined;
        this.#next = undefined;
        return record;
      }
      if (this.#ended || !(await this.#frame())) return undefined;
    }
  }

  /** Reads to the file's end: only then its hash is known. */
  async finish(): Promise<void> {
    this.#stop();
    while ((await this.#pieces.next()).done !== true);
  }

  #stop(code?: 'content-invalid' | 'content-reordered', message = ''): void {
    if (code !== undefined) this.problem ??= { code, message };
    this.#ended = true;
    this.#records = undefined;
    this.#next = undefined;
    this.#buffer = Buffer.alloc(0);
    this.#at = 0;
  }

  #take(): RecordedContent | undefined {
    if (this.#records === undefined) return undefined;
    try {
      const step = this.#records.next();
      if (step.done === true) {
        this.#records = undefined;
        return undefined;
      }
      const record = step.value;
      if (record.position <= this.#position) {
        this.#stop('content-reordered', `position ${record.position} comes after ${this.#position}`);
        return undefined;
      }
      this.#position = record.position;
      return record;
    } catch (error) {
      if (!(error instanceof FrameDecodeError)) throw error;
      this.#stop('content-invalid', `a frame cannot be read: ${error.message}`);
      return undefined;
    }
  }

  /** False at the end. */
  async #frame(): Promise<boolean> {
    const head = await this.#bytes(headBytes);
    if (head === undefined) return false;
    const length = head.readUInt32BE();
    if (length > recordingLimits.frameBytesMax) {
      this.#stop('content-invalid', `a frame says that it has ${length} bytes`);
      return false;
    }
    const body = await this.#bytes(length);
    if (body === undefined) return false;
    this.#records = decodeContent(new ByteReader(body));
    return true;
  }

  /** Exactly so many bytes; undefined at the file's end, which is a problem inside of a frame. */
  async #bytes(length: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [this.#buffer.subarray(this.#at)];
    let bytes = this.#buffer.length - this.#at;
    while (bytes < length) {
      const step = await this.#pieces.next();
      if (step.done === true) {
        if (bytes > 0 || length !== headBytes)
          this.#stop('content-invalid', 'it ends in the middle of a frame');
        else this.#stop();
        return undefined;
      }
      parts.push(step.value);
      bytes += step.value.length;
    }
    if (parts.length > 1) {
      this.#buffer = Buffer.concat(parts);
      this.#at = 0;
    }
    this.#at += length;
    return this.#buffer.subarray(this.#at - length, this.#at);
  }
}
