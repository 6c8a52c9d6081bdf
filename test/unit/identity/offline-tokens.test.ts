import { describe, expect, it } from 'vitest';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { actorOf, hour, mint, names, offline, signedIn } from './delegation-setup.js';
import { Device } from './support.js';

async function setUp() {
  const base = await signedIn();
  const holder = await Device.create('EdDSA');
  const { delegation } = await mint(base.gateway, base.actor, {
    label: 'online',
    key: holder.thumbprint,
    connections: [ConnectionName.parse('a')],
    actions: ['sql:read'],
    levels: 2,
  });
  const child = await Device.create('EdDSA');
  const parent = { id: delegation.id as string, device: holder };
  const use = (id: string, tokens: readonly string[], by: Device = child) =>
    actorOf(base.gateway, by, id, { tokens });
  return { ...base, delegation, child, parent, use };
}

describe('a delegation minted offline', () => {
  it('is taken up on its first use, proven, recorded, and then is like any other', async () => {
    const { gateway, child, parent, use } = await setUp();
    const { id, token } = await offline(gateway, parent, child);
    const actor = await use(id, [token]);
    expect(names(actor)).toBe('online proven > offline proven');
    expect(actor.scopes.at(-1)).toEqual({ connections: ['a'], actions: ['sql:read'] });
    expect(gateway.events).toContainEqual(
      expect.objectContaining({ kind: 'delegation.minted', delegation: id, minted: 'offline' }),
    );
    // Again, with the token and without.
    expect(names(await use(id, [token]))).toBe('online proven > offline proven');
    expect(names(await use(id, []))).toBe('online proven > offline proven');
    expect(gateway.events.filter((each) => each.kind === 'delegation.minted')).toHaveLength(2);
  });

  it('hangs below a sign-in, too, signed by its device; and several levels come at once', async () => {
    const { gateway, device, actor, child } = await setUp();
    const top = await Device.create('ES256');
    const first = await offline(gateway, { id: actor.signIn, device }, top, {
      claims: { levels: 1, label: 'first' },
    });
    const second = await offline(gateway, { id: first.id, device: top }, child, {
      claims: { label: 'second' },
    });
    expect(names(await actorOf(gateway, child, second.id, { tokens: [first.token, second.token] }))).toBe(
      'first proven > second proven',
    );
  });

  it('ends with what it hangs on, also when it is seen only afterwards', async () => {
    const { gateway, child, parent, use, delegation } = await setUp();
    const seen = await offline(gateway, parent, child);
    await use(seen.id, [seen.token]);
    const unseen = await offline(gateway, parent, child);
    await gateway.identity.delegations.end(delegation.id, 'revoked');
    await expect(use(seen.id, [seen.token])).rejects.toMatchObject({ code: 'denied' });
    await expect(use(unseen.id, [unseen.token])).rejects.toMatchObject({ code: 'denied' });
  });

  it('that was ended is not taken up again from its token', async () => {
    const { gateway, child, parent, use } = await setUp();
    const { id, token } = await offline(gateway, parent, child);
    await use(id, [token]);
    await gateway.identity.delegations.end(id, 'revoked');
    await expect(use(id, [token])).rejects.toThrow(/used before|ended/);
  });
});

describe('an offline token that is forged or too wide is refused', () => {
  const cases: readonly [
    string,
    (base: Awaited<ReturnType<typeof setUp>>) => Promise<{ id: string; token: string }>,
  ][] = [
    [
      'forged parent: signed by somebody else',
      async ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { signer: await Device.create('EdDSA') }),
    ],
    [
      'forged parent: signed by somebody else, with the key of that one',
      async ({ gateway, parent, child }) => {
        const thief = await Device.create('EdDSA');
        return offline(gateway, { id: parent.id, device: thief }, child);
      },
    ],
    [
      'the child signs for itself',
      ({ gateway, parent, child }) => offline(gateway, { id: parent.id, device: child }, child),
    ],
    [
      'an unknown parent',
      ({ gateway, parent, child }) =>
        offline(gateway, { ...parent, id: 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X' }, child),
    ],
    [
      'a sign-in of another device',
      async ({ gateway, actor, child }) =>
        offline(gateway, { id: actor.signIn, device: await Device.create() }, child),
    ],
    [
      'another parent key said',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { par_jkt: child.thumbprint } }),
    ],
    [
      'a wider connection',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { connections: ['a', 'b'] } }),
    ],
    [
      'a wider action',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { claims: { actions: ['sql:write'] } }),
    ],
    [
      'an admin action',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { actions: ['admin:people'] } }),
    ],
    [
      'more depth',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { claims: { levels: 2 } }),
    ],
    [
      'depth past every limit',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { claims: { levels: 1e9 } }),
    ],
    [
      'a longer life',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, {
          claims: { exp: Math.floor(gateway.clock.now() / 1000) + 3 * 3600 },
        }),
    ],
    [
      'expired',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { exp: Math.floor(gateway.clock.now() / 1000) - 1 } }),
    ],
    [
      'clock skew: from the future',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { iat: Math.floor(gateway.clock.now() / 1000) + 3600 } }),
    ],
    [
      'clock skew: older than its parent',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { claims: { iat: Math.floor(gateway.clock.now() / 1000) - 3600 } }),
    ],
    [
      'another version',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { claims: { v: 2 } }),
    ],
    [
      'a field that version 1 does not have',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { claims: { extra: 1 } }),
    ],
    [
      'another type of token',
      ({ gateway, parent, child }) => offline(gateway, parent, child, { header: { typ: 'dpop+jwt' } }),
    ],
    [
      'a critical header',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { header: { crit: ['b64'], b64: true } }),
    ],
    [
      'a private key in its header',
      ({ gateway, parent, child }) =>
        offline(gateway, parent, child, { header: { jwk: { ...parent.device.publicKey, d: 'x' } } }),
    ],
  ];
  it.each(cases)('%s', async (_title, make) => {
    const base = await setUp();
    const made = await make(base).catch(() => undefined);
    if (made === undefined) return;
    await expect(base.use(made.id, [made.token])).rejects.toMatchObject({ code: 'denied' });
    expect(base.gateway.identity.delegations.get(made.id)).toBeUndefined();
  });

  it('a replayed token with another child’s key: the id is taken', async () => {
    const { gateway, child, parent, use } = await setUp();
    const { id, token } = await offline(gateway, parent, child);
    await use(id, [token]);
    const thief = await Device.create('EdDSA');
    const again = await offline(gateway, parent, thief, { claims: { jti: id } });
    await expect(use(id, [again.token], thief)).rejects.toMatchObject({ code: 'denied' });
    await expect(use(id, [token], thief)).rejects.toMatchObject({ code: 'proof-invalid' });
  });

  it('garbage, floods and very long lists', async () => {
    const { parent, use } = await setUp();
    for (const tokens of [
      ['x'],
      ['a.b.c'],
      ['..'],
      Array.from({ length: 50 }, () => 'a.b.c'),
      ['a'.repeat(10_000)],
    ])
      await expect(use(parent.id, tokens, parent.device)).rejects.toMatchObject({ code: 'denied' });
  });

  it('nobody can use a delegation of an expired parent', async () => {
    const { gateway, child, parent, use } = await setUp();
    const { id, token } = await offline(gateway, parent, child);
    gateway.clock.pass(2 * hour);
    await expect(use(id, [token])).rejects.toMatchObject({ code: 'denied' });
  });
});
