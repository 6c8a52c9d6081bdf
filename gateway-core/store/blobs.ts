import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import { privateDirectory, systemCode } from './private-files.js';

/** Named, immutable-by-use pieces of bytes: segments of recordings, tiles. A directory here, an object store later. */
export interface Blobs {
  /** Whole and durable when it resolves, or not there at all. Replaces what had the name. Returns its bytes. */
  put(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number>;
  /** At most `bytesMax` bytes from offset `from`; fewer at the end; undefined when there is no such blob. */
  read(name: string, from: number, bytesMax: number): Promise<Buffer | undefined>;
  /** Blobs below a folder (`''`: all), by name. */
  list(folder: string): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /** Durable when it resolves. False when there was none. */
  delete(name: string): Promise<boolean>;
}

const nameBytesMax = 255;
const foldersMax = 6;
/** No part begins with a dot: neither `..` nor our own unfinished files can be named. */
const namePart = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/**
 * Blobs as files (0600) below `root` (0700). Names are parts of letters, digits, `.`, `_` and `-`, joined by
 * `/`; any other is `invalid-request`. Throws the system's errors as they are.
 */
export function directoryBlobs(root: string): Blobs {
  const directory = path.resolve(root);
  privateDirectory(directory, 'may-read');
  const at = (name: string): string => path.join(directory, ...checkedName(name));
  return {
    put: (name, parts) => put(directory, at(name), parts),
    read: (name, from, bytesMax) => read(at(name), from, bytesMax),
    list: (folder) => list(directory, folder === '' ? [] : checkedName(folder)),
    delete: async (name) => {
      try {
        await fs.unlink(at(name));
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return false;
        throw error;
      }
      await syncFolder(path.dirname(at(name)));
      return true;
    },
  };
}

function checkedName(name: string): string[] {
  const parts = name.split('/');
  const wellFormed = parts.every((part) => namePart.test(part));
  if (!wellFormed || name.length > nameBytesMax || parts.length > foldersMax) {
    throw new ThroughlineError('invalid-request', 'not a name for a blob');
  }
  return parts;
}

async function put(
  root: string,
  file: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<number> {
  const folder = path.dirname(file);
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = path.join(folder, `.${randomBytes(8).toString('hex')}`);
  const handle = await fs.open(temporary, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const part of parts) {
      await handle.writeFile(part);
      bytes += part.length;
    }
    await handle.datasync();
    await handle.close();
    await fs.rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await fs.rm(temporary, { force: true });
    throw error;
  }
  // Up to the root: a folder that was just made is a new name in its parent.
  for (let at = folder; at.length >= root.length; at = path.dirname(at)) await syncFolder(at);
  return bytes;
}

async function read(file: string, from: number, bytesMax: number): Promise<Buffer | undefined> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.max(0, Math.min(bytesMax, size - from)));
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, from + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
}

async function list(root: string, folder: readonly string[]): Promise<{ name: string; bytes: number }[]> {
  const found: { name: string; bytes: number }[] = [];
  const entries = await fs.readdir(path.join(root, ...folder), { withFileTypes: true }).catch((error) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const parts = [...folder, entry.name];
    if (!namePart.test(entry.name)) continue;
    if (entry.isDirectory()) found.push(...(await list(root, parts)));
    else if (entry.isFile()) {
      const { size } = await fs.stat(path.join(root, ...parts));
      found.push({ name: parts.join('/'), bytes: size });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
