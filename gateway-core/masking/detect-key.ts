import { alnum, ascii, byteAt, has, insideWord, isDigit, isWordAt, skipWhile, token } from './bytes.js';
import type { SecretScan } from './detect-secret.js';
import { detectorIds, type HitList } from './hits.js';

/** Secrets that are known by their own form: private key blocks, JWTs, `Bearer ...`, tokens with a fixed prefix. */

interface Prefix {
  readonly text: Uint8Array;
  readonly bytesMin: number;
  /** What the rest is made of. */
  readonly rest: number;
  /** Words can look like it: one digit at least. */
  readonly digit: boolean;
}

function prefix(text: string, bytesMin: number, rest: number = token, digit = false): Prefix {
  return { text: ascii(text), bytesMin, rest, digit };
}

/** By the documentation of each issuer; the last byte of a prefix is what the scanner stops at. */
const dashPrefixes: readonly Prefix[] = [
  ...['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'gloas-', 'glsoat-', 'glagent-'].map((text) =>
    prefix(text, 20),
  ),
  ...['xoxa-', 'xoxb-', 'xoxc-', 'xoxd-', 'xoxe-', 'xoxo-', 'xoxp-', 'xoxr-', 'xoxs-', 'xapp-'].map((text) =>
    prefix(text, 10),
  ),
  prefix('GOCSPX-', 20),
  prefix('pypi-', 50),
  prefix('AGE-SECRET-KEY-', 40),
  prefix('sk-', 32, token, true),
];
const underscorePrefixes: readonly Prefix[] = [
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((text) => prefix(text, 30, alnum)),
  prefix('github_pat_', 22),
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'].map((text) => prefix(text, 10, alnum)),
  prefix('whsec_', 20, alnum),
  prefix('npm_', 30, alnum),
  prefix('hf_', 30, alnum),
  prefix('dop_v1_', 40, alnum),
  prefix('shpat_', 30, alnum),
  prefix('glsa_', 30),
];

/** The two bytes before the one at `at`, which ends a prefix. */
function pairBefore(bytes: Uint8Array, at: number): number {
  return ((bytes[at - 2] as number) << 8) | (bytes[at - 1] as number);
}

function byPair(prefixes: readonly Prefix[]): ReadonlyMap<number, readonly Prefix[]> {
  const map = new Map<number, Prefix[]>();
  for (const item of prefixes) {
    const pair = pairBefore(item.text, item.text.length - 1);
    map.set(pair, [...(map.get(pair) ?? []), item]);
  }
  return map;
}
const dashPairs = byPair(dashPrefixes);
const underscorePairs = byPair(underscorePrefixes);
const isPair = new Uint8Array(0x1_0000);
for (const pair of [...dashPairs.keys(), ...underscorePairs.keys()]) isPair[pair] = 1;
/** What stands before the `-` or `_` that ends a prefix. */
export const beforeDash: ReadonlySet<number> = new Set([...dashPairs.keys()].map((pair) => pair & 0xff));
export const beforeUnderscore: ReadonlySet<number> = new Set(
  [...underscorePairs.keys()].map((pair) => pair & 0xff),
);

/** At a `-` or `_` at `at`: a token with a known prefix, the case of which counts. */
export function detectPrefixed(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (at - 2 < start || isPair[pairBefore(bytes, at)] === 0) return;
  const candidates = (bytes[at] === 0x5f ? underscorePairs : dashPairs).get(pairBefore(bytes, at));
  for (const { text, bytesMin, rest, digit } of candidates ?? []) {
    const from = at + 1 - text.length;
    if (from < start || !isExactly(bytes, from, text) || insideWord(bytes, from, start)) continue;
    const to = rest === token ? tokenEnd(bytes, at + 1, end, scan) : skipWhile(bytes, at + 1, end, rest);
    if (to - at - 1 < bytesMin || (digit && !hasDigit(bytes, at + 1, to))) continue;
    hits.add(from, to, detectorIds.key);
    return;
  }
}

/** `skipWhile` for `token`, which reads each run once. */
function tokenEnd(bytes: Uint8Array, from: number, end: number, scan: SecretScan): number {
  if (from >= scan.runStart && from < scan.runEnd) return scan.runEnd;
  scan.runStart = from;
  scan.runEnd = skipWhile(bytes, from, end, token);
  return scan.runEnd;
}

/** Whether `text` stands at `from`. The caller has checked that it fits before the range's end. */
function isExactly(bytes: Uint8Array, from: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[from + index] !== text[index]) return false;
  return true;
}

const digitBytesMax = 64;
function hasDigit(bytes: Uint8Array, from: number, to: number): boolean {
  const end = Math.min(to, from + digitBytesMax);
  for (let at = from; at < end; at++) if (isDigit(bytes[at] as number)) return true;
  return false;
}

/** How a block begins and ends, in any case. */
export const pemBegin = ascii('-----begin ');
export const pemEnd = ascii('-----end ');
const pemKey = ascii('private key');
export const pemHeaderBytesMax = 64;

/** At the first dash of `-----BEGIN ... PRIVATE KEY...`: up to the end of its END line, else to where the value ends. */
export function detectPem(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  if (at < scan.past || !isWordAt(bytes, at, start, end, pemBegin)) return;
  const headerEnd = Math.min(end, at + pemHeaderBytesMax);
  let header = at + pemBegin.length;
  while (header < headerEnd && !isWordAt(bytes, header, start, headerEnd, pemKey)) {
    if (bytes[header] === 0x2d || bytes[header] === scan.hardStop) return;
    header++;
  }
  if (header >= headerEnd) return;
  let to = header;
  while (to < end && bytes[to] !== scan.hardStop) {
    if (bytes[to] === 0x2d && isWordAt(bytes, to, start, end, pemEnd)) {
      to = pemLineEnd(bytes, to + pemEnd.length, end, scan.hardStop);
      break;
    }
    to++;
  }
  hits.add(at, to, detectorIds.key);
  scan.past = to;
}

/** The end of `PRIVATE KEY-----`, which begins at `from`. */
export function pemLineEnd(bytes: Uint8Array, from: number, end: number, hardStop: number): number {
  const limit = Math.min(end, from + pemHeaderBytesMax);
  let to = from;
  while (to < limit && bytes[to] !== 0x2d && bytes[to] !== 0x0a && bytes[to] !== hardStop) to++;
  while (to < limit && bytes[to] === 0x2d) to++;
  return to;
}

/** At the `J` of `eyJ` (base64url of `{"`): two parts of a JWS or JWE and what follows them (RFC 7515, 7516). */
export function detectJwt(bytes: Uint8Array, at: number, start: number, end: number, hits: HitList): void {
  const from = at - 2;
  if (from < start || bytes[from] !== 0x65 || bytes[from + 1] !== 0x79) return;
  if (has(byteAt(bytes, from - 1, start, end), token) && insideToken(bytes, from, start)) return;
  let to = skipWhile(bytes, at + 1, end, token);
  if (to - at - 1 < 8 || byteAt(bytes, to, start, end) !== 0x2e) return;
  const second = to + 1;
  to = skipWhile(bytes, second, end, token);
  if (to - second < 8) return;
  for (let parts = 2; parts < 5 && byteAt(bytes, to, start, end) === 0x2e; parts++) {
    to = skipWhile(bytes, to + 1, end, token);
  }
  hits.add(from, to, detectorIds.key);
}

function insideToken(bytes: Uint8Array, at: number, start: number): boolean {
  const before = byteAt(bytes, at - 1, start, at);
  return before === 0x5f || before === 0x2d || insideWord(bytes, at, start);
}

const bearer = ascii('bearer');

/** At the `b` of `Bearer ...` (RFC 6750 2.1): the token, where it does not look like a word. */
export function detectBearer(bytes: Uint8Array, at: number, start: number, end: number, hits: HitList): void {
  if (!isWordAt(bytes, at, start, end, bearer) || insideWord(bytes, at, start)) return;
  let from = at + bearer.length;
  if (byteAt(bytes, from, start, end) !== 0x20) return;
  while (byteAt(bytes, from, start, end) === 0x20) from++;
  let to = from;
  let digits = false;
  for (; to < end; to++) {
    const byte = bytes[to] as number;
    if (isDigit(byte)) digits = true;
    // . ~ + / = besides letters, digits, - and _
    else if (
      !has(byte, token) &&
      byte !== 0x2e &&
      byte !== 0x7e &&
      byte !== 0x2b &&
      byte !== 0x2f &&
      byte !== 0x3d
    ) {
      break;
    }
  }
  if (to - from >= 24 || (digits && to - from >= 8)) hits.add(from, to, detectorIds.secret);
}

const awsIdBytes = 20;
/** At the `K` of `AKIA...` or the `S` of `ASIA...`: an AWS access key id, 16 characters of base 32 behind the prefix. */
export function detectAws(bytes: Uint8Array, at: number, start: number, end: number, hits: HitList): void {
  const from = at - 1;
  if (from < start || bytes[from] !== 0x41 || from + awsIdBytes > end) return;
  if (bytes[at + 1] !== 0x49 || bytes[at + 2] !== 0x41 || insideWord(bytes, from, start)) return;
  for (let index = from + 4; index < from + awsIdBytes; index++) {
    const byte = bytes[index] as number;
    if (!(byte >= 0x41 && byte <= 0x5a) && !(byte >= 0x32 && byte <= 0x37)) return;
  }
  if (!has(byteAt(bytes, from + awsIdBytes, start, end), alnum)) {
    hits.add(from, from + awsIdBytes, detectorIds.key);
  }
}

const googleRestBytes = 35;
/** At the `z` of `AIza...`: a Google API key. */
export function detectGoogle(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  scan: SecretScan,
  hits: HitList,
): void {
  const from = at - 2;
  if (from < start || bytes[from] !== 0x41 || bytes[from + 1] !== 0x49 || insideWord(bytes, from, start))
    return;
  if (byteAt(bytes, at + 1, start, end) !== 0x61) return;
  const to = tokenEnd(bytes, at + 2, end, scan);
  if (to - at - 2 >= googleRestBytes) hits.add(from, to, detectorIds.key);
}

const dottedPartBytesMin = 16;
/** At the `G` of SendGrid's `SG.id.secret`. */
export function detectSendGrid(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const from = at - 1;
  if (from < start || bytes[from] !== 0x53 || byteAt(bytes, at + 1, start, end) !== 0x2e) return;
  if (insideWord(bytes, from, start)) return;
  const dot = skipWhile(bytes, at + 2, end, token);
  if (dot - at - 2 < dottedPartBytesMin || byteAt(bytes, dot, start, end) !== 0x2e) return;
  const to = skipWhile(bytes, dot + 1, end, token);
  if (to - dot - 1 >= dottedPartBytesMin) hits.add(from, to, detectorIds.key);
}

/** At the digits of `ya29.`: a Google OAuth access token. */
export function detectGoogleOauth(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const from = at - 2;
  if (from < start || bytes[from] !== 0x79 || bytes[from + 1] !== 0x61 || insideWord(bytes, from, start))
    return;
  if (byteAt(bytes, at + 2, start, end) !== 0x2e) return;
  const to = skipWhile(bytes, at + 3, end, token);
  if (to - at - 3 >= 20) hits.add(from, to, detectorIds.key);
}
