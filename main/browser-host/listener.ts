import { once } from 'node:events';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import { lookUpPeer, type PeerLookUp } from '../../gateway-core/agent/tunnel/peer.js';

export const listenerLimits = {
  /** Sockets at once; past it new ones are closed at accept. A tab has seven at most. */
  socketsMax: 256,
  backlog: 128,
} as const;

export interface ListenerOptions {
  /** 0: any free port. A port that is taken: any other one. */
  readonly port: number;
  readonly serve: (socket: Socket) => void;
  readonly lookUp?: PeerLookUp | undefined;
  /** One line for the person: somebody else tried. */
  readonly report: (line: string) => void;
}

export interface LoopbackListener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1 and hands on the sockets whose other end belongs to this user.
 * INVARIANT: no byte of a socket is read before that is known. Where the platform has no look-up, what keeps others
 * out is the ticket alone.
 */
export async function listenOnLoopback(options: ListenerOptions): Promise<LoopbackListener> {
  const lookUp = options.lookUp ?? lookUpPeer;
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    void admit(socket, lookUp, options);
  });
  server.maxConnections = listenerLimits.socketsMax;
  await listen(server, options.port).catch(() => listen(server, 0));
  // EMFILE and the like: the socket is lost, the listener goes on.
  server.on('error', () => undefined);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return {
    port: address.port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function listen(server: TcpServer, port: number): Promise<void> {
  server.listen({ host: '127.0.0.1', port, backlog: listenerLimits.backlog });
  await once(server, 'listening');
}

async function admit(socket: Socket, lookUp: PeerLookUp, options: ListenerOptions): Promise<void> {
  const peer = await lookUp(socket).catch(() => ({ kind: 'unknown' }) as const);
  const own = peer.kind === 'unsupported' || (peer.kind === 'user' && peer.uid === process.geteuid?.());
  if (!own) {
    socket.resetAndDestroy();
    if (peer.kind === 'user')
      options.report(`refused a connection of another user of this machine (uid ${peer.uid})`);
    return;
  }
  if (socket.destroyed) return;
  options.serve(socket);
  // pauseOnConnect paused the handle.
  socket.resume();
}
