import { byteAt, escapedBackslash, escapedQuote, isDigit } from './bytes.js';
import { dropped, fold, kept } from './fold.js';

/**
 * The decoded view of a value: one layer of backslash escapes, percent-encoding and character references decoded,
 * look-alike characters folded, invisible ones left out; with the place in the source of every byte. Made only for
 * values in which the scanner met something that decodes.
 */

/** What `read` found at a place: so many bytes of the source stand for this code point (or `dropped`). */
let readBytes = 0;
let readCode = 0;

function found(bytes: number, code: number): boolean {
  readBytes = bytes;
  readCode = code;
  return true;
}

/** Names that mail and markup use for characters of addresses and numbers. `amp` first: it is the most common. */
const references: ReadonlyMap<string, number> = new Map([
  ['amp', 0x26],
  ['lt', 0x3c],
  ['gt', 0x3e],
  ['quot', 0x22],
  ['apos', 0x27],
  ['nbsp', 0x20],
  ['commat', 0x40],
  ['period', 0x2e],
  ['plus', 0x2b],
  ['dash', 0x2d],
  ['hyphen', 0x2d],
  ['lowbar', 0x5f],
  ['equals', 0x3d],
  ['colon', 0x3a],
  ['sol', 0x2f],
  ['shy', dropped],
  ['zwj', dropped],
  ['zwnj', dropped],
  ['ZeroWidthSpace', dropped],
]);
const referenceBytesMax = 16;

/** Whether the byte at `at` (a `%`, `&`, backslash or a lead byte) begins something that is not itself. */
export function mayDecode(bytes: Uint8Array, at: number, end: number): boolean {
  return read(bytes, at, end);
}

function read(bytes: Uint8Array, at: number, end: number): boolean {
  const byte = bytes[at] as number;
  if (byte >= 0x80) return readCharacter(bytes, at, end);
  if (byte === 0x5c) return readEscape(bytes, at, end);
  if (byte === 0x25) return readPercent(bytes, at, end);
  if (byte === 0x26) return readReference(bytes, at, end);
  return false;
}

function hexValue(byte: number): number {
  if (isDigit(byte)) return byte - 0x30;
  const folded = byte | 0x20;
  return folded >= 0x61 && folded <= 0x66 ? folded - 0x57 : -1;
}

/** The value of `digits` hex digits at `at`, or -1. */
function hexAt(bytes: Uint8Array, at: number, end: number, digits: number): number {
  if (at + digits > end) return -1;
  let value = 0;
  for (let index = at; index < at + digits; index++) {
    const digit = hexValue(bytes[index] as number);
    if (digit === -1) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** A decoded code point in its place: folded, and quotes and backslashes marked as not being the source's own. */
function foundDecoded(bytes: number, code: number): boolean {
  if (code === 0x22) return found(bytes, escapedQuote);
  if (code === 0x5c) return found(bytes, escapedBackslash);
  if (code === escapedQuote || code === escapedBackslash || (code >= 0xd800 && code <= 0xdfff)) {
    return found(bytes, 0x1a);
  }
  if (code < 0x80) return found(bytes, code);
  const folded = fold(code);
  if (folded === 0x22 || folded === 0x5c) return found(bytes, escapedQuote);
  return found(bytes, folded === kept ? code : folded);
}

function readCharacter(bytes: Uint8Array, at: number, end: number): boolean {
  const code = codePointAt(bytes, at, end, 1);
  if (code < 0x80) return false;
  return fold(code) !== kept && foundDecoded(utf8Bytes(code), code);
}

function utf8Bytes(code: number): number {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
}

/** The byte at `at`, written plainly (`stride` 1) or as `%XX` (3); -1 where there is none. */
function unit(bytes: Uint8Array, at: number, end: number, stride: number): number {
  if (stride === 1) return at < end ? (bytes[at] as number) : -1;
  return byteAt(bytes, at, 0, end) === 0x25 ? hexAt(bytes, at + 1, end, 2) : -1;
}

/** The code point of the well-formed UTF-8 sequence at `at`, or -1 (RFC 3629). */
function codePointAt(bytes: Uint8Array, at: number, end: number, stride: number): number {
  const lead = unit(bytes, at, end, stride);
  if (lead < 0x80) return lead;
  const more =
    lead >= 0xf0 && lead <= 0xf4 ? 3 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xc2 && lead < 0xe0 ? 1 : 0;
  if (more === 0) return -1;
  let code = lead & (0x3f >> more);
  for (let index = 1; index <= more; index++) {
    const next = unit(bytes, at + index * stride, end, stride);
    if (next === -1 || (next & 0xc0) !== 0x80) return -1;
    code = code * 64 + (next & 0x3f);
  }
  return utf8Bytes(code) === more + 1 && code <= 0x10_ffff ? code : -1;
}

function readPercent(bytes: Uint8Array, at: number, end: number): boolean {
  const byte = hexAt(bytes, at + 1, end, 2);
  if (byte === -1) return false;
  if (byte < 0x80) return foundDecoded(3, byte);
  const code = codePointAt(bytes, at, end, 3);
  return code === -1 ? found(3, 0x1a) : foundDecoded(3 * utf8Bytes(code), code);
}

function readReference(bytes: Uint8Array, at: number, end: number): boolean {
  const limit = Math.min(end, at + referenceBytesMax);
  let close = at + 1;
  while (close < limit && bytes[close] !== 0x3b) close++;
  if (close === limit || close === at + 1) return false;
  if (bytes[at + 1] !== 0x23) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, close - at - 1).toString('latin1');
    const code = references.get(text);
    if (code === undefined) return false;
    return code === dropped ? found(close + 1 - at, dropped) : foundDecoded(close + 1 - at, code);
  }
  const hex = (byteAt(bytes, at + 2, at, close) | 0x20) === 0x78;
  const digits = at + (hex ? 3 : 2);
  let code = 0;
  for (let index = digits; index < close; index++) {
    const value = hexValue(bytes[index] as number);
    if (value === -1 || (!hex && value > 9)) return false;
    code = code * (hex ? 16 : 10) + value;
  }
  return digits < close && code > 0 && code <= 0x10_ffff && foundDecoded(close + 1 - at, code);
}

/** JSON's and JavaScript's escapes, `\xHH`, PostgreSQL's `\00HH` (U&'') and octal, and `\` before a sign. */
function readEscape(bytes: Uint8Array, at: number, end: number): boolean {
  const next = byteAt(bytes, at + 1, at, end);
  switch (next) {
    case 0x75: // u
      return readUnicodeEscape(bytes, at, end);
    case 0x78: {
      // x
      const code = hexAt(bytes, at + 2, end, 2);
      return code !== -1 && foundDecoded(4, code);
    }
    case 0x6e: // n
    case 0x72: // r
    case 0x62: // b
    case 0x66: // f
      return found(2, 0x0a);
    case 0x74: // t
      return found(2, 0x09);
    case 0x30: {
      const code = bytes[at + 2] === 0x30 ? hexAt(bytes, at + 1, end, 4) : -1;
      return code >= 0x20 ? foundDecoded(5, code) : readOctal(bytes, at, end);
    }
    case 0x31:
      return readOctal(bytes, at, end);
    default:
      return isSign(next) && foundDecoded(2, next);
  }
}

/** ASCII punctuation, save those that open quotes of their own. */
function isSign(byte: number): boolean {
  if (byte === 0x27 || byte === 0x60) return false;
  return (
    (byte > 0x20 && byte < 0x30) ||
    (byte > 0x39 && byte < 0x41) ||
    (byte > 0x5a && byte < 0x61) ||
    (byte > 0x7a && byte < 0x7f)
  );
}

function readOctal(bytes: Uint8Array, at: number, end: number): boolean {
  let code = 0;
  for (let index = at + 1; index < at + 4; index++) {
    const digit = byteAt(bytes, index, at, end) - 0x30;
    if (digit < 0 || digit > 7) return false;
    code = code * 8 + digit;
  }
  return code >= 0x20 && code < 0x7f && foundDecoded(4, code);
}

function readUnicodeEscape(bytes: Uint8Array, at: number, end: number): boolean {
  const code = hexAt(bytes, at + 2, end, 4);
  if (code === -1) return false;
  if (code >= 0xd800 && code <= 0xdbff && bytes[at + 6] === 0x5c && bytes[at + 7] === 0x75) {
    const second = hexAt(bytes, at + 8, end, 4);
    if (second >= 0xdc00 && second <= 0xdfff) {
      return foundDecoded(12, 0x1_0000 + (code - 0xd800) * 0x400 + second - 0xdc00);
    }
  }
  return foundDecoded(6, code);
}

const viewBytesMax = 1024 * 1024;
/** What neighbouring windows of a long value share, so that nothing is cut in two. */
const overlapBytes = 4096;

/** A window of the decoded view. Reused. */
export class View {
  bytes: Buffer = Buffer.alloc(4096);
  /** Per byte of the view, and one past its end: where its character begins in the source. Never decreases. */
  places = new Int32Array(4097);
  length = 0;
  /** Whether it differs from the source. */
  changed = false;

  /** Decodes from `start` on, a whole value or a window of it; returns where the next window begins, `end` if none. */
  fill(source: Uint8Array, start: number, end: number): number {
    this.reserve(Math.min(viewBytesMax, end - start) + 4);
    this.length = 0;
    this.changed = false;
    let at = start;
    while (at < end && this.length < viewBytesMax) {
      const byte = source[at] as number;
      if ((byte >= 0x80 || byte === 0x5c || byte === 0x25 || byte === 0x26) && read(source, at, end)) {
        this.changed = true;
        if (readCode !== dropped) this.put(readCode, at);
        at += readBytes;
        continue;
      }
      const length = byte < 0x80 ? 1 : Math.max(1, utf8Bytes(codePointAt(source, at, end, 1)));
      for (let index = 0; index < length; index++) this.putByte(source[at + index] as number, at);
      at += length;
    }
    this.places[this.length] = at;
    if (at >= end) return end;
    return this.places[Math.max(1, this.length - overlapBytes)] as number;
  }

  private reserve(size: number): void {
    if (this.bytes.length >= size) return;
    this.bytes = Buffer.alloc(size * 2);
    this.places = new Int32Array(size * 2 + 1);
  }

  private putByte(byte: number, place: number): void {
    this.bytes[this.length] = byte;
    this.places[this.length] = place;
    this.length++;
  }

  private put(code: number, place: number): void {
    if (code < 0x80) return this.putByte(code, place);
    if (code < 0x800) this.putByte(0xc0 | (code >> 6), place);
    else if (code < 0x1_0000) {
      this.putByte(0xe0 | (code >> 12), place);
      this.putByte(0x80 | ((code >> 6) & 0x3f), place);
    } else {
      this.putByte(0xf0 | (code >> 18), place);
      this.putByte(0x80 | ((code >> 12) & 0x3f), place);
      this.putByte(0x80 | ((code >> 6) & 0x3f), place);
    }
    this.putByte(0x80 | (code & 0x3f), place);
  }

  /** Whether `[start, end)` of the source reads otherwise here. */
  isDecoded(start: number, end: number): boolean {
    return this.search(end) - this.search(start) !== end - start;
  }

  /** The last place of a character at or before `place` of the source. */
  placeAtOrBefore(place: number): number {
    return this.places[this.search(place + 1) - 1] ?? place;
  }

  /** The first place of a character at or behind `place` of the source. */
  placeAtOrAfter(place: number): number {
    return this.places[this.search(place)] ?? place;
  }

  /** The first index whose place is `place` or more; `length + 1` when none is. */
  private search(place: number): number {
    let low = 0;
    let high = this.length + 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.places[middle] as number) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
