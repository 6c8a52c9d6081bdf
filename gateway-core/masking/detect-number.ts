import { alnum, byteAt, has, insideWord, isDigit, letter } from './bytes.js';
import { detectorIds, type HitList } from './hits.js';

/** ISO 13616 registry: total length of an IBAN by country. */
const ibanLengths: ReadonlyMap<number, number> = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 ' +
    'EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 ' +
    'KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 ' +
    'PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 ' +
    'UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.charCodeAt(0) * 256 + entry.charCodeAt(1), Number(entry.slice(2))] as const),
);

export const cardDigitsMin = 13;
export const cardDigitsMax = 19;

const space = 0x20;
const dash = 0x2d;
const dot = 0x2e;
const plus = 0x2b;

/**
 * An IBAN whose two check digits begin at `index`: country letters in either case, the country's length, single
 * spaces or dashes between characters, remainder 1 (ISO 7064 MOD 97-10).
 */
export function detectIban(
  bytes: Uint8Array,
  index: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const from = index - 2;
  if (from < start || insideWord(bytes, from, start)) return;
  const first = bytes[from] as number;
  const second = bytes[from + 1] as number;
  if (!has(first, letter) || !has(second, letter)) return;
  const length = ibanLengths.get((first & 0xdf) * 256 + (second & 0xdf));
  if (length === undefined) return;
  let at = from;
  let count = 0;
  let remainder = 0;
  while (at < end) {
    const byte = bytes[at] as number;
    if (has(byte, alnum)) {
      // The first four characters count last.
      if (count >= 4) remainder = shift(remainder, byte);
      at++;
      if (++count === length) break;
    } else if (
      (byte === space || byte === dash) &&
      count >= 4 &&
      has(byteAt(bytes, at + 1, start, end), alnum)
    ) {
      at++;
    } else return;
  }
  if (count !== length || has(byteAt(bytes, at, start, end), alnum)) return;
  for (let head = from; head < from + 4; head++) remainder = shift(remainder, bytes[head] as number);
  if (remainder === 1) hits.add(from, at, detectorIds.iban);
}

function shift(remainder: number, byte: number): number {
  if (isDigit(byte)) return (remainder * 10 + byte - 0x30) % 97;
  return (remainder * 100 + (byte & 0xdf) - 55) % 97;
}

/** Lengths that the scheme of these first six digits issues, as a bit set (bit n: n digits). */
function schemeLengths(six: number): number {
  const two = Math.floor(six / 10_000);
  const three = Math.floor(six / 1000);
  const four = Math.floor(six / 100);
  if (two >= 40 && two <= 49) return bits(13, 16, 19); // Visa
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return bits(16); // Mastercard
  if (two === 34 || two === 37) return bits(15); // American Express
  if ((three >= 300 && three <= 305) || two === 36 || two === 38 || two === 39) return bits(14, 16); // Diners
  if (four >= 3528 && four <= 3589) return bits(16, 17, 18, 19); // JCB
  if (four >= 2200 && four <= 2204) return bits(16, 17, 18, 19); // Mir
  if (two === 62 || two === 65 || four === 6011 || (three >= 644 && three <= 649)) {
    return bits(16, 17, 18, 19); // UnionPay, Discover
  }
  if (maestro.has(four)) return bits(13, 14, 15, 16, 17, 18, 19);
  // RuPay, UnionPay, Troy, Dankort, Verve
  if (
    two === 60 ||
    two === 81 ||
    two === 82 ||
    three === 508 ||
    four === 9792 ||
    four === 5019 ||
    three === 506
  ) {
    return bits(16);
  }
  return 0;
}

const maestro: ReadonlySet<number> = new Set([5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763]);

function bits(...lengths: number[]): number {
  return lengths.reduce((set, length) => set | (1 << length), 0);
}

/**
 * Whether the digits of `[from, to)` are a card number: length and first digits of a known scheme, Luhn. Numbers of
 * 13 and 14 digits that are also valid GTINs are articles: German ones begin with 4 as Visa's old short numbers do.
 */
export function isCard(bytes: Uint8Array, from: number, to: number): boolean {
  let count = 0;
  let six = 0;
  let odd = 0;
  let even = 0;
  let oddDoubled = 0;
  let evenDoubled = 0;
  for (let at = from; at < to; at++) {
    const value = (bytes[at] as number) - 0x30;
    if (value < 0 || value > 9) continue;
    if (count < 6) six = six * 10 + value;
    const doubled = value > 4 ? value * 2 - 9 : value * 2;
    if ((count & 1) === 0) {
      even += value;
      evenDoubled += doubled;
    } else {
      odd += value;
      oddDoubled += doubled;
    }
    if (++count > cardDigitsMax) return false;
  }
  if (count < cardDigitsMin || (schemeLengths(six) & (1 << count)) === 0) return false;
  // The last digit is not doubled: with an even count the even places are.
  const sum = (count & 1) === 0 ? odd + evenDoubled : even + oddDoubled;
  if (sum % 10 !== 0) return false;
  return count > 14 || !isGtin(count, odd, even);
}

function isGtin(count: number, odd: number, even: number): boolean {
  return ((count & 1) === 0 ? odd + 3 * even : even + 3 * odd) % 10 === 0;
}

/** Whether `[from, to)` is the digits of a valid GTIN of 14 digits, for the phone detector. */
export function isGtin14(bytes: Uint8Array, from: number, to: number): boolean {
  let sum = 0;
  for (let at = from; at < to; at++) {
    const value = (bytes[at] as number) - 0x30;
    sum += (to - 1 - at) % 2 === 1 ? value * 3 : value;
  }
  return to - from === 14 && sum % 10 === 0;
}

/** A card's left edge: no letter, digit or `+` directly before, and no fraction (`0.4111...`). */
function leftIsFree(bytes: Uint8Array, from: number, start: number): boolean {
  if (insideWord(bytes, from, start) || byteAt(bytes, from - 1, start, from) === plus) return false;
  return !(byteAt(bytes, from - 1, start, from) === dot && isDigit(byteAt(bytes, from - 2, start, from)));
}

/** A card in one run of digits `[from, to)`. Spaces separate it from other numbers, dashes do not. */
export function detectPlainCard(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  if (!leftIsFree(bytes, from, start) || has(byteAt(bytes, to, start, end), letter)) return;
  if (byteAt(bytes, from - 1, start, end) === dash && isDigit(byteAt(bytes, from - 2, start, end))) return;
  if (byteAt(bytes, to, start, end) === dash && isDigit(byteAt(bytes, to + 1, start, end))) return;
  if (isCard(bytes, from, to)) hits.add(from, to, detectorIds.card);
}

/**
 * Cards written in groups. `[from, to)` is a whole sequence of digit groups joined by single spaces or dashes; a card
 * is looked for at its head and at its tail, cut from the rest at a space only. In the middle of a longer list of
 * numbers nothing is looked for: one list in ten would hold a number that checks out.
 */
export function detectGroupedCard(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const rightFree = !has(byteAt(bytes, to, start, end), letter);
  if (leftIsFree(bytes, from, start)) heads(bytes, from, to, rightFree, hits);
  if (rightFree) tails(bytes, from, to, hits);
}

function heads(bytes: Uint8Array, from: number, to: number, rightFree: boolean, hits: HitList): void {
  let digits = 0;
  let groups = 1;
  for (let at = from; at <= to; at++) {
    const byte = at < to ? (bytes[at] as number) : 0;
    if (isDigit(byte)) {
      if (++digits > cardDigitsMax) return;
      continue;
    }
    const free = at === to ? rightFree : byte === space;
    if (free && groups > 1 && digits >= cardDigitsMin) addGrouped(bytes, from, at, hits);
    groups++;
  }
}

function tails(bytes: Uint8Array, from: number, to: number, hits: HitList): void {
  let digits = 0;
  let groups = 1;
  for (let at = to - 1; at > from; at--) {
    const byte = bytes[at] as number;
    if (isDigit(byte)) {
      if (++digits > cardDigitsMax) return;
      continue;
    }
    if (byte === space && groups > 1 && digits >= cardDigitsMin) addGrouped(bytes, at + 1, to, hits);
    groups++;
  }
}

function addGrouped(bytes: Uint8Array, from: number, to: number, hits: HitList): void {
  if (isCard(bytes, from, to) && isCardShape(bytes, from, to)) hits.add(from, to, detectorIds.card);
}

/** Groups of one size (the last may be shorter), or 4-6-5 and 4-6-4. Order numbers are often 3-7-7. */
function isCardShape(bytes: Uint8Array, from: number, to: number): boolean {
  const sizes: number[] = [];
  let groupStart = from;
  for (let at = from; at <= to; at++) {
    if (at < to && isDigit(bytes[at] as number)) continue;
    sizes.push(at - groupStart);
    groupStart = at + 1;
  }
  const [first = 0, second = 0, third = 0] = sizes;
  if (sizes.length === 3 && first === 4 && second === 6 && (third === 5 || third === 4)) return true;
  return sizes.every((size, index) => size === first || (index === sizes.length - 1 && size < first));
}
