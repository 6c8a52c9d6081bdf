import type { Detector } from '../contract/masks.js';

/**
 * Detectors as small integers. `secret` belongs to the detector `key`: a value that is known by its label only
 * (`password=...`), of which no character may stay; so does a run of overlapping hits that are no one thing.
 */
export const detectorIds = { email: 0, card: 1, iban: 2, phone: 3, key: 4, secret: 5 } as const;
export type DetectorId = (typeof detectorIds)[keyof typeof detectorIds];

export const detectorNames = ['email', 'card', 'iban', 'phone', 'key', 'key'] as const satisfies Detector[];

export interface Hit {
  readonly start: number;
  readonly end: number;
  readonly detector: DetectorId;
  /** Bit per detector that hit here: decides which kinds of mask meet. */
  readonly seen: number;
  /** What stands there once escapes are decoded; undefined where the bytes themselves say it. */
  readonly decoded: Uint8Array | undefined;
}

/** A value with more hits than this is hidden whole: each costs memory, and nobody reads such a value. */
const hitsMax = 100_000;

/** What a scan found, in any order; reused from scan to scan, so that a value without a hit allocates nothing. */
export class HitList {
  starts = new Int32Array(64);
  ends = new Int32Array(64);
  detectors = new Uint8Array(64);
  count = 0;
  /** More was found than is kept. */
  full = false;

  add(start: number, end: number, detector: DetectorId): void {
    if (this.count === hitsMax) {
      this.full = true;
      return;
    }
    if (this.count === this.starts.length) this.grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.detectors[this.count] = detector;
    this.count++;
  }

  hit(index: number): Hit {
    const detector = this.detectors[index] as DetectorId;
    const start = this.starts[index] as number;
    const end = this.ends[index] as number;
    return { start, end, detector, seen: 1 << detector, decoded: undefined };
  }

  private grow(): void {
    const size = this.starts.length * 2;
    const starts = new Int32Array(size);
    const ends = new Int32Array(size);
    const detectors = new Uint8Array(size);
    starts.set(this.starts);
    ends.set(this.ends);
    detectors.set(this.detectors);
    this.starts = starts;
    this.ends = ends;
    this.detectors = detectors;
  }

  clear(): void {
    this.count = 0;
    this.full = false;
    // A value with very many hits must not keep its memory for ever.
    if (this.starts.length > 65_536) {
      this.starts = new Int32Array(64);
      this.ends = new Int32Array(64);
      this.detectors = new Uint8Array(64);
    }
  }
}

function byPlace(a: Hit, b: Hit): number {
  return a.start - b.start || b.end - a.end || a.detector - b.detector;
}

/**
 * Raw hits to hits that do not overlap, by place. `wanted` is a bit set of detector ids: cards and IBANs are
 * recognised even when nobody asked for them, because what is one of them is no phone number.
 */
export function resolve(list: HitList, wanted: number): Hit[] {
  if (list.count === 0) return [];
  const all: Hit[] = [];
  for (let index = 0; index < list.count; index++) all.push(list.hit(index));
  const [only] = all;
  if (all.length === 1 && only !== undefined) return (wanted & only.seen) === 0 ? [] : all;
  all.sort(byPlace);
  return mergeOverlaps(withoutNumbersInNumbers(all).filter((hit) => (wanted & hit.seen) !== 0));
}

/** Drops cards inside an IBAN and phone numbers that touch either. `hits` is sorted by start. */
function withoutNumbersInNumbers(hits: readonly Hit[]): readonly Hit[] {
  const { card, iban, phone } = detectorIds;
  let ibanEnd = -1;
  const cardsKept = hits.filter((hit) => {
    if (hit.detector === iban) ibanEnd = Math.max(ibanEnd, hit.end);
    return hit.detector !== card || hit.start >= ibanEnd;
  });
  let numberEnd = -1;
  return cardsKept.filter((hit, index) => {
    if (hit.detector === card || hit.detector === iban) numberEnd = Math.max(numberEnd, hit.end);
    if (hit.detector !== phone) return true;
    if (hit.start < numberEnd) return false;
    for (let after = index + 1; after < cardsKept.length; after++) {
      const other = cardsKept[after] as Hit;
      if (other.start >= hit.end) break;
      if (other.detector === card || other.detector === iban) return false;
    }
    return true;
  });
}

/**
 * One hit for each run of overlapping ones (sorted by start, longer first). The one that contains the others names
 * the run. Where none does, or a key is among them, it is `secret`, whose masks show nothing.
 */
function mergeOverlaps(hits: readonly Hit[]): Hit[] {
  const merged: Hit[] = [];
  for (const hit of hits) {
    const last = merged.at(-1);
    if (last === undefined || hit.start >= last.end) {
      merged.push(hit);
      continue;
    }
    const contains = hit.end <= last.end;
    merged[merged.length - 1] = {
      start: last.start,
      end: Math.max(last.end, hit.end),
      detector: both(last.detector, hit.detector, contains),
      seen: last.seen | hit.seen,
      decoded: contains ? last.decoded : undefined,
    };
  }
  return merged;
}

function both(first: DetectorId, second: DetectorId, contains: boolean): DetectorId {
  const { key, secret } = detectorIds;
  if (first === second) return first;
  const isSecret = first >= key || second >= key;
  return contains && !isSecret ? first : secret;
}

/**
 * Hits in the bytes as they stand, and hits in their decoded view (both without overlaps of their own), as one list.
 * Of an address the view knows better where it begins; of anything else both are hidden.
 */
export function combine(raw: readonly Hit[], decoded: readonly Hit[]): Hit[] {
  const views = [...decoded].sort(byPlace);
  const kept: Hit[] = [];
  let from = 0;
  for (const hit of raw) {
    while (from < views.length && (views[from] as Hit).end <= hit.start) from++;
    let same = false;
    for (let index = from; index < views.length; index++) {
      const view = views[index] as Hit;
      if (view.start >= hit.end) break;
      if (view.detector === detectorIds.email && hit.detector === detectorIds.email) same = true;
    }
    if (!same) kept.push(hit);
  }
  return mergeOverlaps([...views, ...kept].sort(byPlace));
}
