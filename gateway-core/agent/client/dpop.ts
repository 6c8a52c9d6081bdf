import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import { z } from 'zod';

const Coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** A P-256 private key as a JWK (RFC 7518 6.2): the device key as it is kept, sealed. */
export const DeviceJwk = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: Coordinate,
  y: Coordinate,
  d: Coordinate,
});
export type DeviceJwk = z.infer<typeof DeviceJwk>;

/** Proves that a request comes from the device that signed in. */
export interface DeviceKey {
  /** RFC 7638 thumbprint of the public key. */
  readonly thumbprint: string;
  /**
   * One DPoP proof (RFC 9449 4.2) for one request. `url` may hold a query: `htu` is written without it.
   * `accessToken` adds `ath`, which every request with a ticket needs.
   */
  prove(request: { method: string; url: string; nonce?: string; accessToken?: string }): string;
  /** A compact JWS (RFC 7515) over `claims`, the public key in its header. */
  signToken(type: string, claims: unknown): string;
}

export function createDeviceJwk(): DeviceJwk {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return DeviceJwk.parse(privateKey.export({ format: 'jwk' }));
}

export function deviceKey(jwk: DeviceJwk): DeviceKey {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const publicJwk = { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y };
  const header = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicJwk });
  return {
    // RFC 7638 3.2: the required members in lexicographic order, without white space.
    thumbprint: sha256(JSON.stringify(publicJwk)),
    prove: (request) => prove(key, header, request),
    signToken: (typ, claims) =>
      signed(key, `${encode({ typ, alg: 'ES256', jwk: publicJwk })}.${encode(claims)}`),
  };
}

function prove(key: KeyObject, header: string, request: Parameters<DeviceKey['prove']>[0]): string {
  const url = new URL(request.url);
  const payload = encode({
    jti: randomUUID(),
    htm: request.method,
    htu: `${url.origin}${url.pathname}`,
    iat: Math.floor(Date.now() / 1000),
    ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
    ...(request.accessToken === undefined ? {} : { ath: sha256(request.accessToken) }),
  });
  return signed(key, `${header}.${payload}`);
}

function signed(key: KeyObject, input: string): string {
  // RFC 7518 3.4: r and s side by side, not DER.
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** base64url(SHA-256(text)): thumbprints, `ath`, PKCE challenges. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
