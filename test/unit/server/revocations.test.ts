import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import type { Lineage } from '../../../gateway-core/contract/delegation.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { attribute } from '../../../gateway-core/identity/attribution.js';
import { AgentTree } from '../../../gateway-core/server/agent-tree.js';
import { LiveSessions } from '../../../gateway-core/server/live-sessions.js';
import type { GatewayRecorder } from '../../../gateway-core/server/recorder.js';
import { type RevocationRooms, revoke } from '../../../gateway-core/server/revocations.js';
import { RevokedNodes } from '../../../gateway-core/server/revoked-nodes.js';
import { actorOf, evidence, lineage, mint, process, signedIn } from '../identity/delegation-setup.js';

async function setUp() {
  const base = await signedIn();
  const { gateway, actor } = base;
  const { identity, clock, state } = gateway;
  const live = new LiveSessions();
  const tree = new AgentTree({ delegations: identity.delegations, live, now: clock.now });
  const revoked = new RevokedNodes(state, clock.now);
  const allow = {
    kind: 'allow',
    grounds: { policies: [], policyVersion: '' },
    masks: [],
  } as const;
  const rooms: RevocationRooms = {
    identity,
    live,
    tree,
    revoked,
    recorder: {
      maskText: (text: string) => text,
      record: () => Promise.resolve(),
    } as unknown as GatewayRecorder,
    may: { session: () => allow, people: () => ({ ...allow, kind: 'deny', message: 'no', action: 'ask' }) },
    ended: () => Promise.reject(new Error('has ended')),
  };
  const ended: string[] = [];
  const open = (at: number, by: Actor): SessionId => {
    const id = SessionId.parse(`ses_${String(at).padStart(26, '0')}`);
    live.add({
      id,
      connection: 'shop-db',
      protocol: 'postgres',
      actor: by,
      startedAtMs: clock.now(),
      via: 'tunnel',
      application: undefined,
      program: undefined,
      statements: () => 0,
      end: () => {
        ended.push(id);
        return Promise.resolve();
      },
    });
    return id;
  };
  const misuse = { shared: 'deny', inherited: 'attribute', overlapping: 'deny' } as const;
  const place = (found: Lineage, use: 'stream' | 'request' = 'request', by = actor): Actor =>
    attribute(
      by,
      found,
      { delegations: identity.delegations, isRevoked: (node) => revoked.has(node), misuse },
      use,
    ).actor;
  const end = (by: Actor, id: string) => revoke(rooms, by, { kind: 'agent', id, reason: 'x' });
  return { ...base, rooms, open, ended, place, end, revoked };
}

const refusal = /agents end what they have started themselves/;

describe('what an agent may end', () => {
  it('is what it has started itself, also below an agent that was only observed', async () => {
    const { gateway, actor, place, end } = await setUp();
    await mint(gateway, actor, { label: 'outer', evidence: evidence(20) });
    const outer = place(lineage(process(21), process(20)));
    const child = (await mint(gateway, outer, { label: 'child', evidence: evidence(30) })).delegation;
    await expect(end(place(lineage(process(31), process(30), process(20))), child.id)).rejects.toThrow(
      refusal,
    );
    expect(await end(outer, child.id)).toMatchObject({ delegations: [child.id] });
  });

  it('is nothing of an agent that it only claims to be', async () => {
    const { gateway, actor, place, end } = await setUp();
    const other = (await mint(gateway, actor, { label: 'other', evidence: evidence(40) })).delegation;
    const child = (
      await mint(gateway, place(lineage(process(41), process(40))), {
        label: 'child',
        evidence: evidence(50),
      })
    ).delegation;
    await mint(gateway, actor, { label: 'mine', evidence: evidence(20) });
    for (const by of [
      lineage(process(21, { claims: other.id }), process(20)),
      lineage(process(77, { claims: other.id })),
    ])
      await expect(end(place(by), child.id)).rejects.toThrow(refusal);
    expect(gateway.identity.delegations.get(child.id)).toBeDefined();
  });

  it('is nothing that it was started by, and nothing of its siblings', async () => {
    const { gateway, actor, place, open, end, ended } = await setUp();
    const claude = process(10, { agent: 'claude' });
    await mint(gateway, place(lineage(process(20), claude)), { label: 'helper', evidence: evidence(20) });
    const session = open(1, place(lineage(process(30), process(20), claude), 'stream'));
    const above = place(lineage(process(11), claude)).chain.at(-1)?.id ?? '';
    const helper = place(lineage(process(21), process(20), claude));
    await expect(end(helper, above)).rejects.toThrow(refusal);
    const [one, two] = [60, 70].map((pid) =>
      place(
        lineage(
          process(pid + 1),
          process(pid, { agent: 'codex' }),
          process(22),
          process(21, { agent: 'claude' }),
          process(20),
        ),
      ),
    ) as [Actor, Actor];
    const child = (await mint(gateway, one, { label: 'child' })).delegation;
    await expect(end(two, child.id)).rejects.toThrow(refusal);
    expect(ended).toEqual([]);
    expect(await end(actor, above)).toMatchObject({ ended: [session] });
  });
});

it('with an agent that was only observed, what it has delegated ends, too, wherever that runs', async () => {
  const { gateway, device, actor, place, end } = await setUp();
  const claude = place(lineage(process(20, { agent: 'claude' })));
  const { delegation, handle } = await mint(gateway, claude, { label: 'worker' });
  const worker = await actorOf(gateway, device, `${delegation.id}.${handle}`);
  const child = (await mint(gateway, worker, { label: 'child' })).delegation;
  const other = (await mint(gateway, actor, { label: 'other' })).delegation;
  const { delegations } = await end(actor, claude.chain.at(-1)?.id ?? '');
  expect(delegations).toEqual([delegation.id, child.id]);
  expect(gateway.identity.delegations.list().map(({ id }) => id)).toEqual([other.id]);
  // Also where the look-up does not see the agent any more.
  expect(() => place(lineage(process(77)), 'request', worker)).toThrow(/claude, which this works for/);
});

it('a node that names a process of somebody else ends nothing of theirs', async () => {
  const { actor, place, open, end, ended, revoked } = await setUp();
  const mallory: Actor = { ...actor, chain: [{ ...actor.chain[0], id: 'demo/contractor' }] };
  const shown = lineage(process(30), process(20, { agent: 'claude' }));
  const forged = place(shown, 'stream', mallory);
  const own = open(1, forged);
  open(2, place(shown, 'stream'));
  const node = forged.chain[1]?.id ?? '';
  expect(await end(mallory, node)).toEqual({ ended: [own] });
  expect(ended).toEqual([own]);
  expect(revoked.has(node)).toBe(true);
  expect(place(shown, 'stream').chain).toHaveLength(3);
});

it('a revoked process stays so however many others revoke, and after a restart', async () => {
  const { gateway, revoked } = await setUp();
  const { state, clock } = gateway;
  await revoked.add(['prc_mine'], 'demo/engineer');
  const others = Array.from({ length: 11_000 }, (_, at) => `prc_${at}`);
  await revoked.add(others, 'demo/contractor');
  expect(revoked.has('prc_mine')).toBe(true);
  const again = new RevokedNodes(state, clock.now);
  await again.load();
  for (const each of [revoked, again])
    expect(['prc_mine', others.at(-1) ?? '', others[0] ?? ''].map((id) => each.has(id))).toEqual([
      true,
      true,
      false,
    ]);
  clock.pass(25 * 3600_000);
  await again.add(['prc_later'], 'demo/engineer');
  expect(again.has('prc_mine')).toBe(false);
});
