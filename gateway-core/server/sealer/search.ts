import { PostgresContent } from '../../codec/postgres/content.js';
import type { SearchHit, SessionView } from '../../contract/api.js';
import type { ContentProjection, ProjectedItem } from '../../contract/recorder.js';
import { type RecordedItem, RecordingReader } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import type { ChunkPlace, IndexDatabase } from './index-database.js';
import { sealerLimits } from './limits.js';
import { statementSearchText } from './search-chunk.js';
import { matchExpression, parseQuery, type SearchQuery, textMatches } from './search-text.js';

const chunksAtOnce = 64;

/**
 * Finds statements and lines of masked content, newest documents first. The index only says where to look; what is
 * given stands in the recording, letter for letter. Yields `undefined` where the caller may let others have their turn.
 */
export function* search(
  index: IndexDatabase,
  place: RecordingPlace,
  text: string,
  limit: number,
): Generator<SearchHit | undefined> {
  const query = parseQuery(text);
  if (query === undefined) return;
  const expression = matchExpression(query);
  let left = Math.min(limit, sealerLimits.searchHitsMax);
  let before = Number.MAX_SAFE_INTEGER;
  for (let looked = 0; looked < sealerLimits.searchChunksMax && left > 0; looked += chunksAtOnce) {
    const chunks = index.chunks(expression, before, chunksAtOnce);
    for (const chunk of chunks) {
      before = chunk.id;
      const session = index.session(chunk.session);
      if (session === undefined) continue;
      for (const hit of hitsOf(query, chunk, session, place)) {
        yield hit;
        if (hit !== undefined) left -= 1;
        if (left <= 0) return;
      }
      yield undefined;
    }
    if (chunks.length < chunksAtOnce) return;
  }
}

function* hitsOf(
  query: SearchQuery,
  chunk: ChunkPlace,
  session: SessionView,
  place: RecordingPlace,
): Generator<SearchHit | undefined> {
  const reader = new RecordingReader(place, chunk.session);
  const projections = new Map<number, ContentProjection>();
  const common = { session: session.id, connection: session.connection, principal: session.principal };
  for (const item of reader.items({ from: chunk.firstPosition, to: chunk.lastPosition })) {
    for (const found of textsOf(item, projections)) {
      if (!textMatches(query, found.searched)) continue;
      const { seq, at, where, shown } = found;
      yield { ...common, seq, at, where, text: shown.slice(0, sealerLimits.hitTextMax) };
    }
    yield undefined;
  }
}

interface FoundText {
  readonly seq: number;
  readonly at: string;
  readonly where: SearchHit['where'];
  readonly searched: string;
  readonly shown: string;
}

function* textsOf(item: RecordedItem, projections: Map<number, ContentProjection>): Generator<FoundText> {
  if (item.kind === 'event') {
    const { event } = item;
    if (event.kind === 'statement.ended') projections.delete(event.seq);
    if (event.kind !== 'statement.decided') return;
    const { seq, at, payload } = event;
    yield { seq, at, where: 'statement', searched: statementSearchText(event), shown: payload.text };
    return;
  }
  let projection = projections.get(item.seq);
  if (projection === undefined) {
    projection = new PostgresContent();
    projections.set(item.seq, projection);
  }
  const at = new Date(item.atMs).toISOString();
  for (const projected of projection.items(item.stream, item.bytes)) {
    for (const line of linesOf(projected))
      yield { seq: item.seq, at, where: 'content', searched: line, shown: line };
  }
}

function linesOf(item: ProjectedItem): readonly string[] {
  switch (item.kind) {
    case 'row':
      return [item.values.map((value) => value ?? '').join(' | ')];
    case 'data':
      return item.text.split('\n');
    case 'message':
      return [item.text];
    case 'columns':
    case 'problem':
      return [];
  }
}
