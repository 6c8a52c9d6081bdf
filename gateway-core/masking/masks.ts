import { createHmac } from 'node:crypto';
import { type Detector, type MaskKind, maskStrength } from '../contract/masks.js';
import { alnum, ascii, digit, has } from './bytes.js';
import type { Output } from './output.js';
import { countryCodeDigits } from './phone-groups.js';

/** What a redact mask puts in a value's place. ASCII, no character that JSON, arrays, CSV or SQL quote. */
export const maskedText = '[masked]';
const masked = ascii(maskedText);
const stars = ascii('***');
const star = 0x2a;
/** Fewer bytes of a key than this show nothing of it. */
const keyBytesMin = 16;
const keyBytesKept = 4;

/** What is masked: a value that a detector found, a secret known by its label only, or a whole column of text. */
export type MaskTarget = Detector | 'secret' | 'column';

/** Appends the mask of `bytes[start, end)` to `out`. */
export type Mask = (bytes: Uint8Array, start: number, end: number, out: Output) => void;

/** The strictest of several masks; undefined of none. */
export function strictest(kinds: readonly MaskKind[]): MaskKind | undefined {
  return maskStrength.find((kind) => kinds.includes(kind));
}

/**
 * The mask of one kind for one target; undefined where it is SQL NULL. `redact`: `[masked]`. `partial`:
 * `a***@host.org`, `**** **** **** 1234`, `DE** **** **** **** **30 00`, `+49 *** *****67`, `ghp_***`, `M***` for a
 * column of other text, `***` for secrets. `hash`: `h:` and the first 16 hex digits of HMAC-SHA-256 over the value's
 * bytes under `hashKey`.
 */
export function maskFor(kind: MaskKind, target: MaskTarget, hashKey: Uint8Array): Mask | undefined {
  switch (kind) {
    case 'null':
      return undefined;
    case 'redact':
      return writeMasked;
    case 'hash':
      return (bytes, start, end, out) => writeHash(bytes.subarray(start, end), hashKey, out);
    case 'partial':
      return partialMasks[target];
  }
}

function writeMasked(_bytes: Uint8Array, _start: number, _end: number, out: Output): void {
  out.copy(masked, 0, masked.length);
}

function writeStars(_bytes: Uint8Array, _start: number, _end: number, out: Output): void {
  out.copy(stars, 0, stars.length);
}

function writeHash(value: Uint8Array, hashKey: Uint8Array, out: Output): void {
  let digest = createHmac('sha256', hashKey).update(value).digest();
  // Sixteen decimal digits can be a card's, `be` and digits a Belgian IBAN: they would be masked a second time.
  while (/^\d+$|^be\d\d/.test(digest.toString('hex', 0, 8))) {
    digest = createHmac('sha256', hashKey).update(digest).digest();
  }
  const text = ascii(`h:${digest.toString('hex', 0, 8)}`);
  out.copy(text, 0, text.length);
}

const partialMasks: Readonly<Record<MaskTarget, Mask>> = {
  email: partialEmail,
  card: (bytes, start, end, out) => partialNumber(bytes, start, end, out, digit, 0, 4),
  iban: (bytes, start, end, out) => partialNumber(bytes, start, end, out, alnum, 2, 4),
  phone: partialPhone,
  key: partialKey,
  secret: writeStars,
  column: partialText,
};

/** Bytes of the UTF-8 character at `start`; 0 where there is none. */
function characterBytes(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return 0;
  const lead = bytes[start] as number;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (length === 0 || start + length > end) return 0;
  for (let at = start + 1; at < start + length; at++) if (((bytes[at] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

function partialEmail(bytes: Uint8Array, start: number, end: number, out: Output): void {
  let at = end - 1;
  while (at >= start && bytes[at] !== 0x40) at--;
  const first = characterBytes(bytes, start, end);
  // One letter is all there is of such a name.
  if (at > start + first) out.copy(bytes, start, start + first);
  writeStars(bytes, start, end, out);
  if (at > start) out.copy(bytes, at, end);
}

const joints = new Uint8Array(256);
for (const byte of ascii('+ -./()')) joints[byte] = 1;

/** A number of which fewer characters would be hidden keeps nothing at its front. */
const starsMin = 4;

/** Stars for all characters of `bits` but the first `head` and the last `tail`; `***` where other text is between. */
function partialNumber(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Output,
  bits: number,
  head: number,
  tail: number,
): void {
  let count = 0;
  for (let at = start; at < end; at++) {
    if (has(bytes[at] as number, bits)) count++;
    else if (joints[bytes[at] as number] === 0) return writeStars(bytes, start, end, out);
  }
  const shown = count - tail - head < starsMin ? 0 : head;
  let seen = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (!has(byte, bits)) out.byte(byte);
    else {
      out.byte(seen >= shown && seen < count - tail ? star : byte);
      seen++;
    }
  }
}

function partialPhone(bytes: Uint8Array, start: number, end: number, out: Output): void {
  let head = 0;
  if (bytes[start] === 0x2b) head = countryCodeDigits(bytes, start + 1, end);
  else if (bytes[start] === 0x30 && bytes[start + 1] === 0x30)
    head = 2 + countryCodeDigits(bytes, start + 2, end);
  partialNumber(bytes, start, end, out, digit, head, 2);
}

function partialKey(bytes: Uint8Array, start: number, end: number, out: Output): void {
  if (end - start >= keyBytesMin) {
    for (let at = start; at < start + keyBytesKept; at++) {
      const byte = bytes[at] as number;
      out.byte(has(byte, alnum) || byte === 0x5f || byte === 0x2d ? byte : star);
    }
  }
  writeStars(bytes, start, end, out);
}

/** First character and `***`; nothing of one or two characters, or of bytes that are no text; empty stays empty. */
function partialText(bytes: Uint8Array, start: number, end: number, out: Output): void {
  if (start === end) return;
  const first = characterBytes(bytes, start, end);
  const second = characterBytes(bytes, start + first, end);
  const isShort = start + first + second === end;
  const isMasked = end - start === 3 && bytes[start] === star && bytes[start + 1] === star;
  if (first > 0 && !isShort && !isMasked) out.copy(bytes, start, start + first);
  writeStars(bytes, start, end, out);
}
