import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { type Lineage, MisuseRules } from '../../../gateway-core/contract/delegation.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { attribute, mayGiveTo, nodeId } from '../../../gateway-core/identity/attribution.js';
import { actorOf, bootId, evidence, lineage, mint, names, process, signedIn } from './delegation-setup.js';
import { Device } from './support.js';

const use = 'stream' as const;

async function rooms() {
  const base = await signedIn();
  const revoked = new Set<string>();
  const { delegations } = base.gateway.identity;
  const place = (presented = base.actor, found?: Lineage, how: 'stream' | 'request' = 'stream') =>
    attribute(
      presented,
      found,
      { delegations, isRevoked: (node) => revoked.has(node), misuse: MisuseRules.parse({}) },
      how,
    ).actor;
  return { ...base, delegations, revoked, place };
}

describe('a chain by lineage', () => {
  it('is that of who presented it where nobody looked; what could not be told says so', async () => {
    const { actor, place } = await rooms();
    expect(place()).toEqual(actor);
    expect(place(actor, { kind: 'unattributed', reason: 'platform' })).toEqual({
      ...actor,
      lineage: 'unattributed',
    });
  });

  it('ends with the program at the socket; a request is made by whoever stands before it', async () => {
    const { actor, place } = await rooms();
    const found = lineage(process(3, { name: 'psql' }), process(2), process(1));
    expect(names(place(actor, found))).toBe('psql observed');
    expect(names(place(actor, found, 'request'))).toBe('');
  });

  it('has a delegation wherever its process stands in the ancestry, although nothing of it was presented', async () => {
    const { gateway, actor, place } = await rooms();
    const outer = (
      await mint(gateway, actor, {
        label: 'outer',
        evidence: evidence(20),
        connections: [ConnectionName.parse('a')],
      })
    ).delegation;
    const found = lineage(process(30, { name: 'psql' }), process(25), process(20), process(10));
    const placed = place(actor, found);
    expect(names(placed)).toBe('outer observed > psql observed');
    expect(placed.scopes).toEqual([{}, { connections: ['a'] }, {}]);
    expect(placed.delegations).toEqual([outer.id]);
    expect(placed.expiresAtMs).toBe(outer.expiresAtMs);
  });

  it('of a child that presents its parent’s handle is the child’s, and that is on record', async () => {
    const { gateway, device, actor } = await rooms();
    const parent = await mint(gateway, actor, { label: 'parent', evidence: evidence(20) });
    const parentActor = await actorOf(gateway, device, `${parent.delegation.id}.${parent.handle}`, {
      lineage: lineage(process(20)),
    });
    await mint(gateway, parentActor, { label: 'child', evidence: evidence(30) });
    const placed = await actorOf(gateway, device, `${parent.delegation.id}.${parent.handle}`, {
      lineage: lineage(process(40, { name: 'psql' }), process(30), process(20)),
      use,
    });
    expect(names(placed)).toBe('parent issued > child observed > psql observed');
    expect(gateway.events).toContainEqual(
      expect.objectContaining({ kind: 'credential.misused', misuse: 'inherited', verdict: 'attributed' }),
    );
  });

  it('of a handle outside the tree that it was given to is refused, and that is on record', async () => {
    const { gateway, device, actor } = await rooms();
    const { delegation, handle } = await mint(gateway, actor, { evidence: evidence(20) });
    const shared = { lineage: lineage(process(50), process(10)), use };
    await device.call(gateway, `${delegation.id}.${handle}`, shared);
    const result = await device.call(gateway, `${delegation.id}.${handle}`, shared);
    expect(result).toMatchObject({ ok: false, error: { code: 'denied' } });
    expect(gateway.events).toContainEqual(
      expect.objectContaining({ kind: 'credential.misused', misuse: 'shared', verdict: 'denied' }),
    );
  });

  it('of a handle outside its tree is the process’ that used it, where the rules say so, and that is on record', async () => {
    const misuse = MisuseRules.parse({ shared: 'attribute' });
    const { gateway, device, actor } = await signedIn({ config: { misuse } });
    const { delegation, handle } = await mint(gateway, actor, {
      label: 'reviewer',
      evidence: evidence(20),
      connections: [ConnectionName.parse('a')],
    });
    const credential = `${delegation.id}.${handle}`;
    const found = lineage(process(50, { name: 'psql' }), process(45, { agent: 'codex' }), process(10));
    const placed = await actorOf(gateway, device, credential, { lineage: found, use });
    expect(names(placed)).toBe('reviewer issued > codex observed > psql observed');
    expect(placed).toMatchObject({ misuse: 'shared', scopes: [{}, { connections: ['a'] }, {}, {}] });
    expect(gateway.events).toContainEqual(
      expect.objectContaining({
        kind: 'credential.misused',
        misuse: 'shared',
        verdict: 'attributed',
        to: nodeId('demo/engineer', bootId, process(50)),
      }),
    );
    // Nobody to whom it could be attributed.
    await expect(actorOf(gateway, device, credential)).rejects.toThrow('it is not shared');
    const unattributed = { lineage: { kind: 'unattributed', reason: 'platform' }, use } as const;
    await expect(actorOf(gateway, device, credential, unattributed)).rejects.toThrow('it is not shared');
    const thief = await Device.create();
    await expect(actorOf(gateway, thief, credential, { lineage: found, use })).rejects.toThrow(
      /another device/,
    );
  });

  it('of a child that presents its parent’s handle is refused where the rules say so', async () => {
    const misuse = MisuseRules.parse({ inherited: 'deny' });
    const { gateway, device, actor } = await signedIn({ config: { misuse } });
    const parent = await mint(gateway, actor, { label: 'parent', evidence: evidence(20) });
    const credential = `${parent.delegation.id}.${parent.handle}`;
    const parentActor = await actorOf(gateway, device, credential, { lineage: lineage(process(20)) });
    await mint(gateway, parentActor, { label: 'child', evidence: evidence(30) });
    const found = lineage(process(40, { name: 'psql' }), process(30), process(20));
    await expect(actorOf(gateway, device, credential, { lineage: found, use })).rejects.toThrow(
      /the parent of this process/,
    );
    expect(gateway.events).toContainEqual(
      expect.objectContaining({ kind: 'credential.misused', misuse: 'inherited', verdict: 'denied' }),
    );
  });

  it('has known agent programs without a delegation as observed hops; a launcher and what it starts are one', async () => {
    const { actor, place } = await rooms();
    const claude = (pid: number) => process(pid, { name: 'node', agent: 'claude' });
    const found = lineage(
      process(9, { name: 'psql' }),
      process(8),
      claude(7),
      process(6),
      claude(5),
      claude(4),
      process(3),
    );
    const placed = place(actor, found);
    expect(names(placed)).toBe('claude observed > claude observed > psql observed');
    expect(placed.chain.map(({ id }) => id).slice(1, 3)).toEqual([
      nodeId('demo/engineer', bootId, process(4)),
      nodeId('demo/engineer', bootId, process(7)),
    ]);
  });

  it('does not count the program of a delegation as one more agent', async () => {
    const { gateway, actor, place } = await rooms();
    await mint(gateway, actor, { label: 'reviewer', evidence: evidence(20) });
    const found = lineage(
      process(30, { name: 'psql' }),
      process(25, { agent: 'claude' }),
      process(21),
      process(20),
    );
    expect(names(place(actor, found))).toBe('reviewer observed > psql observed');
    const twice = lineage(
      process(40, { name: 'psql' }),
      process(35, { agent: 'codex' }),
      process(30),
      ...(found.kind === 'attributed' ? found.processes.slice(1) : []),
    );
    expect(names(place(actor, twice))).toBe('reviewer observed > codex observed > psql observed');
  });

  it('keeps what a delegation was minted under: an observed agent stays above it', async () => {
    const { gateway, device, ticket, place, actor } = await rooms();
    const above = [process(20, { agent: 'claude' }), process(10)];
    const asked = await actorOf(gateway, device, ticket, { lineage: lineage(process(30), ...above) });
    expect(names(asked)).toBe('claude observed');
    await mint(gateway, asked, { label: 'helper', evidence: evidence(30) });
    const found = lineage(process(40, { name: 'psql' }), process(30), ...above);
    expect(names(place(actor, found))).toBe('claude observed > helper observed > psql observed');
  });
});

describe('what a program can try', () => {
  it('a later process with the same pid is another one', async () => {
    const { gateway, actor, place } = await rooms();
    await mint(gateway, actor, { label: 'agent', evidence: evidence(20) });
    const found = lineage(process(30, { name: 'psql' }), process(20, { startTicks: '999999' }));
    expect(names(place(actor, found))).toBe('psql observed');
  });

  it('a process of another boot or another person with the same pid is another one', async () => {
    const { gateway, actor, place } = await rooms();
    const { delegation } = await mint(gateway, actor, { label: 'agent', evidence: evidence(20) });
    const other = { ...lineage(process(30), process(20)), bootId: '00000000-0000-4000-8000-000000000000' };
    expect(names(place(actor, other))).toBe('p30 observed');
    const stranger = {
      ...actor,
      chain: [{ ...actor.chain[0], id: 'demo/contractor' }] as typeof actor.chain,
    };
    expect(place(stranger, lineage(process(30), process(20))).delegations).toBeUndefined();
    expect(delegation.principal).toBe('demo/engineer');
  });

  it('a handle that was given to a process is taken from nobody who hides which process it is', async () => {
    const { gateway, device, actor } = await rooms();
    const { delegation, handle } = await mint(gateway, actor, { evidence: evidence(20) });
    const credential = `${delegation.id}.${handle}`;
    await device.call(gateway, credential);
    const otherBoot = {
      ...lineage(process(30), process(20)),
      bootId: '00000000-0000-4000-8000-000000000000',
    };
    for (const hidden of [undefined, { kind: 'unattributed', reason: 'platform' }, otherBoot])
      expect(await device.call(gateway, credential, { lineage: hidden })).toMatchObject({
        ok: false,
        error: { code: 'denied' },
      });
    const shown = { lineage: lineage(process(30), process(20)) };
    expect(await device.call(gateway, credential, shown)).toMatchObject({ ok: true });
  });

  it('the holder of a key speaks for it from anywhere; the programs at its port are those below its process', async () => {
    const { gateway, actor } = await rooms();
    const own = await Device.create();
    const { delegation } = await mint(gateway, actor, { key: own.thumbprint, evidence: evidence(20) });
    await own.call(gateway, delegation.id);
    expect(await own.call(gateway, delegation.id, { lineage: lineage(process(10)) })).toMatchObject({
      ok: true,
    });
    const outside = { lineage: lineage(process(50), process(10)), use };
    expect(await own.call(gateway, delegation.id, outside)).toMatchObject({
      ok: false,
      error: { code: 'denied' },
    });
    const inside = { lineage: lineage(process(50), process(20)), use };
    expect(await own.call(gateway, delegation.id, inside)).toMatchObject({ ok: true });
  });

  it('an agent cannot have somebody else’s process act under its name', async () => {
    const { gateway, actor, delegations } = await rooms();
    const { delegation } = await mint(gateway, actor, { evidence: evidence(20) });
    const agent: Actor = {
      ...actor,
      chain: [...actor.chain, { id: delegation.id, kind: 'agent', name: 'a', assurance: 'issued' }],
      delegations: [delegation.id],
    };
    const found = lineage(process(40), process(30), process(20), process(10));
    const may = (who: Actor, pid: number, ...by: readonly (Lineage | undefined)[]) =>
      mayGiveTo(who, by.length === 0 ? found : by[0], evidence(pid), delegations);
    expect([40, 30, 20, 10, 77].map((pid) => may(agent, pid))).toEqual([true, true, false, false, false]);
    expect([40, 30, 20, 10, 77].map((pid) => may(actor, pid))).toEqual([true, true, true, true, false]);
    // Without its own process in the ancestry, only itself.
    expect([40, 30].map((pid) => may(agent, pid, lineage(process(40), process(30))))).toEqual([true, false]);
    expect(may(actor, 40, { kind: 'unattributed', reason: 'gone' })).toBe(false);
    expect(may(actor, 40, undefined)).toBe(false);
  });

  it('a spoofed marker only takes away: the claimed delegation is added, nothing is left out', async () => {
    const { gateway, actor, place } = await rooms();
    const [a, b] = ['a', 'b'].map((each) => ConnectionName.parse(each));
    const narrow = (
      await mint(gateway, actor, {
        label: 'narrow',
        evidence: evidence(20),
        connections: [a as ConnectionName],
      })
    ).delegation;
    const wide = (
      await mint(gateway, actor, { label: 'wide', connections: [a as ConnectionName, b as ConnectionName] })
    ).delegation;
    const placed = place(actor, lineage(process(30, { claims: wide.id }), process(20)));
    expect(placed.delegations).toEqual([narrow.id, wide.id]);
    expect(placed.scopes).toContainEqual({ connections: ['a'] });
    expect(placed.chain.map(({ assurance }) => assurance)).toContain('claimed');
  });

  it('a daemon that has left its tree is known by its marker', async () => {
    const { gateway, actor, place } = await rooms();
    const { delegation } = await mint(gateway, actor, { label: 'agent', evidence: evidence(20) });
    expect(names(place(actor, lineage(process(77, { name: 'psql', claims: delegation.id }))))).toBe(
      'agent claimed > psql observed',
    );
  });

  it('what an ended delegation has left behind does not become its person: by process and by marker', async () => {
    const { gateway, actor, place } = await rooms();
    const { delegation } = await mint(gateway, actor, { evidence: evidence(20) });
    await gateway.identity.delegations.end(delegation.id, 'revoked');
    expect(() => place(actor, lineage(process(30), process(20)))).toThrow(/has ended/);
    expect(() => place(actor, lineage(process(77, { claims: delegation.id })))).toThrow(/has ended/);
    expect(() => place(actor, lineage(process(30), process(20)), 'request')).toThrow(/has ended/);
  });

  it('also in the moment between its time and the sweep', async () => {
    const { gateway, actor, place } = await rooms();
    await mint(gateway, actor, { evidence: evidence(20), expiresAtMs: gateway.clock.now() + 1000 });
    gateway.clock.pass(1000);
    expect(() => place(actor, lineage(process(30), process(20)))).toThrow(/has ended/);
  });

  it('a revoked process and its descendants are refused, others are not', async () => {
    const { actor, place, revoked } = await rooms();
    revoked.add(nodeId('demo/engineer', bootId, process(20)));
    expect(() => place(actor, lineage(process(30), process(20)))).toThrow(/revoked/);
    expect(names(place(actor, lineage(process(31), process(21))))).toBe('p31 observed');
  });

  it('a node is its principal’s: who names another’s process gets no hold of it', async () => {
    const { actor, place, revoked } = await rooms();
    const stranger = {
      ...actor,
      chain: [{ ...actor.chain[0], id: 'demo/contractor' }] as typeof actor.chain,
    };
    const named = process(20, { agent: 'claude' });
    const forged = place(stranger, lineage(named)).chain.at(-1)?.id ?? '';
    revoked.add(forged);
    expect(() => place(stranger, lineage(process(30), named))).toThrow(/revoked/);
    expect(names(place(actor, lineage(process(30), named)))).toBe('claude observed > p30 observed');
  });

  it('a claim brings all that stands above it: what ends there ends here', async () => {
    const { gateway, actor, place } = await rooms();
    const outer = (await mint(gateway, actor, { label: 'outer', evidence: evidence(20) })).delegation;
    const asked = place(actor, lineage(process(21), process(20)), 'request');
    const inner = (await mint(gateway, asked, { label: 'inner', evidence: evidence(30) })).delegation;
    const daemon = place(actor, lineage(process(77, { claims: inner.id })));
    expect(daemon.delegations).toEqual([outer.id, inner.id]);
    expect(names(daemon)).toBe('outer claimed > inner claimed > p77 observed');
  });

  it('hiding does not make anybody their person while agents run on this device', async () => {
    const { gateway, device, ticket, actor } = await rooms();
    const hides = (reason: string) => ({ lineage: { kind: 'unattributed', reason }, use }) as const;
    await device.call(gateway, ticket);
    expect(await device.call(gateway, ticket, hides('ambiguous'))).toMatchObject({ ok: true });
    const own = await Device.create();
    const outer = await mint(gateway, actor, { key: own.thumbprint, evidence: evidence(20) });
    for (const reason of ['ambiguous', 'unreadable', 'gone'])
      expect(await device.call(gateway, ticket, hides(reason))).toMatchObject({
        ok: false,
        error: { code: 'denied' },
      });
    // Where nobody can look, nobody hides.
    for (const reason of ['platform', 'switched-off'])
      expect(await device.call(gateway, ticket, hides(reason))).toMatchObject({ ok: true });
    // At the port of an agent that is the only one there, it stays that agent.
    await own.call(gateway, outer.delegation.id);
    expect(await own.call(gateway, outer.delegation.id, hides('ambiguous'))).toMatchObject({ ok: true });
    const inside = await actorOf(gateway, device, ticket, { lineage: lineage(process(21), process(20)) });
    const inner = await mint(gateway, inside, { evidence: evidence(30) });
    expect(await own.call(gateway, outer.delegation.id, hides('ambiguous'))).toMatchObject({ ok: false });
    await gateway.identity.delegations.end(inner.delegation.id, 'finished');
    await gateway.identity.delegations.end(outer.delegation.id, 'finished');
    expect(await device.call(gateway, ticket, hides('ambiguous'))).toMatchObject({ ok: true });
  });

  it('a lineage that cannot be read is refused, not ignored', async () => {
    const { gateway, device, ticket } = await rooms();
    const hostile: unknown[] = [
      'text',
      { kind: 'attributed', bootId, processes: [] },
      { kind: 'attributed', bootId: 'x', processes: [process(1)] },
      { kind: 'attributed', bootId, processes: [process(-1)] },
      { kind: 'attributed', bootId, processes: [{ ...process(1), startTicks: '1e9' }] },
      { kind: 'attributed', bootId, processes: Array.from({ length: 65 }, (_, pid) => process(pid + 1)) },
      { kind: 'attributed', bootId, processes: [{ ...process(1), agent: 'x\u001b[2J' }] },
      { kind: 'attributed', bootId, processes: [{ ...process(1), arguments: ['x'.repeat(100_000)] }] },
    ];
    await device.call(gateway, ticket);
    for (const each of hostile)
      expect(await device.call(gateway, ticket, { lineage: each })).toMatchObject({
        ok: false,
        error: { code: 'invalid-request' },
      });
  });
});
