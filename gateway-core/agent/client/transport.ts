import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { upgradeProtocol } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { clientLimits } from './limits.js';
import { bareHost, fingerprintOf, type Trust, unreachable } from './trust.js';

/** One HTTP request. `path` starts with a slash and may hold a query. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type UpgradeAnswer =
  | {
      readonly kind: 'stream';
      readonly stream: Duplex;
      /** The stream's first bytes, where some came with the answer: to be put back by whoever reads it. */
      readonly head: Buffer;
      readonly message: IncomingMessage;
    }
  | { readonly kind: 'answer'; readonly message: IncomingMessage };

/** HTTPS to one gateway. Redirects are not followed: no request of ours has a reason to be sent elsewhere. */
export interface Transport {
  readonly origin: string;
  /** The answer's head; its body is read, or destroyed, by the caller. @throws ThroughlineError gateway-unreachable */
  send(call: Call): Promise<IncomingMessage>;
  /** `GET` with `Upgrade: throughline/1`. A 101 gives the raw stream, and its first bytes apart. */
  upgrade(path: string, headers: Call['headers']): Promise<UpgradeAnswer>;
  close(): void;
}

export function createTransport(origin: string, trust: Trust): Transport {
  // A stream has a connection of its own, half-closable: one side of a protocol may end before the other.
  const calls = createAgent(trust, { keepAlive: true });
  const streams = createAgent(trust, { keepAlive: false, allowHalfOpen: true });
  return {
    origin,
    send: (call) => send(origin, calls, call),
    upgrade: (path, headers) => upgrade(origin, streams, path, headers),
    close: () => {
      calls.destroy();
      streams.destroy();
    },
  };
}

type AgentSettings = { keepAlive: boolean; allowHalfOpen?: boolean };

function createAgent(trust: Trust, settings: AgentSettings): Agent {
  // `rejectUnauthorized` is always said: NODE_TLS_REJECT_UNAUTHORIZED=0 in an environment must not switch it off.
  switch (trust.kind) {
    case 'system':
      return new Agent({ ...settings, rejectUnauthorized: true });
    case 'ca':
      return new Agent({ ...settings, rejectUnauthorized: true, ca: trust.pem });
    case 'leaf':
      return new LeafAgent(trust.fingerprint, settings);
  }
}

/** Hands a connection out only after the peer proved the key of exactly the pinned certificate. */
class LeafAgent extends Agent {
  readonly #fingerprint: string;

  constructor(fingerprint: string, settings: AgentSettings) {
    super({ ...settings, maxCachedSessions: 0 });
    this.#fingerprint = fingerprint;
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    // No chain is verified: the fingerprint is the whole trust, and it is compared before a byte is sent.
    const socket = connect({ ...(options as ConnectionOptions), rejectUnauthorized: false });
    const fail = (error: Error): void => callback?.(error, socket);
    socket.once('error', fail);
    socket.setTimeout(clientLimits.requestIdleTimeoutMs, () =>
      socket.destroy(new Error('no answer in time')),
    );
    socket.once('secureConnect', () => {
      socket.off('error', fail);
      socket.setTimeout(0);
      const error = this.#mismatch(socket);
      if (error === undefined) return callback?.(null, socket);
      socket.destroy();
      callback?.(error, socket);
    });
    return undefined;
  }

  #mismatch(socket: TLSSocket): Error | undefined {
    const { raw } = socket.getPeerCertificate();
    if (raw !== undefined && fingerprintOf(new X509Certificate(raw)) === this.#fingerprint) return undefined;
    return Object.assign(new Error('the certificate is not the pinned one'), { code: 'CERT_NOT_PINNED' });
  }
}

function requestOptions(origin: string, agent: Agent, call: Call): RequestOptions {
  const url = new URL(call.path, origin);
  // INVARIANT: a path never leads to another host than the one that was asked for.
  if (url.origin !== origin) throw new Error('a path left its gateway');
  return {
    agent,
    protocol: url.protocol,
    hostname: bareHost(url),
    port: url.port || 443,
    method: call.method,
    path: `${url.pathname}${url.search}`,
    headers: { 'user-agent': 'throughline', ...call.headers },
    timeout: clientLimits.requestIdleTimeoutMs,
  };
}

function send(origin: string, agent: Agent, call: Call): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request(requestOptions(origin, agent, call), (message) => {
      // From here on the time runs only while somebody waits for more: see chunksOf.
      outgoing.setTimeout(0);
      resolve(message);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => reject(unreachable(origin, error)));
    outgoing.end(call.body);
  });
}

function upgrade(
  origin: string,
  agent: Agent,
  path: string,
  headers: Call['headers'],
): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const call: Call = {
      method: 'GET',
      path,
      headers: { ...headers, connection: 'Upgrade', upgrade: upgradeProtocol },
    };
    const outgoing = request(requestOptions(origin, agent, call), (message) =>
      resolve({ kind: 'answer', message }),
    );
    outgoing.on('upgrade', (message, stream, head) => {
      stream.setTimeout(0);
      stream.setNoDelay(true);
      stream.setKeepAlive(true, clientLimits.requestIdleTimeoutMs);
      if (message.headers.upgrade !== upgradeProtocol) {
        stream.destroy();
        return reject(notOurs(origin));
      }
      resolve({ kind: 'stream', stream, head, message });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => reject(unreachable(origin, error)));
    outgoing.end();
  });
}

export function notOurs(origin: string): ThroughlineError {
  return new ThroughlineError(
    'gateway-unreachable',
    `what answers at ${origin} is not a Throughline gateway`,
    {
      action: 'check the address and port',
      fields: { gateway: origin },
    },
  );
}
