import type { SpoolFiles } from '../../gateway-core/agent/spool/files.js';
import type { RecordingFiles } from '../../gateway-core/recording/files.js';

/** The simulated process is gone: no code runs after this. */
export class Stopped extends Error {}

export type Restart = 'kill' | 'power';

interface Node {
  bytes: Buffer;
  durable: Buffer;
}

const sectorBytes = 512;

/**
 * A file system in memory that can stop at each single step, or be full. kill: what was written stays. power: names
 * and bytes that were not synced may be lost, sector by sector.
 */
export class SimulatedFiles implements RecordingFiles, SpoolFiles {
  steps = 0;
  stopAtStep = Number.POSITIVE_INFINITY;
  bytesMax = Number.POSITIVE_INFINITY;
  #names = new Map<string, Node>();
  #durableNames = new Map<string, Node>();
  /** Not synced yet: at a power cut each of them has happened as a whole, or not at all. */
  #renames: { readonly from: string; readonly to: string; readonly node: Node }[] = [];
  #directories = new Set<string>();
  #open = new Map<number, Node>();
  #next = 1;
  #stopped = false;

  get openHandles(): number {
    return this.#open.size;
  }

  restart(kind: Restart, random: () => number): void {
    this.#stopped = false;
    this.stopAtStep = Number.POSITIVE_INFINITY;
    this.#open = new Map();
    if (kind === 'kill') return;
    this.#undoRenames(random);
    for (const [path, node] of this.#names) {
      if (!this.#durableNames.has(path) && random() < 0.5) this.#durableNames.set(path, node);
    }
    for (const path of this.#durableNames.keys()) {
      if (!this.#names.has(path) && random() < 0.5) this.#durableNames.delete(path);
    }
    this.#names = new Map(this.#durableNames);
    for (const node of this.#names.values()) {
      node.bytes = afterPowerCut(node, random);
      node.durable = Buffer.from(node.bytes);
    }
  }

  /** Latest first, so that what was renamed twice comes back to where it was. */
  #undoRenames(random: () => number): void {
    let undoing = false;
    for (const { from, to, node } of this.#renames.splice(0).reverse()) {
      undoing = undoing || random() < 0.5;
      if (this.#names.get(to) !== node) continue;
      if (undoing) {
        this.#names.delete(to);
        this.#names.set(from, node);
      } else if (this.#durableNames.delete(from)) this.#durableNames.set(to, node);
    }
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  bytes(path: string): Buffer {
    return Buffer.from(this.#node(path).bytes);
  }

  /** Someone else changes a file. */
  tamper(path: string, change: (bytes: Buffer) => Buffer): void {
    const node = this.#node(path);
    node.bytes = Buffer.from(change(Buffer.from(node.bytes)));
    node.durable = Buffer.from(node.bytes);
  }

  #node(path: string): Node {
    const node = this.#names.get(path);
    if (node === undefined) throw systemError('ENOENT');
    return node;
  }

  #step(half?: () => void): void {
    if (this.#stopped) throw new Stopped();
    this.steps += 1;
    if (this.steps < this.stopAtStep) return;
    this.#stopped = true;
    half?.();
    throw new Stopped();
  }

  open(path: string, create: boolean): number {
    this.#step();
    if (create) {
      if (this.#names.has(path)) throw systemError('EEXIST');
      this.#names.set(path, { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) });
    }
    return this.#handle(this.#node(path));
  }

  openRead(path: string): number | undefined {
    if (this.#stopped) throw new Stopped();
    const node = this.#names.get(path);
    return node === undefined ? undefined : this.#handle(node);
  }

  #handle(node: Node): number {
    this.#next += 1;
    this.#open.set(this.#next, node);
    return this.#next;
  }

  #of(handle: number): Node {
    if (this.#stopped) throw new Stopped();
    const node = this.#open.get(handle);
    if (node === undefined) throw systemError('EBADF');
    return node;
  }

  read(handle: number, target: Uint8Array, position: number): number {
    return this.#of(handle).bytes.copy(target, 0, position);
  }

  write(handle: number, parts: readonly Uint8Array[], position: number): void {
    const node = this.#of(handle);
    const bytes = Buffer.concat(parts);
    const put = (count: number): void => {
      const grown = Buffer.alloc(Math.max(node.bytes.length, position + count));
      node.bytes.copy(grown);
      bytes.copy(grown, position, 0, count);
      node.bytes = grown;
    };
    this.#step(() => put(Math.floor(bytes.length * 0.6)));
    let used = 0;
    for (const one of this.#names.values()) used += one.bytes.length;
    if (used + bytes.length > this.bytesMax) {
      put(Math.max(0, Math.min(bytes.length, this.bytesMax - used)));
      throw systemError('ENOSPC');
    }
    put(bytes.length);
  }

  truncate(handle: number, length: number): void {
    const node = this.#of(handle);
    this.#step();
    node.bytes = Buffer.from(node.bytes.subarray(0, length));
  }

  size(handle: number): number {
    return this.#of(handle).bytes.length;
  }

  async sync(handle: number): Promise<void> {
    const node = this.#of(handle);
    this.#step();
    node.durable = Buffer.from(node.bytes);
  }

  close(handle: number): void {
    this.#open.delete(handle);
  }

  makeDirectory(path: string): readonly string[] {
    if (this.#directories.has(path)) return [];
    this.#step();
    for (let at = path; at.includes('/'); at = at.slice(0, at.lastIndexOf('/'))) this.#directories.add(at);
    return [path.slice(0, path.lastIndexOf('/'))];
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step();
    const inside = (name: string): boolean => name.slice(0, name.lastIndexOf('/')) === path;
    for (const name of this.#durableNames.keys()) if (inside(name)) this.#durableNames.delete(name);
    for (const [name, node] of this.#names) if (inside(name)) this.#durableNames.set(name, node);
    // The other half of a rename is durable with this one.
    this.#renames = this.#renames.filter(({ from, to, node }) => {
      if (!inside(from) && !inside(to)) return true;
      this.#durableNames.delete(from);
      if (this.#names.get(to) === node) this.#durableNames.set(to, node);
      return false;
    });
  }

  list(path: string): readonly string[] {
    if (this.#stopped) throw new Stopped();
    const names = new Set<string>();
    for (const one of [...this.#names.keys(), ...this.#directories]) {
      if (one.startsWith(`${path}/`)) names.add(one.slice(path.length + 1).split('/')[0] ?? '');
    }
    return [...names].sort();
  }

  rename(from: string, to: string): void {
    const node = this.#node(from);
    this.#step();
    this.#names.delete(from);
    this.#names.set(to, node);
    this.#renames.push({ from, to, node });
  }

  exists(path: string): boolean {
    if (this.#stopped) throw new Stopped();
    return this.#names.has(path) || this.#directories.has(path);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  removeFile(path: string): void {
    this.#node(path);
    this.#step();
    this.#names.delete(path);
  }

  removeDirectory(path: string): void {
    this.#step();
    this.#directories.delete(path);
  }
}

function afterPowerCut({ bytes, durable }: Node, random: () => number): Buffer {
  if (bytes.equals(durable)) return bytes;
  const length =
    random() < 0.5 ? bytes.length : durable.length + Math.floor(random() * (bytes.length - durable.length));
  const kept = Buffer.alloc(Math.max(0, length));
  bytes.copy(kept);
  for (let at = 0; at < kept.length; at += sectorBytes) {
    const end = Math.min(kept.length, at + sectorBytes);
    if (random() < 0.6) continue;
    kept.fill(0, at, end);
    if (at < durable.length) durable.copy(kept, at, at, end);
  }
  return kept;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
