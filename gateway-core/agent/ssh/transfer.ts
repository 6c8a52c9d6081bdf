import type { SFTPWrapper } from 'ssh2';
import type { TransferView } from '../../contract/bridge/ssh.js';
import { newKey } from './keys.js';
import { sshLimits } from './limits.js';
import { problemOf } from './reasons.js';

/** Where a transfer lives: the session's SFTP channel of the moment, so that it can go on after a reconnect. */
export interface TransferPlace {
  readonly key: string;
  readonly connection: string;
  files(): Promise<SFTPWrapper>;
  directory(): string;
  tell(view: TransferView): void;
}

/** What uploads and downloads have in common: a view that is told, and its states. */
export abstract class Transfer {
  readonly id = newKey('trf');
  protected readonly place: TransferPlace;
  #view: TransferView;
  #timer: NodeJS.Timeout | undefined;

  constructor(place: TransferPlace, direction: TransferView['direction'], remote: string, total: number) {
    this.place = place;
    this.#view = {
      id: this.id,
      key: place.key,
      connection: place.connection,
      direction,
      name: nameOf(remote),
      remote,
      path: '',
      bytes: 0,
      total,
      state: 'running',
    };
  }

  get key(): string {
    return this.place.key;
  }
  get state(): TransferView['state'] {
    return this.#view.state;
  }
  get isOver(): boolean {
    return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled';
  }
  view(): TransferView {
    return this.#view;
  }

  /** A state is told at once, progress now and then. */
  protected become(change: Partial<TransferView>): void {
    this.#view = { ...this.#view, ...change };
    if (change.state !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.place.tell(this.#view);
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.place.tell(this.#view);
    }, sshLimits.transferTellIntervalMs);
  }

  pause(): void {
    if (this.state === 'running') this.become({ state: 'paused' });
  }

  /** What broke can be gone on with: what was written stays. */
  fail(cause: unknown): void {
    if (this.isOver) return;
    this.become({ state: 'failed', error: problemOf(cause) });
  }

  abstract resume(): Promise<void>;
  abstract cancel(): Promise<void>;
  abstract settled(): Promise<void>;
}

function nameOf(remote: string): string {
  return remote.split('/').findLast((part) => part !== '') ?? 'file';
}
