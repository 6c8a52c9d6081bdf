import { type DetectMask, type Detector, type MaskKind, maskStrength } from '../contract/masks.js';
import { combine, type DetectorId, detectorIds, detectorNames, type Hit, HitList, resolve } from './hits.js';
import { keyBits, scan } from './scanner.js';
import { View } from './view.js';

/** Which detectors look, and which mask each calls for. */
export interface Detection {
  /** Bit per detector id, as `scan` takes it. */
  readonly wanted: number;
  /** By detector id. */
  readonly kinds: readonly (MaskKind | undefined)[];
  /** Whether any of them is `null`. */
  readonly asksForNull: boolean;
}

const bitsOf: Readonly<Record<Detector, number>> = {
  email: 1 << detectorIds.email,
  card: 1 << detectorIds.card,
  iban: 1 << detectorIds.iban,
  phone: 1 << detectorIds.phone,
  key: keyBits,
};

/** The rules as the scanner takes them; where several name a detector, the strictest mask counts. */
export function compileDetection(rules: readonly DetectMask[]): Detection {
  let wanted = 0;
  const strengths = detectorNames.map(() => maskStrength.length);
  for (const rule of rules) {
    const strength = maskStrength.indexOf(rule.with);
    for (const detector of rule.detect) {
      wanted |= bitsOf[detector];
      detectorNames.forEach((name, id) => {
        if (name === detector) strengths[id] = Math.min(strengths[id] ?? strength, strength);
      });
    }
  }
  const kinds = strengths.map((strength) => maskStrength[strength]);
  return { wanted, kinds, asksForNull: kinds.includes('null') };
}

/** The strictest mask of everything that hit at one place. */
export function kindOf(hit: Hit, detection: Detection): MaskKind {
  if (hit.seen === 1 << hit.detector) return detection.kinds[hit.detector] ?? 'redact';
  let strength = maskStrength.length - 1;
  for (let id = 0; id < detection.kinds.length; id++) {
    const kind = detection.kinds[id];
    if ((hit.seen & (1 << id)) !== 0 && kind !== undefined) {
      strength = Math.min(strength, maskStrength.indexOf(kind));
    }
  }
  return maskStrength[strength] ?? 'redact';
}

const rawList = new HitList();
const viewList = new HitList();
const view = new View();
const none: readonly Hit[] = [];
const dropped = 0;

/** Whether the last value that was looked at held something that decodes. */
export function wasEncoded(): boolean {
  return encoded;
}
let encoded = false;

/**
 * Every hit in `bytes[start, end)`, by place, without overlaps: in the bytes as they stand, and in their decoded view
 * where that differs. Hits never cut an escape sequence in two. Allocates only when there is a hit or an escape.
 */
export function findHits(
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: number,
  hardStop: number,
): readonly Hit[] {
  encoded = false;
  if (wanted === 0 || end - start < 3) return none;
  rawList.clear();
  encoded = scan(bytes, start, end, wanted, hardStop, rawList);
  if (rawList.full) return everything(start, end, wanted);
  if (!encoded) return rawList.count === 0 ? none : resolve(rawList, wanted);
  return findDecoded(bytes, start, end, wanted, hardStop, resolve(rawList, wanted));
}

function everything(start: number, end: number, wanted: number): readonly Hit[] {
  return [{ start, end, detector: detectorIds.secret, seen: wanted, decoded: undefined }];
}

function findDecoded(
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: number,
  hardStop: number,
  raw: Hit[],
): readonly Hit[] {
  const decoded: Hit[] = [];
  let rawFrom = 0;
  for (let from = start; from < end; ) {
    const windowStart = from;
    from = view.fill(bytes, from, end);
    if (!view.changed) continue;
    viewList.clear();
    scan(view.bytes, 0, view.length, wanted, hardStop, viewList);
    if (viewList.full) return everything(start, end, wanted);
    for (const hit of resolve(viewList, wanted)) decoded.push(inSource(hit));
    while (rawFrom < raw.length && (raw[rawFrom] as Hit).end < windowStart) rawFrom++;
    alignToView(bytes, raw, rawFrom, windowStart);
  }
  return combine(
    raw.filter((hit) => hit.seen !== dropped),
    decoded,
  );
}

function inSource(hit: Hit): Hit {
  return {
    start: view.places[hit.start] as number,
    end: view.places[hit.end] as number,
    detector: hit.detector,
    seen: hit.seen,
    decoded: Buffer.from(view.bytes.subarray(hit.start, hit.end)),
  };
}

/**
 * Widens the hits of the view's window, from index `first` on, to whole escape sequences. An address that is already
 * masked is dropped: the `u0040` or `%20` before it only looks like more of its name.
 */
function alignToView(bytes: Uint8Array, hits: Hit[], first: number, windowStart: number): void {
  const windowEnd = view.places[view.length] as number;
  const inWindow = (place: number): boolean => place >= windowStart && place <= windowEnd;
  for (let index = first; index < hits.length; index++) {
    const hit = hits[index] as Hit;
    if (hit.start > windowEnd) return;
    if (inWindow(hit.start) && inWindow(hit.end) && isMaskedAddress(bytes, hit)) {
      hits[index] = { ...hit, seen: dropped };
      continue;
    }
    const start = inWindow(hit.start) ? view.placeAtOrBefore(hit.start) : hit.start;
    const end = inWindow(hit.end) ? view.placeAtOrAfter(hit.end) : hit.end;
    if (start !== hit.start || end !== hit.end) hits[index] = { ...hit, start, end };
  }
}

function isMaskedAddress(bytes: Uint8Array, hit: Hit): boolean {
  if (hit.seen !== 1 << detectorIds.email || !view.isDecoded(hit.start, hit.end)) return false;
  const at = bytes.lastIndexOf(0x40, hit.end - 1);
  return at - 3 > hit.start && bytes[at - 1] === 0x2a && bytes[at - 2] === 0x2a && bytes[at - 3] === 0x2a;
}

/** The target whose mask a hit gets: its detector, or `secret`. */
export function targetOf(detector: DetectorId): Detector | 'secret' {
  return detector === detectorIds.secret ? 'secret' : detectorNames[detector];
}
