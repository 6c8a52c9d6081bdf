import fs from 'node:fs';
import path from 'node:path';
import { journalLimits } from './format.js';

/**
 * What the journal needs of a file system, as small as it can be: so that tests can put a disk under it that
 * tears, fills up, lies and loses power at any step. Names are file names inside the journal's one directory.
 * Every method throws the system's error as it is.
 */
export interface JournalDisk {
  list(): string[];
  /** A new empty file, 0600; fails when it exists. */
  create(name: string): number;
  open(name: string, access: 'read' | 'write'): number;
  size(file: number): number;
  /** Bytes read into `into` from offset `at`; 0 at the end. */
  read(file: number, into: Uint8Array, at: number): number;
  /** Bytes written, in order of `parts`, from offset `at`: may be fewer than given. One system call. */
  write(file: number, parts: readonly Uint8Array[], at: number): number;
  /** Writes at most `bytes` zeros from offset `at` without holding up the caller's thread; resolves to how many. */
  fill(file: number, at: number, bytes: number): Promise<number>;
  /** What may still be written onto the disk, in bytes. */
  freeBytes(): Promise<number>;
  truncate(file: number, size: number): void;
  /** fdatasync. After a failure nothing is known about what was written before it. */
  dataSync(file: number): Promise<void>;
  /** Makes created, renamed and removed names durable. */
  directorySync(): Promise<void>;
  rename(from: string, to: string): void;
  remove(name: string): void;
  close(file: number): void;
}

const zeros = Buffer.alloc(journalLimits.aheadChunkBytes);

/** The real one. A directory that is not there is empty: a reader may come before the first writer. */
export function nodeDisk(directory: string): JournalDisk {
  const at = (name: string): string => path.join(directory, name);
  return {
    list: () => (fs.existsSync(directory) ? fs.readdirSync(directory) : []),
    create: (name) => fs.openSync(at(name), 'wx+', 0o600),
    open: (name, access) => fs.openSync(at(name), openFlags(access)),
    size: (file) => fs.fstatSync(file).size,
    read: (file, into, offset) => fs.readSync(file, into, 0, into.length, offset),
    write: (file, parts, offset) => fs.writevSync(file, parts, offset),
    fill: (file, offset, bytes) =>
      new Promise((resolve, reject) => {
        fs.write(file, zeros, 0, Math.min(bytes, zeros.length), offset, (error, count) =>
          error === null ? resolve(count) : reject(error),
        );
      }),
    freeBytes: async () => {
      const { bavail, bsize } = await fs.promises.statfs(directory);
      return bavail * bsize;
    },
    truncate: (file, size) => fs.ftruncateSync(file, size),
    dataSync: (file) => settled((done) => fs.fdatasync(file, done)),
    directorySync: async () => {
      const descriptor = fs.openSync(directory, 'r');
      try {
        await settled((done) => fs.fsync(descriptor, done));
      } finally {
        fs.closeSync(descriptor);
      }
    },
    rename: (from, to) => fs.renameSync(at(from), at(to)),
    remove: (name) => fs.rmSync(at(name), { force: true }),
    close: (file) => fs.closeSync(file),
  };
}

function openFlags(access: 'read' | 'write'): number {
  return (access === 'read' ? fs.constants.O_RDONLY : fs.constants.O_RDWR) | fs.constants.O_NOFOLLOW;
}

function settled(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

/** Writes all of `parts` at `offset`, however short the single writes are. */
export function writeAll(
  disk: JournalDisk,
  file: number,
  parts: readonly Uint8Array[],
  offset: number,
): number {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let written = disk.write(file, parts, offset);
  if (written === total) return total;
  const all = Buffer.concat(parts);
  while (written < total) {
    const count = disk.write(file, [all.subarray(written)], offset + written);
    if (count <= 0) throw new Error('the disk takes no more bytes and names no error');
    written += count;
  }
  return total;
}
