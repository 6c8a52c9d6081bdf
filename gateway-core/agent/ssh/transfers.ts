import type { SFTPWrapper } from 'ssh2';
import type { Handlers } from '../../contract/bridge/calls.js';
import type { TransferView } from '../../contract/bridge/ssh.js';
import { ThroughlineError } from '../../contract/errors.js';
import { lost } from './client.js';
import { FileDownload } from './file-download.js';
import { FolderDownload } from './folder-download.js';
import { sshLimits } from './limits.js';
import type { SshEngineOptions } from './options.js';
import { statOf } from './sftp.js';
import type { Transfer } from './transfer.js';
import { Upload } from './upload.js';

type TransferCalls = Extract<keyof Handlers<'agent'>, `transfers.${string}`>;

export interface TransfersOptions extends Pick<SshEngineOptions, 'emit' | 'exportDirectory'> {
  readonly sessionOf: (key: string) => { readonly connection: string; files(): Promise<SFTPWrapper> };
}

/** Files on their way, of all sessions. */
export class Transfers {
  readonly handlers: Pick<Handlers<'agent'>, TransferCalls>;
  readonly #options: TransfersOptions;
  readonly #all = new Map<string, Transfer>();

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.handlers = {
      'transfers.list': () => Promise.resolve([...this.#all.values()].map((each) => each.view())),
      'transfers.download': async ({ key, path }) => {
        const place = this.#place(key);
        const isFolder = (await statOf(await place.files(), path)).isDirectory();
        const download = isFolder ? new FolderDownload(place, path) : new FileDownload(place, path);
        this.#add(download);
        await download.begin();
        return download.view();
      },
      'transfers.upload': async ({ key, path, total, how }) => {
        const upload = new Upload(this.#place(key), path, total);
        await upload.begin(how);
        this.#add(upload);
        return upload.view();
      },
      'transfers.piece': async ({ id, at, data }) => {
        const upload = this.#one(id);
        if (!(upload instanceof Upload)) throw new ThroughlineError('invalid-request', 'this is no upload');
        await upload.piece(at, Buffer.from(data, 'base64'));
        return upload.view();
      },
      'transfers.pause': async ({ id }) => {
        this.#one(id).pause();
        return Promise.resolve(this.#one(id).view());
      },
      'transfers.resume': async ({ id }) => {
        await this.#one(id).resume();
        return this.#one(id).view();
      },
      'transfers.cancel': async ({ id }) => {
        await this.#one(id).cancel();
        return this.#one(id).view();
      },
      'transfers.clear': () => {
        for (const [id, each] of this.#all) if (each.isOver) this.#all.delete(id);
        return Promise.resolve({});
      },
    };
  }

  /** The connection below a session is over. */
  lost(key: string): void {
    for (const each of this.#all.values()) if (each.key === key) each.fail(lost());
  }

  stopAll(): void {
    for (const each of this.#all.values()) each.fail(lost());
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#all.values()].map((each) => each.settled()));
  }

  #place(key: string) {
    const session = this.#options.sessionOf(key);
    return {
      key,
      connection: session.connection,
      files: () => this.#options.sessionOf(key).files(),
      directory: () => this.#options.exportDirectory(),
      tell: (view: TransferView) => this.#options.emit('transfer.changed', view),
    };
  }

  #add(transfer: Transfer): void {
    const over = [...this.#all.values()].filter((each) => each.isOver);
    while (this.#all.size >= sshLimits.transfersMax) {
      const oldest = over.shift();
      if (oldest === undefined) {
        throw new ThroughlineError('rate-limited', `${sshLimits.transfersMax} transfers are under way`);
      }
      this.#all.delete(oldest.id);
    }
    this.#all.set(transfer.id, transfer);
  }

  #one(id: string): Transfer {
    const found = this.#all.get(id);
    if (found !== undefined) return found;
    throw new ThroughlineError('not-found', 'this transfer is not kept any more', {
      action: 'begin it again',
    });
  }
}
