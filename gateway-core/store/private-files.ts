import fs from 'node:fs';
import path from 'node:path';
import { ThroughlineError } from '../contract/errors.js';

/** Bits that let anyone but the owner read, write or search. */
const othersAny = 0o077;
/** Bits that let anyone but the owner replace what stands inside. */
const othersWrite = 0o022;

/**
 * Makes sure that `directory` is a real directory of this process's user: created 0700 with its parents when absent.
 * `others: 'none'` refuses any access of group or world, `'may-read'` only refuses that they can write (a mounted
 * volume is commonly 0755; everything that we create in it is 0700 or 0600 by itself).
 * Throws `invalid-config`. Never changes the mode of a directory that it did not create: it may be somebody's home.
 */
export function privateDirectory(directory: string, others: 'none' | 'may-read'): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = fs.lstatSync(directory);
  if (!found.isDirectory()) throw refused(directory, 'is not a directory', 'name a directory, not a link');
  checkOwner(directory, found);
  const forbidden = others === 'none' ? othersAny : othersWrite;
  if ((found.mode & forbidden) !== 0) {
    throw refused(directory, 'is open to other users', `chmod 700 ${directory}`);
  }
}

/**
 * Reads a small file that holds a secret: a regular file, not a link, of this user, 0600 or stricter.
 * Checked on the open descriptor, so that the file cannot be exchanged between check and use.
 * Returns undefined when there is no such file; throws `invalid-config` for everything else that is wrong.
 */
export function readPrivateFile(file: string, bytesMax: number): Buffer | undefined {
  const descriptor = openNoFollow(file);
  if (descriptor === undefined) return undefined;
  try {
    const found = fs.fstatSync(descriptor);
    if (!found.isFile()) throw refused(file, 'is not a regular file', 'put the key itself there');
    checkOwner(file, found);
    if ((found.mode & othersAny) !== 0)
      throw refused(file, 'is open to other users', `chmod 600 ${path.resolve(file)}`);
    if (found.size > bytesMax) throw refused(file, 'is larger than it can be', 'restore the right file');
    return readBounded(descriptor, bytesMax);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Reads what stands behind an open descriptor; undefined when it is more than `bytesMax` bytes. */
export function readAtMost(descriptor: number, bytesMax: number): Buffer | undefined {
  const bytes = Buffer.alloc(bytesMax + 1);
  let length = 0;
  for (;;) {
    const count = fs.readSync(descriptor, bytes, length, bytes.length - length, null);
    length += count;
    if (length > bytesMax) return undefined;
    if (count === 0) return bytes.subarray(0, length);
  }
}

/** Writes a new file 0600 durably, its directory entry included; fails with EEXIST when it is there already. */
export function createPrivateFile(file: string, bytes: Uint8Array): void {
  const descriptor = fs.openSync(file, 'wx', 0o600);
  try {
    fs.writeFileSync(descriptor, bytes);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  syncDirectory(path.dirname(file));
}

/** fsync of a directory: makes names that were created, renamed or removed in it durable. */
export function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The system's error code (`ENOSPC`), or `unknown`: safe to show, other than the text with its paths. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}

function openNoFollow(file: string): number | undefined {
  try {
    return fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw refused(file, 'is a symbolic link', 'put the file itself there');
    throw refused(file, `cannot be read (${code})`, 'check its owner and mode');
  }
}

function readBounded(descriptor: number, bytesMax: number): Buffer {
  const bytes = readAtMost(descriptor, bytesMax);
  if (bytes === undefined)
    throw new ThroughlineError('invalid-config', 'a private file grew while it was read');
  return bytes;
}

function checkOwner(file: string, found: fs.Stats): void {
  const user = process.getuid?.();
  if (user !== undefined && found.uid !== user) {
    throw refused(file, 'belongs to another user', 'run as its owner, or chown it');
  }
}

function refused(file: string, what: string, action: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `${file} ${what}`, { action, fields: { path: file } });
}
