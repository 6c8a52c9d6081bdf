import { createPublicKey, verify } from 'node:crypto';
import type { AuthContext, PublicKeyAuthContext } from 'ssh2';
import { SshFormatError, SshReader } from '../../codec/ssh/wire.js';
import { sshKeyType } from '../../contract/ssh-key.js';

const keyBytes = 32;
const signatureBytes = 64;

/** A question whether a key would do (RFC 4252 7): it comes without a signature, and proves nothing. */
export function isQuestion(context: AuthContext): context is PublicKeyAuthContext {
  return context.method === 'publickey' && context.signature === undefined;
}

/** Whether it is an Ed25519 key (RFC 8709): devices have no others. */
export function isDeviceKey({ algo, data }: PublicKeyAuthContext['key']): boolean {
  return algo === sshKeyType && ed25519(data) !== undefined;
}

/**
 * The key, as in authorized_keys, when its owner signed this connection's session id, this user and this very request
 * (RFC 4252 7: `blob`, which the package puts together from what it received). Undefined otherwise.
 */
export function signedKey({ key, blob, signature }: PublicKeyAuthContext): string | undefined {
  const x = key.algo === sshKeyType ? ed25519(key.data) : undefined;
  if (x === undefined || blob === undefined || signature?.length !== signatureBytes) return undefined;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') };
  const right = verify(null, blob, createPublicKey({ key: jwk, format: 'jwk' }), signature);
  return right ? `${sshKeyType} ${key.data.toString('base64')}` : undefined;
}

/** The 32 bytes of a well-formed key, and nothing around them: two spellings of one key would be two keys. */
function ed25519(blob: Buffer): Buffer | undefined {
  try {
    const reader = new SshReader(blob);
    const type = reader.string().toString('latin1');
    const x = reader.string();
    return type === sshKeyType && x.length === keyBytes && reader.done ? x : undefined;
  } catch (error) {
    if (error instanceof SshFormatError) return undefined;
    throw error;
  }
}
