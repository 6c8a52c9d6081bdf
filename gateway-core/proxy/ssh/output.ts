import { stderrType, writeMessage } from '../../codec/ssh/messages.js';
import type { ContentStream } from '../../contract/recorder.js';
import type { StreamMasker } from '../../masking/stream-masker.js';
import type { Channel } from './channel.js';
import type { SshContext } from './context.js';
import { sshLimits } from './limits.js';
import type { Outbox } from './outbox.js';

interface Held {
  readonly masker: StreamMasker;
  timer: NodeJS.Timeout | undefined;
}

/** What the target's programs say, on its way to client and record: the same masked bytes for both. */
export class Output {
  readonly #context: SshContext;
  readonly #outbox: Outbox;
  /** Undefined: nothing is masked here. */
  readonly #newMasker: ((terminal: boolean) => StreamMasker) | undefined;
  readonly #held = new Map<Channel, { stdout?: Held; stderr?: Held }>();

  constructor(
    context: SshContext,
    outbox: Outbox,
    newMasker: ((terminal: boolean) => StreamMasker) | undefined,
  ) {
    this.#context = context;
    this.#outbox = outbox;
    this.#newMasker = newMasker;
  }

  /** `payload`: the message that `data` came in, good until this returns. */
  take(channel: Channel, way: 'stdout' | 'stderr', data: Buffer, payload: Buffer): void {
    if (way === 'stdout' && channel.files?.ownAnswer(data) === true) return;
    this.#context.bytesToClient += data.length;
    channel.downBytes += data.length;
    channel.clientWindowBytes -= data.length;
    const { use } = channel;
    use?.down(data.length);
    if (channel.kind !== 'shell' && channel.kind !== 'exec') {
      const kept = channel.files?.fromTarget(data) === true;
      // Files and forwarded streams are counted and hashed where they are watched; masks would break them.
      if (kept) this.#outbox.push(Buffer.from(payload), true);
      else this.#outbox.pass(payload);
      channel.files?.answer();
      return;
    }
    if (this.#newMasker === undefined) {
      if (this.#keep(channel, way, data)) this.#outbox.push(Buffer.from(payload), true);
      else this.#outbox.pass(payload);
      return;
    }
    const held = this.#maskerOf(channel, way, this.#newMasker);
    this.#send(channel, way, held.masker.push(data));
    this.#arm(channel, way, held);
  }

  /** Everything that is held back goes out: the channel ends, or says how its program ended. */
  release(channel: Channel): void {
    const held = this.#held.get(channel);
    if (held === undefined) return;
    for (const way of ['stdout', 'stderr'] as const) {
      const each = held[way];
      if (each === undefined) continue;
      clearTimeout(each.timer);
      this.#send(channel, way, each.masker.flush());
    }
  }

  /** Values that were masked in what this channel said. */
  forget(channel: Channel): number {
    const held = this.#held.get(channel);
    this.#held.delete(channel);
    clearTimeout(held?.stdout?.timer);
    clearTimeout(held?.stderr?.timer);
    return (held?.stdout?.masker.masked ?? 0) + (held?.stderr?.masker.masked ?? 0);
  }

  /** Whether the journal was given something. */
  #keep(channel: Channel, way: 'stdout' | 'stderr', bytes: Uint8Array): boolean {
    channel.lines?.output(bytes);
    return channel.use?.keep(streamOf(channel, way), bytes, channel.pty !== undefined) ?? false;
  }

  #maskerOf(channel: Channel, way: 'stdout' | 'stderr', make: (terminal: boolean) => StreamMasker): Held {
    let held = this.#held.get(channel);
    if (held === undefined) this.#held.set(channel, (held = {}));
    return (held[way] ??= { masker: make(channel.pty !== undefined), timer: undefined });
  }

  #send(channel: Channel, way: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const { clientId: recipient } = channel;
    if (bytes.length === 0 || recipient === undefined) return;
    const kept = this.#keep(channel, way, bytes);
    // What was held back and what came can be more than one packet together.
    const step = Math.max(1, Math.min(channel.clientPacketBytes, sshLimits.packetBytesMax));
    for (let at = 0; at < bytes.length; at += step) {
      const data = Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(step, bytes.length - at));
      this.#outbox.push(
        writeMessage(
          way === 'stdout'
            ? { kind: 'data', recipient, data }
            : { kind: 'extended-data', recipient, type: stderrType, data },
        ),
        kept,
      );
    }
  }

  #arm(channel: Channel, way: 'stdout' | 'stderr', held: Held): void {
    clearTimeout(held.timer);
    held.timer = undefined;
    if (held.masker.heldBytes === 0) return;
    // The echo of what somebody types must not wait.
    if (channel.pty !== undefined && !held.masker.suspects) {
      this.#send(channel, way, held.masker.flush());
      return;
    }
    held.timer = setTimeout(() => {
      this.#context.guarded(() => {
        if (!this.#context.isOver()) this.#send(channel, way, held.masker.flush());
      });
    }, sshLimits.maskHoldMs);
  }
}

function streamOf(channel: Channel, way: 'stdout' | 'stderr'): ContentStream {
  return channel.pty === undefined ? way : 'terminal';
}
