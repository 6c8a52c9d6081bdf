import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { Kysely } from 'kysely';
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { ConnectionName, DelegationId } from '../../../gateway-core/contract/ids.js';
import { limits } from '../../../gateway-core/contract/limits.js';
import type { ScramVerifier } from '../../../gateway-core/identity/index.js';
import { identityLimits } from '../../../gateway-core/identity/limits.js';
import type { StateSchema } from '../../../gateway-core/store/schema.js';
import { Device, type Gateway, memoryState, startGateway } from './support.js';

const connection = ConnectionName.parse('shop-db');

async function signedIn(state?: Kysely<StateSchema>): Promise<{ gateway: Gateway; actor: Actor }> {
  const gateway = await startGateway(state === undefined ? {} : { state });
  const device = await Device.create();
  const { ticket } = await device.demoSignIn(gateway, 'engineer');
  const call = await device.call(gateway, ticket);
  if (!call.ok) throw call.error;
  return { gateway, actor: call.actor };
}

/** RFC 5802 3, from the password alone. */
function keysOf(password: string, verifier: ScramVerifier) {
  const salt = Buffer.from(verifier.salt, 'base64');
  const salted = pbkdf2Sync(password, salt, verifier.iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    storedKey: createHash('sha256').update(clientKey).digest('base64'),
    serverKey: createHmac('sha256', salted).update('Server Key').digest('base64'),
  };
}

describe('a handle', () => {
  it('opens one connection for its minter, and says that it is issued', async () => {
    const { gateway, actor } = await signedIn();
    const handle = await gateway.identity.mintHandle(actor, { connection });
    expect(DelegationId.safeParse(handle.id).success).toBe(true);
    expect(handle).toMatchObject({ connection, sessionsMax: limits.handleSessionsDefault });
    expect(handle.password).toMatch(/^[\x21-\x7e]{31,64}$/);
    const found = await gateway.identity.handleForScram(handle.id);
    if (found === undefined) throw new Error('no handle');
    expect(found.actor).toEqual({
      chain: [actor.chain[0], { id: handle.id, kind: 'process', name: 'handle', assurance: 'issued' }],
      scopes: [{}, { connections: ['shop-db'] }],
      groups: ['engineers'],
      signIn: actor.signIn,
      delegation: handle.id,
      expiresAtMs: actor.expiresAtMs,
    });
    expect(found.iterations).toBeGreaterThanOrEqual(4096);
    expect(found).toMatchObject(keysOf(handle.password, found));
    expect(gateway.events.at(-1)).toMatchObject({
      kind: 'handle.issued',
      delegation: handle.id,
      principal: 'demo/engineer',
      connection,
    });
  });

  it("'s secret stands nowhere in the state or the log", async () => {
    const { gateway, actor } = await signedIn();
    const { password } = await gateway.identity.mintHandle(actor, { connection });
    const rows = await gateway.state.selectFrom('handles').selectAll().execute();
    expect(JSON.stringify([rows, gateway.events])).not.toContain(password.slice(4));
  });

  it('lives no longer than the limit, and never beyond the sign-in', async () => {
    const { gateway, actor } = await signedIn();
    const mint = (ttlMs: number) => gateway.identity.mintHandle(actor, { connection, ttlMs });
    expect((await mint(5_000)).expiresAtMs).toBe(gateway.clock.now() + 5_000);
    expect((await mint(3600_000)).expiresAtMs).toBe(gateway.clock.now() + limits.handleTtlMsMax);
    gateway.clock.pass(limits.signInTtlMs - 60_000);
    expect((await mint(3600_000)).expiresAtMs).toBe(actor.expiresAtMs);
    gateway.clock.pass(60_000);
    await expect(mint(1_000)).rejects.toMatchObject({ code: 'not-signed-in' });
  });

  it('is not minted by a handle, nor when the log takes no events', async () => {
    const { gateway, actor } = await signedIn();
    const { id } = await gateway.identity.mintHandle(actor, { connection });
    const child = await gateway.identity.handleForScram(id);
    if (child === undefined) throw new Error('no handle');
    await expect(gateway.identity.mintHandle(child.actor, { connection })).rejects.toMatchObject({
      code: 'denied',
    });
    gateway.logFails = true;
    await expect(gateway.identity.mintHandle(actor, { connection })).rejects.toMatchObject({
      code: 'not-recordable',
    });
    expect(await gateway.state.selectFrom('handles').selectAll().execute()).toHaveLength(1);
  });

  it('opens as many sessions as its budget, however many ask at once', async () => {
    const { gateway, actor } = await signedIn();
    const { id } = await gateway.identity.mintHandle(actor, { connection, sessionsMax: 7 });
    const spent = await Promise.all(Array.from({ length: 50 }, () => gateway.identity.useHandle(id)));
    expect(spent.filter(Boolean)).toHaveLength(7);
    expect(await gateway.identity.handleForScram(id)).toBeUndefined();
    expect(await gateway.identity.useHandle(id)).toBe(false);
  });

  it('opens nothing once it has expired', async () => {
    const { gateway, actor } = await signedIn();
    const { id, password } = await gateway.identity.mintHandle(actor, { connection, ttlMs: 5_000 });
    gateway.clock.pass(5_000);
    expect(await gateway.identity.handleForScram(id)).toBeUndefined();
    expect(await gateway.identity.verifyHandlePassword(id, password)).toBeUndefined();
    expect(await gateway.identity.useHandle(id)).toBe(false);
  });

  it('opens nothing from the moment in which its sign-in ends', async () => {
    const { gateway, actor } = await signedIn();
    const { id, password } = await gateway.identity.mintHandle(actor, { connection });
    const uses = Promise.all(Array.from({ length: 5 }, () => gateway.identity.useHandle(id)));
    const done = gateway.identity.signOut(actor.signIn, 'test');
    expect(await gateway.identity.useHandle(id)).toBe(false);
    expect(await uses).toEqual([false, false, false, false, false]);
    await done;
    expect(await gateway.identity.handleForScram(id)).toBeUndefined();
    expect(await gateway.identity.verifyHandlePassword(id, password)).toBeUndefined();
    await expect(gateway.identity.mintHandle(actor, { connection })).rejects.toMatchObject({
      code: 'not-signed-in',
    });
  });

  it('opens nothing when its sign-in ends while the database is spending its budget', async () => {
    let between: (() => void) | undefined;
    const state = (await memoryState()).withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: ({ result }) => {
        if (result.numAffectedRows === 1n) between?.();
        return Promise.resolve(result);
      },
    });
    const { gateway, actor } = await signedIn(state);
    const { id } = await gateway.identity.mintHandle(actor, { connection });
    let done: Promise<boolean> | undefined;
    between = () => {
      between = undefined;
      done = gateway.identity.signOut(actor.signIn, 'test');
    };
    expect(await gateway.identity.useHandle(id)).toBe(false);
    expect(await done).toBe(true);
    expect(gateway.identity.isSignInEnded(actor.signIn)).toBe(true);
  });

  it('is known by its whole password only', async () => {
    const { gateway, actor } = await signedIn();
    const { id, password } = await gateway.identity.mintHandle(actor, { connection });
    const other = await gateway.identity.mintHandle(actor, { connection });
    const verify = (name: string, word: string) => gateway.identity.verifyHandlePassword(name, word);
    expect((await verify(id, password))?.id).toBe(id);
    for (const word of ['', password.slice(0, -1), `${password} `, `${password}\0`, other.password])
      expect(await verify(id, word)).toBeUndefined();
    for (const name of ['', 'postgres', "dlg_' OR 1=1", other.id, id.toLowerCase()])
      expect(await verify(name, password)).toBeUndefined();
  });

  it('that does not exist has a decoy, which stays the same and which no empty password fits', async () => {
    const { gateway } = await signedIn();
    const { decoyForScram } = gateway.identity;
    const decoy = decoyForScram('postgres');
    expect(decoyForScram('postgres')).toEqual(decoy);
    expect(decoyForScram('other').salt).not.toBe(decoy.salt);
    expect(Buffer.from(decoy.salt, 'base64')).toHaveLength(16);
    expect(decoy.iterations).toBe(identityLimits.scramIterations);
    expect(keysOf('', decoy).storedKey).not.toBe(decoy.storedKey);
  });

  it('cannot be minted without end', async () => {
    const { gateway, actor } = await signedIn();
    await gateway.identity.mintHandle(actor, { connection });
    const row = await gateway.state.selectFrom('handles').selectAll().executeTakeFirstOrThrow();
    const many = Array.from({ length: identityLimits.handlesPerSignInMax }, (_, index) => ({
      ...row,
      id: `${row.id.slice(0, -4)}${String(index).padStart(4, '0')}`,
    }));
    for (let start = 0; start < many.length; start += 500)
      await gateway.state
        .insertInto('handles')
        .values(many.slice(start, start + 500))
        .execute();
    await expect(gateway.identity.mintHandle(actor, { connection })).rejects.toMatchObject({
      code: 'rate-limited',
    });
    gateway.clock.pass(limits.handleTtlMsMax + 1);
    expect((await gateway.identity.mintHandle(actor, { connection })).connection).toBe(connection);
  });
});
