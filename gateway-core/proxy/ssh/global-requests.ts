import type { Use } from './use.js';

/** A port or a path at which the target listens for the client (RFC 4254 7.1; OpenSSH's PROTOCOL, 2.4). */
export interface Listening {
  readonly host: string;
  /** As asked for; 0 for a free one, or for the path of a unix socket. */
  port: number;
  readonly use: Use;
}

type Slot =
  | { readonly kind: 'target'; readonly listening: Listening | undefined }
  | { readonly kind: 'own'; readonly payload: Buffer };

/**
 * Global requests of the client. They carry no number: answers come in the order of the questions, so one of ours
 * waits until the target has answered what was asked before.
 */
export class GlobalRequests {
  readonly #slots: Slot[] = [];
  readonly #listening: Listening[] = [];

  get waiting(): number {
    return this.#slots.length;
  }

  /** Was handed on, and the client waits for the answer. `listening`: what it makes the target do, if it says yes. */
  handedOn(listening?: Listening): void {
    this.#slots.push({ kind: 'target', listening });
  }

  /** Answers itself. Gives what may go out now. */
  own(payload: Buffer): Buffer[] {
    this.#slots.push({ kind: 'own', payload });
    return this.#ready();
  }

  /**
   * The target has answered. Undefined: it was not asked. Else what the answer was to, and our own answers that were
   * waiting behind it.
   */
  answered(
    success: boolean,
    boundPort: number | undefined,
  ): { readonly listening: Listening | undefined; readonly next: Buffer[] } | undefined {
    const [slot] = this.#slots;
    if (slot?.kind !== 'target') return undefined;
    this.#slots.shift();
    const { listening } = slot;
    if (listening !== undefined && success) {
      if (boundPort !== undefined && listening.port === 0) listening.port = boundPort;
      this.#listening.push(listening);
    }
    return { listening, next: this.#ready() };
  }

  /** Was handed on, and nobody waits for an answer. */
  add(listening: Listening): void {
    this.#listening.push(listening);
  }

  /** What the target may open channels for. Hosts are compared by port only: `localhost` and `` name many addresses. */
  find(host: string, port: number): Listening | undefined {
    return this.#listening.find((each) =>
      port === 0 ? each.host === host && each.port === 0 : each.port === port,
    );
  }

  remove(host: string, port: number): Listening | undefined {
    const at = this.#listening.findIndex((each) => each.port === port && (port !== 0 || each.host === host));
    return at < 0 ? undefined : this.#listening.splice(at, 1)[0];
  }

  all(): readonly Listening[] {
    return this.#listening;
  }

  /** What the target was asked for and has not answered. */
  unanswered(): readonly Listening[] {
    return this.#slots.flatMap((slot) =>
      slot.kind === 'target' && slot.listening !== undefined ? [slot.listening] : [],
    );
  }

  #ready(): Buffer[] {
    const ready: Buffer[] = [];
    for (let first = this.#slots[0]; first?.kind === 'own'; first = this.#slots[0]) {
      ready.push(first.payload);
      this.#slots.shift();
    }
    return ready;
  }
}
