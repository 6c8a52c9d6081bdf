import { type ContentStream, contentStreams } from '../contract/recorder.js';
import { type ByteReader, ByteWriter, FrameDecodeError } from './bytes.js';
import { recordingLimits } from './limits.js';

/** A piece of recorded content. */
export interface RecordedContent {
  readonly position: number;
  readonly atMs: number;
  readonly seq: number;
  readonly stream: ContentStream;
  readonly bytes: Buffer;
}

const streamNames = new Map<number, ContentStream>(
  (Object.keys(contentStreams) as ContentStream[]).map((name) => [contentStreams[name], name]),
);

/** Gathers the content records of one frame. */
export class ContentFrameWriter {
  readonly #out = new ByteWriter();
  #position = 0;
  #atMs = 0;
  #seq = 0;
  #records = 0;
  #firstPosition = 0;

  get length(): number {
    return this.#out.length;
  }
  get records(): number {
    return this.#records;
  }
  get firstPosition(): number {
    return this.#firstPosition;
  }
  get lastPosition(): number {
    return this.#position;
  }
  get lastAtMs(): number {
    return this.#atMs;
  }

  add(position: number, atMs: number, seq: number, stream: ContentStream, bytes: Uint8Array): void {
    if (this.#records === 0) this.#firstPosition = position;
    this.#out.varint(position - this.#position);
    this.#out.signed(atMs - this.#atMs);
    this.#out.signed(seq - this.#seq);
    this.#out.byte(contentStreams[stream]);
    this.#out.varint(bytes.length);
    this.#out.bytes(bytes);
    this.#position = position;
    this.#atMs = atMs;
    this.#seq = seq;
    this.#records += 1;
  }

  view(): Buffer {
    return this.#out.view();
  }

  reset(): void {
    this.#out.reset(recordingLimits.bufferBytesKept);
    this.#position = 0;
    this.#atMs = 0;
    this.#seq = 0;
    this.#records = 0;
  }
}

/**
 * Decodes a content frame's clear body. The records' bytes are views into it.
 * @throws FrameDecodeError when the body is not what this codec writes.
 */
export function* decodeContent(reader: ByteReader): Generator<RecordedContent> {
  let position = 0;
  let atMs = 0;
  let seq = 0;
  while (!reader.atEnd) {
    position += reader.varint();
    atMs += reader.signed();
    seq += reader.signed();
    const stream = streamNames.get(reader.byte());
    if (stream === undefined) throw new FrameDecodeError('unknown stream');
    const bytes = reader.bytes(reader.varint());
    yield { position, atMs, seq, stream, bytes };
  }
}
