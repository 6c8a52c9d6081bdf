import type { AddressInfo } from 'node:net';
import { generateKeyPair } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../../../gateway-core/contract/api.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import { HostileProvider } from './hostile-provider.js';
import { authorizeUrl, origin, startGateway } from './support.js';

let provider: HostileProvider;
beforeEach(async () => {
  provider = new HostileProvider();
  await provider.start();
});
afterEach(() => provider.stop());

const settingsOf = () => provider.settings();

const good = { sub: '1', email: 'ann@example.com', email_verified: true, groups: ['staff'] };

async function visit(more: { idToken?: Record<string, unknown>; answer?: Record<string, string> } = {}) {
  const gateway = await startGateway({ providers: [settingsOf()] });
  const begun = await gateway.fetch(authorizeUrl());
  const asked = new URL(begun.headers.get('location') ?? '').searchParams;
  provider.idToken = { ...good, nonce: asked.get('nonce'), ...more.idToken };
  const query = new URLSearchParams({
    code: 'code',
    state: asked.get('state') ?? '',
    iss: provider.issuer,
    ...more.answer,
  });
  const cookie = begun.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const response = await gateway.fetch(`${paths.callback}?${query.toString()}`, { headers: { cookie } });
  const location = response.headers.get('location');
  const landed = location === null ? undefined : new URL(location).searchParams;
  return { gateway, asked, response, landed };
}

/** What the client is told, when it gets no code. */
async function refusal(more: Parameters<typeof visit>[0] = {}) {
  const { landed, gateway } = await visit(more);
  expect(landed?.has('code')).toBe(false);
  return { error: landed?.get('error'), text: landed?.get('error_description'), gateway };
}

describe('an answer of the provider', () => {
  it('is taken when it is right, and was asked for with state, nonce and PKCE', async () => {
    const { asked, landed } = await visit();
    expect(landed?.get('code')).toMatch(/^tlc_/);
    expect(asked.get('code_challenge_method')).toBe('S256');
    expect(asked.get('redirect_uri')).toBe(`${origin}${paths.callback}`);
    expect(asked.get('nonce')?.length).toBeGreaterThanOrEqual(32);
    expect(provider.asked?.get('code_verifier')?.length).toBeGreaterThanOrEqual(43);
    expect(provider.authorization).toBe(`Basic ${Buffer.from('client:secret%2B%2F%26').toString('base64')}`);
  });

  it.each([
    ['another nonce', { nonce: 'other' }],
    ['no nonce', { nonce: undefined }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: 'other' }],
    ['a time that is over', { exp: 1 }],
    ['no subject', { sub: undefined }],
  ])('proves nothing with %s in the id_token', async (_name, idToken) => {
    const { error, gateway } = await refusal({ idToken });
    expect(error).toBe('server_error');
    expect(gateway.events).toMatchObject([{ kind: 'identity.refused', code: 'sign-in-refused' }]);
  });

  it('proves nothing when its id_token is unsigned, or signed by another key or with the client secret', async () => {
    provider.unsigned = true;
    expect((await refusal()).error).toBe('server_error');
    provider.unsigned = false;
    provider.signingKey = (await generateKeyPair('ES256')).privateKey;
    expect((await refusal()).error).toBe('server_error');
    provider.signingKey = Buffer.from('secret+/&'.padEnd(32, '0'));
    provider.header = { alg: 'HS256' };
    expect((await refusal()).error).toBe('server_error');
  });

  it('of another issuer is not taken (mix-up)', async () => {
    expect((await refusal({ answer: { iss: 'https://evil.example' } })).error).toBe('server_error');
    expect(provider.asked).toBeUndefined();
  });

  it('with another state is nobody’s', async () => {
    const { response, landed } = await visit({ answer: { state: 'other' } });
    expect([response.status, landed]).toEqual([400, undefined]);
    expect(provider.asked).toBeUndefined();
  });

  it('that refuses is passed on, without its words', async () => {
    const answer = { error: 'access_denied', error_description: '<script>' };
    const { error, text } = await refusal({ answer });
    expect(error).toBe('access_denied');
    expect(text).not.toContain('script');
  });

  it('that is endless, redirects, or is no JSON is no answer', async () => {
    provider.tokenAnswer = () => ({
      status: 200,
      body: `"${'x'.repeat(identityLimits.providerResponseBytesMax)}"`,
    });
    expect((await refusal()).error).toBe('server_error');
    provider.tokenAnswer = () => ({ status: 302, body: '', location: `${provider.issuer}/jwks` });
    expect((await refusal()).error).toBe('server_error');
    provider.tokenAnswer = () => ({ status: 200, body: '<html>' });
    expect((await refusal()).error).toBe('server_error');
    provider.tokenAnswer = () => ({ status: 400, body: '{"error":"invalid_grant"}' });
    const { text } = await refusal();
    expect(text).toContain('invalid_grant');
  });

  it('without a verified e-mail address signs nobody in, and says what to do', async () => {
    const { error, text, gateway } = await refusal({ idToken: { email_verified: false } });
    expect(error).toBe('access_denied');
    expect(text).toContain('principalClaim');
    expect(gateway.events).toMatchObject([{ kind: 'identity.refused' }]);
  });

  it('is completed from userinfo, but only of the same subject', async () => {
    const bare = { email: undefined, email_verified: undefined, groups: undefined };
    provider.userinfo = good;
    expect((await visit({ idToken: bare })).landed?.get('code')).toMatch(/^tlc_/);
    provider.userinfo = { ...good, sub: '2' };
    expect((await refusal({ idToken: bare })).error).toBe('server_error');
  });

  it('reaches the gateway only over what the config allows: never plain http to elsewhere', async () => {
    provider.metadata = { token_endpoint: 'http://idp.example.com/token' };
    expect((await refusal()).text).toContain('does not hold');
    for (const endpoint of ['http://idp.example.com/authorize', 'javascript:alert(1)']) {
      provider.metadata = { authorization_endpoint: endpoint };
      const gateway = await startGateway({ providers: [settingsOf()] });
      expect((await gateway.fetch(authorizeUrl())).status).toBe(503);
    }
  });
});

describe('a provider that is down', () => {
  it('gives an error page, and is tried again at the next visit', async () => {
    const { port } = provider.server.address() as AddressInfo;
    const gateway = await startGateway({ providers: [settingsOf()] });
    await provider.stop();
    const down = await gateway.fetch(authorizeUrl());
    expect(down.status).toBe(503);
    expect(await down.text()).toContain('Try again');
    await provider.listen(port);
    expect((await gateway.fetch(authorizeUrl())).status).toBe(303);
    // Known metadata stays in use when a later discovery fails.
    await provider.stop();
    gateway.clock.pass(identityLimits.providerMetadataTtlMs);
    expect((await gateway.fetch(authorizeUrl())).status).toBe(303);
    await provider.listen(port);
  });

  it('in the middle of a sign-in gives an error that says so', async () => {
    provider.tokenAnswer = () => {
      provider.server.closeAllConnections();
      return { status: 200, body: '' };
    };
    const { text, gateway } = await refusal();
    expect(text).toContain('cannot be reached');
    expect(gateway.events).toEqual([]);
  });
});
