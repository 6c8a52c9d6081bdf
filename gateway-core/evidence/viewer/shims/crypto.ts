import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Buffer } from './buffer.js';

/**
 * What the evidence and audit rooms use of node:crypto, for a page: SHA-256 and Ed25519 verification. Anything else
 * throws: a check must not pass because it was not made.
 */
type Input = string | Uint8Array;

const bytesOf = (data: Input): Uint8Array => (typeof data === 'string' ? Buffer.from(data, 'utf8') : data);

function digestIn(digest: Uint8Array, encoding: string | undefined): string | Buffer {
  const bytes = Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength);
  if (encoding === undefined || encoding === 'buffer') return bytes;
  return bytes.toString(encoding as BufferEncoding);
}

function requireSha256(algorithm: string): void {
  if (algorithm !== 'sha256') throw new TypeError(`no ${algorithm} in this page`);
}

export function hash(algorithm: string, data: Input, encoding = 'hex'): string | Buffer {
  requireSha256(algorithm);
  return digestIn(sha256(bytesOf(data)), encoding);
}

class Hash {
  readonly #state = sha256.create();

  update(data: Input): this {
    this.#state.update(bytesOf(data));
    return this;
  }

  digest(encoding?: string): string | Buffer {
    return digestIn(this.#state.digest(), encoding);
  }
}

export function createHash(algorithm: string): Hash {
  requireSha256(algorithm);
  return new Hash();
}

/** RFC 8410: SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes. */
const publicKeyPrefix = '302a300506032b6570032100';

export interface KeyObject {
  readonly type: 'public';
  readonly raw: Uint8Array;
}

export function createPublicKey(input: { key: Uint8Array; format: string; type: string }): KeyObject {
  const der = Buffer.from(input.key);
  const prefix = der.subarray(0, 12).toString('hex');
  if (input.format !== 'der' || input.type !== 'spki' || der.length !== 44 || prefix !== publicKeyPrefix) {
    throw new TypeError('not an Ed25519 public key');
  }
  return { type: 'public', raw: der.subarray(12) };
}

/** RFC 8032, one spelling for each point, as OpenSSL has it. False for whatever is no signature. */
export function verify(
  algorithm: unknown,
  message: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean {
  if (algorithm !== null && algorithm !== undefined) throw new TypeError('Ed25519 has no hash of its own');
  if (signature.length !== 64) return false;
  try {
    return ed25519.verify(signature, message, key.raw, { zip215: false });
  } catch {
    return false;
  }
}
