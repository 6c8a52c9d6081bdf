import type { Use } from './use.js';

/** Reads the command lines of a terminal. */
export interface ChannelLines {
  output(bytes: Uint8Array): void;
  /** Keys on their way to the target; passes them on itself. */
  input(data: Buffer): void;
  resize(size: { readonly columns: number; readonly rows: number }): void;
  /** A line for the person: said when they send their next command, where it breaks nothing on the screen. */
  notice(text: string): void;
  dispose(): void;
}

/** Judges what SFTP asks for, and notes what moves. */
export interface ChannelFiles {
  /** Passes on itself what may be. */
  fromClient(data: Buffer): void;
  /** True: some of it is kept, and has to be in the journal first. */
  fromTarget(data: Buffer): boolean;
  /** True: it answers a question of the gateway's own, and is not the client's to see. */
  ownAnswer(data: Buffer): boolean;
  /** What `fromTarget` saw is handed on, or the client takes more: answers of our own may find their place now. */
  answer(): void;
  end(): void;
}

/**
 * One channel. Client and target number it as they like; both numbers go through unchanged, so flow control is between
 * the two of them. What the gateway itself puts in, or takes out, is made good in the windows.
 */
export class Channel {
  readonly openedBy: 'client' | 'target';
  readonly type: string;
  /** The client's number; of one that the target opens, known with the client's confirmation. */
  clientId: number | undefined;
  targetId: number | undefined;
  state: 'opening' | 'open' | 'refused' = 'opening';
  /** `transfer`: a program that moves files. */
  kind: 'none' | 'shell' | 'exec' | 'transfer' | 'sftp' | 'forward' = 'none';
  pty: { columns: number; rows: number } | undefined;
  use: Use | undefined;
  lines: ChannelLines | undefined;
  files: ChannelFiles | undefined;
  /** Environment that the client asked for, by name, where it can change what runs. */
  readonly environment: string[] = [];
  /** The target would not do what it was asked. */
  failed = false;
  /** Answers to the client's requests, in their order: the target's, or ours, which wait for those before them. */
  readonly replies: ('target' | Buffer)[] = [];
  /** How many answers the client owes the target. */
  owedToTarget = 0;
  /** Neither takes larger packets. */
  clientPacketBytes = 0;
  targetPacketBytes = 0;
  /** What the client may still be sent. */
  clientWindowBytes = 0;
  /** Bytes of ours that the client counts and the target does not know of. */
  injectedBytes = 0;
  /** Bytes of ours that the target counts and the client does not know of. */
  borrowedBytes = 0;
  closedByClient = false;
  closedByTarget = false;
  /** Exit status or signal, as the target told it. */
  exit: { readonly status: number } | { readonly signal: string } | undefined;
  /** Bytes both ways of what is only counted. */
  upBytes = 0;
  downBytes = 0;

  constructor(openedBy: 'client' | 'target', type: string) {
    this.openedBy = openedBy;
    this.type = type;
  }
}

/** The channels of one session, by each end's number. Bounded by who asks for them: see `channelsMax`. */
export class Channels {
  readonly #byClient = new Map<number, Channel>();
  readonly #byTarget = new Map<number, Channel>();

  /** Of those that are not gone yet. */
  get size(): number {
    return Math.max(this.#byClient.size, this.#byTarget.size);
  }

  ofClient(id: number): Channel | undefined {
    return this.#byClient.get(id);
  }

  ofTarget(id: number): Channel | undefined {
    return this.#byTarget.get(id);
  }

  /** False: the client uses the number already. */
  addByClient(channel: Channel, id: number): boolean {
    if (this.#byClient.has(id)) return false;
    channel.clientId = id;
    this.#byClient.set(id, channel);
    return true;
  }

  addByTarget(channel: Channel, id: number): boolean {
    if (this.#byTarget.has(id)) return false;
    channel.targetId = id;
    this.#byTarget.set(id, channel);
    return true;
  }

  remove(channel: Channel): void {
    if (channel.clientId !== undefined && this.#byClient.get(channel.clientId) === channel)
      this.#byClient.delete(channel.clientId);
    if (channel.targetId !== undefined && this.#byTarget.get(channel.targetId) === channel)
      this.#byTarget.delete(channel.targetId);
  }

  all(): Channel[] {
    return [...new Set([...this.#byClient.values(), ...this.#byTarget.values()])];
  }
}
