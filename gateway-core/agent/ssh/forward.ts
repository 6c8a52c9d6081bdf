import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ClientChannel, TcpConnectionDetails } from 'ssh2';
import type { ForwardView, ForwardWanted } from '../../contract/bridge/ssh.js';
import { ThroughlineError } from '../../contract/errors.js';
import { lookUpPeer, type PeerLookUp } from '../tunnel/peer.js';
import { connectSsh, lost, type SshConnection } from './client.js';
import { newKey } from './keys.js';
import { sshLimits } from './limits.js';
import type { SshEngineOptions } from './options.js';
import { channelRefusal, problemOf } from './reasons.js';

const loopback = '127.0.0.1';

/**
 * One forward with an SSH connection of its own.
 * INVARIANT: no byte of a socket that is accepted here is read before its other end is known to belong to the user who
 * runs this; where the platform cannot tell, no local forward opens.
 */
export class Forward {
  readonly id = newKey('fwd');
  readonly #options: SshEngineOptions;
  readonly #wanted: ForwardWanted;
  readonly #changed: () => void;
  readonly #sockets = new Set<Socket>();
  #view: ForwardView;
  #ssh: SshConnection | undefined;
  #server: Server | undefined;
  #closed = false;

  constructor(connection: string, wanted: ForwardWanted, options: SshEngineOptions, changed: () => void) {
    this.#options = options;
    this.#wanted = wanted;
    this.#changed = changed;
    const { direction, host, port } = wanted;
    this.#view = {
      id: this.id,
      connection,
      direction,
      host,
      port,
      listenPort: 0,
      state: 'opening',
      sockets: 0,
      accepted: 0,
      refused: 0,
      bytesUp: 0,
      bytesDown: 0,
    };
  }

  view(): ForwardView {
    return { ...this.#view, sockets: this.#sockets.size };
  }

  /** @throws ThroughlineError */
  async open(): Promise<void> {
    this.#become({});
    try {
      const options = this.#options;
      const stream = await options.openStream(this.#view.connection);
      const session = options.sessionOf(stream);
      const ssh = await connectSsh(stream, { user: this.#view.connection, hostKeys: options.hostKeys() });
      this.#ssh = ssh;
      ssh.onEnd = (reason) => this.#fail(reason ?? lost());
      const listenPort = this.#wanted.direction === 'local' ? await this.#listen() : await this.#ask(ssh);
      if (this.#closed) throw lost();
      this.#become({ state: 'open', listenPort, ...(session === undefined ? {} : { session }) });
    } catch (cause) {
      this.#fail(cause);
      throw cause;
    }
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  #end(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#ssh?.close();
  }

  #fail(cause: unknown): void {
    if (this.#closed || this.#view.state === 'failed') return;
    this.#become({ state: 'failed', listenPort: 0, error: problemOf(cause) });
    this.#end();
  }

  #become(change: Partial<ForwardView>): void {
    this.#view = { ...this.#view, ...change };
    if (!this.#closed) this.#changed();
  }

  // A port here, which the target dials for

  async #listen(): Promise<number> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      void this.#serve(socket);
    });
    this.#server = server;
    const { listenPort } = this.#wanted;
    server.listen({ host: loopback, port: listenPort });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new ThroughlineError('conflict', `port ${listenPort} on this machine cannot be used`, {
        action: 'choose another one, or 0 for any',
        cause,
      });
    }
    server.on('error', () => undefined);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
    return address.port;
  }

  async #serve(socket: Socket): Promise<void> {
    if (!(await this.#isOwn(socket)) || this.#sockets.size >= sshLimits.forwardSocketsMax) {
      socket.resetAndDestroy();
      return this.#become({ refused: this.#view.refused + 1 });
    }
    this.#hold(socket);
    try {
      const channel = await this.#dial(socket);
      if (socket.destroyed) channel.close();
      else this.#join(socket, channel, 'out');
    } catch (cause) {
      socket.resetAndDestroy();
      this.#become({ error: problemOf(cause) });
    }
  }

  async #isOwn(socket: Socket): Promise<boolean> {
    const lookUp: PeerLookUp = this.#options.lookUp ?? lookUpPeer;
    const peer = await lookUp(socket).catch(() => ({ kind: 'unknown' }) as const);
    if (peer.kind === 'user') return peer.uid === process.geteuid?.();
    if (peer.kind === 'unsupported') {
      this.#fail(
        new ThroughlineError('denied', 'this platform does not tell whose a socket is, so nobody is let in'),
      );
    }
    return false;
  }

  #dial(socket: Socket): Promise<ClientChannel> {
    const { host, port } = this.#wanted;
    return new Promise((resolve, reject) => {
      const ssh = this.#ssh;
      if (ssh === undefined || ssh.ended) return reject(lost());
      ssh.client.forwardOut(loopback, socket.remotePort ?? 0, host, port, (error, channel) => {
        if (error === undefined) resolve(channel);
        else reject(channelRefusal(error));
      });
      socket.once('close', () => reject(lost()));
    });
  }

  // A port there, which is dialled from here

  #ask(ssh: SshConnection): Promise<number> {
    const { listenPort } = this.#wanted;
    ssh.client.on('tcp connection', (from, accept, reject) => this.#accept(from, accept, reject));
    return new Promise((resolve, reject) => {
      ssh.client.once('close', () => reject(lost()));
      ssh.client.forwardIn(loopback, listenPort, (error, port) => {
        if (error === undefined) resolve(listenPort === 0 ? port : listenPort);
        else reject(channelRefusal(error));
      });
    });
  }

  #accept(from: TcpConnectionDetails, accept: () => ClientChannel, reject: () => void): void {
    const { host, port } = this.#wanted;
    // The target may only use what was asked of it.
    if (from.destPort !== this.#view.listenPort || this.#sockets.size >= sshLimits.forwardSocketsMax) {
      reject();
      return this.#become({ refused: this.#view.refused + 1 });
    }
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    this.#hold(socket);
    let joined = false;
    socket.on('error', () => {
      if (joined) return;
      joined = true;
      reject();
      const message = `nothing answers at ${host}:${port} on this side`;
      this.#become({ error: { code: 'target-unreachable', message } });
    });
    // Nothing is sent on a channel that is not open yet, so nothing is lost by opening it late.
    socket.once('connect', () => {
      joined = true;
      this.#join(socket, accept(), 'in');
    });
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    this.#become({ accepted: this.#view.accepted + 1 });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#become({});
    });
  }

  /** Bytes both ways, with half-close and back-pressure; when one side breaks, so does the other. */
  #join(socket: Socket, channel: ClientChannel, direction: 'out' | 'in'): void {
    const count = (key: 'bytesUp' | 'bytesDown') => (bytes: Buffer) =>
      this.#become({ [key]: this.#view[key] + bytes.length });
    socket.on('data', count('bytesUp'));
    channel.on('data', count('bytesDown'));
    channel.on('error', () => undefined);
    channel.once('close', () => linger(socket));
    socket.once('close', () => leave(socket, channel));
    socket.pipe(channel);
    channel.pipe(socket);
    if (direction === 'out') socket.resume();
  }
}

/** The socket is over. What it said to its end still goes out, as the other side's window lets it. */
function leave(socket: Socket, channel: ClientChannel): void {
  if (socket.readableEnded && !channel.writableFinished && !channel.destroyed)
    channel.once('finish', () => channel.close());
  else channel.close();
}

/** What was sent last still reaches who takes it. */
function linger(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), sshLimits.lingerTimeoutMs);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
  socket.destroySoon();
}
