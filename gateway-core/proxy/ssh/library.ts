/* oxlint-disable no-underscore-dangle -- the package's own names */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Client, Connection, SFTPWrapper } from 'ssh2';
import { isConnectionMessage, writeDisconnect } from '../../codec/ssh/messages.js';

/**
 * The one file that knows the insides of the `ssh2` package. It does transport and authentication (RFC 4253, 4252) by
 * its public face; messages of the connection protocol (RFC 4254) we take from it and give to it as they are, which its
 * public face does not offer. That is why package.json pins its version and `loadLibrary` and `protocolOf` look for every part.
 */
const pinnedVersion = '1.17.0';

interface Protocol {
  _onPayload: (this: Protocol, payload: Buffer) => unknown;
  readonly _packetRW: {
    readonly write: {
      readonly allocStart: number;
      alloc(payloadBytes: number): Buffer;
      finalize(packet: Buffer): Buffer;
    };
  };
  /** Undefined once it was taken apart. */
  readonly _destruct: unknown;
}

type SendPacket = (protocol: Protocol, packet: Buffer) => boolean;

const require = createRequire(import.meta.url);

export interface Library {
  /** Its crypto in C++: three to five times faster than what it falls back to. */
  readonly native: boolean;
  readonly sendPacket: SendPacket;
}

let loaded: Library | undefined;

/** Loads the package's insides. Throws when they are not what this file was written for. */
export function loadLibrary(): Library {
  loaded ??= load();
  return loaded;
}

function load(): Library {
  const { version } = require('ssh2/package.json') as { version: string };
  const utils = require('ssh2/lib/protocol/utils.js') as { sendPacket?: SendPacket };
  const crypto = require('ssh2/lib/protocol/crypto.js') as { bindingAvailable?: boolean };
  if (version !== pinnedVersion || typeof utils.sendPacket !== 'function')
    throw new Error(`SSH needs version ${pinnedVersion} of the package ssh2, and found ${version}`);
  return { native: crypto.bindingAvailable === true, sendPacket: utils.sendPacket };
}

function protocolOf(end: Client | Connection): Protocol {
  const protocol = (end as unknown as { _protocol?: Protocol })._protocol;
  const write = protocol?._packetRW?.write;
  if (
    protocol === undefined ||
    typeof protocol._onPayload !== 'function' ||
    typeof write?.alloc !== 'function'
  )
    throw new Error('the package ssh2 is not built as expected');
  return protocol;
}

/** The stream that a client of the package's server came by. */
export function streamOf(client: Connection): Duplex {
  return (client as unknown as { _sock: Duplex })._sock;
}

/** Says that an SFTP server is done, and all is well, which the package's own does not: scp takes silence for a failure. */
export function endFiles(sftp: SFTPWrapper): void {
  const { _protocol: protocol, outgoing } = sftp as unknown as {
    readonly _protocol: { exitStatus(channel: number, status: number): void };
    readonly outgoing: { readonly id: number; readonly state: string };
  };
  if (outgoing.state === 'open') protocol.exitStatus(outgoing.id, 0);
  sftp.end();
}

/**
 * One side of a session once its transport stands: messages of the connection protocol in both directions.
 * INVARIANT: none is taken before `authenticated` was set, and none reaches the package's own handlers.
 */
export class Leg {
  readonly stream: Duplex;
  readonly #protocol: Protocol;
  #authenticated = false;
  /** Messages that came before anybody wanted them. */
  #early: Buffer[] = [];
  #handler: ((payload: Buffer) => void) | undefined;
  #violated: (reason: string) => void;
  #corked = false;

  constructor(end: Client | Connection, stream: Duplex, violated: (reason: string) => void) {
    this.stream = stream;
    this.#protocol = protocolOf(end);
    this.#violated = violated;
    const original = this.#protocol._onPayload.bind(this.#protocol);
    this.#protocol._onPayload = (payload) => {
      // No undefined: the package would take another value for a place to go on at.
      if (!isConnectionMessage(payload[0] ?? 0)) return original(payload);
      this.#take(payload);
      return undefined;
    };
  }

  /** From now on messages are taken. */
  authenticated(): void {
    this.#authenticated = true;
  }

  /** `payload` is only good until the handler returns. */
  listen(handler: (payload: Buffer) => void): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const payload of early) handler(payload);
  }

  #take(payload: Buffer): void {
    if (!this.#authenticated) {
      this.#violated('a message of the connection protocol came before the sign-in');
      return;
    }
    if (this.#handler !== undefined) {
      this.#handler(payload);
      return;
    }
    if (this.#early.length >= earlyMessagesMax) {
      this.#violated('too many messages before the session was open');
      return;
    }
    this.#early.push(Buffer.from(payload));
  }

  /** Copies. During a new key exchange the package keeps it until that is through. */
  send(payload: Uint8Array): void {
    const protocol = this.#protocol;
    if (protocol._destruct === undefined || this.stream.destroyed || this.stream.writableEnded) return;
    this.#gather();
    const { write } = protocol._packetRW;
    const packet = write.alloc(payload.length);
    packet.set(payload, write.allocStart);
    loadLibrary().sendPacket(protocol, write.finalize(packet));
  }

  /** What is sent while one piece of the other side is read goes to the kernel as one. */
  #gather(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.stream.cork();
    queueMicrotask(() => {
      this.#corked = false;
      this.stream.uncork();
    });
  }

  /** Says why, and closes. Not during a key exchange: then it only closes. */
  disconnect(text: string): void {
    try {
      this.send(writeDisconnect(text));
    } catch {
      // It is taken apart already.
    }
    this.stream.end();
  }
}

/** What a client may say before its session is open: its window is of no use to it until then. */
const earlyMessagesMax = 64;
