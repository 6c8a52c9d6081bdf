import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type { SecretReference } from '../contract/connection.js';
import { ThroughlineError } from '../contract/errors.js';
import { readAtMost, systemCode } from './private-files.js';

/** version 1 u8 | nonce 12 | ciphertext | tag 16 */
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
/** The most that a connection's credential may have. */
const secretBytesMax = 65_536;

/**
 * AES-256-GCM under `key` (32 bytes). `context` says what the secret is and where it belongs; it is not kept in the
 * result and must be given again to open it, so a sealed secret that was moved to another place does not open.
 */
export function sealSecret(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additional(context));
  const sealed = cipher.update(plain);
  cipher.final();
  return Buffer.concat([Buffer.of(version), nonce, sealed, cipher.getAuthTag()]);
}

/** Throws `verification-failed` when bytes, key and context do not belong together. */
export function openSecret(key: Uint8Array, sealed: Uint8Array, context: string): Buffer {
  const tagAt = sealed.length - tagBytes;
  if (sealed[0] !== version || tagAt < 1 + nonceBytes) throw notOpened();
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(additional(context));
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(1 + nonceBytes, tagAt));
  try {
    decipher.final();
  } catch {
    throw notOpened();
  }
  return plain;
}

/** What references may name: exact names and exact files. Empty lists allow nothing. */
export interface ReferenceAllowList {
  readonly env: readonly string[];
  readonly files: readonly string[];
}

/**
 * The value behind a reference; a literal is its own. Throws `invalid-config`, never with the value, when the name
 * is not on its list or there is no value. A file is compared by real path, so no link leads out of the list; it has
 * at most 64 KiB of UTF-8, and one line end behind it does not count.
 */
export async function resolveReference(
  reference: SecretReference,
  allow: ReferenceAllowList,
): Promise<string> {
  if (typeof reference === 'string') return reference;
  if ('env' in reference) return fromEnvironment(reference.env, allow.env);
  return fromFile(reference.file, allow.files);
}

function fromEnvironment(name: string, allowed: readonly string[]): string {
  if (!allowed.includes(name)) throw notAllowed(`the environment variable ${name}`, 'references.env');
  const value = process.env[name];
  if (value === undefined || value === '') throw unusable(`the environment variable ${name} is not set`);
  if (Buffer.byteLength(value) > secretBytesMax)
    throw unusable(`the environment variable ${name} is too large`);
  return value;
}

function fromFile(file: string, allowed: readonly string[]): string {
  const real = realPath(file);
  if (real === undefined || !allowed.some((entry) => realPath(entry) === real)) {
    throw notAllowed(`the file ${file}`, 'references.files');
  }
  const bytes = readSecretFile(real);
  if (bytes === undefined) throw unusable(`the file ${file} is not a readable file of at most 64 KiB`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw unusable(`the file ${file} is not UTF-8 text`);
  }
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw unusable(`the file ${file} is empty`);
  return value;
}

/** Not following a link that took the real path's place since it was looked up, nor waiting for a pipe. */
function readSecretFile(real: string): Buffer | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let descriptor: number;
  try {
    descriptor = fs.openSync(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return fs.fstatSync(descriptor).isFile() ? readAtMost(descriptor, secretBytesMax) : undefined;
  } finally {
    fs.closeSync(descriptor);
  }
}

function realPath(file: string): string | undefined {
  try {
    return fs.realpathSync(file);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'].includes(systemCode(error)))
      return undefined;
    throw error;
  }
}

function additional(context: string): Buffer {
  return Buffer.from(`throughline secret ${version}\0${context}`);
}

function notOpened(): ThroughlineError {
  return new ThroughlineError('verification-failed', 'a sealed secret does not open', {
    action: 'it was sealed with another key or for another place: set it again',
  });
}

function notAllowed(what: string, setting: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `${what} is not allowed as a reference, or not there`, {
    action: `add it to ${setting} in the gateway's config`,
  });
}

function unusable(message: string): ThroughlineError {
  return new ThroughlineError('invalid-config', message, {
    action: 'set it for the gateway, then try again',
  });
}
