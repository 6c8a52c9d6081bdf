import { createLocalJWKSet } from 'jose';
import { z } from 'zod';
import type { Clock } from './bounded.js';
import type { BoundedFetch } from './bounded-fetch.js';
import { identityLimits } from './limits.js';

/** Asymmetric only: a key set that anybody can read must not be a secret. */
export const asymmetricAlgorithms: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

const KeySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(100) });

type Keys = ReturnType<typeof createLocalJWKSet>;
/** `fresh`: read again where that is due. Rejects when they cannot be read. */
export type KeySource = (fresh: boolean) => Promise<Keys>;

/** An issuer's key set (RFC 7517 5): bounded, kept for an hour, read again for `fresh` after `againMs` at the earliest. */
export function keySource(options: {
  readonly uri: () => Promise<string>;
  readonly read: BoundedFetch;
  readonly clock: Clock;
  readonly againMs: number;
}): KeySource {
  const { uri, read, clock, againMs } = options;
  let known: { readonly keys: Keys; readonly atMs: number } | undefined;
  let pending: Promise<Keys> | undefined;
  const load = async (): Promise<Keys> => {
    const keys = createLocalJWKSet(KeySet.parse(await jsonFrom(read, await uri())));
    known = { keys, atMs: clock() };
    return keys;
  };
  return (fresh) => {
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : clock() - known.atMs;
    if (known !== undefined && ageMs < (fresh ? againMs : identityLimits.providerMetadataTtlMs))
      return Promise.resolve(known.keys);
    pending ??= load().finally(() => {
      pending = undefined;
    });
    const before = known?.keys;
    return before === undefined ? pending : pending.catch(() => before);
  };
}

export type KeyedResult<T> =
  | { readonly ok: true; readonly value: T }
  /** keys: they could not be read. expired: by its own `exp`. token: it does not verify, whatever the reason. */
  | { readonly ok: false; readonly why: 'keys' | 'expired' | 'token' };

/** Runs `verify` with the keys; once more with fresh ones for a key that was not there, as issuers rotate. */
export async function withKeys<T>(
  source: KeySource,
  verify: (keys: Keys) => Promise<T>,
): Promise<KeyedResult<T>> {
  for (const fresh of [false, true]) {
    let keys: Keys;
    try {
      keys = await source(fresh);
    } catch {
      return { ok: false, why: 'keys' };
    }
    try {
      return { ok: true, value: await verify(keys) };
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === 'ERR_JWKS_NO_MATCHING_KEY' && !fresh) continue;
      return { ok: false, why: code === 'ERR_JWT_EXPIRED' ? 'expired' : 'token' };
    }
  }
  return { ok: false, why: 'token' };
}

/** A bounded GET of JSON, without redirects. Throws when there is none. */
export async function jsonFrom(read: BoundedFetch, url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(identityLimits.providerTimeoutMs);
  const response = await read(url, {
    signal,
    redirect: 'error',
    headers: { accept: 'application/json' },
  } as never);
  if (!response.ok) throw new TypeError('the issuer does not answer with what was asked for');
  return response.json();
}
