import {
  type ConnectionMessage,
  type MessageOf as Of,
  openFailures,
  readExit,
  readMessage,
  readStreamlocal,
  readTcpip,
  stderrType,
  writeMessage,
} from '../../codec/ssh/messages.js';
import { SshFormatError, SshReader } from '../../codec/ssh/wire.js';
import { Channel } from './channel.js';
import { withinBounds } from './client-side.js';
import { judged, withinSession } from './judged.js';
import { sshLimits } from './limits.js';
import type { Parts } from './parts.js';

/** What the target says: recorded and masked where it is output, and let through only where it was asked for. */
export class TargetSide {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** One message; the bytes are good until this returns. */
  take(payload: Buffer): void {
    try {
      this.#message(readMessage(payload), payload);
    } catch (error) {
      if (!(error instanceof SshFormatError)) throw error;
      this.#parts.context.fail('target-protocol', error.message);
    }
  }

  #message(message: ConnectionMessage, payload: Buffer): void {
    switch (message.kind) {
      case 'open':
        return this.#open(message, payload);
      case 'global-request':
        return this.#globalRequest(message);
      case 'request-success':
      case 'request-failure':
        return this.#answered(message, payload);
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
      case 'request':
        return this.#onChannel(message, payload);
    }
  }

  /** hostkeys-00@openssh.com would teach the client the target's keys under the gateway's name. */
  #globalRequest(message: Of<'global-request'>): void {
    // RFC 4254 4: a keep-alive is answered by whoever it is asked of.
    if (message.wantReply) this.#parts.upstream.pass(writeMessage({ kind: 'request-failure' }));
  }

  #answered(message: Of<'request-success' | 'request-failure'>, payload: Buffer): void {
    const { requests, outbox } = this.#parts;
    const success = message.kind === 'request-success';
    const port = success && message.data.length === 4 ? new SshReader(message.data).uint32() : undefined;
    const answered = requests.answered(success, port);
    if (answered === undefined) throw new SshFormatError('an answer comes to no question');
    if (!success) answered.listening?.use.end({ state: 'error', message: 'the target refused it' });
    outbox.pass(payload);
    for (const ready of answered.next) outbox.push(ready, true);
  }

  #answerToOpen(message: Of<'open-confirmation' | 'open-failure'>, payload: Buffer): void {
    const { channels, outbox } = this.#parts;
    const channel = channels.ofClient(message.recipient);
    if (channel === undefined || channel.openedBy !== 'client' || channel.state !== 'opening')
      throw new SshFormatError('an answer comes to no channel');
    if (message.kind === 'open-failure') {
      channel.use?.end({ state: 'error', message: message.text, code: `open-${message.reason}` });
      channels.remove(channel);
      outbox.push(Buffer.from(payload), true);
      return;
    }
    if (!channels.addByTarget(channel, message.sender))
      throw new SshFormatError('a channel’s number is in use already');
    channel.state = 'open';
    channel.targetPacketBytes = message.packetBytesMax;
    if (channel.type !== 'session' || message.windowBytes < sshLimits.packetBytesMax)
      outbox.push(withinBounds(message, payload), false);
    else outbox.push(withReserve(message), false);
  }

  #onChannel(
    message: Of<
      'window-adjust' | 'data' | 'extended-data' | 'eof' | 'close' | 'success' | 'failure' | 'request'
    >,
    payload: Buffer,
  ): void {
    const { channels, outbox, output } = this.#parts;
    const channel = channels.ofClient(message.recipient);
    if (channel === undefined || channel.targetId === undefined || channel.closedByTarget)
      throw new SshFormatError('a message is for a channel that is not open');
    if (message.kind === 'close') return this.#close(channel, payload);
    // A refused channel is closing: its client has heard all that it will.
    if (channel.state === 'refused') return;
    switch (message.kind) {
      case 'data':
        return output.take(channel, 'stdout', message.data, payload);
      case 'extended-data':
        if (message.type !== stderrType) return;
        return output.take(channel, 'stderr', message.data, payload);
      case 'success':
      case 'failure':
        return this.#reply(channel, message.kind === 'success', payload);
      case 'request':
        return this.#request(channel, message, payload);
      case 'eof':
        output.release(channel);
        outbox.push(Buffer.from(payload), true);
        return;
      case 'window-adjust': {
        // What the target gives back of bytes that were ours, the client never spent.
        const own = Math.min(channel.borrowedBytes, message.bytes);
        channel.borrowedBytes -= own;
        if (own === 0) outbox.pass(payload);
        else if (own < message.bytes)
          outbox.push(writeMessage({ ...message, bytes: message.bytes - own }), false);
        return;
      }
    }
  }

  #reply(channel: Channel, success: boolean, payload: Buffer): void {
    const { outbox } = this.#parts;
    if (channel.replies[0] !== 'target') throw new SshFormatError('an answer comes to no question');
    channel.replies.shift();
    if (!success && channel.use !== undefined && !channel.use.ended && channel.exit === undefined)
      channel.failed = true;
    outbox.pass(payload);
    for (let next = channel.replies[0]; next !== undefined && next !== 'target'; next = channel.replies[0]) {
      outbox.push(next, true);
      channel.replies.shift();
    }
  }

  #request(channel: Channel, message: Of<'request'>, payload: Buffer): void {
    const exit = channel.type === 'session' ? readExit(message.name, message.data) : undefined;
    if (exit !== undefined) {
      channel.exit = exit;
      this.#parts.output.release(channel);
    }
    if (message.wantReply) {
      if (channel.owedToTarget >= sshLimits.owedMax)
        throw new SshFormatError('too many requests wait for answers');
      channel.owedToTarget += 1;
    }
    this.#parts.outbox.push(Buffer.from(payload), true);
  }

  #close(channel: Channel, payload: Buffer): void {
    const { channels, outbox, output } = this.#parts;
    output.release(channel);
    channel.closedByTarget = true;
    endChannel(this.#parts, channel, 'ok');
    outbox.push(Buffer.from(payload), true);
    if (channel.closedByClient) channels.remove(channel);
  }

  /** The target opens a channel: only for what the client was allowed to ask for. */
  #open(message: Of<'open'>, payload: Buffer): void {
    const { channels } = this.#parts;
    if (channels.ofTarget(message.sender) !== undefined)
      throw new SshFormatError('a channel’s number is in use already');
    if (!this.#wasAskedFor(message) || channels.size >= sshLimits.channelsMax) {
      this.#refuse(message.sender);
      return;
    }
    const channel = new Channel('target', message.type);
    channel.kind = 'forward';
    channel.targetPacketBytes = message.packetBytesMax;
    const kept = withinBounds(message, payload);
    channels.addByTarget(channel, message.sender);
    // What comes in by a forward that was allowed is a use of its own.
    judged(this.#parts.context, {
      ...withinSession(this.#parts.context, 'ssh:forward'),
      command: 'forwarded',
      text: message.type === 'forwarded-tcpip' ? placeText(message.data) : message.type,
      allowed: (_decision, _appended, use) => {
        channel.use = use;
        this.#parts.outbox.push(kept, true);
      },
      denied: () => this.#refuse(message.sender),
    });
  }

  #wasAskedFor({ type, data }: Of<'open'>): boolean {
    const { requests, allowed } = this.#parts;
    switch (type) {
      case 'forwarded-tcpip': {
        const { host, port } = readTcpip(data);
        return requests.find(host, port) !== undefined;
      }
      case 'forwarded-streamlocal@openssh.com':
        return requests.find(readStreamlocal(data), 0) !== undefined;
      case 'auth-agent@openssh.com':
        return allowed.has('agent');
      case 'x11':
        return allowed.has('x11');
      default:
        return false;
    }
  }

  #refuse(targetId: number): void {
    const reason = openFailures.prohibited;
    this.#parts.upstream.pass(
      writeMessage({ kind: 'open-failure', recipient: targetId, reason, text: 'not asked for' }),
    );
  }
}

/** The client is told of a little less room than there is: a question of ours never takes what it counts on. */
function withReserve(message: Of<'open-confirmation'>): Buffer {
  const { windowBytes, packetBytesMax } = message;
  return writeMessage({
    ...message,
    windowBytes: windowBytes - sshLimits.questionBytesMax,
    packetBytesMax: Math.min(packetBytesMax, sshLimits.packetBytesMax),
  });
}

function placeText(data: Buffer): string {
  const { host, port } = readTcpip(data);
  return `${host}:${port}`;
}

/** The outcome of what ran on a channel; `otherwise` where the target said nothing of it. */
export function endChannel(parts: Parts, channel: Channel, otherwise: 'ok' | 'interrupted'): void {
  const { use, exit } = channel;
  const masked = parts.output.forget(channel);
  channel.lines?.dispose();
  channel.files?.end();
  if (use === undefined || use.ended) return;
  use.maskedValues += masked;
  if (channel.kind === 'forward') {
    use.end({ state: otherwise, tag: `${channel.upBytes} bytes up, ${channel.downBytes} down` });
  } else if (channel.failed) {
    use.end({ state: 'error', message: 'the target refused to run it', code: 'refused' });
  } else if (exit === undefined) {
    use.end({ state: channel.kind === 'sftp' ? otherwise : 'interrupted' });
  } else if ('signal' in exit) {
    use.end({ state: 'error', tag: `signal ${exit.signal}`, code: `signal-${exit.signal}` });
  } else {
    const { status } = exit;
    use.end({
      state: status === 0 ? 'ok' : 'error',
      tag: `exit ${status}`,
      ...(status === 0 ? {} : { code: `exit-${status}` }),
    });
  }
}
