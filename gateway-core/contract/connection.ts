import { z } from 'zod';
import { ConnectionName } from './ids.js';
import { MaskRule } from './masks.js';

export const Protocol = z.enum(['postgres', 'ssh']);
export type Protocol = z.infer<typeof Protocol>;

/** A value of a credential: literal, or where it stands. `{env}` and `{file}` only from the config's allow-lists. */
export const SecretReference = z.union([
  z.string().min(1).max(65_536),
  z.object({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/) }).strict(),
  z.object({ file: z.string().min(1).max(4096) }).strict(),
]);
export type SecretReference = z.infer<typeof SecretReference>;

export const Tls = z.union([
  z.enum(['off', 'require', 'verify-full']),
  z
    .object({
      mode: z.enum(['off', 'require', 'verify-full']),
      /** PEM text, or the path of a PEM file that is read when the connection is added. */
      ca: z.string().max(1_000_000).optional(),
      serverName: z.string().max(255).optional(),
      /** SHA-256 of the target's certificate, hex: pins it, whatever signed it. */
      fingerprint: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    })
    .strict(),
]);
export type Tls = z.infer<typeof Tls>;

/** Bytes of masked rows that are kept per result; past that only counts and the hash. `4MB`, `64kB`, `1048576`. */
export const RowsKept = z.union([
  z.enum(['all', 'none']),
  z.number().int().nonnegative(),
  z.string().regex(/^\d{1,9}\s?(B|kB|MB|GB)?$/),
]);

export const Recording = z
  .object({
    rows: RowsKept.default('4MB'),
    /** strict: the intent is durable before it is sent upstream. grouped: it is recorded, and durable within milliseconds. */
    durability: z.enum(['strict', 'grouped']).default('strict'),
    /** required: no session without the desktop's own record; the native listener is closed to it. */
    desktop: z.enum(['required', 'optional']).default('optional'),
  })
  .strict();
export type Recording = z.infer<typeof Recording>;

/** A host key of a target: `SHA256:` and its fingerprint, or the key as a line of known_hosts ends (`ssh-ed25519 AAAA...`). */
export const HostKey = z
  .string()
  .max(4096)
  .regex(/^(SHA256:[A-Za-z0-9+/]{43}|(ssh-|ecdsa-sha2-)[a-z0-9-]+ [A-Za-z0-9+/]+={0,2})$/);

const Credential = z
  .object({
    user: SecretReference,
    password: SecretReference.optional(),
    /** SSH: a private key in OpenSSH's or PEM form, and what it is encrypted with. */
    privateKey: SecretReference.optional(),
    passphrase: SecretReference.optional(),
  })
  .strict();

/** What `admin connections add FILE` takes, for each connection. */
export const ConnectionConfig = z
  .object({
    name: ConnectionName,
    protocol: Protocol,
    /** `host:port`, `[v6]:port`, or an absolute directory that holds the target's unix socket, with `:port`. */
    address: z.string().min(1).max(512),
    database: z.string().min(1).max(63).optional(),
    tls: Tls.default('verify-full'),
    /**
     * scram: nothing weaker than SCRAM-SHA-256 is answered. password: also MD5 and clear text (over TLS only).
     * trust: also a target that asks for nothing. The target can never choose a weaker one than this names.
     */
    authentication: z.enum(['scram', 'password', 'trust']).default('scram'),
    credential: Credential.optional(),
    /**
     * SSH: the target's host keys, one of which it has to prove. `first-contact`: those that it has when it is reached
     * for the first time are kept, which trusts the network once.
     */
    hostKeys: z.union([z.literal('first-contact'), z.array(HostKey).min(1).max(20)]).optional(),
    labels: z.record(z.string().min(1).max(64), z.string().max(256)).default({}),
    masks: z.array(MaskRule).max(1000).default([]),
    recording: Recording.prefault({}),
    /** A session that says nothing for so long is ended. */
    idleTimeoutMs: z
      .number()
      .int()
      .min(1000)
      .max(30 * 24 * 3600 * 1000)
      .default(8 * 3600 * 1000),
  })
  .strict()
  .superRefine((connection, context) => {
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const { protocol, credential } = connection;
    if (protocol === 'ssh') {
      if (connection.database !== undefined) wrong('database', 'an SSH connection has no database');
      if (connection.hostKeys === undefined)
        wrong(
          'hostKeys',
          'an SSH connection needs the host keys of its target (ssh-keyscan), or first-contact',
        );
      if (connection.masks.some((mask) => 'columns' in mask))
        wrong('masks', 'terminals have no columns: SSH connections are masked by detectors');
      return;
    }
    if (connection.hostKeys !== undefined) wrong('hostKeys', `${protocol} has no host keys`);
    if (credential?.privateKey !== undefined || credential?.passphrase !== undefined)
      wrong('credential', `${protocol} signs in with a password`);
  });
export type ConnectionConfig = z.infer<typeof ConnectionConfig>;
/** The same as a person writes it, before defaults are filled in. */
export type ConnectionInput = z.input<typeof ConnectionConfig>;

export const ConnectionsFile = z.object({ connections: z.array(ConnectionConfig).min(1).max(1000) }).strict();

/** What everyone who may see a connection sees of it: no address, no credential. */
export const ConnectionSummary = z.object({
  name: ConnectionName,
  protocol: Protocol,
  labels: z.record(z.string(), z.string()),
  access: z.enum(['allowed', 'request', 'none']),
});
export type ConnectionSummary = z.infer<typeof ConnectionSummary>;

const units: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** Bytes of a RowsKept; `Infinity` for `all`. */
export function rowsKeptBytes(rows: z.infer<typeof RowsKept>): number {
  if (rows === 'all') return Number.POSITIVE_INFINITY;
  if (rows === 'none') return 0;
  if (typeof rows === 'number') return rows;
  const match = /^(\d+)\s?(B|kB|MB|GB)?$/.exec(rows);
  return match === null ? 0 : Number(match[1]) * (units[match[2] ?? 'B'] ?? 1);
}
