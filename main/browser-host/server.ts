import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import type { PeerLookUp } from '../../gateway-core/agent/tunnel/peer.js';
import type { Dispatcher } from '../ipc/dispatcher.js';
import type { RendererFiles } from '../renderer-files/files.js';
import { bridgeSockets } from './bridge.js';
import { fromOwnPage, httpLimits, isPersons, namesHost, type Site, serveRequest } from './http.js';
import type { Keys } from './keys.js';
import { listenOnLoopback } from './listener.js';

export interface BrowserServerOptions {
  readonly files: RendererFiles;
  readonly keys: Keys;
  readonly dispatcher: Dispatcher;
  /** Wished for; 0 or a port that is taken: any. */
  readonly port: number;
  readonly opened: Site['opened'];
  readonly reopen: Site['reopen'];
  readonly agentBehind?: Site['agentBehind'];
  readonly report: (line: string) => void;
  readonly lookUp?: PeerLookUp;
}

export interface BrowserServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves the renderer and its bridge to browsers of this user on this machine. */
export async function startBrowserServer(options: BrowserServerOptions): Promise<BrowserServer> {
  const http = createServer({
    maxHeaderSize: httpLimits.headerBytesMax,
    headersTimeout: httpLimits.headersTimeoutMs,
    requestTimeout: httpLimits.requestTimeoutMs,
    keepAliveTimeout: httpLimits.keepAliveTimeoutMs,
    connectionsCheckingInterval: httpLimits.checkIntervalMs,
  });
  const listener = await listenOnLoopback({
    port: options.port,
    lookUp: options.lookUp,
    report: options.report,
    serve: (socket) => http.emit('connection', socket),
  });
  const host = `127.0.0.1:${listener.port}`;
  const site: Site = { ...options, host, origin: `http://${host}` };
  const bridge = bridgeSockets(options.dispatcher, options.keys);
  http.on('request', (request, response) => serveRequest(site, request, response));
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined);
    if (!namesHost(site, request)) return refuse(socket, '421 Misdirected Request');
    if (!fromOwnPage(site, request)) return refuse(socket, '403 Forbidden');
    if (request.url !== '/bridge') return refuse(socket, '404 Not Found');
    isPersons(site, request).then(
      (persons) => (persons ? bridge.upgrade(request, socket, head) : refuse(socket, '403 Forbidden')),
      () => socket.destroy(),
    );
  });
  // It never listens by itself, and Node begins to look for overdue requests when a server does.
  http.emit('listening');
  http.on('clientError', (cause: NodeJS.ErrnoException, socket) =>
    refuse(socket, brokenRequests[cause.code ?? ''] ?? '400 Bad Request'),
  );
  return {
    port: listener.port,
    origin: site.origin,
    close: async () => {
      bridge.close();
      await listener.close();
      http.close();
    },
  };
}

const brokenRequests: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

function refuse(socket: Duplex, status: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}
