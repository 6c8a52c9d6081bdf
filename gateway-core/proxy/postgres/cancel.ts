import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/** A session that a CancelRequest can name. */
export interface Cancellable {
  /** Interrupts the statement that runs now, if any. Never one that comes later. */
  cancel(): void;
  readonly signIn: string;
}

interface Entry {
  readonly key: Buffer;
  readonly session: Cancellable;
}

/**
 * The gateway's own process ids and keys, which clients get instead of the target's: random, so that nobody learns
 * or cancels what is not theirs. Protocol page, "Canceling Requests in Progress".
 */
export class CancelKeys {
  readonly #entries = new Map<number, Entry>();

  add(session: Cancellable, keyBytes: number): { processId: number; secretKey: Buffer; remove: () => void } {
    let processId = randomInt(1, 0x7fff_ffff);
    while (this.#entries.has(processId)) processId = randomInt(1, 0x7fff_ffff);
    const key = randomBytes(keyBytes);
    this.#entries.set(processId, { key, session });
    return { processId, secretKey: key, remove: () => this.#entries.delete(processId) };
  }

  /** `signIn`: whose stream brought the request; undefined at a native listener, where the key alone must do. */
  cancel(processId: number, secretKey: Uint8Array, signIn: string | undefined): boolean {
    const entry = this.#entries.get(processId);
    if (entry === undefined || entry.key.length !== secretKey.length) return false;
    if (!timingSafeEqual(entry.key, secretKey)) return false;
    if (signIn !== undefined && signIn !== entry.session.signIn) return false;
    entry.session.cancel();
    return true;
  }
}
