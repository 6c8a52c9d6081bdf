import headless from '@xterm/headless';

/** A place in the text that stays in its line when that scrolls. */
export interface Place {
  readonly marker: headless.IMarker;
  readonly column: number;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Bounds of a terminal that a client may ask for: memory is columns times rows. */
export const columnsMax = 1000;
export const rowsMax = 500;
/** Rows above the screen: a command line may have scrolled by as much as its own output of a listing. */
const scrollbackRows = 200;

/**
 * A terminal without a display: what stands on the screen after some output. Hostile output can only paint. One has
 * about half a megabyte, so it is made when the first command line is read.
 */
export class Screen {
  /** Where the prompt ended when the shell last said so (OSC 133;B), and whether it has said so at all. */
  promptEnd: Place | undefined;
  marked = false;
  /** What the shell said of the last command's end (OSC 133;D). */
  exit: number | undefined;
  private readonly terminal: headless.Terminal;

  constructor(size: Size) {
    const { columns, rows } = bounded(size);
    this.terminal = new headless.Terminal({
      cols: columns,
      rows,
      scrollback: scrollbackRows,
      allowProposedApi: true,
      logLevel: 'off',
    });
    this.terminal.parser.registerOscHandler(133, (data) => this.shellMark(data));
  }

  /** Paints `bytes`; resolves when they are on the screen. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.terminal.write(bytes, resolve));
  }

  resize(size: Size): void {
    const { columns, rows } = bounded(size);
    this.terminal.resize(columns, rows);
  }

  /** Everything before was lost: an empty screen, the alternate one where that was on. */
  async restart(alternate: boolean): Promise<void> {
    this.terminal.reset();
    this.promptEnd = undefined;
    if (alternate) await this.write(Buffer.from('\x1b[?1049h'));
  }

  /** A program has the whole screen (vim, less, top): no line of it is a command. */
  get isAlternate(): boolean {
    return this.terminal.buffer.active.type === 'alternate';
  }

  /** Where the cursor is; undefined on the alternate screen. The caller gives up the one it had by `forget`. */
  cursor(): Place | undefined {
    const marker = this.terminal.registerMarker(0);
    return marker === undefined ? undefined : { marker, column: this.terminal.buffer.active.cursorX };
  }

  /** The line that the cursor is in, over all rows that it wraps to: its text, and the part of it before `from`. */
  line(from: Place | undefined): { readonly text: string; readonly before: string | undefined } {
    const buffer = this.terminal.buffer.active;
    let first = buffer.baseY + buffer.cursorY;
    let last = first;
    while (first > 0 && buffer.getLine(first)?.isWrapped === true) first--;
    // Behind its last row the buffer begins anew: one line that fills all of it would have no end.
    while (last + 1 < buffer.length && buffer.getLine(last + 1)?.isWrapped === true) last++;
    const textOf = (row: number, to?: number): string =>
      buffer.getLine(row)?.translateToString(false, 0, to) ?? '';
    let text = '';
    let before: string | undefined;
    for (let row = first; row <= last; row++) {
      if (from !== undefined && from.marker.line === row) before = text + textOf(row, from.column);
      text += textOf(row);
    }
    return { text: text.trimEnd(), before };
  }

  dispose(): void {
    this.terminal.dispose();
  }

  private shellMark(data: string): boolean {
    this.marked = true;
    if (data === 'B' || data.startsWith('B;')) this.promptEnd = this.replace(this.promptEnd, this.cursor());
    // C: the command runs. What stands on a line from here on is no command of the shell's.
    else if (data === 'C' || data.startsWith('C;')) this.promptEnd = this.replace(this.promptEnd, undefined);
    else if (data.startsWith('D;')) {
      const exit = /^D;(\d{1,3})(?:;|$)/.exec(data)?.[1];
      this.exit = exit === undefined ? undefined : Number(exit);
    }
    return true;
  }

  private replace(old: Place | undefined, next: Place | undefined): Place | undefined {
    old?.marker.dispose();
    return next;
  }
}

function bounded({ columns, rows }: Size): Size {
  const within = (value: number, most: number): number => Math.max(1, Math.min(most, Math.trunc(value) || 1));
  return { columns: within(columns, columnsMax), rows: within(rows, rowsMax) };
}
