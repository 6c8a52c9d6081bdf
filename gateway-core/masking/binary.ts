import { isCard } from './detect-number.js';
import { detectorIds } from './hits.js';
import type { Splicer } from './splice.js';

/** Digits of the longest card. */
const digitsMax = 19;
/** A numeric can have 16,383 digits behind the point; no card is written with so many. */
const numberTextBytesMax = 1024;

/** Whether a number is a card's. Text: the digits before the point. Binary: int8, float8 or numeric, told apart by size. */
export function numberHasHit(bytes: Uint8Array, start: number, end: number, isText: boolean): boolean {
  const digits = isText ? textDigits(bytes, start, end) : binaryDigits(bytes, start, end);
  if (digits === undefined || digits.length > digitsMax) return false;
  return isCard(Buffer.from(digits, 'latin1'), 0, digits.length);
}

/** `4111111111111111`, `-4111111111111111.00`, `4.111111111111111e+15`, `$4,111,111,111,111,111.00` */
function textDigits(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start < 13 || end - start > numberTextBytesMax) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  const plain = /^[+-]?(\d+)(?:\.\d*)?$/.exec(text);
  if (plain !== null) return plain[1];
  if (/^[+-]?[\d.]+e[+-]?\d+$/i.test(text)) return wholeDigits(Number(text));
  return text.replace(/[.,]\d\d\D*$/, '').replaceAll(/\D/g, '');
}

function wholeDigits(value: number): string | undefined {
  const size = Math.abs(value);
  return Number.isSafeInteger(size) ? String(size) : undefined;
}

function binaryDigits(bytes: Uint8Array, start: number, end: number): string | undefined {
  const size = end - start;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset + start, size);
  if (size >= 10 && size === 8 + 2 * data.readInt16BE(0)) return numericDigits(data);
  if (size !== 8) return undefined;
  const integer = data.readBigInt64BE();
  const absolute = integer < 0n ? -integer : integer;
  // The bits of so small an integer are no double that somebody stores: it would be below 1e-300.
  if (absolute < 100_000_000_000_000_000n) return String(absolute);
  return wholeDigits(data.readDoubleBE());
}

/** `numeric_send` of PostgreSQL: digits of base 10,000, the first of them with a weight. The whole part only. */
function numericDigits(data: Buffer): string | undefined {
  const count = data.readInt16BE(0);
  const weight = data.readInt16BE(2);
  if (weight < 0 || weight > 4) return undefined;
  let digits = '';
  for (let index = 0; index <= weight; index++) {
    const digit = index < count ? data.readInt16BE(8 + 2 * index) : 0;
    digits += String(digit).padStart(index === 0 ? 1 : 4, '0');
  }
  return digits;
}

const windowBytes = 1024 * 1024;
const overlapBytes = 4096;

/** Whether bytea's text holds a hit: `\x` and hex is decoded, the older escape format is text with octal escapes. */
export function byteaHasHit(splicer: Splicer, bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== 0x5c || bytes[start + 1] !== 0x78) return splicer.find(bytes, start, end).length > 0;
  const hexStart = start + 2;
  const hexBytes = end - hexStart;
  for (let from = 0; from < hexBytes; from += 2 * (windowBytes - overlapBytes)) {
    const size = Math.min(hexBytes - from, 2 * windowBytes);
    const hex = Buffer.from(bytes.buffer, bytes.byteOffset + hexStart + from, size).toString('latin1');
    const data = Buffer.from(hex, 'hex');
    if (splicer.find(data, 0, data.length).length > 0) return true;
  }
  return false;
}

const depthMax = 8;

/**
 * Whether a binary array, composite or range holds a hit. Elements have a length in front, whose last byte can be a
 * letter or a digit and would then belong to the element's first word; so each element is looked at alone where the
 * layout is known. The whole is looked at besides. What nests deeper than anybody nests counts as a hit.
 */
export function binaryHasHit(
  splicer: Splicer,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth = 0,
): boolean {
  if (splicer.find(bytes, start, end).length > 0) return true;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  const elements = arrayElements(data) ?? compositeFields(data) ?? rangeBounds(data);
  if (elements === undefined) return false;
  if (depth === depthMax) return true;
  const wantsCards = (splicer.detection.wanted & (1 << detectorIds.card)) !== 0;
  return elements.some(({ from, to, type }) => {
    if (numberTypes.has(type)) return wantsCards && numberHasHit(data, from, to, false);
    return binaryHasHit(splicer, data, from, to, depth + 1);
  });
}

/** oids of int8, float8 and numeric, as pg_type has them. */
const numberTypes: ReadonlySet<number> = new Set([20, 701, 1700]);

interface Element {
  readonly from: number;
  readonly to: number;
  /** pg_type oid, 0 where the layout does not say. */
  readonly type: number;
}

/** Elements from `at` on, each behind its length (-1: NULL) and, in composites, its type; they end exactly at the end. */
function readElements(data: Buffer, at: number, type: number | 'each'): readonly Element[] | undefined {
  const elements: Element[] = [];
  const headBytes = type === 'each' ? 8 : 4;
  let from = at;
  while (from < data.length) {
    if (from + headBytes > data.length) return undefined;
    const own = type === 'each' ? data.readUInt32BE(from) : type;
    const size = data.readInt32BE(from + headBytes - 4);
    from += headBytes;
    if (size < -1 || from + size > data.length) return undefined;
    if (size > 0) elements.push({ from, to: from + size, type: own });
    from += Math.max(0, size);
  }
  return elements;
}

/** `array_send`: dimensions, flags, element type, per dimension its size and lower bound, elements. */
function arrayElements(data: Buffer): readonly Element[] | undefined {
  if (data.length < 12) return undefined;
  const dimensions = data.readInt32BE(0);
  const flags = data.readInt32BE(4);
  const headBytes = 12 + 8 * dimensions;
  if (dimensions < 1 || dimensions > 6 || (flags !== 0 && flags !== 1) || headBytes > data.length)
    return undefined;
  return readElements(data, headBytes, data.readUInt32BE(8));
}

const fieldsMax = 1664;

/** `record_send`: number of fields, per field its type, length and bytes. */
function compositeFields(data: Buffer): readonly Element[] | undefined {
  if (data.length < 4 || data.readInt32BE(0) < 1 || data.readInt32BE(0) > fieldsMax) return undefined;
  return readElements(data, 4, 'each');
}

/** `range_send`: a byte of flags, then the bounds that there are. */
function rangeBounds(data: Buffer): readonly Element[] | undefined {
  return data.length < 5 || (data[0] as number) >= 0x20 ? undefined : readElements(data, 1, 0);
}
