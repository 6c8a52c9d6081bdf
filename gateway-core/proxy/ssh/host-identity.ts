import { createPrivateKey } from 'node:crypto';
import { sshBytes } from '../../codec/ssh/wire.js';
import { sshKeyType } from '../../contract/ssh-key.js';

export interface HostIdentity {
  /** OpenSSH's form. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA...`, as in known_hosts. */
  readonly publicLine: string;
}

/** RFC 8410 7: what stands before the 32 bytes of an Ed25519 key in PKCS#8. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const seedBytes = 32;
/** OpenSSH pads to the cipher's block; without a cipher that is this. */
const blockBytes = 8;

/** The gateway's own host key, always the same for one seed of 32 bytes. Written as openssh/PROTOCOL.key says. */
export function hostIdentity(seed: Uint8Array): HostIdentity {
  if (seed.length !== seedBytes) throw new Error('an Ed25519 seed has 32 bytes');
  const der = Buffer.concat([pkcs8Prefix, seed]);
  const jwk = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  const open = Buffer.from(jwk.x ?? '', 'base64url');
  const blob = sshBytes(sshKeyType, open);
  // Both numbers the same: how a reader sees that it decrypted rightly, and nothing here is encrypted.
  const check = 0x7468_726f;
  let inner = sshBytes(check, check, sshKeyType, open, Buffer.concat([seed, open]), '');
  const padding = (blockBytes - (inner.length % blockBytes)) % blockBytes;
  inner = Buffer.concat([inner, Buffer.from(Array.from({ length: padding }, (_, at) => at + 1))]);
  const file = Buffer.concat([Buffer.from('openssh-key-v1\0'), sshBytes('none', 'none', '', 1, blob, inner)]);
  const lines = file.toString('base64').match(/.{1,70}/g) ?? [];
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicLine: `${sshKeyType} ${blob.toString('base64')}`,
  };
}
