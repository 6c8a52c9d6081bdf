import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { FromRenderer, type ToRenderer, wireLimits } from '../../gateway-core/contract/bridge/wire.js';
import type { Dispatcher, WindowLink } from '../ipc/dispatcher.js';
import type { Keys } from './keys.js';

export const bridgeLimits = {
  /** Tabs at once, those included that did not say hello yet. */
  socketsMax: 64,
  /** Of the handshake and the hello together: a key is short. */
  helloBytesMax: 8 * 1024,
  pingIntervalMs: 20_000,
  /** Bytes that a tab did not take yet: past it events are dropped, and `resync` is told when it caught up. */
  waitingBytesMax: 32 * 1024 * 1024,
  /** Past it the tab is cut off. It connects again and reads what is there then. */
  waitingBytesEnd: 256 * 1024 * 1024,
} as const;

/** Close codes that the page knows (RFC 6455 7.4.2: 4000 to 4999 are the application's). */
export const closeCodes = { violation: 4400, keyUnknown: 4403, noHello: 4408, tooSlow: 4413 } as const;

export interface BridgeSockets {
  /** Takes over a socket whose Host, Origin and path were found right. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

/** The typed bridge over WebSockets: `hello` with the key first, then calls. One JSON text each message. */
export function bridgeSockets(dispatcher: Dispatcher, keys: Keys): BridgeSockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: wireLimits.messageBytesMax,
    perMessageDeflate: false,
  });
  const alive = new WeakSet<WebSocket>();
  const pinging = setInterval(() => {
    for (const socket of server.clients) {
      if (alive.has(socket)) socket.ping();
      else socket.terminate();
      alive.delete(socket);
    }
  }, bridgeLimits.pingIntervalMs);
  pinging.unref();
  return {
    upgrade: (request, socket, head) => {
      if (server.clients.size >= bridgeLimits.socketsMax) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, socket, head, (opened) => {
        alive.add(opened);
        opened.on('pong', () => alive.add(opened));
        // Frames that break the protocol: `close` follows.
        opened.on('error', () => undefined);
        converse(opened, socket, dispatcher, keys);
      });
    },
    close: () => {
      clearInterval(pinging);
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

function converse(socket: WebSocket, raw: Duplex, dispatcher: Dispatcher, keys: Keys): void {
  let link: WindowLink | undefined;
  const late = setTimeout(() => socket.close(closeCodes.noHello), wireLimits.helloTimeoutMs);
  const stopCounting = boundHello(raw);
  socket.on('message', (data, isBinary) => {
    // Messages that were on their way when the socket was closed.
    if (socket.readyState !== socket.OPEN) return;
    const message = isBinary ? undefined : jsonOf(data);
    if (link !== undefined) {
      if (link.receive(message) === 'violation') socket.close(closeCodes.violation);
      return;
    }
    clearTimeout(late);
    const hello = FromRenderer.safeParse(message);
    if (!hello.success || hello.data.kind !== 'hello') return socket.close(closeCodes.violation);
    if (!keys.knows(hello.data.key)) return socket.close(closeCodes.keyUnknown);
    stopCounting();
    const send = sender(socket);
    send({ kind: 'welcome' });
    link = dispatcher.attach(send);
  });
  socket.once('close', () => {
    clearTimeout(late);
    link?.close();
  });
}

/** Before the hello nobody is known, so nothing large is taken in: `maxPayload` is for those who are. */
function boundHello(raw: Duplex): () => void {
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bridgeLimits.helloBytesMax) raw.destroy();
  };
  raw.prependListener('data', count);
  return () => raw.off('data', count);
}

/** Sends in order. A tab that does not read loses events first, then its socket; an answer is never dropped. */
function sender(socket: WebSocket): (message: ToRenderer) => void {
  let missed = false;
  const caughtUp = (): void => {
    if (!missed || socket.bufferedAmount > bridgeLimits.waitingBytesMax / 2) return;
    missed = false;
    send({ kind: 'event', name: 'resync', payload: {} });
  };
  const send = (message: ToRenderer): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > bridgeLimits.waitingBytesEnd) {
      socket.close(closeCodes.tooSlow);
      return socket.terminate();
    }
    if (message.kind === 'event' && socket.bufferedAmount > bridgeLimits.waitingBytesMax) {
      missed = true;
      return;
    }
    socket.send(JSON.stringify(message), caughtUp);
  };
  return send;
}

function jsonOf(data: RawData): unknown {
  try {
    // With the default binaryType a text message is one Buffer.
    return JSON.parse((data as Buffer).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
