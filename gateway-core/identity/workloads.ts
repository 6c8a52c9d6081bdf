import { jwtVerify } from 'jose';
import { z } from 'zod';
import { type Clock, ExpiringMap } from './bounded.js';
import { type BoundedFetch, boundedFetch } from './bounded-fetch.js';
import { type Claims, claimAt, type PersonResult, personOf } from './claims.js';
import type { WorkloadIssuer } from './config.js';
import { asymmetricAlgorithms, jsonFrom, type KeySource, keySource, withKeys } from './issuer-keys.js';
import { identityLimits } from './limits.js';
import { sha256Hex } from './secrets.js';

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

export type WorkloadResult =
  | {
      readonly ok: true;
      readonly person: Extract<PersonResult, { ok: true }>['person'];
      readonly ttlMs: number;
    }
  | { readonly ok: false; readonly reason: string };

export interface Workloads {
  readonly any: boolean;
  /**
   * Who the platform's token speaks of (RFC 8693 2.1, `subject_token` of type jwt). A token signs in one device key
   * only, however often. Never throws.
   */
  verify(token: string, deviceKey: string): Promise<WorkloadResult>;
}

const refused = (reason: string): WorkloadResult => ({ ok: false, reason });

/** Platforms whose OIDC tokens root a chain: CI systems, clusters, clouds. */
export function createWorkloads(issuers: readonly WorkloadIssuer[], clock: Clock): Workloads {
  const byIssuer = new Map(issuers.map((each) => [each.issuer, { ...each, keys: keysOf(each, clock) }]));
  const used = new ExpiringMap<string>({
    clock,
    ttlMs: identityLimits.workloadTokenLifeMsMax,
    entriesMax: identityLimits.workloadTokensMax,
    whenFull: 'refuse',
  });
  return {
    any: issuers.length > 0,
    async verify(token, deviceKey) {
      const issuer = byIssuer.get(issuerOf(token) ?? '');
      if (issuer === undefined) return refused('no trusted workload issuer has made this token');
      const claims = await verified(token, issuer, clock);
      if (typeof claims === 'string') return refused(claims);
      const unmet = Object.entries(issuer.require).find(
        ([path, wanted]) => !meets(claimAt(claims, path), wanted),
      );
      if (unmet !== undefined) return refused(`the token's ${unmet[0]} is not one that is trusted`);
      const result = personOf(claims, issuer, undefined);
      if (!result.ok) return refused(result.reason);
      const hash = sha256Hex(token);
      const before = used.get(hash);
      if (before !== undefined && before !== deviceKey)
        return refused('the token was used by another device key');
      if (before === undefined && !used.set(hash, deviceKey))
        return refused('too many tokens are remembered: try later');
      const groups = [...new Set([...result.person.groups, ...issuer.groups])];
      return { ok: true, person: { ...result.person, groups }, ttlMs: issuer.ttl };
    },
  };
}

async function verified(
  token: string,
  issuer: WorkloadIssuer & { readonly keys: KeySource },
  clock: Clock,
): Promise<Claims | string> {
  const result = await withKeys(issuer.keys, (keys) =>
    jwtVerify(token, keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: [...asymmetricAlgorithms],
      currentDate: new Date(clock()),
      clockTolerance: 30,
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: identityLimits.workloadTokenLifeMsMax / 1000,
    }),
  );
  return result.ok ? result.value.payload : whyNot[result.why];
}

const whyNot = {
  keys: "the issuer's keys could not be read",
  expired: 'the token has expired',
  token: 'the token does not verify for this gateway',
} as const;

/** A claim, or one of its values where it is a list, is one of those wanted. */
function meets(value: unknown, wanted: string | readonly string[]): boolean {
  const list = typeof wanted === 'string' ? [wanted] : wanted;
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => typeof each === 'string' && list.includes(each));
}

/** Unverified: only to know whose keys to ask. */
function issuerOf(token: string): string | undefined {
  if (token.length > identityLimits.workloadTokenBytesMax) return undefined;
  const [, payload, , more] = token.split('.');
  if (payload === undefined || more !== undefined) return undefined;
  try {
    const parsed = z
      .object({ iss: z.string() })
      .safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    return parsed.success ? parsed.data.iss : undefined;
  } catch {
    return undefined;
  }
}

/** OpenID Connect Discovery 4, then the key set. */
function keysOf(issuer: WorkloadIssuer, clock: Clock): KeySource {
  const read = boundedFetch(issuer.allowInsecureLoopback);
  const base = issuer.issuer.endsWith('/') ? issuer.issuer : `${issuer.issuer}/`;
  return keySource({
    read,
    clock,
    againMs: identityLimits.workloadKeysAgainMs,
    uri: async () =>
      issuer.jwksUri ?? discovered(read, `${base}.well-known/openid-configuration`, issuer.issuer),
  });
}

async function discovered(read: BoundedFetch, url: string, issuer: string): Promise<string> {
  const metadata = Metadata.parse(await jsonFrom(read, url));
  if (metadata.issuer !== issuer) throw new TypeError('the metadata are those of another issuer');
  return metadata.jwks_uri;
}
