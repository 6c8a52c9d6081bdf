import type { DataStream } from './data-streams.js';
import type { Appended } from './decision.js';
import type { ThroughlineError } from './errors.js';
import type { AuditEvent, AuditEventInput } from './events.js';
import type { SessionId } from './ids.js';

/** recorded: handed to the kernel. durable: fdatasync returned. */
export type Durability = 'recorded' | 'durable';

/** What a piece of recorded content is. The number is the one on disk: never reused. */
export const contentStreams = {
  /** Protocol messages to the client that make up a result: row description and rows, masked. */
  rows: 1,
  /** COPY data to the client, masked. */
  'copy-out': 2,
  /** COPY data from the client, values masked by detectors. */
  'copy-in': 3,
  /** Errors, notices, notifications to the client, masked. */
  messages: 4,
  /**
   * Hashes of the raw stream's blocks (recording/wire-sum.ts), as they were completed. Belongs to no statement (its
   * number is 0): no result, search or replay holds it.
   */
  wire: 5,
  /** What a terminal was sent, masked: bytes with escape sequences. */
  terminal: 6,
  /** Output of a program without a terminal, masked. */
  stdout: 7,
  stderr: 8,
  /** The terminal's size from here on: `COLUMNSxROWS` in ASCII. */
  'terminal-size': 9,
  /** What a file was found to hold, and what was put into it, from its first byte on without a gap, masked. */
  'file-read': 10,
  'file-written': 11,
} as const;
export type ContentStream = keyof typeof contentStreams;

/** What recorded content means, for one statement: protocol bytes in, items without their place in time out. */
export type ProjectedItem =
  | { readonly kind: 'columns'; readonly columns: string[] }
  | { readonly kind: 'row'; readonly values: (string | null)[] }
  | {
      readonly kind: 'data';
      readonly stream: DataStream;
      readonly text: string;
      /** The exact bytes, where `text` cannot say them: they are not UTF-8, or a character is cut. */
      readonly base64?: string;
    }
  | { readonly kind: 'message'; readonly severity: string; readonly text: string }
  /** What a terminal was sent: text with escape sequences, as hostile as any. */
  | { readonly kind: 'terminal'; readonly data: string }
  | { readonly kind: 'size'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly kind: 'problem'; readonly code: string; readonly text: string };

export interface ContentProjection {
  /** Content in order. A message may be cut anywhere between two calls. Never throws: what cannot be read is a problem. */
  items(stream: ContentStream, bytes: Buffer): Iterable<ProjectedItem>;
  /** The statement has ended: a problem when the content stops in the middle of a message. */
  end(): Iterable<ProjectedItem>;
}

/** Makes the projection for one statement of a session. */
export type Project = () => ContentProjection;

export type JournalFailure = ThroughlineError & { readonly code: 'not-recordable' };

/**
 * The data path's one way to make something kept. Handed to the proxies; implemented by the store's journal.
 * Calls take effect in call order, across sessions; a callback is called, in call order, once its record and
 * everything before it has the asked durability. Callbacks are called from the event loop, never inside the call.
 *
 * INVARIANT: after one failure every later call fails too, until `recover` has proved that the disk takes writes
 * again: a gateway that cannot keep does not move bytes.
 */
export interface Recorder {
  event(
    event: AuditEventInput,
    durability: Durability,
    done: (appended: Appended | JournalFailure) => void,
  ): void;
  /** Copies `bytes` before it returns. Content is at least `recorded` when a later `flush` or event of it calls back. */
  content(session: SessionId, seq: number, stream: ContentStream, bytes: Uint8Array): void;
  /**
   * Calls back once everything handed over so far is recorded. Cheap: all callers of one turn share one write.
   * With `session` it also fails when content of that session was lost to a failure that is over by now; without it,
   * call it in the same turn as the content.
   */
  flush(done: (failure?: JournalFailure) => void, session?: SessionId): void;
  /** Bytes that were recorded and are not yet sealed into segments. A proxy pauses its target above `backlogBytesMax`. */
  backlogBytes(): number;
  readonly failed: JournalFailure | undefined;
}

/** What a reader of the journal gets, in position order. */
export type JournalRecord =
  | { readonly position: number; readonly kind: 'event'; readonly event: AuditEvent }
  | {
      readonly position: number;
      readonly kind: 'content';
      /** Milliseconds since 1970, when it was handed over. */
      readonly atMs: number;
      readonly session: SessionId;
      readonly seq: number;
      readonly stream: ContentStream;
      readonly bytes: Uint8Array;
    };

/**
 * The journal as the sealer reads it, from another thread or after a crash, while it is being written.
 * INVARIANT: a record is given at most once per `read` position, whole, and only after its seal was checked.
 */
export interface JournalSource {
  /** Records from `position` on that are complete by now, in order; ends where the written part ends. Bounded memory. */
  read(position: number): Iterable<JournalRecord>;
  /** Everything before `position` stands durably elsewhere: files that hold nothing else are deleted. */
  release(position: number): void;
  close(): void;
}
