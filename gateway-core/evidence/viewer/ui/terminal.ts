import headless from '@xterm/headless';
import type { ReplayTerminal } from '../../../contract/bridge/work.js';
import { TerminalReplay } from '../../../contract/terminal-replay.js';
import type { ItemStore } from '../data/item-store.js';
import { h } from './dom.js';

const scrollbackRows = 500;
const paletteSize = 16;

/** How a run of cells is shown. */
interface Look {
  readonly classes: string;
  readonly colour: string;
  readonly background: string;
}

/**
 * A recorded terminal as it stood at a moment: an emulator without a display, and its rows as text. What the recording
 * holds becomes text and colours, nothing else.
 */
export class TerminalView {
  readonly element = h('div', {
    class: 'terminal',
    role: 'group',
    tabindex: 0,
    'aria-label': 'The recorded terminal',
  });
  readonly #emulator = new headless.Terminal({
    allowProposedApi: true,
    scrollback: scrollbackRows,
    logLevel: 'off',
  });
  readonly #replay: TerminalReplay;

  constructor(items: ItemStore, terminal: ReplayTerminal) {
    const emulator = this.#emulator;
    this.#replay = new TerminalReplay(
      {
        write: (data, painted) => emulator.write(data, painted),
        resize: (columns, rows) => emulator.resize(columns, rows),
        reset: () => emulator.reset(),
      },
      items,
      terminal,
    );
  }

  /** The screen after the first `count` items. */
  show(count: number): void {
    void this.#replay.show(count).then(() => this.#paint());
  }

  #paint(): void {
    const { active } = this.#emulator.buffer;
    const cell = active.getNullCell();
    const rows: HTMLElement[] = [];
    for (let row = 0; row < active.length; row += 1) {
      const line = active.getLine(row);
      const isCursorRow = row === active.baseY + active.cursorY;
      if (line !== undefined) rows.push(rowOf(line, cell, isCursorRow ? active.cursorX : -1));
    }
    this.element.replaceChildren(...rows);
    this.element.scrollTop = this.element.scrollHeight;
  }
}

function rowOf(line: headless.IBufferLine, cell: headless.IBufferCell, cursor: number): HTMLElement {
  const element = h('div', { class: 'screen-row' });
  let text = '';
  let look: Look = plainLook;
  const flush = (): void => {
    if (text !== '') element.append(runOf(text, look));
    text = '';
  };
  for (let column = 0; column < line.length; column += 1) {
    const read = line.getCell(column, cell);
    if (read === undefined || read.getWidth() === 0) continue;
    const next = lookOf(read, column === cursor);
    if (next.classes !== look.classes || next.colour !== look.colour || next.background !== look.background)
      flush();
    look = next;
    text += read.getChars() || ' ';
  }
  if (look === plainLook) text = text.trimEnd();
  flush();
  return element;
}

const plainLook: Look = { classes: '', colour: '', background: '' };

function lookOf(cell: headless.IBufferCell, isCursor: boolean): Look {
  if (!isCursor && cell.isAttributeDefault()) return plainLook;
  const classes = [
    cell.isBold() !== 0 && 'bold',
    cell.isDim() !== 0 && 'faint',
    cell.isItalic() !== 0 && 'italic',
    cell.isUnderline() !== 0 && 'underline',
    cell.isStrikethrough() !== 0 && 'struck',
    cell.isInverse() !== 0 && 'inverse',
    cell.isInvisible() !== 0 && 'concealed',
    isCursor && 'cursor',
    cell.isFgPalette() && cell.getFgColor() < paletteSize && `fg${cell.getFgColor()}`,
    cell.isBgPalette() && cell.getBgColor() < paletteSize && `bg${cell.getBgColor()}`,
  ].filter((name) => name !== false);
  return {
    classes: classes.join(' '),
    colour: cell.isFgDefault() ? '' : colourOf(cell.getFgColor(), cell.isFgRGB()),
    background: cell.isBgDefault() ? '' : colourOf(cell.getBgColor(), cell.isBgRGB()),
  };
}

/** A colour beyond the palette of sixteen, which the page's style has; '' for those. */
function colourOf(value: number, isRgb: boolean): string {
  if (isRgb) return rgb((value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
  if (value < paletteSize || value > 255) return '';
  if (value >= 232) return rgb(8 + (value - 232) * 10, 8 + (value - 232) * 10, 8 + (value - 232) * 10);
  const step = (place: number): number => {
    const level = Math.floor((value - paletteSize) / place) % 6;
    return level === 0 ? 0 : 55 + level * 40;
  };
  return rgb(step(36), step(6), step(1));
}

const rgb = (red: number, green: number, blue: number): string => `rgb(${red} ${green} ${blue})`;

/** The page's policy lets script set single properties of a style, and no style that stands in text. */
function runOf(text: string, { classes, colour, background }: Look): HTMLElement {
  const element = h('span', classes === '' ? {} : { class: classes }, text);
  if (colour !== '') element.style.setProperty('--colour', colour);
  if (background !== '') element.style.setProperty('--background', background);
  return element;
}
