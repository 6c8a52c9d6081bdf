import { alnum, ascii, byteAt, has, insideWord, isDigit, skipWhile } from './bytes.js';

/** Bytes that phone numbers are written with. */
export const marks = {
  blank: 0x20,
  open: 0x28,
  close: 0x29,
  plus: 0x2b,
  dash: 0x2d,
  dot: 0x2e,
  slash: 0x2f,
  zero: 0x30,
};
const { blank, open: paren, close: parenEnd, dash, dot, slash, zero } = marks;

/**
 * How two groups of digits are joined. `open` and `close` are joints with a bracket, `wide` is ` - `, `slash` any
 * slash with or without spaces.
 */
export const joints = { none: 0, blank: 1, dash: 2, dot: 3, slash: 4, wide: 5, open: 6, close: 7 };
/** One of `joints`; a plain number, because a walk changes it behind the type checker's back. */
export type Joint = number;

/** E.164 country codes of two digits; 1 and 7 have one digit, all others three. */
const twoDigitCodes: ReadonlySet<number> = new Set([
  20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60,
  61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
]);
/** First two digits of the assigned codes of three digits. */
const threeDigitCodes: ReadonlySet<number> = new Set([
  21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99,
]);
/** Most digits, country code included, where fewer than the usual 14; what follows is then something else. */
export const digitsMaxByCode: ReadonlyMap<number, number> = new Map([
  [1, 11],
  [7, 11],
  [31, 11],
  [32, 11],
  [33, 11],
  [34, 11],
  [41, 11],
  [44, 12],
  [45, 10],
  [46, 12],
  [47, 10],
  [48, 11],
  [61, 11],
  [86, 13],
  [91, 12],
  [351, 12],
  [353, 12],
]);
export const digitsMaxDefault = 14;

/** Digits of the country code at `from` (1 to 3), 0 when none is assigned. `to` ends the digits there. */
export function countryCodeDigits(bytes: Uint8Array, from: number, to: number): number {
  const first = byteAt(bytes, from, from, to);
  if (!isDigit(first)) return 0;
  if (first === 0x31 || first === 0x37) return 1;
  if (to - from < 2) return 0;
  const two = (first - zero) * 10 + (bytes[from + 1] as number) - zero;
  if (twoDigitCodes.has(two)) return 2;
  return to - from >= 3 && threeDigitCodes.has(two) ? 3 : 0;
}

/** Walks the digit groups of one number. Reused: detection is synchronous and must not allocate per value. */
export class Walk {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  groupStart = 0;
  groupEnd = 0;
  joint: Joint = 0;

  begin(bytes: Uint8Array, from: number, to: number, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.groupStart = from;
    this.groupEnd = to;
    this.joint = joints.none;
  }

  size(): number {
    return this.groupEnd - this.groupStart;
  }

  byte(index: number): number {
    return byteAt(this.bytes, index, this.start, this.end);
  }

  /** Moves to the next group; false where the digits are not joined to more. */
  next(): boolean {
    const length = this.readJoint();
    if (length === 0) return false;
    this.groupStart = this.groupEnd + length;
    this.groupEnd = skipWhile(this.bytes, this.groupStart, this.end, 1);
    return true;
  }

  private found(joint: Joint, length: number): number {
    if (!isDigit(this.byte(this.groupEnd + length))) return 0;
    this.joint = joint;
    return length;
  }

  private readJoint(): number {
    const at = this.groupEnd;
    const first = this.byte(at);
    const second = this.byte(at + 1);
    if (first === parenEnd) {
      if (second === blank || second === dash || second === dot || second === slash) {
        return this.found(joints.close, 2);
      }
      return this.found(joints.close, 1);
    }
    if (first === paren) return this.found(joints.open, 1);
    if (second === paren && (first === blank || first === dash || first === dot)) {
      return this.found(joints.open, 2);
    }
    if (first === dash) return this.found(joints.dash, 1);
    if (first === dot) return this.found(joints.dot, 1);
    if (first === slash) return this.found(joints.slash, second === blank ? 2 : 1);
    if (first !== blank) return 0;
    if (second === dash) return this.byte(at + 2) === blank ? this.found(joints.wide, 3) : 0;
    if (second === slash) return this.found(joints.slash, this.byte(at + 2) === blank ? 3 : 2);
    return this.found(joints.blank, 1);
  }
}

/** Bytes of joints. */
export const jointBytes = new Uint8Array(256);
for (const byte of ascii(' -./()')) jointBytes[byte] = 1;

/** A national number's left edge: not in a word, number, path, order number (`#`) or masked text (`*`). */
export function leftIsFree(bytes: Uint8Array, from: number, start: number): boolean {
  if (from <= start) return true;
  const before = bytes[from - 1] as number;
  if (noLeftEdge[before] === 1 || insideWord(bytes, from, start)) return false;
  return !((before === dot || before === 0x3a) && isDigit(byteAt(bytes, from - 2, start, from)));
}
const noLeftEdge = new Uint8Array(256);
for (const byte of ascii('_+#*-/')) noLeftEdge[byte] = 1;

/** A number's right edge: no word goes on there, and no joint to more digits but a space. */
export function rightIsFree(bytes: Uint8Array, to: number, start: number, end: number): boolean {
  const after = byteAt(bytes, to, start, end);
  if (has(after, alnum) || after === 0x5f) return false;
  if (after !== dash && after !== dot && after !== slash && after !== 0x3a) return true;
  return !isDigit(byteAt(bytes, to + 1, start, end));
}
