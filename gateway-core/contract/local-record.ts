import { z } from 'zod';
import { SessionId, Timestamp } from './ids.js';

/**
 * What the desktop's recording agent notes of a session on its own side, and how it reaches the gateway. The record
 * holds no value that was not masked already: hashes, counts and times, and what the person chose to keep.
 */

/**
 * Bytes of the raw stream under one hash: the stream that `GET .../stream` was upgraded to, per direction. The hash of
 * a block is SHA-256 over the session's salt and the block: what a client sends holds values that are masked
 * everywhere else, and from a plain hash they could be guessed. The salt comes with the 101 answer (`saltHeader`),
 * stays in memory on both sides and is gone with the session: hashes can be compared, not tried.
 */
export const wireBlockBytes = 64 * 1024;
export const wireSaltBytes = 32;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();

/** From the client to the gateway: up. From the gateway to the client: down. */
export const WireDirection = z.enum(['up', 'down']);
export type WireDirection = z.infer<typeof WireDirection>;

/** One direction of a stream at its end. `blocks`: SHA-256 over the hashes of all blocks, the last one cut or not. */
export const WireSum = z.strictObject({ bytes: count, blocks: sha256 });
export type WireSum = z.infer<typeof WireSum>;

export interface WireSums {
  readonly up: WireSum;
  readonly down: WireSum;
}

/** The raw stream under a session, as it is hashed while it passes. */
export interface SessionWire {
  /** Hands over every block's entry (recording/wire-content.ts): those from before, and each that comes. */
  keep(sink: (entry: Uint8Array) => void): void;
  /** Blocks so far, both directions. */
  readonly blocks: number;
  /** What has passed, once nothing more will. Hands over what is left of the blocks. Again: the same. */
  finish(): WireSums;
}

/**
 * The clocks of every record: the wall's, milliseconds of a monotonic one, and which run of the machine the latter
 * counts in. Order is that of the spool; the clocks say how far the wall's can be believed.
 */
const clocks = { at: Timestamp, monoMs: z.number().nonnegative(), boot: z.string().max(64) };

export const LocalRecord = z.discriminatedUnion('kind', [
  /** Before the first byte of the session is forwarded. */
  z.strictObject({
    ...clocks,
    kind: z.literal('opened'),
    session: SessionId,
    connection: z.string().max(63),
    /** tunnel: a program of the person; built-in: the SQL editor and the like. */
    by: z.enum(['tunnel', 'built-in']),
    lineage: z.enum(['attributed', 'unattributed']),
    pid: count.optional(),
    startTicks: z.string().max(32).optional(),
    /** Of the desktop's own version. */
    version: z.string().max(64),
  }),
  /** Hashes of blocks `from`, `from + 1`, ... of one direction; only whole blocks but for the last of the session. */
  z.strictObject({
    ...clocks,
    kind: z.literal('wire'),
    session: SessionId,
    direction: WireDirection,
    from: count,
    hashes: z.array(sha256).min(1).max(256),
  }),
  /** What a built-in client has shown: SHA-256 over the DataRow messages, as they came, of one result. */
  z.strictObject({
    ...clocks,
    kind: z.literal('shown'),
    session: SessionId,
    /** Of the session's results with columns, counted from 1. */
    result: z.number().int().positive(),
    columns: count,
    rows: count,
    sha256,
    /** False when the person stopped the result before its end. */
    complete: z.boolean(),
  }),
  /** A result that the person kept or exported: masked, as the gateway gave it. */
  z.strictObject({
    ...clocks,
    kind: z.literal('kept'),
    session: SessionId,
    result: z.number().int().positive(),
    format: z.string().max(16),
    rows: count,
    bytes: count,
    sha256,
  }),
  z.strictObject({
    ...clocks,
    kind: z.literal('closed'),
    session: SessionId,
    up: WireSum,
    down: WireSum,
    /** client: the program left; gateway: the stream ended there; fault: this side broke. */
    cause: z.enum(['client', 'gateway', 'fault']),
  }),
  /** Records that could not be kept: the disk was full. What follows is whole again. */
  z.strictObject({
    ...clocks,
    kind: z.literal('gap'),
    lost: count,
    since: Timestamp,
    reason: z.string().max(200),
  }),
  /** The gateway's log does not hold what this desktop holds of it. Both signed notes, as they came. */
  z.strictObject({
    ...clocks,
    kind: z.literal('log-conflict'),
    kept: z.string().max(4096),
    given: z.string().max(4096),
    why: z.string().max(200),
  }),
]);
export type LocalRecord = z.infer<typeof LocalRecord>;

/** A line of a bundle's desktop.ndjson. `record`: the bytes that were uploaded, which are JSON. */
export const DesktopLine = z.strictObject({
  device: z.string().max(64),
  segment: count,
  seq: count,
  receivedAt: Timestamp,
  record: z.string().max(64 * 1024),
});
export type DesktopLine = z.infer<typeof DesktopLine>;

export const spoolLimits = {
  recordBytesMax: 64 * 1024,
  recordsPerAppendMax: 500,
  appendBytesMax: 1024 * 1024,
  recordsPerSegmentMax: 100_000,
  segmentBytesMax: 16 * 1024 * 1024,
} as const;

/** What waits at a desktop to be uploaded. */
export const SpoolBacklog = z.object({ records: count, bytes: count, oldestAt: Timestamp.optional() });
export type SpoolBacklog = z.infer<typeof SpoolBacklog>;

/**
 * `POST /v1/spool/DEVICE/SEGMENT`: appends records, exactly once. `from` is the number of the first record within the
 * segment. Records that are there already are passed over when they are the same bytes.
 *
 * Answers: 200 SpoolAck, durable. 409 `conflict` with `fields.next`: `from` is beyond what is there, go on at `next`.
 * 422 `verification-failed`: a record is there already with other bytes: two spools use one name; nothing was kept.
 * 403 `denied`: the device of the path is not the one that asks, a delegation asks, or (`fields.record`) a record is of a
 * session that was not given to this device. 413 `too-large`: this upload, or all of the device's room. 400
 * `invalid-request`: no LocalRecord. 429 `rate-limited` and 503 pass by themselves.
 */
export const SpoolAppend = z
  .object({
    from: count.max(spoolLimits.recordsPerSegmentMax),
    records: z.array(z.string().min(2).max(spoolLimits.recordBytesMax)).max(spoolLimits.recordsPerAppendMax),
    /** No more will come to this segment. */
    last: z.boolean().optional(),
    /** For people to see: what still waits at this desktop, this request included. */
    backlog: SpoolBacklog.optional(),
  })
  .strict();
export type SpoolAppend = z.infer<typeof SpoolAppend>;

export const SpoolAck = z.object({
  /** Number of the record that comes next. */
  next: count,
  /** Chain over all records before it: `spoolHead`. */
  head: sha256,
});
export type SpoolAck = z.infer<typeof SpoolAck>;

/**
 * SHA-256 of it is a segment's first head; each further one is SHA-256 over the head before and the SHA-256 of the
 * record's UTF-8, 32 bytes each. `recording/spool-head.ts` is both.
 */
export const spoolHeadStart = (device: string, segment: number): string =>
  `throughline spool v1\n${device}\n${segment}\n`;

/** On the 101 answer of a stream: the session that it will be. */
export const sessionHeader = 'throughline-session';
/** On the same answer: the salt of the session's block hashes, hex. */
export const saltHeader = 'throughline-salt';
/** On the request for a stream: `SEGMENT` of a spool that works, where the session's records will come from. */
export const spoolHeader = 'throughline-spool';

/** `POST /v1/receipts`: proof for a desktop that the log holds its sessions and still holds what it held. */
export const ReceiptRequest = z
  .object({
    /** Size of the newest checkpoint that this desktop keeps; 0: none. */
    kept: count,
    sessions: z.array(SessionId).max(50),
  })
  .strict();
export type ReceiptRequest = z.infer<typeof ReceiptRequest>;

export const ReceiptResponse = z.object({
  /** C2SP signed note. */
  checkpoint: z.string().max(64 * 1024),
  /** RFC 6962 2.1.2, base64, from `kept` to the checkpoint; empty when `kept` is 0 or the same. */
  consistency: z.array(z.string().length(44)).max(64),
  /** For each session that the log knows: its start, and its end once it has one. */
  entries: z
    .array(
      z.object({
        session: SessionId,
        index: count,
        leaf: z.string().max(65_535),
        /** RFC 6962 2.1.1, base64. */
        proof: z.array(z.string().length(44)).max(64),
      }),
    )
    .max(100),
});
export type ReceiptResponse = z.infer<typeof ReceiptResponse>;
