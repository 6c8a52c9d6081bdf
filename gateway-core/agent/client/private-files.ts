import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ThroughlineError } from '../../contract/errors.js';
import { clientLimits } from './limits.js';

/** undefined where files have no owner and mode (Windows): there the profile directory's own rights hold. */
const ownUid = process.getuid?.();

function refuse(path: string, why: string, action: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `${path} ${why}, so it is not used`, { action });
}

function checkOwner(path: string, stats: { uid: number; mode: number }, wanted: string): void {
  if (ownUid === undefined) return;
  if (stats.uid !== ownUid) {
    throw refuse(path, 'belongs to another user', 'set THROUGHLINE_HOME to a directory of your own');
  }
  if ((stats.mode & 0o077) !== 0) {
    throw refuse(path, 'is open to other users', `run: chmod ${wanted} ${path}, then sign in again`);
  }
}

/**
 * Makes `path` with mode 0700, or checks that it is a directory of this user that nobody else may enter.
 * @throws ThroughlineError invalid-config
 */
export function privateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw refuse(path, `cannot be made (${code})`, 'set THROUGHLINE_HOME to a directory of your own');
  }
  const stats = lstatSync(path);
  if (!stats.isDirectory()) throw refuse(path, 'is not a directory', 'move it away');
  checkOwner(path, stats, '700');
}

/**
 * Opens without following a link and without waiting for a writer of a named pipe, and hands descriptor and status
 * of the same file to `read`; undefined when there is none. Synchronous: a few small files at the start of a
 * command, where the thread pool costs more than the disk.
 */
function withOpened<T>(path: string, read: (descriptor: number, stats: Stats) => T): T | undefined {
  const descriptor = openOrMissing(path);
  if (descriptor === undefined) return undefined;
  try {
    return read(descriptor, fstatSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

function openOrMissing(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw refuse(path, 'is a link', 'remove it and sign in again');
    throw refuse(path, `cannot be read (${code ?? 'unknown'})`, 'check its owner and mode');
  }
}

/**
 * The bytes of a private file, or undefined when it does not exist.
 * @throws ThroughlineError invalid-config when it is a link, no regular file, another user's, readable by others or too large
 */
export function readPrivate(
  path: string,
  bytesMax: number = clientLimits.stateFileBytesMax,
): Buffer | undefined {
  return withOpened(path, (descriptor, stats) => {
    if (!stats.isFile()) throw refuse(path, 'is not a regular file', 'remove it and sign in again');
    checkOwner(path, stats, '600');
    if (stats.size > bytesMax) throw refuse(path, 'is larger than it can be', 'remove it and sign in again');
    return readFileSync(descriptor);
  });
}

/**
 * A file that others may read but not change (a certificate that our own gateway wrote): undefined when it is
 * missing, a link, not ours or root's, too large, or others may write it.
 */
export function readUnforged(path: string, bytesMax: number): Buffer | undefined {
  try {
    return withOpened(path, (descriptor, stats) => {
      const foreign = ownUid !== undefined && stats.uid !== ownUid && stats.uid !== 0;
      const forgeable = foreign || (ownUid !== undefined && (stats.mode & 0o022) !== 0);
      if (!stats.isFile() || forgeable || stats.size > bytesMax) return undefined;
      return readFileSync(descriptor);
    });
  } catch {
    return undefined;
  }
}

/** Replaces `path` as a whole, mode 0600: a reader or a crash sees the old bytes or the new ones, never a part. */
export async function writePrivate(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Refresh tokens rotate: a rename that a power cut takes back would lose the sign-in. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Removes a file if it is there. */
export async function removePrivate(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
