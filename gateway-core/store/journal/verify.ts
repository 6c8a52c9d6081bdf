import { Backlog } from './backlog.js';
import type { JournalDisk } from './disk.js';
import type { JournalFile, Listing } from './files.js';
import { FrameCursor, linked, listJournal } from './files.js';
import type { Mark } from './format.js';
import {
  aheadTemporaryName,
  damaged,
  format,
  parseFileName,
  reserveTemporaryName,
  temporaryName,
} from './format.js';

/** What opening found, for the log and for the tests. */
export interface Recovery {
  /** Behind the last record that was whole. */
  readonly endPosition: number;
  /** Bytes of an unfinished tail that were cut off. */
  readonly tornBytes: number;
  /** Files behind the tail that a power cut took: they held nothing that was durable. */
  readonly filesDropped: number;
}

export interface Verified extends Recovery {
  /** Undefined when there is no file yet. */
  readonly end: Mark | undefined;
  readonly numberMax: number;
  /** What stands from the minimum position on. */
  readonly backlog: Backlog;
}

/**
 * Reads the journal from `minimumPosition` on, checks every seal, and cuts the tail that was never whole. Afterwards
 * everything before the end is durable. A tail is cut only where nothing behind it claims to have been durable;
 * all else throws `verification-failed` and changes nothing.
 */
export async function verifyJournal(
  disk: JournalDisk,
  key: Uint8Array,
  minimumPosition: number,
): Promise<Verified> {
  const listing = listJournal(disk, key, new Map());
  const { chain, detached, superseded } = attached(listing, minimumPosition);
  const backlog = new Backlog();
  let end: Mark | undefined;
  let tornBytes = 0;
  let dropped: readonly JournalFile[] = [];
  for (let index = firstIndex(chain, minimumPosition); index < chain.length; index += 1) {
    const later = [...chain.slice(index + 1), ...detached];
    const found = verifyFile(disk, key, chain, index, minimumPosition, backlog);
    end = found.end;
    if (!found.torn && index < chain.length - 1) continue;
    refuseClaims(disk, key, later, chain[index], Math.max(end.position, minimumPosition));
    tornBytes = found.tornBytes;
    cut(disk, chain[index], end);
    dropped = later;
    break;
  }
  if (end === undefined) {
    refuseClaims(disk, key, detached, detached[0], minimumPosition);
    dropped = detached;
  }
  const last = end === undefined ? undefined : chain.find((file) => file.header.number === end.number);
  if (last !== undefined) await syncFile(disk, last.name);
  const unused = [...superseded, ...dropped.map((file) => file.name), ...listing.blank];
  // Newest first: what is left after a crash in between is still a chain.
  for (const name of unused.reverse()) disk.remove(name);
  for (const name of [temporaryName, reserveTemporaryName, aheadTemporaryName]) disk.remove(name);
  await disk.directorySync();
  const { numberMax } = listing;
  return {
    end,
    endPosition: end?.position ?? 0,
    tornBytes,
    filesDropped: dropped.length,
    backlog,
    numberMax,
  };
}

/**
 * The chain that holds `minimumPosition`, and newer files that hang in the air because a file before them is gone:
 * a power cut does that to files that were not synced yet, and then nothing in them says otherwise.
 */
function attached(
  listing: Listing,
  minimumPosition: number,
): { chain: readonly JournalFile[]; detached: readonly JournalFile[]; superseded: readonly string[] } {
  let { chain, loose, superseded } = listing;
  let detached: readonly JournalFile[] = [];
  for (;;) {
    const first = chain[firstIndex(chain, minimumPosition)];
    const before = first?.header.previous;
    if (first === undefined || before === undefined || before.position <= minimumPosition) break;
    const older = listing.blank.some((name) => (parseFileName(name)?.number ?? 0) < first.header.number);
    // Who does not know what was released can only see a gap that has files on both sides.
    if (loose.length === 0 && !older && minimumPosition === 0) break;
    detached = [...chain, ...detached];
    const next = linked(loose);
    superseded = [...superseded, ...next.superseded];
    chain = next.chain;
    loose = next.loose;
  }
  return { chain, detached, superseded };
}

function firstIndex(chain: readonly JournalFile[], position: number): number {
  return Math.max(
    0,
    chain.findLastIndex((file) => file.header.firstPosition <= position),
  );
}

/** Throws when one of `files` says that more than `position` was durable: then it was damage, not a power cut. */
function refuseClaims(
  disk: JournalDisk,
  key: Uint8Array,
  files: readonly JournalFile[],
  damagedFile: JournalFile | undefined,
  position: number,
): void {
  if (!laterClaims(disk, key, files, position)) return;
  const name = damagedFile?.name ?? 'unknown';
  throw damaged('or one that follows it is damaged or missing', name, 0, position);
}

function verifyFile(
  disk: JournalDisk,
  key: Uint8Array,
  chain: readonly JournalFile[],
  index: number,
  minimumPosition: number,
  backlog: Backlog,
): { end: Mark; torn: boolean; tornBytes: number } {
  const file = chain[index];
  if (file === undefined) throw new Error('no such file in the chain');
  const descriptor = disk.open(file.name, 'read');
  try {
    const expected = chain[index + 1]?.header.previous;
    const cursor = new FrameCursor(disk, descriptor, key, file.start);
    for (
      let frame = cursor.next(expected?.offset);
      frame !== undefined;
      frame = cursor.next(expected?.offset)
    ) {
      const position = frame.firstPosition + frame.records;
      if (frame.records > 0 && position > minimumPosition) backlog.add(position, frame.bytes);
    }
    const end = cursor.mark;
    if (expected !== undefined && end.offset === expected.offset) {
      if (!end.tag.equals(expected.tag))
        throw damaged('does not end as the next one says', file.name, end.offset);
      return { end, torn: false, tornBytes: 0 };
    }
    const tornBytes = cursor.writtenEnd() - end.offset;
    if (expected === undefined && tornBytes === 0) return { end, torn: false, tornBytes };
    if (cursor.claimsBeyond(Math.max(end.position, minimumPosition))) {
      throw damaged('is damaged', file.name, end.offset, end.position);
    }
    return { end, torn: true, tornBytes };
  } finally {
    disk.close(descriptor);
  }
}

function laterClaims(
  disk: JournalDisk,
  key: Uint8Array,
  files: readonly JournalFile[],
  position: number,
): boolean {
  return files.some((file) => {
    if (file.header.durable > position) return true;
    const descriptor = disk.open(file.name, 'read');
    try {
      const cursor = new FrameCursor(disk, descriptor, key, file.start);
      for (let frame = cursor.next(); frame !== undefined; frame = cursor.next()) {
        if (frame.durable > position) return true;
      }
      return cursor.claimsBeyond(position);
    } finally {
      disk.close(descriptor);
    }
  });
}

/** Cuts off what stands behind `end`: the tail, and the space that was prepared. */
function cut(disk: JournalDisk, file: JournalFile | undefined, end: Mark): void {
  if (file === undefined) return;
  const descriptor = disk.open(file.name, 'write');
  try {
    if (disk.size(descriptor) <= end.offset) return;
    disk.truncate(descriptor, Math.max(end.offset, format.headerBytes));
  } finally {
    disk.close(descriptor);
  }
}

async function syncFile(disk: JournalDisk, name: string): Promise<void> {
  const descriptor = disk.open(name, 'write');
  try {
    await disk.dataSync(descriptor);
  } finally {
    disk.close(descriptor);
  }
}
