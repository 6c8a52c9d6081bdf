import { AuditEvent } from '../../../contract/events.js';
import { EventLine } from '../../../contract/evidence.js';
import type { EventIndex, Place } from './event-index.js';
import { HeldFile } from './held.js';

export type Decided = Extract<AuditEvent, { kind: 'statement.decided' }>;
export type Ended = Extract<AuditEvent, { kind: 'statement.ended' }>;

/** One line, read whole. `event` is undefined when it has not the form of any event that this page knows. */
export interface ReadEvent {
  readonly index: number;
  readonly event: AuditEvent | undefined;
  readonly json: string;
}

export interface Row {
  readonly row: number;
  readonly events: readonly ReadEvent[];
  /** Of a statement: its decisions, the one that counts last, and its outcome. */
  readonly decided: readonly Decided[];
  readonly ended: Ended | undefined;
}

const rowsKeptMax = 600;
/** Beyond it a line is shown as what it begins with. */
const lineBytesShown = 32 * 1024 * 1024;

/** Reads rows where they are looked at; what was read lately is kept. */
export class Rows {
  readonly index: EventIndex;
  readonly #kept = new Map<number, Promise<Row>>();

  constructor(index: EventIndex) {
    this.index = index;
  }

  read(row: number): Promise<Row> {
    const held = this.#kept.get(row);
    if (held !== undefined) {
      this.#kept.delete(row);
      this.#kept.set(row, held);
      return held;
    }
    const read = this.#read(row);
    this.#kept.set(row, read);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > rowsKeptMax && oldest.done !== true) this.#kept.delete(oldest.value);
    return read;
  }

  async #read(row: number): Promise<Row> {
    const events = await Promise.all(this.index.places(row).map((place) => this.#line(place)));
    const known = events.flatMap(({ event }) => event ?? []);
    return {
      row,
      events,
      decided: known.filter((event): event is Decided => event.kind === 'statement.decided'),
      ended: known.find((event): event is Ended => event.kind === 'statement.ended'),
    };
  }

  async #line({ file, offset, bytes }: Place): Promise<ReadEvent> {
    const held = this.index.files[file]?.held ?? HeldFile.empty;
    const json = await held.text(offset, offset + Math.min(bytes, lineBytesShown));
    return readEvent(json);
  }
}

/** Pure. */
export function readEvent(json: string): ReadEvent {
  try {
    const line = EventLine.parse(JSON.parse(json));
    const read = AuditEvent.safeParse(line.event);
    return {
      index: line.index,
      event: read.success ? read.data : undefined,
      json,
    };
  } catch {
    return { index: Number.NaN, event: undefined, json };
  }
}
