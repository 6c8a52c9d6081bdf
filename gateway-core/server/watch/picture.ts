import type { IBuffer, IBufferCell, IBufferLine, Terminal } from '@xterm/headless';
import { placeOf, type Unspoken } from './unspoken.js';

/**
 * Text that paints this terminal's screen on a new one of the same size: rows, cursor, colours, the screen below the
 * alternate one, and what of its state later output depends on. Longer than `charactersMax`: without colours.
 */
export function pictureOf(
  terminal: Terminal,
  unspoken: Unspoken,
  bounds: { readonly scrollbackRows: number; readonly charactersMax: number },
): string {
  const { active, normal } = terminal.buffer;
  const paint = (coloured: boolean): string => {
    const painter = new Painter(terminal, coloured);
    const above = painter.rows(normal, Math.max(0, normal.baseY - bounds.scrollbackRows));
    const screen =
      active.type === 'normal'
        ? above
        : `${above}${unspoken.normal}${placeOf(normal.cursorX, normal.cursorY)}\x1b[?1049h\x1b[0m\x1b[2J\x1b[H${painter.rows(active, 0)}`;
    const { insertMode, originMode, wraparoundMode } = terminal.modes;
    const modes =
      (insertMode ? '\x1b[4h' : '') + (originMode ? '\x1b[?6h' : '') + (wraparoundMode ? '' : '\x1b[?7l');
    return `${screen}${unspoken.active}${modes}${painter.cursor(active, unspoken.firstRow)}${unspoken.styles}`;
  };
  const picture = paint(true);
  return picture.length <= bounds.charactersMax ? picture : paint(false);
}

class Painter {
  readonly #columns: number;
  readonly #screenRows: number;
  readonly #coloured: boolean;
  readonly #cell: IBufferCell;
  #style = '';

  constructor(terminal: Terminal, coloured: boolean) {
    this.#columns = terminal.cols;
    this.#screenRows = terminal.rows;
    this.#coloured = coloured;
    this.#cell = terminal.buffer.active.getNullCell();
  }

  /** Rows from `first` to the last of the screen. The last style is undone. */
  rows(buffer: IBuffer, first: number): string {
    let text = '';
    const last = buffer.baseY + this.#screenRows - 1;
    for (let row = first; row <= last; row += 1) {
      const line = buffer.getLine(row);
      if (line !== undefined) text += this.#row(line);
      if (row < last && !this.#flowsOn(line, buffer.getLine(row + 1))) text += '\r\n';
    }
    return text + this.#turn('');
  }

  /** Back to where it is. Behind the last column it gets only by what stands there being written again. */
  cursor(buffer: IBuffer, firstRow: number): string {
    const { cursorX, cursorY, baseY } = buffer;
    const row = Math.max(0, cursorY - firstRow);
    if (cursorX < this.#columns) return placeOf(cursorX, row);
    const line = buffer.getLine(baseY + cursorY);
    const isSecondHalf = line?.getCell(this.#columns - 1, this.#cell)?.getWidth() === 0;
    const column = this.#columns - (isSecondHalf ? 2 : 1);
    const cell = line?.getCell(column, this.#cell);
    if (cell === undefined || cell.getChars() === '') return placeOf(this.#columns - 1, row);
    return placeOf(column, row) + this.#turn(this.#styleOf(cell)) + cell.getChars() + this.#turn('');
  }

  #row(line: IBufferLine): string {
    let text = '';
    let blank = 0;
    let blankStyle = '';
    const skip = (isEnd: boolean): void => {
      if (blank === 0) return;
      // Erased cells keep a background; what has none is only passed over.
      if (blankStyle !== '') text += `${this.#turn(blankStyle)}\x1b[${blank}X`;
      if (!isEnd) text += `\x1b[${blank}C`;
      blank = 0;
    };
    for (let column = 0; column < this.#columns; column += 1) {
      const cell = line.getCell(column, this.#cell);
      if (cell === undefined || cell.getWidth() === 0) continue;
      const style = this.#styleOf(cell);
      const characters = cell.getChars();
      if (characters === '') {
        if (blank > 0 && style !== blankStyle) skip(false);
        blankStyle = style;
        blank += 1;
        continue;
      }
      skip(false);
      text += this.#turn(style) + characters;
    }
    skip(true);
    // What scrolls in has the background of then.
    return text + this.#turn('');
  }

  /** The next row begins by itself where this one is full. */
  #flowsOn(line: IBufferLine | undefined, next: IBufferLine | undefined): boolean {
    if (next?.isWrapped !== true || line === undefined) return false;
    const last = line.getCell(this.#columns - 1, this.#cell);
    const isFull = last !== undefined && (last.getChars() !== '' || last.getWidth() === 0);
    return isFull && next.getCell(0, this.#cell)?.getChars() !== '';
  }

  #turn(style: string): string {
    if (style === this.#style) return '';
    this.#style = style;
    return `\x1b[0${style}m`;
  }

  /** SGR parameters, each behind a semicolon. */
  #styleOf(cell: IBufferCell): string {
    if (!this.#coloured || cell.isAttributeDefault()) return '';
    const flags = [
      [cell.isBold(), 1],
      [cell.isDim(), 2],
      [cell.isItalic(), 3],
      [cell.isUnderline(), 4],
      [cell.isBlink(), 5],
      [cell.isInverse(), 7],
      [cell.isInvisible(), 8],
      [cell.isStrikethrough(), 9],
      [cell.isOverline(), 53],
    ] as const;
    let style = '';
    for (const [isSet, parameter] of flags) if (isSet !== 0) style += `;${parameter}`;
    if (cell.isFgRGB()) style += `;38;2;${rgb(cell.getFgColor())}`;
    else if (cell.isFgPalette()) style += palette(30, cell.getFgColor(), cell.getFgColorMode());
    if (cell.isBgRGB()) style += `;48;2;${rgb(cell.getBgColor())}`;
    else if (cell.isBgPalette()) style += palette(40, cell.getBgColor(), cell.getBgColorMode());
    return style;
  }
}

/** How xterm.js says that a colour was one of the sixteen: bold text has the bright one of those. */
const ofSixteen = 0x1000000;

/** `base`: 30 in front, 40 behind. */
function palette(base: number, colour: number, mode: number): string {
  if (mode !== ofSixteen) return `;${base + 8};5;${colour}`;
  return colour < 8 ? `;${base + colour}` : `;${base + 60 + colour - 8}`;
}

function rgb(colour: number): string {
  return `${(colour >> 16) & 255};${(colour >> 8) & 255};${colour & 255}`;
}
