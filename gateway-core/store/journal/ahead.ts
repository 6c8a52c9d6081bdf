import type { JournalDisk } from './disk.js';
import { aheadTemporaryName, journalLimits } from './format.js';

/** A file of zeros that nothing was written into yet. */
export interface PreparedFile {
  readonly descriptor: number;
  /** Zeros that stand on the disk, from the beginning on. */
  readonly bytes: number;
}

/**
 * Makes the next journal file ahead of its use, off the event loop's thread: zeros, written and synced. Overwriting
 * them changes neither the file's size nor where its blocks lie, so that a write does not wait for the file system's
 * own journal while a sync is under way, and a sync has less to do.
 *
 * INVARIANT: a prepared file is new, and nothing but zeros was ever written into it: what stands behind its frames
 * is never taken for one. It bears no journal file's name before it is taken. It is only ever a help: whatever fails
 * here gives the space back, is told to nobody, and the writer's files grow instead.
 */
export class Ahead {
  readonly #disk: JournalDisk;
  #ready: PreparedFile | undefined;
  #working: Promise<void> | undefined;
  #wanted = false;

  constructor(disk: JournalDisk) {
    this.#disk = disk;
  }

  /** May `take` be called with success? */
  get ready(): boolean {
    return this.#ready !== undefined;
  }

  /** Begins to prepare a file of `bytes`, unless one stands or is being made. Settles when it is over; never rejects. */
  prepare(bytes: number): Promise<void> {
    if (this.#ready !== undefined || bytes <= 0) return Promise.resolve();
    this.#wanted = true;
    this.#working ??= this.#make(bytes).finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  /** The prepared file under its new name, which is durable after the next sync of the directory. */
  take(name: string): PreparedFile | undefined {
    const prepared = this.#ready;
    if (prepared === undefined) return undefined;
    try {
      this.#disk.rename(aheadTemporaryName, name);
    } catch {
      this.drop();
      return undefined;
    }
    this.#ready = undefined;
    return prepared;
  }

  /** Gives the space back, now or as soon as the call under way returns. */
  drop(): void {
    this.#wanted = false;
    const prepared = this.#ready;
    this.#ready = undefined;
    if (prepared !== undefined) this.#discard(prepared.descriptor);
  }

  async close(): Promise<void> {
    this.drop();
    await this.#working;
  }

  async #make(bytes: number): Promise<void> {
    let descriptor: number | undefined;
    try {
      const free = await this.#disk.freeBytes();
      if (!this.#wanted || free < bytes * journalLimits.aheadFreeFactor) return;
      this.#disk.remove(aheadTemporaryName);
      descriptor = this.#disk.create(aheadTemporaryName);
      if (await this.#fill(descriptor, bytes)) {
        this.#ready = { descriptor, bytes };
        return;
      }
    } catch {
      // The files grow instead; a disk that is really broken shows in the writer's own calls.
    }
    if (descriptor !== undefined) this.#discard(descriptor);
  }

  /** False when the file is not wanted any more. */
  async #fill(descriptor: number, bytes: number): Promise<boolean> {
    for (let at = 0, synced = 0; at < bytes; ) {
      const count = await this.#disk.fill(
        descriptor,
        at,
        Math.min(journalLimits.aheadChunkBytes, bytes - at),
      );
      if (!this.#wanted || count <= 0) return false;
      at += count;
      // Bit by bit, so that no sync of the file in use ever stands behind a long queue of zeros.
      if (at < bytes && at - synced < journalLimits.aheadSyncBytes) continue;
      await this.#disk.dataSync(descriptor);
      synced = at;
    }
    return this.#wanted;
  }

  #discard(descriptor: number): void {
    try {
      this.#disk.close(descriptor);
      this.#disk.remove(aheadTemporaryName);
    } catch {
      // The next start removes it.
    }
  }
}
