import { byteAt, insideWord, isDigit } from './bytes.js';
import { isGtin14 } from './detect-number.js';
import { detectorIds, type HitList } from './hits.js';
import {
  countryCodeDigits,
  digitsMaxByCode,
  digitsMaxDefault,
  type Joint,
  jointBytes,
  joints,
  leftIsFree,
  marks,
  rightIsFree,
  Walk,
} from './phone-groups.js';
import { isLabelled, labelEnds } from './phone-labels.js';

const { blank, open: paren, close: parenEnd, plus, dash, dot, slash, zero } = marks;
const walk = new Walk();

/** No further number directly before or behind, a space between: lists of numbers are not phone numbers. */
function isAlone(bytes: Uint8Array, from: number, to: number, start: number, end: number): boolean {
  if (byteAt(bytes, from - 1, start, end) === blank && isDigit(byteAt(bytes, from - 2, start, end)))
    return false;
  return !(byteAt(bytes, to, start, end) === blank && isDigit(byteAt(bytes, to + 1, start, end)));
}

/** Whether the digits `[from, to)` can begin a phone number, judged by the bytes around: else `detectPhone` finds none. */
export function mayBePhone(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  end: number,
  before: number,
): boolean {
  const first = bytes[from] as number;
  if (before === plus) return first !== zero;
  if (before === dash || before === slash) return false;
  if ((before === dot || before === 0x3a) && from - 2 >= start && isDigit(bytes[from - 2] as number))
    return false;
  const size = to - from;
  if (to + 1 < end && jointBytes[bytes[to] as number] === 1) {
    const next = bytes[to + 1] as number;
    if (isDigit(next) || jointBytes[next] === 1) {
      return first === zero || size === 3 || (size === 1 && first === 0x31) || labelEnds[before] === 1;
    }
  }
  return size >= 6 && (labelEnds[before] === 1 || (size >= 12 && first === zero));
}

/**
 * A phone number whose digits begin with the run `[from, to)`: `+` or `00` and an assigned country code; national
 * forms with separators behind a trunk 0, North American 3-3-4, Chinese 3-4-4, Brazilian; anything of 6 to 15 digits
 * behind a label (`tel:`, `"phone":`). Unlabelled plain digits are never one.
 */
export function detectPhone(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const before = byteAt(bytes, from - 1, start, end);
  let hitStart = from;
  let hitEnd = -1;
  if (before === plus) {
    hitStart = from - 1;
    hitEnd = internationalEnd(bytes, from, to, start, end);
  } else if (before === paren && bytes[to] === parenEnd && to < end && leftIsFree(bytes, from - 1, start)) {
    hitStart = from - 1;
    hitEnd = bracketedEnd(bytes, from, to, start, end);
  } else if (leftIsFree(bytes, from, start)) {
    hitEnd = plainEnd(bytes, from, to, start, end);
  }
  if (hitEnd === -1) {
    hitStart = from;
    hitEnd = labelledEnd(bytes, from, to, start, end);
  }
  if (hitEnd !== -1) hits.add(hitStart, hitEnd, detectorIds.phone);
}

function plainEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const size = to - from;
  const first = bytes[from] as number;
  if (first === zero) {
    if (size < 2) return -1;
    const second = bytes[from + 1] as number;
    return second === zero ? prefixedEnd(bytes, from, to, start, end) : trunkEnd(bytes, from, to, start, end);
  }
  if (size === 3) {
    if (first === 0x31) return chineseEnd(bytes, from, to, start, end);
    return northAmericanEnd(bytes, from, from, to, start, end);
  }
  if (size !== 1 || first !== 0x31) return -1;
  walk.begin(bytes, from, to, start, end);
  if (!walk.next() || walk.size() !== 3 || walk.joint > joints.dot) return -1;
  return northAmericanEnd(bytes, from, walk.groupStart, walk.groupEnd, start, end);
}

/** `+49 (0)170 1234567`: the longest run of groups with a possible number of digits. `+` stands before `from`. */
function internationalEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const before = byteAt(bytes, from - 2, start, end);
  if (before === plus || insideWord(bytes, from - 1, start)) return -1;
  return longestFrom(bytes, from, from, to, start, end, false);
}

/** `0049 170 1234567`. Without separators only where it cannot well be an article or order number. */
function prefixedEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const size = to - from;
  const third = byteAt(bytes, from + 2, from, to);
  if (size >= 12 && size <= 15) {
    if ((third !== 0x33 && third !== 0x34) || countryCodeDigits(bytes, from + 2, to) !== 2) return -1;
    if (third === 0x33 && isGtin14(bytes, from, to)) return -1;
    return rightIsFree(bytes, to, start, end) ? to : -1;
  }
  if (isFourByFour(bytes, from, to, start, end)) return -1;
  return longestFrom(bytes, from, from + 2, to, start, end, true);
}

/** Four groups of four digits: an account or card, not a phone. */
function isFourByFour(bytes: Uint8Array, from: number, to: number, start: number, end: number): boolean {
  walk.begin(bytes, from, to, start, end);
  for (let groups = 1; groups <= 4; groups++) {
    if (walk.size() !== 4) return false;
    if (groups < 4 && !walk.next()) return false;
  }
  return true;
}

function longestFrom(
  bytes: Uint8Array,
  from: number,
  code: number,
  to: number,
  start: number,
  end: number,
  strict: boolean,
): number {
  const codeDigits = countryCodeDigits(bytes, code, to);
  if (codeDigits === 0) return -1;
  const codeValue = numberAt(bytes, code, codeDigits);
  const digitsMax = digitsMaxByCode.get(codeValue) ?? digitsMaxDefault;
  const digitsMin = codeDigits === 1 ? digitsMax : 8;
  walk.begin(bytes, from, to, start, end);
  let total = to - code;
  let best = -1;
  for (let groups = 1; ; groups++) {
    const single = groups === 1;
    // `+48.8577` is a coordinate; `+49.1701234567` is how registries write a phone number (RFC 5733).
    const decimal = groups === 2 && walk.joint === joints.dot && walk.size() < 9;
    if (total >= digitsMin && total <= digitsMax && !decimal && !(strict && single)) {
      if (!strict || rightIsFree(bytes, walk.groupEnd, start, end)) best = walk.groupEnd;
    }
    if (!walk.next()) return best;
    if (!isBracketedZero()) total += walk.size();
    if (total > digitsMax) return best;
  }
}

/** The trunk 0 of `+49 (0)170`, which is not dialled. */
function isBracketedZero(): boolean {
  return (
    walk.joint === joints.open &&
    walk.size() === 1 &&
    walk.byte(walk.groupStart) === zero &&
    walk.byte(walk.groupEnd) === parenEnd
  );
}

function numberAt(bytes: Uint8Array, from: number, digits: number): number {
  let value = 0;
  for (let at = from; at < from + digits; at++) value = value * 10 + (bytes[at] as number) - zero;
  return value;
}

/** National forms that begin with one 0: see the table in README.md. */
function trunkEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const size = to - from;
  if (size === 2) {
    const pairs = pairsEnd(bytes, from, to, start, end);
    return pairs === -1 ? dutchMobileEnd(bytes, from, to, start, end) : pairs;
  }
  if (size > 5) return -1;
  walk.begin(bytes, from, to, start, end);
  let total = size;
  let first: Joint = joints.none;
  let best = -1;
  for (let groups = 2; walk.next(); groups++) {
    if (groups === 2) {
      first = walk.joint;
      if (first === joints.dot || first >= joints.open || walk.size() < 3 || walk.size() > 8) return -1;
    } else if (walk.joint > joints.dash || walk.size() < 2 || walk.size() > 5) break;
    total += walk.size();
    if (total > (first === joints.slash ? 13 : 12)) break;
    const digitsMin = first === joints.slash ? 8 : first === joints.dash ? 10 : 9;
    if (total >= digitsMin && rightIsFree(bytes, walk.groupEnd, start, end)) best = walk.groupEnd;
  }
  return best !== -1 && isFourByFour(bytes, from, to, start, end) ? -1 : best;
}

/** `06 12 34 56 78` with one kind of space, dot or dash. */
function pairsEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  walk.begin(bytes, from, to, start, end);
  let joint: Joint = joints.none;
  for (let groups = 2; groups <= 5; groups++) {
    if (!walk.next() || walk.size() !== 2 || walk.joint > joints.dot) return -1;
    if (groups === 2) joint = walk.joint;
    else if (walk.joint !== joint) return -1;
  }
  return rightIsFree(bytes, walk.groupEnd, start, end) ? walk.groupEnd : -1;
}

/** `06-12345678` */
function dutchMobileEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  walk.begin(bytes, from, to, start, end);
  if (bytes[from + 1] !== 0x36 || !walk.next() || walk.joint > joints.dash || walk.size() !== 8) return -1;
  return rightIsFree(bytes, walk.groupEnd, start, end) ? walk.groupEnd : -1;
}

/** `(030) 123456`, `(212) 555-0123`, `(11) 91234-5678`: the brackets stand around `[from, to)`. */
function bracketedEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const size = to - from;
  const first = bytes[from] as number;
  if (first === zero) {
    if (size < 2 || size > 6 || bytes[from + 1] === zero) return -1;
    return bracketedTrunkEnd(bytes, from, to, start, end);
  }
  if (size !== 2 && !(size === 3 && first >= 0x32)) return -1;
  walk.begin(bytes, from, to, start, end);
  if (!walk.next() || (walk.groupStart - to === 2 && bytes[to + 1] !== blank && bytes[to + 1] !== dash))
    return -1;
  if (size === 2) {
    if (walk.size() !== 4 && walk.size() !== 5) return -1;
    if (walk.groupStart - to === 2 && bytes[to + 1] !== blank) return -1;
    if (!walk.next() || walk.joint !== joints.dash || walk.size() !== 4) return -1;
  } else {
    if (walk.size() !== 3 || walk.byte(walk.groupStart) < 0x32) return -1;
    if (!walk.next() || walk.joint > joints.dot || walk.size() !== 4) return -1;
  }
  return rightIsFree(bytes, walk.groupEnd, start, end) ? walk.groupEnd : -1;
}

function bracketedTrunkEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  walk.begin(bytes, from, to, start, end);
  let total = to - from;
  let best = -1;
  for (let groups = 2; walk.next(); groups++) {
    if (
      groups > 2 &&
      walk.joint !== joints.blank &&
      walk.joint !== joints.dash &&
      walk.joint !== joints.slash
    )
      break;
    if (walk.size() < 2 || walk.size() > 8) break;
    total += walk.size();
    if (total > 13) break;
    if (total >= 8 && rightIsFree(bytes, walk.groupEnd, start, end)) best = walk.groupEnd;
  }
  return best;
}

/** `212-555-0123`, `212.555.0123`, `212 555-0123`, `212/555-0123`, alone `212 555 0123`; `area` begins at `code`. */
function northAmericanEnd(
  bytes: Uint8Array,
  from: number,
  code: number,
  to: number,
  start: number,
  end: number,
): number {
  if ((bytes[code] as number) < 0x32) return -1;
  walk.begin(bytes, code, to, start, end);
  if (!walk.next() || walk.size() !== 3 || walk.byte(walk.groupStart) < 0x32 || walk.joint > joints.slash)
    return -1;
  if (walk.joint === joints.slash && walk.groupStart - to !== 1) return -1;
  const first = walk.joint;
  if (!walk.next() || walk.size() !== 4 || walk.joint > joints.dot) return -1;
  const same = walk.joint === first;
  const mixed = walk.joint === joints.dash && (first === joints.blank || first === joints.slash);
  if (!same && !mixed) return -1;
  if (same && first === joints.blank && !isAlone(bytes, from, walk.groupEnd, start, end)) return -1;
  return rightIsFree(bytes, walk.groupEnd, start, end) ? walk.groupEnd : -1;
}

/** `138 0013 8000`, alone. */
function chineseEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  if ((bytes[from + 1] as number) < 0x33) return -1;
  walk.begin(bytes, from, to, start, end);
  if (!walk.next() || walk.size() !== 4 || walk.joint > joints.dash) return -1;
  const joint = walk.joint;
  if (!walk.next() || walk.size() !== 4 || walk.joint !== joint) return -1;
  if (!isAlone(bytes, from, walk.groupEnd, start, end)) return -1;
  return rightIsFree(bytes, walk.groupEnd, start, end) ? walk.groupEnd : -1;
}

function labelledEnd(bytes: Uint8Array, from: number, to: number, start: number, end: number): number {
  const before = byteAt(bytes, from - 1, start, end);
  if (labelEnds[before] === 0) return -1;
  if (to - from < 6 && jointBytes[byteAt(bytes, to, start, end)] === 0) return -1;
  if (!isLabelled(bytes, from, start)) return -1;
  walk.begin(bytes, from, to, start, end);
  let total = 0;
  let best = -1;
  // Sizes of the first groups as decimal digits: 422 behind a year is a date.
  let shape = 0;
  do {
    total += walk.size();
    shape = Math.min(shape * 10 + Math.min(walk.size(), 9), 1000);
    if (shape === 422 && isYear(bytes, from)) return -1;
    if (total > 15) break;
    if (total >= 6 && rightIsFree(bytes, walk.groupEnd, start, end)) best = walk.groupEnd;
  } while (walk.next());
  return best;
}

/** 19.. or 20.. */
function isYear(bytes: Uint8Array, from: number): boolean {
  const two = numberAt(bytes, from, 2);
  return two === 19 || two === 20;
}
