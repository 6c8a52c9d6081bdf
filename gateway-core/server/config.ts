import { readFileSync, statSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConnectionConfig } from '../contract/connection.js';
import { ThroughlineError } from '../contract/errors.js';
import { IdentityConfig } from '../identity/index.js';

const configBytesMax = 1024 * 1024;

/** `HOST:PORT` or `[V6]:PORT`. */
const Endpoint = z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/, 'HOST:PORT or [IPv6]:PORT');

const dayMs = 24 * 3600 * 1000;

/** `90d`, `12w`, as milliseconds. */
const Days = z
  .string()
  .regex(/^[1-9]\d{0,4}[dw]$/, 'a number of days or weeks: 90d, 12w')
  .transform((text) => Number(text.slice(0, -1)) * (text.endsWith('w') ? 7 : 1) * dayMs);

/** The file of `throughline up --config FILE` (YAML or JSON). Every key is documented in the README. */
export const GatewayConfig = z
  .object({
    listen: Endpoint.optional(),
    externalUrl: z.url().startsWith('https://').optional(),
    data: z.string().optional(),
    keys: z.string().optional(),
    tls: z.object({ certificate: z.string(), key: z.string() }).strict().optional(),
    listeners: z
      .object({
        postgres: z.union([Endpoint, z.literal('off')]).optional(),
        ssh: z.union([Endpoint, z.literal('off')]).optional(),
      })
      .strict()
      .default({}),
    identityProviders: IdentityConfig.shape.providers,
    bootstrapAdmin: IdentityConfig.shape.bootstrapAdmin,
    workloadIssuers: IdentityConfig.shape.workloadIssuers,
    misuse: IdentityConfig.shape.misuse,
    /** What `{env: NAME}` and `{file: PATH}` in credentials may name. Nothing by default. */
    references: z
      .object({ env: z.array(z.string()).default([]), files: z.array(z.string()).default([]) })
      .strict()
      .default({ env: [], files: [] }),
    /** Name of the audit log in checkpoints and verifier keys. */
    logOrigin: z
      .string()
      .regex(/^[^\s+]{1,200}$/)
      .optional(),
    /** How long recordings are kept: `90d`, `12w`. Without it, for good. The audit log itself is never shortened. */
    retention: z.object({ recordings: Days.optional() }).strict().optional(),
    /** What desktops record and upload. */
    spool: z
      .object({
        /** Room for one device's records. */
        bytesPerDeviceMax: z
          .number()
          .int()
          .min(16 * 1024 * 1024)
          .max(1024 ** 4)
          .default(512 * 1024 * 1024),
        /** How long an ended session waits for its desktop's record before it counts as the gateway's word alone. */
        waitMinutes: z
          .number()
          .int()
          .min(1)
          .max(60 * 24 * 90)
          .default(24 * 60),
      })
      .strict()
      .prefault({}),
    /** Put when the gateway starts and their text differs from what is in force. */
    connections: z.array(ConnectionConfig).max(1000).default([]),
    policies: z.string().optional(),
  })
  .strict();
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** Reads and checks a config file; every failure names the place and what to do. */
export function readConfig(path: string | undefined): GatewayConfig {
  if (path === undefined) return GatewayConfig.parse({});
  let text: string;
  try {
    if (statSync(path).size > configBytesMax) throw new Error('larger than 1 MiB');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(path, error instanceof Error ? error.message : 'not readable');
  }
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 20 });
  } catch (error) {
    throw invalid(path, error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'not YAML');
  }
  const result = GatewayConfig.safeParse(value ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(path, `${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'invalid'}`);
}

function invalid(path: string, reason: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `config ${path}: ${reason}`, {
    action: 'correct the file; the README documents every key',
  });
}

/** `[::1]:7443` and `127.0.0.1:7443`. The schema has checked the form; the port's range is checked here. */
export function parseEndpoint(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  const port = Number(text.slice(at + 1));
  const host = text.slice(0, at).replace(/^\[|\]$/g, '');
  if (at <= 0 || host === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ThroughlineError('usage', `"${text}" is not HOST:PORT`, {
      action: 'give for example 127.0.0.1:7443',
    });
  }
  return { host, port };
}

export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host === '::1' ||
    host === '::ffff:127.0.0.1' ||
    /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(host)
  );
}
