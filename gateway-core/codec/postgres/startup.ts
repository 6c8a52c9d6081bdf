import { limits } from '../../contract/limits.js';
import { BodyReader, int32At, type Malformed, malformed } from './bytes.js';
import { codecLimits } from './limits.js';
import { backendTypes } from './messages.js';
import { MessageWriter } from './writer.js';

/** Codes in the place of a protocol version (protocol page, "Message Formats": CancelRequest, SSLRequest, GSSENCRequest). */
const requestCodes = { cancel: 80_877_102, ssl: 80_877_103, gssenc: 80_877_104 } as const;

/** Our own protocol option (protocol page, "Start-up": names that begin with `_pq_.` are for such). */
const marksOption = '_pq_.throughline_marks';

/** Minor versions of protocol 3 that exist. 3.1 was skipped by PostgreSQL 18. */
export type MinorVersion = 0 | 2;

export interface StartupMessage {
  readonly kind: 'startup';
  /** As asked for; what is spoken is negotiateVersion's answer. */
  readonly minor: number;
  /**
   * In the client's order, without the `_pq_.` options. `user`, `database`, `options`, `replication` are spelled
   * exactly so; every other name is a setting, which PostgreSQL compares without regard to case.
   */
  readonly parameters: ReadonlyMap<string, string>;
  /** Names of the protocol options (`_pq_.`) that are not known here. PostgreSQL itself defines none. */
  readonly protocolOptions: readonly string[];
  /** `_pq_.throughline_marks=1`: the client wants to be told which values are masked, and by which rule. */
  readonly marks: boolean;
}

/** A copy of the key: it outlives the chunk it came in. */
export interface CancelRequest {
  readonly kind: 'cancel';
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

export type FirstPacket =
  | StartupMessage
  | CancelRequest
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  /** Protocol 2 or older, 4 or newer: answered with a FATAL error of code 0A000. */
  | { readonly kind: 'unsupported-version'; readonly major: number; readonly minor: number }
  /** A TLS ClientHello without SSLRequest (since PostgreSQL 17, ALPN `postgresql`). Nothing is consumed. */
  | { readonly kind: 'tls-client-hello' };

export type FirstPacketResult =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'message'; readonly message: FirstPacket; readonly bytesUsed: number }
  | Malformed;

const needMore = { kind: 'need-more' } as const;

/**
 * Reads a client's packet before the session (protocol page, "Start-up", "SSL Session Encryption"), given all bytes
 * that came since the connection, or since the last answer. `bytesUsed` of them belong to the packet; after an
 * SSLRequest that is answered with S the rest must be empty, or someone has injected plain text before the TLS layer.
 *
 * Says malformed as early as the bytes allow: a peer that speaks something else is not waited for.
 */
export function readFirstPacket(
  bytes: Uint8Array,
  bytesMax: number = limits.startupBytesMax,
): FirstPacketResult {
  if (bytes.length === 0) return needMore;
  if (bytes[0] === 0x16) return readClientHello(bytes);
  // The bound is far below 2^24, so the length's first byte can only be zero.
  if (bytes[0] !== 0) return malformed('not a PostgreSQL start-up packet');
  if (bytes.length < 4) return needMore;
  const length = int32At(bytes, 0);
  if (length < 8 || length > bytesMax) return malformed('a start-up packet of impossible length');
  if (bytes.length < length) return needMore;
  const message = readPacket(bytes, length);
  return message.kind === 'malformed' ? message : { kind: 'message', message, bytesUsed: length };
}

/** RFC 8446 section 5.1: record type 22 (handshake), legacy version 3.x. */
function readClientHello(bytes: Uint8Array): FirstPacketResult {
  if (bytes.length < 2) return needMore;
  if (bytes[1] !== 0x03) return malformed('not a PostgreSQL start-up packet');
  return { kind: 'message', message: { kind: 'tls-client-hello' }, bytesUsed: 0 };
}

function readPacket(bytes: Uint8Array, length: number): FirstPacket | Malformed {
  const code = int32At(bytes, 4);
  switch (code) {
    case requestCodes.ssl:
      return length === 8 ? { kind: 'ssl-request' } : malformed('an SSLRequest of wrong length');
    case requestCodes.gssenc:
      return length === 8 ? { kind: 'gssenc-request' } : malformed('a GSSENCRequest of wrong length');
    case requestCodes.cancel:
      return readCancel(bytes, length);
    default: {
      const major = code >>> 16;
      const minor = code & 0xffff;
      if (major !== 3) return { kind: 'unsupported-version', major, minor };
      return readParameters(bytes, length, minor);
    }
  }
}

function readCancel(bytes: Uint8Array, length: number): CancelRequest | Malformed {
  const keyBytes = length - 12;
  if (keyBytes < codecLimits.cancelKeyBytesMin || keyBytes > codecLimits.cancelKeyBytesMax) {
    return malformed('a cancel key of impossible length');
  }
  return {
    kind: 'cancel',
    processId: int32At(bytes, 8),
    secretKey: Uint8Array.from(bytes.subarray(12, length)),
  };
}

function readParameters(bytes: Uint8Array, length: number, minor: number): StartupMessage | Malformed {
  const reader = new BodyReader({ buffer: bytes, bodyStart: 8, end: length });
  const parameters = new Map<string, string>();
  const protocolOptions: string[] = [];
  const seen = new Set<string>();
  let marks = false;
  for (;;) {
    const name = reader.text();
    if (reader.failed) return malformed('a start-up packet without its terminator, or not in UTF-8');
    if (name === '') break;
    const value = reader.text();
    if (reader.failed) return malformed('a start-up parameter without a value, or not in UTF-8');
    // Two spellings of one setting count as twice: the last one would win, and a check may have read the first.
    const folded = name.toLowerCase();
    if (seen.has(folded)) return malformed('a start-up parameter comes twice');
    seen.add(folded);
    if (name === marksOption) marks = value === '1';
    else if (name.startsWith('_pq_.')) protocolOptions.push(name);
    else parameters.set(name, value);
  }
  if (!reader.complete) return malformed('bytes after the terminator of a start-up packet');
  return { kind: 'startup', minor, parameters, protocolOptions, marks };
}

/**
 * The version that a session speaks, and the NegotiateProtocolVersion that has to be sent first where it is not
 * exactly what the client asked for (protocol page, "Start-up": a newer minor version, or unknown `_pq_.` options).
 * `newest`: the newest minor version that we, and the target behind us, speak.
 */
export function negotiateVersion(
  message: StartupMessage,
  newest: MinorVersion,
): { readonly minor: MinorVersion; readonly answer: Uint8Array | undefined } {
  const minor: MinorVersion = message.minor >= 2 && newest === 2 ? 2 : 0;
  if (minor === message.minor && message.protocolOptions.length === 0) return { minor, answer: undefined };
  return { minor, answer: buildNegotiateProtocolVersion(minor, message.protocolOptions) };
}

/**
 * NegotiateProtocolVersion. The page calls the first field the newest minor version; servers and libpq put and expect
 * the whole version number (3 << 16 | minor), so this does.
 */
export function buildNegotiateProtocolVersion(
  minor: MinorVersion,
  unknownOptions: readonly string[],
): Uint8Array {
  const writer = new MessageWriter().begin(backendTypes.negotiateProtocolVersion);
  writer.int32((3 << 16) | minor).int32(unknownOptions.length);
  for (const option of unknownOptions) writer.text(option);
  return writer.end().take();
}

/** A StartupMessage. Errors: ThroughlineError `invalid-request` for a NUL, `too-large` beyond `startupBytesMax`. */
export function buildStartupMessage(
  minor: MinorVersion,
  parameters: Iterable<readonly [name: string, value: string]>,
): Uint8Array {
  const writer = new MessageWriter({ bytesMax: limits.startupBytesMax }).begin();
  writer.int32((3 << 16) | minor);
  for (const [name, value] of parameters) {
    // An empty name is the terminator: what follows it would be lost. This is our own mistake, never input.
    if (name === '') throw new Error('a start-up parameter needs a name');
    writer.text(name).text(value);
  }
  return writer.uint8(0).end().take();
}

export function buildSslRequest(): Uint8Array {
  return new MessageWriter().begin().int32(requestCodes.ssl).end().take();
}

export function buildGssencRequest(): Uint8Array {
  return new MessageWriter().begin().int32(requestCodes.gssenc).end().take();
}

/** `secretKey`: as BackendKeyData gave it. */
export function buildCancelRequest(processId: number, secretKey: Uint8Array): Uint8Array {
  return new MessageWriter()
    .begin()
    .int32(requestCodes.cancel)
    .int32(processId)
    .bytes(secretKey)
    .end()
    .take();
}

/**
 * A target's answer to our SSLRequest: one byte, alone. Bytes behind an S came before the TLS layer and may be
 * anyone's (CVE-2021-23222); an E starts an error that nobody has authenticated, so its text is not read (CVE-2024-10977).
 */
export function readSslAnswer(
  bytes: Uint8Array,
): { readonly kind: 'need-more' } | { readonly kind: 'accepted' } | { readonly kind: 'refused' } | Malformed {
  if (bytes.length === 0) return needMore;
  const answer = bytes[0];
  if (answer !== 0x53 && answer !== 0x4e) return malformed('an impossible answer to SSLRequest');
  if (bytes.length > 1) return malformed('plain bytes behind the answer to SSLRequest');
  return { kind: answer === 0x53 ? 'accepted' : 'refused' };
}
