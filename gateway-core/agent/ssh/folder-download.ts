import { open, rename, rm, rmdir } from 'node:fs/promises';
import type { SFTPWrapper } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { copyDown, partOf } from './copy.js';
import { Download, type Found } from './download.js';
import { entriesOf } from './files.js';
import { sshLimits } from './limits.js';
import { reserveDirectory, reserveFile } from './local-names.js';
import { withHandle } from './sftp.js';

interface Planned {
  readonly remote: string;
  readonly name: string;
  /** Of the directory that it stands in, at the target. */
  readonly parent: string;
  readonly kind: 'file' | 'directory';
  readonly bytes: number;
}

/**
 * A folder with everything below it, in a new one of its own. Links and devices are left out, never followed: what they
 * lead to is elsewhere.
 */
export class FolderDownload extends Download {
  #plan: readonly Planned[] = [];
  /** Where the directories of the target are here. */
  readonly #places = new Map<string, string>();
  /** Everything before this one is here. */
  #next = 0;
  /** Bytes of what is here as a whole. */
  #wholeBytes = 0;
  #part: string | undefined;

  /** @throws ThroughlineError too-large */
  protected async find(): Promise<Found> {
    this.#plan = await planOf(await this.place.files(), this.remote);
    const path = await reserveDirectory(this.place.directory(), this.view().name);
    this.#places.set(this.remote, path);
    const total = this.#plan.reduce((sum, { bytes }) => sum + bytes, 0);
    return { total, path, files: { done: 0, total: this.#files().length } };
  }

  protected kept(): Promise<number> {
    return Promise.resolve(this.#wholeBytes);
  }

  /** What is whole stays: it is the person's by now. */
  protected async drop(): Promise<void> {
    await this.#dropPart();
    // Refused for a folder that has something in it.
    await rmdir(this.view().path).catch(() => undefined);
  }

  #files(): readonly Planned[] {
    return this.#plan.filter(({ kind }) => kind === 'file');
  }

  protected async take(): Promise<boolean> {
    const files = await this.place.files();
    await this.#dropPart();
    for (let one = this.#plan[this.#next]; one !== undefined; one = this.#plan[this.#next]) {
      if (this.state !== 'running') return false;
      const place = this.#places.get(one.parent);
      if (place === undefined) throw new ThroughlineError('internal', 'a folder without its parent');
      if (one.kind === 'directory') this.#places.set(one.remote, await reserveDirectory(place, one.name));
      else if (!(await this.#takeFile(files, one, place))) return false;
      this.#next += 1;
    }
    return true;
  }

  /** False: it was stopped before the file was whole. */
  async #takeFile(files: SFTPWrapper, { remote, name, bytes }: Planned, place: string): Promise<boolean> {
    const path = await reserveFile(place, name);
    this.#part = path;
    let have = 0;
    const local = await open(partOf(path), 'wx', 0o600);
    try {
      await withHandle(
        files,
        (answer) => files.open(remote, 'r', answer),
        (handle) =>
          copyDown(files, handle, local, {
            from: 0,
            total: bytes,
            goesOn: () => this.state === 'running',
            isGone: () => this.state === 'cancelled',
            moved: (now) => {
              have = now;
              this.become({ bytes: this.#wholeBytes + now });
            },
          }),
      );
      if (have === bytes) await local.sync();
    } finally {
      await local.close();
    }
    if (have !== bytes) return false;
    await rename(partOf(path), path);
    this.#part = undefined;
    this.#wholeBytes += bytes;
    const { files: counted } = this.view();
    if (counted !== undefined) this.become({ files: { ...counted, done: counted.done + 1 } });
    return true;
  }

  /** A file that did not become whole, and the name that was kept free for it. */
  async #dropPart(): Promise<void> {
    const part = this.#part;
    this.#part = undefined;
    if (part === undefined) return;
    await rm(partOf(part), { force: true });
    await rm(part, { force: true });
  }
}

/** Parents before what is in them. A target may go on for ever: past the bounds nothing is begun. */
async function planOf(files: SFTPWrapper, root: string): Promise<readonly Planned[]> {
  const plan: Planned[] = [];
  const waiting = [{ remote: root, depth: 0 }];
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const { remote: parent, depth } = at;
    const { entries, cut } = await entriesOf(files, parent);
    for (const { name, kind, size } of entries) {
      if (kind !== 'file' && kind !== 'directory') continue;
      const remote = parent.endsWith('/') ? `${parent}${name}` : `${parent}/${name}`;
      plan.push({ remote, name, parent, kind, bytes: kind === 'file' ? size : 0 });
      if (kind === 'directory') waiting.push({ remote, depth: depth + 1 });
    }
    if (cut || plan.length > sshLimits.folderEntriesMax || depth > sshLimits.folderDepthMax)
      throw new ThroughlineError('too-large', 'there is more in this folder than is taken at once', {
        action: `choose folders below it, or pack it in the terminal (at most ${sshLimits.folderEntriesMax} entries)`,
      });
  }
  return plan;
}
