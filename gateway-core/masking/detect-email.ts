import { alnum, ascii, byteAt, flags, has, isEscapeLetter, isWordAt, letter, local, token } from './bytes.js';
import { detectorIds, type HitList } from './hits.js';

/** Last labels that are file or unit names, not domains, when only one label stands before them. */
const notDomains = (
  'service socket timer target mount automount swap slice scope device ' +
  'png jpg jpeg gif svg webp avif ico css html htm json yaml yml toml tgz'
)
  .split(' ')
  .map(ascii);
const git = ascii('git');
const dollar = 0x24;
const internationalLabel = ascii('xn--');

/** Length in bytes of the well-formed non-ASCII letter that begins at `index`: 2, 3 or 0. Not full decoding. */
function letterBytesAt(bytes: Uint8Array, index: number, end: number): number {
  const lead = bytes[index] as number;
  if (lead >= 0xc3 && lead <= 0xdf) return index + 1 < end && isContinuation(bytes[index + 1]) ? 2 : 0;
  // U+2000 to U+2FFF (0xe2) is punctuation and symbols, U+3000 to U+303F (0xe3 0x80) CJK punctuation.
  if (lead < 0xe0 || lead > 0xed || lead === 0xe2 || index + 2 >= end) return 0;
  if (!isContinuation(bytes[index + 1]) || !isContinuation(bytes[index + 2])) return 0;
  return lead === 0xe3 && bytes[index + 1] === 0x80 ? 0 : 3;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/**
 * The start of the local part that ends at `at`, or `at` when there is none. Letters of two UTF-8 bytes (Latin,
 * Greek, Cyrillic, Hebrew, Arabic) mix with ASCII; those of three count only where no ASCII letter or digit
 * precedes the `@`: in scripts without spaces an address stands directly behind a word.
 */
function localStart(bytes: Uint8Array, at: number, start: number, end: number): number {
  let from = at;
  let wordStart = at;
  for (;;) {
    if (from <= start) break;
    const byte = bytes[from - 1] as number;
    if (byte < 0x80) {
      if (((flags[byte] as number) & local) === 0) break;
      // `$$` ends a literal of SQL: what stands before it is another value's.
      if (byte === dollar && from - 2 >= start && bytes[from - 2] === dollar) break;
      from--;
      if (!isSign(byte)) wordStart = from;
    } else if (from - 2 >= start && letterBytesAt(bytes, from - 2, end) === 2 && isContinuation(byte)) {
      from -= 2;
      wordStart = from;
    } else break;
  }
  if (wordStart < at) {
    if (!isEscapeLetter(bytes, wordStart, start)) return wordStart;
    let next = wordStart + 1;
    while (next < at && isSign(bytes[next] as number)) next++;
    return next < at ? next : wordStart;
  }
  let wide = from;
  while (wide - 3 >= start && letterBytesAt(bytes, wide - 3, end) === 3) wide -= 3;
  return wide < from ? wide : at;
}

/** A byte of a local part that none begins with. */
function isSign(byte: number): boolean {
  return byte < 0x80 && byte !== 0x5f && !has(byte, alnum);
}

/** Whether `[from, at)` is what the partial mask leaves: one character and `***`. */
function isMasked(bytes: Uint8Array, from: number, at: number): boolean {
  if (at - from < 4 || at - from > 6) return false;
  if (bytes[at - 1] !== 0x2a || bytes[at - 2] !== 0x2a || bytes[at - 3] !== 0x2a) return false;
  return at - from === 4 || letterBytesAt(bytes, from, at) === at - 3 - from;
}

/** The end of the top-level label that begins at `index`, or -1 where none can begin. */
function topLabelEnd(bytes: Uint8Array, index: number, labelEnd: number, end: number): number {
  if (isWordAt(bytes, index, index, labelEnd, internationalLabel) && labelEnd - index > 4) return labelEnd;
  let at = index;
  while (at < labelEnd && has(bytes[at] as number, letter)) at++;
  if (at - index >= 2) return at;
  if (at > index) return -1;
  while (at < labelEnd) {
    const length = letterBytesAt(bytes, at, end);
    if (length === 0) break;
    at += length;
  }
  return at > index ? at : -1;
}

function labelEndAt(bytes: Uint8Array, index: number, end: number): number {
  let at = index;
  while (at < end) {
    const byte = bytes[at] as number;
    if (((flags[byte] as number) & token) !== 0) at++;
    else {
      const length = byte < 0x80 ? 0 : letterBytesAt(bytes, at, end);
      if (length === 0) break;
      at += length;
    }
  }
  return at;
}

function allDigits(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (((flags[bytes[at] as number] as number) & 1) === 0) return false;
  return to > from;
}

/** The end of the dotted domain that begins at `from`, or -1. The longest one that ends in a top-level label. */
function domainEnd(bytes: Uint8Array, from: number, end: number): number {
  let labelStart = from;
  let best = -1;
  let labels = 0;
  let bestLabels = 0;
  let lastStart = from;
  for (;;) {
    const labelEnd = labelEndAt(bytes, labelStart, end);
    const first = byteAt(bytes, labelStart, from, end);
    if (labelEnd === labelStart || first === 0x2d || first === 0x5f) break;
    if (labels === 0 && allDigits(bytes, from, labelEnd) && isVersion(bytes, labelEnd, end)) return -1;
    labels++;
    if (labels > 1) {
      const topEnd = topLabelEnd(bytes, labelStart, labelEnd, end);
      if (topEnd !== -1) {
        best = topEnd;
        bestLabels = labels;
        lastStart = labelStart;
      }
    }
    if (labelEnd >= end || bytes[labelEnd] !== 0x2e) break;
    labelStart = labelEnd + 1;
  }
  if (bestLabels !== 2) return best;
  for (const word of notDomains) {
    if (word.length === best - lastStart && isWordAt(bytes, lastStart, from, best, word)) return -1;
  }
  return best;
}

/** `package@1.2...`: digits, dot, digit. */
function isVersion(bytes: Uint8Array, dot: number, end: number): boolean {
  return dot + 1 < end && bytes[dot] === 0x2e && ((flags[bytes[dot + 1] as number] as number) & 1) !== 0;
}

/**
 * An address around the `@` at `at`: a local part of letters of any script, digits and `!#$%&*+-.^_~`, and a dotted
 * domain whose last label begins with two letters, `xn--` or a non-ASCII letter. `user@host`, `@media`,
 * `package@1.2.3` and `git@host.org:path` are none.
 */
export function detectEmail(bytes: Uint8Array, at: number, start: number, end: number, hits: HitList): void {
  const domain = domainEnd(bytes, at + 1, end);
  if (domain === -1) return;
  const from = localStart(bytes, at, start, end);
  if (from === at || isMasked(bytes, from, at)) return;
  if (at - from === 3 && isWordAt(bytes, from, start, at, git)) {
    const next = byteAt(bytes, domain, start, end);
    if (next === 0x3a || next === 0x2f) return;
  }
  hits.add(from, domain, detectorIds.email);
}
