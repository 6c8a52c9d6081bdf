import type { SFTPWrapper } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { taken } from './files.js';
import { sshLimits } from './limits.js';
import { ask, statIfThere, statOf, tell, writeBlocks } from './sftp.js';
import { Transfer, type TransferPlace } from './transfer.js';

/**
 * Writes a file of the target from pieces that the window reads: it alone can see the person's file. Pieces come in
 * order, a few ahead of what is at the target.
 */
export class Upload extends Transfer {
  readonly #remote: string;
  #files: SFTPWrapper | undefined;
  #handle: Buffer | undefined;
  /** Bytes that were handed to the channel: those of the view are at the target. */
  #sent = 0;
  #underWay = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(place: TransferPlace, remote: string, total: number) {
    super(place, 'upload', remote, total);
    this.#remote = remote;
  }

  /** @throws ThroughlineError conflict: something is there (`new`), or more than the file has (`resume`) */
  async begin(how: 'new' | 'replace' | 'resume'): Promise<void> {
    const files = await this.place.files();
    const there = how === 'replace' ? undefined : await statIfThere(files, this.#remote);
    if (how === 'new' && there !== undefined) throw taken();
    const { total } = this.view();
    if (how === 'resume' && there !== undefined && there.size > total) {
      throw new ThroughlineError('conflict', 'there is more at the target than this file has', {
        action: 'check that it is the same file, or replace it',
      });
    }
    const resumed = how === 'resume' && there !== undefined;
    const flags = resumed ? 'r+' : how === 'new' ? 'wx' : 'w';
    this.#handle = await ask<Buffer>(files, (answer) => files.open(this.#remote, flags, answer));
    this.#files = files;
    this.become({ bytes: resumed ? there.size : 0, state: 'running' });
    await this.#finishIfWhole();
  }

  /**
   * Several may be under way; each is answered once the target has it and all before it.
   * @throws ThroughlineError conflict, invalid-request: another piece is wanted, or none at all
   */
  async piece(at: number, bytes: Buffer): Promise<void> {
    const [files, handle] = [this.#files, this.#handle];
    if (this.state !== 'running' || files === undefined || handle === undefined) {
      throw new ThroughlineError('conflict', 'this upload does not go on right now');
    }
    if (this.#underWay === 0) this.#sent = this.view().bytes;
    const full = this.#underWay >= sshLimits.uploadPiecesMax;
    if (full || at !== this.#sent || at + bytes.length > this.view().total) {
      throw new ThroughlineError(
        'invalid-request',
        'pieces of an upload come in order, and end with the file',
      );
    }
    this.#sent += bytes.length;
    this.#underWay += 1;
    const written = writeBlocks(files, handle, at, bytes);
    const before = this.#last;
    this.#last = before.then(() => written);
    // Whoever waits for it hears of its failure.
    this.#last.catch(() => undefined);
    try {
      await this.#last;
      this.become({ bytes: at + bytes.length });
      await this.#finishIfWhole();
    } catch (cause) {
      this.fail(cause);
      throw cause;
    } finally {
      this.#underWay -= 1;
    }
  }

  resume(): Promise<void> {
    if (this.state === 'paused') this.become({ state: 'running' });
    return Promise.resolve();
  }

  override fail(cause: unknown): void {
    super.fail(cause);
    if (this.state === 'failed') void this.#close().catch(() => undefined);
  }

  async cancel(): Promise<void> {
    if (this.isOver) return;
    this.become({ state: 'cancelled' });
    await this.#close().catch(() => undefined);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  async #finishIfWhole(): Promise<void> {
    const { bytes, total, state } = this.view();
    const files = this.#files;
    if (bytes !== total || files === undefined || state === 'cancelled') return;
    await this.#close();
    const { size } = await statOf(files, this.#remote);
    if (size !== total) {
      throw new ThroughlineError('conflict', 'the target has another number of bytes than were sent', {
        action: 'upload it again',
      });
    }
    this.become({ state: 'done' });
  }

  async #close(): Promise<void> {
    const [files, handle] = [this.#files, this.#handle];
    this.#handle = undefined;
    if (files !== undefined && handle !== undefined)
      await tell(files, (answer) => files.close(handle, answer));
  }
}
