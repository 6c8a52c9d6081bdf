import { createHash, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK } from 'jose';
import { z } from 'zod';
import type { Clock } from './bounded.js';
import { identityLimits } from './limits.js';
import { hmac } from './secrets.js';

/** The signature algorithms of device keys, in the order of preference. */
export const proofAlgorithms = ['ES256', 'EdDSA'] as const;

/** What a verified proof says. `epoch` is the period of its nonce. */
export interface Proof {
  /** RFC 7638 thumbprint (SHA-256, base64url) of the key that signed. */
  readonly deviceKey: string;
  readonly id: string;
  readonly epoch: number;
  /** base64url(SHA-256(ticket)); absent at the token endpoint. */
  readonly ticketHash: string | undefined;
}

export type ProofResult =
  | { readonly ok: true; readonly proof: Proof }
  /** nonce: well signed, but with no nonce or an old one: the caller signs again with the one it is given. */
  | { readonly ok: false; readonly kind: 'missing' | 'invalid' | 'nonce'; readonly message: string };

/**
 * Server nonces (RFC 9449 8): period number and its HMAC under a key that lives as long as this process, so
 * nothing is stored and a restart turns all of them down.
 *
 * INVARIANT: the period never goes back, even if the clock does; the replay cache forgets by period.
 */
export class Nonces {
  private readonly key = randomBytes(32);
  private readonly clock: Clock;
  private latest = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The oldest period whose nonces are still accepted. */
  oldestEpoch(): number {
    return this.epoch() - 1;
  }

  current(): string {
    return this.nonceOf(this.epoch());
  }

  /** The period of a nonce of ours that is still accepted. */
  epochOf(nonce: string): number | undefined {
    const epoch = this.epoch();
    return [epoch, epoch - 1].find((candidate) => nonce === this.nonceOf(candidate));
  }

  private epoch(): number {
    this.latest = Math.max(this.latest, Math.floor(this.clock() / identityLimits.nonceRotationMs));
    return this.latest;
  }

  private nonceOf(epoch: number): string {
    return hmac(this.key, `dpop-nonce ${epoch}`).subarray(0, 24).toString('base64url');
  }
}

/**
 * Proofs that were accepted, by nonce period and key. A proof can be used again only while its nonce is accepted,
 * so a whole period is dropped at once. Full: `full`, and the caller refuses; nothing is evicted.
 */
export class ReplayCache {
  private readonly nonces: Nonces;
  private readonly proofsMax: number;
  private readonly proofsPerKeyMax: number;
  private readonly periods = new Map<number, Map<string, Set<string>>>();
  private size = 0;

  constructor(
    nonces: Nonces,
    bounds: { proofsMax: number; proofsPerKeyMax: number } = {
      proofsMax: identityLimits.proofsMax,
      proofsPerKeyMax: identityLimits.proofsPerKeyMax,
    },
  ) {
    this.nonces = nonces;
    this.proofsMax = bounds.proofsMax;
    this.proofsPerKeyMax = bounds.proofsPerKeyMax;
  }

  accept(proof: Proof): 'fresh' | 'replayed' | 'full' {
    this.sweep();
    const period = this.periods.get(proof.epoch) ?? new Map<string, Set<string>>();
    const ids = period.get(proof.deviceKey) ?? new Set<string>();
    const id = createHash('sha256').update(proof.id, 'utf8').digest('base64').slice(0, 22);
    if (ids.has(id)) return 'replayed';
    if (this.size >= this.proofsMax || ids.size >= this.proofsPerKeyMax) return 'full';
    ids.add(id);
    this.size += 1;
    period.set(proof.deviceKey, ids);
    this.periods.set(proof.epoch, period);
    return 'fresh';
  }

  private sweep(): void {
    const oldest = this.nonces.oldestEpoch();
    for (const [epoch, period] of this.periods) {
      if (epoch >= oldest) continue;
      for (const ids of period.values()) this.size -= ids.size;
      this.periods.delete(epoch);
    }
  }
}

const Coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const PublicKey = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: Coordinate, y: Coordinate }),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: Coordinate }),
]);
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

const Header = z.object({
  typ: z.literal('dpop+jwt'),
  alg: z.enum(proofAlgorithms),
  jwk: z.record(z.string(), z.unknown()),
  crit: z.undefined().optional(),
});

const Payload = z.object({
  jti: z.string().min(1).max(identityLimits.proofIdBytesMax),
  htm: z.string().max(32),
  htu: z.string().max(identityLimits.proofBytesMax),
  iat: z.number().finite(),
  nonce: z.string().max(256).optional(),
  ath: z.string().max(64).optional(),
});
type Payload = z.infer<typeof Payload>;

const invalid = (message: string): ProofResult => ({ ok: false, kind: 'invalid', message });

/**
 * Checks one DPoP proof (RFC 9449 4.3) but for its use: whether it was seen before and whether it fits a ticket is
 * for the caller to say. `origin` is the gateway's own, whatever the request's Host header claims.
 */
export async function checkProof(
  given: { readonly proof: string | undefined; readonly method: string; readonly url: string },
  context: { readonly clock: Clock; readonly nonces: Nonces; readonly origin: string },
): Promise<ProofResult> {
  if (given.proof === undefined || given.proof === '')
    return { ok: false, kind: 'missing', message: 'the DPoP header is missing' };
  const verified = await verifySignature(given.proof);
  if (typeof verified === 'string') return invalid(verified);
  const { payload, deviceKey } = verified;
  if (payload.htm !== given.method) return invalid('the proof is for another method');
  const target = requestTarget(given.url, context.origin);
  if (target === undefined || proofTarget(payload.htu) !== target)
    return invalid('the proof is for another URL');
  if (Math.abs(payload.iat * 1000 - context.clock()) > identityLimits.clockSkewMsMax)
    return invalid("the proof's time is more than five minutes off the gateway's clock");
  const epoch = payload.nonce === undefined ? undefined : context.nonces.epochOf(payload.nonce);
  if (epoch === undefined)
    return { ok: false, kind: 'nonce', message: 'the proof needs the latest DPoP-Nonce' };
  return { ok: true, proof: { deviceKey, id: payload.jti, epoch, ticketHash: payload.ath } };
}

/** The payload and its key, or what is wrong. */
async function verifySignature(text: string): Promise<{ payload: Payload; deviceKey: string } | string> {
  // One compact JWS and nothing else: a second DPoP header arrives here as `first, second`.
  if (text.length > identityLimits.proofBytesMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text))
    return 'the DPoP header is not one signed proof';
  try {
    const header = Header.safeParse(decodeProtectedHeader(text));
    if (!header.success)
      return `the proof's header must say dpop+jwt, ${proofAlgorithms.join(' or ')} and jwk`;
    const { alg, jwk } = header.data;
    if (privateMembers.some((member) => Object.hasOwn(jwk, member))) return 'the proof holds a private key';
    const key = PublicKey.safeParse(jwk);
    if (!key.success || (key.data.kty === 'EC') !== (alg === 'ES256'))
      return 'the key of the proof must be P-256 or Ed25519 and fit its algorithm';
    const verified = await compactVerify(text, await importJWK(key.data, alg), { algorithms: [alg] });
    const payload = Payload.safeParse(
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(verified.payload)),
    );
    if (!payload.success) return 'the proof lacks jti, htm, htu or iat';
    return { payload: payload.data, deviceKey: await calculateJwkThumbprint(key.data, 'sha256') };
  } catch {
    return 'the proof is not well signed';
  }
}

/** RFC 7638, SHA-256, base64url. */
export function keyThumbprint(key: z.infer<typeof PublicKey>): Promise<string> {
  return calculateJwkThumbprint(key, 'sha256');
}

/** A request's URL without query, on the gateway's own origin. `url` may be whole or only a path. */
function requestTarget(url: string, origin: string): string | undefined {
  const path = url.startsWith('/') ? url : url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return withoutQuery(`${origin}${path.startsWith('/') ? path : `/${path}`}`);
}

function proofTarget(htu: string): string | undefined {
  return /^https?:\/\//i.test(htu) ? withoutQuery(htu) : undefined;
}

function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.search = '';
  url.hash = '';
  return url.href;
}
