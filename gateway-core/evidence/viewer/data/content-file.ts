import type { ReplayItem } from '../../../contract/api.js';
import type { Project } from '../../../contract/recorder.js';
import { ByteReader, FrameDecodeError } from '../../../recording/bytes.js';
import { decodeContent, type RecordedContent } from '../../../recording/content-codec.js';
import { Buffer } from '../shims/buffer.js';
import type { HeldFile } from './held.js';
import { ItemStore } from './item-store.js';
import { Numbers } from './numbers.js';
import { Pace } from './pace.js';

/** A frame that a page can hold. A gateway writes half a megabyte, and more only for a record that is longer. */
const frameBytesMax = 96 * 1024 * 1024;

interface Frame {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * content.bin of one session: frames of u32 length, big endian, and content records. What cannot be read is said in
 * `problem`, and nothing after it is shown.
 */
export class ContentFile {
  readonly #file: HeldFile;
  readonly #startedAtMs: number;
  readonly #project: Project;
  problem: string | undefined;
  #index: Promise<ContentIndex> | undefined;

  constructor(file: HeldFile, startedAtMs: number, project: Project) {
    this.#file = file;
    this.#startedAtMs = startedAtMs;
    this.#project = project;
  }

  /** Every record, in order. */
  async *records(pace: Pace): AsyncGenerator<RecordedContent> {
    for await (const frame of this.#frames()) {
      yield* this.#decode(await this.#body(frame));
      await pace.turn();
    }
  }

  /** What one statement returned. Fills `store` as it reads. */
  async statement(seq: number, store: ItemStore, pace: Pace): Promise<void> {
    // At its own pace: it is made once, also for those who come after somebody has left.
    this.#index ??= this.#makeIndex(new Pace());
    const { frames, seqMin, seqMax } = await this.#index;
    const projection = this.#project();
    let lastMs = 0;
    for (const [number, frame] of frames.entries()) {
      if (seqMin.at(number) > seq || seqMax.at(number) < seq) continue;
      for (const record of this.#decode(await this.#body(frame))) {
        if (record.seq !== seq) continue;
        const place = { atMs: record.atMs - this.#startedAtMs, seq };
        lastMs = place.atMs;
        for (const item of projection.items(record.stream, record.bytes)) {
          store.add(item.kind === 'problem' ? item : ({ ...item, ...place } satisfies ReplayItem));
        }
        await pace.turn();
      }
    }
    for (const item of projection.end()) {
      store.add(item.kind === 'problem' ? item : { ...item, atMs: lastMs, seq });
    }
    if (this.problem !== undefined)
      store.add({ kind: 'problem', code: 'content-unreadable', text: this.problem });
  }

  async #makeIndex(pace: Pace): Promise<ContentIndex> {
    const index: ContentIndex = { frames: [], seqMin: new Numbers(), seqMax: new Numbers() };
    for await (const frame of this.#frames()) {
      let min = Number.POSITIVE_INFINITY;
      let max = Number.NEGATIVE_INFINITY;
      for (const { seq } of this.#decode(await this.#body(frame))) {
        min = Math.min(min, seq);
        max = Math.max(max, seq);
      }
      index.frames.push(frame);
      index.seqMin.push(min);
      index.seqMax.push(max);
      await pace.turn();
    }
    return index;
  }

  async #body({ offset, bytes }: Frame): Promise<Buffer> {
    const body = await this.#file.read(offset, offset + bytes);
    return Buffer.from(body.buffer, body.byteOffset, body.length);
  }

  async *#frames(): AsyncGenerator<Frame> {
    let at = 0;
    while (at < this.#file.size) {
      const head = await this.#file.read(at, at + 4);
      const bytes = head.length === 4 ? new DataView(head.buffer, head.byteOffset).getUint32(0) : undefined;
      if (bytes === undefined || bytes > this.#file.size - at - 4) {
        this.problem = 'the recording ends in the middle of a frame';
        return;
      }
      if (bytes > frameBytesMax) this.problem = 'a frame of the recording is too large to show';
      else yield { offset: at + 4, bytes };
      at += 4 + bytes;
    }
  }

  *#decode(body: Buffer): Generator<RecordedContent> {
    try {
      yield* decodeContent(new ByteReader(body));
    } catch (cause) {
      if (!(cause instanceof FrameDecodeError)) throw cause;
      this.problem = `a frame of the recording cannot be read: ${cause.message}`;
    }
  }
}

interface ContentIndex {
  readonly frames: Frame[];
  readonly seqMin: Numbers;
  readonly seqMax: Numbers;
}
