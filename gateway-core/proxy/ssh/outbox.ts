import type { JournalFailure, Recorder } from '../../contract/recorder.js';

/**
 * What goes to the client, in order.
 * INVARIANT: nothing goes out before the journal has everything that was recorded before it was put in.
 */
export class Outbox {
  readonly #recorder: Recorder;
  readonly #send: (payload: Buffer) => void;
  readonly #failed: (failure: JournalFailure) => void;
  readonly #changed: () => void;
  #batch: Buffer[] = [];
  /** Batches that the journal has not answered for. */
  #waiting = 0;
  #pendingBytes = 0;
  #scheduled = false;
  #recorded = false;

  constructor(options: {
    readonly recorder: Recorder;
    readonly send: (payload: Buffer) => void;
    readonly failed: (failure: JournalFailure) => void;
    /** There is less to be sent than before. */
    readonly changed: () => void;
  }) {
    this.#recorder = options.recorder;
    this.#send = options.send;
    this.#failed = options.failed;
    this.#changed = options.changed;
  }

  /** Bytes that wait for the journal. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** A message of which the journal was given nothing. `payload` is good until this returns: copied only if it waits. */
  pass(payload: Buffer): void {
    if (this.#batch.length > 0 || this.#waiting > 0) this.push(Buffer.from(payload), false);
    else this.#send(payload);
  }

  /** `payload` belongs to the outbox from here on. `recorded`: the journal was given something with it. */
  push(payload: Buffer, recorded: boolean): void {
    this.#batch.push(payload);
    this.#pendingBytes += payload.length;
    this.#recorded ||= recorded;
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Behind the last message of the bytes that are being read now.
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const batch = this.#batch;
    const recorded = this.#recorded;
    this.#batch = [];
    this.#recorded = false;
    if (batch.length === 0) return;
    if (!recorded && this.#waiting === 0) {
      this.#deliver(batch);
      return;
    }
    this.#waiting += 1;
    this.#recorder.flush((failure) => {
      this.#waiting -= 1;
      if (failure === undefined) this.#deliver(batch);
      else this.#failed(failure);
    });
  }

  #deliver(batch: readonly Buffer[]): void {
    for (const payload of batch) {
      this.#pendingBytes -= payload.length;
      this.#send(payload);
    }
    this.#changed();
  }

  /** Calls back once everything that was put in so far has gone out, or cannot any more. */
  drained(done: () => void): void {
    this.#flush();
    this.#recorder.flush(done);
  }
}
