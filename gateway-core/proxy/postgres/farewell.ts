import type { Duplex } from 'node:stream';
import { writeReport } from '../../codec/postgres/backend-writers.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { writeAll } from './stream-reader.js';

/** How long the targets of sessions that are ended together wait for their clients to be gone. */
const clientsGoneTimeoutMs = 500;
/** Goodbyes in one turn of the loop: each takes some 50 us, and sessions that go on wait for it. */
const goodbyesPerTurn = 128;

/**
 * Sessions that are ended together. Nothing passes through any of them from the first moment; then each client is told
 * and closed, some in each turn; then targets are left. A target ends a process for each session that it loses: begun
 * earlier, a thousand of those would take the processor from the goodbyes.
 */
export class Crowd {
  /** All clients are gone, or some of them take too long. */
  readonly clientsGone: Promise<void>;
  #left: number;
  #goodbyes = 0;
  #bytes: Uint8Array | undefined;
  #turn: Promise<void> | undefined;
  #resolve: () => void = () => undefined;

  constructor(size: number) {
    this.#left = size;
    this.clientsGone = new Promise((resolve) => {
      const timer = setTimeout(resolve, clientsGoneTimeoutMs);
      this.#resolve = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    if (size === 0) this.#resolve();
  }

  /** Whose turn it is now says goodbye; others wait for theirs. */
  turn(): Promise<void> | undefined {
    const turn = this.#turn;
    this.#goodbyes += 1;
    if (this.#goodbyes % goodbyesPerTurn === 0)
      this.#turn = (turn ?? Promise.resolve()).then(() => new Promise((resolve) => setImmediate(resolve)));
    return turn;
  }

  /** They are all told the same, so it is written once. */
  goodbye(report: FatalReport): Uint8Array {
    this.#bytes ??= fatal(report);
    return this.#bytes;
  }

  /** To be called once for each. */
  clientIsGone(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#resolve();
  }
}

export interface FatalReport {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A FATAL ErrorResponse, which ends a session. */
export function fatal({ code, message, hint }: FatalReport): Uint8Array {
  const writer = new MessageWriter();
  const text = message.replaceAll('\0', '');
  writeReport(writer, { severity: 'FATAL', code, message: `throughline: ${text}`, hint });
  return writer.take();
}

/** Tells a client why it gets no session, and closes. */
export async function sayFatal(stream: Duplex, report: FatalReport): Promise<void> {
  await writeAll(stream, fatal(report));
  stream.end(() => stream.destroy());
}
