import { ascii, has, name } from './bytes.js';
import type { Hit } from './hits.js';
import { maskedText } from './masks.js';
import { Output } from './output.js';

/** What surrounds the values inside a column's text, and must stay whole when hits in it are replaced. */
export interface Syntax {
  /** The byte that no secret value goes beyond (see `scan`), or -1. */
  readonly hardStop: number;
  /** What the text becomes where a hit does not fit the syntax: the text is not what its type says. */
  readonly whole: Uint8Array;
  /**
   * The bytes that are replaced for a hit that is not between quotes, and what goes around the mask there;
   * undefined where there is no way. Absent where the syntax has no quotes.
   */
  readonly outside?: (bytes: Uint8Array, hit: Hit, from: number, end: number) => Place | undefined;
}

export interface Place {
  readonly start: number;
  readonly end: number;
  /** Whether the mask needs quotes. */
  readonly quoted: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

export const textSyntax: Syntax = { hardStop: -1, whole: ascii(maskedText) };

/** RFC 8259. A number that hits becomes a string. */
export const jsonSyntax: Syntax = {
  hardStop: quote,
  whole: ascii(`"${maskedText}"`),
  outside: (bytes, hit, from, end) => {
    let start = hit.start;
    while (start > from && isScalarByte(bytes[start - 1] as number)) start--;
    let to = hit.start;
    while (to < end && isScalarByte(bytes[to] as number)) to++;
    return start >= from && to >= hit.end ? { start, end: to, quoted: true } : undefined;
  },
};

/** Letters, digits and `+ - . _`: what numbers and literals are made of. */
function isScalarByte(byte: number): boolean {
  return has(byte, name) || byte === 0x2b;
}

/** PostgreSQL's array text (manual 8.15.6). Masks hold none of the bytes that need quotes. */
export const arraySyntax: Syntax = {
  hardStop: quote,
  whole: ascii(`{"${maskedText}"}`),
  outside: (bytes, hit) => {
    for (let at = hit.start; at < hit.end; at++) {
      const byte = bytes[at];
      if (byte === 0x2c || byte === 0x7b || byte === 0x7d || byte === quote) return undefined;
    }
    return { start: hit.start, end: hit.end, quoted: false };
  },
};

/** Appends the mask of a hit. */
type WriteMask = (bytes: Uint8Array, hit: Hit, out: Output) => void;

const output = new Output();
const content = new Output();
const masked = ascii(maskedText);

/** `bytes[start, end)` with the mask of each hit in its place, as the syntax allows. */
export function replaceHits(
  syntax: Syntax,
  bytes: Uint8Array,
  start: number,
  end: number,
  hits: readonly Hit[],
  write: WriteMask,
): Uint8Array {
  output.clear();
  let from = start;
  if (syntax.outside === undefined) {
    for (const hit of hits) {
      output.copy(bytes, from, hit.start);
      write(bytes, hit, output);
      from = hit.end;
    }
    output.copy(bytes, from, end);
    return output.take();
  }
  const strings = new StringWalk(bytes, start, end);
  for (const hit of hits) {
    const stringEnd = strings.endAround(hit.start);
    const place = stringEnd === -1 ? syntax.outside(bytes, hit, from, end) : insideString(hit, stringEnd);
    if (place === undefined || place.start < from) return syntax.whole;
    output.copy(bytes, from, place.start);
    if (place.quoted) output.byte(quote);
    writeContent(bytes, hit, write);
    if (place.quoted) output.byte(quote);
    from = place.end;
  }
  output.copy(bytes, from, end);
  return output.take();
}

function insideString(hit: Hit, stringEnd: number): Place | undefined {
  return hit.end <= stringEnd ? { start: hit.start, end: hit.end, quoted: false } : undefined;
}

/** Masks show parts of what was there; a part that would need quotes or escapes is not shown. */
function writeContent(bytes: Uint8Array, hit: Hit, write: WriteMask): void {
  content.clear();
  write(bytes, hit, content);
  const text = content.take();
  const written = text.every(isPlain) ? text : masked;
  output.copy(written, 0, written.length);
}

/** A byte that means nothing to JSON or arrays. */
function isPlain(byte: number): boolean {
  return (
    byte >= 0x20 && byte !== quote && byte !== backslash && byte !== 0x2c && byte !== 0x7b && byte !== 0x7d
  );
}

/** Where strings between `"` stand, with backslash escapes; asked for places from left to right. */
class StringWalk {
  private readonly bytes: Uint8Array;
  private readonly end: number;
  private at: number;
  private inside = false;
  /** The closing quote that was looked up last: several hits can be in one string. */
  private close = -1;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** The closing quote of the string that `place` is inside of, or -1 when it is in none. */
  endAround(place: number): number {
    while (this.at < place) this.step();
    if (!this.inside) return -1;
    if (this.close >= place) return this.close;
    let close = this.at;
    while (close < this.end && this.bytes[close] !== quote) close += this.bytes[close] === backslash ? 2 : 1;
    this.close = Math.min(close, this.end);
    return this.close;
  }

  private step(): void {
    const byte = this.bytes[this.at];
    if (byte === quote) this.inside = !this.inside;
    this.at += byte === backslash && this.inside ? 2 : 1;
  }
}
