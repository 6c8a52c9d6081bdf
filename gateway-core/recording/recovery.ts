import { createHash, type Hash } from 'node:crypto';
import type { SessionId } from '../contract/ids.js';
import type { RecordedEvent } from './event-codec.js';
import { frameTypes, type SessionKeys, segmentHeaderBytes } from './format.js';
import { recordingLimits } from './limits.js';
import { listSegments, segmentPath } from './paths.js';
import { type RecordingProblem, RecordingReader } from './reader.js';
import { type RecordingPlace, type ScannedFrame, SegmentFile } from './segment-file.js';

/** A closed segment: what the log is told of it. `position` is that of the record that closed it. */
export interface SealedSegment {
  readonly segment: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly position: number;
  readonly atMs: number;
}

/** The segment that writing goes on in. */
export interface OpenSegment {
  readonly offset: number;
  readonly frames: number;
  readonly eventWeight: number;
  readonly contentWeight: number;
  readonly hash: Hash;
}

/** Journal positions that the log vouches for; -1: none. */
export interface Committed {
  /** Of the last event of any session: records behind it come again. */
  readonly log: number;
  /** Of this session's last event. */
  readonly session: number;
}

/** What a writer needs to know of the recording that is there. */
export interface RecoveredRecording {
  readonly keys: SessionKeys | undefined;
  /** Number of the open segment, or of the next one. */
  readonly segment: number;
  readonly open: OpenSegment | undefined;
  readonly previousTag: Buffer | undefined;
  /** Positions up to which everything of the kind is there; -1: nothing. */
  readonly eventPosition: number;
  readonly contentPosition: number;
  readonly endedPosition: number | undefined;
  /** Events behind the log's last one, by position. */
  readonly stored: ReadonlyMap<number, RecordedEvent>;
  /** Segments that a record behind the log's last one closed, by its position. */
  readonly sealed: ReadonlyMap<number, SealedSegment>;
  readonly problems: readonly RecordingProblem[];
  /** Files were removed: their directory has to be synced before anything new counts. */
  readonly namesChanged: boolean;
}

/** What one segment file holds up to its last whole frame. */
interface Found {
  readonly segment: number;
  /** empty: no header was ever written. broken: it does not end as it should. */
  readonly state: 'closed' | 'open' | 'broken' | 'empty' | 'unreadable';
  readonly keys: SessionKeys | undefined;
  readonly tag: Buffer | undefined;
  /** The last tag of the segment before, as this one's header has it. */
  readonly previousTag: Buffer | undefined;
  readonly frames: number;
  readonly end: number;
  readonly eventPosition: number;
  readonly contentPosition: number;
  readonly eventWeight: number;
  readonly contentWeight: number;
  /** The lowest position that a frame claims: of all frames, and of those behind the last whole one. */
  readonly claims: number;
  readonly claimsBehind: number;
  readonly sealed: SealedSegment | undefined;
}

/**
 * Reads a recording back after a crash. Everything up to the log's last event was synced; everything behind it is
 * still in the journal. So what does not fit is cut, and written again, when all that the log vouches for stands
 * before it and what follows claims to be newer: it was being written when the machine stopped. Anything else that
 * does not fit is damage: it is reported, left as it is, and writing goes on in a new segment.
 */
export function recoverRecording(
  place: RecordingPlace,
  session: SessionId,
  committed: Committed,
): RecoveredRecording {
  const problems: RecordingProblem[] = [];
  const found = listSegments(place.files, place.directory, session).map((segment) =>
    readSegment(place, session, segment, committed.log),
  );
  const kept: Found[] = [];
  let open: Found | undefined;
  let removed: readonly Found[] = [];
  for (const [index, one] of found.entries()) {
    const rest = found.slice(index + 1);
    if (!follows(one, kept.at(-1)) && isUnfinished(kept, [one, ...rest], committed)) {
      removed = [one, ...rest];
      break;
    }
    kept.push(one);
    if (one.state === 'closed') continue;
    if (one.state === 'open' && rest.length === 0) {
      open = one;
    } else if (
      one.state !== 'unreadable' &&
      one.claimsBehind > committed.log &&
      isUnfinished(kept, rest, committed)
    ) {
      removed = one.state === 'empty' ? [one, ...rest] : rest;
      if (one.state === 'empty') kept.pop();
      else open = one;
      break;
    } else {
      const where = `${session} segment ${one.segment}`;
      problems.push({ code: 'segment-damaged', where, message: `damaged from byte ${one.end} on` });
    }
  }
  removeSegments(place, session, removed);
  if (open?.state === 'broken') cutTail(place, session, open);
  const last = kept.at(-1);
  const { stored, endedPosition } = storedEvents(place, session, committed.log);
  return {
    keys: kept.find(({ keys }) => keys !== undefined)?.keys,
    segment: open === undefined ? (last?.segment ?? 0) + 1 : open.segment,
    open: open === undefined ? undefined : openSegment(place, session, open),
    previousTag: kept.findLast(({ tag }) => tag !== undefined)?.tag,
    eventPosition: Math.max(-1, ...kept.map((one) => one.eventPosition)),
    contentPosition: Math.max(-1, ...kept.map((one) => one.contentPosition)),
    endedPosition,
    stored,
    sealed: new Map(kept.flatMap(({ sealed }) => (sealed === undefined ? [] : [[sealed.position, sealed]]))),
    problems,
    namesChanged: removed.length > 0,
  };
}

/**
 * A file can outlive a power cut that took the one before it, and one that was removed and written anew can come back
 * as it was at first.
 */
function follows(one: Found, before: Found | undefined): boolean {
  if (one.segment !== (before?.segment ?? 0) + 1) return false;
  return before?.tag === undefined || one.previousTag === undefined || before.tag.equals(one.previousTag);
}

/** Whether all that the log vouches for stands in `kept`, and `rest` claims to be newer. */
function isUnfinished(kept: readonly Found[], rest: readonly Found[], committed: Committed): boolean {
  return (
    Math.max(-1, ...kept.map((one) => one.eventPosition)) >= committed.session &&
    rest.every(({ state, claims }) => state !== 'unreadable' && claims > committed.log)
  );
}

function cutTail({ files, directory }: RecordingPlace, session: SessionId, { segment, end }: Found): void {
  const handle = files.open(segmentPath(directory, session, segment), false);
  try {
    files.truncate(handle, end);
  } finally {
    files.close(handle);
  }
}

function removeSegments(
  { files, directory }: RecordingPlace,
  session: SessionId,
  unwanted: readonly Found[],
): void {
  // Newest first: whatever stops us in between leaves a tail.
  for (const { segment } of [...unwanted].reverse())
    files.removeFile(segmentPath(directory, session, segment));
}

const nothing = {
  keys: undefined,
  tag: undefined,
  previousTag: undefined,
  frames: 0,
  end: 0,
  eventPosition: -1,
  contentPosition: -1,
  eventWeight: 0,
  contentWeight: 0,
  claims: Number.POSITIVE_INFINITY,
  claimsBehind: Number.POSITIVE_INFINITY,
  sealed: undefined,
} as const;

function readSegment(place: RecordingPlace, session: SessionId, segment: number, committed: number): Found {
  const file = SegmentFile.open(place, session, segment);
  if (file === undefined || file === 'damaged') {
    const state = holdsNothing(place, session, segment) ? 'empty' : 'unreadable';
    return { ...nothing, segment, state };
  }
  try {
    const frames: ScannedFrame[] = [];
    const walk = file.frames();
    let step = walk.next();
    while (step.done !== true) {
      frames.push(step.value);
      step = walk.next();
    }
    const { kind } = step.value;
    const end = kind === 'closed' ? frames.at(-1) : undefined;
    const closing = end !== undefined && file.body(end) !== undefined ? end.header : undefined;
    // What the log has sealed is not read again at every start: `log verify` is for that.
    const trusted = closing !== undefined && closing.lastPosition <= committed;
    const bad = trusted ? -1 : frames.findIndex((frame) => file.body(frame) === undefined);
    const whole = bad === -1 ? frames : frames.slice(0, bad);
    const state = bad !== -1 || (kind !== 'closed' && kind !== 'open') ? 'broken' : kind;
    const size = file.size;
    return {
      ...summaryOf(whole),
      segment,
      state,
      keys: file.header.keys,
      tag: whole.at(-1)?.tag ?? file.header.tag,
      previousTag: file.header.previousTag,
      claims: lowestClaim(frames, 0),
      claimsBehind: lowestClaim(frames, whole.length),
      sealed:
        state !== 'closed' || closing === undefined || trusted
          ? undefined
          : {
              segment,
              bytes: size,
              sha256: hashOf(file, size).digest('hex'),
              position: closing.lastPosition,
              atMs: closing.lastAtMs,
            },
    };
  } finally {
    file.close();
  }
}

/**
 * The lowest position that frames from `from` on claim to reach. A header that power loss cut in two makes no sense,
 * and claims nothing.
 */
function lowestClaim(frames: readonly ScannedFrame[], from: number): number {
  let lowest: number = nothing.claims;
  for (const [index, { header }] of frames.entries()) {
    const sane =
      header.number === index && header.firstPosition <= header.lastPosition && header.lastAtMs > 0;
    if (index >= from && sane) lowest = Math.min(lowest, header.lastPosition);
  }
  return lowest;
}

function summaryOf(frames: readonly ScannedFrame[]) {
  const lastOf = (type: number) => frames.findLast(({ header }) => header.type === type)?.header;
  const events = lastOf(frameTypes.events);
  const content = lastOf(frameTypes.content);
  // Everything up to the closing record is in the segment, of both kinds.
  const closing = lastOf(frameTypes.end)?.lastPosition ?? -1;
  return {
    frames: frames.length,
    end: frames.at(-1)?.end ?? segmentHeaderBytes,
    eventPosition: Math.max(closing, events?.lastPosition ?? -1),
    contentPosition: Math.max(closing, content?.lastPosition ?? -1),
    eventWeight: events?.weight ?? 0,
    contentWeight: content?.weight ?? 0,
  };
}

/** No header, or one of zeros: a crash came before the first write was on the disk. A header lies in one sector. */
function holdsNothing(place: RecordingPlace, session: SessionId, segment: number): boolean {
  const handle = place.files.openRead(segmentPath(place.directory, session, segment));
  if (handle === undefined) return false;
  try {
    const header = Buffer.alloc(segmentHeaderBytes);
    const count = place.files.read(handle, header, 0);
    return count < segmentHeaderBytes || header.every((byte) => byte === 0);
  } finally {
    place.files.close(handle);
  }
}

function openSegment(place: RecordingPlace, session: SessionId, found: Found): OpenSegment {
  const file = SegmentFile.open(place, session, found.segment);
  if (file === undefined || file === 'damaged') throw new Error('a segment changed while it was read');
  try {
    const { end: offset, frames, eventWeight, contentWeight } = found;
    return { offset, frames, eventWeight, contentWeight, hash: hashOf(file, offset) };
  } finally {
    file.close();
  }
}

function hashOf(file: SegmentFile, length: number): Hash {
  const hash = createHash('sha256');
  file.readThrough(length, recordingLimits.readBytesMax, (chunk) => hash.update(chunk));
  return hash;
}

function storedEvents(place: RecordingPlace, session: SessionId, committed: number) {
  const stored = new Map<number, RecordedEvent>();
  let endedPosition: number | undefined;
  for (const recorded of new RecordingReader(place, session).events()) {
    if (recorded.position > committed) stored.set(recorded.position, recorded);
    if (recorded.event.kind === 'session.ended') endedPosition ??= recorded.position;
  }
  return { stored, endedPosition };
}

/** Position of the last record in a recording, by its frame headers alone; -1: none. */
export function lastRecordedPosition(place: RecordingPlace, session: SessionId): number {
  const last = listSegments(place.files, place.directory, session).at(-1);
  const file = last === undefined ? undefined : SegmentFile.open(place, session, last);
  if (file === undefined || file === 'damaged') return -1;
  try {
    let position = -1;
    for (const { header } of file.frames()) position = Math.max(position, header.lastPosition);
    return position;
  } finally {
    file.close();
  }
}
