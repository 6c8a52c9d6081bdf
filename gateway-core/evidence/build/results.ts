import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { ResultFormat } from '../../contract/evidence.js';
import type { SessionId } from '../../contract/ids.js';
import type { ProjectedItem } from '../../contract/recorder.js';
import { distinctNames, formatOf } from '../../contract/result-text.js';
import type { RecordedContent } from '../../recording/content-codec.js';
import { RecordingReader } from '../../recording/reader.js';
import type { BundleInput } from './input.js';
import type { ResultPlace } from './session-files.js';

const parquetRows = 20_000;
const parquetBytes = 32 * 1024 * 1024;

type Row = readonly (string | null)[];

type Piece = Pick<RecordedContent, 'stream' | 'bytes'>;

/** What one statement returned, as often as it is asked for: every format reads it anew. */
export interface StatementContent {
  readonly place: ResultPlace;
  pieces(): Iterable<Piece>;
}

/** Content of statements that are open at once and of one of them, held so that it need not be read again. */
const heldBytesMax = 16 * 1024 * 1024;
const heldOfOneBytesMax = 1024 * 1024;

/**
 * What each statement returned, in the order in which they ended, in one reading of the recording: a session of many
 * small results must not be read once for each. A large one is read again, by itself, when it is asked for.
 */
export function* statementContents(
  input: BundleInput,
  session: SessionId,
  places: ReadonlyMap<number, ResultPlace>,
): Generator<StatementContent> {
  const open = new Map<number, { pieces: Piece[]; bytes: number }>();
  let held = 0;
  let last = -1;
  for (const { to } of places.values()) last = Math.max(last, to);
  for (const { position, seq, stream, bytes } of new RecordingReader(input.place, session).content({
    to: last,
  })) {
    const place = places.get(seq);
    if (place === undefined || place.terminal || stream === 'wire') continue;
    const one = open.get(seq) ?? { pieces: [], bytes: 0 };
    open.set(seq, one);
    const fits = one.bytes + bytes.length <= heldOfOneBytesMax && held + bytes.length <= heldBytesMax;
    // Infinity: it was too large once, so nothing of it is held any more.
    if (fits) {
      one.pieces.push({ stream, bytes: Buffer.from(bytes) });
      one.bytes += bytes.length;
      held += bytes.length;
    } else {
      if (Number.isFinite(one.bytes)) held -= one.bytes;
      one.pieces = [];
      one.bytes = Number.POSITIVE_INFINITY;
    }
    if (position < place.to) continue;
    open.delete(seq);
    if (Number.isFinite(one.bytes)) held -= one.bytes;
    const { pieces } = one;
    yield { place, pieces: () => (Number.isFinite(one.bytes) ? pieces : readAgain(input, session, place)) };
  }
}

function* readAgain(input: BundleInput, session: SessionId, place: ResultPlace): Generator<Piece> {
  const reader = new RecordingReader(input.place, session);
  for (const record of reader.content({ from: place.from, to: place.to })) {
    if (record.seq === place.seq) yield record;
  }
}

/** Item by item, in memory of one frame. */
function* itemsOf(input: BundleInput, content: StatementContent): Generator<ProjectedItem> {
  const projection = input.project();
  for (const { stream, bytes } of content.pieces()) yield* projection.items(stream, bytes);
  yield* projection.end();
}

/** How many results with columns a statement has: a simple query may hold several. Stops reading at `max`. */
export function resultsIn(input: BundleInput, content: StatementContent, max: number): number {
  let results = 0;
  for (const item of itemsOf(input, content)) {
    if (item.kind === 'columns') results += 1;
    if (results >= max) break;
  }
  return results;
}

interface Result {
  readonly columns: readonly string[];
  readonly rows: Iterable<Row>;
}

/** The statement's result `part`, counted from 1. A row that cannot be shown is left out: the viewer names it. */
function resultOf(input: BundleInput, content: StatementContent, part: number): Result {
  const items = itemsOf(input, content);
  let number = 0;
  for (let step = items.next(); step.done !== true; step = items.next()) {
    if (step.value.kind !== 'columns') continue;
    number += 1;
    if (number === part) return { columns: step.value.columns, rows: rowsOf(items) };
  }
  return { columns: [], rows: [] };
}

function* rowsOf(items: Generator<ProjectedItem>): Generator<Row> {
  try {
    for (let step = items.next(); step.done !== true; step = items.next()) {
      if (step.value.kind === 'columns') return;
      if (step.value.kind === 'row') yield step.value.values;
    }
  } finally {
    items.return(undefined);
  }
}

/** One result in one format. Values are the text that was recorded: a mask may stand in a column of any type. */
export function* resultFile(
  input: BundleInput,
  content: StatementContent,
  part: number,
  format: ResultFormat,
): Generator<string | Uint8Array> {
  const { columns, rows } = resultOf(input, content, part);
  if (format === 'parquet') {
    yield* parquet(columns, rows);
    return;
  }
  const text = formatOf(
    format,
    columns.map((name) => ({ name, kind: 'text' })),
  );
  yield text.begin;
  let first = true;
  for (const row of rows) {
    yield text.row(row, first);
    first = false;
  }
  yield text.end;
}

/** Apache Parquet, every column an optional UTF-8 string, snappy; a row group at a time in memory. */
function* parquet(columns: readonly string[], rows: Iterable<Row>): Generator<Uint8Array> {
  const names = distinctNames(columns.map((name) => ({ name })));
  const sink = new ByteWriter();
  const writer = new ParquetWriter({
    writer: sink,
    schema: [
      { name: 'root', num_children: names.length },
      ...names.map((name) => ({
        name,
        type: 'BYTE_ARRAY' as const,
        converted_type: 'UTF8' as const,
        repetition_type: 'OPTIONAL' as const,
      })),
    ],
    createdBy: 'throughline',
  });
  const group: (string | null)[][] = names.map(() => []);
  let waiting = 0;
  let bytes = 0;
  const flush = (): Uint8Array => {
    if (waiting > 0) {
      // Both return before they resolve: a sink without `flush` is never waited for.
      void writer.write({
        columnData: names.map((name, index) => ({ name, data: group[index] ?? [] })),
        rowGroupSize: parquetRows,
      });
      for (const column of group) column.length = 0;
      waiting = 0;
      bytes = 0;
    }
    return taken(sink);
  };
  for (const row of rows) {
    for (const [index, column] of group.entries()) {
      const value = row[index] ?? null;
      column.push(value);
      bytes += value?.length ?? 0;
    }
    waiting += 1;
    if (waiting >= parquetRows || bytes >= parquetBytes) yield flush();
  }
  yield flush();
  void writer.finish();
  yield taken(sink);
}

/** What was written so far. The writer's offset goes on: Parquet's metadata counts from the file's start. */
function taken(sink: ByteWriter): Uint8Array {
  const bytes = Uint8Array.from(new Uint8Array(sink.buffer, 0, sink.index));
  sink.index = 0;
  return bytes;
}
