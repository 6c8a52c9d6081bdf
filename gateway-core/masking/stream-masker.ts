import type { DetectMask } from '../contract/masks.js';
import { ascii, isWordAt } from './bytes.js';
import { compileDetection, type Detection, findHits } from './detect.js';
import { pemEnd, pemLineEnd } from './detect-key.js';
import { detectorIds, type Hit } from './hits.js';
import { holdFrom, opensKey } from './stream-hold.js';
import { maskInPlace } from './stream-mask.js';
import {
  type Lane,
  type ParserState,
  parserStates,
  plainSpecials,
  StreamView,
  terminalSpecials,
} from './stream-view.js';

/** Most bytes that are held back, and most of a line that is kept to judge what comes next. */
export const heldBytesMax = 8192;
/** What stays of a line that is longer: labels stand this close before their values. */
const contextBytes = 1024;
/** A private key block that does not end is masked this far: the longest key in use (RSA, 16,384 bits) has 13 KB. */
const keyBlockBytesMax = 32 * 1024;
/** Behind a value that outgrew what is held, what follows without white space is judged as if it stood here. */
const endlessLabel = 'password=';
const suspectDigits = 6;
const suspectBytes = 20;

/** Masks what detectors find in a stream of output: a terminal's, or a program's. */
export interface StreamMasker {
  /**
   * What can be given of the stream so far, masked. May be a view of `bytes`, which is not written to.
   * INVARIANT: all that `push` and `flush` give is as long as all that `push` got, in the same order.
   */
  push(bytes: Uint8Array): Uint8Array;
  /** The rest, masked as it stands. What comes later is still judged with what was given before. */
  flush(): Uint8Array;
  readonly heldBytes: number;
  /**
   * Whether what is held already looks like the beginning of a value. Where it does not, a terminal in which somebody
   * types may be flushed at once; else after a silence.
   */
  readonly suspects: boolean;
  /** How many values were masked. */
  readonly masked: number;
}

/**
 * A masker of one stream. Length-preserving: of what a mask hides every byte becomes `*` (partial masks show what they
 * show elsewhere; `hash` and `null` show nothing), so that screens keep their layout and windows their count. Escape
 * sequences stay where they are; detectors see the text without them (stream-view.ts).
 *
 * Without a flush in between, what comes out does not depend on where the stream was cut. Values are looked for in each
 * line on its own; only private key blocks span lines. Not seen: values that a program breaks into lines itself, paints
 * in several lines' turns or out of order, or repeats characters of (REP).
 */
export function createStreamMasker(options: {
  readonly rules: readonly DetectMask[];
  /** Whether escape sequences are a terminal's; else only colours are known. */
  readonly terminal: boolean;
}): StreamMasker {
  return new LineMasker(compileDetection(options.rules), options.terminal);
}

const nothing = new Uint8Array(0);
/** Shared: nothing of it outlives one line. */
const view = new StreamView();
const { ground } = parserStates;

/** What is judged at once: a line or the part of one that is there, as its lane shows it. */
interface Text {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Where each byte stands in the data; undefined where that is its index and `offset`. */
  readonly places: Int32Array | undefined;
  readonly offset: number;
  /** Whether key blocks are followed here. */
  readonly main: boolean;
}

/** How the last, unfinished line ends: in no value, in one that stands behind `before`, in a private key block. */
type Tail =
  | { readonly in: 'nothing' | 'key-block' }
  | { readonly in: 'value'; readonly start: number; readonly before: number | undefined };
const noTail: Tail = { in: 'nothing' };

class LineMasker implements StreamMasker {
  masked = 0;
  suspects = false;
  private readonly detection: Detection;
  private readonly terminal: boolean;
  private readonly specials: Uint8Array;
  /** The line so far: up to `given` what was given out, then what is held. */
  private line: Uint8Array = nothing;
  private given = 0;
  /** The parser's state at the line's first byte. */
  private state: ParserState = ground;
  /** The line lacks its beginning: what hits at its very start is part of something longer. */
  private cut = false;
  /** What is left of a private key block; 0 outside of one. */
  private keyBytesLeft = 0;
  /** The last byte that was given was part of a value. */
  private givenInside = false;

  // Of the data at hand.
  private data: Uint8Array = nothing;
  private out: Uint8Array | undefined;
  /** All of it is given, whatever it is. */
  private last = false;
  private special = false;
  private hold = 0;
  private tail: Tail = noTail;
  private starts: number[] = [];

  constructor(detection: Detection, terminal: boolean) {
    this.detection = detection;
    this.terminal = terminal;
    this.specials = terminal ? terminalSpecials : plainSpecials;
  }

  get heldBytes(): number {
    return this.line.length - this.given;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.detection.wanted === 0 || bytes.length === 0) return bytes;
    return this.run(this.line.length === 0 ? bytes : Buffer.concat([this.line, bytes]), false);
  }

  flush(): Uint8Array {
    return this.heldBytes === 0 ? nothing : this.run(this.line, true);
  }

  private run(data: Uint8Array, all: boolean): Uint8Array {
    this.data = data;
    this.last = all;
    this.out = undefined;
    let from = 0;
    for (let end = this.lineEnd(0); end < data.length; end = this.lineEnd(from)) {
      this.state = this.judge(from, end, false);
      this.countStarts(data.length);
      if (this.keyBytesLeft > 0) this.keyBytesLeft = Math.max(0, this.keyBytesLeft - (end + 1 - from));
      this.cut = false;
      this.givenInside = false;
      from = end + 1;
    }
    this.hold = data.length;
    this.tail = noTail;
    const after = this.judge(from, data.length, true);
    const hold = all ? data.length : this.bounded(Math.max(this.hold, this.given));
    this.countStarts(hold);
    const given = (this.out ?? data).subarray(this.given, hold);
    this.keep(from, hold, after);
    return given;
  }

  /** Where the line that begins at `from` ends: at its line feed, or with the data. Sets `special`. */
  private lineEnd(from: number): number {
    const { data, specials } = this;
    this.special = this.state !== ground;
    for (let at = from; at < data.length; at++) {
      const kind = specials[data[at] as number] as number;
      if (kind === 0) continue;
      if (kind === 2) return at;
      this.special = true;
    }
    return data.length;
  }

  /** Looks at `data[from, to)` in all its lanes and masks it. Returns the parser's state at `to`. */
  private judge(from: number, to: number, unfinished: boolean): ParserState {
    if (!this.special) {
      // Nearly every line there is: nothing is found in it, and nothing is made to look at it.
      const { wanted } = this.detection;
      const quick = !unfinished && this.keyBytesLeft === 0;
      if (quick && findHits(this.data, from, to, wanted, -1).length === 0) return this.state;
      const bytes = this.data.subarray(from, to);
      this.judgeText(
        { bytes, length: bytes.length, places: undefined, offset: from, main: true },
        unfinished,
      );
      return this.state;
    }
    let after: ParserState = this.state;
    const on = unfinished && !this.last;
    if (this.terminal) after = view.terminal(this.data, from, to, this.state, on);
    else view.plain(this.data, from, to, on);
    if (on) this.hold = Math.min(this.hold, view.unfinished);
    this.judgeText(textOf(view.shown, true), unfinished);
    if (view.moved) this.judgeText(textOf(view.joined, false), unfinished);
    if (view.aside.length > 0) this.judgeText(textOf(view.aside, false), unfinished);
    return after;
  }

  private judgeText(text: Text, unfinished: boolean): void {
    const { bytes, length } = text;
    const from = text.main && this.keyBytesLeft > 0 ? this.inKeyBlock(text, unfinished) : 0;
    const found = findHits(bytes, from, length, this.detection.wanted, -1);
    const hits = this.cut ? found.filter((hit) => hit.start > 0) : found;
    for (const hit of hits) this.mask(text, hit);
    const last = hits.at(-1);
    const opens = last?.end === length && opensKey(bytes, last);
    if (!unfinished) {
      if (text.main && opens) this.keyBytesLeft = keyBlockBytesMax;
      return;
    }
    const held = from === length ? length : Math.max(from, holdFrom(bytes, length, hits));
    if (held < length) this.hold = Math.min(this.hold, placeOf(text, held));
    if (!text.main) return;
    if (opens || (from === length && from > 0)) this.tail = { in: 'key-block' };
    else if (last?.end === length) {
      this.tail = { in: 'value', start: placeOf(text, last.start), before: bytes[last.start - 1] };
    }
  }

  /** Masks up to the END line of the block; returns where it ends. */
  private inKeyBlock(text: Text, unfinished: boolean): number {
    const { bytes, length } = text;
    let to = length;
    for (let at = 0; at < length; at++) {
      if (bytes[at] !== 0x2d || !isWordAt(bytes, at, 0, length, pemEnd)) continue;
      to = pemLineEnd(bytes, at + pemEnd.length, length, -1);
      if (!unfinished) this.keyBytesLeft = 0;
      break;
    }
    const detector = detectorIds.secret;
    this.mask(text, { start: 0, end: to, detector, seen: 1 << detector, decoded: undefined });
    return to;
  }

  private mask(text: Text, hit: Hit): void {
    this.out ??= Buffer.from(this.data);
    const { bytes, places, offset } = text;
    const first = maskInPlace(bytes, hit, this.detection, this.out, places, offset, this.given);
    // A value whose beginning was given as one was counted then.
    const counts = placeOf(text, hit.start) >= this.given || !this.givenInside;
    if (first !== -1 && counts) this.starts.push(first);
  }

  private countStarts(end: number): void {
    if (this.starts.length === 0) return;
    this.masked += this.starts.filter((start) => start < end).length;
    this.starts = [];
  }

  /** No more than `heldBytesMax` are held: a value that is longer is given as it is masked, other text as it is. */
  private bounded(hold: number): number {
    const { length } = this.data;
    if (length - hold <= heldBytesMax) return hold;
    return this.tail.in === 'nothing' ? length - contextBytes : length;
  }

  /** Keeps what the rest of the line is judged with. */
  private keep(from: number, hold: number, after: ParserState): void {
    const { data, tail } = this;
    this.givenInside = tail.in === 'key-block' || (tail.in === 'value' && tail.start < hold);
    this.suspects = hold < data.length && (tail.in !== 'nothing' || looksLikeMore(data, hold));
    let start = from;
    if (hold - from > heldBytesMax) {
      start = hold - contextBytes;
      if (tail.in === 'value' && hold === data.length) return this.goOn(tail.before, after);
      this.shorten(from, start);
    }
    this.line = start === data.length ? nothing : Buffer.from(data.subarray(start));
    this.given = hold - start;
  }

  /** The line's first bytes are let go. */
  private shorten(from: number, start: number): void {
    if (this.terminal) this.state = view.terminal(this.data, from, start, this.state, false);
    this.cut = true;
    if (this.tail.in !== 'key-block') this.keyBytesLeft = 0;
    else {
      const left = this.keyBytesLeft === 0 ? keyBlockBytesMax : this.keyBytesLeft;
      this.keyBytesLeft = Math.max(0, left - (start - from));
    }
  }

  /** In the middle of a value of which too much was given to keep it. */
  private goOn(before: number | undefined, after: ParserState): void {
    const quote = before === 0x22 || before === 0x27 ? String.fromCharCode(before) : '';
    this.line = ascii(`${endlessLabel}${quote}*`);
    this.given = this.line.length;
    this.state = after;
    this.cut = false;
    this.keyBytesLeft = 0;
  }
}

function placeOf(text: Text, index: number): number {
  return text.places === undefined ? index + text.offset : (text.places[index] as number);
}

function textOf(lane: Lane, main: boolean): Text {
  return { bytes: lane.bytes, length: lane.length, places: lane.places, offset: 0, main };
}

/** An `@`, many digits, or a long word. */
function looksLikeMore(data: Uint8Array, from: number): boolean {
  if (data.length - from >= suspectBytes) return true;
  let digits = 0;
  for (let at = from; at < data.length; at++) {
    const byte = data[at] as number;
    if (byte === 0x40) return true;
    if (byte >= 0x30 && byte <= 0x39) digits++;
  }
  return digits >= suspectDigits;
}
