import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import { createPrivateFile, readPrivateFile, syncDirectory, systemCode } from '../store/private-files.js';
import {
  decodeBase64,
  fingerprint,
  formatVerifierKey,
  isKeyName,
  type LogKey,
  signatureTypes,
} from './note.js';

/**
 * The log's private key as a file: one line in the form of Go's sumdb/note signer key,
 * `PRIVATE+KEY+name+hash+base64(0x01 || 32-byte seed)`, mode 0600.
 */

const keyFileBytesMax = 4096;
const seedBytes = 32;
/** DER prefix of an Ed25519 PKCS #8 private key (RFC 8410). */
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function invalidKey(message: string, action: string): ThroughlineError {
  return new ThroughlineError('invalid-config', message, { action });
}

/** The raw 32 bytes (RFC 8032) of an Ed25519 public key. */
function rawPublicKey(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

function logKey(name: string, seed: Uint8Array): LogKey {
  const der = Buffer.concat([privateKeyPrefix, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const vkey = formatVerifierKey(name, rawPublicKey(createPublicKey(privateKey)));
  return {
    name,
    vkey,
    fingerprint: fingerprint(vkey),
    sign: (message) => sign(null, message, privateKey),
  };
}

function encodeKeyFile(name: string, key: LogKey, seed: Uint8Array): Buffer {
  const [, id = ''] = key.vkey.split('+');
  const data = Buffer.concat([Buffer.of(signatureTypes.ed25519), seed]);
  return Buffer.from(`PRIVATE+KEY+${name}+${id}+${data.toString('base64')}\n`);
}

function decodeKeyFile(text: string): LogKey | undefined {
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/=]{44})\n?$/.exec(text);
  const [, name, id, encoded] = match ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const data = decodeBase64(encoded);
  if (data?.length !== 1 + seedBytes || data[0] !== signatureTypes.ed25519) return undefined;
  const key = logKey(name, data.subarray(1));
  data.fill(0);
  // The hash in the file covers the public key: it catches a damaged seed before anything is signed with it.
  return key.vkey.split('+')[1] === id ? key : undefined;
}

/**
 * Makes a new key for the log `origin` and writes it to `file` (0600, durable). Never replaces a file.
 * Throws ThroughlineError: `conflict` when the file exists, `invalid-config` for an origin that cannot be a key
 * name (see `isKeyName`), `not-recordable` when it cannot be written.
 */
export function generateLogKey({ file, origin }: { file: string; origin: string }): LogKey {
  if (!isKeyName(origin)) {
    throw invalidKey(
      'the name of the audit log is not usable',
      'choose a name such as gateway.example.com/log, without spaces or +',
    );
  }
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const seed = der.subarray(-seedBytes);
  const key = logKey(origin, seed);
  const temporary = `${file}.${randomBytes(8).toString('hex')}`;
  const bytes = encodeKeyFile(origin, key, seed);
  try {
    createPrivateFile(temporary, bytes);
    // link, unlike rename, refuses to replace an existing key.
    fs.linkSync(temporary, file);
    syncDirectory(dirname(file));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') {
      throw new ThroughlineError('conflict', 'there is a log key already', {
        action: 'use the existing key',
      });
    }
    throw new ThroughlineError('not-recordable', `the log key could not be written: ${code}`, {
      cause: error,
    });
  } finally {
    der.fill(0);
    bytes.fill(0);
    fs.rmSync(temporary, { force: true });
  }
  return key;
}

/**
 * Loads the key of the log `origin`. Throws ThroughlineError: `not-found` when there is no file, `invalid-config`
 * when it is a link or no regular file, open to others, not this user's, damaged, or the key of another log.
 */
export function loadLogKey({ file, origin }: { file: string; origin: string }): LogKey {
  const bytes = readPrivateFile(file, keyFileBytesMax);
  if (bytes === undefined) {
    throw new ThroughlineError('not-found', 'there is no log key', {
      action: 'restore the key, or start a new log',
    });
  }
  const key = decodeKeyFile(bytes.toString('utf8'));
  bytes.fill(0);
  if (key === undefined) throw invalidKey('the log key is damaged', 'restore it from a copy');
  if (key.name !== origin) {
    throw invalidKey(
      'the log key belongs to another log',
      `use the key of ${origin}, or set the name to ${key.name}`,
    );
  }
  return key;
}
