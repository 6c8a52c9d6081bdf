import headless from '@xterm/headless';
import { Utf8Text } from '../../codec/terminal/utf8.js';
import { type WatchItem, watchedSize } from '../../contract/watch.js';
import { PendingOutput, type Taken } from '../../proxy/ssh/terminal/pending-output.js';
import { watchLimits } from './limits.js';
import { pictureOf } from './picture.js';
import { Unspoken } from './unspoken.js';

/** A control sequence, an escape or the beginning of a string (OSC, DCS) that goes on behind the end. ECMA-48 5. */
// oxlint-disable-next-line no-control-regex -- sequences begin with one
const unfinished = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)$/;
/** A longer one is not waited for. */
const sequenceCharactersMax = 4096;

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A piece of what a terminal has shown before it was watched. */
export type PastPiece = { readonly text: string } | Size;

/**
 * One watched terminal: what it shows, painted without a display. Hostile output can only paint.
 * INVARIANT: between two paintings the screen is the one that everything told so far has painted.
 */
export class WatchedTerminal {
  readonly seq: number;
  readonly #terminal: headless.Terminal;
  readonly #unspoken: Unspoken;
  readonly #pending = new PendingOutput();
  #text = new Utf8Text();
  /** The beginning of a sequence that has not come whole: a picture between its halves would break it. */
  #rest = '';
  #size: Size;
  /** Nothing of it was told yet. */
  #fresh = true;
  #whole: boolean;
  #waiting = false;

  /** @param whole nothing came before what will be pushed */
  constructor(seq: number, size: Size, whole: boolean) {
    this.seq = seq;
    this.#size = watchedSize(size);
    this.#whole = whole;
    this.#terminal = new headless.Terminal({
      cols: this.#size.columns,
      rows: this.#size.rows,
      scrollback: watchLimits.scrollbackRows,
      allowProposedApi: true,
      logLevel: 'off',
    });
    this.#unspoken = new Unspoken(this.#terminal);
  }

  get size(): Size {
    return this.#size;
  }

  /** Something waits to be painted. */
  get waiting(): boolean {
    return this.#waiting;
  }

  push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#waiting = true;
  }

  resize(size: Size): void {
    this.#pending.resize(size);
    this.#waiting = true;
  }

  /** All that waits. Hand it to `paint`, in this order. */
  take(): Taken {
    this.#waiting = false;
    return this.#pending.take();
  }

  /** Paints what was shown before anything that was pushed, at this size first; tells nothing. */
  async paintPast(size: Size, pieces: readonly PastPiece[], whole: boolean): Promise<void> {
    this.#whole = whole;
    // Whoever is shown a snapshot has it.
    this.#fresh = false;
    this.#resize(size);
    for (const piece of pieces) {
      if ('text' in piece) await this.#write(this.#wholeOf(piece.text));
      else this.#resize(piece);
    }
  }

  /** Paints it; what to tell of it: the pieces, or a picture where something before them is not known. */
  async paint({ pieces, lost }: Taken, atMs: number): Promise<WatchItem[]> {
    const { seq } = this;
    if (lost !== undefined) {
      this.#terminal.reset();
      this.#unspoken.reset();
      this.#text = new Utf8Text();
      this.#rest = '';
      this.#whole = false;
      if (lost.alternate) await this.#write('\x1b[?1049h');
    }
    const items: WatchItem[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'size') {
        this.#resize(piece.size);
        items.push({ kind: 'size', seq, atMs, ...this.#size });
      } else if (piece.kind === 'bytes') {
        const data = this.#wholeOf(this.#text.push(piece.bytes));
        if (data === '') continue;
        await this.#write(data);
        items.push({ kind: 'terminal', seq, atMs, data });
      }
    }
    this.#pending.screenIs(this.#terminal.buffer.active.type === 'alternate');
    const pictured = this.#fresh || lost !== undefined;
    this.#fresh = false;
    return pictured ? [this.picture(atMs)] : items;
  }

  /** The screen as it stands. */
  picture(atMs: number): WatchItem {
    const { seq } = this;
    const { scrollbackRows, pictureCharactersMax: charactersMax } = watchLimits;
    const data = pictureOf(this.#terminal, this.#unspoken, { scrollbackRows, charactersMax });
    return { kind: 'screen', seq, atMs, ...this.#size, data, whole: this.#whole };
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  #wholeOf(text: string): string {
    const all = this.#rest + text;
    const tail = all.slice(-sequenceCharactersMax);
    this.#rest = unfinished.exec(tail)?.[0] ?? '';
    return all.slice(0, all.length - this.#rest.length);
  }

  #resize(size: Size): void {
    this.#size = watchedSize(size);
    this.#unspoken.resized();
    this.#terminal.resize(this.#size.columns, this.#size.rows);
  }

  async #write(text: string): Promise<void> {
    const step = watchLimits.paintCharactersMax;
    for (let at = 0; at < text.length; at += step) {
      const piece = text.slice(at, at + step);
      await new Promise<void>((resolve) => this.#terminal.write(piece, resolve));
    }
  }
}
