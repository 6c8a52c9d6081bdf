import type { ReplayItem } from '../../contract/api.js';
import type { ReplayTerminal } from '../../contract/bridge/work.js';
import { HarmlessOutput } from './harmless.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const defaultSize = { columns: 80, rows: 24 };
/** Times closer to each other say nothing about what is idle; more of them than this are not told. */
const activityGapMs = 250;
const activityMax = 20_000;

/**
 * The terminals of a session that is replayed, as its items go by. Only what paints goes on to a window or a page: no
 * titles, links, clipboard or questions (harmless.ts).
 */
export class ReplayedTerminals {
  readonly found: Mutable<ReplayTerminal>[] = [];
  readonly activityMs: number[] = [];
  readonly #bySeq = new Map<
    number,
    { readonly view: Mutable<ReplayTerminal>; readonly output: HarmlessOutput }
  >();

  /** Terminals whose program is over. */
  readonly #over = new Set<number>();

  /** The item as a window may have it. */
  add(item: ReplayItem): ReplayItem {
    if (item.kind === 'outcome' || item.kind === 'end') this.#end(item);
    if (item.kind !== 'terminal' && item.kind !== 'size') return item;
    const one = this.#bySeq.get(item.seq) ?? this.#open(item.seq, item.atMs);
    one.view.toMs = Math.max(one.view.toMs, item.atMs);
    if (item.kind === 'size') {
      if (one.view.toMs === one.view.fromMs)
        Object.assign(one.view, { columns: item.columns, rows: item.rows });
      return item;
    }
    const last = this.activityMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (item.atMs - last >= activityGapMs && this.activityMs.length < activityMax)
      this.activityMs.push(item.atMs);
    return { ...item, data: one.output.push(item.data) };
  }

  /** A terminal is there until its program is over, whatever it shows last. */
  #end(item: Extract<ReplayItem, { kind: 'outcome' | 'end' }>): void {
    for (const [seq, { view }] of this.#bySeq) {
      if (item.kind === 'outcome' ? item.seq !== seq : this.#over.has(seq)) continue;
      view.toMs = Math.max(view.toMs, item.atMs);
      this.#over.add(seq);
    }
  }

  #open(seq: number, atMs: number) {
    const view = { seq, ...defaultSize, fromMs: atMs, toMs: atMs };
    const one = { view, output: new HarmlessOutput() };
    this.found.push(view);
    this.#bySeq.set(seq, one);
    return one;
  }
}

/** Whether the item is something to look at that is no terminal. */
export function isShown(
  item: ReplayItem,
): item is Extract<ReplayItem, { kind: 'row' | 'columns' | 'data' | 'output' | 'message' }> {
  return shown.has(item.kind);
}

const shown: ReadonlySet<ReplayItem['kind']> = new Set(['row', 'columns', 'data', 'output', 'message']);
