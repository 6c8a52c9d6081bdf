import { type AttachmentItem, delegationLimits } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Delegation, Delegations } from '../identity/index.js';

const sweepMs = 500;
const beatMs = 15_000;
/** Attachments of one delegation at once: a holder that comes again before its old stream is gone. */
const perDelegationMax = 4;

interface Holder {
  streams: number;
  /** By a clock that nobody can set back. */
  lastContact: number;
  /** Since when no stream is there; undefined while one is. */
  alone: number | undefined;
}

/**
 * Whether the holders of delegations are still there. A delegation that was given to a process is an orphan when its
 * holder's stream breaks and does not come back, or when nothing was heard of it for long: then it ends.
 */
export class Attachments {
  readonly #delegations: Delegations;
  readonly #holders = new Map<string, Holder>();
  readonly #monotonicMs: () => number;
  readonly #complain: (what: string, error: unknown) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(rooms: {
    delegations: Delegations;
    complain: (what: string, error: unknown) => void;
    monotonicMs?: () => number;
  }) {
    this.#delegations = rooms.delegations;
    this.#complain = rooms.complain;
    this.#monotonicMs = rooms.monotonicMs ?? (() => performance.now());
    // Also those from before a restart: their holders come back soon, or are gone.
    for (const each of this.#delegations.list()) this.#expect(each);
    this.#delegations.onMinted((each) => this.#expect(each));
    this.#delegations.onEnded(({ delegation }) => this.#holders.delete(delegation.id));
    this.#timer = setInterval(() => this.sweep(), sweepMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #expect(each: Delegation): void {
    if (each.evidence === undefined) return;
    this.#holders.set(each.id, { streams: 0, lastContact: this.#monotonicMs(), alone: undefined });
  }

  /** The holder says that it is there. */
  contact(id: string): void {
    const holder = this.#holders.get(id);
    if (holder !== undefined) holder.lastContact = this.#monotonicMs();
  }

  /** Holds on to a delegation for as long as the stream is read; says when it ends. Throws `rate-limited`. */
  attach(delegation: Delegation): ReadableStream<Uint8Array> {
    const holder = this.#holders.get(delegation.id) ?? {
      streams: 0,
      lastContact: this.#monotonicMs(),
      alone: undefined,
    };
    if (holder.streams >= perDelegationMax)
      throw new ThroughlineError('rate-limited', 'this delegation is attached several times already');
    this.#holders.set(delegation.id, holder);
    holder.streams += 1;
    holder.alone = undefined;
    holder.lastContact = this.#monotonicMs();
    let stop: () => void = () => undefined;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        const say = (item: AttachmentItem): void =>
          controller.enqueue(Buffer.from(`${JSON.stringify(item)}\n`));
        const beat = (): void => say({ kind: 'beat', at: new Date().toISOString() });
        const beats = setInterval(beat, beatMs);
        const undo = this.#delegations.onEnded(({ delegation: ended, cause, reason }) => {
          if (ended.id !== delegation.id) return;
          say({ kind: 'ended', cause, ...(reason === undefined ? {} : { reason }) });
          stop();
          controller.close();
        });
        stop = () => {
          stop = () => undefined;
          clearInterval(beats);
          undo();
          holder.streams -= 1;
          if (holder.streams === 0) holder.alone = this.#monotonicMs();
        };
        beat();
      },
      cancel: () => stop(),
    });
  }

  /** Ends what nobody holds any more. */
  sweep(): void {
    const now = this.#monotonicMs();
    for (const [id, { alone, lastContact }] of this.#holders) {
      const left = alone !== undefined && now - alone > delegationLimits.orphanGraceMs;
      if (!left && now - lastContact <= delegationLimits.contactLostMs) continue;
      this.#holders.delete(id);
      this.#end(
        id,
        left ? 'the program that it was given to has ended' : 'its holder was not heard of any more',
      );
    }
    this.#delegations
      .sweep()
      .catch((error: unknown) => this.#complain('expired delegations could not be ended', error));
  }

  #end(id: string, reason: string): void {
    this.#delegations
      .end(id, 'orphaned', { reason })
      .catch((error: unknown) => this.#complain('an orphan could not be recorded', error));
  }
}
