import type { JournalDisk } from '../../gateway-core/store/journal/disk.js';

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer; lost: boolean }
  | { readonly kind: 'truncate'; readonly size: number; lost: boolean };

interface Inode {
  /** What the kernel shows. */
  content: Buffer;
  /** What stands on the platter. */
  durable: Buffer;
  /** Since then. `lost`: a sync failed over it, and no later one brings it back. */
  changes: Change[];
}

export type Step =
  | 'create'
  | 'write'
  | 'fill'
  | 'truncate'
  | 'data-sync'
  | 'directory-sync'
  | 'rename'
  | 'remove'
  | 'open';
/** What shall happen at a step: nothing special, an error (after `bytes` of a write), few bytes, or the end. */
export type Fate = { readonly error?: string; readonly bytes?: number; readonly dies?: boolean } | undefined;

const sectorBytes = 512;

export class Dead extends Error {}

/**
 * A disk in memory that fails as disks do: short writes, full, errors at sync, death of the process at any step,
 * power cuts that keep some of what was not synced, sector by sector. Names become durable in order.
 */
export class MemoryDisk implements JournalDisk {
  readonly #random: () => number;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #nameChanges: ((names: Map<string, Inode>) => void)[] = [];
  readonly #open = new Map<number, Inode>();
  #descriptor = 3;
  dead = false;
  free = Number.POSITIVE_INFINITY;
  fate: (step: Step) => Fate = () => undefined;

  constructor(random: () => number, image: ReadonlyMap<string, Buffer> = new Map()) {
    this.#random = random;
    for (const [name, content] of image) {
      const inode = { content: Buffer.from(content), durable: Buffer.from(content), changes: [] };
      this.#names.set(name, inode);
      this.#durableNames.set(name, inode);
    }
  }

  get descriptorsOpen(): number {
    return this.#open.size;
  }

  /** The disk as the next process finds it after kill -9. */
  afterKill(): Map<string, Buffer> {
    return new Map([...this.#names].map(([name, inode]) => [name, Buffer.from(inode.content)]));
  }

  /** The disk as it is found after the power was cut. */
  afterPowerCut(): Map<string, Buffer> {
    const names = new Map(this.#durableNames);
    const kept = Math.floor(this.#random() * (this.#nameChanges.length + 1));
    for (const change of this.#nameChanges.slice(0, kept)) change(names);
    return new Map([...names].map(([name, inode]) => [name, this.#survivor(inode)]));
  }

  list(): string[] {
    return [...this.#names.keys()];
  }

  create(name: string): number {
    this.#step('create');
    if (this.#names.has(name)) throw failing('EEXIST');
    const inode: Inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), changes: [] };
    this.#changeNames((names) => names.set(name, inode));
    return this.#opened(inode);
  }

  open(name: string): number {
    this.#step('open');
    const inode = this.#names.get(name);
    if (inode === undefined) throw failing('ENOENT');
    return this.#opened(inode);
  }

  size(file: number): number {
    return this.#inode(file).content.length;
  }

  read(file: number, into: Uint8Array, at: number): number {
    const part = this.#inode(file).content.subarray(at, at + into.length);
    into.set(part);
    return part.length;
  }

  write(file: number, parts: readonly Uint8Array[], at: number): number {
    const inode = this.#inode(file);
    const bytes = Buffer.concat(parts);
    if (this.dead) throw new Dead();
    let fate = this.fate('write');
    // A kernel takes the few bytes of a header at once, unless it fails.
    if (bytes.length < sectorBytes / 2 && fate?.error === undefined && fate?.dies !== true) fate = undefined;
    const taken =
      fate === undefined ? bytes : bytes.subarray(0, Math.floor((fate.bytes ?? 0) * bytes.length));
    this.#change(inode, { kind: 'write', at, bytes: Buffer.from(taken), lost: false });
    this.#end(fate);
    return taken.length;
  }

  async fill(file: number, at: number, bytes: number): Promise<number> {
    const inode = this.#inode(file);
    await this.#delay();
    if (this.dead) throw new Dead();
    const fate = this.fate('fill');
    const taken = fate === undefined ? bytes : Math.floor((fate.bytes ?? 0) * bytes);
    this.#change(inode, { kind: 'write', at, bytes: Buffer.alloc(taken), lost: false });
    this.#end(fate);
    return taken;
  }

  async freeBytes(): Promise<number> {
    return this.free;
  }

  truncate(file: number, size: number): void {
    this.#step('truncate');
    this.#change(this.#inode(file), { kind: 'truncate', size, lost: false });
  }

  async dataSync(file: number): Promise<void> {
    const inode = this.#inode(file);
    const covered = [...inode.changes];
    await this.#delay();
    try {
      this.#step('data-sync');
    } catch (error) {
      for (const change of covered) change.lost = true;
      throw error;
    }
    for (const change of covered) if (!change.lost) inode.durable = changed(inode.durable, change);
    inode.changes = inode.changes.filter((change) => !covered.includes(change) || change.lost);
  }

  async directorySync(): Promise<void> {
    const covered = this.#nameChanges.length;
    await this.#delay();
    this.#step('directory-sync');
    for (const change of this.#nameChanges.splice(0, covered)) change(this.#durableNames);
  }

  rename(from: string, to: string): void {
    this.#step('rename');
    const inode = this.#names.get(from);
    if (inode === undefined) throw failing('ENOENT');
    this.#changeNames((names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  remove(name: string): void {
    this.#step('remove');
    if (this.#names.has(name)) this.#changeNames((names) => names.delete(name));
  }

  close(file: number): void {
    if (!this.#open.delete(file)) throw failing('EBADF');
  }

  /** Each sector is as it stood after some of the changes that were not synced; so is the size. None is ever torn. */
  #survivor(inode: Inode): Buffer {
    const states: Buffer[] = [inode.durable];
    for (const change of inode.changes) states.push(changed(states.at(-1) ?? inode.durable, change));
    const chosen = (): Buffer => states[Math.floor(this.#random() * states.length)] ?? inode.durable;
    const calm = this.#random() < 0.4 ? chosen() : undefined;
    const content = Buffer.alloc((calm ?? chosen()).length);
    for (let at = 0; at < content.length; at += sectorBytes) {
      (calm ?? chosen()).subarray(at, at + sectorBytes).copy(content, at);
    }
    return content;
  }

  #opened(inode: Inode): number {
    this.#descriptor += 1;
    this.#open.set(this.#descriptor, inode);
    return this.#descriptor;
  }

  #inode(file: number): Inode {
    const inode = this.#open.get(file);
    if (inode === undefined) throw failing('EBADF');
    return inode;
  }

  #change(inode: Inode, change: Change): void {
    inode.content = changed(inode.content, change);
    inode.changes.push(change);
  }

  #changeNames(change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  async #delay(): Promise<void> {
    const turns = Math.floor(this.#random() * 3);
    for (let turn = 0; turn <= turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  #step(step: Step): void {
    if (this.dead) throw new Dead();
    this.#end(this.fate(step));
  }

  #end(fate: Fate): void {
    if (fate?.dies === true) this.dead = true;
    if (this.dead) throw new Dead();
    if (fate?.error !== undefined) throw failing(fate.error);
  }
}

function changed(content: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    return Buffer.concat([content.subarray(0, change.size)], change.size);
  }
  const size = Math.max(content.length, change.at + change.bytes.length);
  const grown = Buffer.concat([content], size);
  change.bytes.copy(grown, change.at);
  return grown;
}

function failing(code: string): Error {
  return Object.assign(new Error(code), { code });
}
