import type { ReplayItem } from '../../contract/api.js';
import { HarmlessOutput } from './harmless.js';

const labelCharactersMax = 500;
const defaultSize = { columns: 80, rows: 24 };

/** What is said of a cast at its beginning. */
export interface CastHead {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly title: string;
}

/**
 * One recorded terminal as an asciicast (version 3, https://docs.asciinema.org/manual/asciicast/v3/): a JSON header and
 * a line for each event, `[seconds since the event before, code, data]`; "o" output, "r" size, "m" a command line, "x"
 * exit status. Players hand output to a terminal as it is, so only what paints stands in it (harmless.ts). Feed it a
 * session's items in order.
 */
export class Asciicast {
  readonly #head: CastHead;
  readonly #seq: number;
  readonly #harmless = new HarmlessOutput();
  #begun = false;
  #ended = false;
  /** The last event's time; what rounding leaves over is carried on, so that long casts do not drift. */
  #lastMs = 0;

  /** @param seq the statement whose terminal it is */
  constructor(seq: number, head: CastHead) {
    this.#seq = seq;
    this.#head = head;
  }

  /** The lines that an item makes, each with its line feed. */
  add(item: ReplayItem): string {
    if (this.#ended) return '';
    if (item.kind === 'statement') {
      if (!this.#begun || item.seq === this.#seq) return '';
      return this.#event(item.atMs, 'm', oneLine(item.text).slice(0, labelCharactersMax));
    }
    if (!('seq' in item) || item.seq !== this.#seq) return '';
    if (item.kind === 'size') {
      if (!this.#begun) return this.#header(item.atMs, item);
      return this.#event(item.atMs, 'r', `${item.columns}x${item.rows}`);
    }
    if (item.kind === 'terminal') {
      const header = this.#begun ? '' : this.#header(item.atMs, defaultSize);
      const data = this.#harmless.push(item.data);
      return data === '' ? header : header + this.#event(item.atMs, 'o', data);
    }
    if (item.kind !== 'outcome' || !this.#begun) return '';
    this.#ended = true;
    const exit = /^exit(?: status)? (\d{1,3})$/i.exec(item.tag ?? '')?.[1];
    return exit === undefined ? '' : this.#event(item.atMs, 'x', exit);
  }

  #header(atMs: number, { columns, rows }: { readonly columns: number; readonly rows: number }): string {
    this.#begun = true;
    this.#lastMs = atMs;
    const { startedAtMs, title } = this.#head;
    const timestamp = Math.floor((startedAtMs + atMs) / 1000);
    return `${JSON.stringify({ version: 3, term: { cols: columns, rows }, timestamp, title })}\n`;
  }

  #event(atMs: number, code: 'o' | 'r' | 'm' | 'x', data: string): string {
    const ms = Math.max(0, Math.round(atMs - this.#lastMs));
    this.#lastMs += ms;
    return `${JSON.stringify([ms / 1000, code, data])}\n`;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}
