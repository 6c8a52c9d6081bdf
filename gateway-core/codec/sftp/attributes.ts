import type { FieldReader } from './bytes.js';
import { sftpLimits } from './limits.js';

/** Section 5. Absent fields were not sent. Times in seconds since 1970, 32 bits. */
export interface FileAttributes {
  readonly sizeBytes?: bigint;
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** POSIX st_mode, the file's type included. */
  readonly permissions?: number;
  readonly times?: { readonly accessed: number; readonly modified: number };
  readonly extended?: readonly { readonly name: string; readonly value: string }[];
}

const flags = { size: 0x1, owner: 0x2, permissions: 0x4, times: 0x8, extended: 0x80000000 } as const;
const flagsAll = 0x8000000f;

/** A bit that version 3 does not know would move every field behind it: it fails. */
export function readAttributes(reader: FieldReader): FileAttributes {
  const given = reader.uint32();
  if ((given & ~flagsAll) !== 0) reader.failed = true;
  const has = (flag: number) => (given & flag) !== 0;
  return {
    ...(has(flags.size) ? { sizeBytes: reader.uint64() } : {}),
    ...(has(flags.owner) ? { owner: { uid: reader.uint32(), gid: reader.uint32() } } : {}),
    ...(has(flags.permissions) ? { permissions: reader.uint32() } : {}),
    ...(has(flags.times) ? { times: { accessed: reader.uint32(), modified: reader.uint32() } } : {}),
    ...(has(flags.extended) ? { extended: readPairs(reader, reader.uint32()) } : {}),
  };
}

function readPairs(reader: FieldReader, count: number): { name: string; value: string }[] {
  const pairs: { name: string; value: string }[] = [];
  if (count > sftpLimits.pairsMax) reader.failed = true;
  for (let index = 0; index < count && !reader.failed; index += 1) {
    pairs.push({
      name: reader.text(sftpLimits.packetBytesMax),
      value: reader.text(sftpLimits.packetBytesMax),
    });
  }
  return pairs;
}

/** Pairs until the packet ends (INIT and VERSION, section 4). */
export function readExtensions(reader: FieldReader): { name: string; value: string }[] {
  const pairs: { name: string; value: string }[] = [];
  while (reader.left > 0 && !reader.failed) {
    pairs.push(...readPairs(reader, 1));
    if (pairs.length > sftpLimits.pairsMax) reader.failed = true;
  }
  return pairs;
}
