import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { Actor, Chain } from '../../../gateway-core/contract/chain.js';
import type { Decision } from '../../../gateway-core/contract/decision.js';
import type { MaskedUse } from '../../../gateway-core/contract/sql.js';
import {
  type CompiledPolicies,
  decideAdmin,
  decider,
  loadPolicyEngine,
  type PolicyEngine,
} from '../../../gateway-core/policy/index.js';

let engine: PolicyEngine;
beforeAll(async () => {
  engine = await loadPolicyEngine();
});

const connection = { name: 'shop-db', protocol: 'postgres', labels: { team: 'shop' } };
const now = Date.UTC(2026, 10, 20, 12, 0);

function compiled(text: string): CompiledPolicies {
  const result = engine.compile(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policies;
}

function problems(text: string): string {
  const result = engine.compile(text);
  return result.ok ? '' : result.problems.map((each) => each.message).join('\n');
}

function actor(more: Partial<Actor> & { agents?: Chain[number][] } = {}): Actor {
  const { agents = [], ...rest } = more;
  const chain: Chain = [
    { id: 'demo/contractor', kind: 'person', name: 'Contractor', assurance: 'proven' },
    ...agents,
  ];
  return {
    chain,
    scopes: chain.map(() => ({})),
    groups: ['contractors'],
    signIn: 'sgn_x',
    expiresAtMs: now + 1000,
    ...rest,
  };
}

const agent = (
  name: string,
  assurance: 'issued' | 'observed' = 'issued',
  kind: 'agent' | 'process' = 'agent',
) => ({ id: `dlg_${name}`, kind, name, assurance }) as const;

function statement(
  text: string,
  action: 'sql:read' | 'sql:write' | 'sql:ddl' | 'sql:admin' = 'sql:read',
  who = actor(),
  uses: MaskedUse[] = [],
): Decision {
  return decider(compiled(text), who, connection).statement(
    {
      facts: {
        action,
        command: 'SELECT',
        tables: [{ schema: 'public', name: 'customers', access: 'read' }],
        functions: [],
      },
      maskedUses: uses.map((use) => ({ use, columns: ['public.customers.email'] })),
    },
    now,
  );
}

const readers =
  '@id("readers") permit(principal in Group::"contractors", action in [Action::"connect", Action::"sql:read"], resource in Label::"team=shop");';

test('nothing is allowed where no policy permits it', () => {
  expect(statement('').kind).toBe('deny');
  expect(statement(readers, 'sql:write').kind).toBe('deny');
  expect(statement(readers, 'sql:read', actor({ groups: [] })).kind).toBe('deny');
  expect(decider(compiled(readers), actor(), { ...connection, labels: {} }).connect(now).kind).toBe('deny');
});

test('every decision names the policies that made it and their version', () => {
  const policies = compiled(readers);
  const decision = statement(readers);
  expect(decision.kind).toBe('allow');
  expect(decision.grounds).toEqual({ policies: ['readers'], policyVersion: policies.version });
  expect(policies.version).toMatch(/^[0-9a-f]{16}$/);
});

test('a forbid wins over every permit and says its message', () => {
  const decision = statement(
    `${readers} @id("no") @message("customers are off limits") forbid(principal, action == Action::"sql:read", resource) when { context.statement.tables.contains("public.customers") };`,
  );
  expect(decision).toMatchObject({
    kind: 'deny',
    message: 'customers are off limits',
    grounds: { policies: ['no'] },
  });
});

test('a delegation inherits its parent’s permit, narrowed by its scope', () => {
  const who = (scope: object) => actor({ agents: [agent('claude')], scopes: [{}, scope] });
  expect(statement(readers, 'sql:read', who({})).kind).toBe('allow');
  expect(statement(readers, 'sql:read', who({ connections: ['other'] })).kind).toBe('deny');
  expect(statement(readers, 'sql:read', who({ actions: ['sql:write'] })).kind).toBe('deny');
  expect(statement(readers, 'sql:read', who({ connections: ['shop-db'], actions: ['sql:read'] })).kind).toBe(
    'allow',
  );
});

test('a permit for an agent never widens what its person may', () => {
  const text = `${readers} permit(principal == Agent::"claude", action, resource);`;
  expect(statement(text, 'sql:write', actor({ agents: [agent('claude')] })).kind).toBe('deny');
});

test('a forbid on any hop of the chain denies, also on observed and process hops', () => {
  const text = `${readers} forbid(principal == Agent::"evil", action, resource);`;
  for (const hop of [agent('evil'), agent('evil', 'observed'), agent('evil', 'issued', 'process')]) {
    expect(statement(text, 'sql:read', actor({ agents: [agent('claude'), hop, agent('helper')] })).kind).toBe(
      'deny',
    );
  }
});

test('a hop is judged by its own kind and assurance, whatever hops further down call themselves', () => {
  const observed = `${readers} forbid(principal is Agent, action, resource) when { principal.assurance == "observed" && principal.kind == "agent" };`;
  const claude = agent('claude', 'observed');
  for (const below of [agent('claude'), agent('claude', 'observed', 'process')]) {
    const renamed = { ...below, id: 'dlg_other' };
    for (const agents of [
      [claude, renamed],
      [renamed, claude],
      [claude, agent('sh'), renamed],
    ]) {
      expect(statement(observed, 'sql:read', actor({ agents })).kind).toBe('deny');
    }
  }
  expect(statement(observed, 'sql:read', actor({ agents: [agent('claude')] })).kind).toBe('allow');
});

test('masks of all permits that decided unite, and a hold on any of them holds', () => {
  const text = `
    ${readers}
    @id("m") @mask("email", "partial") @mask("public.customers.phone", "redact") permit(principal, action == Action::"sql:read", resource);
  `;
  expect(statement(text)).toMatchObject({
    kind: 'allow',
    masks: [
      { detect: ['email'], with: 'partial' },
      { columns: ['public.customers.phone'], with: 'redact' },
    ],
  });
  const held = statement(
    `${text} @id("h") @approval("dba") permit(principal, action, resource is Connection) when { context has statement };`,
  );
  expect(held).toMatchObject({ kind: 'hold', approvers: ['dba'] });
});

test('a use of masked columns is denied unless every permit that decided opens it', () => {
  expect(statement(readers, 'sql:read', actor(), ['predicate']).kind).toBe('deny');
  const opened = readers.replace('@id("readers")', '@id("readers") @opens("predicate, order")');
  expect(statement(opened, 'sql:read', actor(), ['predicate', 'order']).kind).toBe('allow');
  expect(statement(opened, 'sql:read', actor(), ['predicate', 'statistics']).kind).toBe('deny');
  const second = `${opened} @id("plain") permit(principal, action == Action::"sql:read", resource);`;
  expect(statement(second, 'sql:read', actor(), ['predicate']).kind).toBe('deny');
});

test('chains with an agent never administer the gateway', () => {
  const policies = compiled('permit(principal, action, resource is Gateway);');
  expect(decideAdmin(policies, actor(), 'admin:policies', now).kind).toBe('allow');
  expect(decideAdmin(policies, actor({ agents: [agent('claude')] }), 'admin:policies', now).kind).toBe(
    'deny',
  );
  // Who cannot be seen may be one: a program chooses that by itself.
  const hidden = actor({ lineage: 'unattributed' });
  expect(decideAdmin(policies, hidden, 'admin:policies', now).kind).toBe('deny');
  expect(decideAdmin(policies, actor({ lineage: 'attributed' }), 'admin:policies', now).kind).toBe('allow');
});

test('a policy text that Cedar, the schema or the annotations do not accept is refused with a reason', () => {
  expect(problems('permit(principal, action')).not.toBe('');
  expect(problems('permit(principal, action == Action::"sql:reed", resource);')).not.toBe('');
  expect(
    problems(
      'permit(principal, action == Action::"sql:read", resource) when { context.statment.command == "x" };',
    ),
  ).not.toBe('');
  expect(problems('@mask("email") permit(principal, action, resource is Connection);')).toContain('@mask');
  expect(problems('@mask("email", "blur") permit(principal, action, resource is Connection);')).toContain(
    '@mask',
  );
  expect(problems('@opens("all") permit(principal, action, resource is Connection);')).toContain('@opens');
  expect(problems('@aproval("dba") permit(principal, action, resource is Connection);')).toContain(
    'unknown annotation',
  );
  expect(
    problems(
      '@id("a") permit(principal, action, resource is Gateway); @id("a") forbid(principal, action, resource);',
    ),
  ).toContain('two policies');
  expect(problems('permit(principal == ?principal, action, resource);')).toContain('templates');
});

test('whether policies look at the clock or at lines of shells is known however they are written', () => {
  const uses = (condition: string): [boolean, boolean] => {
    const { usesTime, judgesLines } = compiled(
      `@id("a") forbid(principal, action == Action::"ssh:shell", resource) when { ${condition} };`,
    );
    return [usesTime, judgesLines];
  };
  for (const condition of [
    'context.time.hour > 5',
    'context // at night\n  . time.hour > 5',
    'context["time"].hour > 5',
    'if context has device then true else context.time.hour > 5',
  ])
    expect([condition, ...uses(condition)]).toEqual([condition, true, false]);
  for (const condition of [
    'context has command && context.command.elevated',
    'context // its line\n has command && context.command.elevated',
    'context has "command" && context["command"].elevated',
    'context has command.elevated && context.command.elevated',
  ])
    expect([condition, ...uses(condition)]).toEqual([condition, false, true]);
  expect(uses('{ "c": context }.c.time.hour > 5')).toEqual([true, true]);
  expect(uses('context.chain.depth > 1 && resource.name != "context.time context has command"')).toEqual([
    false,
    false,
  ]);
});

test('a policy that fails while it is evaluated denies', () => {
  const text = `${readers} permit(principal, action, resource) when { context.time.hour + 9223372036854775807 > 0 };`;
  expect(statement(text)).toMatchObject({ kind: 'deny' });
});

test('no chain of scopes ever allows what a prefix of it denies', () => {
  const policies = compiled(readers);
  const scope = fc.record(
    {
      connections: fc.subarray(['shop-db', 'other']),
      actions: fc.subarray(['sql:read', 'sql:write', 'sql:ddl']),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.array(scope, { maxLength: 4 }),
      fc.constantFrom('sql:read', 'sql:write'),
      (scopes, action) => {
        const decideAt = (depth: number) =>
          decider(
            policies,
            actor({
              agents: scopes.slice(0, depth).map((_, i) => agent(`a${i}`)),
              scopes: [{}, ...scopes.slice(0, depth)],
            }),
            connection,
          ).statement({ facts: { action, command: 'X', tables: [], functions: [] }, maskedUses: [] }, now)
            .kind;
        let denied = false;
        for (let depth = 0; depth <= scopes.length; depth += 1) {
          const kind = decideAt(depth);
          if (denied) expect(kind).toBe('deny');
          denied ||= kind === 'deny';
        }
      },
    ),
    { numRuns: 60 },
  );
});
