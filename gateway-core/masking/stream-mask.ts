import { ascii } from './bytes.js';
import { type Detection, kindOf, targetOf } from './detect.js';
import type { Hit } from './hits.js';
import { maskFor } from './masks.js';
import { Output } from './output.js';

const star = 0x2a;
const threeStars = ascii('***');
const nothing = new Uint8Array(0);
const output = new Output();

/**
 * Masks a hit in place, byte for byte: each byte of `text` in the hit that the mask does not show becomes a star where
 * it stands in `target` (`places[index]` there; `index + offset` without places). Line feeds and other control bytes
 * stay. Hidden characters of several bytes become as many stars: bytes are counted, columns are not.
 * Returns the place of the first byte that changed at `from` or behind it, -1 if none did.
 */
export function maskInPlace(
  text: Uint8Array,
  hit: Hit,
  detection: Detection,
  target: Uint8Array,
  places: Int32Array | undefined,
  offset: number,
  from: number,
): number {
  const hidden = hiddenOf(text, hit, detection);
  let first = -1;
  for (let at = hit.start; at < hit.end; at++) {
    const place = places === undefined ? at + offset : (places[at] as number);
    const byte = target[place] as number;
    if (byte < 0x20 || byte === star || hidden?.[at - hit.start] === 0) continue;
    target[place] = star;
    if (first === -1 && place >= from) first = place;
  }
  return first;
}

/** A byte for each of the value's: 0 where the mask shows it. Undefined where it shows nothing. */
function hiddenOf(text: Uint8Array, hit: Hit, detection: Detection): Uint8Array | undefined {
  // A key block's first bytes are its header's.
  if (kindOf(hit, detection) !== 'partial' || text[hit.start] === 0x2d) return undefined;
  // Written with escapes: what each of them stands for is not for this to know.
  if (
    hit.decoded !== undefined &&
    !text.subarray(hit.start, hit.end).every((byte, at) => byte === hit.decoded?.[at])
  )
    return undefined;
  output.clear();
  const mask = maskFor('partial', targetOf(hit.detector), nothing);
  mask?.(text, hit.start, hit.end, output);
  const shown = output.take();
  const length = hit.end - hit.start;
  if (shown.length === length) return shown.map((byte) => (byte === star ? 1 : 0));
  const [head, tail] = around(text, hit, shown);
  return head + tail === 0 ? undefined : new Uint8Array(length).fill(1, head, length - tail);
}

/** How many bytes of the value a mask with `***` in its middle leaves at either end; none where it is not of this value. */
function around(text: Uint8Array, hit: Hit, shown: Uint8Array): [head: number, tail: number] {
  const length = hit.end - hit.start;
  const middle = Buffer.from(shown.buffer, shown.byteOffset, shown.length).indexOf(threeStars);
  if (middle === -1) return [0, 0];
  const tail = shown.length - middle - threeStars.length;
  if (middle + tail >= length) return [0, 0];
  for (let index = 0; index < middle; index++) if (shown[index] !== text[hit.start + index]) return [0, 0];
  for (let index = 1; index <= tail; index++) {
    if (shown[shown.length - index] !== text[hit.end - index]) return [0, 0];
  }
  return [middle, tail];
}
