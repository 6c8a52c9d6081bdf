import type { TransferView } from '../../contract/bridge/ssh.js';
import { Transfer, type TransferPlace } from './transfer.js';

/** What is found before anything is taken. */
export type Found = Pick<TransferView, 'path' | 'total' | 'files'>;

/** Takes something of the target into the folder for exports: by itself once it has begun. */
export abstract class Download extends Transfer {
  protected readonly remote: string;
  #running: Promise<void> = Promise.resolve();

  constructor(place: TransferPlace, remote: string) {
    super(place, 'download', remote, 0);
    this.remote = remote;
  }

  /** Finds what there is and a name for it; the rest goes on by itself. @throws ThroughlineError */
  async begin(): Promise<void> {
    try {
      this.become(await this.find());
    } catch (cause) {
      this.fail(cause);
      throw cause;
    }
    if (this.state === 'running') this.#go();
    // There was nothing to remove yet when it was cancelled.
    else if (this.state === 'cancelled') await this.drop();
  }

  /** @throws ThroughlineError conflict: what is there is another one by now */
  async resume(): Promise<void> {
    const { state, path } = this.view();
    if ((state !== 'paused' && state !== 'failed') || path === '') return;
    await this.#running;
    const bytes = await this.kept();
    // Somebody else has resumed or cancelled it meanwhile.
    if (this.state !== state) return;
    this.become({ error: undefined, bytes });
    this.#go();
  }

  async cancel(): Promise<void> {
    const { state } = this.view();
    if (state === 'done' || state === 'cancelled') return;
    this.become({ state: 'cancelled' });
    await this.#running;
    await this.drop();
  }

  settled(): Promise<void> {
    return this.#running;
  }

  #go(): void {
    this.become({ state: 'running' });
    this.#running = this.take()
      .then((isWhole) => {
        if (isWhole && this.state !== 'cancelled') this.become({ state: 'done', error: undefined });
      })
      .catch((cause: unknown) => this.fail(cause));
  }

  /** @throws ThroughlineError, and what the target says */
  protected abstract find(): Promise<Found>;
  /** Bytes that need not be taken again. */
  protected abstract kept(): Promise<number>;
  /** Takes what is missing while the state is `running`. Whether everything is here. */
  protected abstract take(): Promise<boolean>;
  /** Removes what a cancelled one leaves. Nothing is taken meanwhile. */
  protected abstract drop(): Promise<void>;
}
