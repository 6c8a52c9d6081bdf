/**
 * What one line of terminal output says once its escape sequences are taken out (ECMA-48, xterm's ctlseqs), with the
 * place of every byte. Three lanes, because a detector must see what a person would see, and a sequence in the middle
 * of a value must not hide it:
 * - `shown`: the text; colours and modes vanish, whatever moves the cursor or edits the line is a line feed;
 * - `joined`: the same, where what moves the cursor vanishes too (a value painted in pieces); only where that differs;
 * - `aside`: what stands inside strings (titles, links, clipboard), each followed by a line feed.
 */
export class Lane {
  bytes = Buffer.allocUnsafeSlow(1024);
  places = new Int32Array(1024);
  length = 0;

  put(byte: number, place: number): void {
    if (this.length === this.bytes.length) this.grow(this.length + 1);
    this.bytes[this.length] = byte;
    this.places[this.length] = place;
    this.length++;
  }

  copyOf(other: Lane): void {
    this.grow(other.length);
    this.bytes.set(other.bytes.subarray(0, other.length));
    this.places.set(other.places.subarray(0, other.length));
    this.length = other.length;
  }

  clear(): void {
    this.length = 0;
    // One huge line must not keep its memory for ever.
    if (this.bytes.length > keptBytesMax) {
      this.bytes = Buffer.allocUnsafeSlow(1024);
      this.places = new Int32Array(1024);
    }
  }

  private grow(size: number): void {
    if (size <= this.bytes.length) return;
    const room = Math.max(size, this.bytes.length * 2);
    const bytes = Buffer.allocUnsafeSlow(room);
    const places = new Int32Array(room);
    bytes.set(this.bytes.subarray(0, this.length));
    places.set(this.places.subarray(0, this.length));
    this.bytes = bytes;
    this.places = places;
  }
}
const keptBytesMax = 1024 * 1024;

/** Where a terminal's parser stands between two bytes. */
export const parserStates = {
  ground: 0,
  escape: 1,
  intermediate: 2,
  control: 3,
  command: 4,
  string: 5,
} as const;
export type ParserState = (typeof parserStates)[keyof typeof parserStates];
const { ground, escape, intermediate, control, command, string } = parserStates;

const lineFeed = 0x0a;
const escapeByte = 0x1b;

/** Final bytes of control sequences that neither move the cursor nor change what stands on the screen, save below it. */
const stillFinals = new Set(Buffer.from('mKhlncqtpgix'));
/** The same of two-byte escapes that do move it: restore, index, next line, reverse index, reset. */
const movingEscapes = new Set(Buffer.from('8DEMc'));

/** Bytes that a plain line of a terminal does not hold: with none of them the line is its own view. */
export const terminalSpecials = new Uint8Array(256);
for (let byte = 0; byte < 0x20; byte++) terminalSpecials[byte] = 1;
for (const byte of [0x09, 0x0d]) terminalSpecials[byte] = 0;
for (const byte of [0x7f, 0xc2]) terminalSpecials[byte] = 1;
terminalSpecials[lineFeed] = 2;

/** The same of output without a terminal. */
export const plainSpecials = new Uint8Array(256);
plainSpecials[escapeByte] = 1;
plainSpecials[lineFeed] = 2;

export class StreamView {
  readonly shown = new Lane();
  readonly joined = new Lane();
  readonly aside = new Lane();
  /** Whether `joined` differs from `shown`. */
  moved = false;
  unfinished = 0;
  private data: Uint8Array = new Uint8Array(0);

  private clear(): void {
    this.moved = false;
    this.shown.clear();
    this.joined.clear();
    this.aside.clear();
  }

  /**
   * Fills the lanes with `data[from, to)`, a line or a part of one that may go `on` behind it; `before` is the parser's
   * state at `from`. Returns that at `to`. `unfinished` is where a sequence begins that may be none, `to` if none does.
   */
  terminal(data: Uint8Array, from: number, to: number, before: ParserState, on: boolean): ParserState {
    this.clear();
    this.unfinished = to;
    this.data = data;
    let state: ParserState = before;
    for (let at = from; at < to; at++) {
      const byte = data[at] as number;
      if (state === ground && byte >= 0x20 && byte < 0x7f) this.text(byte, at);
      else if (byte === 0xc2 && on && at + 1 === to) this.unfinished = at;
      else if (byte === 0xc2 && isC1(data, at + 1, to)) state = this.c1(data[++at] as number, at - 1, state);
      else if (state >= command) state = this.inString(byte, at, state);
      else if (byte < 0x20) state = this.c0(byte, at, state);
      else state = this.printable(byte, at, state);
    }
    return state;
  }

  /** Program output without a terminal: colours and `erase to the end of the line` vanish, all else is text. */
  plain(data: Uint8Array, from: number, to: number, on: boolean): void {
    this.clear();
    this.unfinished = to;
    for (let at = from; at < to; at++) {
      const end = data[at] === escapeByte ? colourEnd(data, at, to) : -1;
      if (end > to && on) {
        this.unfinished = at;
        return;
      }
      if (end === -1 || end > to) this.shown.put(data[at] as number, at);
      else at = end - 1;
    }
  }

  private text(byte: number, at: number): void {
    this.shown.put(byte, at);
    if (this.moved) this.joined.put(byte, at);
  }

  /** The cursor moved: other text stands around what comes next. */
  private move(at: number): void {
    if (!this.moved) this.joined.copyOf(this.shown);
    this.moved = true;
    this.shown.put(lineFeed, at);
  }

  private c0(byte: number, at: number, state: ParserState): ParserState {
    if (byte === escapeByte) return escape;
    if (byte === 0x18 || byte === 0x1a) return ground;
    if (byte === 0x09) this.text(byte, at);
    else if (byte === 0x0d) this.carriageReturn(at);
    else if (byte === 0x08) this.move(at);
    else if (byte >= lineFeed && byte <= 0x0c) this.text(lineFeed, at);
    // All others show nothing.
    return state;
  }

  /** A shell that edits a line wider than the screen writes a space and a carriage return to get to the next row. */
  private carriageReturn(at: number): void {
    const { shown, joined } = this;
    const next = this.data[at + 1];
    const wraps =
      shown.length > 0 && shown.bytes[shown.length - 1] === 0x20 && next !== undefined && next > 0x20;
    if (!wraps) return this.text(0x0d, at);
    this.move(at);
    if (joined.length > 0 && joined.bytes[joined.length - 1] === 0x20) joined.length--;
  }

  private c1(byte: number, at: number, state: ParserState): ParserState {
    if (byte === 0x9c) return this.stringEnd(at, state);
    if (byte === 0x9b) return control;
    if (byte === 0x9d) return command;
    if (byte === 0x90 || byte === 0x98 || byte === 0x9e || byte === 0x9f) return string;
    if (byte === 0x84 || byte === 0x85 || byte === 0x8d) this.move(at);
    return state;
  }

  private printable(byte: number, at: number, state: ParserState): ParserState {
    if (state === escape) return this.afterEscape(byte, at);
    if (state === intermediate) return byte >= 0x30 ? ground : intermediate;
    if (state === control) {
      if (byte < 0x40 || byte === 0x7f) return control;
      if (byte < 0x7f && !stillFinals.has(byte)) this.move(at);
      return ground;
    }
    if (byte !== 0x7f) this.text(byte, at);
    return ground;
  }

  private afterEscape(byte: number, at: number): ParserState {
    if (byte === 0x5b) return control;
    if (byte === 0x5d) return command;
    // P X ^ _
    if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) return string;
    if (byte < 0x30) return intermediate;
    if (byte >= 0x80) this.text(byte, at);
    if (movingEscapes.has(byte)) this.move(at);
    return ground;
  }

  private inString(byte: number, at: number, state: ParserState): ParserState {
    if (byte === escapeByte) {
      this.stringEnd(at, state);
      return escape;
    }
    if ((byte === 0x07 && state === command) || byte === 0x18 || byte === 0x1a)
      return this.stringEnd(at, state);
    if (byte >= 0x20 && byte !== 0x7f) this.aside.put(byte, at);
    return state;
  }

  private stringEnd(at: number, state: ParserState): ParserState {
    if (state >= command) this.aside.put(lineFeed, at);
    return ground;
  }
}

function isC1(data: Uint8Array, at: number, to: number): boolean {
  if (at >= to) return false;
  const byte = data[at] as number;
  return byte >= 0x80 && byte <= 0x9f;
}

const colourBytesMax = 64;

/** The end of `ESC [ ... m` or `ESC [ ... K` at `at`; -1 where none stands, more than `to` where one may. */
function colourEnd(data: Uint8Array, at: number, to: number): number {
  for (let index = at + 1; index < at + colourBytesMax; index++) {
    if (index >= to) return to + 1;
    const byte = data[index] as number;
    if (index === at + 1 && byte !== 0x5b) return -1;
    if (index === at + 1) continue;
    if (byte === 0x6d || byte === 0x4b) return index + 1;
    if (byte < 0x30 || byte > 0x3f) return -1;
  }
  return -1;
}
