/** What the name of our side is in SSH's version line (RFC 4253 4.2). */
export const versionLine = 'Throughline';

/**
 * What every end of ours offers: no SHA-1, no CBC, no MD5, no DSA, nothing compressed (a compressor would see secrets beside
 * an attacker's text). AES-GCM first: the processor does it. Strict key exchange comes with the package (CVE-2023-48795).
 */
const algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} as const;

export const hostKeyAlgorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

/** The same as ssh2 takes it: lists of one's own. */
export function offeredAlgorithms() {
  const { kex, cipher, hmac, compress } = algorithms;
  return { kex: [...kex], cipher: [...cipher], hmac: [...hmac], compress: [...compress] };
}
