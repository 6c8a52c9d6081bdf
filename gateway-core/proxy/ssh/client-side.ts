import {
  type ConnectionMessage,
  type MessageOf as Of,
  readMessage,
  readStreamlocal,
  readTcpip,
  writeMessage,
} from '../../codec/ssh/messages.js';
import { SshFormatError } from '../../codec/ssh/wire.js';
import { permitOf } from '../../policy/index.js';
import { Channel } from './channel.js';
import { judgedPlace, unplaced } from './forbidden-hosts.js';
import { asked, judged } from './judged.js';
import { sshLimits } from './limits.js';
import type { Hold, Parts } from './parts.js';
import { refuseOpen } from './refuse.js';
import { Requests } from './requests.js';

/**
 * What the client says, in its order: a message that has to be judged and recorded holds back what came behind it.
 * INVARIANT: a message that makes the target do something leaves here with policy's permit and the journal's word only.
 */
export class ClientSide {
  readonly #parts: Parts;
  readonly #stream: { pause(): unknown; resume(): unknown };
  readonly #requests: Requests;
  /** Targets' own addresses and the like: why nobody may forward there. */
  readonly #forbidden: (host: string) => string | undefined;
  #busy = false;
  readonly #queue: Buffer[] = [];

  constructor(
    parts: Parts,
    stream: { pause(): unknown; resume(): unknown },
    forbidden: (host: string) => string | undefined,
  ) {
    this.#parts = parts;
    this.#stream = stream;
    this.#forbidden = forbidden;
    this.#requests = new Requests(parts, (work) => this.#hold(work));
  }

  /** True while something is being judged: the client is not read on meanwhile. */
  get busy(): boolean {
    return this.#busy;
  }

  /** One message; the bytes are good until this returns. */
  take(payload: Buffer): void {
    if (this.#busy) this.#queue.push(Buffer.from(payload));
    else this.#handle(payload);
  }

  /** Reads nothing more before `work` has called back. */
  #hold(work: Parameters<Hold>[0]): void {
    this.#busy = true;
    this.#stream.pause();
    work(() => {
      this.#busy = false;
      while (!this.#busy && !this.#parts.context.isOver()) {
        const next = this.#queue.shift();
        if (next === undefined) {
          this.#stream.resume();
          return;
        }
        this.#handle(next);
      }
    });
  }

  #handle(payload: Buffer): void {
    const { context } = this.#parts;
    try {
      this.#message(readMessage(payload), payload);
    } catch (error) {
      if (!(error instanceof SshFormatError)) throw error;
      context.fail('client-protocol', error.message);
    }
  }

  #message(message: ConnectionMessage, payload: Buffer): void {
    switch (message.kind) {
      case 'open':
        return this.#open(message, payload);
      case 'request':
        return this.#request(message, payload);
      case 'global-request':
        return this.#requests.global(message, payload);
      case 'request-success':
      case 'request-failure':
        // The target's global requests are answered by the gateway or not at all: nobody waits for this.
        return undefined;
      case 'open-confirmation':
      case 'open-failure':
        return this.#answerToOpen(message, payload);
      case 'window-adjust':
      case 'data':
      case 'extended-data':
      case 'eof':
      case 'close':
      case 'success':
      case 'failure':
        return this.#onChannel(message, payload);
    }
  }

  #open(message: Of<'open'>, payload: Buffer): void {
    const { channels } = this.#parts;
    const channel = new Channel('client', message.type);
    channel.clientWindowBytes = message.windowBytes;
    channel.clientPacketBytes = message.packetBytesMax;
    if (channels.ofClient(message.sender) !== undefined)
      throw new SshFormatError('a channel’s number is in use already');
    if (channels.size >= sshLimits.channelsMax) {
      refuseOpen(
        this.#parts,
        message.sender,
        'resourceShortage',
        'throughline: too many channels in one session',
      );
      return;
    }
    const bounded = withinBounds(message, payload);
    if (message.type === 'session') {
      channels.addByClient(channel, message.sender);
      this.#parts.upstream.pass(bounded);
      return;
    }
    this.#openForward(channel, message, bounded);
  }

  #openForward(channel: Channel, message: Of<'open'>, payload: Buffer): void {
    const place = placeOf(message);
    if (place === undefined) {
      refuseOpen(this.#parts, message.sender, 'unknownType', `throughline: ${message.type} is not supported`);
      return;
    }
    const isPath = place.port === 0;
    const text = isPath ? place.host : `${place.host}:${place.port}`;
    const seen = judgedPlace(place, isPath);
    this.#hold((done) =>
      judged(this.#parts.context, {
        ...asked(this.#parts.context, {
          action: 'ssh:forward',
          forward: { direction: 'local', ...(seen ?? place) },
        }),
        command: 'forward local',
        text,
        forbidden: seen === undefined ? unplaced : isPath ? undefined : this.#forbidden(seen.host),
        allowed: (decision, appended, started) => {
          channel.kind = 'forward';
          channel.use = started;
          this.#parts.channels.addByClient(channel, message.sender);
          this.#parts.upstream.begin(payload, permitOf(decision), appended);
          done();
        },
        denied: (line) => {
          refuseOpen(this.#parts, message.sender, 'prohibited', line);
          done();
        },
      }),
    );
  }

  #request(message: Of<'request'>, payload: Buffer): void {
    const channel = this.#parts.channels.ofTarget(message.recipient);
    if (channel === undefined) throw new SshFormatError('a request is for a channel that is not open');
    if (channel.state === 'refused' || channel.closedByClient) return;
    if (channel.replies.length >= sshLimits.owedMax)
      throw new SshFormatError('too many requests wait for answers');
    this.#requests.onChannel(channel, message, payload);
  }

  #onChannel(
    message: Of<'window-adjust' | 'data' | 'extended-data' | 'eof' | 'close' | 'success' | 'failure'>,
    payload: Buffer,
  ): void {
    const { channels, upstream, context } = this.#parts;
    const channel = channels.ofTarget(message.recipient);
    if (channel === undefined || channel.clientId === undefined || channel.closedByClient)
      throw new SshFormatError('a message is for a channel that is not open');
    switch (message.kind) {
      case 'window-adjust': {
        channel.clientWindowBytes += message.bytes;
        // What the client gives back of bytes that were ours, the target never had.
        const own = Math.min(channel.injectedBytes, message.bytes);
        channel.injectedBytes -= own;
        channel.files?.answer();
        if (channel.state === 'refused' || own === message.bytes) return;
        if (own === 0) upstream.pass(payload);
        else upstream.pass(writeMessage({ ...message, bytes: message.bytes - own }));
        return;
      }
      case 'extended-data':
        // RFC 4254 5.2 knows stderr only, which comes from the target.
        throw new SshFormatError('extended data comes from the target only');
      case 'data':
        if (channel.state === 'refused') return;
        context.bytesFromClient += message.data.length;
        channel.upBytes += message.data.length;
        channel.use?.up(message.data.length);
        this.#requests.data(channel, message.data, payload);
        return;
      case 'success':
      case 'failure':
        if (channel.owedToTarget === 0) throw new SshFormatError('an answer comes to no question');
        channel.owedToTarget -= 1;
        if (channel.state !== 'refused') upstream.pass(payload);
        return;
      case 'eof':
        if (channel.state !== 'refused') upstream.pass(payload);
        return;
      case 'close':
        this.#close(channel, payload);
        return;
    }
  }

  #close(channel: Channel, payload: Buffer): void {
    const { channels, upstream } = this.#parts;
    channel.closedByClient = true;
    // A refused channel was closed towards the target by us already.
    if (channel.state !== 'refused') upstream.pass(payload);
    if (channel.closedByTarget) channels.remove(channel);
  }

  /** The client's answer to a channel that the target opened. */
  #answerToOpen(message: Of<'open-confirmation' | 'open-failure'>, payload: Buffer): void {
    const { channels, upstream } = this.#parts;
    const channel = channels.ofTarget(message.recipient);
    if (channel === undefined || channel.openedBy !== 'target' || channel.state !== 'opening')
      throw new SshFormatError('an answer comes to no channel');
    if (message.kind === 'open-failure') {
      channel.use?.end({ state: 'error', message: 'the client refused it' });
      channels.remove(channel);
      upstream.pass(payload);
      return;
    }
    if (!channels.addByClient(channel, message.sender))
      throw new SshFormatError('a channel’s number is in use already');
    channel.state = 'open';
    channel.clientWindowBytes = message.windowBytes;
    channel.clientPacketBytes = message.packetBytesMax;
    upstream.pass(withinBounds(message, payload));
  }
}

/** A packet larger than what everybody takes would be too large for the other leg. */
export function withinBounds(message: Of<'open' | 'open-confirmation'>, payload: Buffer): Buffer {
  if (message.packetBytesMax < sshLimits.packetBytesMin)
    throw new SshFormatError('a channel takes no packets of any use');
  if (message.packetBytesMax <= sshLimits.packetBytesMax) return Buffer.from(payload);
  return writeMessage({ ...message, packetBytesMax: sshLimits.packetBytesMax });
}

function placeOf({ type, data }: Of<'open'>): { readonly host: string; readonly port: number } | undefined {
  if (type === 'direct-tcpip') {
    const place = readTcpip(data);
    if (place.port < 1 || place.port > 65_535) throw new SshFormatError('a port is out of range');
    return place;
  }
  return type === 'direct-streamlocal@openssh.com' ? { host: readStreamlocal(data), port: 0 } : undefined;
}
