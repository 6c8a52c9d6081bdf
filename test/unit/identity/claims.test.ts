import { assert, dictionary, jsonValue, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MisuseRules } from '../../../gateway-core/contract/delegation.js';
import { PrincipalId } from '../../../gateway-core/contract/ids.js';
import { ExpiringMap, isLoopbackAddress, TokenBuckets } from '../../../gateway-core/identity/bounded.js';
import { type Claims, personOf } from '../../../gateway-core/identity/claims.js';
import { outageMaxMinutes } from '../../../gateway-core/identity/config.js';
import { createIdentity, IdentityConfig } from '../../../gateway-core/identity/index.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import { memoryState, testSealer } from './support.js';

const byEmail = { name: 'corp', principalClaim: 'email', groupsClaim: 'groups' };
const bySub = { ...byEmail, principalClaim: 'sub' };
const read = (claims: Claims, rules = byEmail) => {
  const result = personOf(claims, rules, undefined);
  return result.ok ? result.person : result.reason;
};

describe('the principal', () => {
  it('is the verified e-mail address in lower case', () => {
    expect(read({ sub: '1', email: 'Ann@Example.com', email_verified: true })).toMatchObject({
      principal: 'corp/ann@example.com',
    });
  });

  it.each([undefined, false, 'true', 1, null])('is never an address with email_verified %s', (verified) => {
    expect(read({ sub: '1', email: 'ann@example.com', email_verified: verified })).toMatch(/verified e-mail/);
  });

  it('never falls back to another claim', () => {
    expect(read({ sub: 'ann@example.com' })).toMatch(/verified e-mail/);
    expect(read({ email: 'a@b', email_verified: true }, bySub)).toMatch(/missing/);
  });

  it.each(['a b', 'a\nb', 'a"b', 'a\\b', 'a\u200bb', 'a\u202eb', '', 'x'.repeat(300), 7, ['a'], { a: 1 }])(
    'is never made of %j',
    (sub) => {
      expect(typeof read({ sub }, bySub)).toBe('string');
    },
  );

  it('of one provider is never one of another', () => {
    expect(read({ sub: 'other/ann' }, bySub)).toMatchObject({ principal: 'corp/other/ann' });
  });

  it('is valid or refused, whatever the claims are', () => {
    assert(
      property(dictionary(string(), jsonValue()), jsonValue(), jsonValue(), (more, sub, groups) => {
        const result = personOf({ ...more, sub, groups }, bySub, undefined);
        if (!result.ok) return;
        PrincipalId.parse(result.person.principal);
        expect(result.person.displayName.length).toBeGreaterThan(0);
        expect(result.person.displayName.length).toBeLessThanOrEqual(256);
        expect(result.person.groups).not.toContain('admin');
      }),
    );
  });
});

describe('groups', () => {
  it.each([
    ['a list', { groups: ['a', 'b', 'a'] }, 'groups', ['a', 'b']],
    ['one name', { groups: 'a' }, 'groups', ['a']],
    ['none', {}, 'groups', []],
    ['a dotted path', { realm_access: { roles: ['a'] } }, 'realm_access.roles', ['a']],
    ['a claim named by URL', { 'https://example.com/groups': ['a'] }, 'https://example.com/groups', ['a']],
    ['a path into what is inherited', {}, 'constructor.name', []],
    ['a path through a list', { a: [{ b: 'x' }] }, 'a.0.b', []],
  ])('come from %s', (_name, claims, groupsClaim, groups) => {
    expect(read({ sub: '1', ...claims }, { ...bySub, groupsClaim })).toMatchObject({ groups });
  });

  it.each([
    ['malformed', { groups: ['a', 7] }],
    ['an object', { groups: { a: true } }],
    ['too many', { groups: Array.from({ length: identityLimits.groupsMax + 1 }, (_, index) => `g${index}`) }],
    ['too long', { groups: ['x'.repeat(257)] }],
    ['control characters', { groups: ['a\u0000'] }],
    ['kept elsewhere by the provider', { _claim_names: { groups: 'src1' } }],
  ])('that are %s are refused, not dropped', (_name, claims) => {
    expect(read({ sub: '1', ...claims }, bySub)).toMatch(/groups claim/);
  });
});

describe('the first admin', () => {
  const admin = { provider: 'corp', claim: 'email', value: 'ann@example.com' };
  const groups = (claims: Claims, rules = bySub, wanted = admin) => {
    const result = personOf({ sub: '1', ...claims }, rules, wanted);
    return result.ok ? result.person.groups : [];
  };

  it('is who the named provider vouches for with exactly that verified claim', () => {
    expect(groups({ email: 'ANN@example.com', email_verified: true, groups: ['a'] })).toEqual(['a', 'admin']);
    expect(groups({ sub: 'x' }, bySub, { ...admin, claim: 'sub', value: 'x' })).toEqual(['admin']);
  });

  it.each([
    ['an unverified address', { email: 'ann@example.com' }],
    ['another address', { email: 'xann@example.com', email_verified: true }],
    ['a list', { email: ['ann@example.com'], email_verified: true }],
    ['nothing', {}],
  ])('is nobody with %s', (_name, claims) => {
    expect(groups(claims)).toEqual([]);
  });

  it('is nobody of another provider', () => {
    const claims = { email: 'ann@example.com', email_verified: true };
    expect(groups(claims, { ...bySub, name: 'other' })).toEqual([]);
  });
});

describe('the config', () => {
  const provider = { name: 'corp', issuer: 'https://idp.example.com', clientId: 'c', clientSecret: 's' };
  const parse = (...providers: object[]) => IdentityConfig.safeParse({ providers });

  it('takes a provider with what it needs, and knows the defaults', () => {
    expect(parse(provider).data?.providers[0]).toMatchObject({
      principalClaim: 'email',
      groupsClaim: 'groups',
      scopes: ['openid', 'email', 'profile'],
      allowInsecureLoopback: false,
    });
  });

  it.each([
    ['plain http', { issuer: 'http://idp.example.com' }],
    [
      'plain http elsewhere with allowInsecureLoopback',
      { issuer: 'http://idp.example.com', allowInsecureLoopback: true },
    ],
    ['plain http on loopback without it', { issuer: 'http://127.0.0.1:1' }],
    ['credentials in the issuer', { issuer: 'https://a:b@idp.example.com' }],
    ['a query in the issuer', { issuer: 'https://idp.example.com?x' }],
    ['no URL as issuer', { issuer: 'idp' }],
    ['a name with a slash', { name: 'a/b' }],
    ['no openid scope', { scopes: ['email'] }],
    ['an unknown key', { secret: 'x' }],
  ])('refuses %s', (_name, wrong) => {
    expect(parse({ ...provider, ...wrong }).success).toBe(false);
  });

  it('refuses two providers of one name, and a bootstrapAdmin that could be anybody’s', () => {
    expect(parse(provider, provider).success).toBe(false);
    const two = { providers: [provider, { ...provider, name: 'other' }] };
    const admin = { claim: 'sub', value: '1' };
    expect(IdentityConfig.safeParse({ ...two, bootstrapAdmin: admin }).success).toBe(false);
    expect(
      IdentityConfig.safeParse({ ...two, bootstrapAdmin: { ...admin, provider: 'other' } }).success,
    ).toBe(true);
    expect(IdentityConfig.safeParse({ ...two, bootstrapAdmin: { ...admin, provider: 'x' } }).success).toBe(
      false,
    );
  });

  it('asks at least every day and at most every minute, and waits longer for a provider than for its next check', () => {
    const minutes = (providerCheckMinutes?: number, providerOutageMaxMinutes?: number) => {
      const result = IdentityConfig.safeParse({
        providers: [
          {
            name: 'corp',
            issuer: 'https://id.example.com',
            clientId: 'x',
            clientSecret: 'y',
            providerCheckMinutes,
            providerOutageMaxMinutes,
          },
        ],
      });
      const found = result.data?.providers[0];
      return found && [found.providerCheckMinutes, outageMaxMinutes(found), found.offlineAccess];
    };
    expect(minutes()).toEqual([5, 60, true]);
    expect(minutes(1)).toEqual([1, 60, true]);
    expect(minutes(1440)).toEqual([1440, 2880, true]);
    expect(minutes(10, 11)).toEqual([10, 11, true]);
    for (const wrong of [[0], [-1], [1.5], [1441], [10, 10], [60, 5], [1, 1], [1, 10_081]])
      expect(minutes(...(wrong as [number]))).toBeUndefined();
  });

  it('refuses an external URL that is no https origin, and a short demo secret', async () => {
    const state = await memoryState();
    const create = (issuerUrl: string, secret?: string) => () =>
      createIdentity({
        config: { providers: [], workloadIssuers: [], misuse: MisuseRules.parse({}) },
        state,
        clock: Date.now,
        issuerUrl,
        demo: secret === undefined ? undefined : { secret, accounts: {} },
        record: () => Promise.resolve(),
        sealer: testSealer,
      });
    for (const url of [
      'http://gateway.example.com',
      'https://a.example/path',
      'https://a.example/?x',
      'x',
      'ftp://a',
    ])
      expect(create(url)).toThrow(/https origin/);
    expect(create('http://127.0.0.1:1', 'short')).toThrow(/demo secret/);
    expect(create('https://gateway.example.com/')).not.toThrow();
  });
});

describe('bounded state', () => {
  it('never holds more than its bound, and either refuses or drops the oldest', () => {
    let now = 0;
    const map = (whenFull: 'refuse' | 'evict') =>
      new ExpiringMap<number>({ clock: () => now, ttlMs: 10, entriesMax: 2, whenFull });
    const refusing = map('refuse');
    expect(['a', 'b', 'c'].map((key) => refusing.set(key, 1))).toEqual([true, true, false]);
    now = 10;
    expect(refusing.get('a')).toBeUndefined();
    expect(refusing.set('c', 1)).toBe(true);
    expect([refusing.take('c'), refusing.take('c')]).toEqual([1, undefined]);
    const evicting = map('evict');
    for (const key of ['a', 'b', 'c']) evicting.set(key, 1);
    expect([evicting.get('a'), evicting.get('c')]).toEqual([undefined, 1]);
  });

  it('counts one IPv6 network as one address, and the overflow of addresses as one', () => {
    let now = 0;
    const one = { burst: 1, perSecond: 1 };
    const buckets = new TokenBuckets(() => now, one);
    expect(buckets.take('2001:db8:0:1::1')).toBe(true);
    expect(buckets.take('2001:db8:0:1:ffff::2')).toBe(false);
    expect(buckets.take('2001:0db8:0000:0001::3')).toBe(false);
    expect(buckets.take('2001:db8:0:2::1')).toBe(true);
    expect(buckets.take('::ffff:192.0.2.1')).toBe(true);
    expect(buckets.take('192.0.2.1')).toBe(false);
    const full = new TokenBuckets(() => now, one);
    for (let index = 0; index < identityLimits.addressesMax; index += 1) full.take(`a${index}`);
    expect([full.take('new-1'), full.take('new-2')]).toEqual([true, false]);
    now = 5_000;
    expect([full.take('new-3'), full.take('new-4')]).toEqual([true, true]);
  });

  it('takes no address for this machine that is not', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopbackAddress)).toBe(true);
    expect(
      ['', '0.0.0.0', '::', '128.0.0.1', '127.0.0.1x', '1127.0.0.1', '::ffff:10.0.0.1'].some(
        isLoopbackAddress,
      ),
    ).toBe(false);
  });
});
