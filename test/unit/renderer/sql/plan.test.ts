import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlan, planText, shares } from '../../../../renderer/features/sql/explain/plan.js';

const sample = JSON.stringify([
  {
    Plan: {
      'Node Type': 'Hash Join',
      'Join Type': 'Left',
      'Startup Cost': 1.5,
      'Total Cost': 100,
      'Plan Rows': 10,
      'Plan Width': 40,
      'Actual Startup Time': 0.1,
      'Actual Total Time': 20,
      'Actual Rows': 1000,
      'Actual Loops': 1,
      'Hash Cond': '(o.customer_id = c.id)',
      Plans: [
        {
          'Node Type': 'Seq Scan',
          'Parent Relationship': 'Outer',
          'Relation Name': 'orders',
          Alias: 'o',
          'Startup Cost': 0,
          'Total Cost': 60,
          'Plan Rows': 1000,
          'Plan Width': 20,
          'Actual Total Time': 5,
          'Actual Rows': 500,
          'Actual Loops': 2,
          'Rows Removed by Filter': 7,
          Filter: '(total > 1)',
        },
        {
          'Node Type': 'Index Scan',
          'Relation Name': 'customers',
          Alias: 'customers',
          'Index Name': 'customers_pkey',
          'Total Cost': 30,
          'Actual Loops': 0,
          'Actual Total Time': 0,
          'Actual Rows': 0,
        },
      ],
    },
    'Planning Time': 0.2,
    'Execution Time': 21,
    Triggers: [],
  },
]);

describe('a plan', () => {
  it('gives every step what it costs by itself, over all its loops', () => {
    const plan = parsePlan(sample);
    const [join, scan, index] = plan?.nodes ?? [];
    expect(join).toMatchObject({ type: 'Hash Join (left)', selfCost: 10, selfTimeMs: 10, misestimate: 100 });
    expect(scan).toMatchObject({
      target: 'orders o',
      selfCost: 60,
      actual: { timeMs: 10, rows: 1000, loops: 2 },
    });
    expect(index).toMatchObject({ target: 'customers using customers_pkey', neverExecuted: true });
    expect(plan && shares(plan)).toEqual([0.5, 0.5, 0]);
    expect(scan?.details[0]).toEqual(['Filter', '(total > 1)']);
  });

  it('is written as EXPLAIN writes it', () => {
    const plan = parsePlan(sample);
    expect(plan && planText(plan)).toContain(
      '->  Seq Scan on orders o  (cost=0.00..60.00 rows=1000 width=20)',
    );
  });

  it('shares are of one whole', () => {
    const leaf = fc.record({
      'Node Type': fc.string(),
      'Total Cost': fc.double({ min: 0, max: 1e9, noNaN: true }),
    });
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.record({
          'Node Type': fc.string(),
          'Total Cost': fc.nat(),
          Plans: fc.array(tie('node'), { maxLength: 4 }),
        }),
      ),
    })).node;
    fc.assert(
      fc.property(tree, (root) => {
        const plan = parsePlan(JSON.stringify([{ Plan: root }]));
        expect(plan).toBeDefined();
        const sum = plan === undefined ? 0 : shares(plan).reduce((total, each) => total + each, 0);
        expect(sum === 0 || Math.abs(sum - 1) < 1e-9).toBe(true);
      }),
    );
  });

  it('what is no plan is none, however it looks', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plan = parsePlan(JSON.stringify(value));
        if (plan !== undefined) expect(plan.nodes.length).toBeGreaterThan(0);
      }),
    );
    for (const text of ['', '[', 'null', '[]', '[{"Plan": 3}]']) expect(parsePlan(text)).toBeUndefined();
  });

  it('a plan as deep as an attacker likes does not end the page', () => {
    const deep = `${'{"Node Type":"x","Plans":['.repeat(3000)}{}${']}'.repeat(3000)}`;
    expect(parsePlan(`[{"Plan":${deep}}]`)?.nodes.length).toBeLessThan(1000);
  });
});
