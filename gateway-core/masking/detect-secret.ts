import {
  ascii,
  byteAt,
  escapedBackslash,
  has,
  insideWord,
  isDigit,
  isWordAt,
  letter,
  skipWhile,
  space,
  token,
} from './bytes.js';
import { detectorIds, type HitList } from './hits.js';
import { familyOf, lastPairs, nameBytesMax, nameStart, pair } from './secret-names.js';
import {
  isMasked,
  isQuote,
  isSecret,
  readDollarQuoted,
  readQuoted,
  readValue,
  valueEnd,
  valueStart,
} from './secret-values.js';

/**
 * Secrets that are known by what stands before them: `password=...`, `"api_key": "..."`, `PASSWORD '...'`,
 * `--token ...`, `<password>...</password>`, `scheme://user:...@host`.
 */

const sqlPassword = ascii('password');
const sqlBy = ascii('by');
const sqlIdentified = ascii('identified');

/** A URL's `user:password` is looked for this far. */
const userinfoBytesMax = 1024;

/** What can stand directly before SQL's quoted password: white space, or the prefix of the quote. */
export const beforeSqlQuote: ReadonlySet<number> = new Set(ascii(' \t\n\reE&'));

/** The place and limits of one scan. `hardStop` is the byte that no value goes beyond, or -1: JSON's and arrays' `"`. */
export interface SecretScan {
  hardStop: number;
  /** Ends the last secret: names inside it are part of it. */
  past: number;
  /** The `@` behind the last password of a URL: no e-mail address ends its local part there. */
  userinfoEnd: number;
  /** The last run of `[A-Za-z0-9_-]` that was read to its end: prefixes of tokens can follow each other in one. */
  runStart: number;
  runEnd: number;
}

/** At a `:`, `=` or `>`: a value behind a name that says it is secret. */
export function detectAssignment(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (at < scan.past) return;
  const mark = bytes[at] as number;
  let nameEnd = at;
  if (mark === 0x3d) {
    const before = byteAt(bytes, at - 1, start, end);
    if (before === 0x3a || before === 0x3d) nameEnd--;
  }
  for (let spaces = 0; spaces < 3 && byteAt(bytes, nameEnd - 1, start, end) === 0x20; spaces++) nameEnd--;
  if (mark !== 0x3e) nameEnd = beforeQuote(bytes, nameEnd, start);
  if (nameEnd - start < 3 || !lastPairs.has(pair(bytes, nameEnd))) return;
  const nameFrom = nameStart(bytes, nameEnd, start);
  if (mark === 0x3e && byteAt(bytes, nameFrom - 1, start, end) !== 0x3c) return;
  const family = familyOf(bytes, nameFrom, nameEnd);
  if (family === 'none') return;
  let from = at + 1;
  const after = byteAt(bytes, from, start, end);
  if (mark !== 0x3e && (after === 0x3d || (after === 0x3e && mark === 0x3d))) from++;
  // In JSON a `"` opens a value only behind a name in quotes; else it ends the string that the name is in.
  const closed = bytes[nameEnd] === scan.hardStop ? -1 : scan.hardStop;
  if (readValue(bytes, from, end, mark, family, scan.hardStop, closed)) addSecret(scan, hits);
}

/** Steps back over a closing quote or bracket: `"password"`, `\"password\"`, `['password']`. */
function beforeQuote(bytes: Uint8Array, to: number, start: number): number {
  let at = to;
  if (at > start && bytes[at - 1] === 0x5d) at--;
  if (at === start || !isQuote(bytes[at - 1] as number)) return at;
  at--;
  if (at > start && (bytes[at - 1] === 0x5c || bytes[at - 1] === escapedBackslash)) at--;
  return at;
}

function addSecret(scan: SecretScan, hits: HitList): void {
  hits.add(valueStart, valueEnd, detectorIds.secret);
  scan.past = valueEnd;
}

/** At a `'` or `$`: SQL's `PASSWORD '...'` and `IDENTIFIED BY '...'`, dollar quotes too. */
export function detectSqlPassword(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (at < scan.past) return;
  let to = at;
  const before = byteAt(bytes, to - 1, start, end);
  if ((before | 0x20) === 0x65) to--;
  else if (before === 0x26 && (byteAt(bytes, to - 2, start, end) | 0x20) === 0x75) to -= 2;
  const spaced = to;
  const least = Math.max(start, to - 64);
  while (to > least && has(bytes[to - 1] as number, space)) to--;
  if (to === spaced || !isSqlPasswordName(bytes, to, start)) return;
  if (bytes[at] === 0x27) readQuoted(bytes, at, end, scan.hardStop);
  else if (!readDollarQuoted(bytes, at, end, scan.hardStop)) return;
  if (isSecret(bytes, 'password')) addSecret(scan, hits);
}

function isSqlPasswordName(bytes: Uint8Array, to: number, start: number): boolean {
  if (isWordAt(bytes, to - 8, start, to, sqlPassword)) return !insideWord(bytes, to - 8, start);
  if (!isWordAt(bytes, to - 2, start, to, sqlBy)) return false;
  let before = to - 2;
  const least = Math.max(start, before - 64);
  while (before > least && has(bytes[before - 1] as number, space)) before--;
  return before < to - 2 && isWordAt(bytes, before - 10, start, before, sqlIdentified);
}

/** At the first dash of `--name value`. `--name=value` is an assignment. */
export function detectOption(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (at < scan.past || has(byteAt(bytes, at - 1, start, end), token) || bytes[at + 1] !== 0x2d) return;
  if (!has(byteAt(bytes, at + 2, start, end), letter)) return;
  const to = skipWhile(bytes, at + 2, Math.min(end, at + 2 + nameBytesMax), token);
  if (byteAt(bytes, to, start, end) !== 0x20) return;
  const family = familyOf(bytes, at + 2, to);
  if (family === 'none' || family === 'authorization') return;
  const from = skipWhile(bytes, to, end, space);
  if (byteAt(bytes, from, start, end) === 0x2d) return;
  if (readValue(bytes, from, end, 0x3d, family, scan.hardStop, scan.hardStop)) addSecret(scan, hits);
}

/** At the `:` of `scheme://user:password@host`: the password; also a long token that stands alone before the `@`. */
export function detectUserinfo(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (byteAt(bytes, at + 1, start, end) !== 0x2f || byteAt(bytes, at + 2, start, end) !== 0x2f) return;
  if (!has(byteAt(bytes, at - 1, start, end), token)) return;
  const from = at + 3;
  const limit = Math.min(end, from + userinfoBytesMax);
  let colon = -1;
  let authorityEnd = -1;
  let lastAt = -1;
  let to = from;
  for (; to < limit; to++) {
    const byte = bytes[to] as number;
    if (has(byte, space) || isQuote(byte) || byte === 0x3c || byte === 0x3e) break;
    // In an array this can be where the next element begins.
    if (byte === 0x2c && lastAt !== -1 && scan.hardStop !== -1) break;
    if (byte === 0x3a) {
      if (byteAt(bytes, to + 1, from, limit) === 0x2f && byteAt(bytes, to + 2, from, limit) === 0x2f) break;
      if (colon === -1) colon = to;
    }
    if (byte === 0x40 && (authorityEnd === -1 || lastAt === -1)) lastAt = to;
    if ((byte === 0x2f || byte === 0x3f || byte === 0x23) && authorityEnd === -1) authorityEnd = to;
  }
  if (lastAt === -1) return;
  if (isMasked(bytes, from, lastAt)) {
    scan.userinfoEnd = lastAt;
    return;
  }
  if (colon === -1 || colon > lastAt) return addToken(bytes, from, lastAt, authorityEnd, scan, hits);
  const passwordStart = colon + 1;
  // `host:8080/@name`: a port and a path. A password with a `/` in it does not begin so.
  if (authorityEnd !== -1 && authorityEnd < lastAt) {
    if (colon > authorityEnd || skipWhile(bytes, passwordStart, authorityEnd, 1) === authorityEnd) return;
  }
  scan.userinfoEnd = lastAt;
  if (passwordStart === lastAt || bytes[passwordStart] === 0x7b || isMasked(bytes, passwordStart, lastAt))
    return;
  if (bytes[passwordStart] === 0x24 && bytes[passwordStart + 1] === 0x7b) return;
  hits.add(passwordStart, lastAt, detectorIds.secret);
}

const userTokenBytesMin = 20;
function addToken(
  bytes: Uint8Array,
  from: number,
  to: number,
  authorityEnd: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (to - from < userTokenBytesMin || (authorityEnd !== -1 && authorityEnd < to)) return;
  for (let at = from; at < to; at++) {
    if (!isDigit(bytes[at] as number)) continue;
    scan.userinfoEnd = to;
    return hits.add(from, to, detectorIds.secret);
  }
}
