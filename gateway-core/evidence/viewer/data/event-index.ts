import type { StatementDecision } from '../../../contract/events.js';
import { bundlePaths } from '../../../contract/evidence.js';
import type { Bundle } from './bundle.js';
import { HeldFile } from './held.js';
import { linesOf } from './lines.js';
import { Numbers } from './numbers.js';
import type { Pace } from './pace.js';

/** In the order of the codes below. */
export const decisionNames = [
  'allowed',
  'denied',
  'held',
  'approved',
  'refused',
  'timed-out',
  'interrupted',
] as const satisfies readonly StatementDecision[];

/** Bits of a row. */
export const rowFlags = {
  statement: 1,
  denied: 2,
  error: 4,
  write: 8,
  masked: 16,
  held: 32,
  ended: 64,
} as const;
export type RowFlag = keyof typeof rowFlags;

/** Stops being a timeline that a page holds; the rest is left out and said. */
const rowsMax = 5_000_000;

/** Where an event's line stands. */
export interface Place {
  readonly file: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface Totals {
  statements: number;
  denied: number;
  errors: number;
  writes: number;
  rows: number;
  masked: number;
}

const noTotals = (): Totals => ({ statements: 0, denied: 0, errors: 0, writes: 0, rows: 0, masked: 0 });

/** An event as JSON has it, not checked yet. */
export type Fields = Readonly<Record<string, unknown>>;

interface EventFile {
  readonly path: string;
  readonly held: HeldFile;
  /** Number in the manifest; -1 for the events outside of sessions. */
  readonly session: number;
  readonly firstRow: number;
}

/**
 * All events of a bundle as one list, a statement with its outcome being one row: numbers only, so that a million of
 * them fit a page. What a row says is read from the files when it is looked at.
 */
export class EventIndex {
  readonly files: EventFile[] = [];
  /** Of every line of every file, in order, its row; -1 for a line that is no event. */
  readonly #lineRow = new Numbers();
  readonly #file = new Numbers();
  readonly #log = new Numbers();
  readonly #at = new Numbers();
  readonly #seq = new Numbers();
  readonly #flags = new Numbers();
  readonly #decision = new Numbers();
  readonly #decided = [new Numbers(), new Numbers()] as const;
  readonly #ended = [new Numbers(), new Numbers()] as const;
  /** A held statement's earlier decisions. */
  readonly #earlier = new Map<number, Place[]>();
  /** Rows in the log's order. */
  order: Uint32Array = new Uint32Array();
  readonly totals = noTotals();
  /** By session, as the manifest orders them. */
  readonly bySession: Totals[] = [];
  readonly problems: string[] = [];

  /** Reads every event file that is there. `onProgress` hears a share from 0 to 1. */
  static async read(bundle: Bundle, pace: Pace, onProgress: (share: number) => void): Promise<EventIndex> {
    const index = new EventIndex();
    const { sessions } = bundle.manifest;
    const paths = [...sessions.map(({ id }) => bundlePaths.events(id)), bundlePaths.context];
    for (const [number, path] of paths.entries()) {
      onProgress(number / paths.length);
      if (number < sessions.length) index.bySession.push(noTotals());
      const held = await bundle.file(path);
      if (held === undefined) continue;
      const session = number < sessions.length ? number : -1;
      index.files.push({ path, held, session, firstRow: index.length });
      await index.#read(index.files.length - 1, pace, (share) => onProgress((number + share) / paths.length));
      await pace.turn();
    }
    index.#sort();
    onProgress(1);
    return index;
  }

  get length(): number {
    return this.#log.length;
  }

  /** Number of the row's session in the manifest; -1 for an event outside of sessions. */
  session(row: number): number {
    return this.files[this.#file.at(row)]?.session ?? -1;
  }
  /** Index in the audit log. */
  log(row: number): number {
    return this.#log.at(row);
  }
  /** Milliseconds since 1970; NaN when the event says no time. */
  at(row: number): number {
    return this.#at.at(row);
  }
  seq(row: number): number {
    return this.#seq.at(row);
  }
  has(row: number, flag: RowFlag): boolean {
    return (this.#flags.at(row) & rowFlags[flag]) !== 0;
  }
  decision(row: number): StatementDecision | undefined {
    return decisionNames[this.#decision.at(row)];
  }

  /** The lines that make a row, oldest first. */
  places(row: number): Place[] {
    const file = this.#file.at(row);
    const own = [this.#decided, this.#ended].map(([offset, bytes]) => ({
      file,
      offset: offset.at(row),
      bytes: bytes.at(row),
    }));
    return [...(this.#earlier.get(row) ?? []), ...own.filter(({ bytes }) => bytes > 0)];
  }

  /** Every event once more, in the order of the files. */
  async *events(pace: Pace): AsyncGenerator<{ readonly row: number; readonly event: Fields }> {
    let line = 0;
    for (const { held } of this.files) {
      for await (const { bytes } of linesOf(held, { pace })) {
        if (line >= this.#lineRow.length) return;
        const row = this.#lineRow.at(line++);
        const read = row < 0 ? undefined : fieldsOf(bytes);
        if (read !== undefined) yield { row, event: read.event };
      }
    }
  }

  /** The rows of a session's statements by their numbers. */
  statementsOf(session: number): ReadonlyMap<number, number> {
    const rows = new Map<number, number>();
    const at = this.files.findIndex((file) => file.session === session);
    const file = this.files[at];
    if (file === undefined) return rows;
    const end = this.files[at + 1]?.firstRow ?? this.length;
    for (let row = file.firstRow; row < end; row += 1) {
      if (this.has(row, 'statement')) rows.set(this.seq(row), row);
    }
    return rows;
  }

  async #read(file: number, pace: Pace, onShare: (share: number) => void): Promise<void> {
    const { held, path } = this.files[file] ?? { held: HeldFile.empty, path: '' };
    const open = new Map<number, number>();
    let bad = 0;
    let count = 0;
    for await (const { offset, bytes } of linesOf(held, { pace, onTooLong: () => (bad += 1) })) {
      if (this.length >= rowsMax) {
        this.problems.push(`${path}: there are more events than this page can list; the rest is left out`);
        return;
      }
      const read = fieldsOf(bytes);
      if (read === undefined) bad += 1;
      const place = { file, offset, bytes: bytes.length };
      this.#lineRow.push(read === undefined ? -1 : this.#add(read, place, open));
      count += 1;
      if (count % 512 === 0) onShare(offset / held.size);
    }
    if (bad > 0) this.problems.push(`${path}: ${bad} of its lines are no events`);
  }

  /** The row that the event is of. */
  #add({ index, event }: { index: number; event: Fields }, place: Place, open: Map<number, number>): number {
    const { kind } = event;
    const seq = numberIn(event, 'seq') ?? 0;
    const before = open.get(seq);
    if (kind === 'statement.decided') {
      if (before !== undefined) return this.#again(before, event, place);
      const row = this.#statement(index, event, seq, place);
      open.set(seq, row);
      return row;
    }
    if (kind === 'statement.ended' && before !== undefined) return this.#outcome(before, event, place);
    const refused = kind === 'session.refused' || kind === 'identity.refused' || kind === 'spool.refused';
    return this.#push(index, event, seq, refused ? rowFlags.denied : 0, place);
  }

  #push(index: number, event: Fields, seq: number, flags: number, place: Place): number {
    this.#file.push(place.file);
    this.#log.push(index);
    this.#at.push(typeof event['at'] === 'string' ? Date.parse(event['at']) : Number.NaN);
    this.#seq.push(seq);
    this.#flags.push(flags);
    this.#decision.push(-1);
    this.#decided[0].push(place.offset);
    this.#decided[1].push(place.bytes);
    this.#ended[0].push(0);
    this.#ended[1].push(0);
    return this.length - 1;
  }

  #count(row: number, name: keyof Totals, by = 1): void {
    this.totals[name] += by;
    const own = this.bySession[this.session(row)];
    if (own !== undefined) own[name] += by;
  }

  #statement(index: number, event: Fields, seq: number, place: Place): number {
    const row = this.#push(index, event, seq, rowFlags.statement, place);
    this.#count(row, 'statements');
    const { action } = event;
    if (typeof action === 'string' && action.startsWith('sql:') && action !== 'sql:read') {
      this.#mark(row, 'write');
      this.#count(row, 'writes');
    }
    this.#decide(row, event);
    return row;
  }

  #again(row: number, event: Fields, place: Place): number {
    const [offset, bytes] = this.#decided;
    const before = { file: place.file, offset: offset.at(row), bytes: bytes.at(row) };
    this.#earlier.set(row, [...(this.#earlier.get(row) ?? []), before]);
    this.#decided[0].set(row, place.offset);
    this.#decided[1].set(row, place.bytes);
    this.#decide(row, event);
    return row;
  }

  #decide(row: number, event: Fields): void {
    const name = event['decision'];
    const code = decisionNames.findIndex((each) => each === name);
    this.#decision.set(row, code);
    if (name === 'held') this.#mark(row, 'held');
    if (name === 'denied' || name === 'refused' || name === 'timed-out') {
      this.#mark(row, 'denied');
      this.#count(row, 'denied');
    }
  }

  #outcome(row: number, event: Fields, place: Place): number {
    this.#ended[0].set(row, place.offset);
    this.#ended[1].set(row, place.bytes);
    this.#mark(row, 'ended');
    if (event['state'] === 'interrupted') this.#decision.set(row, decisionNames.indexOf('interrupted'));
    if (event['state'] === 'error') {
      this.#mark(row, 'error');
      this.#count(row, 'errors');
    }
    this.#count(row, 'rows', numberIn(event, 'rows') ?? 0);
    const masked = numberIn(event, 'maskedValues') ?? 0;
    if (masked > 0) this.#mark(row, 'masked');
    this.#count(row, 'masked', masked);
    return row;
  }

  #mark(row: number, flag: RowFlag): void {
    this.#flags.set(row, this.#flags.at(row) | rowFlags[flag]);
  }

  #sort(): void {
    this.order = Uint32Array.from({ length: this.length }, (_, row) => row);
    let sorted = true;
    for (let row = 1; row < this.length && sorted; row += 1) sorted = this.log(row - 1) <= this.log(row);
    if (!sorted) this.order.sort((a, b) => this.log(a) - this.log(b) || a - b);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A line's index and event, as far as listing it needs them. Undefined for anything else. */
function fieldsOf(bytes: Uint8Array): { index: number; event: Fields } | undefined {
  try {
    const line = JSON.parse(utf8.decode(bytes)) as { index?: unknown; event?: unknown } | null;
    const { index, event } = line ?? {};
    if (typeof index !== 'number' || typeof event !== 'object' || event === null) return undefined;
    return { index, event: event as Fields };
  } catch {
    return undefined;
  }
}

/** Counts are whole and not negative; whatever else stands there is not counted. */
function numberIn(event: Fields, name: string): number | undefined {
  const value = event[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
