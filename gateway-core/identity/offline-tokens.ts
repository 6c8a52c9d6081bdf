import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK } from 'jose';
import { z } from 'zod';
import { type Actor } from '../contract/chain.js';
import { DelegationKey, delegationLimits, OfflineToken, offlineTokenType } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { Clock } from './bounded.js';
import type { Delegation } from './delegation.js';
import { actorOfDelegation, type Delegations } from './delegations.js';
import { identityLimits } from './limits.js';
import { sha256Hex } from './secrets.js';
import type { SignIns } from './sign-ins.js';

const Header = z.object({
  typ: z.literal(offlineTokenType),
  alg: z.enum(['ES256', 'EdDSA']),
  /** Of the key that signed: the parent's. */
  jwk: DelegationKey,
  crit: z.undefined().optional(),
});

const refused = (message: string) =>
  new ThroughlineError('denied', `the delegation was refused: ${message}`, {
    action: 'mint it anew, within what its parent may',
  });

/**
 * Takes up delegations that key holders minted without asking (compact JWS, RFC 7515; outermost first): each is
 * checked against its parent as if it had been asked for here, recorded, and from then on like any other.
 * @throws ThroughlineError denied, rate-limited, not-recordable
 */
export async function acceptOffline(
  tokens: string,
  rooms: { readonly delegations: Delegations; readonly signIns: SignIns; readonly clock: Clock },
): Promise<void> {
  if (tokens.length > delegationLimits.tokensBytesMax) throw refused('too many tokens at once');
  const list = tokens.split(',').map((each) => each.trim());
  if (list.length > delegationLimits.depthMax) throw refused('too many tokens at once');
  for (const token of list) await acceptOne(token, rooms);
}

async function acceptOne(
  token: string,
  rooms: { readonly delegations: Delegations; readonly signIns: SignIns; readonly clock: Clock },
): Promise<void> {
  const { delegations, clock } = rooms;
  const { payload, signer } = await verified(token);
  const tokenHash = sha256Hex(token);
  const known = delegations.get(payload.jti);
  if (known?.tokenHash === tokenHash) return;
  if (known !== undefined || (await delegations.known(payload.jti)))
    throw refused('its id was used before, or it has ended');
  const parent = await parentOf(payload, rooms);
  if (parent.key !== signer || payload.par_jkt !== signer) throw refused('its parent’s key did not sign it');
  const now = clock();
  const [issuedMs, expiresAtMs] = [payload.iat * 1000, payload.exp * 1000];
  if (issuedMs > now + identityLimits.clockSkewMsMax) throw refused('it is from the future');
  if (issuedMs + identityLimits.clockSkewMsMax < parent.sinceMs) throw refused('it is older than its parent');
  if (expiresAtMs > parent.actor.expiresAtMs + 999) throw refused('it lives longer than its parent');
  if (expiresAtMs <= now) throw refused('it has expired');
  const { label, connections, actions, purpose, budget, levels } = payload;
  await delegations.mint(parent.actor, {
    label,
    levels,
    expiresAtMs,
    ...(connections === undefined ? {} : { connections }),
    ...(actions === undefined ? {} : { actions }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(budget === undefined ? {} : { budget }),
    key: await calculateJwkThumbprint(payload.cnf.jwk, 'sha256'),
    handle: false,
    offline: { id: payload.jti, tokenHash },
  });
}

async function verified(token: string): Promise<{ payload: OfflineToken; signer: string }> {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw refused('it is not a signed token');
  const header = Header.safeParse(headerOf(token));
  if (!header.success) throw refused(`its header must say ${offlineTokenType}, alg and jwk`);
  const { alg, jwk } = header.data;
  if ((jwk.kty === 'EC') !== (alg === 'ES256')) throw refused('its key does not fit its algorithm');
  const { payload } = await compactVerify(token, await importJWK(jwk, alg), { algorithms: [alg] }).catch(
    () => {
      throw refused('it is not well signed');
    },
  );
  const parsed = OfflineToken.safeParse(jsonOf(payload));
  if (!parsed.success) throw refused('its fields are not those of version 1');
  return { payload: parsed.data, signer: await calculateJwkThumbprint(jwk, 'sha256') };
}

function headerOf(token: string): unknown {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

interface Parent {
  readonly actor: Actor;
  readonly key: string | undefined;
  readonly sinceMs: number;
}

async function parentOf(
  payload: OfflineToken,
  { delegations, signIns }: { readonly delegations: Delegations; readonly signIns: SignIns },
): Promise<Parent> {
  const above = delegations.get(payload.par);
  if (above !== undefined) return { actor: actorAt(above), key: above.key, sinceMs: above.createdAtMs };
  const signIn = payload.par.startsWith('sgn_') ? await signIns.live(payload.par) : undefined;
  if (signIn === undefined) throw refused('its parent is unknown, has ended or has expired');
  return { actor: signIn.actor, key: signIn.actor.deviceKey, sinceMs: signIn.sinceMs };
}

const actorAt = (delegation: Delegation): Actor =>
  actorOfDelegation(delegation, 'proven', delegation.expiresAtMs);
