import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { writeReport } from '../../codec/postgres/backend-writers.js';
import {
  type MinorVersion,
  negotiateVersion,
  readFirstPacket,
  type StartupMessage,
} from '../../codec/postgres/startup.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { limits } from '../../contract/limits.js';
import { StreamReader, writeAll } from './stream-reader.js';

export interface ClientTls {
  readonly context: SecureContext;
  /** tls-server-end-point data of the certificate, for SCRAM-SHA-256-PLUS. */
  readonly binding: Uint8Array | undefined;
}

export type ClientStart =
  | {
      readonly kind: 'startup';
      /** The stream to go on with: the TLS layer where the client asked for one. */
      readonly stream: Duplex;
      readonly message: StartupMessage;
      readonly minor: MinorVersion;
      readonly encrypted: boolean;
      /** NegotiateProtocolVersion, to be sent before anything else. */
      readonly negotiation: Uint8Array | undefined;
    }
  | {
      readonly kind: 'cancel';
      readonly stream: Duplex;
      readonly processId: number;
      readonly secretKey: Uint8Array;
    }
  /** Answered already where an answer makes sense; the stream is closed. `reason` is for the log. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * A client's way to its first real packet, in all forms: GSSENCRequest (answered N), SSLRequest (S where `tls` is
 * given, else N), direct TLS with ALPN `postgresql`, CancelRequest, StartupMessage. Each encryption request is
 * answered once: a client that goes on asking is refused.
 */
export async function startClient(
  client: Duplex,
  tls: ClientTls | undefined,
  signal: AbortSignal,
): Promise<ClientStart> {
  let stream = client;
  let encrypted = false;
  const asked = new Set<string>();
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const result = readFirstPacket(bytes);
    if (result.kind === 'malformed') return refuse(stream, '08P01', result.reason);
    if (result.kind === 'need-more') {
      const more = await new StreamReader(stream).read(signal);
      if (more === undefined)
        return refuse(stream, undefined, 'the client left during start-up, or took too long');
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
      // The codec refuses a declared length beyond the bound; this refuses a flood behind a packet it accepts.
      if (bytes.length > limits.startupBytesMax + 65_536)
        return refuse(stream, '08P01', 'too many bytes before the session');
      continue;
    }
    const { message, bytesUsed } = result;
    const rest = bytes.subarray(bytesUsed);
    switch (message.kind) {
      case 'ssl-request':
      case 'gssenc-request': {
        if (asked.has(message.kind) || encrypted)
          return refuse(stream, '08P01', 'encryption was asked for twice');
        // Plain bytes behind the request could be anyone's: they must not become part of the encrypted session.
        if (rest.length > 0) return refuse(stream, '08P01', 'plain bytes behind an encryption request');
        asked.add(message.kind);
        bytes = Buffer.alloc(0);
        if (message.kind === 'gssenc-request' || tls === undefined) {
          await writeAll(stream, Buffer.from('N'));
          continue;
        }
        await writeAll(stream, Buffer.from('S'));
        const secured = await encrypt(stream, tls, signal);
        if (secured === undefined) return { kind: 'refused', reason: 'the TLS handshake failed' };
        stream = secured;
        encrypted = true;
        continue;
      }
      case 'tls-client-hello': {
        if (tls === undefined || encrypted) return refuse(stream, undefined, 'TLS where none is offered');
        stream.unshift(bytes);
        bytes = Buffer.alloc(0);
        const secured = await encrypt(stream, tls, signal);
        if (secured === undefined) return { kind: 'refused', reason: 'the TLS handshake failed' };
        if (secured.alpnProtocol !== 'postgresql')
          return refuse(secured, undefined, 'direct TLS without ALPN postgresql');
        stream = secured;
        encrypted = true;
        continue;
      }
      case 'cancel':
        return { kind: 'cancel', stream, processId: message.processId, secretKey: message.secretKey };
      case 'unsupported-version':
        return refuse(
          stream,
          '0A000',
          `protocol ${message.major}.${message.minor} is not supported, use 3.0 or 3.2`,
        );
      case 'startup': {
        if (rest.length > 0) stream.unshift(rest);
        const { minor, answer } = negotiateVersion(message, 2);
        return { kind: 'startup', stream, message, minor, encrypted, negotiation: answer };
      }
      default:
        return message satisfies never;
    }
  }
}

function encrypt(stream: Duplex, tls: ClientTls, signal: AbortSignal): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const secured = new TLSSocket(stream, {
      isServer: true,
      secureContext: tls.context,
      ALPNProtocols: ['postgresql'],
    });
    const fail = () => {
      secured.destroy();
      resolve(undefined);
    };
    signal.addEventListener('abort', fail, { once: true });
    secured.once('error', fail);
    secured.once('close', fail);
    secured.once('secure', () => {
      signal.removeEventListener('abort', fail);
      secured.off('error', fail);
      secured.off('close', fail);
      // Errors after the handshake are the session's: it listens for close.
      secured.on('error', () => undefined);
      resolve(secured);
    });
  });
}

async function refuse(stream: Duplex, code: string | undefined, reason: string): Promise<ClientStart> {
  if (code !== undefined && !stream.destroyed) {
    const writer = new MessageWriter();
    writeReport(writer, { severity: 'FATAL', code, message: `throughline: ${reason}` });
    await writeAll(stream, writer.take());
  }
  stream.destroy();
  return { kind: 'refused', reason };
}

/** Settings that a client may bring along in its start-up packet; lower case. All else is refused, by name. */
const settingsAllowed = new Set([
  'datestyle',
  'timezone',
  'intervalstyle',
  'extra_float_digits',
  'bytea_output',
  'search_path',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'client_min_messages',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'default_transaction_deferrable',
  'geqo',
  'jit',
  'xmloption',
]);

export type StartupParameters =
  | {
      readonly kind: 'accepted';
      /** What goes on to the target, without user, database and what the gateway sets itself. */
      readonly settings: ReadonlyMap<string, string>;
      readonly application: string | undefined;
      readonly user: string;
      readonly database: string | undefined;
    }
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string };

/**
 * Sorts a start-up packet's parameters. Refused: replication in every spelling, an encoding that is not UTF-8 (the
 * gateway judges and masks UTF-8), and settings outside the list, wherever they come from (`options` too).
 */
export function sortParameters(parameters: ReadonlyMap<string, string>): StartupParameters {
  const settings = new Map<string, string>();
  let application: string | undefined;
  const refused = (code: string, reason: string) => ({ kind: 'refused', code, reason }) as const;
  const given = [...parameters].flatMap(([name, value]) =>
    name === 'options' ? [] : [[name, value] as const],
  );
  const options = readOptions(parameters.get('options') ?? '');
  if (options === undefined) {
    return refused('0A000', 'the start-up options are not understood: give them as -c name=value');
  }
  for (const [name, value] of [...given, ...options]) {
    const folded = name.toLowerCase();
    if (folded === 'user' || folded === 'database') continue;
    if (folded === 'application_name' || folded === 'fallback_application_name') {
      application = value;
    } else if (folded === 'client_encoding') {
      if (!/^'?(utf-?8|unicode)'?$/i.test(value)) {
        return refused('0A000', `client_encoding ${value.slice(0, 32)} is not supported, use UTF8`);
      }
    } else if (folded === 'standard_conforming_strings') {
      if (!/^(on|true|yes|1)$/i.test(value))
        return refused('0A000', 'standard_conforming_strings is always on here');
    } else if (folded === 'replication') {
      return refused('42501', 'replication connections are not available through the gateway');
    } else if (folded.endsWith('.traceparent')) {
      // A trace header that rides on PGOPTIONS: a client's word, and not the target's business.
    } else if (settingsAllowed.has(folded)) {
      settings.set(folded, value);
    } else {
      return refused('42501', `the setting ${name.slice(0, 64)} may not be given at start-up`);
    }
  }
  return {
    kind: 'accepted',
    settings,
    application: application?.slice(0, 256),
    user: parameters.get('user') ?? '',
    database: parameters.get('database'),
  };
}

/** `-c name=value`, `-cname=value`, `--name=value`, split at unescaped white space as the server does (pg_split_opts). */
function readOptions(text: string): (readonly [string, string])[] | undefined {
  const words = [...text.matchAll(/(?:\\.|[^\\\s])+/g)].map((match) => match[0].replaceAll(/\\(.)/gs, '$1'));
  const settings: (readonly [string, string])[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    let setting: string;
    if (word === '-c') {
      index += 1;
      setting = words[index] ?? '';
    } else if (word.startsWith('--')) setting = word.slice(2);
    else if (word.startsWith('-c')) setting = word.slice(2);
    else return undefined;
    const at = setting.indexOf('=');
    if (at <= 0) return undefined;
    settings.push([setting.slice(0, at).replaceAll('-', '_'), setting.slice(at + 1)]);
  }
  return settings;
}
