import {
  type ConnectionMessage,
  messageNumbers,
  readMessage,
  writeMessage,
} from '../../../gateway-core/codec/ssh/messages.js';
import { sshBytes } from '../../../gateway-core/codec/ssh/wire.js';
import { type FakeEnd, forbidden, outputByte } from './ssh-relay-world.js';

/** Ends of a session that mostly know what may be said, and say something else as often as they are told to. */

type Random = () => number;

export const pick = <T>(random: Random, from: readonly T[]): T =>
  from[Math.floor(random() * from.length)] as T;

const numbers = [0, 1, 2, 3, 7, 0xffff_ffff];
const packets = [32_768, 32_768, 256, 0xffff_ffff];
const sizes = [0, 1, 100, 32_768, 0x7fff_ffff, 0xffff_ffff];
const bytesOf = (random: Random, most: number): Buffer =>
  Buffer.from(Array.from({ length: Math.floor(random() * most) }, () => 1 + Math.floor(random() * 90)));

/** Any message at all: of a known kind with wrong numbers, cut, longer than it says, or no message. */
export function noise(random: Random): Buffer {
  const number = pick(random, [...Object.values(messageNumbers), 83, 101, 127]);
  const fields = [
    () => sshBytes(pick(random, numbers)),
    () => sshBytes(pick(random, sizes)),
    () => sshBytes(pick(random, ['session', 'direct-tcpip', 'exec', 'shell', 'exit-status', 'x11', ''])),
    () => sshBytes(bytesOf(random, 300)),
    () => sshBytes(random() < 0.5),
    () => bytesOf(random, 20),
  ];
  const parts = Array.from({ length: Math.floor(random() * 6) }, () => pick(random, fields)());
  const whole = Buffer.concat([Buffer.from([number]), ...parts]);
  return random() < 0.2 ? whole.subarray(0, Math.floor(random() * whole.length)) : whole;
}

/** Something that was said before, as it was, cut or with another byte. */
function again(random: Random, said: readonly Buffer[]): Buffer {
  if (said.length === 0) return noise(random);
  const copy = Buffer.from(pick(random, said));
  const how = random();
  if (how < 0.3) return copy.subarray(0, Math.floor(random() * copy.length));
  if (how < 0.6 && copy.length > 1) copy[1 + Math.floor(random() * Math.min(8, copy.length - 1))] = 0;
  return copy;
}

const maybe = (random: Random, text: string): string => (random() < 0.3 ? forbidden : text);

function sftpPacket(random: Random, id: number): Buffer {
  const path = `/tmp/${maybe(random, 'file')}`;
  const type = pick(random, [1, 3, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 18, 19, 200, 99]);
  const body = Buffer.concat([
    Buffer.from([type]),
    sshBytes(type === 1 ? 3 : id),
    ...(type === 1 ? [] : [sshBytes(type === 5 || type === 6 || type === 4 || type === 12 ? 'h' : path)]),
    ...(type === 3 ? [sshBytes(pick(random, [1, 2, 26]), 0)] : []),
    ...(type === 5 ? [sshBytes(0, 0, 100)] : []),
    ...(type === 6 ? [sshBytes(0, 0, bytesOf(random, 200))] : []),
    ...(type === 14 ? [sshBytes(0)] : []),
    ...(type === 18 || type === 19 ? [sshBytes(`/tmp/${maybe(random, 'other')}`)] : []),
    ...(random() < 0.03 ? [bytesOf(random, 50)] : []),
  ]);
  return Buffer.concat([sshBytes(body.length), body]);
}

export class ClientPlayer {
  readonly #random: Random;
  readonly #hostile: number;
  readonly #said: Buffer[] = [];
  /** The target's number of each of the client's channels, and what runs there. */
  readonly #channels = new Map<number, { target: number; runs: string }>();
  #next = 0;
  #id = 0;

  constructor(random: Random, hostile: number) {
    this.#random = random;
    this.#hostile = hostile;
  }

  hears(payload: Buffer): void {
    const message = readMessage(payload);
    if (message.kind === 'open-confirmation')
      this.#channels.set(message.recipient, { target: message.sender, runs: '' });
    if (message.kind === 'close') this.#channels.delete(message.recipient);
  }

  says(): Buffer {
    const random = this.#random;
    if (random() < this.#hostile) return random() < 0.5 ? noise(random) : again(random, this.#said);
    const payload = this.#valid();
    this.#said.push(payload);
    return payload;
  }

  #valid(): Buffer {
    const random = this.#random;
    const channels = [...this.#channels.values()];
    const channel = pick(random, channels);
    const what = random();
    if (channel === undefined || what < 0.1) return this.#open();
    if (what < 0.15) return this.#global();
    const recipient = channel.target;
    if (what < 0.2) return writeMessage({ kind: 'window-adjust', recipient, bytes: pick(random, sizes) });
    if (what < 0.23) return writeMessage({ kind: pick(random, ['eof', 'close'] as const), recipient });
    if (channel.runs === '' || what < 0.35) return this.#request(channel);
    this.#id += 1;
    const data = channel.runs === 'sftp' ? sftpPacket(random, this.#id) : bytesOf(random, 400);
    return writeMessage({ kind: 'data', recipient, data });
  }

  #open(): Buffer {
    const random = this.#random;
    this.#next += 1;
    const type = pick(random, [
      'session',
      'session',
      'session',
      'direct-tcpip',
      'direct-streamlocal@openssh.com',
      'tun@openssh.com',
    ]);
    const host = maybe(random, 'inside');
    const data =
      type === 'direct-tcpip'
        ? sshBytes(host, 80, '127.0.0.1', 1)
        : type === 'session'
          ? Buffer.alloc(0)
          : sshBytes(`/${host}`, '', 0);
    return writeMessage({
      kind: 'open',
      type,
      sender: this.#next,
      windowBytes: pick(random, sizes),
      packetBytesMax: pick(random, packets),
      data,
    });
  }

  #global(): Buffer {
    const random = this.#random;
    const name = pick(random, [
      'tcpip-forward',
      'cancel-tcpip-forward',
      'keepalive@openssh.com',
      'no-more-sessions@openssh.com',
      'other@example.com',
    ]);
    const data = name.endsWith('tcpip-forward')
      ? sshBytes(
          name.startsWith('cancel') ? 'localhost' : maybe(random, 'localhost'),
          pick(random, [0, 8080]),
        )
      : Buffer.alloc(0);
    return writeMessage({ kind: 'global-request', name, wantReply: random() < 0.8, data });
  }

  #request(channel: { target: number; runs: string }): Buffer {
    const random = this.#random;
    const name = pick(random, [
      'exec',
      'exec',
      'subsystem',
      'subsystem',
      'shell',
      'pty-req',
      'env',
      'window-change',
      'signal',
      'x11-req',
      'auth-agent-req@openssh.com',
      'other@example.com',
    ]);
    const bodies: Record<string, () => Buffer> = {
      exec: () => sshBytes(`ls ${random() < 0.3 ? `; ${forbidden}` : ''}`),
      subsystem: () => sshBytes(pick(random, ['sftp', 'sftp', 'netconf', forbidden])),
      'pty-req': () => sshBytes('xterm', pick(random, sizes), pick(random, sizes), 0, 0, ''),
      'window-change': () => sshBytes(pick(random, sizes), 24, 0, 0),
      env: () => sshBytes(pick(random, ['LANG', 'LD_PRELOAD', 'THROUGHLINE_SESSION']), 'x'),
      signal: () => sshBytes('TERM'),
      'x11-req': () => sshBytes(false, 'MIT-MAGIC-COOKIE-1', '00', 0),
    };
    const data = bodies[name]?.() ?? Buffer.alloc(0);
    if (channel.runs === '' && ['exec', 'subsystem', 'shell'].includes(name))
      channel.runs = name === 'subsystem' && data.includes('sftp') ? 'sftp' : 'program';
    return writeMessage({
      kind: 'request',
      recipient: channel.target,
      name,
      wantReply: random() < 0.8,
      data,
    });
  }
}

export class TargetPlayer {
  readonly #random: Random;
  readonly #hostile: number;
  readonly #waiting: Buffer[] = [];
  readonly #said: Buffer[] = [];
  readonly #programs = new Map<number, number>();
  readonly #clients = new Map<number, number>();
  #next = 0;

  constructor(random: Random, hostile: number) {
    this.#random = random;
    this.#hostile = hostile;
  }

  /** Answers as a server does that knows everything it is asked for. */
  hears(payload: Buffer): void {
    const message = readMessage(payload);
    const say = (answer: ConnectionMessage): void => void this.#waiting.push(writeMessage(answer));
    if (message.kind === 'open') {
      const number = this.#next++;
      if (this.#random() < 0.05)
        return say({ kind: 'open-failure', recipient: message.sender, reason: 2, text: 'no' });
      this.#clients.set(number, message.sender);
      return say({
        kind: 'open-confirmation',
        recipient: message.sender,
        sender: number,
        windowBytes: 100_000,
        packetBytesMax: 32_768,
        data: Buffer.alloc(0),
      });
    }
    if (message.kind === 'global-request' && message.wantReply)
      return say(
        this.#random() < 0.2
          ? { kind: 'request-failure' }
          : {
              kind: 'request-success',
              data: message.name === 'tcpip-forward' ? sshBytes(4000) : Buffer.alloc(0),
            },
      );
    if (!('recipient' in message)) return undefined;
    const recipient = this.#clients.get(message.recipient);
    if (recipient === undefined) return undefined;
    if (message.kind === 'request') {
      if (['exec', 'shell'].includes(message.name)) this.#programs.set(message.recipient, recipient);
      if (message.wantReply) say({ kind: this.#random() < 0.1 ? 'failure' : 'success', recipient });
    }
    if (message.kind === 'data') say({ kind: 'window-adjust', recipient, bytes: message.data.length });
    if (message.kind === 'close') {
      this.#clients.delete(message.recipient);
      this.#programs.delete(message.recipient);
      say({ kind: 'close', recipient });
    }
    return undefined;
  }

  says(): Buffer | undefined {
    const random = this.#random;
    if (random() < this.#hostile) return random() < 0.5 ? noise(random) : again(random, this.#said);
    const payload = this.#waiting.shift() ?? this.#output();
    if (payload !== undefined) this.#said.push(payload);
    return payload;
  }

  #output(): Buffer | undefined {
    const random = this.#random;
    const recipient = pick(random, [...this.#programs.values()]);
    if (recipient === undefined) return undefined;
    const data = Buffer.alloc(1 + Math.floor(random() * 500), outputByte);
    const what = random();
    if (what < 0.05)
      return writeMessage({
        kind: 'request',
        recipient,
        name: 'exit-status',
        wantReply: false,
        data: sshBytes(0),
      });
    if (what < 0.2) return writeMessage({ kind: 'extended-data', recipient, type: 1, data });
    return writeMessage({ kind: 'data', recipient, data });
  }
}

/** Everything that an end was sent since the last call. */
export function heard(end: FakeEnd): Buffer[] {
  return end.sent.splice(0);
}
