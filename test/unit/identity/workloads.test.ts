import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths, workloadGrant } from '../../../gateway-core/contract/api.js';
import { IdentityConfig } from '../../../gateway-core/identity/index.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import { actorOf } from './delegation-setup.js';
import { Device, type Gateway, startGateway } from './support.js';

/** A platform: a key set behind OpenID Connect Discovery on loopback, and tokens of its workloads. */
let server: Server;
let issuer: string;
let keys: JWK[];
let key: CryptoKey;
let asked: string[];
let metadata: Record<string, unknown>;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = request.url === '/.well-known/openid-configuration' ? metadata : { keys };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  metadata = { issuer, jwks_uri: `${issuer}/keys` };
  keys = [];
  key = await newKey('one');
});
afterEach(() => new Promise<void>((resolve) => void server.close(() => resolve())));

async function newKey(kid: string): Promise<CryptoKey> {
  const pair = await generateKeyPair('RS256', { extractable: true });
  keys = [{ ...(await exportJWK(pair.publicKey)), kid, alg: 'RS256' }];
  return pair.privateKey;
}

function start(more: Record<string, unknown> = {}): Promise<Gateway> {
  const config = IdentityConfig.parse({
    workloadIssuers: [
      {
        name: 'ci',
        issuer,
        audience: 'https://gateway.example.com',
        groups: ['pipelines'],
        require: { repository: ['acme/shop'] },
        allowInsecureLoopback: true,
        ...more,
      },
    ],
  });
  return startGateway({ config: { workloadIssuers: config.workloadIssuers } });
}

function token(
  gateway: Gateway,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  by = key,
) {
  const now = Math.floor(gateway.clock.now() / 1000);
  return new SignJWT({
    iss: issuer,
    aud: 'https://gateway.example.com',
    sub: 'repo:acme/shop:ref:main',
    repository: 'acme/shop',
    iat: now,
    exp: now + 300,
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
    .sign(by);
}

const exchange = (gateway: Gateway, device: Device, subject: string, more: Record<string, string> = {}) =>
  device.post(gateway, paths.token, { grant_type: workloadGrant, subject_token: subject, ...more });

describe('a workload with a token of its platform', () => {
  it('roots a chain of its own kind, in the groups that the issuer gives, for as long as configured', async () => {
    const gateway = await start({ ttl: '30m' });
    const device = await Device.create();
    const { status, body } = await exchange(gateway, device, await token(gateway), {
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    expect(status).toBe(200);
    expect(body['refresh_token']).toBeUndefined();
    const actor = await actorOf(gateway, device, String(body['access_token']));
    expect(actor.chain).toEqual([
      {
        id: 'ci/repo:acme/shop:ref:main',
        kind: 'workload',
        name: 'ci/repo:acme/shop:ref:main',
        assurance: 'proven',
      },
    ]);
    expect(actor.groups).toEqual(['pipelines']);
    expect(actor.expiresAtMs).toBe(gateway.clock.now() + 30 * 60_000);
    expect(gateway.events.at(-1)).toMatchObject({ kind: 'identity.signed-in', method: 'workload' });
  });

  it('shows it again with the same device key; another key is refused', async () => {
    const gateway = await start();
    const [device, thief] = [await Device.create(), await Device.create()];
    const shown = await token(gateway);
    expect((await exchange(gateway, device, shown)).status).toBe(200);
    expect((await exchange(gateway, device, shown)).status).toBe(200);
    expect(await exchange(gateway, thief, shown)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  it('is known after the platform has rotated its keys; the old key then counts no more', async () => {
    const gateway = await start();
    const device = await Device.create();
    expect((await exchange(gateway, device, await token(gateway))).status).toBe(200);
    const old = key;
    key = await newKey('two');
    gateway.clock.pass(identityLimits.workloadKeysAgainMs);
    expect((await exchange(gateway, device, await token(gateway, {}, { kid: 'two' }))).status).toBe(200);
    expect((await exchange(gateway, device, await token(gateway, {}, { kid: 'one' }, old))).status).toBe(400);
  });

  it('an unknown key asks the issuer again at most once a minute', async () => {
    const gateway = await start();
    const device = await Device.create();
    for (let at = 0; at < 5; at += 1)
      await exchange(gateway, device, await token(gateway, {}, { kid: `unknown-${at}` }));
    expect(asked.filter((path) => path === '/keys')).toHaveLength(1);
  });
});

describe('a token that is not for this gateway, or not of who it says, is refused and on record', () => {
  const cases: readonly [string, (gateway: Gateway) => Promise<string>][] = [
    ['another audience', (gateway) => token(gateway, { aud: 'https://other.example.com' })],
    ['another issuer', (gateway) => token(gateway, { iss: 'https://evil.example.com' })],
    ['expired', (gateway) => token(gateway, { exp: Math.floor(gateway.clock.now() / 1000) - 120 })],
    ['without an end', (gateway) => token(gateway, { exp: undefined })],
    ['issued too long ago', (gateway) => token(gateway, { iat: 1 })],
    ['another repository', (gateway) => token(gateway, { repository: 'acme/other' })],
    ['without the repository', (gateway) => token(gateway, { repository: undefined })],
    ['a subject that is no name', (gateway) => token(gateway, { sub: 'a\u202eb' })],
    [
      'signed by somebody else',
      async (gateway) => token(gateway, {}, {}, (await generateKeyPair('RS256')).privateKey),
    ],
    [
      'symmetric, with the public key as secret',
      async (gateway) => {
        const now = Math.floor(gateway.clock.now() / 1000);
        return new SignJWT({
          iss: issuer,
          aud: 'https://gateway.example.com',
          sub: 'x',
          repository: 'acme/shop',
          iat: now,
          exp: now + 60,
        })
          .setProtectedHeader({ alg: 'HS256', kid: 'one' })
          .sign(Buffer.from(JSON.stringify(keys[0])));
      },
    ],
    [
      'unsigned',
      async (gateway) => {
        const [, payload] = (await token(gateway)).split('.');
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
      },
    ],
    ['garbage', () => Promise.resolve('a.b.c')],
    ['far too long', () => Promise.resolve(`${'a'.repeat(20_000)}.b.c`)],
  ];
  it.each(cases)('%s', async (_title, make) => {
    const gateway = await start();
    const device = await Device.create();
    const { status, body } = await exchange(gateway, device, await make(gateway));
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/invalid_/) as unknown },
    });
    expect(gateway.events.some(({ kind }) => kind === 'identity.signed-in')).toBe(false);
  });

  it('metadata of another issuer, an issuer that is away, or none that is trusted', async () => {
    const gateway = await start();
    const device = await Device.create();
    const shown = await token(gateway);
    metadata = { issuer: 'https://evil.example.com', jwks_uri: `${issuer}/keys` };
    expect((await exchange(gateway, device, shown)).status).toBe(400);
    const nobody = await startGateway();
    expect((await exchange(nobody, await Device.create(), shown)).status).toBe(400);
  });
});
