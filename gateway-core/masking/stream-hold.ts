import { has, isWordAt, space } from './bytes.js';
import { pemBegin, pemEnd, pemHeaderBytesMax } from './detect-key.js';
import { detectorIds, type Hit } from './hits.js';
import { familyOf, nameStart } from './secret-names.js';

/** Groups of a number are joined over this many bytes at most: 34 digits, each written as `\u0034`, and joints. */
const numberBytesMax = 272;
/** So many spaces stand between two parts of one value at most. */
const jointBytesMax = 3;
/** White space behind a label that a value is looked for behind. */
const gapBytesMax = 64;
/** `\u002d`, `&hyphen;` */
const escapeBytesMax = 8;
const elementBytesMax = 192;
/** Values behind a label of a key have 8 bytes at least, and a word before them that names their scheme. */
const quotedBytesMax = 96;

/**
 * Where, in the part of a line that is there so far, what can still change begins: everything in `text[0, end)` before
 * it is judged as it would be with any text behind `end`. `end` when nothing can change.
 */
export function holdFrom(text: Uint8Array, end: number, hits: readonly Hit[]): number {
  let from = Math.min(wordStart(text, end), headerStart(text, end), elementStart(text, end));
  from = Math.min(from, quoteStart(text, end));
  from = Math.min(from, numberStart(text, from, end));
  for (let index = hits.length - 1; index >= 0; index--) {
    const hit = hits[index] as Hit;
    // The mask of a key block does not change any more, however long it gets.
    if (hit.end === end && opensKey(text, hit)) return end;
    if (hit.end >= from && hit.start < from) from = hit.start;
  }
  return from;
}

/** The last word, with the white space behind it: addresses, tokens, `password: must` and what follows. */
function wordStart(text: Uint8Array, end: number): number {
  let at = end;
  while (at > 0 && has(text[at - 1] as number, space)) at--;
  if (end - at > gapBytesMax) return end;
  while (at > 0 && !has(text[at - 1] as number, space)) at--;
  return at;
}

/** The first of the words before `from` that can be part of one number with what follows. */
function numberStart(text: Uint8Array, from: number, end: number): number {
  const least = Math.max(0, end - numberBytesMax);
  let start = from;
  let at = from;
  while (at > least) {
    const gapEnd = at;
    while (at > least && text[at - 1] === 0x20) at--;
    if (at === gapEnd || gapEnd - at > jointBytesMax) return start;
    const wordEnd = at;
    let mayCount = false;
    while (at > least && !has(text[at - 1] as number, space))
      mayCount = isDigital(text[--at] as number) || mayCount;
    if (at === wordEnd) return start;
    if (mayCount) start = at;
  }
  return start;
}

/** A digit, a `+` or bracket, or the first byte of something that may stand for one. */
function isDigital(byte: number): boolean {
  // + ( % & and backslash
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte >= 0x80 ||
    byte === 0x2b ||
    byte === 0x28 ||
    byte === 0x25 ||
    byte === 0x26 ||
    byte === 0x5c
  );
}

/** `-----BEGIN RSA PRI`: the header of a key block, before it is one, and an escape that its first dash may be part of. */
function headerStart(text: Uint8Array, end: number): number {
  const least = Math.max(0, end - pemBegin.length - pemHeaderBytesMax);
  for (let at = end - pemBegin.length; at >= least; at--) {
    if (isWordAt(text, at, 0, end, pemBegin)) return Math.max(0, at - escapeBytesMax);
  }
  return end;
}

/** The content of `<password>my sec`, which may be all of it or one word, as `</` follows or not. */
function elementStart(text: Uint8Array, end: number): number {
  const least = Math.max(0, end - elementBytesMax);
  for (let at = end - 1; at >= least; at--) {
    const byte = text[at];
    if (byte === 0x3c && at < end - 1) return end;
    if (byte !== 0x3e) continue;
    let nameEnd = at;
    while (nameEnd > 0 && at - nameEnd < 3 && text[nameEnd - 1] === 0x20) nameEnd--;
    return familyOf(text, nameStart(text, nameEnd, 0), nameEnd) === 'none' ? end : at + 1;
  }
  return end;
}

/** The first quote that may open a value too short to be one yet: `token: "a b`. */
function quoteStart(text: Uint8Array, end: number): number {
  for (let at = Math.max(0, end - quotedBytesMax); at < end; at++) {
    if (!mayQuote(text[at] as number)) continue;
    const before = at === 0 ? 0 : (text[at - 1] as number);
    if (before < 0x30 || (before >= 0x3a && before <= 0x40) || before === 0x5c) return at;
    // E'...', N'...'
    if ((before | 0x20) === 0x65 || (before | 0x20) === 0x6e) return at;
  }
  return end;
}

/** A quote, or the first byte of something that may stand for one. */
function mayQuote(byte: number): boolean {
  if (byte === 0x22 || byte === 0x27 || byte === 0x60 || byte === 0x1f) return true;
  return byte >= 0x80 || byte === 0x25 || byte === 0x26 || byte === 0x5c;
}

/** Whether `hit`, at the end of a line, is a private key block whose END line has not come. */
export function opensKey(text: Uint8Array, hit: Hit): boolean {
  if (hit.detector !== detectorIds.key && hit.detector !== detectorIds.secret) return false;
  let open = false;
  for (let at = hit.start; at < hit.end; at++) {
    if (text[at] !== 0x2d) continue;
    if (isWordAt(text, at, hit.start, hit.end, pemBegin)) open = true;
    else if (isWordAt(text, at, hit.start, hit.end, pemEnd)) open = false;
  }
  return open;
}
