import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** `prefix` and 256 random bits in base64url: opaque, and recognisable by secret scanners. */
export function randomToken(prefix: string): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`;
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** RFC 7636 4.2 (S256) and RFC 9449 4.2 (`ath`): base64url of SHA-256. */
export function sha256Base64url(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url');
}

export function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

/** Compares in a time that depends on neither content nor length. */
export function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(left, 'utf8').digest(),
    createHash('sha256').update(right, 'utf8').digest(),
  );
}
