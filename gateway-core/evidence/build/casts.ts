import { Asciicast } from '../../codec/terminal/asciicast.js';
import { isTerminalStream } from '../../codec/terminal/content.js';
import type { ReplayItem, SessionView } from '../../contract/api.js';
import { RecordingReader } from '../../recording/reader.js';
import type { BundleInput } from './input.js';
import type { ResultPlace, SessionFacts } from './session-files.js';

/** One terminal of a session as an asciicast: read in one pass over what is recorded of it, a frame in memory. */
export function* castFile(
  input: BundleInput,
  session: SessionView,
  place: ResultPlace,
  facts: SessionFacts,
): Generator<string> {
  const startedAtMs = Date.parse(session.startedAt);
  const cast = new Asciicast(place.seq, { startedAtMs, title: session.connection });
  const projection = input.project();
  const commands = facts.commands.map((command) => ({ ...command, atMs: command.atMs - startedAtMs }));
  let next = 0;
  let atMs = 0;
  function* until(time: number): Generator<string> {
    for (
      let command = commands[next];
      command !== undefined && command.atMs <= time;
      command = commands[++next]
    )
      yield cast.add({ kind: 'statement', decision: 'allowed', ...command });
  }
  const reader = new RecordingReader(input.place, session.id);
  for (const record of reader.content({ from: place.from, to: place.to })) {
    if (record.seq !== place.seq || !isTerminalStream(record.stream)) continue;
    atMs = record.atMs - startedAtMs;
    yield* until(atMs);
    for (const item of projection.items(record.stream, record.bytes)) {
      if (item.kind === 'terminal' || item.kind === 'size')
        yield cast.add({ ...item, atMs, seq: place.seq } satisfies ReplayItem);
    }
  }
  yield* until(Number.POSITIVE_INFINITY);
  const tag = facts.tags.get(place.seq);
  if (tag !== undefined)
    yield cast.add({
      kind: 'outcome',
      atMs: Math.max(atMs, tag.atMs - startedAtMs),
      seq: place.seq,
      state: '',
      tag: tag.text,
    });
}
