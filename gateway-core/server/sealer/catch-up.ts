import { parseLeaf } from '../../audit/leaf.js';
import type { Log } from '../../audit/log.js';
import type { SessionId } from '../../contract/ids.js';
import { RecordingReader } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import type { IndexChanges, IndexDatabase } from './index-database.js';
import { sealerLimits } from './limits.js';
import { SearchChunk } from './search-chunk.js';
import { recordedSession, SessionFeed } from './session-feed.js';

const entriesAtOnce = 5000;

interface CatchUp {
  readonly index: IndexDatabase;
  readonly log: Pick<Log, 'size' | 'entries'>;
  readonly place: RecordingPlace;
  /** Position of the last event in the log; later records come from the journal again. */
  readonly committed: number;
}

/**
 * Puts into the index what log and recordings hold and it does not: after a crash the last moments, for a new or
 * removed index everything. Words of recordings that cannot be read are left out; who reads them is told.
 */
export function catchUpIndex({ index, log, place, committed }: CatchUp): void {
  const searchedTo = index.searchedTo;
  const feed = new SessionFeed(index);
  const touched = new Set<SessionId>();
  for (let from = Math.min(index.loggedTo, searchedTo); from < log.size; from += entriesAtOnce) {
    const to = Math.min(from + entriesAtOnce, log.size);
    const { loggedTo } = index;
    let at = from;
    for (const entry of log.entries(from, to)) {
      const event = parseLeaf(entry);
      if (event !== undefined && at >= loggedTo) {
        feed.event(event, event.pos, recordedSession(event));
        feed.entry(event, at);
      }
      if (event !== undefined && at >= searchedTo && 'session' in event && event.session !== undefined) {
        touched.add(event.session);
      }
      at += 1;
    }
    const { changes: sessions, refs, verdicts } = feed;
    index.apply({ sessions, refs, verdicts, chunks: [], loggedTo: Math.max(loggedTo, to), searchedTo });
    feed.applied();
  }
  for (const session of touched) {
    for (const chunk of chunksOf(index, place, session, committed)) {
      index.apply({ sessions: [], refs: [], verdicts: [], chunks: [chunk], loggedTo: log.size, searchedTo });
    }
  }
  if (searchedTo < log.size)
    index.apply({
      sessions: [],
      refs: [],
      verdicts: [],
      chunks: [],
      loggedTo: log.size,
      searchedTo: log.size,
    });
}

/** The session's records behind its last document, as documents. */
function* chunksOf(
  index: IndexDatabase,
  place: RecordingPlace,
  session: SessionId,
  committed: number,
): Generator<IndexChanges['chunks'][number]> {
  const reader = new RecordingReader(place, session);
  const left = new Map<number, number>();
  let chunk: SearchChunk | undefined;
  for (const item of reader.items({ from: index.lastChunkPosition(session) + 1, to: committed })) {
    chunk ??= new SearchChunk(0, 0);
    if (item.kind === 'event') {
      chunk.event(item.position, item.event);
      if (item.event.kind === 'statement.ended') left.delete(item.event.seq);
    } else {
      const bytesLeft = left.get(item.seq) ?? sealerLimits.searchContentBytesMax;
      left.set(item.seq, Math.max(0, bytesLeft - item.bytes.length));
      chunk.content(item.position, item.seq, item.stream, item.bytes.subarray(0, bytesLeft));
    }
    if (chunk.isDue(0)) {
      yield toChange(session, chunk);
      chunk = undefined;
    }
  }
  if (chunk !== undefined) yield toChange(session, chunk);
}

function toChange(session: SessionId, chunk: SearchChunk): IndexChanges['chunks'][number] {
  const { firstPosition, lastPosition, text } = chunk;
  return { session, firstPosition, lastPosition, text };
}
