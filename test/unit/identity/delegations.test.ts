import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { delegationLimits } from '../../../gateway-core/contract/delegation.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { limits } from '../../../gateway-core/contract/limits.js';
import type { Delegation } from '../../../gateway-core/identity/delegation.js';
import { actorOfDelegation } from '../../../gateway-core/identity/delegations.js';
import { decider, loadPolicyEngine } from '../../../gateway-core/policy/index.js';
import { actorOf, evidence, hour, mint, signedIn } from './delegation-setup.js';
import { Device, startGateway } from './support.js';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
const connections = ['a', 'b', 'c'].map((each) => ConnectionName.parse(each));
const actions = ['connect', 'sql:read', 'sql:write', 'sql:ddl'] as const;
const some = <T>(values: readonly T[]) =>
  fc.option(fc.subarray([...values], { minLength: 1 }), { nil: undefined });

const step = fc.record({
  parent: fc.nat(20),
  connections: some(connections),
  actions: some(actions),
  levels: fc.option(fc.nat(delegationLimits.depthMax), { nil: undefined }),
  ttlMs: fc.integer({ min: 1, max: 20 * hour }),
  children: fc.option(fc.nat(3), { nil: undefined }),
});

const isWithin = (inner: readonly string[] | undefined, outer: readonly string[] | undefined): boolean =>
  outer === undefined || (inner !== undefined && inner.every((each) => outer.includes(each)));

const at = (delegation: Delegation): Actor =>
  actorOfDelegation(delegation, 'proven', Number.MAX_SAFE_INTEGER);

describe(`minting, seed ${seed}`, () => {
  it('no sequence of mints widens anything: connections, actions, time, depth, budget', async () => {
    const { gateway, actor } = await signedIn();
    const engine = await loadPolicyEngine();
    const compiled = engine.compile('permit (principal is User, action, resource);');
    if (!compiled.ok) throw new Error('the policy does not compile');
    const allowed = (who: Actor, name: string, action: (typeof actions)[number]): boolean => {
      const asked = decider(compiled.policies, who, { name, protocol: 'postgres', labels: {} });
      const facts = { action, command: 'X', tables: [], functions: [] } as never;
      return (
        (action === 'connect' ? asked.connect(0) : asked.statement({ facts, maskedUses: [] }, 0)).kind ===
        'allow'
      );
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const made: Delegation[] = [];
        for (const { parent, children, ttlMs, ...wanted } of steps) {
          const above = made[parent % (made.length + 1)];
          const minted = await mint(gateway, above === undefined ? actor : at(above), {
            ...(wanted.connections === undefined ? {} : { connections: wanted.connections }),
            ...(wanted.actions === undefined ? {} : { actions: wanted.actions }),
            ...(wanted.levels === undefined ? {} : { levels: wanted.levels }),
            ...(children === undefined ? {} : { budget: { children } }),
            expiresAtMs: gateway.clock.now() + ttlMs,
            handle: false,
          }).catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'denied' });
          });
          if (minted === undefined) continue;
          const { delegation } = minted;
          made.push(delegation);
          const bounds: Pick<Delegation, 'scope' | 'depth' | 'depthMax' | 'expiresAtMs'> = above ?? {
            scope: {},
            depth: 0,
            depthMax: delegationLimits.depthMax,
            expiresAtMs: actor.expiresAtMs,
          };
          expect(isWithin(delegation.scope.connections, bounds.scope.connections)).toBe(true);
          expect(isWithin(delegation.scope.actions, bounds.scope.actions)).toBe(true);
          expect(delegation.expiresAtMs).toBeLessThanOrEqual(bounds.expiresAtMs);
          expect(delegation.depth).toBe(bounds.depth + 1);
          expect(delegation.depthMax).toBeLessThanOrEqual(bounds.depthMax);
          expect(delegation.depth).toBeLessThanOrEqual(delegation.depthMax);
          expect(delegation.principal).toBe('demo/engineer');
          expect(delegation.trace).toBe(above?.trace ?? delegation.trace);
          // The same once more through policy, as it is evaluated at every use.
          for (const connection of connections)
            for (const action of actions)
              if (allowed(at(delegation), connection, action))
                expect(above === undefined || allowed(at(above), connection, action)).toBe(true);
        }
        for (const each of made)
          expect(made.filter(({ path }) => path.at(-2) === each.id).length).toBeLessThanOrEqual(
            each.childrenMax,
          );
        for (const each of made) await gateway.identity.delegations.end(each.id, 'finished');
      }),
      { seed, numRuns: 60 },
    );
  });

  it('what is wider than the parent is refused and named, not cut silently; time is cut', async () => {
    const { gateway, actor } = await signedIn();
    const { delegation } = await mint(gateway, actor, {
      connections: [ConnectionName.parse('a')],
      actions: ['sql:read'],
      levels: 1,
    });
    const child = (more: Parameters<typeof mint>[2]) => mint(gateway, at(delegation), more);
    await expect(child({ connections: [ConnectionName.parse('b')] })).rejects.toThrow(/connections b/);
    await expect(child({ actions: ['sql:read', 'sql:write'] })).rejects.toThrow(/actions sql:write/);
    await expect(child({ levels: 1 })).rejects.toThrow(/levels/);
    const long = await child({ expiresAtMs: gateway.clock.now() + 10 * hour });
    expect(long.delegation.expiresAtMs).toBe(delegation.expiresAtMs);
    await expect(mint(gateway, at(long.delegation))).rejects.toThrow(/may not have children/);
  });

  it('budgets of children count everything below, however deep', async () => {
    const { gateway, actor } = await signedIn();
    const top = await mint(gateway, actor, { budget: { children: 2 } });
    const first = await mint(gateway, at(top.delegation));
    await mint(gateway, at(first.delegation));
    await expect(mint(gateway, at(first.delegation))).rejects.toThrow(/no more children/);
    await expect(mint(gateway, at(top.delegation))).rejects.toThrow(/no more children/);
    // A refused one has spent nothing.
    expect(gateway.identity.delegations.get(first.delegation.id)?.childrenUsed).toBe(1);
  });

  it('a refused child has spent nothing, whoever of those above refuses it', async () => {
    const { gateway, actor } = await signedIn();
    const top = await mint(gateway, actor, { budget: { children: 2 } });
    const none = await mint(gateway, at(top.delegation), { budget: { children: 0 } });
    for (let each = 0; each < 3; each += 1)
      await expect(mint(gateway, at(none.delegation))).rejects.toThrow(/no more children/);
    expect(top.delegation.childrenUsed).toBe(1);
    await mint(gateway, at(top.delegation));
  });

  it('below two that know nothing of each other, a child is within both, and ends with either', async () => {
    const { gateway, actor } = await signedIn();
    const [a, b] = connections as [ConnectionName, ConnectionName];
    const [outer, inner] = [
      await mint(gateway, actor, { connections: [a, b], levels: 2 }),
      await mint(gateway, actor, { connections: [b], levels: 7 }),
    ].map(({ delegation }) => delegation) as [Delegation, Delegation];
    const both = (first: Delegation, second: Delegation): Actor => {
      const { chain, scopes } = at(second);
      const hop = at(first).chain[1];
      return {
        ...at(second),
        chain: hop === undefined ? chain : [chain[0], hop, ...chain.slice(1)],
        scopes: [{}, first.scope, ...scopes.slice(1)],
        delegations: [first.id, second.id],
      };
    };
    const child = (await mint(gateway, both(outer, inner))).delegation;
    expect(child).toMatchObject({ scope: { connections: [b] }, depth: 3, depthMax: 3 });
    await expect(mint(gateway, both(inner, outer), { connections: [a] })).rejects.toThrow(/connections a/);
    await expect(mint(gateway, at(child))).rejects.toThrow(/may not have children/);
    const closed = (await mint(gateway, actor, { levels: 0 })).delegation;
    await expect(mint(gateway, both(closed, inner))).rejects.toThrow(/may not have children/);
    expect(gateway.identity.delegations.below(outer.id).map(({ id }) => id)).toEqual([outer.id, child.id]);
    await gateway.identity.delegations.end(outer.id, 'revoked');
    expect(gateway.identity.delegations.get(child.id)).toBeUndefined();
    expect(gateway.identity.delegations.get(inner.id)).toBeDefined();
  });

  it('a handle is not kept: neither state nor log holds it; it fits into 64 bytes', async () => {
    const { gateway, actor } = await signedIn();
    const { handle } = await mint(gateway, actor);
    expect(handle).toMatch(/^[\x21-\x7e]{31,64}$/);
    const rows = await gateway.state.selectFrom('delegations').selectAll().execute();
    expect(JSON.stringify([rows, gateway.events])).not.toContain(handle?.slice(4));
  });

  it('nothing is minted that is not on record, and nothing below what has ended meanwhile', async () => {
    const { gateway, actor } = await signedIn();
    gateway.logFails = true;
    await expect(mint(gateway, actor)).rejects.toMatchObject({ code: 'not-recordable' });
    expect(gateway.identity.delegations.list()).toEqual([]);
    gateway.logFails = false;
    const { delegation } = await mint(gateway, actor);
    let release: () => void = () => undefined;
    gateway.logWaits = new Promise((resolve) => {
      release = resolve;
    });
    const child = mint(gateway, at(delegation));
    void gateway.identity.delegations.end(delegation.id, 'revoked');
    release();
    await expect(child).rejects.toMatchObject({ code: 'denied' });
    expect(gateway.identity.delegations.list()).toEqual([]);
  });
});

describe('the end of a delegation', () => {
  it('is the end of everything below it, told from the top down, each with its cause, at once', async () => {
    const { gateway, actor } = await signedIn();
    const { delegations } = gateway.identity;
    const top = (await mint(gateway, actor)).delegation;
    const middle = (await mint(gateway, at(top))).delegation;
    const leaf = (await mint(gateway, at(middle))).delegation;
    const beside = (await mint(gateway, actor)).delegation;
    const told: string[] = [];
    delegations.onEnded(({ delegation, cause }) => told.push(`${delegation.id} ${cause}`));
    const ending = delegations.end(top.id, 'revoked', { reason: 'x' });
    expect([top, middle, leaf].map(({ id }) => delegations.get(id))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(told).toEqual([`${top.id} revoked`, `${middle.id} parent-ended`, `${leaf.id} parent-ended`]);
    expect(await ending).toBe(true);
    expect(delegations.get(beside.id)).toBe(beside);
    expect(gateway.events.filter(({ kind }) => kind === 'delegation.ended')).toHaveLength(3);
    expect(await delegations.end(top.id, 'revoked')).toBe(false);
    await expect(mint(gateway, at(leaf))).rejects.toMatchObject({ code: 'denied' });
  });

  it('holds although the log and the database fail', async () => {
    const { gateway, actor } = await signedIn();
    const { delegation } = await mint(gateway, actor);
    gateway.logFails = true;
    await expect(gateway.identity.delegations.end(delegation.id, 'revoked')).rejects.toMatchObject({
      code: 'not-recordable',
    });
    expect(gateway.identity.delegations.get(delegation.id)).toBeUndefined();
  });

  it('comes with the end of the sign-in, with its own time, and stays after a restart', async () => {
    const { gateway, actor, device, ticket } = await signedIn();
    const short = (await mint(gateway, actor, { expiresAtMs: gateway.clock.now() + 1000 })).delegation;
    const long = (await mint(gateway, actor, { evidence: evidence(7) })).delegation;
    const ended = (await mint(gateway, actor, { evidence: evidence(8) })).delegation;
    await gateway.identity.delegations.end(ended.id, 'revoked');
    gateway.clock.pass(1000);
    expect(gateway.identity.delegations.get(short.id)).toBeUndefined();
    const again = await startGateway({ state: gateway.state });
    again.clock.nowMs = gateway.clock.nowMs;
    await again.identity.delegations.load();
    expect(again.identity.delegations.list().map(({ id }) => id)).toEqual([long.id]);
    expect(again.identity.delegations.get(long.id)).toEqual(long);
    expect(again.identity.delegations.isLeftOver('demo/engineer', evidence(8), undefined)).toBe(true);
    await again.identity.signOut(actor.signIn, 'test');
    expect(again.identity.delegations.get(long.id)).toBeUndefined();
    expect((await device.call(again, ticket)).ok).toBe(false);
  });

  it('is remembered for each principal that gave to a process, and for a day from the end on after a restart', async () => {
    const { gateway, actor } = await signedIn();
    const stranger: Actor = { ...actor, chain: [{ ...actor.chain[0], id: 'demo/contractor' }] };
    const { delegations } = gateway.identity;
    const given = await Promise.all(
      [actor, stranger].map((who) => mint(gateway, who, { evidence: evidence(8), handle: false })),
    );
    gateway.clock.pass(11 * hour);
    for (const { delegation } of given) await delegations.end(delegation.id, 'revoked');
    const left = (from: typeof delegations) =>
      ['demo/engineer', 'demo/contractor'].map((who) => from.isLeftOver(who, evidence(8), undefined));
    expect(left(delegations)).toEqual([true, true]);
    gateway.clock.pass(20 * hour);
    const again = await startGateway({ state: gateway.state, clock: gateway.clock });
    await again.identity.delegations.load();
    expect(left(again.identity.delegations)).toEqual([true, true]);
  });

  it('by time is put on record by the sweep', async () => {
    const { gateway, actor } = await signedIn();
    const { delegation } = await mint(gateway, actor, { expiresAtMs: gateway.clock.now() + 1000 });
    gateway.clock.pass(1000);
    await gateway.identity.delegations.sweep();
    expect(gateway.events.at(-1)).toMatchObject({
      kind: 'delegation.ended',
      delegation: delegation.id,
      cause: 'expired',
    });
  });
});

describe('a delegation at the API', () => {
  it('by its handle and the device’s key is issued; by its own key it is proven', async () => {
    const { gateway, actor, device } = await signedIn();
    const own = await Device.create('EdDSA');
    const { delegation, handle } = await mint(gateway, actor, { key: own.thumbprint });
    const byHandle = await actorOf(gateway, device, `${delegation.id}.${handle}`);
    expect(byHandle.chain.at(-1)).toMatchObject({ id: delegation.id, assurance: 'issued' });
    const byKey = await actorOf(gateway, own, delegation.id);
    expect(byKey.chain.at(-1)).toMatchObject({ id: delegation.id, assurance: 'proven' });
    expect(byKey.expiresAtMs).toBeLessThanOrEqual(gateway.clock.now() + limits.signInTtlMs);
  });

  it('a handle with the key of another device is refused and on record; a wrong, cut or longer handle is unknown', async () => {
    const { gateway, actor, device } = await signedIn();
    const { delegation, handle } = await mint(gateway, actor);
    const thief = await Device.create();
    await thief.call(gateway, `${delegation.id}.${handle}`);
    const stolen = await thief.call(gateway, `${delegation.id}.${handle}`);
    expect(stolen).toMatchObject({ ok: false, error: { code: 'proof-invalid' } });
    expect(gateway.events).toContainEqual(
      expect.objectContaining({ kind: 'credential.misused', misuse: 'other-device', verdict: 'denied' }),
    );
    const other = (await mint(gateway, actor)).handle;
    for (const wrong of [
      other,
      `${handle?.slice(0, -1)}${handle?.endsWith('_') === true ? 'A' : '_'}`,
      `${handle}A`,
      handle?.slice(0, -1),
      '',
    ])
      expect({ wrong, ok: (await device.call(gateway, `${delegation.id}.${wrong}`)).ok }).toEqual({
        wrong,
        ok: false,
      });
  });

  it('a key delegation is nobody’s without its key: not the device’s, not by its id alone', async () => {
    const { gateway, actor, device } = await signedIn();
    const own = await Device.create();
    const { delegation } = await mint(gateway, actor, { key: own.thumbprint, handle: false });
    expect(await device.call(gateway, delegation.id)).toMatchObject({
      ok: false,
      error: { code: 'proof-invalid' },
    });
    const keyless = (await mint(gateway, actor)).delegation;
    expect(await device.call(gateway, keyless.id)).toMatchObject({
      ok: false,
      error: { code: 'not-signed-in' },
    });
  });
});
