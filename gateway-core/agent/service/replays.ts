import { randomBytes } from 'node:crypto';
import { ReadableText } from '../../codec/terminal/readable.js';
import { isShown, ReplayedTerminals } from '../../codec/terminal/replayed.js';
import type { ReplayItem } from '../../contract/api.js';
import type { ReplayHead } from '../../contract/bridge/work.js';
import { ThroughlineError } from '../../contract/errors.js';
import { serviceLimits } from './limits.js';

interface Held {
  /** One JSON text per item: a tenth of what the objects would take, and search needs text anyway. */
  readonly lines: Buffer[];
}

/** Recordings that are being looked at, each read once and held until it is closed. */
export class Replays {
  readonly #held = new Map<string, Held>();
  #round = 0;

  /** Reads a recording to its end or to the bounds. @throws ThroughlineError not-found when all were closed meanwhile */
  async open(items: AsyncIterable<ReplayItem>): Promise<ReplayHead> {
    const round = this.#round;
    const held: Held = { lines: [] };
    const statements: Mutable<ReplayHead['statements'][number]>[] = [];
    const bySeq = new Map<number, Mutable<ReplayHead['statements'][number]>>();
    const problems: ReplayHead['problems'] = [];
    let bytes = 0;
    let durationMs = 0;
    let live = true;
    let cut = false;
    const terminals = new ReplayedTerminals();
    for await (const read of items) {
      const item = terminals.add(read);
      const line = Buffer.from(JSON.stringify(item));
      bytes += line.length;
      if (held.lines.length >= serviceLimits.replayItemsMax || bytes > serviceLimits.replayBytesMax) {
        cut = true;
        break;
      }
      if (item.kind === 'problem') problems.push({ code: item.code, text: item.text });
      if (item.kind === 'end') live = false;
      if ('atMs' in item) durationMs = Math.max(durationMs, item.atMs);
      if (item.kind === 'statement') {
        const { atMs, seq, text, decision } = item;
        const statement = { item: held.lines.length, atMs, seq, text, decision, shows: false };
        statements.push(statement);
        bySeq.set(seq, statement);
      }
      if (isShown(item)) {
        const statement = bySeq.get(item.seq);
        if (statement !== undefined) statement.shows = true;
      }
      if (item.kind === 'outcome') {
        const statement = bySeq.get(item.seq);
        if (statement !== undefined && item.rows !== undefined) statement.rows = item.rows;
        if (statement !== undefined && item.error !== undefined) statement.error = item.error;
      }
      held.lines.push(line);
    }
    if (round !== this.#round) throw closed();
    const replay = `rep_${randomBytes(8).toString('hex')}`;
    this.#held.set(replay, held);
    const oldest = this.#held.keys().next();
    if (this.#held.size > serviceLimits.replaysMax && oldest.done !== true) this.#held.delete(oldest.value);
    return {
      replay,
      items: held.lines.length,
      durationMs,
      statements,
      terminals: terminals.found,
      activityMs: terminals.activityMs,
      problems,
      cut,
      live: live && !cut,
    };
  }

  items(replay: string, from: number, count: number): ReplayItem[] {
    return this.#of(replay)
      .lines.slice(from, from + count)
      .map((line) => JSON.parse(line.toString('utf8')) as ReplayItem);
  }

  /** Items that contain the text, whatever its case. */
  async find(replay: string, text: string): Promise<{ items: number[]; cut: boolean }> {
    const { lines } = this.#of(replay);
    // As it stands between the quotes of a JSON text.
    const wanted = JSON.stringify(text).slice(1, -1).toLowerCase();
    const items: number[] = [];
    const terminals = new Map<string, TerminalFind>();
    for (const [index, line] of lines.entries()) {
      // Tunnels live in this process: nobody looks through hundreds of megabytes in one go.
      if (index % 5000 === 4999) await new Promise((resolve) => setImmediate(resolve));
      const read = line.toString('utf8');
      if (runs.test(read)) {
        if (!foundInRun(JSON.parse(read) as ReplayItem, text.toLowerCase(), terminals)) continue;
        if (items.length >= serviceLimits.replayHitsMax) return { items, cut: true };
        items.push(index);
        continue;
      }
      if (!read.toLowerCase().includes(wanted)) continue;
      if (
        !valuesOf(JSON.parse(read) as ReplayItem)
          .toLowerCase()
          .includes(text.toLowerCase())
      )
        continue;
      if (items.length >= serviceLimits.replayHitsMax) return { items, cut: true };
      items.push(index);
    }
    return { items, cut: false };
  }

  close(replay: string): void {
    this.#held.delete(replay);
  }

  closeAll(): void {
    this.#round += 1;
    this.#held.clear();
  }

  #of(replay: string): Held {
    const held = this.#held.get(replay);
    if (held !== undefined) return held;
    throw closed();
  }
}

function closed(): ThroughlineError {
  return new ThroughlineError('not-found', 'this replay is closed', { action: 'open it again' });
}

/** Items whose text goes on in the next one: a terminal writes a word in as many as it has letters. */
const runs = /^\{"kind":"(?:terminal|output)"/;

interface TerminalFind {
  readonly text: ReadableText;
  /** The end of what was read, lower case: as much as a hit may have of it. */
  tail: string;
}

/** Whether the item holds the end of a place where `wanted` stands. */
function foundInRun(item: ReplayItem, wanted: string, terminals: Map<string, TerminalFind>): boolean {
  if (item.kind !== 'terminal' && item.kind !== 'output') return false;
  const key = item.kind === 'terminal' ? `${item.seq}` : `${item.seq} ${item.stream}`;
  const one = terminals.get(key) ?? { text: new ReadableText(), tail: '' };
  terminals.set(key, one);
  const all = one.tail + one.text.push(item.kind === 'terminal' ? item.data : item.text).toLowerCase();
  one.tail = all.slice(Math.max(0, all.length - wanted.length + 1));
  return all.includes(wanted);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a person sees of an item: the names of its fields are not what anybody searches for. */
function valuesOf(item: ReplayItem): string {
  switch (item.kind) {
    case 'statement':
    case 'data':
    case 'message':
    case 'output':
    case 'problem':
      return item.text;
    case 'columns':
      return item.columns.join('\n');
    case 'row':
      return item.values.map((value) => value ?? '').join('\n');
    case 'outcome':
      return `${item.tag ?? ''}\n${item.error ?? ''}`;
    case 'session':
      return `${item.connection}\n${item.principal}`;
    case 'terminal':
    case 'size':
      return '';
    case 'end':
      return item.endCause ?? '';
  }
}
