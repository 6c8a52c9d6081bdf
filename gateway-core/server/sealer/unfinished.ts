import type { AuditEventInput } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import { timeMs } from '../../recording/event-codec.js';
import { RecordingReader } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';

/** A session that a stopped gateway left open, and the events that end it, in order. */
export interface UnfinishedSession {
  readonly session: SessionId;
  readonly events: readonly AuditEventInput[];
}

const runs: ReadonlySet<string> = new Set(['allowed', 'approved', 'held']);

/**
 * What ends a session that was live when its gateway stopped: an outcome for every statement that had none, and the
 * session's end. Byte counts are those of the outcomes that were recorded; what the client had sent is not known.
 */
export function endingOf(place: RecordingPlace, session: SessionId): UnfinishedSession {
  const open = new Map<number, number>();
  let statements = 0;
  let bytesToClient = 0;
  let lastMs = 0;
  for (const { event } of new RecordingReader(place, session).events()) {
    const atMs = timeMs(event.at) ?? lastMs;
    lastMs = Math.max(lastMs, atMs);
    if (event.kind === 'statement.decided') {
      statements = Math.max(statements, event.seq);
      if (runs.has(event.decision)) open.set(event.seq, open.get(event.seq) ?? atMs);
      else open.delete(event.seq);
    } else if (event.kind === 'statement.ended') {
      open.delete(event.seq);
      bytesToClient += event.bytes;
    }
  }
  const events: AuditEventInput[] = [...open].map(([seq, sinceMs]) => ({
    kind: 'statement.ended',
    session,
    seq,
    state: 'interrupted',
    durationUs: Math.max(0, lastMs - sinceMs) * 1000,
    bytes: 0,
    maskedValues: 0,
  }));
  events.push({
    kind: 'session.ended',
    session,
    endCause: 'gateway-restart',
    statements,
    bytesFromClient: 0,
    bytesToClient,
    reason: 'the gateway stopped while the session was live',
  });
  return { session, events };
}
