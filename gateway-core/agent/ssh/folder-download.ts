import { open, rename, rm } from 'node:fs/promises';
import type { SFTPWrapper } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { copyDown, partOf } from './copy.js';
import { entriesOf } from './files.js';
import { sshLimits } from './limits.js';
import { reserveDirectory, reserveFile } from './local-names.js';
import { withHandle } from './sftp.js';
import { Transfer, type TransferPlace } from './transfer.js';

interface Planned {
  readonly remote: string;
  readonly name: string;
  /** Of the directory that it stands in, at the target. */
  readonly parent: string;
  readonly kind: 'file' | 'directory';
  readonly bytes: number;
}

/**
 * Takes a folder of the target, with everything below it, into a new folder of its own in the folder for exports. Links
 * and devices are left out, never followed: what they lead to is elsewhere.
 */
export class FolderDownload extends Transfer {
  readonly #remote: string;
  #plan: readonly Planned[] = [];
  /** Where the directories of the target are here. */
  readonly #places = new Map<string, string>();
  /** Everything before this one is here. */
  #next = 0;
  /** Bytes of what is here as a whole. */
  #wholeBytes = 0;
  #part: string | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(place: TransferPlace, remote: string) {
    super(place, 'download', remote, 0);
    this.#remote = remote;
  }

  /** Finds out what there is; the rest goes on by itself. @throws ThroughlineError too-large, what the target says */
  async begin(): Promise<void> {
    try {
      this.#plan = await planOf(await this.place.files(), this.#remote);
      const path = await reserveDirectory(this.place.directory(), this.view().name);
      this.#places.set(this.#remote, path);
      const total = this.#plan.reduce((sum, { bytes }) => sum + bytes, 0);
      this.become({ total, path, files: { done: 0, total: this.#files().length } });
    } catch (cause) {
      this.fail(cause);
      throw cause;
    }
    this.become({ state: 'running' });
    this.#go();
  }

  async resume(): Promise<void> {
    const { state, path } = this.view();
    if ((state !== 'paused' && state !== 'failed') || path === '') return;
    await this.#running;
    this.become({ error: undefined, bytes: this.#wholeBytes, state: 'running' });
    this.#go();
  }

  /** What is whole stays: it is the person's by now. */
  async cancel(): Promise<void> {
    const { state } = this.view();
    if (state === 'done' || state === 'cancelled') return;
    this.become({ state: 'cancelled' });
    await this.#running;
    await this.#dropPart();
  }

  settled(): Promise<void> {
    return this.#running;
  }

  #files(): readonly Planned[] {
    return this.#plan.filter(({ kind }) => kind === 'file');
  }

  #go(): void {
    this.#running = this.#run().catch((cause: unknown) => this.fail(cause));
  }

  async #run(): Promise<void> {
    const files = await this.place.files();
    await this.#dropPart();
    for (let one = this.#plan[this.#next]; one !== undefined; one = this.#plan[this.#next]) {
      if (this.state !== 'running') return;
      const place = this.#places.get(one.parent);
      if (place === undefined) throw new ThroughlineError('internal', 'a folder without its parent');
      if (one.kind === 'directory') this.#places.set(one.remote, await reserveDirectory(place, one.name));
      else if (!(await this.#take(files, one, place))) return;
      this.#next += 1;
    }
    this.become({ state: 'done' });
  }

  /** False: it was stopped before the file was whole. */
  async #take(files: SFTPWrapper, { remote, name, bytes }: Planned, place: string): Promise<boolean> {
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
