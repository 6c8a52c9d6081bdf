import { ulid } from 'ulid';
import { z } from 'zod';
import { OfflineToken, offlineTokenType } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { DelegationId } from '../../contract/ids.js';
import { createDeviceJwk, DeviceJwk, type DeviceKey, deviceKey } from '../client/dpop.js';
import { type Gateway, openHeld } from '../client/gateway.js';
import { Trust } from '../client/trust.js';

type Claims = z.input<typeof OfflineToken>;

/** Bounds of the child; every one must lie within the parent's, else the gateway refuses it at its first use. */
export type OfflineRequest = Pick<Claims, 'label' | 'connections' | 'actions' | 'purpose' | 'budget'> & {
  readonly ttlMs: number;
  readonly levels?: number;
};

/** Everything that a worker needs to act as the child, on whatever machine. A secret: it holds the child's key. */
const Credential = z
  .object({
    v: z.literal(1),
    gateway: z.string(),
    trust: Trust,
    principal: z.string(),
    id: DelegationId,
    /** From the first hop that the gateway may not know to the child itself. */
    tokens: z.array(z.string()),
    key: DeviceJwk,
  })
  .strict();

export interface OfflineChild {
  readonly id: DelegationId;
  readonly key: DeviceKey;
  readonly tokens: readonly string[];
  readonly url: string;
  readonly trust: Trust;
  readonly principal: string;
  /** For openOffline, in another process or on another machine. */
  readonly credential: string;
}

export interface OfflineParent {
  readonly id: string;
  readonly key: DeviceKey;
  readonly tokens: readonly string[];
  readonly url: string;
  readonly trust: Trust;
  readonly principal: string;
}

/** Mints a child with the parent's key: no gateway is asked. */
export function mintOffline(parent: OfflineParent, request: OfflineRequest): OfflineChild {
  const jwk = createDeviceJwk();
  const { kty, crv, x, y } = jwk;
  const id = DelegationId.parse(`dlg_${ulid()}`);
  const { ttlMs, levels, ...bounds } = request;
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = OfflineToken.parse({
    v: 1,
    jti: id,
    par: parent.id,
    par_jkt: parent.key.thumbprint,
    iat: nowSeconds,
    exp: nowSeconds + Math.floor(ttlMs / 1000),
    levels: levels ?? 0,
    cnf: { jwk: { kty, crv, x, y } },
    ...bounds,
  } satisfies Claims);
  const tokens = [...parent.tokens, parent.key.signToken(offlineTokenType, claims)];
  const { url, trust, principal } = parent;
  const credential = JSON.stringify({ v: 1, gateway: url, trust, principal, id, tokens, key: jwk });
  return { id, key: deviceKey(jwk), tokens, url, trust, principal, credential };
}

/** The gateway as the child that a credential is for. No request is made yet. @throws ThroughlineError usage */
export function openOffline(credential: string): Gateway {
  const parsed = Credential.safeParse(jsonOf(credential));
  if (!parsed.success)
    throw new ThroughlineError('usage', 'this is no credential of an offline-minted delegation');
  const { gateway: url, trust, principal, id, tokens, key } = parsed.data;
  return openHeld({ url, trust, principal, delegation: id, tokens, key: deviceKey(key) });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
