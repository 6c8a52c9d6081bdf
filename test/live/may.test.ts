import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { ConnectionDetail } from '../../gateway-core/contract/api.js';
import {
  addConnections,
  type DemoPerson,
  livePolicies,
  login,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope } from './processes.js';

/** What a client is told that its person may do: what pages, menus and badges go by. Nothing is permitted by it. */
const scope = createScope();
afterAll(() => scope.close());

const cardsHidden = `
@id("contractors-see-no-cards")
@mask("public.person.card", "redact")
@mask("email", "partial")
permit (principal in Group::"contractors", action in [Action::"connect", Action::"sql:read"], resource == Connection::"shop");
`;

const told = new Map<DemoPerson, { may: readonly string[]; connections: Map<string, ConnectionDetail> }>();

beforeAll(async () => {
  const gateway = await startGateway(scope);
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies + cardsHidden);
  const target = { protocol: 'postgres', address: '127.0.0.1:1', tls: 'off' } as const;
  const email = { detect: ['email' as const], with: 'partial' as const };
  await addConnections(admin, [
    { ...target, name: 'shop', labels: { team: 'shop' }, masks: [email], recording: { rows: '1MB' } },
    {
      ...target,
      name: 'vault',
      labels: { team: 'vault' },
      recording: { rows: 'none', durability: 'grouped' },
    },
  ]);
  for (const name of ['admin', 'contractor', 'engineer', 'auditor'] as const) {
    const opened = await (name === 'admin' ? admin : await login(scope, gateway, name)).gateway();
    const [{ may = [] }, connections] = await Promise.all([api.whoami(opened), api.connections(opened)]);
    told.set(name, { may, connections: new Map(connections.map((each) => [each.name, each])) });
  }
});

const connection = (person: DemoPerson, name: string): ConnectionDetail | undefined =>
  told.get(person)?.connections.get(name);

describe('what a person may do', () => {
  it('names the admin actions that policy allows them, and none to others', () => {
    expect(told.get('admin')?.may).toEqual(['admin:connections', 'admin:policies', 'admin:people']);
    for (const name of ['contractor', 'engineer', 'auditor'] as const)
      expect(told.get(name)?.may).toEqual([]);
  });

  it("says of a connection what of other people's sessions is open to them", () => {
    const nothing = { viewOthers: false, replayOthers: false, revokeOthers: false };
    expect(connection('contractor', 'shop')?.may).toEqual(nothing);
    expect(connection('engineer', 'shop')?.may).toEqual(nothing);
    expect(connection('admin', 'shop')?.may).toEqual({
      viewOthers: true,
      replayOthers: true,
      revokeOthers: true,
    });
  });

  it('says nothing at all of a connection that they may not use', () => {
    expect(connection('contractor', 'vault')).toBeUndefined();
    expect(connection('engineer', 'vault')?.access).toBe('allowed');
  });
});

describe('what a connection says of itself', () => {
  it("is the masks that hold for this person: its own and policy's, each once", () => {
    const masks = connection('contractor', 'shop')?.masks ?? [];
    expect(masks).toContainEqual({ columns: ['public.person.card'], with: 'redact' });
    expect(masks).toContainEqual({ detect: ['email'], with: 'partial' });
    expect(new Set(masks.map((mask) => JSON.stringify(mask))).size).toBe(masks.length);
    expect(connection('engineer', 'shop')?.masks).toEqual([{ detect: ['email'], with: 'partial' }]);
    expect(connection('engineer', 'vault')?.masks).toEqual([]);
  });

  it('is how much of it is recorded, as it was configured', () => {
    expect(connection('engineer', 'shop')?.recording).toEqual({
      rows: '1MB',
      durability: 'strict',
      desktop: 'optional',
    });
    expect(connection('engineer', 'vault')?.recording).toEqual({
      rows: 'none',
      durability: 'grouped',
      desktop: 'optional',
    });
  });

  it('is never its address or its credential', () => {
    expect(JSON.stringify([...(told.get('engineer')?.connections.values() ?? [])])).not.toContain(
      '127.0.0.1',
    );
  });
});
