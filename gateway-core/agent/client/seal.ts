import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ThroughlineError } from '../../contract/errors.js';
import { sha256 } from './dpop.js';
import type { Keyring } from './keyring.js';
import { privateDirectory, readPrivate, writePrivate } from './private-files.js';

export type Storage = 'keyring' | 'file';

const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const version = Buffer.from([1]);

/**
 * AES-256-GCM: version, iv, tag, ciphertext. `name` is bound in, so one sealed file cannot stand in for another.
 */
export function seal(key: Buffer, name: string, text: string): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(`throughline client state\n${name}`));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([version, iv, cipher.getAuthTag(), sealed]);
}

/** undefined when the bytes were not sealed under this key and name, or were changed since. */
export function unseal(key: Buffer, name: string, bytes: Buffer): string | undefined {
  if (bytes.length < 1 + ivBytes + tagBytes || bytes[0] !== version[0]) return undefined;
  const iv = bytes.subarray(1, 1 + ivBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(`throughline client state\n${name}`));
  decipher.setAuthTag(bytes.subarray(1 + ivBytes, 1 + ivBytes + tagBytes));
  try {
    const opened = Buffer.concat([decipher.update(bytes.subarray(1 + ivBytes + tagBytes)), decipher.final()]);
    return opened.toString('utf8');
  } catch {
    return undefined;
  }
}

/** The one key that seals the sign-ins of one home: in the keyring where there is one, else in a file of its own. */
export interface SealingKeys {
  /** The key as `storage` keeps it, or undefined when there is none. @throws ThroughlineError when the keyring is silent */
  read(storage: Storage): Promise<Buffer | undefined>;
  /** Makes a key and says where it could be kept. */
  create(): Promise<{ key: Buffer; storage: Storage }>;
}

export function sealingKeys(home: { state: string; keys: string }, keyring: Keyring): SealingKeys {
  // One keyring serves several homes: each has an account of its own.
  const account = `client ${sha256(home.state).slice(0, 16)}`;
  const file = join(home.keys, 'seal.key');
  return {
    read: (storage) => (storage === 'keyring' ? readKeyring(keyring, account) : readKeyFile(home.keys, file)),
    create: async () => {
      const key = randomBytes(keyBytes);
      if (await keptInKeyring(keyring, account, key)) return { key, storage: 'keyring' };
      privateDirectory(home.keys);
      await writePrivate(file, key);
      return { key, storage: 'file' };
    },
  };
}

async function keptInKeyring(keyring: Keyring, account: string, key: Buffer): Promise<boolean> {
  const secret = key.toString('base64');
  const set = await keyring({ kind: 'set', account, secret });
  if (!set.ok) return false;
  const got = await keyring({ kind: 'get', account });
  return got.ok && got.value === secret;
}

async function readKeyring(keyring: Keyring, account: string): Promise<Buffer | undefined> {
  const got = await keyring({ kind: 'get', account });
  if (!got.ok) {
    throw new ThroughlineError('not-signed-in', 'the keyring that holds the sign-in cannot be opened', {
      action: 'unlock it and try again, or run `throughline login` again',
    });
  }
  return got.value === null ? undefined : checkedKey(Buffer.from(got.value, 'base64'));
}

async function readKeyFile(directory: string, file: string): Promise<Buffer | undefined> {
  privateDirectory(directory);
  const bytes = readPrivate(file);
  return bytes === undefined ? undefined : checkedKey(bytes);
}

function checkedKey(bytes: Buffer): Buffer | undefined {
  return bytes.length === keyBytes ? bytes : undefined;
}
