import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import type { AgentChange } from '../../../gateway-core/contract/delegation.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { AgentTree } from '../../../gateway-core/server/agent-tree.js';
import { LiveSessions } from '../../../gateway-core/server/live-sessions.js';
import { actorOf, mint, signedIn } from '../identity/delegation-setup.js';

const sessionId = (at: number): SessionId => SessionId.parse(`ses_${String(at).padStart(26, '0')}`);

async function setUp() {
  const base = await signedIn();
  const { delegations } = base.gateway.identity;
  const live = new LiveSessions();
  const tree = new AgentTree({ delegations, live, now: base.gateway.clock.now });
  const open = (at: number, actor: Actor): SessionId => {
    const id = sessionId(at);
    live.add({
      id,
      connection: 'shop-db',
      protocol: 'postgres',
      actor,
      startedAtMs: base.gateway.clock.now(),
      via: 'tunnel',
      application: undefined,
      program: { pid: 7, command: 'psql' },
      statements: () => 0,
      end: () => Promise.resolve(),
    });
    tree.hear({ kind: 'session.started', session: id } as unknown as AuditEventInput);
    return id;
  };
  const close = (id: SessionId): void => {
    live.remove(id);
    tree.hear({ kind: 'session.ended', session: id } as unknown as AuditEventInput);
  };
  const decided = (id: SessionId, text: string): void =>
    tree.hear({
      kind: 'statement.decided',
      session: id,
      seq: 1,
      decision: 'allowed',
      payload: { text },
    } as unknown as AuditEventInput);
  return { ...base, delegations, live, tree, open, close, decided };
}

const process = (actor: Actor): Actor => ({
  ...actor,
  chain: [...actor.chain, { id: 'prc_x', kind: 'process', name: 'psql', assurance: 'observed' }],
});

describe('the tree of who acts', () => {
  it('is empty where nobody acts, and has the whole line of whoever does, parents first', async () => {
    const { gateway, device, actor, tree, open, decided } = await setUp();
    expect(tree.nodes()).toEqual([]);
    const { delegation, handle } = await mint(gateway, actor, { label: 'outer', purpose: 'try' });
    const acting = process(await actorOf(gateway, device, `${delegation.id}.${handle}`));
    const id = open(1, acting);
    decided(id, 'select 1');
    const nodes = tree.nodes();
    expect(nodes.map(({ name, kind, state }) => `${kind} ${name} ${state}`)).toEqual([
      'person Erin Engineer active',
      'agent outer active',
      'process psql active',
    ]);
    expect(nodes.map(({ parent }) => parent)).toEqual([undefined, 'demo/engineer', delegation.id]);
    expect(nodes[1]).toMatchObject({ purpose: 'try', depth: 1, depthMax: 4 });
    expect(nodes[2]).toMatchObject({
      pid: 7,
      command: 'psql',
      sessions: [id],
      statement: { session: id, text: 'select 1', running: true },
    });
  });

  it('an agent without a session is idle; one that has ended is gone with all below it', async () => {
    const { gateway, actor, tree } = await setUp();
    const outer = (await mint(gateway, actor, { label: 'outer' })).delegation;
    expect(tree.nodes().map(({ name, state }) => `${name} ${state}`)).toEqual([
      'Erin Engineer idle',
      'outer idle',
    ]);
    await gateway.identity.delegations.end(outer.id, 'finished');
    expect(tree.nodes()).toEqual([]);
  });

  it('tells changes together: parents attached first, children ended first, with the cause', async () => {
    const { gateway, actor, tree, open, close } = await setUp();
    const told: AgentChange[] = [];
    const connections: string[][] = [];
    const stop = tree.onChange((changes, connectionsOf) => {
      told.push(...changes);
      connections.push([...connectionsOf('demo/engineer')]);
    });
    const outer = (await mint(gateway, actor, { label: 'outer' })).delegation;
    const id = open(
      1,
      process({
        ...actor,
        chain: [...actor.chain, { id: outer.id, kind: 'agent', name: 'outer', assurance: 'proven' }],
      }),
    );
    await expect
      .poll(() => told.map(({ change, node }) => `${change} ${node.name}`))
      .toEqual(['attached Erin Engineer', 'attached outer', 'attached psql']);
    told.length = 0;
    void gateway.identity.delegations.end(outer.id, 'revoked', { reason: 'enough' });
    close(id);
    await expect
      .poll(() => told.map(({ change, node }) => `${change} ${node.name} ${node.endCause ?? ''}`))
      .toEqual(['ended psql ', 'ended outer revoked: enough', 'ended Erin Engineer ']);
    expect(connections).toEqual([['shop-db'], ['shop-db']]);
    stop();
  });

  it('costs nothing where nobody looks, and tells a later reader nothing of before', async () => {
    const { gateway, actor, tree } = await setUp();
    await mint(gateway, actor, { label: 'before' });
    const told: AgentChange[] = [];
    const stop = tree.onChange((changes) => void told.push(...changes));
    const after = (await mint(gateway, actor, { label: 'after' })).delegation;
    await expect.poll(() => told.map(({ node }) => node.name)).toEqual(['after']);
    stop();
    await gateway.identity.delegations.end(after.id, 'finished');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(told).toHaveLength(1);
  });
});
