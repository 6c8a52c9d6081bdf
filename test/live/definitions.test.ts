import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  login,
  psql,
  putPolicies,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { masks, openPolicies, people } from './masking-cases.js';
import { createScope } from './processes.js';

/** Loading a schema: many definitions, one after the other, on a connection with masked columns. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let tunnel: TunnelPlace;

beforeAll(async () => {
  const [made, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  cluster = made;
  await cluster.createDatabase('vault', people);
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, openPolicies);
  await addConnections(admin, [connectionTo(cluster, 'vault', { masks })]);
  tunnel = await admin.tunnel('vault');
});

/** Sessions that the target has seen on the database, ours and the gateway's own. */
async function sessionsSeen(): Promise<number> {
  await cluster.query('select pg_stat_force_next_flush()', 'postgres').catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const [row] = await cluster.query(
    "select sessions from pg_stat_database where datname = 'vault'",
    'postgres',
  );
  return Number(row?.['sessions']);
}

describe('definitions on a connection with masked columns', () => {
  it('a hundred tables do not have the catalog read a hundred times', async () => {
    const text = Array.from(
      { length: 100 },
      (_, at) => `create table made_${at} (id int primary key, email text);`,
    );
    const before = await sessionsSeen();
    const { status, stderr } = await psql(tunnel.env, `begin;\n${text.join('\n')}\ncommit;`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect((await sessionsSeen()) - before).toBeLessThan(10);
  });

  it('what a definition changed holds for the very next statement: a copy of a masked column is refused', async () => {
    const { stdout, stderr } = await psql(
      tunnel.env,
      'create table plain (id int);\nselect count(*) from plain;\ncreate table copied as select email from people;\ncreate table heir () inherits (people);\nselect email from heir limit 1;',
    );
    expect(stdout).toContain('0');
    expect(stderr).toMatch(/copied|copy/);
  });
});
