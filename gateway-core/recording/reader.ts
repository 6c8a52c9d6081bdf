import { createHash } from 'node:crypto';
import type { SessionId } from '../contract/ids.js';
import { ByteReader, FrameDecodeError } from './bytes.js';
import { decodeContent, type RecordedContent } from './content-codec.js';
import { decodeEvents, type RecordedEvent } from './event-codec.js';
import { type FrameType, frameTypes } from './format.js';
import { recordingLimits } from './limits.js';
import { listSegments } from './paths.js';
import { type RecordingPlace, type ScanEnd, type ScannedFrame, SegmentFile } from './segment-file.js';

/** Something is not as it was written. `code` is stable, `where` names session and segment. */
export interface RecordingProblem {
  readonly code:
    | 'recording-missing'
    | 'segment-missing'
    | 'segment-damaged'
    | 'segment-unfinished'
    | 'segment-chain'
    | 'frame-damaged';
  readonly where: string;
  readonly message: string;
}

/** Journal positions, both ends included. */
export interface PositionRange {
  readonly from?: number;
  readonly to?: number;
}

export type { RecordedEvent };
export type RecordedItem =
  | ({ readonly kind: 'event' } & RecordedEvent)
  | ({ readonly kind: 'content' } & RecordedContent);

export interface SegmentSummary {
  readonly segment: number;
  readonly closed: boolean;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads one session's recording. What cannot be read is left out and stands in `problems`, once each.
 * Generators hold a file open: end them with `return` when they are not run to the end (`for of` does).
 */
export class RecordingReader {
  readonly #place: RecordingPlace;
  readonly session: SessionId;
  readonly #problems = new Map<string, RecordingProblem>();

  constructor(place: RecordingPlace, session: SessionId) {
    this.#place = place;
    this.session = session;
  }

  get problems(): readonly RecordingProblem[] {
    return [...this.#problems.values()];
  }

  #problem(code: RecordingProblem['code'], where: string, message: string): void {
    this.#problems.set(`${code} ${where}`, { code, where, message });
  }

  /** Events in order. Content is not decrypted. */
  *events(range: PositionRange = {}): Generator<RecordedEvent> {
    for (const { file, frame } of this.#frames(frameTypes.events, range)) {
      yield* this.#decode(file, frame, range, (body) => decodeEvents(new ByteReader(body), this.session));
    }
  }

  /** Content in order. Events are not decrypted. */
  *content(range: PositionRange = {}): Generator<RecordedContent> {
    for (const { file, frame } of this.#frames(frameTypes.content, range)) {
      yield* this.#decode(file, frame, range, (body) => decodeContent(new ByteReader(body)));
    }
  }

  /** Both, in the order of the journal. Holds one frame of each in memory. */
  *items(range: PositionRange = {}): Generator<RecordedItem> {
    const events = this.events(range);
    const contents = this.content(range);
    try {
      let event = events.next();
      let content = contents.next();
      while (event.done !== true || content.done !== true) {
        if (content.done === true || (event.done !== true && event.value.position < content.value.position)) {
          if (event.done === true) break;
          yield { kind: 'event', ...event.value };
          event = events.next();
        } else {
          yield { kind: 'content', ...content.value };
          content = contents.next();
        }
      }
    } finally {
      events.return(undefined);
      contents.return(undefined);
    }
  }

  /** The 16-byte salts of payloads, by journal position; undefined when no segment's key can be opened. */
  salts(): ((position: number) => Buffer) | undefined {
    for (const segment of listSegments(this.#place.files, this.#place.directory, this.session)) {
      const file = SegmentFile.open(this.#place, this.session, segment);
      if (file === undefined || file === 'damaged') continue;
      file.close();
      return (position) => file.header.keys.salt(position);
    }
    return undefined;
  }

  /** Size and SHA-256 of each segment file. Checks the walk, not the seals. */
  *segments(): Generator<SegmentSummary> {
    for (const { file, segment } of this.#segments()) {
      const walk = file.frames();
      let step = walk.next();
      while (step.done !== true) step = walk.next();
      const hash = createHash('sha256');
      const bytes = file.size;
      file.readThrough(bytes, recordingLimits.readBytesMax, (chunk) => hash.update(chunk));
      yield { segment, closed: step.value.kind === 'closed', bytes, sha256: hash.digest('hex') };
    }
  }

  *#decode<T extends { readonly position: number }>(
    file: SegmentFile,
    frame: ScannedFrame,
    range: PositionRange,
    decode: (body: Buffer) => Iterable<T>,
  ): Generator<T> {
    const body = file.body(frame);
    const where = `${this.#where(file.header.segment)} frame ${frame.header.number}`;
    if (body === undefined) {
      this.#problem('frame-damaged', where, 'the frame does not fit its seal');
      return;
    }
    try {
      for (const record of decode(body)) {
        if (record.position < (range.from ?? 0)) continue;
        if (record.position > (range.to ?? Number.POSITIVE_INFINITY)) return;
        yield record;
      }
    } catch (error) {
      if (!(error instanceof FrameDecodeError)) throw error;
      this.#problem('frame-damaged', where, `the frame cannot be read: ${error.message}`);
    }
  }

  *#frames(type: FrameType, range: PositionRange): Generator<{ file: SegmentFile; frame: ScannedFrame }> {
    let lastTag: Buffer | undefined;
    let lastSegment = 0;
    for (const { file, segment, last } of this.#segments()) {
      const chained =
        lastTag === undefined || segment !== lastSegment + 1 || file.header.previousTag.equals(lastTag);
      if (!chained) {
        this.#problem('segment-chain', this.#where(segment), 'the segment does not follow the one before it');
      }
      const walk = file.frames();
      let step = walk.next();
      while (step.done !== true) {
        const { header, tag } = step.value;
        lastTag = tag;
        const wanted =
          header.type === type &&
          header.lastPosition >= (range.from ?? 0) &&
          header.firstPosition <= (range.to ?? Number.POSITIVE_INFINITY);
        if (wanted) yield { file, frame: step.value };
        step = walk.next();
      }
      lastSegment = segment;
      this.#judge(segment, step.value, last);
    }
  }

  /** The last segment of a live session is open, and after a crash torn until the writer comes back to it. */
  #judge(segment: number, end: ScanEnd, last: boolean): void {
    if (end.kind === 'damaged') {
      this.#problem(
        'segment-damaged',
        this.#where(segment),
        `nothing can be read from byte ${end.offset} of the segment on`,
      );
    } else if (end.kind !== 'closed' && !last) {
      this.#problem('segment-unfinished', this.#where(segment), 'the segment ends without its end frame');
    }
  }

  *#segments(): Generator<{ file: SegmentFile; segment: number; last: boolean }> {
    const segments = listSegments(this.#place.files, this.#place.directory, this.session);
    if (segments.length === 0) {
      this.#problem(
        'recording-missing',
        this.session,
        'the recording is not there: removed, or past its retention',
      );
    }
    let expected = 1;
    for (const [index, segment] of segments.entries()) {
      if (segment !== expected) {
        this.#problem(
          'segment-missing',
          this.#where(expected),
          `segments ${expected} to ${segment - 1} are not there: removed, or past their retention`,
        );
      }
      expected = segment + 1;
      const file = SegmentFile.open(this.#place, this.session, segment);
      if (file === undefined) continue;
      if (file === 'damaged') {
        this.#problem('segment-damaged', this.#where(segment), 'the header does not fit its seal');
        continue;
      }
      try {
        yield { file, segment, last: index === segments.length - 1 };
      } finally {
        file.close();
      }
    }
  }

  #where(segment: number): string {
    return `${this.session} segment ${segment}`;
  }
}
