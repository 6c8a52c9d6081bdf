import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { ulid } from 'ulid';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import {
  type Lineage,
  offlineTokenType,
  type ReportedProcess,
} from '../../../gateway-core/contract/delegation.js';
import type { DelegationInput, Minted } from '../../../gateway-core/identity/delegations.js';
import { Device, type Gateway, startGateway } from './support.js';

export const bootId = randomUUID();
export const hour = 3600_000;

export interface SignedIn {
  readonly gateway: Gateway;
  readonly device: Device;
  readonly ticket: string;
  readonly actor: Actor;
}

export async function signedIn(
  more: NonNullable<Parameters<typeof startGateway>[0]> = {},
): Promise<SignedIn> {
  const gateway = await startGateway(more);
  const device = await Device.create();
  const { ticket } = await device.demoSignIn(gateway, 'engineer');
  return { gateway, device, ticket, actor: await actorOf(gateway, device, ticket) };
}

export async function actorOf(
  gateway: Gateway,
  device: Device,
  credential: string,
  more: Parameters<Device['call']>[2] = {},
): Promise<Actor> {
  // The nonce is learned with the first answer.
  const first = await device.call(gateway, credential, more);
  const result = first.ok ? first : await device.call(gateway, credential, more);
  if (!result.ok) throw result.error;
  return result.actor;
}

export function mint(gateway: Gateway, actor: Actor, more: Partial<DelegationInput> = {}): Promise<Minted> {
  return gateway.identity.delegations.mint(actor, {
    label: 'agent',
    expiresAtMs: gateway.clock.now() + hour,
    key: undefined,
    handle: true,
    ...more,
  });
}

export const process = (pid: number, more: Partial<ReportedProcess> = {}): ReportedProcess => ({
  pid,
  startTicks: String(1000 + pid),
  name: `p${pid}`,
  ...more,
});

export const evidence = (pid: number) => ({ bootId, pid, startTicks: String(1000 + pid) });

/** Leaf first. */
export const lineage = (...processes: readonly ReportedProcess[]): Lineage => ({
  kind: 'attributed',
  bootId,
  processes: [...processes],
});

export const names = (actor: Actor): string =>
  actor.chain
    .slice(1)
    .map(({ name, assurance }) => `${name} ${assurance}`)
    .join(' > ');

/** A delegation that `parent` signs without asking. `wrong` overrules what a right one has. */
export async function offline(
  gateway: Gateway,
  parent: { readonly id: string; readonly device: Device },
  child: Device,
  wrong: { claims?: Record<string, unknown>; header?: Record<string, unknown>; signer?: Device } = {},
): Promise<{ id: string; token: string }> {
  const id = `dlg_${ulid(gateway.clock.now())}`;
  const now = Math.floor(gateway.clock.now() / 1000);
  const claims = {
    v: 1,
    jti: id,
    par: parent.id,
    par_jkt: parent.device.thumbprint,
    iat: now,
    exp: now + 600,
    levels: 0,
    label: 'offline',
    cnf: { jwk: publicOf(child) },
    ...wrong.claims,
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({
      typ: offlineTokenType,
      alg: parent.device.alg,
      jwk: publicOf(parent.device),
      ...wrong.header,
    })
    .sign((wrong.signer ?? parent.device).privateKey);
  return { id, token };
}

function publicOf(device: Device): Record<string, unknown> {
  const { kty, crv, x, y } = device.publicKey;
  return { kty, crv, x, ...(y === undefined ? {} : { y }) };
}
