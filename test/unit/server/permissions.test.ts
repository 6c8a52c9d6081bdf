import { expect, test } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { loadPolicyEngine } from '../../../gateway-core/policy/index.js';
import { createPermissions, type Permissions } from '../../../gateway-core/server/permissions.js';

const auditor: Actor = {
  chain: [{ id: 'demo/auditor', kind: 'person', name: 'Auditor', assurance: 'proven' }],
  scopes: [{}],
  groups: ['auditors'],
  signIn: 'sgn_x',
  expiresAtMs: Date.UTC(2030, 0),
};

/** With `host`, by SSH, and `shop`, by PostgreSQL, as registered. */
async function permissionsOf(text: string): Promise<Permissions> {
  const compiled = (await loadPolicyEngine()).compile(text);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const registered = { host: 'ssh', shop: 'postgres' } as const;
  const connections = {
    get: (name: string) => {
      const protocol = Object.entries(registered).find(([each]) => each === name)?.[1];
      return protocol === undefined ? undefined : { name, protocol, labels: {} };
    },
  };
  return createPermissions({
    connections: connections as never,
    policies: { current: compiled.policies } as never,
    identity: { asNow: (actor: Actor) => actor },
    now: () => Date.UTC(2026, 10, 21),
  });
}

const allButSsh = `permit (principal in Group::"auditors", action == Action::"session:view", resource);
forbid (principal, action == Action::"session:view", resource) when { resource.protocol == "ssh" };`;

test('a session of a connection that is gone is judged by what it spoke', async () => {
  const permissions = await permissionsOf(allButSsh);
  const view = (connection: string, protocol?: 'postgres' | 'ssh'): string =>
    permissions.session(auditor, 'session:view', { connection, protocol, principal: 'demo/x' }).kind;
  expect(view('gone', 'postgres')).toBe('allow');
  expect(view('gone', 'ssh')).toBe('deny');
  // What is registered is known best.
  expect(view('shop', 'ssh')).toBe('allow');
  expect(view('host')).toBe('deny');
});

test('where nobody knows what it spoke, policy has to allow each that it can have been', async () => {
  const node = { principal: 'demo/x', connections: ['gone'] };
  const strict = await permissionsOf(allButSsh);
  expect(strict.viewsNode(auditor, node)).toBe(false);
  expect(strict.watch(auditor, new Set(['gone']))).toBe(false);
  expect(strict.viewsNode(auditor, { ...node, connections: ['shop'] })).toBe(true);
  expect(strict.viewsNode(auditor, { ...node, connections: ['shop', 'host'] })).toBe(false);
  const open = await permissionsOf(allButSsh.slice(0, allButSsh.indexOf('forbid')));
  expect(open.viewsNode(auditor, node)).toBe(true);
  expect(open.watch(auditor, new Set(['gone']))).toBe(true);
});
