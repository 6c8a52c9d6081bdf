import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import { z } from 'zod';
import { ThroughlineError } from '../../../contract/errors.js';

const base64url = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const DemoKeys = z.object({
  v: z.literal(1),
  clientSecret: base64url,
  cookieKey: base64url,
  /** Signs id_tokens (ES256). */
  signingKey: z.object({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: base64url,
    y: base64url,
    d: base64url,
    kid: z.string(),
    use: z.literal('sig'),
    alg: z.literal('ES256'),
  }),
});
export type DemoKeys = z.infer<typeof DemoKeys>;

/**
 * The demo provider's keys: random per data directory, made at first use, in a file that only its owner reads.
 * Throws `invalid-config` for a file that others may read or that is damaged.
 */
export async function demoKeys(directory: string): Promise<DemoKeys> {
  const path = join(directory, 'identity-provider.json');
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return makeKeys(directory, path);
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw unusable(path, 'can be read by other users of this machine');
  try {
    return DemoKeys.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    throw unusable(path, 'is damaged');
  }
}

async function makeKeys(directory: string, path: string): Promise<DemoKeys> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const keys = DemoKeys.parse({
    v: 1,
    clientSecret: randomBytes(32).toString('base64url'),
    cookieKey: randomBytes(32).toString('base64url'),
    signingKey: {
      ...(await exportJWK(privateKey)),
      kid: randomBytes(8).toString('hex'),
      use: 'sig',
      alg: 'ES256',
    },
  });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, JSON.stringify(keys), { mode: 0o600, flag: 'wx' });
  await chmod(temporary, 0o600);
  // Whole or not at all, even when the process dies here.
  await rename(temporary, path);
  return keys;
}

function unusable(path: string, why: string): ThroughlineError {
  return new ThroughlineError('invalid-config', `the demo identity provider's key file ${why}`, {
    action: 'delete the file: a new one is made at the next start',
    fields: { path },
  });
}
