import { generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../../../gateway-core/contract/api.js';
import { identityLimits, rates } from '../../../gateway-core/identity/limits.js';
import {
  gatewayOf,
  isLive,
  logOut,
  logoutClaims,
  logoutEvent,
  postLogout,
  RotatingProvider,
  redeem,
} from './check-setup.js';
import { Device, type Gateway, holdLog } from './support.js';

/** OpenID Connect Back-Channel Logout 1.0. */
let provider: RotatingProvider;
let gateway: Gateway;
beforeEach(async () => {
  provider = new RotatingProvider();
  await provider.start();
  provider.enter('ann');
  provider.enter('bob');
  gateway = await gatewayOf(provider);
});
afterEach(() => provider.web.stop());

/** Posts a token that holds but for `claims` and `header`, and says what the gateway answered. */
async function send(claims: Record<string, unknown>, header: Record<string, unknown> = {}) {
  const all = { ...logoutClaims(provider, gateway, { sub: 'ann' }), ...claims };
  const response = await postLogout(gateway, await provider.web.sign(all, { typ: 'logout+jwt', ...header }));
  expect(response.headers.get('cache-control')).toBe('no-store');
  return { status: response.status, body: await response.text() };
}

describe('a logout token (2.6)', () => {
  const over = { ended: 'by nothing else' };
  const seconds = () => Math.floor(gateway.clock.now() / 1000);
  const tooOld = identityLimits.logoutTokenAgeMsMax / 1000 + 61;

  it('that holds ends the sign-in, with 200 (2.8)', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    expect(await send({})).toEqual({ status: 200, body: '' });
    expect(await isLive(gateway, ann)).toBe(false);
  });

  it.each<[string, () => Record<string, unknown>, Record<string, unknown>?]>([
    ['another issuer', () => ({ iss: 'https://evil.example' })],
    ['no issuer', () => ({ iss: undefined })],
    ['another audience', () => ({ aud: 'other' })],
    ['no audience', () => ({ aud: undefined })],
    ['an audience beside this one', () => ({ aud: ['client', 'other'] })],
    ['another authorized party', () => ({ aud: ['client', 'other'], azp: 'other' })],
    ['no iat', () => ({ iat: undefined })],
    ['an iat in the future', () => ({ iat: seconds() + 90, exp: seconds() + 200 })],
    ['an iat long ago', () => ({ iat: seconds() - tooOld })],
    ['no exp', () => ({ exp: undefined })],
    ['an exp that is over', () => ({ exp: seconds() - 90 })],
    ['an nbf in the future', () => ({ nbf: seconds() + 90 })],
    ['no jti', () => ({ jti: undefined })],
    ['an empty jti', () => ({ jti: '' })],
    ['neither sub nor sid', () => ({ sub: undefined })],
    ['a sub that is no text', () => ({ sub: 42 })],
    ['an empty sid', () => ({ sid: '' })],
    ['an endless sid', () => ({ sid: 'x'.repeat(256) })],
    ['no events', () => ({ events: undefined })],
    ['events that are a list', () => ({ events: [logoutEvent] })],
    ['other events', () => ({ events: { 'https://example.com/event': {} } })],
    ['an event that is no object', () => ({ events: { [logoutEvent]: true } })],
    ['an event that is a list', () => ({ events: { [logoutEvent]: [] } })],
    ['a nonce', () => ({ nonce: 'n' })],
    ['a nonce of null', () => ({ nonce: null })],
    ['the type of an access token', () => over, { typ: 'at+jwt' }],
    ['the type of a proof', () => over, { typ: 'dpop+jwt' }],
    ['a critical header that nobody knows', () => over, { crit: ['b64x'], b64x: true }],
  ])('with %s ends nothing, with 400, and is in the log', async (_name, claims, header) => {
    const ann = await provider.signIn(gateway, 'ann');
    const { status, body } = await send(claims(), header);
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({ error: 'invalid_request' });
    expect(await isLive(gateway, ann)).toBe(true);
    expect(gateway.events.slice(1)).toMatchObject([{ kind: 'identity.refused' }]);
    expect(JSON.stringify(gateway.events[1])).toContain('back-channel logout of corp: the logout token');
  });

  it('may be typed or not, and may come within the skew of clocks', async () => {
    for (const header of [{ typ: undefined }, { typ: 'JWT' }, { typ: 'logout+jwt' }, { typ: 'Logout+JWT' }])
      expect((await send({}, header)).status).toBe(200);
    expect((await send({ iat: seconds() + 50, exp: seconds() + 200 })).status).toBe(200);
    expect((await send({ exp: seconds() - 50 })).status).toBe(200);
    expect((await send({ aud: ['client', 'other'], azp: 'client' })).status).toBe(200);
    expect((await send({ unknown: { claim: 1 } })).status).toBe(200);
  });

  it('unsigned, or signed by another key or with the client’s secret, ends nothing', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    const claims = logoutClaims(provider, gateway, { sub: 'ann' });
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const other = await generateKeyPair('ES256');
    const tokens = [
      `${part({ alg: 'none' })}.${part(claims)}.`,
      await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: '1' }).sign(other.privateKey),
      await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: '1' })
        .sign(Buffer.from('secret+/&'.padEnd(32, '0'))),
      'x'.repeat(identityLimits.logoutTokenBytesMax),
      'a.b.c',
      'a.b.c.d.e',
      '',
    ];
    for (const token of tokens) expect((await postLogout(gateway, token)).status).toBe(400);
    expect(await isLive(gateway, ann)).toBe(true);
  });

  it('signed with an algorithm that the provider does not sign id_tokens with ends nothing', async () => {
    provider.web.metadata = { id_token_signing_alg_values_supported: ['RS256'] };
    gateway = await gatewayOf(provider);
    expect((await send({})).status).toBe(400);
  });

  it('is taken once: the same again ends nothing that came since', async () => {
    const token = await provider.web.sign(logoutClaims(provider, gateway, { sub: 'ann' }));
    expect((await postLogout(gateway, token)).status).toBe(200);
    gateway.clock.pass(1);
    const again = await provider.signIn(gateway, 'ann');
    expect((await postLogout(gateway, token)).status).toBe(400);
    expect(await isLive(gateway, again)).toBe(true);
    // As long as it would verify: past that its own times refuse it.
    gateway.clock.pass(identityLimits.logoutTokenAgeMsMax + 2 * identityLimits.logoutClockSkewMs);
    expect((await postLogout(gateway, token)).status).toBe(400);
  });

  it('is no id_token, and an id_token is no logout token', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    const idToken = { ...provider.web.idToken, iss: provider.web.issuer, aud: 'client', jti: 'x' };
    const claims = { iat: seconds(), exp: seconds() + 60, ...idToken };
    expect((await postLogout(gateway, await provider.web.sign(claims))).status).toBe(400);
    expect(await isLive(gateway, ann)).toBe(true);
    const landed = await provider.visit(
      gateway,
      'ann',
      logoutClaims(provider, gateway, { nonce: undefined }),
    );
    expect(landed.has('code')).toBe(false);
  });

  it('of a provider whose keys cannot be read is refused, and nobody is signed out', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    const token = await provider.web.sign(logoutClaims(provider, gateway, { sub: 'ann' }));
    await provider.web.stop();
    expect((await postLogout(gateway, token)).status).toBe(400);
    expect(await isLive(gateway, ann)).toBe(true);
  });
});

describe('a back-channel logout', () => {
  it('by sid ends the sign-ins of that login, and no others', async () => {
    const first = await provider.signIn(gateway, 'ann', { sid: 'one' });
    const same = await provider.signIn(gateway, 'ann', { sid: 'one' });
    const other = await provider.signIn(gateway, 'ann', { sid: 'two' });
    const bob = await provider.signIn(gateway, 'bob', { sid: 'three' });
    expect((await logOut(provider, gateway, { sid: 'one' })).status).toBe(200);
    const live = () => Promise.all([first, same, other, bob].map((each) => isLive(gateway, each)));
    expect(await live()).toEqual([false, false, true, true]);
    // The sid of somebody else beside one's own sub is nobody's.
    expect((await logOut(provider, gateway, { sid: 'three', sub: 'ann' })).status).toBe(200);
    expect(await live()).toEqual([false, false, true, true]);
    expect((await logOut(provider, gateway, { sid: 'two', sub: 'ann' })).status).toBe(200);
    expect(await live()).toEqual([false, false, false, true]);
  });

  it('by sub ends all of the person from that provider, whatever name they go by there', async () => {
    const all = [
      await provider.signIn(gateway, 'ann', { sid: 'one' }),
      await provider.signIn(gateway, 'ann'),
      await provider.signIn(gateway, 'ann', { email: 'other@example.com' }),
    ];
    const bob = await provider.signIn(gateway, 'bob');
    expect((await logOut(provider, gateway, { sub: 'ann' })).status).toBe(200);
    expect(await Promise.all(all.map((each) => isLive(gateway, each)))).toEqual([false, false, false]);
    expect(await isLive(gateway, bob)).toBe(true);
  });

  it('by sid and sub ends also the sign-ins of the person whose login has no sid here', async () => {
    const without = await provider.signIn(gateway, 'ann');
    const other = await provider.signIn(gateway, 'ann', { sid: 'two' });
    await logOut(provider, gateway, { sid: 'one', sub: 'ann' });
    expect([await isLive(gateway, without), await isLive(gateway, other)]).toEqual([false, true]);
  });

  it('of somebody who is not signed in succeeds, and ends nothing', async () => {
    expect((await logOut(provider, gateway, { sub: 'nobody', sid: 'none' })).status).toBe(200);
    expect(gateway.events).toEqual([]);
  });

  it('of another provider’s people is not for this one', async () => {
    const ann = await provider.signIn(gateway, 'ann', { sid: 'one' });
    const token = await provider.web.sign(logoutClaims(provider, gateway, { sid: 'one' }));
    expect((await postLogout(gateway, token, 'other')).status).toBe(400);
    const two = await gatewayOf(provider, { name: 'two' }, gateway);
    expect((await postLogout(two, token, 'two')).status).toBe(200);
    expect(await isLive(gateway, ann)).toBe(true);
  });

  it('is in the log, why first', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    await logOut(provider, gateway, { sub: 'ann' });
    expect(gateway.events.slice(1)).toMatchObject([
      { kind: 'identity.withdrawn', provider: 'corp', signIn: ann.signIn, cause: 'logout' },
      { kind: 'identity.signed-out', signIn: ann.signIn, cause: 'provider-logout' },
    ]);
  });

  it('takes effect even when the log takes no events, says so, and may be sent again', async () => {
    const ann = await provider.signIn(gateway, 'ann');
    const token = await provider.web.sign(logoutClaims(provider, gateway, { sub: 'ann' }));
    gateway.logFails = true;
    expect((await postLogout(gateway, token)).status).toBe(400);
    expect(await isLive(gateway, ann)).toBe(false);
    gateway.logFails = false;
    expect((await postLogout(gateway, token)).status).toBe(200);
  });

  it.each([{ sub: 'ann' }, { sid: 'one' }, { sub: 'ann', sid: 'one' }])(
    'by %o also ends a login that is still on its way to a sign-in',
    async (who) => {
      const code = (await provider.visit(gateway, 'ann', { sid: 'one' })).get('code') ?? '';
      const other = (await provider.visit(gateway, 'bob', { sid: 'two' })).get('code') ?? '';
      await logOut(provider, gateway, who);
      const { status, body } = await redeem(gateway, await Device.create(), code);
      expect([status, body.error]).toEqual([400, 'invalid_grant']);
      expect((await redeem(gateway, await Device.create(), other)).status).toBe(200);
      // Who signs in anew after it is signed in.
      gateway.clock.pass(1);
      expect(await isLive(gateway, await provider.signIn(gateway, 'ann', { sid: 'three' }))).toBe(true);
    },
  );

  it('that comes while a sign-in is recorded ends it before it can be used', async () => {
    const code = (await provider.visit(gateway, 'ann')).get('code') ?? '';
    const log = holdLog(gateway, 1);
    const redeeming = redeem(gateway, await Device.create(), code);
    await log.waiting;
    const token = await provider.web.sign(logoutClaims(provider, gateway, { sub: 'ann' }));
    const answer = await postLogout(gateway, token);
    log.release();
    expect(answer.status).toBe(200);
    expect((await redeeming).status).toBe(400);
    const rows = await gateway.state
      .selectFrom('sign_ins')
      .selectAll()
      .where('ended_at_ms', 'is', null)
      .execute();
    expect(rows).toEqual([]);
  });

  it('is asked for by POST of a form alone, and within its size and its rate', async () => {
    const path = paths.backChannelLogout('corp');
    expect((await gateway.fetch(path)).status).toBe(405);
    expect((await gateway.fetch(path, { method: 'POST', body: '{}' })).status).toBe(400);
    expect((await gateway.fetch(`${path}/more`, { method: 'POST' })).status).toBe(404);
    const twice = new URLSearchParams([
      ['logout_token', 'a'],
      ['logout_token', 'b'],
    ]);
    expect((await gateway.fetch(path, { method: 'POST', body: twice })).status).toBe(400);
    const large = new URLSearchParams({ logout_token: 'x'.repeat(identityLimits.formBytesMax) });
    expect((await gateway.fetch(path, { method: 'POST', body: large })).status).toBe(400);
    const statuses = new Set<number>();
    for (let count = 0; count <= rates.logout.burst; count += 1)
      statuses.add((await postLogout(gateway, 'x')).status);
    expect([...statuses]).toEqual([400, 429]);
    // Refusals fill neither the log nor the room of who is really signed out.
    expect(gateway.events.length).toBeLessThanOrEqual(rates.refusal.burst);
    gateway.clock.pass(1000);
    expect((await send({})).status).toBe(200);
  });
});
