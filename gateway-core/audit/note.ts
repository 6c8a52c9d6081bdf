import { createPublicKey, hash, type KeyObject, verify as verifyBytes } from 'node:crypto';
import { hashBytes } from './tree.js';

/**
 * Signed notes (https://c2sp.org/signed-note), checkpoints (https://c2sp.org/tlog-checkpoint) and the time that a
 * log vouches for with a cosignature of its own (https://c2sp.org/tlog-cosignature, Ed25519). Pure; every parser
 * returns undefined for what it does not accept entirely.
 */

const originCharactersMax = 255;
export const noteBytesMax = 64 * 1024;
const signaturesMax = 100;
/** The last second that a JavaScript Date can show. */
const timeSecondsMax = 8_640_000_000_000;

/** Signature type bytes of signed-note. */
export const signatureTypes = { ed25519: 0x01, cosignature: 0x04 } as const;

/** What signs for a log; the private key stays inside. `keys.ts` makes one from a file. */
export interface LogKey {
  readonly name: string;
  /** The verifier key: what a third party needs to check the log. */
  readonly vkey: string;
  /** For people to compare: see `fingerprint`. */
  readonly fingerprint: string;
  /** Ed25519 (RFC 8032), 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

export interface VerifierKey {
  readonly name: string;
  readonly vkey: string;
  /** 32 bytes, RFC 8032. */
  readonly publicKey: Uint8Array;
  readonly key: KeyObject;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Seconds since 1970 that the log's own cosignature vouches for. */
  readonly timeSeconds: number | undefined;
}

/** Strict RFC 4648 section 4: one spelling for each value. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** A decimal without leading zeros, up to 2^53-1. */
export function parseDecimal(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * A key name, which is the log's origin too: no spaces, no plus, nothing invisible. `cosignature/v1` would let
 * one kind of signed message be read as the other.
 */
export function isKeyName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= originCharactersMax &&
    !/[\s+\p{Z}\p{Cc}\p{Cf}\p{Cs}]/u.test(name) &&
    name !== 'cosignature/v1'
  );
}

/** `SHA-256(name || 0x0A || type || public key)[:4]`. */
export function keyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]);
  return hash('sha256', input, 'buffer').subarray(0, 4);
}

/** `name+hash+base64(0x01 || public key)`, as Go's sumdb/note writes it. */
export function formatVerifierKey(name: string, publicKey: Uint8Array): string {
  const type = signatureTypes.ed25519;
  const id = Buffer.from(keyId(name, type, publicKey)).toString('hex');
  return `${name}+${id}+${Buffer.concat([Buffer.of(type), publicKey]).toString('base64')}`;
}

/** DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410). */
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export function parseVerifierKey(vkey: string): VerifierKey | undefined {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/=]{44})$/.exec(vkey);
  const [, name, , encoded] = match ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(encoded);
  if (bytes?.length !== 33 || bytes[0] !== signatureTypes.ed25519) return undefined;
  const publicKey = bytes.subarray(1);
  if (formatVerifierKey(name, publicKey) !== vkey) return undefined;
  const key = createPublicKey({
    key: Buffer.concat([publicKeyPrefix, publicKey]),
    format: 'der',
    type: 'spki',
  });
  return { name, vkey, publicKey, key };
}

/** `sha256:` and the hex SHA-256 of the verifier key string: `printf %s "$VKEY" | sha256sum` prints the same. */
export function fingerprint(vkey: string): string {
  return `sha256:${hash('sha256', vkey, 'hex')}`;
}

function cosignedText(text: string, timeSeconds: number): Uint8Array {
  return Buffer.from(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}

function signatureLine(name: string, id: Uint8Array, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

/**
 * A checkpoint signed by the log; with `nowMs`, also a cosignature by the same key that says when this was the
 * log's latest tree. A verifier that does not know cosignatures passes over that line.
 */
export function signCheckpoint(
  key: LogKey,
  tree: { readonly size: number; readonly root: Uint8Array },
  nowMs?: number,
): string {
  const publicKey = parseVerifierKey(key.vkey)?.publicKey;
  if (publicKey === undefined) throw new TypeError('the log key has no valid verifier key');
  const text = `${key.name}\n${tree.size}\n${Buffer.from(tree.root).toString('base64')}\n`;
  const id = keyId(key.name, signatureTypes.ed25519, publicKey);
  const note = `${text}\n${signatureLine(key.name, id, key.sign(Buffer.from(text)))}`;
  if (nowMs === undefined) return note;
  const timeSeconds = Math.floor(nowMs / 1000);
  if (!(timeSeconds >= 0 && timeSeconds <= timeSecondsMax)) throw new RangeError('nowMs is not a time');
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(timeSeconds));
  const cosignature = Buffer.concat([time, key.sign(cosignedText(text, timeSeconds))]);
  const cosignerId = keyId(key.name, signatureTypes.cosignature, publicKey);
  return note + signatureLine(key.name, cosignerId, cosignature);
}

interface SignedNote {
  /** With its final newline. */
  readonly text: string;
  readonly signatures: readonly {
    readonly name: string;
    readonly id: Uint8Array;
    readonly bytes: Uint8Array;
  }[];
}

function parseNote(note: string): SignedNote | undefined {
  // No control character but newline; a lone surrogate is no UTF-8.
  if (note.length > noteBytesMax || /[\p{Cc}\p{Cs}]/u.test(note.replaceAll('\n', ''))) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > signaturesMax) return undefined;
  const signatures = [];
  for (const line of lines) {
    const [dash, name, encoded, ...rest] = line.split(' ');
    if (dash !== '—' || name === undefined || encoded === undefined || rest.length > 0) return undefined;
    const bytes = decodeBase64(encoded);
    if (!isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined;
    signatures.push({ name, id: bytes.subarray(0, 4), bytes: bytes.subarray(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

function parseCheckpointText(text: string): Omit<Checkpoint, 'timeSeconds'> | undefined {
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n');
  if (origin === undefined || sizeText === undefined || rootText === undefined) return undefined;
  const size = parseDecimal(sizeText);
  const root = decodeBase64(rootText);
  if (!isKeyName(origin) || size === undefined || root?.length !== hashBytes) return undefined;
  return extensions.some((line) => line === '') ? undefined : { origin, size, root };
}

function verifyCosignature(text: string, bytes: Uint8Array, key: KeyObject): number | undefined {
  if (bytes.length !== 72) return undefined;
  const timeSeconds = Number(Buffer.from(bytes).readBigUInt64BE(0));
  if (timeSeconds > timeSecondsMax) return undefined;
  return verifyBytes(null, cosignedText(text, timeSeconds), key, bytes.subarray(8)) ? timeSeconds : undefined;
}

/**
 * The checkpoint in a signed note whose origin is the key's name, once its signature has been checked. Undefined
 * when it is malformed, not signed by `verifier`, or when any of the lines that name this key does not verify.
 */
export function openCheckpoint(note: string, verifier: VerifierKey): Checkpoint | undefined {
  const parsed = parseNote(note);
  if (parsed === undefined) return undefined;
  const { text } = parsed;
  const id = keyId(verifier.name, signatureTypes.ed25519, verifier.publicKey);
  const cosignerId = keyId(verifier.name, signatureTypes.cosignature, verifier.publicKey);
  let signed = false;
  let timeSeconds: number | undefined;
  for (const signature of parsed.signatures) {
    if (signature.name !== verifier.name) continue;
    if (Buffer.compare(signature.id, id) === 0) {
      if (!verifyBytes(null, Buffer.from(text), verifier.key, signature.bytes)) return undefined;
      signed = true;
    } else if (Buffer.compare(signature.id, cosignerId) === 0) {
      timeSeconds = verifyCosignature(text, signature.bytes, verifier.key);
      if (timeSeconds === undefined) return undefined;
    }
  }
  const checkpoint = signed ? parseCheckpointText(text) : undefined;
  return checkpoint?.origin === verifier.name ? { ...checkpoint, timeSeconds } : undefined;
}
