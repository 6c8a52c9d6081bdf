import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import {
  gatewayOf,
  groupsOf,
  isLive,
  minuteMs,
  nextCheck,
  RotatingProvider,
  type SignedIn,
} from './check-setup.js';
import { authorizeUrl, type Gateway, verdict } from './support.js';

let provider: RotatingProvider;
beforeEach(async () => {
  provider = new RotatingProvider();
  await provider.start();
  provider.enter('ann');
  provider.enter('bob');
});
afterEach(() => provider.web.stop());

const kinds = (gateway: Gateway) => gateway.events.map((event) => event.kind);
const rowOf = (gateway: Gateway, signIn: string) =>
  gateway.state.selectFrom('sign_ins').selectAll().where('id', '=', signIn).executeTakeFirstOrThrow();

describe('a check at the provider', () => {
  it('keeps who is still known, again and again, with the token of the answer before', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    for (let round = 0; round < 4; round += 1) await nextCheck(gateway);
    expect(provider.refreshes).toBe(4);
    expect(await rowOf(gateway, ann.signIn)).toMatchObject({
      ended_at_ms: null,
      provider_asked_at_ms: null,
      provider_checked_at_ms: gateway.clock.now(),
    });
    expect(kinds(gateway)).toEqual(['identity.signed-in']);
  });

  it('comes at least once in its interval, and not before three quarters of it', async () => {
    const gateway = await gatewayOf(provider, { providerCheckMinutes: 20 });
    await provider.signIn(gateway, 'ann');
    for (let round = 1; round <= 3; round += 1) {
      gateway.clock.pass(15 * minuteMs - 1);
      await gateway.identity.checkProviders();
      expect(provider.refreshes).toBe(round - 1);
      gateway.clock.pass(5 * minuteMs + 1);
      await gateway.identity.checkProviders();
      expect(provider.refreshes).toBe(round);
    }
  });

  it('ends the sign-in of who is no longer known: why is in the log before what came of it', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const bob = await provider.signIn(gateway, 'bob');
    const ended: string[] = [];
    gateway.identity.onSignInEnded((signIn, cause, reason) => ended.push(`${signIn} ${cause} ${reason}`));
    provider.people.delete('ann');
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
    expect(await isLive(gateway, bob)).toBe(true);
    const ticketOf = async (each: SignedIn) => {
      await each.device.call(gateway, each.ticket);
      return verdict(await each.device.call(gateway, each.ticket));
    };
    expect([await ticketOf(ann), await ticketOf(bob)]).toEqual(['not-signed-in', 'ok']);
    const reason = 'the person is no longer known at the identity provider corp (invalid_grant)';
    expect(ended).toEqual([`${ann.signIn} provider-unknown ${reason}`]);
    expect(gateway.events.slice(2)).toEqual([
      {
        kind: 'identity.withdrawn',
        provider: 'corp',
        principal: ann.principal,
        signIn: ann.signIn,
        cause: 'unknown',
        reason,
      },
      {
        kind: 'identity.signed-out',
        principal: ann.principal,
        signIn: ann.signIn,
        cause: 'provider-unknown',
        reason,
      },
    ]);
    expect((await rowOf(gateway, ann.signIn)).provider_token).toBeNull();
  });

  it('ends every sign-in of a person, whatever device it is on', async () => {
    const gateway = await gatewayOf(provider);
    const all = [await provider.signIn(gateway, 'ann'), await provider.signIn(gateway, 'ann')];
    provider.people.delete('ann');
    await nextCheck(gateway);
    expect(await Promise.all(all.map((each) => isLive(gateway, each)))).toEqual([false, false]);
  });

  it('takes access_denied for the same word', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.outage = { status: 400, body: '{"error":"access_denied"}' };
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
  });

  it('takes effect even when the log takes no events', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.people.delete('ann');
    gateway.logFails = true;
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
  });

  it.each([
    ['another subject', { sub: 'bob' }],
    ['another principal', { email: 'bob@example.com' }],
    ['an address that is no longer verified', { email_verified: false }],
    ['groups that cannot be read', { groups: [42] }],
  ])('ends the sign-in over claims with %s', async (_name, claims) => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.refreshedClaims = claims;
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
    expect(gateway.events[1]).toMatchObject({ kind: 'identity.withdrawn', cause: 'changed' });
  });

  it('without an id_token confirms the person and changes nothing', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.refreshedClaims = null;
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(true);
    expect(await rowOf(gateway, ann.signIn)).toMatchObject({ provider_checked_at_ms: gateway.clock.now() });
  });

  it('without an id_token reads userinfo where there is one', async () => {
    provider.web.userinfo = {
      sub: 'ann',
      email: 'ann@example.com',
      email_verified: true,
      groups: ['guests'],
    };
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.refreshedClaims = null;
    await nextCheck(gateway);
    expect(await groupsOf(gateway, ann)).toEqual(['guests']);
    provider.web.userinfo = { ...provider.web.userinfo, sub: 'bob' };
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
  });
});

describe('groups that a check finds changed', () => {
  it('count at once, also for actors that were made before, and are in the log', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const before = await ann.device.call(gateway, ann.ticket);
    if (!before.ok) throw before.error;
    let told = 0;
    gateway.identity.checks.onRegrouped(() => (told += 1));
    expect(gateway.identity.asNow(before.actor)).toBe(before.actor);
    provider.enter('ann', { groups: ['staff', 'dba'] });
    await nextCheck(gateway);
    provider.enter('ann', { groups: ['dba', 'leads'] });
    await nextCheck(gateway);
    expect(gateway.identity.asNow(before.actor).groups).toEqual(['dba', 'leads']);
    // The same array until they change again: verdicts that hang on it stay.
    expect(gateway.identity.asNow(before.actor).groups).toBe(gateway.identity.asNow(before.actor).groups);
    expect(await groupsOf(gateway, ann)).toEqual(['dba', 'leads']);
    expect(told).toBeGreaterThanOrEqual(2);
    expect(gateway.events.slice(1)).toEqual([
      expect.objectContaining({
        kind: 'identity.groups-changed',
        before: ['staff'],
        groups: ['staff', 'dba'],
      }),
      expect.objectContaining({
        kind: 'identity.groups-changed',
        before: ['staff', 'dba'],
        groups: ['dba', 'leads'],
      }),
    ]);
    // The same groups in another order are the same.
    provider.enter('ann', { groups: ['leads', 'dba'] });
    await nextCheck(gateway);
    expect(gateway.events).toHaveLength(3);
  });

  it('are those of the next gateway process, of handles and of delegations made before', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const called = await ann.device.call(gateway, ann.ticket);
    if (!called.ok) throw called.error;
    const handle = await gateway.identity.mintHandle(called.actor, { connection: 'shop' as never });
    const { delegation } = await gateway.identity.delegations.mint(called.actor, {
      label: 'helper',
      expiresAtMs: gateway.clock.now() + 60 * minuteMs,
      key: undefined,
      handle: true,
    });
    provider.enter('ann', { groups: ['guests'] });
    await nextCheck(gateway);
    const next = await gatewayOf(provider, {}, gateway);
    await next.identity.delegations.load();
    for (const each of [gateway, next]) {
      expect((await each.identity.handleForScram(handle.id))?.actor.groups).toEqual(['guests']);
      expect((await each.identity.handleForScram(delegation.id))?.actor.groups).toEqual(['guests']);
    }
  });

  it('are taken away even when the log takes no events, and only then given when it does', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.enter('ann', { groups: ['dba'] });
    gateway.logFails = true;
    await nextCheck(gateway);
    expect(await groupsOf(gateway, ann)).toEqual([]);
    gateway.logFails = false;
    await nextCheck(gateway);
    expect(await groupsOf(gateway, ann)).toEqual(['dba']);
  });
});

describe('a provider that does not answer', () => {
  const outages = [
    ['a refused connection', undefined],
    ['502', { status: 502, body: 'bad gateway' }],
    ['an error of its own', { status: 500, body: '{"error":"server_error"}' }],
    ['invalid_grant with status 503', { status: 503, body: '{"error":"invalid_grant"}' }],
    ['a refused client', { status: 401, body: '{"error":"invalid_client"}' }],
    ['too many requests', { status: 429, body: '{"error":"invalid_grant"}' }],
    ['nonsense', { status: 200, body: '<html>' }],
  ] as const;

  it.each(outages)('with %s ends nothing, and is in the log once', async (_name, answer) => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const bob = await provider.signIn(gateway, 'bob');
    if (answer === undefined) await provider.web.stop();
    else provider.web.tokenAnswer = () => answer;
    for (let round = 0; round < 5; round += 1) await nextCheck(gateway);
    expect([await isLive(gateway, ann), await isLive(gateway, bob)]).toEqual([true, true]);
    expect(kinds(gateway).slice(2)).toEqual(['identity.provider']);
    expect(gateway.events[2]).toMatchObject({ provider: 'corp', state: 'failing' });
  });

  it('lets nobody begin a session after a while, until it answers again', async () => {
    const gateway = await gatewayOf(provider);
    const { signIn } = await provider.signIn(gateway, 'ann');
    provider.outage = { status: 502, body: '' };
    const refusal = () => gateway.identity.checks.refusal(signIn);
    for (let minutes = 0; minutes < 60; minutes += 5) await nextCheck(gateway);
    expect(refusal()).toBeUndefined();
    await nextCheck(gateway, 1);
    expect(refusal()).toMatchObject({ code: 'denied' });
    expect(refusal()?.message).toContain('the identity provider corp has not confirmed this sign-in since');
    provider.outage = undefined;
    await nextCheck(gateway);
    expect(refusal()).toBeUndefined();
    expect(gateway.events.slice(1)).toMatchObject([
      { kind: 'identity.provider', state: 'failing' },
      { kind: 'identity.provider', state: 'answering' },
    ]);
  });

  it('counts also while the gateway was down: what was not confirmed is refused until it is', async () => {
    const gateway = await gatewayOf(provider);
    const { signIn } = await provider.signIn(gateway, 'ann');
    gateway.clock.pass(61 * minuteMs);
    const next = await gatewayOf(provider, {}, gateway);
    expect(next.identity.checks.refusal(signIn)).toMatchObject({ code: 'denied' });
    await next.identity.checkProviders();
    expect(next.identity.checks.refusal(signIn)).toBeUndefined();
  });

  it('is asked by one sign-in at a time, so that a lost answer costs few their token', async () => {
    const gateway = await gatewayOf(provider);
    for (let each = 0; each < 6; each += 1) await provider.signIn(gateway, 'ann');
    let asked = 0;
    provider.web.tokenAnswer = () => {
      asked += 1;
      return { status: 502, body: '' };
    };
    await nextCheck(gateway);
    expect(asked).toBeLessThanOrEqual(identityLimits.providerChecksMax);
    const first = asked;
    await gateway.identity.checkProviders();
    expect(asked).toBe(first + 1);
  });

  it('that is no longer configured is one that does not answer', async () => {
    const gateway = await gatewayOf(provider);
    const { signIn } = await provider.signIn(gateway, 'ann');
    const next = await gatewayOf(provider, { name: 'other' }, gateway);
    await nextCheck(next);
    expect(next.events).toMatchObject([
      { kind: 'identity.provider', provider: 'corp', code: 'not-configured' },
    ]);
    next.clock.pass(60 * minuteMs);
    expect(next.identity.checks.refusal(signIn)).toMatchObject({ code: 'denied' });
  });
});

describe('the provider’s refresh token', () => {
  it('stands nowhere in plain, and is gone with the sign-in', async () => {
    const gateway = await gatewayOf(provider);
    const { signIn } = await provider.signIn(gateway, 'ann');
    const token = provider.web.firstToken ?? '';
    const row = await rowOf(gateway, signIn);
    const kept = Buffer.concat([Buffer.from(JSON.stringify(row)), row.provider_token ?? Buffer.alloc(0)]);
    expect(kept.includes(token)).toBe(false);
    expect(row.provider_token?.length).toBeGreaterThan(token.length);
    expect(JSON.stringify(gateway.events)).not.toContain(token);
    gateway.clock.pass(13 * 3600_000);
    await gateway.identity.checkProviders();
    expect((await rowOf(gateway, signIn)).provider_token).toBeNull();
  });

  it('is not sent to another issuer that has taken the name: the sign-in ends', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const thief = new RotatingProvider();
    await thief.start();
    const next = await gatewayOf(thief, {}, gateway);
    await nextCheck(next);
    expect(thief.refreshes).toBe(0);
    expect(await isLive(next, ann)).toBe(false);
    expect(next.events[0]).toMatchObject({ kind: 'identity.withdrawn', cause: 'elsewhere' });
    await thief.web.stop();
  });

  it('is asked for where the provider offers it, and not kept where the config says so', async () => {
    provider.web.metadata = { scopes_supported: ['openid', 'offline_access'] };
    const scopeOf = async (gateway: Gateway) => {
      const begun = await gateway.fetch(authorizeUrl());
      return new URL(begun.headers.get('location') ?? '').searchParams.get('scope');
    };
    const gateway = await gatewayOf(provider);
    expect(await scopeOf(gateway)).toBe('openid offline_access');
    const without = await gatewayOf(provider, { offlineAccess: false });
    expect(await scopeOf(without)).toBe('openid');
    const { signIn } = await provider.signIn(without, 'ann');
    expect((await rowOf(without, signIn)).provider_token).toBeNull();
  });

  it('where there is none, nobody is asked, and the list of people says what that means', async () => {
    const gateway = await gatewayOf(provider, { offlineAccess: false });
    const ann = await provider.signIn(gateway, 'ann');
    provider.people.delete('ann');
    for (let round = 0; round < 20; round += 1) await nextCheck(gateway);
    expect(provider.refreshes).toBe(0);
    expect(gateway.identity.checks.refusal(ann.signIn)).toBeUndefined();
    expect(await gateway.identity.people()).toMatchObject([{ signIns: 1, removal: 'sign-in-end' }]);
    const checked = await gatewayOf(provider, {}, gateway);
    await provider.signIn(checked, 'bob');
    expect(await checked.identity.people()).toMatchObject([
      { principal: 'corp/bob@example.com', removal: 'next-check' },
      { removal: 'sign-in-end' },
    ]);
  });

  it('of an answer whose id_token does not hold is kept all the same: the next check goes on with it', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.refreshedClaims = { iss: 'https://evil.example' };
    await nextCheck(gateway);
    expect(gateway.events.at(-1)).toMatchObject({ kind: 'identity.provider', state: 'failing' });
    provider.refreshedClaims = {};
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(true);
    expect(gateway.events.at(-1)).toMatchObject({ kind: 'identity.provider', state: 'answering' });
  });

  it('that a full disk did not take is kept in memory, and is stored with the next check', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    const { state } = gateway;
    const { provider_token: before } = await rowOf(gateway, ann.signIn);
    // Whatever stores an answer fails; what notes a question does not.
    await sql`create trigger full before update of provider_token on sign_ins begin select raise(abort, 'full'); end`.execute(
      state,
    );
    await nextCheck(gateway);
    expect((await rowOf(gateway, ann.signIn)).provider_token).toEqual(before);
    await sql`drop trigger full`.execute(state);
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(true);
    expect((await rowOf(gateway, ann.signIn)).provider_token).not.toEqual(before);
  });

  it('that was exchanged and lost in a crash ends the sign-in, and the log does not say that the person is unknown', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    await nextCheck(gateway);
    // What the disk holds while the provider, which has taken the old token, answers: what a crash leaves.
    const { refresh } = provider.web;
    let left: ReturnType<typeof rowOf> | undefined;
    provider.web.refresh = (fields) => {
      left = rowOf(gateway, ann.signIn);
      return refresh?.(fields);
    };
    await nextCheck(gateway);
    provider.web.refresh = refresh;
    await gateway.state
      .updateTable('sign_ins')
      .set((await left) ?? {})
      .execute();
    const next = await gatewayOf(provider, {}, gateway);
    await nextCheck(next);
    expect(await isLive(next, ann)).toBe(false);
    expect(next.events[0]).toMatchObject({ kind: 'identity.withdrawn', cause: 'unanswered' });
  });

  it('whose answer the network lost is the same', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    provider.losesAnswers = true;
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(true);
    provider.losesAnswers = false;
    await nextCheck(gateway);
    expect(await isLive(gateway, ann)).toBe(false);
    expect(gateway.events).toMatchObject([
      { kind: 'identity.signed-in' },
      { kind: 'identity.provider', state: 'failing' },
      { kind: 'identity.provider', state: 'answering' },
      { kind: 'identity.withdrawn', cause: 'unanswered' },
      { kind: 'identity.signed-out' },
    ]);
  });

  it('is sent once at a time, however often it is looked', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    gateway.clock.pass(5 * minuteMs);
    await Promise.all([1, 2, 3].map(() => gateway.identity.checkProviders()));
    expect(provider.refreshes).toBe(1);
    expect(await isLive(gateway, ann)).toBe(true);
  });

  it('is not stored again for a sign-in that ended while the provider was asked', async () => {
    const gateway = await gatewayOf(provider);
    const ann = await provider.signIn(gateway, 'ann');
    gateway.clock.pass(5 * minuteMs);
    const checking = gateway.identity.checkProviders();
    await gateway.identity.signOut(ann.signIn, 'signed-out');
    await checking;
    expect(await rowOf(gateway, ann.signIn)).toMatchObject({ provider_token: null });
    expect(await isLive(gateway, ann)).toBe(false);
  });
});
