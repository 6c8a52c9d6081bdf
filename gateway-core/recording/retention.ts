import type { SessionId } from '../contract/ids.js';
import { frameTypes } from './format.js';
import { listSegments, listSessions, segmentPath, sessionDirectory } from './paths.js';
import { RecordingReader } from './reader.js';
import { type RecordingPlace, SegmentFile } from './segment-file.js';

export interface RetentionResult {
  readonly segments: number;
  readonly bytes: number;
  /** Sessions of which nothing is left. */
  readonly sessions: readonly SessionId[];
}

/**
 * Removes closed segments whose last record is older than `beforeMs` (milliseconds since 1970). The audit log keeps
 * its hashes, so every proof still holds; with a session's last segment its key and salts are gone too. Open segments
 * and damaged ones are left. Throws the system's error; what was removed until then stays removed.
 */
export async function removeSegmentsBefore(
  place: RecordingPlace,
  beforeMs: number,
): Promise<RetentionResult> {
  let segments = 0;
  let bytes = 0;
  const sessions: SessionId[] = [];
  for (const session of listSessions(place.files, place.directory)) {
    let left = 0;
    let removed = 0;
    const numbers = listSegments(place.files, place.directory, session);
    for (const segment of numbers) {
      // From the front only: what is left of a recording has no hole in it.
      const size = left > 0 ? undefined : expiredBytes(place, session, segment, beforeMs);
      // A live session keeps its last segment: number and key of the next one come from it.
      if (size === undefined || (segment === numbers.at(-1) && !hasEnded(place, session))) {
        left += 1;
        continue;
      }
      place.files.removeFile(segmentPath(place.directory, session, segment));
      removed += 1;
      bytes += size;
    }
    segments += removed;
    if (removed === 0) continue;
    const directory = sessionDirectory(place.directory, session);
    await place.files.syncDirectory(directory);
    if (left > 0) continue;
    sessions.push(session);
    place.files.removeDirectory(directory);
  }
  return { segments, bytes, sessions };
}

function hasEnded(place: RecordingPlace, session: SessionId): boolean {
  for (const { event } of new RecordingReader(place, session).events()) {
    if (event.kind === 'session.ended') return true;
  }
  return false;
}

function expiredBytes(
  place: RecordingPlace,
  session: SessionId,
  segment: number,
  beforeMs: number,
): number | undefined {
  const file = SegmentFile.open(place, session, segment);
  if (file === undefined || file === 'damaged') return undefined;
  try {
    const walk = file.frames();
    for (let step = walk.next(); ; step = walk.next()) {
      if (step.done === true) return undefined;
      if (step.value.header.type !== frameTypes.end) continue;
      // The end frame's time is trusted only with its seal.
      const sealed = file.body(step.value) !== undefined;
      return sealed && step.value.header.lastAtMs < beforeMs ? file.size : undefined;
    }
  } finally {
    file.close();
  }
}
