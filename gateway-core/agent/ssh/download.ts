import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SFTPWrapper } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { sshLimits } from './limits.js';
import { readBlock, statOf, withHandle } from './sftp.js';
import { Transfer, type TransferPlace } from './transfer.js';

const nameTriesMax = 1000;

/** Takes a file of the target into the folder for exports, beside its own name until it is whole. */
export class Download extends Transfer {
  readonly #remote: string;
  #modified = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(place: TransferPlace, remote: string) {
    super(place, 'download', remote, 0);
    this.#remote = remote;
  }

  /** Finds the file and a name for it; the rest goes on by itself. @throws ThroughlineError */
  async begin(): Promise<void> {
    try {
      const stat = await statOf(await this.place.files(), this.#remote);
      if (!stat.isFile()) throw new ThroughlineError('invalid-request', 'only files can be downloaded');
      this.#modified = stat.mtime;
      const path = await reserve(this.place.directory(), this.view().name);
      this.become({ total: stat.size, path });
    } catch (cause) {
      this.fail(cause);
      throw cause;
    }
    this.become({ state: 'running' });
    this.#go();
  }

  /** @throws ThroughlineError conflict: the file is another one by now */
  async resume(): Promise<void> {
    const { state, path } = this.view();
    if ((state !== 'paused' && state !== 'failed') || path === '') return;
    await this.#running;
    const stat = await statOf(await this.place.files(), this.#remote);
    if (stat.size !== this.view().total || stat.mtime !== this.#modified) {
      throw new ThroughlineError('conflict', 'the file has changed since the download began', {
        action: 'cancel this one, and begin again',
      });
    }
    const { error: _gone, ...rest } = this.view();
    this.become({ ...rest, error: undefined, state: 'running' });
    this.#go();
  }

  async cancel(): Promise<void> {
    const { path, state } = this.view();
    if (state === 'done' || state === 'cancelled') return;
    this.become({ state: 'cancelled' });
    await this.#running;
    if (path === '') return;
    await rm(partOf(path), { force: true });
    // The name that was kept free: empty, so nothing is lost with it.
    await rm(path, { force: true });
  }

  settled(): Promise<void> {
    return this.#running;
  }

  #go(): void {
    this.#running = this.#run().catch((cause: unknown) => this.fail(cause));
  }

  async #run(): Promise<void> {
    const { path, total, bytes } = this.view();
    const files = await this.place.files();
    const local = await open(partOf(path), bytes === 0 ? 'w' : 'r+', 0o600);
    try {
      await withHandle(
        files,
        (answer) => files.open(this.#remote, 'r', answer),
        (handle) => this.#copy(files, handle, local),
      );
      if (this.view().bytes === total && this.state === 'running') await local.sync();
    } finally {
      await local.close();
    }
    if (this.state !== 'running') return;
    await rename(partOf(path), path);
    this.become({ state: 'done' });
  }

  /** Many requests under way, taken in order: what is written has no holes, so it can be gone on with from there. */
  async #copy(files: SFTPWrapper, handle: Buffer, local: FileHandle): Promise<void> {
    const { total } = this.view();
    const { transferBlockBytes, transferRequests } = sshLimits;
    const asked: Promise<Buffer>[] = [];
    let next = this.view().bytes;
    for (;;) {
      while (this.state === 'running' && asked.length < transferRequests && next < total) {
        const block = readBlock(files, handle, next, Math.min(transferBlockBytes, total - next));
        block.catch(() => undefined);
        asked.push(block);
        next += transferBlockBytes;
      }
      const head = asked.shift();
      if (head === undefined || this.state === 'cancelled') return;
      const at = this.view().bytes;
      const bytes = await head;
      if (bytes.length < Math.min(transferBlockBytes, total - at)) {
        throw new ThroughlineError('conflict', 'the file became shorter while it was read');
      }
      await local.write(bytes, 0, bytes.length, at);
      this.become({ bytes: at + bytes.length });
    }
  }
}

const partOf = (path: string): string => `${path}.part`;

/** A file name that is harmless on every system, and that a person still knows. */
export function localName(name: string): string {
  const plain = name
    .replaceAll(/[\p{Cc}\p{Cf}<>:"/\\|?*]/gu, '_')
    .replace(/^\.+/, '_')
    .replace(/[. ]+$/, '')
    .slice(0, 120);
  if (plain === '') return 'file';
  // Names that are devices on Windows, whatever their ending.
  return /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(plain) ? `_${plain}` : plain;
}

/** Takes the first free name by making an empty file of it: nothing is ever written over. */
async function reserve(directory: string, remoteName: string): Promise<string> {
  const name = localName(remoteName);
  const dot = name.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 1; number <= nameTriesMax; number += 1) {
    const path = join(directory, number === 1 ? name : `${stem} (${number})${ending}`);
    try {
      const file = await open(path, 'wx', 0o600);
      await file.close();
      return path;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new ThroughlineError('target-refused', 'the folder for exports cannot be written to', {
        action: 'choose another one in Settings',
        cause,
      });
    }
  }
  throw new ThroughlineError('conflict', `there are too many files named ${name} in the folder for exports`);
}
