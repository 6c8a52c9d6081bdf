import type { Duplex } from 'node:stream';
import type { Protocol } from '../contract/connection.js';

/** How long a session that is being ended waits for its last bytes to reach the client. */
const farewellTimeoutMs = 2000;
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
  readonly #goodbyesOf = new Map<Protocol, Uint8Array>();
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

  /** Those of one protocol are all told the same, so it is written once. */
  goodbye(protocol: Protocol, write: () => Uint8Array): Uint8Array {
    let bytes = this.#goodbyesOf.get(protocol);
    if (bytes === undefined) this.#goodbyesOf.set(protocol, (bytes = write()));
    return bytes;
  }

  /** To be called once for each. */
  clientIsGone(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#resolve();
  }
}

/** Ends a client behind its last bytes. Resolves when it is gone, or takes too long, and so are those of its crowd. */
export async function leave(client: Duplex, crowd: Crowd | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    if (client.destroyed) return resolve();
    client.end(resolve);
    setTimeout(resolve, farewellTimeoutMs).unref();
  });
  crowd?.clientIsGone();
  await crowd?.clientsGone;
}
