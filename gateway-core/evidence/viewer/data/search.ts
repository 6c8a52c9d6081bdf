import { TextLines } from '../../../codec/terminal/lines.js';
import { bundlePaths } from '../../../contract/evidence.js';
import type { ContentProjection, Project, ProjectedItem } from '../../../contract/recorder.js';
import type { Bundle } from './bundle.js';
import { ContentFile } from './content-file.js';
import type { EventIndex, Fields } from './event-index.js';
import type { Pace } from './pace.js';

/** Rows that were found so far, in the index's own numbers. */
export interface Found {
  readonly rows: Uint8Array;
  count: number;
  /** Sessions whose content is not here to be searched. */
  contentMissing: number;
}

export const foundIn = { text: 1, content: 2 } as const;

/**
 * Looks for `text`, upper and lower case alike, in every event and everything that came back. Calls `onFound` now and
 * then while it goes, and at the end.
 */
export async function search(
  bundle: Bundle,
  index: EventIndex,
  projectOf: (protocol: string) => Project | undefined,
  text: string,
  pace: Pace,
  onFound: (found: Found, share: number) => void,
): Promise<void> {
  const wanted = text.toLowerCase();
  const found: Found = { rows: new Uint8Array(index.length), count: 0, contentMissing: 0 };
  const mark = (row: number, where: number): void => {
    if (found.rows[row] === 0) found.count += 1;
    found.rows[row] = (found.rows[row] ?? 0) | where;
  };
  let seen = 0;
  for await (const { row, event } of index.events(pace)) {
    if (textOf(event).toLowerCase().includes(wanted)) mark(row, foundIn.text);
    seen += 1;
    if (seen % 2048 === 0) onFound(found, Math.min(1, seen / index.length) / 2);
  }
  const { sessions } = bundle.manifest;
  for (const [number, session] of sessions.entries()) {
    const file = await bundle.file(bundlePaths.content(session.id));
    if (file === undefined) {
      if ((index.bySession[number]?.rows ?? 0) > 0) found.contentMissing += 1;
      continue;
    }
    const project = projectOf(session.protocol);
    if (project === undefined) continue;
    const seqs = index.statementsOf(number);
    const projections = new Map<number, ContentProjection>();
    const running = new Map<number, TextLines>();
    for await (const { seq, stream, bytes } of new ContentFile(file, 0, project).records(pace)) {
      const projection = projections.get(seq) ?? project();
      projections.set(seq, projection);
      const row = seqs.get(seq);
      for (const item of projection.items(stream, bytes)) {
        if (row === undefined) continue;
        if (item.kind === 'terminal' || item.kind === 'output') {
          const lines = running.get(seq) ?? new TextLines();
          running.set(seq, lines);
          if (endedLines(item, lines).some((each) => each.toLowerCase().includes(wanted)))
            mark(row, foundIn.content);
        } else if (holds(item, wanted)) mark(row, foundIn.content);
      }
      const turn = pace.turn();
      if (turn !== undefined) {
        await turn;
        onFound(found, 0.5 + (number / sessions.length) * 0.5);
      }
    }
    for (const [seq, lines] of running) {
      const row = seqs.get(seq);
      if (row !== undefined && lines.end().some((each) => each.toLowerCase().includes(wanted)))
        mark(row, foundIn.content);
    }
  }
  onFound(found, 1);
}

type Running = Extract<ProjectedItem, { kind: 'terminal' | 'output' }>;

const endedLines = (item: Running, lines: TextLines): readonly string[] =>
  item.kind === 'terminal' ? lines.push('terminal', item.data) : lines.push(item.stream, item.text);

/** Hashes and the like: looking for `42` must not find every one of them. */
const unread: ReadonlySet<string> = new Set([
  'exactHash',
  'contentHash',
  'sha256',
  'manifest',
  'blocks',
  'key',
]);

/** What a person reads of an event: its texts, whatever their names. */
function textOf(event: Fields): string {
  const texts: string[] = [];
  const stack: unknown[] = [event];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) for (const one of value as unknown[]) stack.push(one ?? 'NULL');
    else if (typeof value === 'object' && value !== null) {
      for (const [name, one] of Object.entries(value)) if (!unread.has(name)) stack.push(one ?? 'NULL');
    }
  }
  return texts.join('\n');
}

function holds(item: ProjectedItem, wanted: string): boolean {
  switch (item.kind) {
    case 'row':
      return item.values.some((value) => value?.toLowerCase().includes(wanted) === true);
    case 'columns':
      return item.columns.some((name) => name.toLowerCase().includes(wanted));
    case 'data':
    case 'message':
      return item.text.toLowerCase().includes(wanted);
    // Looked through where their lines are put together.
    case 'output':
    case 'terminal':
    case 'size':
    case 'problem':
      return false;
  }
}
