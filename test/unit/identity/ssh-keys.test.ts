import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sshBytes } from '../../../gateway-core/codec/ssh/wire.js';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { limits } from '../../../gateway-core/contract/limits.js';
import { sshKeyStatement } from '../../../gateway-core/contract/ssh-key.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import { Device, type Gateway, origin, startGateway } from './support.js';

const connection = ConnectionName.parse('host');

interface Key {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const x = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return { publicKey: `ssh-ed25519 ${sshBytes('ssh-ed25519', x).toString('base64')}`, privateKey };
}

async function signIn(gateway: Gateway, account: 'engineer' | 'contractor' = 'engineer'): Promise<Actor> {
  const device = await Device.create();
  const { ticket } = await device.demoSignIn(gateway, account);
  const call = await device.call(gateway, ticket);
  if (!call.ok) throw call.error;
  return call.actor;
}

/** As a device asks; `wrong` overrules what the key signs. */
function request(
  actor: Actor,
  { publicKey, privateKey }: Key,
  wrong: Partial<Parameters<typeof sshKeyStatement>[0]> = {},
) {
  const what = { issuer: origin, deviceKey: actor.deviceKey ?? '', connection, publicKey, ...wrong };
  const proof = sign(null, Buffer.from(sshKeyStatement(what)), privateKey).toString('base64');
  return { connection, publicKey, proof };
}

describe('an SSH key of a device', () => {
  it('signs its person in, on one connection, as long as the sign-in holds', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const key = newKey();
    const { sshKeys } = gateway.identity;
    const registered = await sshKeys.register(actor, request(actor, key));
    expect(registered.expiresAtMs).toBe(actor.expiresAtMs);
    const found = await sshKeys.find(key.publicKey, 'host');
    expect(found).toEqual({
      fingerprint: registered.fingerprint,
      actor: { ...actor, lineage: 'unattributed' },
    });
    expect(await sshKeys.find(key.publicKey, 'other')).toBeUndefined();
    expect(await sshKeys.find(newKey().publicKey, 'host')).toBeUndefined();
    expect(gateway.events.at(-1)).toMatchObject({
      kind: 'ssh-key.registered',
      principal: 'demo/engineer',
      signIn: actor.signIn,
      deviceKey: actor.deviceKey,
      connection,
      fingerprint: registered.fingerprint,
    });
    gateway.clock.pass(limits.signInTtlMs);
    expect(await sshKeys.find(key.publicKey, 'host')).toBeUndefined();
    await expect(sshKeys.register(actor, request(actor, newKey()))).rejects.toMatchObject({
      code: 'not-signed-in',
    });
  });

  it('opens nothing from the moment in which its sign-in ends', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const key = newKey();
    const { sshKeys } = gateway.identity;
    await sshKeys.register(actor, request(actor, key));
    const ended = gateway.identity.signOut(actor.signIn, 'revoked');
    expect(await sshKeys.find(key.publicKey, 'host')).toBeUndefined();
    await ended;
    expect(await sshKeys.find(key.publicKey, 'host')).toBeUndefined();
    await expect(sshKeys.register(actor, request(actor, newKey()))).rejects.toMatchObject({
      code: 'not-signed-in',
    });
  });

  it('is registered with its own proof, for this gateway, device and connection', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const [key, other] = [newKey(), newKey()];
    const right = request(actor, key);
    const wrong = [
      request(actor, key, { issuer: 'https://elsewhere.example' }),
      request(actor, key, { deviceKey: 'another' }),
      request(actor, key, { connection: 'other' }),
      request(actor, key, { publicKey: other.publicKey }),
      { ...right, publicKey: other.publicKey },
      { ...right, proof: request(actor, other).proof },
      { ...right, proof: '' },
      { ...right, publicKey: right.publicKey.replace('ssh-ed25519', 'ssh-rsa') },
      { ...right, publicKey: `ssh-ed25519 ${Buffer.alloc(51).toString('base64')}` },
      { ...right, publicKey: '' },
    ];
    for (const each of wrong)
      await expect(gateway.identity.sshKeys.register(actor, each)).rejects.toMatchObject({
        code: 'invalid-request',
      });
    expect(await gateway.state.selectFrom('ssh_keys').selectAll().execute()).toEqual([]);
    expect(gateway.events.some(({ kind }) => kind === 'ssh-key.registered')).toBe(false);
  });

  it('of another’s sign-in is not taken over, and may be registered anew once that is over', async () => {
    const gateway = await startGateway();
    const [engineer, contractor] = [await signIn(gateway), await signIn(gateway, 'contractor')];
    const key = newKey();
    const { sshKeys } = gateway.identity;
    await sshKeys.register(engineer, request(engineer, key));
    await expect(sshKeys.register(contractor, request(contractor, key))).rejects.toMatchObject({
      code: 'conflict',
    });
    expect((await sshKeys.find(key.publicKey, 'host'))?.actor.signIn).toBe(engineer.signIn);
    await gateway.identity.signOut(engineer.signIn, 'test');
    await sshKeys.register(contractor, request(contractor, key));
    expect((await sshKeys.find(key.publicKey, 'host'))?.actor.signIn).toBe(contractor.signIn);
  });

  it('is not registered by a handle, by an agent, nor when the log takes no events', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const key = newKey();
    const { sshKeys, mintHandle, handleForScram } = gateway.identity;
    const handle = await handleForScram((await mintHandle(actor, { connection })).id);
    if (handle === undefined) throw new Error('no handle');
    const agent = { id: 'prc_1', kind: 'agent', name: 'claude', assurance: 'observed' } as const;
    const observed: Actor = { ...actor, chain: [actor.chain[0], agent], scopes: [{}, {}] };
    const hidden: Actor = { ...actor, lineage: 'unattributed' };
    for (const each of [{ ...handle.actor, deviceKey: actor.deviceKey ?? '' }, observed, hidden])
      await expect(sshKeys.register(each, request(actor, key))).rejects.toMatchObject({ code: 'denied' });
    await expect(mintHandle(hidden, { connection })).rejects.toMatchObject({ code: 'denied' });
    gateway.logFails = true;
    await expect(sshKeys.register(actor, request(actor, key))).rejects.toMatchObject({
      code: 'not-recordable',
    });
    expect(await sshKeys.find(key.publicKey, 'host')).toBeUndefined();
  });

  it('is taken back by its own sign-in only', async () => {
    const gateway = await startGateway();
    const [engineer, contractor] = [await signIn(gateway), await signIn(gateway, 'contractor')];
    const key = newKey();
    const { sshKeys } = gateway.identity;
    const { id, fingerprint } = await sshKeys.register(engineer, request(engineer, key));
    expect(await sshKeys.forget(contractor, id)).toBe(false);
    expect(await sshKeys.find(key.publicKey, 'host')).toBeDefined();
    expect(await sshKeys.forget(engineer, id)).toBe(true);
    expect(await sshKeys.find(key.publicKey, 'host')).toBeUndefined();
    expect(await sshKeys.forget(engineer, id)).toBe(false);
    expect(gateway.events.at(-1)).toMatchObject({ kind: 'ssh-key.removed', fingerprint });
  });

  it('makes room for newer ones: a sign-in holds a bounded number', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const { sshKeys } = gateway.identity;
    const keys = Array.from({ length: identityLimits.sshKeysPerSignInMax + 2 }, newKey);
    for (const key of keys) {
      gateway.clock.pass(1);
      await sshKeys.register(actor, request(actor, key));
    }
    const rows = await gateway.state.selectFrom('ssh_keys').selectAll().execute();
    expect(rows).toHaveLength(identityLimits.sshKeysPerSignInMax);
    const found = await Promise.all(keys.map((key) => sshKeys.find(key.publicKey, 'host')));
    expect(found.map((each) => each !== undefined)).toEqual(keys.map((_, at) => at >= 2));
  });

  it('has the groups that its person has now', async () => {
    const gateway = await startGateway();
    const actor = await signIn(gateway);
    const key = newKey();
    await gateway.identity.sshKeys.register(actor, request(actor, key));
    await gateway.state
      .updateTable('sign_ins')
      .set({ groups: JSON.stringify(['others']) })
      .where('id', '=', actor.signIn)
      .execute();
    expect((await gateway.identity.sshKeys.find(key.publicKey, 'host'))?.actor.groups).toEqual(['others']);
  });
});
