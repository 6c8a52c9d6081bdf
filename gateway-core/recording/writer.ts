import { createHash, type Hash } from 'node:crypto';
import type { AuditEvent } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import type { ContentStream } from '../contract/recorder.js';
import { ContentFrameWriter } from './content-codec.js';
import { EventFrameWriter, type RecordedEvent } from './event-codec.js';
import {
  encodeSegmentHeader,
  type FrameType,
  frameTypes,
  SessionKeys,
  sealFrame,
  segmentHeaderBytes,
  tagBytes,
} from './format.js';
import { recordingLimits } from './limits.js';
import { segmentPath, sessionDirectory } from './paths.js';
import type { RecordingProblem } from './reader.js';
import { type Committed, type OpenSegment, recoverRecording, type SealedSegment } from './recovery.js';
import type { RecordingPlace } from './segment-file.js';

/**
 * Writes one session's recording, exactly once across crashes.
 *
 * Records come in the order of the journal. After a crash they come again from some earlier position on: `hasEvent`
 * and `hasContent` say which are already there. INVARIANT: where a segment closes depends on the sequence of records
 * alone (event weight at events, content weight at content, the session's end), never on time, frames or rounds, so
 * a second run makes the same leaves in the same order as the first.
 *
 * Nothing is written before `save`, and everything is durable after it, once the directories that it names are synced
 * too. After any throw the object must be dropped and the recording opened anew.
 */
export class RecordingWriter {
  readonly session: SessionId;
  /** What opening found: committed parts that cannot be read. They were left as they are. */
  readonly problems: readonly RecordingProblem[];
  readonly keys: SessionKeys;
  readonly #place: RecordingPlace;
  readonly #events = new EventFrameWriter();
  readonly #content = new ContentFrameWriter();
  readonly #stored: ReadonlyMap<number, RecordedEvent>;
  readonly #sealed: ReadonlyMap<number, SealedSegment>;
  #eventPosition: number;
  #contentPosition: number;
  #endedPosition: number | undefined;
  #handle: number | undefined;
  /** Segments from before a restart that `save` has yet to make durable. */
  #unsynced: number[];
  /** What `save` has yet to write, in order; all but the last are closed segments. */
  #pending: PendingWrite[] = [];
  readonly #directories = new Set<string>();
  // The segment that is being written.
  #segment: number;
  #started: boolean;
  #offset = 0;
  #frames = 0;
  #previousTag: Buffer;
  #eventWeight = 0;
  #contentWeight = 0;
  #hash: Hash = createHash('sha256');

  constructor(place: RecordingPlace, session: SessionId, committed: Committed) {
    const found = recoverRecording(place, session, committed);
    this.#place = place;
    this.session = session;
    this.problems = found.problems;
    this.keys = found.keys ?? new SessionKeys();
    this.#stored = found.stored;
    this.#sealed = found.sealed;
    this.#eventPosition = found.eventPosition;
    this.#contentPosition = found.contentPosition;
    this.#endedPosition = found.endedPosition;
    this.#segment = found.segment;
    this.#previousTag = found.previousTag ?? Buffer.alloc(tagBytes);
    this.#started = found.open !== undefined;
    if (found.open !== undefined) this.#continue(found.open);
    // What a killed process wrote may be in the page cache alone. Its records are not written again, so it is synced
    // before the log can name them.
    this.#unsynced = [...found.sealed.values()].map(({ segment }) => segment);
    if (found.open !== undefined) this.#unsynced.push(found.segment);
    if (this.#unsynced.length > 0 || found.namesChanged) this.#directories.add(this.#directory);
  }

  #continue(open: OpenSegment): void {
    this.#offset = open.offset;
    this.#frames = open.frames;
    this.#eventWeight = open.eventWeight;
    this.#contentWeight = open.contentWeight;
    this.#hash = open.hash;
  }

  /** Whether the session's end is in the recording: then nothing but late records can follow. */
  get ended(): boolean {
    return this.#endedPosition !== undefined;
  }

  hasEvent(position: number): boolean {
    return position <= this.#eventPosition;
  }

  hasContent(position: number): boolean {
    return position <= this.#contentPosition;
  }

  /** The event as a run before the crash recorded it; only for positions after the last committed one. */
  storedEvent(position: number): AuditEvent | undefined {
    return this.#stored.get(position)?.event;
  }

  event(position: number, logIndex: number, event: AuditEvent): void {
    this.#events.add(position, logIndex, event);
    this.#eventPosition = position;
    this.#eventWeight += eventWeight(event);
    if (event.kind === 'session.ended') this.#endedPosition ??= position;
    if (this.#events.length >= recordingLimits.frameBytesTarget) this.#finishEvents();
  }

  /** Copies `bytes`. */
  content(position: number, atMs: number, seq: number, stream: ContentStream, bytes: Uint8Array): void {
    this.#content.add(position, atMs, seq, stream, bytes);
    this.#contentPosition = position;
    this.#contentWeight += bytes.length + contentRecordWeight;
    if (this.#content.length >= recordingLimits.frameBytesTarget) this.#finishContent();
  }

  /**
   * Call after each record, written or already there: the segment that this record closes, if it closes one.
   * Only then is a segment's hash known; it becomes durable with the next `save`.
   */
  closedBy(kind: 'event' | 'content', position: number, atMs: number): SealedSegment | undefined {
    const sealed = this.#sealed.get(position);
    if (sealed !== undefined) return sealed;
    const written = kind === 'event' ? this.#eventPosition : this.#contentPosition;
    if (!this.#started && this.#events.records === 0 && this.#content.records === 0) return undefined;
    if (position < written) return undefined;
    const weight = kind === 'event' ? this.#eventWeight : this.#contentWeight;
    const full = weight >= (this.#place.segmentBytes ?? recordingLimits.segmentBytes);
    const ended = this.#endedPosition !== undefined && position >= this.#endedPosition;
    return full || ended ? this.#close(position, atMs) : undefined;
  }

  #close(position: number, atMs: number): SealedSegment {
    this.#finishEvents();
    this.#finishContent();
    this.#frame(frameTypes.end, Buffer.alloc(0), {
      records: 0,
      firstPosition: position,
      lastPosition: position,
      weight: this.#eventWeight + this.#contentWeight,
      lastAtMs: atMs,
    });
    const last = this.#pending.at(-1);
    if (last !== undefined) last.closed = true;
    const sealed: SealedSegment = {
      segment: this.#segment,
      bytes: this.#offset,
      sha256: this.#hash.digest('hex'),
      position,
      atMs,
    };
    this.#segment += 1;
    this.#started = false;
    this.#offset = 0;
    this.#frames = 0;
    this.#eventWeight = 0;
    this.#contentWeight = 0;
    this.#hash = createHash('sha256');
    return sealed;
  }

  /**
   * Writes what was handed over since the last call and makes it durable. Gives the directories that have new names:
   * the caller syncs them, each once, before it counts on any of this.
   */
  async save(): Promise<readonly string[]> {
    const { files } = this.#place;
    this.#finishEvents();
    this.#finishContent();
    for (const segment of this.#unsynced) await this.#syncSegment(segment);
    this.#unsynced = [];
    for (const { segment, offset, parts, closed } of this.#pending) {
      this.#handle ??= this.#open(segment, offset === 0);
      files.write(this.#handle, parts, offset);
      await files.sync(this.#handle);
      if (closed) this.release();
    }
    this.#pending = [];
    const directories = [...this.#directories];
    this.#directories.clear();
    return directories;
  }

  get #directory(): string {
    return sessionDirectory(this.#place.directory, this.session);
  }

  #open(segment: number, create: boolean): number {
    const { files, directory } = this.#place;
    if (create) {
      for (const changed of files.makeDirectory(this.#directory)) this.#directories.add(changed);
      this.#directories.add(this.#directory);
    }
    return files.open(segmentPath(directory, this.session, segment), create);
  }

  async #syncSegment(segment: number): Promise<void> {
    const handle = this.#open(segment, false);
    try {
      await this.#place.files.sync(handle);
    } finally {
      this.#place.files.close(handle);
    }
  }

  get hasHandle(): boolean {
    return this.#handle !== undefined;
  }

  /** Gives the open file back; the next `save` opens it again. Never during one. */
  release(): void {
    if (this.#handle !== undefined) this.#place.files.close(this.#handle);
    this.#handle = undefined;
  }

  #finishEvents(): void {
    const frame = this.#events;
    if (frame.records === 0) return;
    const { records, firstPosition, lastPosition, lastAtMs } = frame;
    const weight = this.#eventWeight;
    this.#frame(frameTypes.events, frame.view(), { records, firstPosition, lastPosition, weight, lastAtMs });
    frame.reset();
  }

  #finishContent(): void {
    const frame = this.#content;
    if (frame.records === 0) return;
    const { records, firstPosition, lastPosition, lastAtMs } = frame;
    const weight = this.#contentWeight;
    this.#frame(frameTypes.content, frame.view(), { records, firstPosition, lastPosition, weight, lastAtMs });
    frame.reset();
  }

  #frame(
    type: FrameType,
    clear: Buffer,
    facts: { records: number; firstPosition: number; lastPosition: number; weight: number; lastAtMs: number },
  ): void {
    if (!this.#started) this.#startSegment(facts.lastAtMs);
    const frame = { type, number: this.#frames, ...facts };
    const sealed = sealFrame(this.keys, this.session, this.#segment, this.#previousTag, frame, clear);
    this.#put(sealed.parts);
    this.#previousTag = sealed.tag;
    this.#frames += 1;
  }

  #startSegment(createdAtMs: number): void {
    const header = encodeSegmentHeader(this.#place.masterKey, this.keys, {
      session: this.session,
      segment: this.#segment,
      createdAtMs,
      previousTag: this.#previousTag,
    });
    this.#put([header]);
    this.#previousTag = Buffer.from(header.subarray(segmentHeaderBytes - tagBytes));
    this.#started = true;
  }

  #put(parts: readonly Buffer[]): void {
    let pending = this.#pending.at(-1);
    if (pending === undefined || pending.closed) {
      pending = { segment: this.#segment, offset: this.#offset, parts: [], closed: false };
      this.#pending.push(pending);
    }
    for (const part of parts) {
      pending.parts.push(part);
      this.#hash.update(part);
      this.#offset += part.length;
    }
  }
}

/** Bytes for one segment file, from `offset` on. */
interface PendingWrite {
  readonly segment: number;
  readonly offset: number;
  readonly parts: Buffer[];
  closed: boolean;
}

const contentRecordWeight = 16;
const eventBaseWeight = 64;

/** About the clear bytes of an event. INVARIANT: a function of the event alone, the same in every version. */
function eventWeight(event: AuditEvent): number {
  if (event.kind !== 'statement.decided') return eventBaseWeight;
  let weight = eventBaseWeight + event.payload.text.length;
  for (const value of event.payload.parameters ?? []) weight += value?.length ?? 1;
  return weight;
}
