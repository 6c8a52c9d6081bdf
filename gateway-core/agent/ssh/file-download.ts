import { open, rename, rm } from 'node:fs/promises';
import { ThroughlineError } from '../../contract/errors.js';
import { copyDown, partOf } from './copy.js';
import { Download, type Found } from './download.js';
import { reserveFile } from './local-names.js';
import { statOf, withHandle } from './sftp.js';

/** A file, beside its own name until it is whole. */
export class FileDownload extends Download {
  #modified = 0;

  protected async find(): Promise<Found> {
    const stat = await statOf(await this.place.files(), this.remote);
    if (!stat.isFile()) throw new ThroughlineError('invalid-request', 'only files can be downloaded');
    this.#modified = stat.mtime;
    return { total: stat.size, path: await reserveFile(this.place.directory(), this.view().name) };
  }

  protected async kept(): Promise<number> {
    const stat = await statOf(await this.place.files(), this.remote);
    if (stat.size === this.view().total && stat.mtime === this.#modified) return this.view().bytes;
    throw new ThroughlineError('conflict', 'the file has changed since the download began', {
      action: 'cancel this one, and begin again',
    });
  }

  protected async take(): Promise<boolean> {
    const { path, total, bytes } = this.view();
    const files = await this.place.files();
    const local = await open(partOf(path), bytes === 0 ? 'w' : 'r+', 0o600);
    try {
      await withHandle(
        files,
        (answer) => files.open(this.remote, 'r', answer),
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
    if (this.state !== 'running') return false;
    await rename(partOf(path), path);
    return true;
  }

  protected async drop(): Promise<void> {
    const { path } = this.view();
    if (path === '') return;
    await rm(partOf(path), { force: true });
    // The name that was kept free: empty, so nothing is lost with it.
    await rm(path, { force: true });
  }
}
