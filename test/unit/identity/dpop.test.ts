import { createHmac } from 'node:crypto';
import { assert, asyncProperty, constant, constantFrom, jsonValue, oneof, string, tuple } from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { demoGrant, paths } from '../../../gateway-core/contract/api.js';
import { Nonces, type Proof, ReplayCache } from '../../../gateway-core/identity/dpop.js';
import { challengeOf } from '../../../gateway-core/identity/index.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import { Device, demoSecret, origin, startGateway, verdict } from './support.js';

async function signedIn(alg?: 'EdDSA') {
  const gateway = await startGateway();
  const device = await Device.create(alg);
  const { ticket, refreshToken } = await device.demoSignIn(gateway);
  return { gateway, device, ticket, refreshToken };
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a proof at the API', () => {
  it.each([undefined, 'EdDSA'] as const)(
    'passes once with the right key, request, time, nonce and ticket (%s)',
    async (alg) => {
      const { gateway, device, ticket } = await signedIn(alg);
      expect(verdict(await device.call(gateway, ticket))).toBe('ok');
    },
  );

  it.each([
    ['another method', { claims: { htm: 'POST' } }],
    ['a method in other case', { claims: { htm: 'get' } }],
    ['another path', { claims: { htu: `${origin}/v1/sessions` } }],
    ['another host', { claims: { htu: `https://evil.example${paths.whoami}` } }],
    ['another port', { claims: { htu: `https://127.0.0.1:7444${paths.whoami}` } }],
    ['another scheme', { claims: { htu: `http://127.0.0.1:7443${paths.whoami}` } }],
    ['credentials in the URL', { claims: { htu: `https://a@127.0.0.1:7443${paths.whoami}` } }],
    ['no whole URL', { claims: { htu: paths.whoami } }],
    ['no id', { claims: { jti: undefined } }],
    ['an endless id', { claims: { jti: 'x'.repeat(129) } }],
    ['no time', { claims: { iat: undefined } }],
    ['a time that is no number', { claims: { iat: 'now' } }],
    ['a time six minutes ago', { claims: { iat: Math.floor(Date.now() / 1000) - 360 } }],
    ['a time in six minutes', { claims: { iat: Math.floor(Date.now() / 1000) + 360 } }],
    ['the hash of another ticket', { claims: { ath: 'A'.repeat(43) } }],
    ['no hash of a ticket', { claims: { ath: undefined } }],
    ['another type', { header: { typ: 'JWT' } }],
    ['no key', { header: { jwk: undefined } }],
    ['a critical extension', { header: { crit: ['b64'], b64: true } }],
  ])('is refused with %s', async (_name, wrong) => {
    const { gateway, device, ticket } = await signedIn();
    expect(verdict(await device.call(gateway, ticket, wrong))).toBe('proof-invalid');
  });

  it('compares URLs without query and fragment', async () => {
    const { gateway, device, ticket } = await signedIn();
    const htu = `HTTPS://127.0.0.1:7443${paths.whoami}?other=1#part`;
    expect(verdict(await device.call(gateway, ticket, { claims: { htu } }))).toBe('ok');
  });

  it('is refused when another key signed it, whichever key it names', async () => {
    const { gateway, device, ticket } = await signedIn();
    const thief = await Device.create();
    thief.nonce = device.nonce;
    expect(verdict(await thief.call(gateway, ticket))).toBe('proof-invalid');
    expect(verdict(await device.call(gateway, ticket, { key: thief.privateKey }))).toBe('proof-invalid');
    expect(verdict(await thief.call(gateway, ticket, { header: { jwk: device.publicKey } }))).toBe(
      'proof-invalid',
    );
    // Of these only the first showed a key that it really holds: a live ticket in the wrong hands is in the log.
    expect(gateway.events.slice(1)).toEqual([
      {
        kind: 'identity.refused',
        code: 'proof-invalid',
        reason: 'the ticket came with the key of another device',
        from: '127.0.0.1',
      },
    ]);
  });

  it('is refused when it was used before', async () => {
    const { gateway, device, ticket } = await signedIn();
    const proof = await device.proof(gateway, 'GET', paths.whoami, ticket);
    expect(verdict(await device.call(gateway, ticket, { proof }))).toBe('ok');
    expect(verdict(await device.call(gateway, ticket, { proof }))).toBe('proof-invalid');
    expect(gateway.events.at(-1)).toMatchObject({
      kind: 'identity.refused',
      reason: 'the proof was used before',
    });
  });

  it('passes once when it is used many times at once', async () => {
    const { gateway, device, ticket } = await signedIn();
    const proof = await device.proof(gateway, 'GET', paths.whoami, ticket);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => device.call(gateway, ticket, { proof })),
    );
    expect(results.filter((result) => result.ok)).toHaveLength(1);
  });

  it('needs a nonce of this gateway that is at most two periods old, and is told the latest', async () => {
    const { gateway, device, ticket } = await signedIn();
    const old = device.nonce;
    const withNonce = (nonce: string | undefined) => device.call(gateway, ticket, { claims: { nonce } });
    const foreign = (await signedIn()).device.nonce;
    for (const nonce of [undefined, '', 'x', foreign]) {
      const result = await withNonce(nonce);
      if (result.ok) throw new Error('passed');
      expect(result.error.code).toBe('proof-nonce');
      expect(challengeOf(result.error)).toBe('DPoP error="use_dpop_nonce", algs="ES256 EdDSA"');
      expect(verdict(await withNonce(result.dpopNonce))).toBe('ok');
    }
    gateway.clock.pass(identityLimits.nonceRotationMs);
    expect(verdict(await withNonce(old))).toBe('ok');
    gateway.clock.pass(identityLimits.nonceRotationMs);
    expect(verdict(await withNonce(old))).toBe('proof-nonce');
  });

  it('is refused when it is unsigned, signed with a secret, RSA or another curve, or shows a private key', async () => {
    const { gateway, device, ticket } = await signedIn();
    const good = await device.proof(gateway, 'GET', paths.whoami, ticket);
    const [, payload = '', signature = ''] = good.split('.');
    const call = (proof: string) => device.call(gateway, ticket, { proof });
    const jwk = device.publicKey;
    const header = (more: object) => base64url({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...more });
    const hs256 = `${header({ alg: 'HS256' })}.${payload}`;
    const proofs = [
      `${header({ alg: 'none' })}.${payload}.`,
      `${header({ alg: 'none' })}.${payload}.${signature}`,
      `${hs256}.${createHmac('sha256', JSON.stringify(jwk)).update(hs256).digest('base64url')}`,
      `${header({ alg: 'EdDSA' })}.${payload}.${signature}`,
      `${header({})}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${header({})}.${base64url({ jti: 'x' })}.${signature}`,
      `${header({ jwk: { kty: 'oct', k: 'c2VjcmV0' } })}.${payload}.${signature}`,
      `${header({ jwk: { ...jwk, x: 'A'.repeat(43) } })}.${payload}.${signature}`,
      `${header({ jwk: { ...jwk, crv: '__proto__' } })}.${payload}.${signature}`,
    ];
    for (const proof of proofs) expect(verdict(await call(proof)), proof).toBe('proof-invalid');
    const { d } = await exportJWK(device.privateKey);
    expect(verdict(await device.call(gateway, ticket, { header: { jwk: { ...jwk, d } } }))).toBe(
      'proof-invalid',
    );
    for (const alg of ['RS256', 'ES384']) {
      const pair = await generateKeyPair(alg);
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      const proof = await new SignJWT(claims)
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: await exportJWK(pair.publicKey) })
        .sign(pair.privateKey);
      expect(verdict(await call(proof))).toBe('proof-invalid');
    }
    expect(verdict(await call(good))).toBe('ok');
  });

  it('is refused beside a second one, without one, and when it is no proof at all', async () => {
    const { gateway, device, ticket } = await signedIn();
    const good = await device.proof(gateway, 'GET', paths.whoami, ticket);
    await assert(
      asyncProperty(
        oneof(
          constantFrom('', `${good}, ${good}`, `${good},${good}`, ` ${good}`, `${good}.`, `${good}.${good}`),
          constant('A'.repeat(identityLimits.proofBytesMax + 1)),
          string(),
          tuple(jsonValue(), jsonValue()).map(([a, b]) => `${base64url(a)}.${base64url(b)}.AAAA`),
        ),
        async (proof) => {
          expect(verdict(await device.call(gateway, ticket, { proof }))).toBe('proof-invalid');
        },
      ),
      { numRuns: 200 },
    );
    expect(verdict(await device.call(gateway, ticket, { proof: good }))).toBe('ok');
  });

  it('says not-signed-in to anything that is no ticket of this gateway', async () => {
    const { gateway, device, ticket } = await signedIn();
    const dpop = await device.proof(gateway, 'GET', paths.whoami, ticket);
    const headers = [
      undefined,
      '',
      `Bearer ${ticket}`,
      'DPoP',
      'DPoP x',
      `DPoP ${ticket} `,
      `DPoP ${ticket}x`,
      `DPoP ${ticket.slice(0, -3)}AAA`,
      "DPoP tlt_' OR 1=1 --",
    ];
    for (const authorization of headers) {
      const request = { method: 'GET', url: paths.whoami, authorization, dpop, remoteAddress: '::1' };
      const result = await gateway.identity.authenticate(request);
      expect(verdict(result), authorization).toBe('not-signed-in');
    }
  });

  it('a refusal that cannot be recorded is answered as such', async () => {
    const { gateway, device, ticket } = await signedIn();
    const thief = await Device.create();
    thief.nonce = device.nonce;
    gateway.logFails = true;
    expect(verdict(await thief.call(gateway, ticket))).toBe('not-recordable');
  });

  it('refusals of one address are bounded in the log', async () => {
    const { gateway, device, ticket } = await signedIn();
    const thief = await Device.create();
    thief.nonce = device.nonce;
    const answers: string[] = [];
    for (let count = 0; count < 70; count += 1) answers.push(verdict(await thief.call(gateway, ticket)));
    expect(answers[0]).toBe('proof-invalid');
    expect(answers.at(-1)).toBe('rate-limited');
    expect(gateway.events.length).toBeLessThan(70);
  });
});

describe('a proof at the token endpoint', () => {
  const fields = {
    grant_type: demoGrant,
    demo_user: 'admin',
    demo_secret: demoSecret,
    client_id: 'throughline',
  };

  it('is needed, with the nonce of the gateway, and passes once', async () => {
    const gateway = await startGateway();
    const device = await Device.create();
    const send = (headers: Record<string, string>) =>
      gateway.fetch(paths.token, { method: 'POST', body: new URLSearchParams(fields), headers });
    const none = await send({});
    expect([none.status, await none.json()]).toMatchObject([400, { error: 'invalid_dpop_proof' }]);
    const challenged = await send({ dpop: await device.proof(gateway, 'POST', paths.token) });
    expect([challenged.status, await challenged.json()]).toMatchObject([400, { error: 'use_dpop_nonce' }]);
    device.nonce = challenged.headers.get('dpop-nonce') ?? '';
    const dpop = await device.proof(gateway, 'POST', paths.token);
    const accepted = await send({ dpop });
    expect(accepted.status).toBe(200);
    expect(accepted.headers.get('cache-control')).toBe('no-store');
    const again = await send({ dpop });
    expect([again.status, await again.json()]).toMatchObject([400, { error: 'invalid_dpop_proof' }]);
  });
});

describe('the replay cache', () => {
  const proofOf = (nonces: Nonces, deviceKey: string, id: string): Proof => ({
    deviceKey,
    id,
    epoch: nonces.epochOf(nonces.current()) ?? 0,
    ticketHash: undefined,
  });

  it('refuses when it is full, for one key or for all, and never forgets what could be replayed', () => {
    let now = 1_800_000_000_000;
    const nonces = new Nonces(() => now);
    const cache = new ReplayCache(nonces, { proofsMax: 5, proofsPerKeyMax: 3 });
    const first = proofOf(nonces, 'a', '0');
    const accept = (key: string, id: string) => cache.accept(proofOf(nonces, key, id));
    expect(cache.accept(first)).toBe('fresh');
    expect(['1', '2', '3'].map((id) => accept('a', id))).toEqual(['fresh', 'fresh', 'full']);
    expect(['1', '2', '3'].map((id) => accept('b', id))).toEqual(['fresh', 'fresh', 'full']);
    expect(cache.accept(first)).toBe('replayed');
    now += identityLimits.nonceRotationMs;
    expect(cache.accept(first)).toBe('replayed');
    expect(accept('c', '1')).toBe('full');
    now += identityLimits.nonceRotationMs;
    expect(accept('c', '1')).toBe('fresh');
  });

  it('a clock that goes back makes no old proof fresh', () => {
    let now = 1_800_000_000_000;
    const nonces = new Nonces(() => now);
    const cache = new ReplayCache(nonces);
    const old = nonces.current();
    const proof = proofOf(nonces, 'a', '0');
    expect(cache.accept(proof)).toBe('fresh');
    now += 5 * identityLimits.nonceRotationMs;
    expect(cache.accept(proofOf(nonces, 'a', '1'))).toBe('fresh');
    now -= 5 * identityLimits.nonceRotationMs;
    expect(nonces.epochOf(old)).toBeUndefined();
  });
});
