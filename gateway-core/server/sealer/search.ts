import { statementContent } from '../../codec/content.js';
import { TextLines } from '../../codec/terminal/lines.js';
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
  const statements = new Map<number, Statement>();
  const common = { session: session.id, connection: session.connection, principal: session.principal };
  for (const item of reader.items({ from: chunk.firstPosition, to: chunk.lastPosition })) {
    for (const found of textsOf(item, statements)) {
      if (!textMatches(query, found.searched)) continue;
      const { seq, at, where, shown } = found;
      yield { ...common, seq, at, where, text: shown.slice(0, sealerLimits.hitTextMax) };
    }
    yield undefined;
  }
  // The chunk may end in the middle of a line.
  for (const [seq, { lines, at }] of statements) {
    for (const line of lines.end()) {
      if (textMatches(query, line))
        yield { ...common, seq, at, where: 'content', text: line.slice(0, sealerLimits.hitTextMax) };
    }
  }
}

interface FoundText {
  readonly seq: number;
  readonly at: string;
  readonly where: SearchHit['where'];
  readonly searched: string;
  readonly shown: string;
}

/** A statement's content while it is read. */
interface Statement {
  readonly projection: ContentProjection;
  readonly lines: TextLines;
  /** When the last of it came. */
  at: string;
}

function* textsOf(item: RecordedItem, statements: Map<number, Statement>): Generator<FoundText> {
  if (item.kind === 'event') {
    const { event } = item;
    if (event.kind === 'statement.ended') {
      const last = statements.get(event.seq)?.lines.end() ?? [];
      statements.delete(event.seq);
      for (const line of last) yield contentText(event.seq, event.at, line);
    }
    if (event.kind !== 'statement.decided') return;
    const { seq, at, payload } = event;
    yield { seq, at, where: 'statement', searched: statementSearchText(event), shown: payload.text };
    return;
  }
  const { seq } = item;
  const at = new Date(item.atMs).toISOString();
  const statement = statements.get(seq) ?? { projection: statementContent(), lines: new TextLines(), at };
  statement.at = at;
  statements.set(seq, statement);
  for (const projected of statement.projection.items(item.stream, item.bytes)) {
    for (const line of linesOf(projected, statement.lines)) yield contentText(seq, at, line);
  }
}

function contentText(seq: number, at: string, line: string): FoundText {
  return { seq, at, where: 'content', searched: line, shown: line };
}

function linesOf(item: ProjectedItem, lines: TextLines): readonly string[] {
  switch (item.kind) {
    case 'row':
      return [item.values.map((value) => value ?? '').join(' | ')];
    case 'data':
      return item.text.split('\n');
    case 'message':
      return [item.text];
    case 'terminal':
      return lines.push('terminal', item.data);
    case 'output':
      return lines.push(item.stream, item.text);
    case 'size':
    case 'columns':
    case 'problem':
      return [];
  }
}
