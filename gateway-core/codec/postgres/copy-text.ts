import { CopyBase, type CopyBytes, type CopyMask, Scratch, unitMalformed, unitOpen } from './copy-base.js';
import type { MessageWriter } from './writer.js';

const newline = 0x0a;
const backslash = 0x5c;
/** The letter behind a backslash, and the byte that the two stand for (COPY page, "Text Format"). */
const letters: readonly (readonly [letter: number, byte: number])[] = [
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, newline],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x76, 0x0b],
];
/** By letter: the byte; 0: the letter itself. By byte: the letter; 0: needs no backslash. */
const byteOfLetter = new Uint8Array(256);
const letterOfByte = new Uint8Array(256);
for (const [letter, byte] of letters) {
  byteOfLetter[letter] = byte;
  letterOfByte[byte] = letter;
}

/** COPY's text format: one line a row, values between delimiters, backslash escapes. */
export class TextCopyTransformer extends CopyBase {
  readonly #options: CopyBytes;
  readonly #scratch = new Scratch();
  #headerLeft: boolean;

  constructor(options: CopyBytes, mask: CopyMask) {
    super(options.lineBytesMax, mask);
    this.#options = options;
    this.#headerLeft = options.header;
  }

  protected override findEnd(work: Uint8Array, start: number): number {
    const at = work.indexOf(newline, start + this.scanned);
    if (at < 0) {
      this.scanned = work.length - start;
      return unitOpen;
    }
    // A newline inside a value is sent as \n. Behind an odd number of backslashes it would belong to the value for
    // some readers and end the line for others.
    let before = at - 1;
    while (before >= start && work[before] === backslash) before -= 1;
    return (at - 1 - before) % 2 === 1 ? unitMalformed : at + 1;
  }

  protected override maskUnit(work: Uint8Array, start: number, end: number): boolean {
    if (this.#headerLeft) {
      this.#headerLeft = false;
      return true;
    }
    this.rows += 1;
    const { delimiter } = this.#options;
    const lineEnd = end - 1;
    let valueStart = start;
    let escaped = false;
    let column = 0;
    for (let at = start; at < lineEnd; at += 1) {
      const byte = work[at];
      if (byte === backslash) {
        escaped = true;
        at += 1;
      } else if (byte === delimiter) {
        this.#offer(work, valueStart, at, escaped, column);
        valueStart = at + 1;
        escaped = false;
        column += 1;
      }
    }
    this.#offer(work, valueStart, lineEnd, escaped, column);
    return true;
  }

  protected override endsEarly(): undefined {
    return undefined;
  }

  #offer(work: Uint8Array, start: number, end: number, escaped: boolean, column: number): void {
    let found: Uint8Array | null | undefined;
    if (!escaped) {
      found = this.mask(work, start, end, column);
    } else {
      if (this.#options.nullIsDefault && end - start === 2 && work[start + 1] === 0x4e) return;
      const value = this.#unescape(work, start, end);
      found = this.mask(value.bytes, 0, value.length, column);
    }
    if (found === undefined) return;
    const writer = this.replace(start, end);
    if (found === null) writer.bytes(this.#options.nullText);
    else writeEscaped(writer, found, this.#options.delimiter);
  }

  #unescape(work: Uint8Array, start: number, end: number): Scratch {
    const scratch = this.#scratch;
    scratch.start(end - start);
    let at = start;
    while (at < end) {
      const byte = work[at++] as number;
      if (byte !== backslash || at === end) scratch.add(byte);
      else at = addEscape(scratch, work, at, end);
    }
    return scratch;
  }
}

/** Adds what the escape whose letter stands at `at` means; gives the place behind it. */
function addEscape(scratch: Scratch, work: Uint8Array, at: number, end: number): number {
  const letter = work[at] as number;
  const [base, digitsMax, first] = letter === 0x78 ? ([16, 2, at + 1] as const) : ([8, 3, at] as const);
  let value = 0;
  let next = first;
  while (next < end && next - first < digitsMax) {
    const digit = digitOf(work[next] as number);
    if (digit >= base) break;
    value = value * base + digit;
    next += 1;
  }
  if (next > first) {
    scratch.add(value);
    return next;
  }
  scratch.add((byteOfLetter[letter] as number) || letter);
  return at + 1;
}

/** 0 to 15, or 99 for what is no hexadecimal digit. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 99;
}

function writeEscaped(writer: MessageWriter, value: Uint8Array, delimiter: number): void {
  let from = 0;
  for (let at = 0; at < value.length; at += 1) {
    const byte = value[at] as number;
    const letter = letterOfByte[byte] as number;
    if (letter === 0 && byte !== backslash && byte !== delimiter) continue;
    writer
      .bytes(value, from, at)
      .uint8(backslash)
      .uint8(letter === 0 ? byte : letter);
    from = at + 1;
  }
  writer.bytes(value, from);
}
