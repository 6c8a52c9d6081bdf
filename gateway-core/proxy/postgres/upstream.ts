import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import {
  noticeField,
  readAuthentication,
  readBackendKeyData,
  readNoticeFields,
  readParameterStatus,
  readReadyForQuery,
} from '../../codec/postgres/backend.js';
import { tlsServerEndPoint } from '../../codec/postgres/certificate.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { writePassword, writeSaslInitialResponse, writeSaslResponse } from '../../codec/postgres/frontend.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import { md5PasswordResponse } from '../../codec/postgres/password.js';
import { chooseScram, ScramClient } from '../../codec/postgres/scram-client.js';
import {
  buildCancelRequest,
  buildSslRequest,
  buildStartupMessage,
  readSslAnswer,
} from '../../codec/postgres/startup.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import type { Tls } from '../../contract/connection.js';
import { ThroughlineError } from '../../contract/errors.js';
import { dialSocket, unreachable } from '../dial.js';
import { StreamReader, writeAll } from './stream-reader.js';

/** A target as the gateway reaches it. */
export interface Target {
  /** As in contract/connection.ts; asked at each dial, since a demo's target starts only then. */
  readonly address: () => Promise<string>;
  readonly database: string | undefined;
  readonly tls: Tls;
  readonly authentication: 'scram' | 'password' | 'trust';
  readonly credential: () => Promise<{ user: string; password: string | undefined }>;
}

/** A session with the target, signed in and idle. Bytes that came behind ReadyForQuery are still in the stream. */
export interface Upstream {
  readonly stream: Socket | TLSSocket;
  readonly processId: number;
  readonly secretKey: Uint8Array;
  readonly parameters: ReadonlyMap<string, string>;
  readonly serverVersion: string;
}

const messageBytesMax = 256 * 1024;
const dialTimeoutMs = 15_000;

/** What a target's start-up must report for our reading of SQL to be the server's. Facts: standard_conforming_strings. */
const pins: Readonly<Record<string, RegExp>> = {
  standard_conforming_strings: /^on$/,
  client_encoding: /^utf8$/i,
};

/** Parameters that only the gateway tells: a target that sends one would speak in its name. */
export function isOurParameter(name: string): boolean {
  return name.toLowerCase().startsWith('throughline.');
}

/** True when a reported setting says that text means something else than we judge it to mean. */
export function breaksPin(name: string, value: string): boolean {
  const pin = pins[name.toLowerCase()];
  return pin !== undefined && !pin.test(value);
}

/**
 * Dials the target, secures the connection as the connection asks, signs in with the held credential.
 * Errors: ThroughlineError target-unreachable, target-refused; texts from the target are kept out of the message but
 * for its SQLSTATE, since nobody has authenticated them.
 */
export async function connectUpstream(
  target: Target,
  settings: Iterable<readonly [string, string]>,
  signal: AbortSignal,
): Promise<Upstream> {
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)]);
  const { stream, binding } = await dial(target, timeout);
  try {
    return await signIn(stream, binding, target, settings, timeout);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** Sends a CancelRequest; resolves when the target has closed, that is when the signal was sent, or it took too long. */
export async function cancelUpstream(target: Target, upstream: Upstream): Promise<void> {
  const signal = AbortSignal.timeout(dialTimeoutMs);
  const { stream } = await dial(target, signal);
  await writeAll(stream, buildCancelRequest(upstream.processId, upstream.secretKey));
  const reader = new StreamReader(stream);
  while ((await reader.read(signal)) !== undefined);
  stream.destroy();
}

async function dial(
  target: Target,
  signal: AbortSignal,
): Promise<{ stream: Socket | TLSSocket; binding: Uint8Array | undefined }> {
  const address = await target.address();
  const socket = await dialSocket(endpointOf(address), signal);
  const tls = typeof target.tls === 'string' ? { mode: target.tls } : target.tls;
  if (tls.mode === 'off') return { stream: socket, binding: undefined };
  try {
    await writeAll(socket, buildSslRequest());
    const answer = await new StreamReader(socket).read(signal);
    if (answer === undefined) throw unreachable('the target left during start-up');
    const read = readSslAnswer(answer);
    if (read.kind !== 'accepted') {
      throw new ThroughlineError(
        'target-refused',
        'the target does not offer TLS, which this connection requires',
        {
          action: 'turn TLS on at the target; tls: off only where the network is private',
        },
      );
    }
    return await secure(socket, address, tls, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** `host:port`, `[v6]:port`, or `/directory:port` for the unix socket `/directory/.s.PGSQL.port`. */
function endpointOf(address: string): { path: string } | { host: string; port: number } {
  const at = address.lastIndexOf(':');
  const port = at < 0 ? 5432 : Number(address.slice(at + 1));
  const host = at < 0 ? address : address.slice(0, at);
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || host === '') {
    throw new ThroughlineError('target-unreachable', 'the connection’s address is not HOST:PORT', {
      action: 'an admin has to correct the address',
    });
  }
  return host.startsWith('/')
    ? { path: `${host}/.s.PGSQL.${port}` }
    : { host: host.replaceAll(/^\[|\]$/g, ''), port };
}

function secure(
  socket: Socket,
  address: string,
  tls: Exclude<Tls, string>,
  signal: AbortSignal,
): Promise<{ stream: TLSSocket; binding: Uint8Array | undefined }> {
  const endpoint = endpointOf(address);
  const host = tls.serverName ?? ('host' in endpoint ? endpoint.host : 'localhost');
  return new Promise((resolve, reject) => {
    const stream = connectTls({
      socket,
      host,
      servername: /^[\d.]+$|:/.test(host) ? '' : host,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      // A pinned certificate is checked below, whatever signed it; `require` encrypts without knowing whom to.
      rejectUnauthorized: tls.mode === 'verify-full' && tls.fingerprint === undefined,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['postgresql'],
    });
    const fail = (error?: unknown) => {
      stream.destroy();
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time';
      reject(
        new ThroughlineError(
          'target-refused',
          `the target's certificate or TLS handshake was not accepted (${code})`,
          {
            action: 'an admin has to check tls (mode, ca, serverName, fingerprint) of the connection',
          },
        ),
      );
    };
    const abort = () => fail();
    signal.addEventListener('abort', abort, { once: true });
    stream.once('error', fail);
    stream.once('secureConnect', () => {
      signal.removeEventListener('abort', abort);
      stream.off('error', fail);
      stream.on('error', () => undefined);
      const certificate = stream.getPeerX509Certificate()?.raw;
      if (certificate === undefined) return fail();
      if (tls.fingerprint !== undefined) {
        const seen = createHash('sha256').update(certificate).digest();
        if (!timingSafeEqual(seen, Buffer.from(tls.fingerprint, 'hex'))) {
          return fail(Object.assign(new Error('pin'), { code: 'the certificate is not the pinned one' }));
        }
      }
      resolve({ stream, binding: tlsServerEndPoint(certificate) });
    });
  });
}

async function signIn(
  stream: Socket | TLSSocket,
  binding: Uint8Array | undefined,
  target: Target,
  settings: Iterable<readonly [string, string]>,
  signal: AbortSignal,
): Promise<Upstream> {
  const { user, password } = await target.credential();
  const parameters: (readonly [string, string])[] = [
    ['user', user],
    ...(target.database === undefined ? [] : [['database', target.database] as const]),
    ...settings,
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
  ];
  await writeAll(stream, buildStartupMessage(0, parameters));
  const login = new Login(stream, binding, target.authentication, user, password);
  const reader = new StreamReader(stream);
  const framer = new MessageFramer('backend', { messageBytesMax: () => messageBytesMax });
  for (;;) {
    const chunk = await reader.read(signal);
    if (chunk === undefined) throw unreachable('the target left during start-up');
    framer.push(chunk);
    for (let event = framer.next(); event !== 'more'; event = framer.next()) {
      if (event !== 'message') throw refused('the target’s start-up is not the PostgreSQL protocol');
      const done = await login.message(framer);
      if (done === undefined) continue;
      // Everything behind ReadyForQuery is the session's: an error by which the target leaves at once, for example.
      if (framer.end < chunk.length && framer.buffer === chunk) reader.unread(chunk.subarray(framer.end));
      return done;
    }
  }
}

/** The target's side of start-up, message by message. */
class Login {
  readonly #stream: Socket | TLSSocket;
  readonly #binding: Uint8Array | undefined;
  readonly #authentication: Target['authentication'];
  readonly #user: string;
  readonly #password: string | undefined;
  readonly #parameters = new Map<string, string>();
  #scram: ScramClient | undefined;
  #proved = false;
  #answered = false;
  #signedIn = false;
  #key: { processId: number; secretKey: Uint8Array } = { processId: 0, secretKey: new Uint8Array(4) };

  constructor(
    stream: Socket | TLSSocket,
    binding: Uint8Array | undefined,
    authentication: Target['authentication'],
    user: string,
    password: string | undefined,
  ) {
    this.#stream = stream;
    this.#binding = binding;
    this.#authentication = authentication;
    this.#user = user;
    this.#password = password;
  }

  async message(framer: MessageFramer): Promise<Upstream | undefined> {
    switch (framer.type) {
      case backendTypes.authentication:
        await this.#authenticate(framer);
        return undefined;
      case backendTypes.errorResponse: {
        const read = readNoticeFields(framer);
        const code = read.kind === 'malformed' ? 'unknown' : (noticeField(read.fields, 'C') ?? 'unknown');
        throw refused(`the target refused the session (SQLSTATE ${/^\w{5}$/.test(code) ? code : 'unknown'})`);
      }
      case backendTypes.noticeResponse:
        return undefined;
      case backendTypes.parameterStatus: {
        const read = readParameterStatus(framer);
        if (read.kind === 'malformed') throw refused('the target’s start-up is malformed');
        this.#parameters.set(read.name, read.value);
        return undefined;
      }
      case backendTypes.backendKeyData: {
        const read = readBackendKeyData(framer);
        if (read.kind === 'malformed') throw refused('the target’s start-up is malformed');
        this.#key = { processId: read.processId, secretKey: read.secretKey };
        return undefined;
      }
      case backendTypes.readyForQuery:
        return this.#ready(framer);
      default:
        throw refused('the target sent an unexpected message during start-up');
    }
  }

  #ready(framer: MessageFramer): Upstream {
    if (!this.#signedIn || readReadyForQuery(framer).kind === 'malformed') {
      throw refused('the target’s start-up is out of order');
    }
    for (const [name, pin] of Object.entries(pins)) {
      const value = this.#parameters.get(name);
      if (value === undefined || !pin.test(value)) {
        throw refused(`the target does not keep ${name} as the gateway needs it`);
      }
    }
    return {
      stream: this.#stream,
      ...this.#key,
      parameters: this.#parameters,
      serverVersion: this.#parameters.get('server_version') ?? 'unknown',
    };
  }

  async #authenticate(framer: MessageFramer): Promise<void> {
    const message = readAuthentication(framer);
    const writer = new MessageWriter();
    const encrypted = 'encrypted' in this.#stream;
    switch (message.kind) {
      case 'ok':
        if (this.#signedIn) throw refused('the target’s start-up is out of order');
        // A target that says yes without having proved that it knows the password may be anyone.
        if (!this.#proved && this.#authentication === 'scram') {
          throw refused('the target let the gateway in without SCRAM');
        }
        if (!this.#proved && !this.#answered && this.#authentication !== 'trust') {
          throw refused('the target let the gateway in without a password');
        }
        this.#signedIn = true;
        return;
      case 'sasl': {
        const choice = chooseScram(message.mechanisms, {
          tls: encrypted,
          binding: this.#binding,
          channelBinding: 'prefer',
        });
        if (choice.kind === 'failed') throw refused(choice.reason);
        this.#scram = new ScramClient({
          choice,
          password: this.#needPassword(),
          nonce: randomBytes(24).toString('base64'),
        });
        writeSaslInitialResponse(writer, choice.mechanism, this.#scram.first());
        break;
      }
      case 'sasl-continue': {
        if (this.#scram === undefined) throw refused('the target’s start-up is out of order');
        const answer = await this.#scram.answer(message.data);
        if (answer.kind === 'failed') throw refused(answer.reason);
        writeSaslResponse(writer, answer.data);
        break;
      }
      case 'sasl-final': {
        const verdict = this.#scram?.verify(message.data);
        if (verdict === undefined || verdict.kind === 'failed') {
          throw refused('the target could not prove that it knows the credential');
        }
        this.#proved = true;
        return;
      }
      case 'md5-password':
      case 'cleartext-password':
        if (this.#authentication === 'scram') {
          throw refused('the target asks for a weaker proof than SCRAM, which this connection requires');
        }
        if (message.kind === 'cleartext-password' && !encrypted)
          throw refused('the target asks for a clear password without TLS');
        this.#answered = true;
        writePassword(
          writer,
          message.kind === 'md5-password'
            ? md5PasswordResponse(this.#user, this.#needPassword(), message.salt)
            : this.#needPassword(),
        );
        break;
      case 'unsupported':
      case 'malformed':
        throw refused('the target asks for an authentication that is not supported');
      default:
        message satisfies never;
    }
    await writeAll(this.#stream, writer.take());
  }

  #needPassword(): string {
    if (this.#password === undefined) throw refused('the target asks for a password and none is held');
    return this.#password;
  }
}

function refused(message: string): ThroughlineError {
  return new ThroughlineError('target-refused', message, {
    action: 'ask an admin to check the connection’s credential and settings',
  });
}
