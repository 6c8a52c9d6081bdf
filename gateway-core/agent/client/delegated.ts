import { z } from 'zod';
import { paths } from '../../contract/api.js';
import {
  AttachmentItem,
  type DelegationRequest,
  DelegationResponse,
  type Lineage,
} from '../../contract/delegation.js';
import { createDeviceJwk, type DeviceKey, deviceKey } from './dpop.js';
import type { Following, Gateway } from './gateway.js';

/** A delegation that this process holds by its key. */
export interface HeldDelegation {
  readonly answer: DelegationResponse;
  readonly key: DeviceKey;
}

/**
 * Asks for a child of whoever `gateway` speaks as, with a key that only this process has.
 * @throws ThroughlineError denied: wider than the parent
 */
export async function mintDelegation(
  gateway: Gateway,
  request: Omit<DelegationRequest, 'key'>,
  lineage?: Lineage,
): Promise<HeldDelegation> {
  const jwk = createDeviceJwk();
  const { kty, crv, x, y } = jwk;
  const body: DelegationRequest = { ...request, key: { kty, crv, x, y } };
  const answer = await gateway.json(
    { method: 'POST', path: paths.delegations, body, lineage },
    DelegationResponse,
  );
  return { answer, key: deviceKey(jwk) };
}

/** Requests of a delegation's holder about itself; `gateway` speaks as the delegation. */
export const holder = {
  attach: (gateway: Gateway, id: string): Following<z.infer<typeof AttachmentItem>> =>
    gateway.follow({ method: 'GET', path: paths.attachment(id) }, AttachmentItem),
  contact: (gateway: Gateway, id: string) => gateway.text({ method: 'POST', path: paths.contact(id) }),
  finish: (gateway: Gateway, id: string) => gateway.text({ method: 'DELETE', path: paths.delegation(id) }),
} as const;
