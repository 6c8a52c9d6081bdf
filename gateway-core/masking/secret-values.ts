import {
  ascii,
  byteAt,
  escapedBackslash,
  escapedQuote,
  has,
  isDigit,
  isWordAt,
  skipWhile,
  space,
  terminator,
  token,
} from './bytes.js';
import { type Family, familyOf } from './secret-names.js';

const schemes = ['basic', 'bearer', 'token', 'digest', 'apikey', 'negotiate'].map(ascii);
const maskedText = ascii('[masked]');
const nothings: ReadonlySet<string> = new Set(['null', 'none', 'nil', 'undefined', 'true', 'false']);

const keyBytesMin = 8;

/** What the last read found: `[valueStart, valueEnd)`. */
export let valueStart = 0;
export let valueEnd = 0;

export function isQuote(byte: number): boolean {
  return byte === 0x22 || byte === 0x27 || byte === 0x60 || byte === escapedQuote;
}

/** A value from `from` on into `valueStart` and `valueEnd`. `closingQuote` is a quote that can open none there, or -1. */
export function readValue(
  bytes: Uint8Array,
  from: number,
  end: number,
  mark: number,
  family: Family,
  hardStop: number,
  closingQuote: number,
): boolean {
  let at = skipWhile(bytes, from, Math.min(end, from + 64), space);
  if (family === 'authorization') at = afterScheme(bytes, at, end);
  const quoted = quoteAt(bytes, at, end);
  if (quoted !== -1) {
    if (bytes[quoted] === closingQuote) return false;
    readQuoted(bytes, quoted, end, hardStop);
    if (family === 'authorization') valueStart = afterScheme(bytes, valueStart, valueEnd);
    return isSecret(bytes, family);
  }
  return readPlain(bytes, at, end, mark, family, hardStop) && isSecret(bytes, family);
}

/** The index of the opening quote at `at`, behind an optional `E`, `N` or backslash, or -1. */
function quoteAt(bytes: Uint8Array, at: number, end: number): number {
  const first = byteAt(bytes, at, at, end);
  if (isQuote(first)) return at;
  const prefix = first | 0x20;
  if (first !== 0x5c && first !== escapedBackslash && prefix !== 0x65 && prefix !== 0x6e) return -1;
  return isQuote(byteAt(bytes, at + 1, at, end)) ? at + 1 : -1;
}

/** Text between quotes on one line; doubled and escaped quotes belong to it. Without an end: up to the line's end. */
export function readQuoted(bytes: Uint8Array, open: number, end: number, hardStop: number): void {
  const quote = bytes[open] as number;
  // `\"` opened it, so `\"` ends it: its backslash is not part of the value.
  const escaped = quote === 0x22 && open > 0 && bytes[open - 1] === 0x5c;
  valueStart = open + 1;
  for (let at = valueStart; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === quote) {
      const doubled = quote !== 0x22 && byteAt(bytes, at + 1, at, end) === quote;
      if (!doubled) return setEnd(escaped && bytes[at - 1] === 0x5c ? at - 1 : at);
      at++;
    } else if (byte === hardStop || byte === 0x0a) return setEnd(at);
    else if ((byte === 0x5c && !escaped) || (byte === escapedBackslash && quote === escapedQuote)) {
      const next = byteAt(bytes, at + 1, at, end);
      if (next !== 0x0a && (next !== hardStop || quote === hardStop)) at++;
    }
  }
  setEnd(end);
}

function setEnd(at: number): void {
  valueEnd = at;
}

function afterScheme(bytes: Uint8Array, from: number, end: number): number {
  for (const scheme of schemes) {
    const to = from + scheme.length;
    if (isWordAt(bytes, from, from, end, scheme) && byteAt(bytes, to, from, end) === 0x20) {
      return skipWhile(bytes, to, end, space);
    }
  }
  return from;
}

const headBytesMax = 64;

/** A value without quotes, up to white space or one of `"'`,;&)}]<>|`. */
function readPlain(
  bytes: Uint8Array,
  from: number,
  end: number,
  mark: number,
  family: Family,
  hardStop: number,
): boolean {
  // What makes it no value shows in its first bytes; nothing is read to its end in vain.
  const head = Math.min(end, from + headBytesMax);
  const to = mark === 0x3e ? elementEnd(bytes, from, head) : plainEnd(bytes, from, head);
  valueStart = from;
  valueEnd = to;
  if (to === from) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
  if (isPlaceholder(text) || nothings.has(text.toLowerCase())) return false;
  // What a mask left, with an escape behind it.
  if (/^(?:\*\*\*|h:[0-9a-f]{16})[\\%]/.test(text)) return false;
  if (/^[A-Za-z_][\w.]*\($/.test(text)) {
    // `password = crypt('...'`: the secret is the first argument.
    const quoted = quoteAt(bytes, to, end);
    if (quoted === -1 || bytes[quoted] === hardStop) return false;
    readQuoted(bytes, quoted, end, hardStop);
    return true;
  }
  // `on v.password = w.password`
  if (/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/.test(text) && familyOf(bytes, from, to) !== 'none') return false;
  if (text.startsWith('//') || (text.startsWith('/') && /^\/[\w./-]*$/.test(text))) return false;
  if (family === 'weak' && (mark !== 0x3d || /^\d{1,6}$/.test(text))) return false;
  // Prose: `password: must contain ...`
  const goesOn = byteAt(bytes, to, from, end) === 0x20 && byteAt(bytes, to + 1, from, end) > 0x20;
  if (mark === 0x3a && goesOn && /^[A-Za-z][a-z]*[.!?]?$/.test(text)) return false;
  if (to === head) setEnd(plainEnd(bytes, to, end));
  return true;
}

function plainEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && !has(bytes[at] as number, terminator) && !isEscapedQuote(bytes, at, end)) at++;
  return at;
}

/** A `\"` or `\'` at `at`. */
function isEscapedQuote(bytes: Uint8Array, at: number, end: number): boolean {
  return bytes[at] === 0x5c && at + 1 < end && (bytes[at + 1] === 0x22 || bytes[at + 1] === 0x27);
}

/** `<password>` up to its `</`, else as without markup. */
function elementEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== 0x3c && bytes[at] !== 0x22 && bytes[at] !== 0x0a) at++;
  return byteAt(bytes, at + 1, from, end) === 0x2f && bytes[at] === 0x3c ? at : plainEnd(bytes, from, end);
}

/** `$1`, `${NAME}`, `$(...)`, `$NAME`, `%s`, `%(name)s`, `?`, `:name`, `{{...`, `[...`: not values. */
function isPlaceholder(text: string): boolean {
  return /^(?:\$(?:\d+$|[{(]|[A-Z_][A-Z0-9_]*$)|%(?:[sdrv]$|\()|\?$|:[A-Za-z_]\w*$|[{[])/.test(text);
}

/** Long enough for its family, and not what a mask left. */
export function isSecret(bytes: Uint8Array, family: Family): boolean {
  const size = valueEnd - valueStart;
  if (size < 1 || (size < keyBytesMin && family !== 'password' && family !== 'weak')) return false;
  return !isMasked(bytes, valueStart, valueEnd);
}

/** `***`, `[masked]`, `h:` and 16 hex digits. */
export function isMasked(bytes: Uint8Array, from: number, to: number): boolean {
  const size = to - from;
  if (size === 3) return bytes[from] === 0x2a && bytes[from + 1] === 0x2a && bytes[from + 2] === 0x2a;
  if (size === 7 || size === 8) {
    // An unquoted `[masked]` ends before its bracket.
    return isWordAt(bytes, from, from, to, maskedText.subarray(0, size));
  }
  if (size !== 18 || bytes[from] !== 0x68 || bytes[from + 1] !== 0x3a) return false;
  for (let at = from + 2; at < to; at++) {
    const byte = bytes[at] as number;
    if (!isDigit(byte) && !(byte >= 0x61 && byte <= 0x66)) return false;
  }
  return true;
}

export function readDollarQuoted(bytes: Uint8Array, at: number, end: number, hardStop: number): boolean {
  let tagEnd = at + 1;
  while (tagEnd < end && tagEnd - at < 64 && has(bytes[tagEnd] as number, token) && bytes[tagEnd] !== 0x2d)
    tagEnd++;
  if (byteAt(bytes, tagEnd, at, end) !== 0x24) return false;
  const tag = bytes.subarray(at, tagEnd + 1);
  valueStart = tagEnd + 1;
  for (let close = valueStart; close < end; close++) {
    const closes = bytes[close] === 0x24 && isTagAt(bytes, close, end, tag);
    if (!closes && bytes[close] !== hardStop) continue;
    setEnd(close);
    return true;
  }
  setEnd(end);
  return true;
}

function isTagAt(bytes: Uint8Array, at: number, end: number, tag: Uint8Array): boolean {
  if (at + tag.length > end) return false;
  for (let index = 0; index < tag.length; index++) if (bytes[at + index] !== tag[index]) return false;
  return true;
}
