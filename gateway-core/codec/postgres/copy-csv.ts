import { CopyBase, type CopyBytes, type CopyMask, Scratch, unitOpen } from './copy-base.js';
import type { MessageWriter } from './writer.js';

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * COPY's CSV format (COPY page, "CSV Format"): values may stand in quotes, where newlines and delimiters are data.
 * As PostgreSQL reads it, quotes may open and close anywhere in a value.
 */
export class CsvCopyTransformer extends CopyBase {
  readonly #options: CopyBytes;
  readonly #scratch = new Scratch();
  #headerLeft: boolean;
  /** State of the search for the line's end, kept from piece to piece. */
  #inQuotes = false;
  #afterEscape = false;

  constructor(options: CopyBytes, mask: CopyMask) {
    super(options.lineBytesMax, mask);
    this.#options = options;
    this.#headerLeft = options.header;
  }

  protected override findEnd(work: Uint8Array, start: number): number {
    const { quote, escape } = this.#options;
    let inQuotes = this.#inQuotes;
    let afterEscape = this.#afterEscape;
    for (let at = start + this.scanned; at < work.length; at += 1) {
      const byte = work[at];
      if (!inQuotes) {
        if (byte === newline) {
          this.#inQuotes = false;
          this.#afterEscape = false;
          return at + 1;
        }
        inQuotes = byte === quote;
      } else if (afterEscape && (byte === quote || byte === escape)) {
        afterEscape = false;
      } else {
        // Where quote and escape are one, a doubled quote leaves the quotes and enters them again: same end.
        afterEscape = byte === escape && escape !== quote;
        if (byte === quote) inQuotes = false;
      }
    }
    this.#inQuotes = inQuotes;
    this.#afterEscape = afterEscape;
    this.scanned = work.length - start;
    return unitOpen;
  }

  protected override maskUnit(work: Uint8Array, start: number, end: number): boolean {
    if (this.#headerLeft) {
      this.#headerLeft = false;
      return true;
    }
    this.rows += 1;
    const lineEnd = end - 1;
    let column = 0;
    let at = start;
    while (at <= lineEnd) {
      at = this.#value(work, at, lineEnd, column) + 1;
      column += 1;
    }
    return true;
  }

  protected override endsEarly(): undefined {
    return undefined;
  }

  /** Reads one value and offers it; gives where it ends: at a delimiter or the line's end. */
  #value(work: Uint8Array, start: number, lineEnd: number, column: number): number {
    const { quote, delimiter, nullText } = this.#options;
    let at = start;
    for (; at < lineEnd; at += 1) {
      const byte = work[at];
      if (byte === delimiter) break;
      if (byte === quote) return this.#quotedValue(work, start, lineEnd, column);
    }
    // Unquoted text equal to the NULL text is NULL; the server quotes a value that looks so.
    if (equalsAt(work, start, at, nullText)) return at;
    this.#put(this.mask(work, start, at, column), start, at);
    return at;
  }

  #quotedValue(work: Uint8Array, start: number, lineEnd: number, column: number): number {
    const { quote, escape, delimiter } = this.#options;
    const scratch = this.#scratch;
    scratch.start(lineEnd - start);
    let inQuotes = false;
    let at = start;
    for (; at < lineEnd; at += 1) {
      const byte = work[at] as number;
      if (!inQuotes) {
        if (byte === delimiter) break;
        if (byte === quote) inQuotes = true;
        else scratch.add(byte);
        continue;
      }
      const next = at + 1 < lineEnd ? (work[at + 1] as number) : -1;
      if (byte === escape && (next === quote || next === escape)) {
        scratch.add(next);
        at += 1;
      } else if (byte === quote) {
        inQuotes = false;
      } else {
        scratch.add(byte);
      }
    }
    this.#put(this.mask(scratch.bytes, 0, scratch.length, column), start, at);
    return at;
  }

  #put(found: Uint8Array | null | undefined, start: number, end: number): void {
    if (found === undefined) return;
    const writer = this.replace(start, end);
    if (found === null) writer.bytes(this.#options.nullText);
    else this.#writeValue(writer, found);
  }

  /** Quoted only where the new value needs it: the old one's quotes would tell about what was masked. */
  #writeValue(writer: MessageWriter, value: Uint8Array): void {
    const { quote, escape } = this.#options;
    if (!this.#needsQuotes(value)) {
      writer.bytes(value);
      return;
    }
    writer.uint8(quote);
    let from = 0;
    for (let at = 0; at < value.length; at += 1) {
      if (value[at] !== quote && value[at] !== escape) continue;
      writer.bytes(value, from, at).uint8(escape);
      from = at;
    }
    writer.bytes(value, from).uint8(quote);
  }

  #needsQuotes(value: Uint8Array): boolean {
    const { quote, delimiter, nullText } = this.#options;
    // `\.` alone on a line ends the data for older clients.
    if (value.length === 2 && value[0] === 0x5c && value[1] === 0x2e) return true;
    for (const byte of value) {
      if (byte === delimiter || byte === quote || byte === newline || byte === carriageReturn) return true;
    }
    return equalsAt(value, 0, value.length, nullText);
  }
}

function equalsAt(buffer: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let at = 0; at < expected.length; at += 1) if (buffer[start + at] !== expected[at]) return false;
  return true;
}
