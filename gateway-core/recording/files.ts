import {
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  unlinkSync,
  writevSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/**
 * What the recording needs of a file system. A port, so that tests can stop the machine between any two calls.
 * Every function throws the system's error; `open` for reading and `list` return undefined or nothing for what
 * does not exist.
 */
export interface RecordingFiles {
  /** Opens for reading and writing; creates when `create`, and then fails if it is there. Mode 0600. */
  open(path: string, create: boolean): number;
  /** Opens for reading. */
  openRead(path: string): number | undefined;
  /** Fills as much of `target` as there is; returns the count, less than asked only at the file's end. */
  read(handle: number, target: Uint8Array, position: number): number;
  /** Writes all of it or throws; after a throw any part may stand in the file. */
  write(handle: number, parts: readonly Uint8Array[], position: number): void;
  truncate(handle: number, length: number): void;
  size(handle: number): number;
  /** fdatasync. */
  sync(handle: number): Promise<void>;
  close(handle: number): void;
  /** Creates the directory and its parents, mode 0700; gives the directories that have a new name in them. */
  makeDirectory(path: string): readonly string[];
  /** Makes new and removed names of a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): readonly string[];
  removeFile(path: string): void;
  removeDirectory(path: string): void;
}

const dataSync = promisify(fdatasync);
const nameSync = promisify(fsync);

export const systemFiles: RecordingFiles = {
  open: (path, create) => openSync(path, create ? 'wx+' : 'r+', 0o600),
  openRead(path) {
    try {
      return openSync(path, 'r');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  read(handle, target, position) {
    let done = 0;
    while (done < target.length) {
      const count = readSync(handle, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  },
  write(handle, parts, position) {
    let left = parts.filter((part) => part.length > 0);
    let at = position;
    while (left.length > 0) {
      let written = writevSync(handle, left.slice(0, writeVectorsMax), at);
      at += written;
      // A full disk takes a part first; the next call then says so.
      while (written > 0) {
        const first = left[0];
        if (first === undefined) break;
        if (first.length > written) {
          left = [first.subarray(written), ...left.slice(1)];
          break;
        }
        written -= first.length;
        left = left.slice(1);
      }
    }
  },
  truncate: (handle, length) => ftruncateSync(handle, length),
  size: (handle) => fstatSync(handle).size,
  sync: (handle) => dataSync(handle),
  close: (handle) => closeSync(handle),
  makeDirectory(path) {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    const changed: string[] = [];
    if (first === undefined) return changed;
    for (let directory = path; directory.length >= first.length; directory = dirname(directory)) {
      changed.push(dirname(directory));
    }
    return changed;
  },
  async syncDirectory(path) {
    const handle = openSync(path, 'r');
    try {
      await nameSync(handle);
    } finally {
      closeSync(handle);
    }
  },
  list(path) {
    try {
      return readdirSync(path).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  removeFile: (path) => unlinkSync(path),
  removeDirectory: (path) => rmdirSync(path),
};

/** IOV_MAX of Linux is 1024; less is only slower. */
const writeVectorsMax = 512;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
