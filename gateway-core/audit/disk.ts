import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import { syncDirectory, systemCode } from '../store/private-files.js';

/** The reading side of `Disk`. */
export interface DiskReader {
  /** The file's bytes, or undefined where there is none. Throws EFBIG above `bytesMax`. */
  read(path: string, bytesMax: number): Uint8Array | undefined;
  /** Names in a directory; none where there is no such directory. */
  list(path: string): readonly string[];
}

export interface DiskFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * What the log needs of a file system, step by step, so that a test can cut the power at each one.
 * Paths are relative to the log's directory. Every method throws the system's error (`code`: ENOSPC, EIO, ...).
 */
export interface Disk extends DiskReader {
  /** Creates one directory; one that exists is fine. */
  makeDirectory(path: string): void;
  /** Creates or replaces files and returns once their bytes are durable (fdatasync). Their names are not yet. */
  writeFiles(files: readonly DiskFile[]): void;
  rename(from: string, to: string): void;
  /** Names created, renamed or removed in this directory are durable afterwards. */
  syncDirectory(path: string): void;
  /** Removes a file; none there is fine. */
  remove(path: string): void;
  /** Removes a directory with its files; none there is fine. */
  removeDirectory(path: string): void;
}

/** Files that a write holds open at once. */
const openFilesMax = 64;

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(systemCode(error));

function readBounded(path: string, bytesMax: number): Uint8Array {
  // Not blocking: a pipe in place of a file must not hold up a verifier.
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' });
    if (stat.size > bytesMax) throw Object.assign(new Error('larger than it can be'), { code: 'EFBIG' });
    const { size } = stat;
    const bytes = Buffer.allocUnsafeSlow(size);
    let offset = 0;
    while (offset < size) {
      const count = fs.readSync(fd, bytes, offset, size - offset, offset);
      if (count === 0) break;
      offset += count;
    }
    return bytes.subarray(0, offset);
  } finally {
    fs.closeSync(fd);
  }
}

/** All bytes first, then all syncs: that takes a third less time than file by file. */
function writeDurably(dir: string, files: readonly DiskFile[]): void {
  const open: number[] = [];
  try {
    for (const { path, bytes } of files) {
      const fd = fs.openSync(join(dir, path), 'w', 0o600);
      open.push(fd);
      let offset = 0;
      while (offset < bytes.length) offset += fs.writeSync(fd, bytes, offset);
    }
    for (const fd of open) fs.fdatasyncSync(fd);
  } finally {
    for (const fd of open) fs.closeSync(fd);
  }
}

/** The real file system below `dir`, which is created, durably, if need be. Directories are 0700, files 0600. */
export function nodeDisk(dir: string, mode: 'read' | 'write'): Disk {
  if (mode === 'write') {
    const created = fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (created !== undefined) {
      for (let path = dir; path.length >= created.length; path = dirname(path)) syncDirectory(dirname(path));
    }
  }
  const ignoreMissing = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  };
  return {
    read(path, bytesMax) {
      try {
        return readBounded(join(dir, path), bytesMax);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    list(path) {
      let names: readonly string[] = [];
      ignoreMissing(() => {
        names = fs.readdirSync(join(dir, path));
      });
      return names;
    },
    makeDirectory(path) {
      try {
        fs.mkdirSync(join(dir, path), { mode: 0o700 });
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error;
      }
    },
    writeFiles(files) {
      for (let first = 0; first < files.length; first += openFilesMax) {
        writeDurably(dir, files.slice(first, first + openFilesMax));
      }
    },
    rename: (from, to) => fs.renameSync(join(dir, from), join(dir, to)),
    syncDirectory: (path) => syncDirectory(join(dir, path)),
    remove: (path) => ignoreMissing(() => fs.unlinkSync(join(dir, path))),
    removeDirectory: (path) => fs.rmSync(join(dir, path), { recursive: true, force: true }),
  };
}

/** What the log throws when the disk refuses. Nothing is lost: the same call may succeed later. */
export function diskError(step: string, cause: unknown): ThroughlineError {
  const errno = systemCode(cause);
  return new ThroughlineError('not-recordable', `the audit log could not be ${step}: ${errno}`, {
    action:
      errno === 'ENOSPC' || errno === 'EDQUOT'
        ? 'free disk space, then try again'
        : 'check the disk, then try again',
    fields: { errno },
    cause,
  });
}

/**
 * What the log throws when its files do not hold what was once signed. `problem` is stable: `checkpoint-missing`,
 * `checkpoint-invalid`, `key-changed`, `entries-lost`, `rolled-back`, `root-mismatch`, `other-writer`.
 */
export function damageError(problem: string, message: string): ThroughlineError {
  return new ThroughlineError('verification-failed', message, {
    action:
      'keep the log directory as it is, run `throughline log verify`, and restore the log from a copy that is at least as long',
    fields: { problem },
  });
}
