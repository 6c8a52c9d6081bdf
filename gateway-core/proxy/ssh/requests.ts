import { steersPrograms } from '../../codec/shell/environment.js';
import {
  type MessageOf,
  readEnvironment,
  readPtyRequest,
  readSingle,
  readStreamlocal,
  readTcpip,
  readWindowChange,
  writeMessage,
} from '../../codec/ssh/messages.js';
import { SshFormatError, sshBytes } from '../../codec/ssh/wire.js';
import type { CommandFacts } from '../../contract/ssh.js';
import { permitOf } from '../../policy/index.js';
import type { Channel } from './channel.js';
import { SftpWatch } from './files.js';
import { judgedPlace, unplaced } from './forbidden-hosts.js';
import { asked, judged, type Verdict, withinSession } from './judged.js';
import { sshLimits } from './limits.js';
import { TerminalLines } from './lines.js';
import type { Hold, Parts } from './parts.js';
import { refuseRequest, refuseUnknown } from './refuse.js';

type Request = MessageOf<'request'>;
type GlobalRequest = MessageOf<'global-request'>;

const terminalSidesMax = 10_000;
/** Requests on a running channel that begin nothing: signals, flow control, keep-alives. */
const harmless = new Set(['signal', 'break', 'xon-xoff', 'eow@openssh.com', 'keepalive@openssh.com']);

/** What the client asks for: judged where it makes the target do something. */
export class Requests {
  readonly #parts: Parts;
  readonly #hold: Hold;

  constructor(parts: Parts, hold: Hold) {
    this.#parts = parts;
    this.#hold = hold;
  }

  onChannel(channel: Channel, message: Request, payload: Buffer): void {
    if (channel.type !== 'session') {
      if (harmless.has(message.name)) this.#pass(channel, message, payload);
      else refuseUnknown(this.#parts, channel, message.wantReply);
      return;
    }
    switch (message.name) {
      case 'pty-req':
        return this.#pty(channel, message, payload);
      case 'window-change':
        return this.#resize(channel, message, payload);
      case 'env':
        return this.#environment(channel, message, payload);
      case 'shell':
      case 'exec':
      case 'subsystem':
        return this.#start(channel, message, payload);
      case 'auth-agent-req@openssh.com':
        return this.#forward(channel, message, payload, 'agent');
      case 'x11-req':
        return this.#forward(channel, message, payload, 'x11');
      default:
        if (harmless.has(message.name)) return this.#pass(channel, message, payload);
        return refuseUnknown(this.#parts, channel, message.wantReply);
    }
  }

  /** What a client sends into a channel. */
  data(channel: Channel, data: Buffer, payload: Buffer): void {
    if (channel.kind === 'none') throw new SshFormatError('data comes before anything runs');
    if (channel.files !== undefined) channel.files.fromClient(data);
    else if (channel.lines !== undefined) channel.lines.input(data);
    else this.#parts.upstream.pass(payload);
  }

  #pass(channel: Channel, message: Request, payload: Buffer): void {
    if (message.wantReply) channel.replies.push('target');
    this.#parts.upstream.pass(payload);
  }

  #pty(channel: Channel, message: Request, payload: Buffer): void {
    if (channel.kind !== 'none' || channel.pty !== undefined) {
      refuseUnknown(this.#parts, channel, message.wantReply);
      return;
    }
    const { columns, rows } = readPtyRequest(message.data);
    channel.pty = bounded(columns, rows);
    this.#pass(channel, message, payload);
  }

  #resize(channel: Channel, message: Request, payload: Buffer): void {
    const { columns, rows } = readWindowChange(message.data);
    if (channel.pty !== undefined) {
      channel.pty = bounded(columns, rows);
      channel.lines?.resize(channel.pty);
      keepSize(channel);
    }
    this.#pass(channel, message, payload);
  }

  #environment(channel: Channel, message: Request, payload: Buffer): void {
    const { name, value } = readEnvironment(message.data);
    const isOurs = name.toUpperCase().startsWith('THROUGHLINE');
    if (isOurs || channel.kind !== 'none' || channel.environment.length >= sshLimits.environmentMax) {
      refuseUnknown(this.#parts, channel, message.wantReply);
      return;
    }
    if (steersPrograms(name, true, value.toString('utf8'))) channel.environment.push(name);
    this.#pass(channel, message, payload);
  }

  #start(channel: Channel, message: Request, payload: Buffer): void {
    if (channel.kind !== 'none') {
      refuseUnknown(this.#parts, channel, message.wantReply);
      return;
    }
    const kept = Buffer.from(payload);
    const start = this.#startOf(channel, message);
    channel.kind = start.kind;
    this.#hold((done) =>
      judged(this.#parts.context, {
        ...start,
        allowed: (decision, appended, use) => {
          channel.use = use;
          keepSize(channel);
          if (channel.kind === 'sftp') channel.files = new SftpWatch(this.#parts, channel, this.#hold);
          else if (channel.pty !== undefined)
            channel.lines = new TerminalLines(this.#parts, channel, channel.pty, this.#hold);
          for (const variable of this.#identity(channel)) this.#parts.upstream.pass(variable);
          if (message.wantReply) channel.replies.push('target');
          this.#parts.upstream.begin(kept, permitOf(decision), appended);
          done();
        },
        denied: (line) => {
          refuseRequest(this.#parts, channel, message.wantReply, line);
          done();
        },
      }),
    );
  }

  #startOf(
    channel: Channel,
    message: Request,
  ): Verdict & {
    readonly kind: Channel['kind'];
    readonly command: string;
    readonly text: string;
    readonly forbidden?: string | undefined;
  } {
    const { context } = this.#parts;
    if (message.name === 'shell') {
      return {
        ...asked(context, { action: 'ssh:shell', command: undefined }),
        kind: 'shell',
        command: 'shell',
        text: 'shell',
        // No screen shows what it is told to run.
        forbidden:
          channel.pty === undefined && context.judge.judgesLines()
            ? 'a policy looks at each line of a shell here, and one without a terminal shows none: give it a terminal, or run the command by its name'
            : undefined,
      };
    }
    const bytes = readSingle(message.data);
    const text = bytes.toString('utf8');
    if (message.name === 'subsystem') {
      if (text === 'sftp') {
        return {
          // Each of its operations is judged by itself.
          ...withinSession(context, 'ssh:sftp'),
          kind: 'sftp',
          command: 'sftp',
          text: 'sftp',
          // LD_PRELOAD would make a program of what files may do. A locale does not.
          forbidden: channel.environment.every((name) => /^(LANG|LC_)/.test(name))
            ? undefined
            : `${channel.environment.join(' ').slice(0, 100)} cannot be set for file transfers`,
        };
      }
      const command: CommandFacts = {
        ...unknownProgram,
        programs: [`subsystem:${text.slice(0, 100)}`],
        unknown: channel.environment.length === 0 ? ['remote'] : ['remote', 'environment'],
      };
      return {
        ...asked(context, { action: 'ssh:exec', command }),
        kind: 'exec',
        command: 'subsystem',
        text,
      };
    }
    const forbidden =
      bytes.length > sshLimits.commandBytesMax
        ? 'the command is longer than what is looked at'
        : bytes.includes(0) || !Buffer.from(text).equals(bytes)
          ? 'the command is not text'
          : undefined;
    const { command, transfer } = context.judge.commandOf(text, channel.environment);
    return {
      ...asked(context, { action: 'ssh:exec', command }),
      kind: transfer && channel.pty === undefined ? 'transfer' : 'exec',
      command: 'exec',
      text,
      forbidden,
    };
  }

  /** Where the target takes it (AcceptEnv), its own log can name the person. */
  #identity({ targetId }: Channel): Buffer[] {
    const { context } = this.#parts;
    if (targetId === undefined) return [];
    return Object.entries({ THROUGHLINE_PRINCIPAL: context.principal, THROUGHLINE_SESSION: context.id }).map(
      ([name, value]) =>
        writeMessage({
          kind: 'request',
          recipient: targetId,
          name: 'env',
          wantReply: false,
          data: sshBytes(name, value),
        }),
    );
  }

  #forward(channel: Channel, message: Request, payload: Buffer, direction: 'agent' | 'x11'): void {
    const kept = Buffer.from(payload);
    const { context, upstream } = this.#parts;
    this.#hold((done) =>
      judged(context, {
        ...asked(context, { action: 'ssh:forward', forward: { direction, host: '', port: 0 } }),
        command: `forward ${direction}`,
        text: direction,
        allowed: (decision, appended, use) => {
          this.#parts.allowed.add(direction);
          use.end({ state: 'ok' });
          if (message.wantReply) channel.replies.push('target');
          upstream.begin(kept, permitOf(decision), appended);
          done();
        },
        denied: () => {
          refuseUnknown(this.#parts, channel, message.wantReply);
          done();
        },
      }),
    );
  }

  global(message: GlobalRequest, payload: Buffer): void {
    const { requests, upstream } = this.#parts;
    if (requests.waiting >= sshLimits.owedMax) throw new SshFormatError('too many requests wait for answers');
    switch (message.name) {
      case 'tcpip-forward':
      case 'streamlocal-forward@openssh.com':
        return this.#listen(message, payload);
      case 'cancel-tcpip-forward':
      case 'cancel-streamlocal-forward@openssh.com': {
        const { host, port } = listenerOf(message);
        requests.remove(host, port)?.use.end({ state: 'ok' });
        if (message.wantReply) requests.handedOn();
        return upstream.pass(payload);
      }
      case 'keepalive@openssh.com':
      case 'no-more-sessions@openssh.com':
        if (message.wantReply) requests.handedOn();
        return upstream.pass(payload);
      default:
        return this.#refuseGlobal(message);
    }
  }

  #listen(message: GlobalRequest, payload: Buffer): void {
    const place = listenerOf(message);
    const seen = judgedPlace(place, message.name.includes('streamlocal'));
    const kept = Buffer.from(payload);
    const { context, requests, upstream } = this.#parts;
    this.#hold((done) =>
      judged(context, {
        ...asked(context, { action: 'ssh:forward', forward: { direction: 'remote', ...(seen ?? place) } }),
        command: 'forward remote',
        forbidden: seen === undefined ? unplaced : undefined,
        text: place.port === 0 && place.host.startsWith('/') ? place.host : `${place.host}:${place.port}`,
        allowed: (decision, appended, use) => {
          const listening = { ...place, use };
          if (message.wantReply) requests.handedOn(listening);
          else requests.add(listening);
          upstream.begin(kept, permitOf(decision), appended);
          done();
        },
        denied: () => {
          this.#refuseGlobal(message);
          done();
        },
      }),
    );
  }

  #refuseGlobal(message: GlobalRequest): void {
    if (!message.wantReply) return;
    for (const ready of this.#parts.requests.own(writeMessage({ kind: 'request-failure' })))
      this.#parts.outbox.push(ready, true);
  }
}

const unknownProgram: Omit<CommandFacts, 'unknown'> = {
  programs: [],
  paths: [],
  writes: [],
  writesUnknown: false,
  elevated: false,
};

function listenerOf({ name, data }: GlobalRequest): { readonly host: string; readonly port: number } {
  if (name.includes('streamlocal')) return { host: readStreamlocal(data), port: 0 };
  return readTcpip(data);
}

function bounded(columns: number, rows: number): { columns: number; rows: number } {
  return { columns: Math.min(columns, terminalSidesMax), rows: Math.min(rows, terminalSidesMax) };
}

/** The terminal's size, from here on, into the record. RFC 4254 6.2: a size of zero says nothing; programs take a VT100's. */
function keepSize({ use, pty }: Channel): void {
  if (use !== undefined && pty !== undefined)
    use.keep('terminal-size', Buffer.from(`${pty.columns || 80}x${pty.rows || 24}`), true);
}
