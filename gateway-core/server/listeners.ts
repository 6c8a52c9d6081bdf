import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { paths, upgradeProtocol } from '../contract/api.js';
import { lineageHeader, tokensHeader } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { saltHeader, sessionHeader, spoolHeader } from '../contract/local-record.js';
import type { Identity } from '../identity/index.js';
import type { ServerCertificate } from './certificates.js';
import { isLoopback } from './config.js';
import type { ApiBindings } from './http-body.js';
import { asThroughlineError, refuseUpgrade } from './http-problems.js';
import type { GatewayRecorder } from './recorder.js';
import type { SessionServer } from './sessions.js';

const headersTimeoutMs = 15_000;
const requestTimeoutMs = 60_000;
const headerBytesMax = 16 * 1024;
/** Sockets at once, streams included; past it new ones are closed at accept. */
const socketsMax = 10_000;

export interface Listener {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface ApiListenerInput {
  readonly host: string;
  readonly port: number;
  readonly certificate: ServerCertificate;
  readonly app: () => {
    fetch(request: Request, bindings: ApiBindings): Response | Promise<Response>;
  };
  readonly identity: () => Identity;
  readonly sessions: () => SessionServer;
  readonly recorder: GatewayRecorder;
}

/** The HTTPS listener: API requests, and upgrades to raw streams. TLS 1.2 and later, HTTP/1.1. */
export async function listenApi(input: ApiListenerInput): Promise<Listener> {
  const server = createHttpsServer({
    cert: input.certificate.certificatePem,
    key: input.certificate.keyPem,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    noDelay: true,
  });
  server.maxConnections = socketsMax;
  const handle = getRequestListener((request, environment) => {
    const remoteAddress =
      ('incoming' in environment ? environment.incoming.socket.remoteAddress : undefined) ?? '';
    const drop = (): void => {
      if ('outgoing' in environment && !environment.outgoing.writableFinished) environment.outgoing.destroy();
    };
    return input.app().fetch(request, { remoteAddress, drop });
  });
  server.on('request', (request, response) => {
    handle(request, response).catch((error: unknown) => {
      input.recorder.complain('a request broke', error);
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined);
    upgrade(input, request, socket, head).catch((error: unknown) => {
      input.recorder.complain('an upgrade broke', error);
      socket.destroy();
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    else socket.destroy();
  });
  return listen(server, input.host, input.port);
}

const streamPath = new RegExp(`^${paths.stream('NAME').replace('NAME', '([^/?#]{1,200})')}$`);

async function upgrade(
  input: ApiListenerInput,
  request: {
    method?: string;
    url?: string;
    headers: Record<string, string | string[] | undefined>;
    socket: Socket;
  },
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const header = (name: string) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  };
  const match = streamPath.exec(request.url ?? '');
  if (match === null || request.method !== 'GET' || header('upgrade')?.toLowerCase() !== upgradeProtocol) {
    refuseUpgrade(socket, new ThroughlineError('not-found', 'there is no such stream'));
    return;
  }
  const result = await input.identity().authenticate({
    method: 'GET',
    url: request.url ?? '',
    authorization: header('authorization'),
    dpop: header('dpop'),
    remoteAddress: request.socket.remoteAddress ?? '',
    lineage: header(lineageHeader),
    tokens: header(tokensHeader),
    use: 'stream',
  });
  if (!result.ok) {
    refuseUpgrade(socket, result.error, result.dpopNonce);
    return;
  }
  const sessions = input.sessions();
  let admission: ReturnType<SessionServer['admit']>;
  try {
    admission = sessions.admit(result.actor, nameOf(match[1] ?? ''), segmentOf(header(spoolHeader)));
  } catch (error) {
    const known = asThroughlineError(error);
    await input.recorder.record({
      kind: 'session.refused',
      connection: nameOf(match[1] ?? '').slice(0, 63),
      chain: result.actor.chain,
      code: known.code,
      reason: known.message,
    });
    refuseUpgrade(socket, known, result.dpopNonce);
    return;
  }
  if (head.length > 0) socket.unshift(head);
  const { id, desktop } = admission;
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'connection: Upgrade',
    `upgrade: ${upgradeProtocol}`,
    `dpop-nonce: ${result.dpopNonce}`,
    `${sessionHeader}: ${id}`,
    ...(desktop === undefined ? [] : [`${saltHeader}: ${Buffer.from(desktop.salt).toString('hex')}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await sessions.serveStream(socket, result.actor, admission, result.lineage);
}

/** The desktop's word that it records, and where. Throws `invalid-request`. */
function segmentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const segment = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(segment)) return segment;
  throw new ThroughlineError('invalid-request', `${spoolHeader} is the number of a segment`);
}

function nameOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return '';
  }
}

/** A native listener of one protocol: standard clients, with a handle. */
export async function listenNative(input: {
  host: string;
  port: number;
  serve: (socket: Socket, isLoopback: boolean) => Promise<void>;
  recorder: GatewayRecorder;
}): Promise<Listener> {
  const server = createTcpServer({ noDelay: true, keepAlive: true, allowHalfOpen: true });
  server.maxConnections = socketsMax;
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    input.serve(socket, isLoopback(socket.remoteAddress ?? '')).catch((error: unknown) => {
      input.recorder.complain('a native session broke', error);
      socket.destroy();
    });
  });
  return listen(server, input.host, input.port);
}

function listen(server: Server, host: string, port: number): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new ThroughlineError('conflict', `cannot listen on ${host}:${port} (${error.code ?? 'error'})`, {
          action:
            error.code === 'EADDRINUSE'
              ? 'another program has the port: choose another, or port 0'
              : 'choose another address',
        }),
      );
    });
    server.listen(port, host, () => {
      server.on('error', () => undefined);
      const address = server.address() as AddressInfo;
      resolve({
        host,
        port: address.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}
