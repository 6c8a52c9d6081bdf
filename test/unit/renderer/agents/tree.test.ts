import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentNode } from '../../../../gateway-core/contract/delegation.js';
import {
  agentsIn,
  belowOf,
  endsOf,
  groupKey,
  indexOf,
  lineOf,
  pathOf,
  rowsOf,
  siblingsMax,
  wordsOf,
} from '../../../../renderer/features/agents/tree.js';
import { drawn, everything, node, nodesOf, program, session } from './support.js';

const erin = node('erin');
const outer = node('outer', 'erin', { state: 'active', purpose: 'nightly report' });
const inner = node('inner', 'outer', { state: 'active', since: '2026-01-01T10:00:01.000Z' });
const psql = { ...program('psql-1', 'inner'), pid: 4711 };
const idle = node('idle', 'erin', { since: '2026-01-01T10:00:02.000Z' });
const family = nodesOf(erin, outer, inner, psql, idle);

describe('the tree', () => {
  it('stands parents before children, each below its own, those who came first first', () => {
    expect(drawn(rowsOf(family, everything))).toEqual([
      'erin',
      '  outer',
      '    inner',
      '      psql-1',
      '  idle',
    ]);
    const turned = new Map([...family].reverse());
    expect(drawn(rowsOf(turned, everything))).toEqual(drawn(rowsOf(family, everything)));
  });

  it('a node whose parent is not shown stands at the top', () => {
    expect(drawn(rowsOf(nodesOf(inner, psql), everything))).toEqual(['inner', '  psql-1']);
  });

  it('a folded node says what is below it by number', () => {
    const rows = rowsOf(family, { ...everything, closed: new Set(['outer']) });
    expect(drawn(rows)).toEqual(['erin', '  outer', '  idle']);
    expect(rows[1]).toMatchObject({ open: false, sessions: 1, place: 1, places: 2 });
    expect(rows[2]).toMatchObject({ open: undefined, place: 2 });
  });

  it('one’s own tree stands first', () => {
    const adam = node('adam', undefined, { principal: 'adam' });
    const nodes = nodesOf(adam, erin);
    expect(drawn(rowsOf(nodes, everything))).toEqual(['adam', 'erin']);
    expect(drawn(rowsOf(nodes, { ...everything, me: 'erin' }))).toEqual(['erin', 'adam']);
  });

  it('every node stands in exactly one row, whatever the tree and in whatever order it came', () => {
    const parents = fc.array(fc.nat(), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(parents, fc.nat(1000), (above, turn) => {
        const list = above.map((value, index) =>
          node(`n${index}`, index === 0 ? undefined : `n${value % index}`, { name: `name${value % 3}` }),
        );
        const nodes = nodesOf(...list.slice(turn % list.length), ...list.slice(0, turn % list.length));
        const groups = rowsOf(nodes, everything).filter((row) => row.kind === 'group');
        let openGroups = new Set(groups.map(({ key }) => key));
        // Groups within groups come to light one after the other.
        for (let round = 0; round < 10; round++)
          openGroups = new Set(
            rowsOf(nodes, { ...everything, openGroups }).flatMap((row) =>
              row.kind === 'group' ? [row.key] : [],
            ),
          );
        const shown = rowsOf(nodes, { ...everything, openGroups }).flatMap((row) =>
          row.kind === 'node' ? [row.node.id] : [],
        );
        expect(shown.toSorted()).toEqual([...nodes.keys()].toSorted());
      }),
    );
  });

  it('nodes that are each other’s parents do not hang it', () => {
    const a = node('a', 'b');
    const b = node('b', 'a');
    expect(rowsOf(nodesOf(erin, a, b), everything)).toHaveLength(1);
    expect(pathOf(nodesOf(a, b), 'a').map(({ id }) => id)).toEqual(['b', 'a']);
  });
});

describe('siblings of one name', () => {
  const many = (count: number, more: Partial<AgentNode> = {}): AgentNode[] =>
    Array.from({ length: count }, (_, index) => ({ ...program(`psql-${index}`, 'erin', [index]), ...more }));

  it(`are one row from ${siblingsMax + 1} on, with their sessions`, () => {
    expect(drawn(rowsOf(nodesOf(erin, ...many(siblingsMax)), everything))).toHaveLength(siblingsMax + 1);
    const rows = rowsOf(nodesOf(erin, ...many(312)), everything);
    expect(drawn(rows)).toEqual(['erin', '  psql ×312']);
    expect(rows[1]).toMatchObject({ open: false, sessions: 312, places: 1 });
  });

  it('a row of many stays one row while they end, until the last', () => {
    const groupsBefore = new Set([groupKey(program('psql-0', 'erin', [0]))]);
    const still = (count: number) =>
      drawn(rowsOf(nodesOf(erin, ...many(count)), { ...everything, groupsBefore }));
    expect(still(13)).toEqual(['erin', '  psql ×13']);
    expect(still(2)).toEqual(['erin', '  psql ×2']);
    expect(still(1)).toHaveLength(2);
    expect(still(1)[1]).not.toContain('×');
  });

  it('the row unfolds to all of them', () => {
    const nodes = nodesOf(erin, ...many(30));
    const [, group] = rowsOf(nodes, everything);
    const rows = rowsOf(nodes, { ...everything, openGroups: new Set([group?.key ?? '']) });
    expect(rows).toHaveLength(32);
    expect(rows.at(-1)).toMatchObject({ depth: 2, place: 30, places: 30 });
  });

  it('others beside them stay rows of their own', () => {
    const nodes = nodesOf(erin, outer, ...many(25), idle);
    expect(drawn(rowsOf(nodes, everything))).toEqual(['erin', '  outer', '  psql ×25', '  idle']);
  });

  it('what is known in another way is not of the same kind', () => {
    const claimed = many(25, { assurance: 'claimed' }).map((each) => ({ ...each, id: `${each.id}-c` }));
    expect(drawn(rowsOf(nodesOf(erin, ...many(25), ...claimed), everything))).toHaveLength(3);
  });

  it('a filter is applied first: a few that match are not hidden in a group', () => {
    const words = wordsOf(session(7));
    expect(drawn(rowsOf(nodesOf(erin, ...many(30)), { ...everything, words }))).toEqual(['erin', '  psql-7']);
  });
});

describe('the filter', () => {
  const find = (text: string, onlyActive = false) =>
    drawn(rowsOf(family, { ...everything, words: wordsOf(text), onlyActive, closed: new Set(['outer']) }));

  it('finds by name, connection, statement, id, purpose and process, with what is above', () => {
    const running = {
      ...psql,
      statement: { session: session(1), text: 'SELECT pg_sleep(30)', running: true },
    };
    const nodes = nodesOf(...[...family.values()].map((each) => (each.id === psql.id ? running : each)));
    const line = ['erin', '  outer', '    inner', '      psql-1'];
    for (const text of ['psql', 'shop-db', 'pg_SLEEP', 'psql-1', '4711', session(1)])
      expect(drawn(rowsOf(nodes, { ...everything, words: wordsOf(text) }))).toEqual(line);
    expect(find('nightly')).toEqual(line);
  });

  it('a short word is not looked for in ids, nor part of a process id', () => {
    expect(find('1')).toEqual([]);
    expect(find('471')).toEqual([]);
  });

  it('shows all below what matches, folded or not', () => {
    expect(find('outer')).toEqual(['erin', '  outer', '    inner', '      psql-1']);
    expect(find('idle')).toEqual(['erin', '  idle']);
  });

  it('wants every word, and says so by an empty tree', () => {
    expect(find('psql shop-db')).not.toEqual([]);
    expect(find('psql elsewhere')).toEqual([]);
  });

  it('only active leaves out what runs nothing, and keeps what has just ended', () => {
    expect(find('', true)).toEqual(['erin', '  outer']);
    const ended = nodesOf(erin, node('gone', 'erin', { state: 'ended' }));
    expect(drawn(rowsOf(ended, { ...everything, onlyActive: true }))).toEqual(['erin', '  gone']);
  });
});

describe('what a revoke ends', () => {
  it('is every session and every node below, each once', () => {
    const other = program('psql-2', 'inner', [2, 3]);
    const nodes = nodesOf(...family.values(), other);
    expect(endsOf(nodes, 'outer')).toEqual({ sessions: 3, agents: 1, programs: 2 });
    expect(endsOf(nodes, 'erin')).toEqual({ sessions: 3, agents: 3, programs: 2 });
    expect(endsOf(nodes, 'psql-1')).toEqual({ sessions: 1, agents: 0, programs: 0 });
    expect(endsOf(nodes, 'nobody')).toEqual({ sessions: 0, agents: 0, programs: 0 });
  });

  it('is nothing of what has ended already', () => {
    const gone: AgentNode = { ...psql, state: 'ended', sessions: [] };
    expect(endsOf(nodesOf(erin, outer, inner, gone), 'outer')).toEqual({
      sessions: 0,
      agents: 1,
      programs: 0,
    });
  });

  it('agrees with what hangs below, whatever the tree', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 60 }), (above) => {
        const list = above.map((value, index) =>
          index === 0 ? node('n0') : program(`n${index}`, `n${value % index}`, [index]),
        );
        const nodes = nodesOf(...list);
        for (const { id } of list) {
          const hanging = list.filter((each) => pathOf(nodes, each.id).some((on) => on.id === id));
          expect(belowOf(nodes, id)).toHaveLength(hanging.length - 1);
          expect(endsOf(nodes, id).sessions).toBe(hanging.flatMap(({ sessions }) => sessions).length);
          expect(indexOf(nodes).sessions.get(id)).toBe(endsOf(nodes, id).sessions);
        }
      }),
    );
  });
});

describe('around a node', () => {
  it('its line leads from the person to it', () => {
    expect(lineOf(family, 'psql-1').map(({ name }) => name)).toEqual(['erin', 'outer', 'inner', 'psql']);
    expect(lineOf(family, 'nobody')).toEqual([]);
  });

  it('agents are counted, people, programs and what has ended are not', () => {
    const nodes = nodesOf(...family.values(), node('gone', 'erin', { state: 'ended' }));
    expect(agentsIn(nodes).map(({ id }) => id)).toEqual(['outer', 'inner', 'idle']);
  });
});
