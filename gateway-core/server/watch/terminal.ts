import { createRequire } from 'node:module';
import headless from '@xterm/headless';
import { Utf8Text } from '../../codec/terminal/utf8.js';
import { type WatchItem, watchedSize } from '../../contract/watch.js';
import { PendingOutput, type Taken } from '../../proxy/ssh/terminal/pending-output.js';
import { watchLimits } from './limits.js';

interface Serializer {
  serialize(options: { readonly scrollback: number }): string;
  activate(terminal: unknown): void;
  dispose(): void;
}
// Its own types bring those of a browser with them.
const { SerializeAddon } = createRequire(import.meta.url)('@xterm/addon-serialize') as {
  readonly SerializeAddon: new () => Serializer;
};

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
  readonly #serialize = new SerializeAddon();
  readonly #pending = new PendingOutput();
  #text = new Utf8Text();
  #size: Size;
  /** Nothing of it was told yet. */
  #fresh = true;
  #whole: boolean;
  #waiting = false;
  #margins: { readonly top: number; readonly bottom: number } | undefined;

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
    this.#terminal.loadAddon(this.#serialize);
    // DECSTBM: where it scrolls is nowhere to be read. Full reset and another size undo it.
    this.#terminal.parser.registerCsiHandler({ final: 'r' }, ([top, bottom]) => {
      this.#margins = { top: Number(top ?? 0), bottom: Number(bottom ?? 0) };
      return false;
    });
    const undone = (): boolean => {
      this.#margins = undefined;
      return false;
    };
    this.#terminal.parser.registerEscHandler({ final: 'c' }, undone);
    this.#terminal.parser.registerCsiHandler({ intermediates: '!', final: 'p' }, undone);
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
      if ('text' in piece) await this.#write(piece.text);
      else this.#resize(piece);
    }
  }

  /** Paints it; what to tell of it: the pieces, or a picture where something before them is not known. */
  async paint({ pieces, lost }: Taken, atMs: number): Promise<WatchItem[]> {
    const { seq } = this;
    if (lost !== undefined) {
      this.#terminal.reset();
      this.#margins = undefined;
      this.#text = new Utf8Text();
      this.#whole = false;
      if (lost.alternate) await this.#write('\x1b[?1049h');
    }
    const items: WatchItem[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'size') {
        this.#resize(piece.size);
        items.push({ kind: 'size', seq, atMs, ...this.#size });
      } else if (piece.kind === 'bytes') {
        const data = this.#text.push(piece.bytes);
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
    const coloured = this.#serialize.serialize({ scrollback: watchLimits.scrollbackRows });
    const isShort = coloured.length <= watchLimits.pictureCharactersMax;
    const shown = isShort ? coloured : this.#plain();
    const data = shown + this.#margin() + this.#cursor(isShort);
    return { kind: 'screen', seq, atMs, ...this.#size, data, whole: this.#whole };
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  /** The screen's text alone: as long as it has cells. */
  #plain(): string {
    const { active } = this.#terminal.buffer;
    const lines: string[] = [];
    for (let row = 0; row < this.#size.rows; row++)
      lines.push(active.getLine(active.baseY + row)?.translateToString(true) ?? '');
    const screen = active.type === 'alternate' ? '\x1b[?1049h\x1b[H' : '';
    return `${screen}${lines.join('\r\n')}`;
  }

  #margin(): string {
    return this.#margins === undefined ? '' : `\x1b[${this.#margins.top};${this.#margins.bottom}r`;
  }

  /** Setting margins moves it. Where nothing has, it stands where it is, also behind the last column of a full row. */
  #cursor(placed: boolean): string {
    const { cursorX, cursorY } = this.#terminal.buffer.active;
    if (this.#terminal.modes.originMode || (placed && this.#margins === undefined)) return '';
    return `\x1b[${cursorY + 1};${cursorX + 1}H`;
  }

  #resize(size: Size): void {
    this.#size = watchedSize(size);
    this.#margins = undefined;
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
