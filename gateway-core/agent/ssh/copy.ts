import type { FileHandle } from 'node:fs/promises';
import type { SFTPWrapper } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { sshLimits } from './limits.js';
import { readBlock } from './sftp.js';

export interface Copying {
  /** Bytes that are here already, from the file's start on, and that it has. */
  readonly from: number;
  readonly total: number;
  /** Whether more is asked for; what is under way is still taken. */
  readonly goesOn: () => boolean;
  /** Nothing more is wanted of it. */
  readonly isGone: () => boolean;
  /** So many bytes are here, from the start on, without a hole. */
  readonly moved: (bytes: number) => void;
}

/**
 * Many requests under way, taken in order: what is written has no holes, so it can be gone on with from there.
 * @throws ThroughlineError conflict: the file is shorter than it was
 */
export async function copyDown(
  files: SFTPWrapper,
  handle: Buffer,
  local: FileHandle,
  { from, total, goesOn, isGone, moved }: Copying,
): Promise<void> {
  const { transferBlockBytes, transferRequests } = sshLimits;
  const asked: Promise<Buffer>[] = [];
  let next = from;
  let at = from;
  for (;;) {
    while (goesOn() && asked.length < transferRequests && next < total) {
      const block = readBlock(files, handle, next, Math.min(transferBlockBytes, total - next));
      block.catch(() => undefined);
      asked.push(block);
      next += transferBlockBytes;
    }
    const head = asked.shift();
    if (head === undefined || isGone()) return;
    const bytes = await head;
    if (bytes.length < Math.min(transferBlockBytes, total - at))
      throw new ThroughlineError('conflict', 'the file became shorter while it was read');
    await local.write(bytes, 0, bytes.length, at);
    at += bytes.length;
    moved(at);
  }
}

/** Beside the file's own name until it is whole. */
export const partOf = (path: string): string => `${path}.part`;
