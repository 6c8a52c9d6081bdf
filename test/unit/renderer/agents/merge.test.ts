import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentChange, AgentNode } from '../../../../gateway-core/contract/delegation.js';
import {
  happenedMax,
  type Known,
  withChanges,
  withListing,
  without,
} from '../../../../renderer/features/agents/merge.js';
import { change, node, nodesOf, program, session } from './support.js';

const now = '2026-01-01T12:00:00.000Z';
const erin = node('erin');
const outer = node('outer', 'erin');
const psql = program('psql', 'outer');
const known: Known = { nodes: nodesOf(erin, outer, psql), happened: [] };
const nothing: Known = { nodes: new Map(), happened: [] };
const live = (of: Known): string[] =>
  [...of.nodes.values()].filter(({ state }) => state !== 'ended').map(({ id }) => id);
const told = (...ids: readonly string[]) => ({ newer: new Set(ids), at: now, first: false });

describe('what the feed tells', () => {
  it('adds, changes and ends, and what has ended is shown until it is taken', () => {
    const inner = node('inner', 'outer');
    const after = withChanges(
      known,
      [change('attached', inner), change('updated', { ...outer, state: 'active' }), change('ended', psql)],
      now,
    );
    expect(after.nodes.get('inner')).toEqual(inner);
    expect(after.nodes.get('outer')?.state).toBe('active');
    expect(after.nodes.get('psql')).toMatchObject({ state: 'ended', endedAt: now });
    expect(after.happened).toEqual([
      expect.objectContaining({ what: 'attached', id: 'inner', above: ['erin', 'outer'] }),
      expect.objectContaining({ what: 'ended', id: 'psql', name: 'psql', above: ['erin', 'outer'] }),
    ]);
  });

  it('an end of what was never shown shows nothing', () => {
    expect(withChanges(nothing, [change('ended', psql)], now)).toEqual(nothing);
  });

  it('an end that is told twice happened once', () => {
    const once = withChanges(known, [change('ended', psql)], now);
    const twice = withChanges(once, [change('ended', psql)], '2026-01-01T13:00:00.000Z');
    expect(twice).toEqual(once);
  });

  it('a program that comes back is there again', () => {
    const after = withChanges(known, [change('ended', psql), change('attached', psql)], now);
    expect(live(after)).toEqual(['erin', 'outer', 'psql']);
    expect(without(after.nodes, '9999').size).toBe(3);
    expect(after.happened.map(({ what }) => what)).toEqual(['ended', 'attached']);
  });

  it('only so many comings and goings are remembered, the last ones', () => {
    const many = Array.from({ length: happenedMax + 10 }, (_, index) =>
      change('attached', node(`n${index}`, 'erin')),
    );
    const { happened } = withChanges(known, many, now);
    expect(happened).toHaveLength(happenedMax);
    expect(happened.at(-1)?.id).toBe(`n${happenedMax + 9}`);
  });
});

describe('a listing', () => {
  it('the first one is how it was: nothing has come', () => {
    const after = withListing(nothing, [erin, outer], { ...told(), first: true });
    expect(live(after)).toEqual(['erin', 'outer']);
    expect(after.happened).toEqual([]);
  });

  it('what is not listed any more has ended unseen; what is new has come', () => {
    const inner = node('inner', 'outer');
    const after = withListing(known, [erin, outer, inner], told());
    expect(live(after)).toEqual(['erin', 'outer', 'inner']);
    expect(after.nodes.get('psql')).toMatchObject({ state: 'ended', endedAt: now, sessions: [] });
    expect(after.happened.map(({ what, id }) => `${what} ${id}`)).toEqual(['attached inner', 'ended psql']);
  });

  it('does not bring back what ended while it was on its way', () => {
    const ended = withChanges(known, [change('ended', psql)], now);
    expect(live(withListing(ended, [erin, outer, psql], told('psql')))).toEqual(['erin', 'outer']);
    const swept: Known = { ...ended, nodes: without(ended.nodes, '9999') };
    expect(withListing(swept, [erin, outer, psql], told('psql')).nodes.has('psql')).toBe(false);
  });

  it('does not take what came, nor undo what changed, while it was on its way', () => {
    const inner = node('inner', 'outer');
    const newer: AgentNode = { ...outer, state: 'active' };
    const before = withChanges(known, [change('attached', inner), change('updated', newer)], now);
    const after = withListing(before, [erin, outer, psql], told('inner', 'outer'));
    expect(after.nodes.get('inner')).toEqual(inner);
    expect(after.nodes.get('outer')).toEqual(newer);
    expect(after.happened).toEqual(before.happened);
  });

  it('leaves out what others run: what the feed told of it stays, while its session does', () => {
    const statement = { session: session(1), text: 'select 1', running: true };
    const before: Known = { nodes: nodesOf(erin, outer, { ...psql, statement }), happened: [] };
    const again = withListing(before, [erin, outer, psql], told());
    expect(again.nodes.get('psql')?.statement).toEqual(statement);
    const other = { ...psql, sessions: [session(2)] };
    expect(withListing(before, [erin, outer, other], told()).nodes.get('psql')?.statement).toBeUndefined();
  });

  it('at whatever moment it was made and arrives, it and the feed end with what the gateway has', () => {
    const ids = ['a', 'b', 'c', 'd'];
    const step = fc.record({ id: fc.constantFrom(...ids), end: fc.boolean() });
    const moments = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), moments, (steps, at) => {
        const [asked, made, answered] = [...at].sort((a, b) => a - b) as [number, number, number];
        const gateway = new Map<string, AgentNode>();
        let desktop: Known = nothing;
        let list: AgentNode[] = [];
        let newer = new Set<string>();
        for (let time = 0; time <= 31; time++) {
          if (time === asked) newer = new Set();
          if (time === made) list = [...gateway.values()];
          if (time === answered) desktop = withListing(desktop, list, { newer, at: now, first: true });
          const next = steps[time];
          if (next === undefined) continue;
          const one = changeOf(gateway, next, time);
          if (one === undefined) continue;
          newer.add(one.node.id);
          desktop = withChanges(desktop, [one], now);
        }
        expect(live(desktop).toSorted()).toEqual([...gateway.keys()].toSorted());
        for (const [id, each] of gateway) expect(desktop.nodes.get(id)?.pid).toBe(each.pid);
      }),
      { numRuns: 500 },
    );
  });
});

/** What the gateway does and tells. */
function changeOf(
  gateway: Map<string, AgentNode>,
  { id, end }: { id: string; end: boolean },
  time: number,
): AgentChange | undefined {
  const before = gateway.get(id);
  const after = { ...(before ?? node(id, 'erin')), pid: time + 1 };
  if (end) {
    if (!gateway.delete(id)) return undefined;
    return change('ended', after);
  }
  gateway.set(id, after);
  return change(before === undefined ? 'attached' : 'updated', after);
}

describe('what has ended', () => {
  it('is taken when its time is over, and nothing else is', () => {
    const { nodes } = withChanges(known, [change('ended', psql)], now);
    expect(without(nodes, now)).toBe(nodes);
    expect([...without(nodes, '2026-01-01T12:00:01.000Z').keys()]).toEqual(['erin', 'outer']);
  });
});
