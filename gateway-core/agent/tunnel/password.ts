import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBackendKeyData } from '../../codec/postgres/backend.js';
import {
  writeAuthenticationSasl,
  writeAuthenticationSaslContinue,
  writeAuthenticationSaslFinal,
  writeReport,
} from '../../codec/postgres/backend-writers.js';
import type { MessageView } from '../../codec/postgres/bytes.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { bodyOf, readSaslInitialResponse } from '../../codec/postgres/frontend.js';
import { backendTypes, frontendTypes } from '../../codec/postgres/messages.js';
import { deriveVerifier, equalBytes, type ScramVerifier } from '../../codec/postgres/scram.js';
import { offeredMechanisms, ScramServer } from '../../codec/postgres/scram-server.js';
import { readFirstPacket } from '../../codec/postgres/startup.js';
import { MessageWriter } from '../../codec/postgres/writer.js';

export const passwordLimits = {
  /** From accept to the right password. */
  timeoutMs: 15_000,
  /** Before a wrong one is answered. */
  refusalDelayMs: 1000,
  /** Sockets without the password, whoever's they are; the one that waits longest makes room for a new one. */
  strangersMax: 32,
  /** GSSENCRequest and SSLRequest. */
  negotiationsMax: 2,
  messageBytesMax: 8192,
  /** Bytes of a session's beginning in which its cancel key is looked for, and of one message in it. */
  greetingBytesMax: 256 * 1024,
  greetingMessageBytesMax: 32 * 1024,
} as const;

/** What the client has said so far, for the gateway: its StartupMessage, or a CancelRequest of a session from here. */
export interface Admitted {
  readonly kind: 'session' | 'cancel';
  readonly bytes: Uint8Array;
}

export type Admission = Admitted | 'wrong-password' | 'left';

/**
 * The door of a tunnel where nobody tells whose a socket is: SCRAM-SHA-256 (RFC 7677; PostgreSQL manual, 55.3) with a
 * password of this tunnel. The loopback hop has no TLS, so there is no channel to bind to.
 * INVARIANT: no byte of a socket is for the gateway before its other end has proved that it knows the password; a
 * CancelRequest, which carries none, has to name the secret key of a session that did.
 */
export class PasswordDoor {
  readonly password: string;
  readonly #verifier: ScramVerifier;
  /** The one that waits longest first. */
  readonly #strangers = new Set<Socket>();
  readonly #keys = new Map<number, Uint8Array>();

  private constructor(password: string, verifier: ScramVerifier) {
    this.password = password;
    this.#verifier = verifier;
  }

  static async open(): Promise<PasswordDoor> {
    const password = randomBytes(24).toString('base64url');
    return new PasswordDoor(password, await deriveVerifier(password, randomBytes(16)));
  }

  /** Answered already where the answer is no. Never rejects. */
  async admit(socket: Socket): Promise<Admission> {
    const [first] = this.#strangers;
    if (this.#strangers.size >= passwordLimits.strangersMax) first?.destroy();
    this.#strangers.add(socket);
    const leave = (): void => void this.#strangers.delete(socket);
    socket.once('close', leave);
    const late = setTimeout(() => socket.destroy(), passwordLimits.timeoutMs);
    try {
      return await this.#ask(new Conversation(socket));
    } finally {
      clearTimeout(late);
      socket.off('close', leave);
      leave();
    }
  }

  /** Learns the key by which the client of a session may cancel what it runs. Call it before the stream is read. */
  watch(stream: Duplex): void {
    const framer = new MessageFramer('backend', {
      messageBytesMax: () => passwordLimits.greetingMessageBytesMax,
    });
    let bytes = 0;
    const look = (chunk: Buffer): void => {
      bytes += chunk.length;
      framer.push(chunk);
      for (let event = framer.next(); event !== 'more'; event = framer.next()) {
        if (event !== 'message' || framer.type === backendTypes.readyForQuery) return stop();
        if (framer.type === backendTypes.backendKeyData) return this.#learn(stream, framer, stop);
      }
      if (bytes > passwordLimits.greetingBytesMax) stop();
    };
    const stop = (): void => void stream.off('data', look);
    stream.on('data', look);
  }

  #learn(stream: Duplex, view: MessageView, stop: () => void): void {
    stop();
    const key = readBackendKeyData(view);
    if (key.kind === 'malformed') return;
    this.#keys.set(key.processId, Uint8Array.from(key.secretKey));
    stream.once('close', () => this.#keys.delete(key.processId));
  }

  async #ask(client: Conversation): Promise<Admission> {
    const opening = await client.opening();
    if (opening === undefined) return 'left';
    if (opening.kind === 'cancel') {
      const { processId, secretKey, bytes } = opening;
      const known = this.#keys.get(processId);
      const fits = known?.length === secretKey.length && equalBytes(known, secretKey);
      if (fits) return { kind: 'cancel', bytes };
      client.close();
      return 'left';
    }
    const server = new ScramServer({
      verifier: this.#verifier,
      nonce: randomBytes(24).toString('base64'),
      binding: undefined,
    });
    const first = await client.answer((writer) =>
      writeAuthenticationSasl(writer, offeredMechanisms(undefined)),
    );
    if (first === undefined) return 'left';
    const initial = readSaslInitialResponse(first);
    const challenge =
      initial.kind === 'malformed' ? initial : server.challenge(initial.mechanism, initial.data);
    if (challenge.kind !== 'challenge') return client.refuse();
    const second = await client.answer((writer) => writeAuthenticationSaslContinue(writer, challenge.data));
    if (second === undefined) return 'left';
    const verdict = server.verdict(bodyOf(second));
    if (verdict.kind !== 'ok') return client.refuse();
    // AuthenticationOk, and all that follows it, is for the gateway to say.
    client.say((writer) => writeAuthenticationSaslFinal(writer, verdict.data));
    return { kind: 'session', bytes: opening.bytes };
  }
}

type Write = (writer: MessageWriter) => void;

type Opening =
  | { readonly kind: 'session'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'cancel';
      readonly bytes: Uint8Array;
      readonly processId: number;
      readonly secretKey: Uint8Array;
    };

/** One client until it is let in. Whatever breaks the protocol is cut off. */
class Conversation {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  say(write: Write): void {
    const writer = new MessageWriter();
    write(writer);
    this.#socket.write(writer.take());
  }

  /** Its first packet that is not a question for encryption, of which there is none here. */
  async opening(): Promise<Opening | undefined> {
    let held: Buffer = Buffer.alloc(0);
    for (let negotiations = 0; ; ) {
      const found = readFirstPacket(held);
      if (found.kind === 'need-more') {
        const chunk = await this.#read();
        if (chunk === undefined) return undefined;
        held = Buffer.concat([held, chunk]);
        continue;
      }
      const kind = found.kind === 'malformed' ? undefined : found.message.kind;
      // A client waits for our answer: bytes behind its packet come from someone else, or from no client.
      if (found.kind === 'malformed' || found.bytesUsed !== held.length) return this.#cutOff();
      const { message } = found;
      if (message.kind === 'startup') return { kind: 'session', bytes: held };
      if (message.kind === 'cancel') {
        const { processId, secretKey } = message;
        return { kind: 'cancel', bytes: held, processId, secretKey };
      }
      negotiations += 1;
      const isQuestion = kind === 'ssl-request' || kind === 'gssenc-request';
      if (!isQuestion || negotiations > passwordLimits.negotiationsMax) return this.#cutOff();
      held = Buffer.alloc(0);
      this.#socket.write('N');
    }
  }

  /** Says something, and waits for the one message that has to come back. */
  async answer(write: Write): Promise<MessageView | undefined> {
    this.say(write);
    const framer = new MessageFramer('frontend', {
      messageBytesMax: (type) => (type === frontendTypes.password ? passwordLimits.messageBytesMax : 0),
    });
    for (;;) {
      const chunk = await this.#read();
      if (chunk === undefined) return undefined;
      framer.push(chunk);
      const event = framer.next();
      if (event === 'more') continue;
      const { buffer, bodyStart, end } = framer;
      if (event === 'message' && framer.next() === 'more') return { buffer, bodyStart, end };
      return this.#cutOff();
    }
  }

  /** Class 28 of the manual's appendix A. Late, so that trying takes long; nobody else waits for it. */
  async refuse(): Promise<'wrong-password'> {
    await sleep(passwordLimits.refusalDelayMs);
    const writer = new MessageWriter();
    writeReport(writer, {
      severity: 'FATAL',
      code: '28P01',
      message: 'throughline: the password of this tunnel is another one',
      hint: 'Each tunnel has a password of its own, for as long as it is open: take it from where it was opened.',
    });
    const socket = this.#socket;
    socket.end(writer.take(), () => socket.destroySoon());
    return 'wrong-password';
  }

  #cutOff(): undefined {
    this.#socket.destroy();
    return undefined;
  }

  /** Undefined: it has left. */
  #read(): Promise<Buffer | undefined> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const look = (): void => {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null && !socket.readableEnded && !socket.destroyed) return;
        for (const event of events) socket.off(event, look);
        resolve(chunk ?? undefined);
      };
      const events = ['readable', 'end', 'close', 'error'] as const;
      for (const event of events) socket.on(event, look);
      look();
    });
  }
}
