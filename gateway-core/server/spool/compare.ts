import { createHash } from 'node:crypto';
import type { Corroboration } from '../../contract/corroboration.js';
import type { EndCause } from '../../contract/events.js';
import {
  type WireDirection,
  type WireSum,
  type WireSums,
  wireBlockBytes,
} from '../../contract/local-record.js';
import type { KeptBlocks, RecordedResult } from '../sealer/two-sides.js';
import { type DesktopSide, type ShownResult, sameSum } from './desktop-side.js';

/** What the gateway has of a session that has ended. */
export interface GatewaySide {
  readonly cause: EndCause;
  /** Undefined: it stopped while the session ran, and only the blocks that had passed are known. */
  readonly wire: WireSums | undefined;
  /** Needed where the sums are not the same: `needsBlocks`. */
  readonly blocks: KeptBlocks | undefined;
  /** Of the results that the desktop has shown. */
  readonly results: ReadonlyMap<number, RecordedResult>;
}

export interface Verdict {
  readonly verdict: Extract<Corroboration, 'corroborated' | 'different' | 'gateway-only'>;
  /** What is not the same, or was not to be compared. */
  readonly difference: string | undefined;
}

const differenceCharactersMax = 500;
const hashBytes = 32;

/** Whether the blocks of the gateway's recording are needed to tell. */
export function needsBlocks(wire: WireSums | undefined, desktop: DesktopSide): boolean {
  const { closed } = desktop;
  if (wire === undefined || closed === undefined) return true;
  return !sameSum(wire.up, closed.up) || !sameSum(wire.down, closed.down);
}

/**
 * Holds both sides of a session against each other. Pure.
 *
 * The same: the sums of both directions, and every result that was shown. Where an end was cut one side has seen more:
 * bytes that the desktop sent and the gateway never read, bytes that the gateway wrote and the desktop never got. Then
 * the shorter side must be the beginning of the longer, as far as whole blocks tell; the other way round, and everything
 * else, is a difference. A session of which nothing could be compared is not corroborated, nor one that has no end on
 * one of the sides.
 */
export function compareSides(gateway: GatewaySide, desktop: DesktopSide): Verdict {
  const findings = desktop.contradictions.map((what) => different(`the desktop's record holds ${what}`));
  for (const direction of ['up', 'down'] as const)
    findings.push(compareDirection(direction, gateway, desktop));
  for (const shown of desktop.shown) findings.push(compareResult(shown, gateway.results.get(shown.result)));
  const words = (kind: Finding['kind']): string | undefined => {
    const texts = findings.flatMap((one) => (one.kind === kind && one.text !== undefined ? [one.text] : []));
    return texts.length === 0 ? undefined : cut(texts.join('; '));
  };
  if (findings.some(({ kind }) => kind === 'different'))
    return { verdict: 'different', difference: words('different') };
  const lost = desktop.lost > 0 ? `the desktop could not keep ${desktop.lost} records meanwhile` : undefined;
  const open = desktop.closed === undefined ? 'the desktop has no record of its end' : undefined;
  const notes = [open, words('same'), words('unknown'), lost].filter((text) => text !== undefined);
  const difference = notes.length === 0 ? undefined : cut(notes.join('; '));
  const ended = desktop.closed !== undefined && gateway.wire !== undefined;
  const compared = ended && findings.some(({ kind }) => kind === 'same');
  return { verdict: compared ? 'corroborated' : 'gateway-only', difference };
}

/** `unknown`: there was nothing to compare. `text` says what is missing where something is. */
interface Finding {
  readonly kind: 'same' | 'different' | 'unknown';
  readonly text: string | undefined;
}

const different = (text: string): Finding => ({ kind: 'different', text });

const readers = {
  up: { shorter: 'the gateway read', longer: 'the desktop sent' },
  down: { shorter: 'the desktop got', longer: 'the gateway wrote' },
} as const;

function compareDirection(direction: WireDirection, gateway: GatewaySide, desktop: DesktopSide): Finding {
  const theirs = desktop.wire[direction];
  const said = desktop.closed?.[direction];
  const ours = gateway.wire?.[direction];
  if (said !== undefined && !addsUp(said, theirs))
    return different(`${direction}: the desktop's block hashes do not add up to its sum`);
  if (ours !== undefined && said !== undefined && sameSum(ours, said))
    return { kind: 'same', text: undefined };

  const { first, compared } = firstDifference(direction, gateway, desktop);
  const sizes = sizesOf(direction, ours, said);
  if (first !== undefined) return different(`${direction}: ${blockText(first)} is not the same${sizes}`);
  if (ours === undefined || said === undefined) {
    const text = `${direction}: one side has no end, the first ${compared} blocks are the same`;
    return { kind: compared > 0 ? 'same' : 'unknown', text };
  }
  if (ours.bytes === said.bytes)
    return different(`${direction}: the same number of bytes, but not the same bytes`);
  const [shorter, longer] = direction === 'up' ? [ours, said] : [said, ours];
  const words = readers[direction];
  if (shorter.bytes > longer.bytes)
    return different(
      `${direction}: ${words.shorter} ${shorter.bytes} bytes, ${words.longer} only ${longer.bytes}`,
    );
  // Who leaves in order was heard to the end; whoever is left may stop listening at any time.
  const inOrder = gateway.cause === 'client' && desktop.closed?.cause === 'client';
  if (direction === 'up' && inOrder)
    return different(`up: ${words.longer} ${longer.bytes} bytes, ${words.shorter} only ${shorter.bytes}`);
  const text = `${direction}: ${words.longer} ${longer.bytes} bytes, ${words.shorter} the first ${shorter.bytes}, ${compared} blocks of them compared`;
  return { kind: compared > 0 ? 'same' : 'unknown', text };
}

/** Only where the desktop gave all of its blocks. */
function addsUp(sum: WireSum, { hashes, incomplete }: DesktopSide['wire'][WireDirection]): boolean {
  const blocks = Math.ceil(sum.bytes / wireBlockBytes);
  if (hashes.length > blocks * hashBytes) return false;
  if (incomplete || hashes.length < blocks * hashBytes) return true;
  return createHash('sha256').update(hashes).digest('hex') === sum.blocks;
}

/** The first block that differs among those that both sides have whole, and how many of these there are. */
function firstDifference(
  direction: WireDirection,
  gateway: GatewaySide,
  desktop: DesktopSide,
): { readonly first: number | undefined; readonly compared: number } {
  const ours = gateway.blocks;
  if (ours === undefined || ours.incomplete) return { first: undefined, compared: 0 };
  const theirs = desktop.wire[direction].hashes;
  const known = Math.min(ours[direction].length, theirs.length) / hashBytes;
  const ends = [gateway.wire?.[direction], desktop.closed?.[direction]].filter((sum) => sum !== undefined);
  // Equally long streams have the same last block, cut or not.
  const equal = ends.length === 2 && ends[0]?.bytes === ends[1]?.bytes;
  const whole = Math.min(known, ...ends.map(({ bytes }) => Math.floor(bytes / wireBlockBytes)));
  const compared = equal ? known : whole;
  for (let block = 0; block < compared; block += 1) {
    const from = block * hashBytes;
    const same = Buffer.compare(
      ours[direction].subarray(from, from + hashBytes),
      theirs.subarray(from, from + hashBytes),
    );
    if (same !== 0) return { first: block, compared };
  }
  return { first: undefined, compared };
}

function blockText(block: number): string {
  return `block ${block} (from byte ${block * wireBlockBytes} on)`;
}

function sizesOf(direction: WireDirection, ours: WireSum | undefined, said: WireSum | undefined): string {
  if (ours === undefined || said === undefined || ours.bytes === said.bytes) return '';
  const [shorter, longer] = direction === 'up' ? [ours, said] : [said, ours];
  const words = readers[direction];
  return `, and ${words.longer} ${longer.bytes} bytes, ${words.shorter} ${shorter.bytes}`;
}

function compareResult(shown: ShownResult, recorded: RecordedResult | undefined): Finding {
  if (recorded === undefined) return { kind: 'unknown', text: undefined };
  const where = `result ${shown.result}`;
  if (recorded.columns !== shown.columns)
    return different(`${where}: ${shown.columns} columns were shown, ${recorded.columns} are recorded`);
  if (shown.rows > recorded.rows || (shown.complete && shown.rows !== recorded.rows))
    return different(`${where}: ${shown.rows} rows were shown, ${recorded.rows} are recorded`);
  if (recorded.sha256 === undefined) return { kind: 'unknown', text: undefined };
  if (recorded.sha256 !== shown.sha256) return different(`${where}: other rows were shown than are recorded`);
  return { kind: 'same', text: undefined };
}

function cut(text: string): string {
  return text.length <= differenceCharactersMax ? text : `${text.slice(0, differenceCharactersMax - 1)}…`;
}
