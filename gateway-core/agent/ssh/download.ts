import { open, rename, rm } from 'node:fs/promises';
import { ThroughlineError } from '../../contract/errors.js';
import { copyDown, partOf } from './copy.js';
import { reserveFile } from './local-names.js';
import { statOf, withHandle } from './sftp.js';
import { Transfer, type TransferPlace } from './transfer.js';

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
      const path = await reserveFile(this.place.directory(), this.view().name);
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
        (handle) =>
          copyDown(files, handle, local, {
            from: bytes,
            total,
            goesOn: () => this.state === 'running',
            isGone: () => this.state === 'cancelled',
            moved: (now) => this.become({ bytes: now }),
          }),
      );
      if (this.view().bytes === total && this.state === 'running') await local.sync();
    } finally {
      await local.close();
    }
    if (this.state !== 'running') return;
    await rename(partOf(path), path);
    this.become({ state: 'done' });
  }
}
