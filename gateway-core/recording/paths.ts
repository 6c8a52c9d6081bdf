import { join } from 'node:path';
import { SessionId, sessionTimeMs } from '../contract/ids.js';
import type { RecordingFiles } from './files.js';

/**
 * `DIRECTORY/2026-11-20/ses_.../00000001.tlrec`: one directory per day keeps directories short and lets retention
 * walk from the oldest.
 */
const segmentName = /^(\d{8})\.tlrec$/;
const dayName = /^\d{4}-\d\d-\d\d$/;
/** Throws when `session` has not the form of a SessionId: it becomes a path. */
export function sessionDirectory(directory: string, session: SessionId): string {
  SessionId.parse(session);
  const ms = sessionTimeMs(session);
  // A ULID can name years that a date cannot; they share one directory.
  const day = ms < 253_402_300_800_000 ? new Date(ms).toISOString().slice(0, 10) : '9999-12-31';
  return join(directory, day, session);
}

export function segmentPath(directory: string, session: SessionId, segment: number): string {
  return join(sessionDirectory(directory, session), `${String(segment).padStart(8, '0')}.tlrec`);
}

/** Numbers of the segments that are there, ascending. */
export function listSegments(files: RecordingFiles, directory: string, session: SessionId): number[] {
  const numbers: number[] = [];
  for (const name of files.list(sessionDirectory(directory, session))) {
    const match = segmentName.exec(name);
    if (match !== null) numbers.push(Number(match[1]));
  }
  return numbers;
}

/** Every session that has a directory, oldest day first. */
export function* listSessions(files: RecordingFiles, directory: string): Generator<SessionId> {
  for (const day of files.list(directory)) {
    if (!dayName.test(day)) continue;
    for (const name of files.list(join(directory, day))) {
      const session = SessionId.safeParse(name);
      if (session.success) yield session.data;
    }
  }
}
