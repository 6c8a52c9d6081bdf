import { type DetectMask, Detector, type MaskKind } from '../contract/masks.js';
import { binaryHasHit, byteaHasHit, numberHasHit } from './binary.js';
import { ascii } from './bytes.js';
import { compileDetection, kindOf } from './detect.js';
import { detectorIds } from './hits.js';
import { type Mask, maskFor, strictest } from './masks.js';
import { Output } from './output.js';
import { type Spliced, Splicer } from './splice.js';
import { arraySyntax, jsonSyntax, textSyntax } from './syntax.js';

/**
 * What happens to one column of a result. `pass`: nothing. `detect`: what the rules' detectors find in each value.
 * `column`: every value is masked whole, with the strictest of `with` and the rules that hit in it.
 */
export type ColumnPlan =
  | { readonly mask: 'pass' }
  | { readonly mask: 'detect'; readonly rules: readonly DetectMask[] }
  | { readonly mask: 'column'; readonly with: MaskKind; readonly rules?: readonly DetectMask[] };

/**
 * What a column's type lets a mask be. `text`: any string type. `json`: json and jsonb. `number`: integers, numeric,
 * floats, money. `array-text`: arrays of string or JSON types. `array-other`: all other arrays. `other`: everything
 * else that may hold text (hstore, xml, composites, ranges), and types that are not known.
 */
export type ValueClass =
  | 'text'
  | 'json'
  | 'number'
  | 'date'
  | 'boolean'
  | 'uuid'
  | 'bytea'
  | 'array-text'
  | 'array-other'
  | 'other';

export interface ColumnMaskerOptions {
  readonly plan: ColumnPlan;
  readonly valueClass: ValueClass;
  /** PostgreSQL's format codes 0 and 1. */
  readonly format: 'text' | 'binary';
  /** The gateway's key of hash masks; 32 random bytes. */
  readonly hashKey: Uint8Array;
}

export interface ColumnMasker {
  /**
   * The masked value of `buffer[start, end)`, null for SQL NULL, undefined when it stays as it is. Valid for the
   * column's type in its format. The result is not to be written to; the input is never written to.
   */
  mask(buffer: Uint8Array, start: number, end: number): Uint8Array | null | undefined;
}

const jsonbVersion = Buffer.of(1);
const allDetectors = compileDetection([{ detect: [...Detector.options], with: 'partial' }]);

type MaskValue = ColumnMasker['mask'];

/** A masker for one column. Made once for each row description; `mask` is called per value and keeps no state. */
export function createColumnMasker(options: ColumnMaskerOptions): ColumnMasker {
  const { plan } = options;
  switch (plan.mask) {
    case 'pass':
      return { mask: () => undefined };
    case 'detect':
      return { mask: detectMask(plan.rules, options) };
    case 'column':
      return { mask: columnMask(plan.with, plan.rules ?? [], options) };
  }
}

function result(spliced: Spliced | undefined): Uint8Array | null | undefined {
  if (spliced === undefined) return undefined;
  return spliced.isNull ? null : spliced.bytes;
}

function detectMask(rules: readonly DetectMask[], options: ColumnMaskerOptions): MaskValue {
  const detection = compileDetection(rules);
  if (detection.wanted === 0) return () => undefined;
  const { hashKey, valueClass } = options;
  const text = options.format === 'text';
  const splicer = new Splicer(detection, hashKey, textSyntax);
  const nullOn =
    (hasHit: (bytes: Uint8Array, start: number, end: number) => boolean): MaskValue =>
    (bytes, start, end) =>
      hasHit(bytes, start, end) ? null : undefined;
  const anyHit = nullOn((bytes, start, end) => splicer.find(bytes, start, end).length > 0);
  const anyBinaryHit = nullOn((bytes, start, end) => binaryHasHit(splicer, bytes, start, end));
  switch (valueClass) {
    case 'date':
    case 'boolean':
    case 'uuid':
      return () => undefined;
    case 'text':
      return (bytes, start, end) => result(splicer.apply(bytes, start, end));
    case 'json': {
      const json = new Splicer(detection, hashKey, jsonSyntax);
      return onJsonText((bytes, start, end) => result(json.apply(bytes, start, end)), options.format);
    }
    case 'number':
      if ((detection.wanted & (1 << detectorIds.card)) === 0) return () => undefined;
      return nullOn((bytes, start, end) => numberHasHit(bytes, start, end, text));
    case 'bytea':
      return text ? nullOn((bytes, start, end) => byteaHasHit(splicer, bytes, start, end)) : anyHit;
    case 'array-text': {
      if (!text) return anyBinaryHit;
      const array = new Splicer(detection, hashKey, arraySyntax);
      return (bytes, start, end) => result(array.apply(bytes, start, end));
    }
    case 'array-other':
      return text ? anyHit : anyBinaryHit;
    case 'other':
      return text ? (bytes, start, end) => result(splicer.apply(bytes, start, end)) : anyBinaryHit;
  }
}

/**
 * `mask` on the JSON text of a value. jsonb's binary form is version 1 and then the text, json's is the text, which no
 * control character but white space can begin. Another version is not known: NULL.
 */
function onJsonText(mask: MaskValue, format: 'text' | 'binary'): MaskValue {
  if (format === 'text') return mask;
  return (bytes, start, end) => {
    const version = start < end ? (bytes[start] as number) : 0x20;
    if (version >= 0x09) return mask(bytes, start, end);
    if (version !== 1) return null;
    const masked = mask(bytes, start + 1, end);
    return masked instanceof Uint8Array ? Buffer.concat([jsonbVersion, masked]) : masked;
  };
}

function columnMask(kind: MaskKind, rules: readonly DetectMask[], options: ColumnMaskerOptions): MaskValue {
  const detection = compileDetection(rules);
  const splicer = new Splicer(detection, options.hashKey, textSyntax);
  const masks = {
    redact: wholeMask('redact', options),
    partial: wholeMask('partial', options),
    hash: wholeMask('hash', options),
    null: () => null,
  };
  return (bytes, start, end) => {
    const kinds = splicer.find(bytes, start, end).map((hit) => kindOf(hit, detection));
    return masks[strictest([kind, ...kinds]) ?? kind](bytes, start, end);
  };
}

/** A mask of whole values for the types that can say "masked"; NULL for all others. */
function wholeMask(kind: Exclude<MaskKind, 'null'>, options: ColumnMaskerOptions): MaskValue {
  const { format, hashKey, valueClass } = options;
  // JSON and arrays have no first character to show.
  const blunt = maskFor(kind === 'partial' ? 'redact' : kind, 'column', hashKey);
  switch (valueClass) {
    case 'text':
      return kind === 'partial' ? partialColumn(hashKey) : around('', maskFor(kind, 'column', hashKey), '');
    case 'json':
      return onJsonText(around('"', blunt, '"'), format);
    case 'array-text':
      return format === 'binary' ? () => null : around('{"', blunt, '"}');
    case 'number':
    case 'date':
    case 'boolean':
    case 'uuid':
    case 'bytea':
    case 'array-other':
    case 'other':
      return () => null;
  }
}

const output = new Output();

/** A mask between two pieces of its type's syntax. */
function around(head: string, mask: Mask | undefined, tail: string): MaskValue {
  if (mask === undefined) return () => null;
  const before = ascii(head);
  const after = ascii(tail);
  return (bytes, start, end) => {
    output.clear();
    output.copy(before, 0, before.length);
    mask(bytes, start, end, output);
    output.copy(after, 0, after.length);
    return output.take();
  };
}

/** A value that is one address, card, IBAN, phone number or key keeps what that one's partial mask keeps. */
function partialColumn(hashKey: Uint8Array): MaskValue {
  const splicer = new Splicer(allDetectors, hashKey, textSyntax);
  const other = around('', maskFor('partial', 'column', hashKey), '');
  return (bytes, start, end) => {
    if (start === end) return undefined;
    const [hit, second] = splicer.find(bytes, start, end);
    if (hit === undefined || second !== undefined || hit.start !== start || hit.end !== end) {
      return other(bytes, start, end);
    }
    output.clear();
    splicer.write(bytes, hit, output);
    return output.take();
  };
}
