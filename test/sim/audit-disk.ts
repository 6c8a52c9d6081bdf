import type { Disk, DiskFile } from '../../gateway-core/audit/disk.js';

/** What a crash does to what was not yet made durable. kill: nothing; power: any part of it may be lost or torn. */
export type CrashKind = 'kill' | 'power-all-lost' | 'power-some-lost';

/** The simulated process is gone: no code runs after this, so it is not an ordinary disk error. */
export class Crash extends Error {}

interface Inode {
  bytes: Buffer;
  /** What fdatasync made durable, if anything. */
  durable: Buffer | undefined;
}

type Names = Map<string, Inode | 'directory'>;

interface PendingName {
  readonly directory: string;
  readonly path: string;
  /** undefined: removed. */
  readonly to: Inode | 'directory' | undefined;
}

export interface Fault {
  readonly fromStep: number;
  readonly steps: number;
  readonly code: string;
  /** The failing step takes effect (an fsync that reports an error late) or half of it (a short write). */
  readonly takesEffect: boolean;
}

const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');

/**
 * A file system in memory that can lose power at each single step. A write is four steps: created, half of the bytes,
 * all of them, synced. Names become durable only by `syncDirectory` of their directory, bytes only by their sync.
 */
export class SimulatedDisk implements Disk {
  steps = 0;
  crashAtStep: number | undefined;
  fault: Fault | undefined;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  #pending: PendingName[] = [];
  #dead = false;

  /** Starts the machine again. `random` decides what a power cut left. */
  restart(kind: CrashKind, random: () => number): void {
    this.#dead = false;
    this.crashAtStep = undefined;
    if (kind === 'kill') return;
    const kept = new Map<string, boolean>();
    for (const { directory, path, to } of this.#pending) {
      // Changes of one directory are lost from some point on; directories are independent of each other.
      const keeps = kind === 'power-some-lost' && (kept.get(directory) ?? true) && random() < 0.7;
      kept.set(directory, keeps);
      if (keeps) setName(this.#durableNames, path, to);
    }
    this.#pending = [];
    this.#names = new Map();
    for (const [path, entry] of this.#durableNames) {
      if (entry !== 'directory') {
        entry.bytes = afterPowerCut(entry, kind, random);
        entry.durable = entry.bytes;
      }
      if (reachable(this.#durableNames, path)) this.#names.set(path, entry);
    }
    this.#durableNames = new Map(this.#names);
  }

  /** All files with their bytes, for comparisons and as a backup. */
  files(): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    for (const [path, entry] of this.#names)
      if (entry !== 'directory') files.set(path, Buffer.from(entry.bytes));
    return files;
  }

  /** Someone else changes a file, durably; undefined removes it. */
  tamper(path: string, bytes: Uint8Array | undefined): void {
    const inode = bytes && { bytes: Buffer.from(bytes), durable: Buffer.from(bytes) };
    setName(this.#names, path, inode);
    setName(this.#durableNames, path, inode);
  }

  read(path: string, bytesMax: number): Uint8Array | undefined {
    if (this.#dead) throw new Crash();
    const entry = this.#names.get(path);
    if (entry === undefined) return undefined;
    if (entry === 'directory') throw diskFault('EISDIR');
    if (entry.bytes.length > bytesMax) throw diskFault('EFBIG');
    return Buffer.from(entry.bytes);
  }

  list(path: string): readonly string[] {
    if (this.#dead) throw new Crash();
    const below = [...this.#names.keys()].filter((one) => parentOf(one) === path);
    return below.map((one) => (path === '.' ? one : one.slice(path.length + 1)));
  }

  makeDirectory(path: string): void {
    this.#step(() => {
      if (this.#names.get(path) === 'directory') return;
      this.#requireDirectory(parentOf(path));
      this.#name(path, 'directory');
    });
  }

  writeFiles(files: readonly DiskFile[]): void {
    const open = files.map(({ path, bytes }) => ({ path, bytes, inode: this.#create(path) }));
    for (const { inode, bytes } of open) {
      this.#step(() => {
        inode.bytes = Buffer.from(bytes.subarray(0, Math.floor(bytes.length / 2)));
      });
      this.#step(() => {
        inode.bytes = Buffer.from(bytes);
      });
    }
    for (const { inode } of open) {
      this.#step(() => {
        inode.durable = Buffer.from(inode.bytes);
      });
    }
  }

  rename(from: string, to: string): void {
    this.#step(() => {
      const entry = this.#names.get(from);
      if (entry === undefined || entry === 'directory') throw diskFault('ENOENT');
      this.#requireDirectory(parentOf(to));
      this.#name(to, entry);
      this.#name(from, undefined);
    });
  }

  syncDirectory(path: string): void {
    this.#step(() => {
      this.#requireDirectory(path);
      for (const one of this.#pending)
        if (one.directory === path) setName(this.#durableNames, one.path, one.to);
      this.#pending = this.#pending.filter((one) => one.directory !== path);
    });
  }

  remove(path: string): void {
    if (!this.#names.has(path)) return;
    this.#step(() => this.#name(path, undefined));
  }

  removeDirectory(path: string): void {
    if (!this.#names.has(path)) return;
    for (const name of this.list(path)) this.remove(`${path}/${name}`);
    this.#step(() => this.#name(path, undefined));
  }

  #create(path: string): Inode {
    const inode: Inode = { bytes: Buffer.alloc(0), durable: undefined };
    this.#step(() => {
      this.#requireDirectory(parentOf(path));
      this.#name(path, inode);
    });
    return inode;
  }

  #requireDirectory(path: string): void {
    if (path !== '.' && this.#names.get(path) !== 'directory') throw diskFault('ENOENT');
  }

  #name(path: string, to: Inode | 'directory' | undefined): void {
    setName(this.#names, path, to);
    this.#pending.push({ directory: parentOf(path), path, to });
  }

  #step(act: () => void): void {
    if (this.#dead) throw new Crash();
    this.steps += 1;
    if (this.steps === this.crashAtStep) {
      this.#dead = true;
      throw new Crash();
    }
    const fault = this.fault;
    if (fault !== undefined && this.steps >= fault.fromStep && this.steps < fault.fromStep + fault.steps) {
      if (fault.takesEffect) act();
      throw diskFault(fault.code);
    }
    act();
  }
}

function setName(names: Names, path: string, to: Inode | 'directory' | undefined): void {
  if (to === undefined) names.delete(path);
  else names.set(path, to);
}

function reachable(names: Names, path: string): boolean {
  const parent = parentOf(path);
  return parent === '.' || (names.get(parent) === 'directory' && reachable(names, parent));
}

function afterPowerCut({ bytes, durable }: Inode, kind: CrashKind, random: () => number): Buffer {
  if (durable !== undefined && durable.equals(bytes)) return durable;
  const before = durable ?? Buffer.alloc(0);
  if (kind === 'power-all-lost') return before;
  const pick = random();
  if (pick < 0.25) return before;
  if (pick < 0.5) return Buffer.from(bytes);
  if (pick < 0.75) return bytes.subarray(0, Math.floor(random() * bytes.length));
  return Buffer.alloc(bytes.length);
}

function diskFault(code: string): Error {
  return Object.assign(new Error(code), { code });
}
