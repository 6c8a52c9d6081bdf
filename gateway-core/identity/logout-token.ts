import { type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import { z } from 'zod';
import { type KeyedResult, withKeys } from './issuer-keys.js';
import { identityLimits } from './limits.js';
import type { ProviderSigner } from './providers.js';

/** Whom a provider signs out: one login of theirs (`sid`), or the person everywhere (`subject` alone). */
export interface Logout {
  readonly subject: string | undefined;
  readonly sid: string | undefined;
  /** Unique among the provider's logout tokens. */
  readonly id: string;
}

export type LogoutResult =
  | { readonly ok: true; readonly logout: Logout }
  /** `reason` is fixed text: it goes into the audit log and to the provider. */
  | { readonly ok: false; readonly reason: string };

const event = 'http://schemas.openid.net/event/backchannel-logout';
const Name = z.string().min(1).max(identityLimits.subjectCharactersMax);

/** Typed by who follows OpenID Connect Back-Channel Logout 1.0, 2.4; before, providers said JWT or nothing. */
const types: readonly unknown[] = [undefined, 'jwt', 'logout+jwt', 'application/logout+jwt'];

/**
 * OpenID Connect Back-Channel Logout 1.0, 2.6: signature by a key of the provider and an algorithm that it signs
 * id_tokens with, `iss`, `aud`, `iat`, `exp`, `sub` or `sid`, the event, and no `nonce`, which only an id_token has.
 * That no `jti` comes twice is for the caller. Never throws.
 */
export async function verifyLogoutToken(
  token: string,
  expected: { readonly signer: ProviderSigner; readonly clientId: string; readonly nowMs: number },
): Promise<LogoutResult> {
  const { signer, clientId, nowMs } = expected;
  if (Buffer.byteLength(token) > identityLimits.logoutTokenBytesMax) return refused('is too long');
  const skew = identityLimits.logoutClockSkewMs / 1000;
  const verified: KeyedResult<JWTVerifyResult> = await withKeys(signer.keys, (keys) =>
    jwtVerify(token, keys, {
      issuer: signer.issuer,
      audience: clientId,
      algorithms: [...signer.algorithms],
      currentDate: new Date(nowMs),
      clockTolerance: skew,
      requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti'],
      maxTokenAge: identityLimits.logoutTokenAgeMsMax / 1000,
    }),
  );
  if (!verified.ok) return refused(whyNot[verified.why]);
  const { payload, protectedHeader } = verified.value;
  const { typ } = protectedHeader;
  if (!types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ))
    return refused('is typed as something else');
  return logoutOf(payload, clientId);
}

function logoutOf(payload: JWTPayload, clientId: string): LogoutResult {
  // OpenID Connect Core 3.1.3.7 (3, 4, 5): other audiences only where this client is the one it was made for.
  const others = Array.isArray(payload.aud) && payload.aud.length > 1;
  if ((others || payload['azp'] !== undefined) && payload['azp'] !== clientId)
    return refused('is meant for somebody else too');
  if (payload['nonce'] !== undefined) return refused('has a nonce');
  const events = z.record(z.string(), z.unknown()).safeParse(payload['events']);
  const told = events.success && Object.hasOwn(events.data, event) ? events.data[event] : undefined;
  if (!z.record(z.string(), z.unknown()).safeParse(told).success) return refused('tells of no logout');
  const names = z
    .object({ sub: Name.optional(), sid: Name.optional(), jti: Name })
    .safeParse({ sub: payload.sub, sid: payload['sid'], jti: payload.jti });
  if (!names.success) return refused('names nobody that can be');
  const { sub: subject, sid, jti: id } = names.data;
  if (subject === undefined && sid === undefined) return refused('names nobody');
  return { ok: true, logout: { subject, sid, id } };
}

const whyNot = {
  keys: "cannot be judged: the provider's keys could not be read",
  expired: 'has expired',
  token: 'does not verify',
} as const;

function refused(what: string): LogoutResult {
  return { ok: false, reason: `the logout token ${what}` };
}
