import { parseJson } from '../audit/canonical.js';
import type { ReplayItem } from '../contract/api.js';
import { AuditEvent } from '../contract/events.js';
import { bundlePaths, EntryLine, EventLine } from '../contract/evidence.js';
import { type SessionId, sessionTimeMs } from '../contract/ids.js';
import type { Project } from '../contract/recorder.js';
import { SessionReplay } from '../recording/session-replay.js';
import { ContentCursor } from './verify/content.js';
import { EntryIndex } from './verify/entry-index.js';
import { jsonOf, lineBatches } from './verify/lines.js';
import type { ZipReader } from './zip/read.js';

const noHash = new Uint8Array(32);

/** Which records of a recording an event stands between: the log's entries say it. */
async function positionsIn(zip: ZipReader): Promise<EntryIndex> {
  const positions = new EntryIndex();
  let before = -1;
  for await (const batch of lineBatches(zip.content(bundlePaths.entries))) {
    for (const text of batch ?? []) {
      const read = EntryLine.safeParse(jsonOf(text));
      if (!read.success || read.data.index <= before) continue;
      before = read.data.index;
      const leaf = parseJson(Buffer.from(read.data.leaf))?.value as { readonly pos?: unknown } | undefined;
      positions.add(before, typeof leaf?.pos === 'number' ? leaf.pos : undefined, noHash, false);
    }
  }
  return positions;
}

/**
 * A session of a bundle as it went, as a gateway's own replay gives it. Proves nothing: `verifyBundle` does. What cannot
 * be read is an item of its own. Memory: a few numbers for each entry of the log, a line and a frame.
 * @throws ZipError, and what reading throws
 */
export async function* replayBundle(
  zip: ZipReader,
  session: SessionId,
  project: Project,
): AsyncGenerator<ReplayItem> {
  const replay = new SessionReplay(sessionTimeMs(session), project);
  const positions = await positionsIn(zip);
  const path = bundlePaths.content(session);
  const cursor = new ContentCursor(zip.has(path) ? zip.content(path) : noPieces());
  async function* before(position: number): AsyncGenerator<ReplayItem> {
    for (;;) {
      const record = await cursor.next(position);
      if (record === undefined) return;
      yield* replay.items({ kind: 'content', ...record });
    }
  }
  for await (const batch of lineBatches(zip.content(bundlePaths.events(session)))) {
    for (const text of batch ?? []) {
      const line = EventLine.safeParse(jsonOf(text));
      const event = AuditEvent.safeParse(line.data?.event);
      if (!line.success || !event.success) {
        yield { kind: 'problem', code: 'event-invalid', text: 'an event of this session cannot be read' };
        continue;
      }
      const { index } = line.data;
      const row = positions.find(index);
      const position = row === undefined ? undefined : positions.position(row);
      if (position !== undefined) yield* before(position);
      yield* replay.items({ kind: 'event', position: position ?? -1, logIndex: index, event: event.data });
    }
  }
  yield* before(Number.POSITIVE_INFINITY);
  if (cursor.problem !== undefined)
    yield { kind: 'problem', code: cursor.problem.code, text: `what came back: ${cursor.problem.message}` };
}

async function* noPieces(): AsyncGenerator<Uint8Array> {}
