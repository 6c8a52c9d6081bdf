import { z } from 'zod';
import { ConnectionName, Timestamp } from './ids.js';

/**
 * SSH keys of devices: how a standard client without a tunnel signs in at the gateway's own listener. Each is made for
 * one use of one device, opens one connection, and is over with the sign-in.
 */
export const sshKeyType = 'ssh-ed25519';

/** As in authorized_keys, without a comment. 51 bytes in base64: the type, 32 bytes of key, and both their lengths (RFC 8709 4). */
export const SshPublicKey = z.string().regex(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);

/** `SHA256:...` of the key, as `ssh-keygen -l` says. */
const Fingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);

export const SshKeyRequest = z
  .object({
    connection: ConnectionName,
    publicKey: SshPublicKey,
    /** Ed25519 (RFC 8032) over `sshKeyStatement`, base64: nobody registers a key that is another's. */
    proof: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
  })
  .strict();
export type SshKeyRequest = z.infer<typeof SshKeyRequest>;

export const SshKeyResponse = z.object({
  /** Names it to the API. */
  id: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  fingerprint: Fingerprint,
  connection: ConnectionName,
  /** When the sign-in ends at the latest. */
  expiresAt: Timestamp,
  listeners: z.record(z.string(), z.string()),
});
export type SshKeyResponse = z.infer<typeof SshKeyResponse>;

/** What the key signs when it is registered. `deviceKey`: thumbprint of the device that asks. */
export function sshKeyStatement(what: {
  /** As `GatewayInfo` has it. */
  readonly issuer: string;
  readonly deviceKey: string;
  readonly connection: string;
  readonly publicKey: string;
}): string {
  // No SSH signature is over such a text: those begin with the four bytes of a length.
  return [
    'throughline ssh key, version 1',
    what.issuer,
    what.deviceKey,
    what.connection,
    what.publicKey,
  ].join('\n');
}
