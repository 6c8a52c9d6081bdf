import { createHash, type Hash } from 'node:crypto';
import type { SessionId } from '../../contract/ids.js';
import type { ContentStream, Recorder } from '../../contract/recorder.js';

/** What a use needs of its session. */
export interface UseContext {
  readonly id: SessionId;
  readonly recorder: Recorder;
  readonly judge: { keptText(text: string): string };
  readonly keepBytesMax: number;
  readonly nowUs: () => number;
  fail(fault: 'not-recordable', reason: string): void;
}

/** How a program ended, as the target told it (RFC 4254 6.10), or a file was let go. */
export interface Outcome {
  readonly state: 'ok' | 'error' | 'interrupted';
  readonly tag?: string | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

/** One use of a session from its decision until its outcome is in the journal: a shell, a command, a file, a forward. */
export class Use {
  readonly seq: number;
  readonly command: string;
  /** The exact text: never kept. */
  readonly text: string;
  readonly #context: UseContext;
  readonly #startedUs: number;
  #bytesUp = 0;
  #bytesDown = 0;
  #keepBytes: number;
  #restBytes = 0;
  #restHash: Hash | undefined;
  #ended = false;
  maskedValues = 0;

  constructor(context: UseContext, seq: number, command: string, text: string) {
    this.#context = context;
    this.#startedUs = context.nowUs();
    this.#keepBytes = context.keepBytesMax;
    this.seq = seq;
    this.command = command;
    this.text = text;
  }

  get ended(): boolean {
    return this.#ended;
  }

  up(bytes: number): void {
    this.#bytesUp += bytes;
  }

  down(bytes: number): void {
    this.#bytesDown += bytes;
  }

  /**
   * Puts what the client gets into the record. `whole`: all of it, as of terminals; else up to the connection's cap,
   * past which it is counted and hashed. Gives whether the journal has something of it.
   */
  keep(stream: ContentStream, bytes: Uint8Array, whole: boolean): boolean {
    if (bytes.length === 0) return false;
    const { recorder, id } = this.#context;
    if (whole || (this.#restHash === undefined && bytes.length <= this.#keepBytes)) {
      if (!whole) this.#keepBytes -= bytes.length;
      recorder.content(id, this.seq, stream, bytes);
      return true;
    }
    this.rest(bytes);
    return false;
  }

  /** Counted and hashed, not kept. */
  rest(bytes: Uint8Array): void {
    this.#restHash ??= createHash('sha256');
    this.#restHash.update(bytes);
    this.#restBytes += bytes.length;
  }

  /** Once only; what comes behind is ignored. */
  end({ state, tag, code, message }: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    const context = this.#context;
    const error = message === undefined ? undefined : context.judge.keptText(message);
    context.recorder.event(
      {
        kind: 'statement.ended',
        session: context.id,
        seq: this.seq,
        state,
        durationUs: Math.max(0, Math.round(context.nowUs() - this.#startedUs)),
        bytes: this.#bytesDown + this.#bytesUp,
        maskedValues: this.maskedValues,
        rest:
          this.#restHash === undefined
            ? undefined
            : { bytes: this.#restBytes, sha256: this.#restHash.digest('hex') },
        error: code === undefined ? undefined : { code },
        payload: tag === undefined && error === undefined ? undefined : { tag, error },
      },
      'recorded',
      (result) => {
        if (result instanceof Error) context.fail('not-recordable', result.message);
      },
    );
  }
}
