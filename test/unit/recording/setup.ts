import fc from 'fast-check';
import type { AuditEvent } from '../../../gateway-core/contract/events.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import { type ContentStream, contentStreams } from '../../../gateway-core/contract/recorder.js';
import type { RecordingPlace } from '../../../gateway-core/recording/segment-file.js';
import { RecordingWriter } from '../../../gateway-core/recording/writer.js';
import { SimulatedFiles } from '../../sim/sealer-files.js';
import { sessionId } from '../../sim/sealer-journal.js';

export const session: SessionId = sessionId(1);

export function newPlace(segmentBytes = 32 * 1024 * 1024): RecordingPlace & { files: SimulatedFiles } {
  return {
    files: new SimulatedFiles(),
    directory: '/recordings',
    masterKey: Buffer.alloc(32, 9),
    segmentBytes,
  };
}

export function open(place: RecordingPlace, committed = -1): RecordingWriter {
  return new RecordingWriter(place, session, { log: committed, session: committed });
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
);
/** As JSON may bring it: with halves of surrogate pairs. */
const anyText = fc.oneof(
  text,
  text.map((one) => `${one}\ud83d`),
);
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const at = fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString());
const base = { v: fc.constant(1 as const), at, node: fc.constantFrom('node-1', 'knoten-ü') };
const decision = fc.constantFrom(
  'allowed',
  'denied',
  'held',
  'approved',
  'refused',
  'timed-out',
  'interrupted',
);

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

function compact<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([name, one]: [string, unknown]) => [name, compact(one)]),
  ) as T;
}

/** Any event that stands in a session's recording. */
export const anyEvent: fc.Arbitrary<AuditEvent> = fc
  .oneof(
    fc.record({
      ...base,
      kind: fc.constant('statement.decided'),
      session: fc.constant(session),
      seq: fc.integer({ min: 1 }),
      decision,
      policy: fc.array(anyText, { maxLength: 3 }),
      policyVersion: anyText,
      action: anyText,
      command: anyText,
      payload: fc.record({
        text: anyText,
        parameters: optional(fc.array(fc.option(anyText), { maxLength: 4 })),
        message: optional(anyText),
        exactHash: fc.oneof(hash, anyText),
      }),
    }),
    fc.record({
      ...base,
      kind: fc.constant('statement.ended'),
      session: fc.constant(session),
      seq: fc.integer({ min: 1 }),
      state: fc.constantFrom('ok', 'error', 'interrupted'),
      durationUs: count,
      rows: optional(count),
      bytes: count,
      maskedValues: count,
      contentHash: optional(fc.oneof(hash, anyText)),
      rest: optional(fc.record({ bytes: count, sha256: fc.oneof(hash, anyText) })),
      error: optional(fc.record({ code: anyText })),
      payload: optional(fc.record({ tag: optional(anyText), error: optional(anyText) })),
    }),
    fc.record({
      ...base,
      kind: fc.constant('session.ended'),
      session: fc.constant(session),
      endCause: fc.constantFrom('client', 'fault', 'gateway-restart'),
      statements: fc.nat(),
      bytesFromClient: fc.nat(),
      bytesToClient: fc.nat(),
      reason: optional(anyText),
    }),
  )
  .map((event) => compact(event) as unknown as AuditEvent);

export type AnyRecord =
  | { readonly kind: 'event'; readonly event: AuditEvent }
  | {
      readonly kind: 'content';
      readonly atMs: number;
      readonly seq: number;
      readonly stream: ContentStream;
      readonly bytes: Buffer;
    };

export const anyRecord: fc.Arbitrary<AnyRecord> = fc.oneof(
  anyEvent.map((event) => ({ kind: 'event' as const, event })),
  fc.record({
    kind: fc.constant('content' as const),
    atMs: fc.nat({ max: 2 ** 41 }),
    seq: fc.nat({ max: 2 ** 32 - 1 }),
    stream: fc.constantFrom(...(Object.keys(contentStreams) as ContentStream[])),
    bytes: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  }),
);
