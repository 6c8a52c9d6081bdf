import { maskStrength } from '../contract/masks.js';
import { alnum, ascii, byteAt, has, isDigit } from './bytes.js';
import { type Detection, findHits, kindOf, targetOf, wasEncoded } from './detect.js';
import { detectorIds, type Hit } from './hits.js';
import { type Mask, maskFor } from './masks.js';
import type { Output } from './output.js';
import { replaceHits, type Syntax } from './syntax.js';

/** What text was masked to; `count` values were hidden. `isNull`: a mask asks for SQL NULL in place of the whole value. */
export interface Spliced {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly isNull: boolean;
}

/** Masking leaves nothing to find after one pass, nearly always; what still yields hits after so many is redacted. */
const passesMax = 8;

/** Bytes that can belong to the same word, number or address as what stands directly beside them. */
const joins = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) joins[byte] = byte >= 0x80 || has(byte, alnum) ? 1 : 0;
for (const byte of ascii('_-./(+@:=*')) joins[byte] = 1;

/** How hits of text are replaced, for one set of rules. */
export class Splicer {
  readonly detection: Detection;
  private readonly syntax: Syntax;
  /** By strength of the kind, then detector id. `null` is written as `[masked]`: inside text there is no NULL. */
  private readonly masks: readonly (readonly Mask[])[];

  constructor(detection: Detection, hashKey: Uint8Array, syntax: Syntax) {
    this.detection = detection;
    this.syntax = syntax;
    const redact = maskFor('redact', 'secret', hashKey) as Mask;
    this.masks = maskStrength.map((kind) =>
      Object.values(detectorIds).map((id) => maskFor(kind, targetOf(id), hashKey) ?? redact),
    );
  }

  find(bytes: Uint8Array, start: number, end: number): readonly Hit[] {
    return findHits(bytes, start, end, this.detection.wanted, this.syntax.hardStop);
  }

  /** Text with every hit replaced; undefined when there is none. */
  apply(bytes: Uint8Array, start: number, end: number): Spliced | undefined {
    let hits = this.find(bytes, start, end);
    if (hits.length === 0) return undefined;
    const count = hits.length;
    let isNull = this.asksForNull(hits);
    let source = this.replace(bytes, start, end, hits);
    let again = wasEncoded() || this.anyMayJoin(bytes, start, end, hits);
    for (let pass = 2; again; pass++) {
      hits = this.find(source, 0, source.length);
      if (hits.length === 0) break;
      if (pass > passesMax) return { bytes: this.syntax.whole, count, isNull };
      isNull ||= this.asksForNull(hits);
      again = wasEncoded() || this.anyMayJoin(source, 0, source.length, hits);
      source = this.replace(source, 0, source.length, hits);
    }
    return { bytes: source, count, isNull };
  }

  asksForNull(hits: readonly Hit[]): boolean {
    return this.detection.asksForNull && hits.some((hit) => kindOf(hit, this.detection) === 'null');
  }

  /** Whether what stands beside a hit could form a new one with the mask, or was none only because of the hit. */
  private anyMayJoin(bytes: Uint8Array, start: number, end: number, hits: readonly Hit[]): boolean {
    for (const hit of hits) {
      const before = byteAt(bytes, hit.start - 1, start, end);
      const after = byteAt(bytes, hit.end, start, end);
      if (joins[before] === 1 || joins[after] === 1) return true;
      if (before === 0x20 && isDigit(byteAt(bytes, hit.start - 2, start, end))) return true;
      if (after === 0x20 && isDigit(byteAt(bytes, hit.end + 1, start, end))) return true;
    }
    return false;
  }

  private replace(bytes: Uint8Array, start: number, end: number, hits: readonly Hit[]): Uint8Array {
    return replaceHits(this.syntax, bytes, start, end, hits, (source, hit, out) =>
      this.write(source, hit, out),
    );
  }

  /** Appends what is written for one hit. */
  write(bytes: Uint8Array, hit: Hit, out: Output): void {
    const strength = maskStrength.indexOf(kindOf(hit, this.detection));
    const mask = this.masks[strength]?.[hit.detector] as Mask;
    if (hit.decoded === undefined) mask(bytes, hit.start, hit.end, out);
    else mask(hit.decoded, 0, hit.decoded.length, out);
  }
}
