import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { asBuffer } from './bytes.js';
import { codecLimits } from './limits.js';
import { saslPrepare } from './password.js';

/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) with tls-server-end-point (RFC 5929), as PostgreSQL uses
 * them (protocol page, "SASL Authentication"): no authorization identity, the user name is the start-up packet's.
 * This file: what client and server share. scram-client.ts and scram-server.ts: the two sides.
 */
export const scramMechanisms = { plain: 'SCRAM-SHA-256', plus: 'SCRAM-SHA-256-PLUS' } as const;
export type ScramMechanism = (typeof scramMechanisms)[keyof typeof scramMechanisms];

/** Fixed text, no input and no secret. Ends the exchange. */
export interface ScramFailure {
  readonly kind: 'failed';
  readonly reason: string;
}

export function scramFailure(reason: string): ScramFailure {
  return { kind: 'failed', reason };
}

/** What a server keeps of a password (RFC 5802 section 3). */
export interface ScramVerifier {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  /** Made up for a user that does not exist: the exchange looks alike and always fails. */
  readonly mock?: boolean;
}

/** What a client derives from password, salt and iterations: secrets, equal for every exchange with one verifier. */
export interface ScramKeys {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

export function hmacSha256(key: Uint8Array, data: Uint8Array | string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

export function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}

/** Constant in time for equal lengths; lengths are no secret here. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

export function xor32(left: Uint8Array, right: Uint8Array): Buffer {
  const result = Buffer.alloc(32);
  for (let at = 0; at < 32; at += 1) result[at] = (left[at] as number) ^ (right[at] as number);
  return result;
}

/** RFC 5802 section 3. The PBKDF2 runs in the thread pool: 4096 iterations take a few milliseconds of a core. */
export async function deriveKeys(password: string, salt: Uint8Array, iterations: number): Promise<ScramKeys> {
  const salted = await new Promise<Buffer>((resolve, reject) => {
    pbkdf2(saslPrepare(password), salt, iterations, 32, 'sha256', (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
  return {
    salt,
    iterations,
    clientKey: hmacSha256(salted, 'Client Key'),
    serverKey: hmacSha256(salted, 'Server Key'),
  };
}

/** `salt`: 16 random bytes, handed in. `iterations`: at least `scramIterationsMin`. */
export async function deriveVerifier(
  password: string,
  salt: Uint8Array,
  iterations: number = codecLimits.scramIterationsMin,
): Promise<ScramVerifier> {
  const keys = await deriveKeys(password, salt, iterations);
  return { salt, iterations, storedKey: sha256(keys.clientKey), serverKey: keys.serverKey };
}

/**
 * A verifier for a user that does not exist (RFC 5802 section 5.1 wants the exchange to go on). The same user always
 * gets the same salt, so asking twice tells nothing. `key`: a secret of this gateway, of 32 bytes or more, used for
 * nothing else. `iterations`: what real verifiers have here.
 */
export function mockVerifier(
  key: Uint8Array,
  user: string,
  iterations: number = codecLimits.scramIterationsMin,
): ScramVerifier {
  const part = (label: string) => hmacSha256(key, `throughline scram mock\0${label}\0${user}`);
  const salt = part('salt').subarray(0, 16);
  return { salt, iterations, storedKey: part('stored'), serverKey: part('server'), mock: true };
}

/** Attribute `letter` of a comma-separated message, at its place; undefined where another one stands. */
export function attribute(part: string | undefined, letter: string): string | undefined {
  return part?.startsWith(`${letter}=`) ? part.slice(2) : undefined;
}

/** Bytes as the message's text, or undefined when too long or not plain ASCII. All that PostgreSQL's SCRAM says is. */
export function scramText(message: Uint8Array): string | undefined {
  if (message.length === 0 || message.length > codecLimits.scramMessageBytesMax) return undefined;
  const text = asBuffer(message).toString('latin1');
  return /^[\x20-\x7e]*$/.test(text) ? text : undefined;
}

/** RFC 5802 section 7, "printable": a nonce is visible ASCII without commas. */
export function isNonce(nonce: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(nonce);
}

/** Canonical base64 only: one value has one spelling. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined;
}
