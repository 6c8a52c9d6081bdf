import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { identityLimits } from './limits.js';

/** What a server keeps instead of a password (RFC 5802 3, SHA-256 of RFC 7677). Base64. */
export interface ScramVerifier {
  readonly salt: string;
  readonly iterations: number;
  readonly storedKey: string;
  readonly serverKey: string;
}

const derive = promisify(pbkdf2);

/** The verifier of a new password. The password is ASCII, so SASLprep changes nothing. */
export async function scramVerifier(password: string): Promise<ScramVerifier> {
  const salt = randomBytes(16);
  const iterations = identityLimits.scramIterations;
  const { storedKey, serverKey } = await keysOf(password, salt, iterations);
  return {
    salt: salt.toString('base64'),
    iterations,
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
}

/** Whether a clear-text password fits; as slow for a wrong one as for the right one. */
export async function fitsVerifier(password: string, verifier: ScramVerifier): Promise<boolean> {
  const salt = Buffer.from(verifier.salt, 'base64');
  const { storedKey } = await keysOf(password.slice(0, 1024), salt, verifier.iterations);
  const expected = Buffer.from(verifier.storedKey, 'base64');
  return storedKey.length === expected.length && timingSafeEqual(storedKey, expected);
}

async function keysOf(password: string, salt: Uint8Array, iterations: number) {
  const salted = await derive(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}
