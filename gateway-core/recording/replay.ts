import type { ReplayItem } from '../contract/api.js';
import { sessionTimeMs } from '../contract/ids.js';
import type { Project } from '../contract/recorder.js';
import type { PositionRange, RecordingReader } from './reader.js';
import { SessionReplay } from './session-replay.js';

/**
 * A session as it went: statements, what came back, outcomes, in the order in which they were recorded. Reads as it
 * is asked, so memory stays at one frame however long the session is. What is missing or damaged is an item of its
 * own, where it was noticed. `range`: that part of it alone.
 */
export function* replay(
  reader: RecordingReader,
  project: Project,
  range: PositionRange = {},
): Generator<ReplayItem> {
  const session = new SessionReplay(sessionTimeMs(reader.session), project);
  let reported = 0;
  function* problems(): Generator<ReplayItem> {
    for (const { code, where, message } of reader.problems.slice(reported)) {
      reported += 1;
      yield { kind: 'problem', code, text: `${where}: ${message}` };
    }
  }
  for (const item of reader.items(range)) {
    yield* problems();
    yield* session.items(item);
  }
  yield* problems();
}
