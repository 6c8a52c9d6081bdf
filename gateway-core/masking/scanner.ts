import { alnum, byteAt, flags, has, isDigit, letter } from './bytes.js';
import { detectEmail } from './detect-email.js';
import {
  beforeDash,
  beforeUnderscore,
  detectAws,
  detectBearer,
  detectGoogle,
  detectGoogleOauth,
  detectJwt,
  detectPem,
  detectPrefixed,
  detectSendGrid,
} from './detect-key.js';
import {
  cardDigitsMax,
  cardDigitsMin,
  detectGroupedCard,
  detectIban,
  detectPlainCard,
} from './detect-number.js';
import { detectPhone, mayBePhone } from './detect-phone.js';
import {
  beforeSqlQuote,
  detectAssignment,
  detectOption,
  detectSqlPassword,
  detectUserinfo,
  type SecretScan,
} from './detect-secret.js';
import { detectorIds, type HitList } from './hits.js';
import { beforeAssignment } from './secret-names.js';
import { mayDecode } from './view.js';

/** What the scanner does at a byte; 0 is the fast way on. */
const stops = {
  none: 0,
  digit: 1,
  at: 2,
  assign: 3,
  dash: 4,
  underscore: 5,
  jwt: 6,
  aws: 7,
  google: 8,
  bearer: 9,
  sendGrid: 10,
  sqlQuote: 11,
  encoded: 12,
} as const;

const phoneBit = 1 << detectorIds.phone;
const numberBits = (1 << detectorIds.card) | (1 << detectorIds.iban) | phoneBit;
export const keyBits = (1 << detectorIds.key) | (1 << detectorIds.secret);

/** First bytes of UTF-8 sequences among which some fold to ASCII or to nothing. view.ts decides which. */
const foldedLeads = [0xc2, 0xcd, 0xd8, 0xd9, 0xdb, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, 0xf3];

function stopTable(wanted: number): Uint8Array {
  const table = new Uint8Array(256);
  const set = (characters: string, stop: number): void => {
    for (const character of characters) table[character.charCodeAt(0)] = stop;
  };
  for (const lead of foldedLeads) table[lead] = stops.encoded;
  set('%&\\', stops.encoded);
  if ((wanted & (numberBits | keyBits)) !== 0) set('0123456789', stops.digit);
  if ((wanted & (1 << detectorIds.email)) !== 0) set('@', stops.at);
  if ((wanted & keyBits) === 0) return table;
  set(':=>', stops.assign);
  set('-', stops.dash);
  set('_', stops.underscore);
  set('J', stops.jwt);
  set('KS', stops.aws);
  set('z', stops.google);
  set('Bb', stops.bearer);
  set('G', stops.sendGrid);
  set("'$", stops.sqlQuote);
  return table;
}

const stopTables: (Uint8Array | undefined)[] = [];

function stopTableFor(wanted: number): Uint8Array {
  const known = stopTables[wanted];
  if (known !== undefined) return known;
  const table = stopTable(wanted);
  stopTables[wanted] = table;
  return table;
}

/** Per byte, a bit for each stop that is worth a look when that byte stands before it. Most are turned away here. */
const worthBehind = makeWorthBehind();

function makeWorthBehind(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const worth: readonly (readonly [stop: number, is: boolean])[] = [
      [stops.at, true],
      [stops.assign, beforeAssignment.has(byte)],
      [stops.dash, beforeDash.has(byte)],
      [stops.underscore, beforeUnderscore.has(byte)],
      [stops.jwt, byte === 0x79],
      [stops.aws, byte === 0x41],
      [stops.google, byte === 0x49],
      // The letter of an escape can stand directly before a word.
      [stops.bearer, !has(byte, alnum) || 'bfnrt'.includes(String.fromCharCode(byte))],
      [stops.sendGrid, byte === 0x53],
      [stops.sqlQuote, beforeSqlQuote.has(byte)],
    ];
    table[byte] = worth.reduce((bits, [stop, is]) => (is ? bits | (1 << stop) : bits), 0);
  }
  return table;
}

/** The byte behind a stop that makes it worth a look whatever stands before: `://` and `--`. */
const doubles: readonly number[] = Object.values(stops).map((stop) =>
  stop === stops.assign ? 0x2f : stop === stops.dash ? 0x2d : -1,
);

const scanState: SecretScan = { hardStop: -1, past: 0, userinfoEnd: -1, runStart: 0, runEnd: 0 };

/**
 * One pass over `bytes[start, end)`: adds every hit of the `wanted` detectors (bit per id) to `hits`, and cards and
 * IBANs also for phone alone, which they rule out. Hits may overlap; `resolve` sorts that out.
 *
 * `hardStop` is a byte that no secret value goes beyond: `"` in JSON and in arrays, -1 elsewhere.
 * Returns whether the bytes hold something that decodes or folds to other text (view.ts).
 */
export function scan(
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: number,
  hardStop: number,
  hits: HitList,
): boolean {
  const table = stopTableFor(wanted);
  let encoded = false;
  // Groups of digits with one space or dash between them are one sequence.
  let sequenceStart = 0;
  let sequenceDigits = 0;
  let lastDigitsEnd = -1;
  scanState.hardStop = hardStop;
  scanState.past = start;
  scanState.userinfoEnd = -1;
  scanState.runStart = 0;
  scanState.runEnd = 0;
  for (let at = start; at < end; ) {
    let stop: number;
    while ((stop = table[bytes[at] as number] as number) === 0) if (++at === end) return encoded;
    const before = at > start ? (bytes[at - 1] as number) : 0;
    if (stop === stops.digit) {
      const from = at;
      do at++;
      while (at < end && ((flags[bytes[at] as number] as number) & 1) !== 0);
      const joined = from === lastDigitsEnd + 1 && (before === 0x20 || before === 0x2d);
      if (!joined) sequenceStart = from;
      sequenceDigits = joined ? sequenceDigits + at - from : at - from;
      lastDigitsEnd = at;
      if (at - from >= 2 && has(before, letter))
        onLettersAndDigits(bytes, from, at, start, end, wanted, hits);
      if (sequenceDigits >= cardDigitsMin && (wanted & numberBits) !== 0) {
        onManyDigits(bytes, from, at, sequenceStart, start, end, hits);
      }
      if ((wanted & phoneBit) !== 0 && mayBePhone(bytes, from, at, start, end, before)) {
        detectPhone(bytes, from, at, start, end, hits);
      }
      continue;
    }
    if (stop === stops.encoded) {
      if (!encoded) encoded = mayDecode(bytes, at, end);
    } else if (((worthBehind[before] as number) & (1 << stop)) !== 0) {
      onStop(stop, bytes, at, start, end, hits);
    } else if (at + 1 < end && bytes[at + 1] === doubles[stop]) {
      onDouble(bytes, at, start, end, hits);
    }
    at++;
  }
  return encoded;
}

function onStop(
  stop: number,
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  switch (stop) {
    case stops.at:
      if (at !== scanState.userinfoEnd) detectEmail(bytes, at, start, end, hits);
      return;
    case stops.assign:
      onDouble(bytes, at, start, end, hits);
      return detectAssignment(bytes, at, start, end, scanState, hits);
    case stops.dash:
      onDouble(bytes, at, start, end, hits);
      return detectPrefixed(bytes, at, start, end, scanState, hits);
    case stops.underscore:
      return detectPrefixed(bytes, at, start, end, scanState, hits);
    case stops.jwt:
      return detectJwt(bytes, at, start, end, hits);
    case stops.aws:
      return detectAws(bytes, at, start, end, hits);
    case stops.google:
      return detectGoogle(bytes, at, start, end, scanState, hits);
    case stops.bearer:
      return detectBearer(bytes, at, start, end, hits);
    case stops.sendGrid:
      return detectSendGrid(bytes, at, start, end, hits);
    case stops.sqlQuote:
      return detectSqlPassword(bytes, at, start, end, scanState, hits);
    default:
  }
}

/** `://` and `--`, whatever stands before them. */
function onDouble(bytes: Uint8Array, at: number, start: number, end: number, hits: HitList): void {
  const next = byteAt(bytes, at + 1, start, end);
  if (next === 0x2f && bytes[at] === 0x3a) detectUserinfo(bytes, at, start, end, scanState, hits);
  if (next !== 0x2d || bytes[at] !== 0x2d) return;
  detectPem(bytes, at, start, end, scanState, hits);
  detectOption(bytes, at, start, end, scanState, hits);
}

/** Two digits or more `[from, to)` behind a letter. */
function onLettersAndDigits(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  end: number,
  wanted: number,
  hits: HitList,
): void {
  if ((wanted & numberBits) !== 0) detectIban(bytes, from, start, end, hits);
  if (to - from === 2 && (wanted & keyBits) !== 0) detectGoogleOauth(bytes, from, start, end, hits);
}

/** A run of digits `[from, to)` that is long, or the last so far of a sequence of groups that is. */
function onManyDigits(
  bytes: Uint8Array,
  from: number,
  to: number,
  sequenceStart: number,
  start: number,
  end: number,
  hits: HitList,
): void {
  const size = to - from;
  if (size >= cardDigitsMin && size <= cardDigitsMax) detectPlainCard(bytes, from, to, start, end, hits);
  if (from === sequenceStart) return;
  const after = byteAt(bytes, to, start, end);
  const goesOn = (after === 0x20 || after === 0x2d) && isDigit(byteAt(bytes, to + 1, start, end));
  if (!goesOn) detectGroupedCard(bytes, sequenceStart, to, start, end, hits);
}
