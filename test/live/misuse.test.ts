import { Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import { startChild } from '../../gateway-core/agent/sdk/child.js';
import type { LiveItem, SessionView } from '../../gateway-core/contract/api.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  cliProgram,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, start, until } from './processes.js';

/** A gateway that lets misused credentials in as whoever used them, and one connection that does not. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let engineer: Person;
const told: LiveItem[] = [];

const ownCredentials = `
@id("prod-own-credentials") @message("this connection takes nobody else's credential")
forbid (principal, action, resource in Label::"tier=prod")
when { context.chain.credential != "own" };
`;

beforeAll(async () => {
  const misuse = { shared: 'attribute', inherited: 'attribute', overlapping: 'attribute' };
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope, { config: { misuse } })]);
  await cluster.createDatabase('shop');
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, `${livePolicies}${ownCredentials}`);
  await addConnections(admin, [
    connectionTo(cluster, 'shop'),
    connectionTo(cluster, 'prod', { database: 'shop', labels: { team: 'shop', tier: 'prod' } }),
  ]);
  engineer = await login(scope, gateway, 'engineer');
  const feed = api.live(await admin.gateway());
  scope.onClose(() => feed.abort());
  void (async () => {
    for await (const item of feed.items) told.push(item);
  })().catch(() => undefined);
  await until('the admin watches', () => (told.length > 0 ? true : undefined));
});

const alertOf = (misuse: string, delegation: string): Promise<LiveItem> =>
  until(`${misuse} is told to an admin`, () =>
    told.find((item) => item.kind === 'misuse' && item.misuse === misuse && item.delegation === delegation),
  );

/** An agent that stays, and its credential as it stands in its environment. */
async function leaky() {
  const running = start(
    scope,
    process.execPath,
    [
      cliProgram,
      'run',
      '--agent',
      'leaky',
      '--',
      'sh',
      '-c',
      'echo "$THROUGHLINE_DELEGATION $THROUGHLINE_HANDLE $PGPORT"; exec sleep 60',
    ],
    { env: { THROUGHLINE_HOME: engineer.home } },
  );
  const [, id = '', handle = '', port = ''] = await running.waitFor(/(dlg_\S+) (tlh_\S+) (\d+)/);
  return { running, id, handle, port };
}

it('shared: whoever used it stands on the line, policy sees it, and it is told', async () => {
  const { running, id, handle } = await leaky();
  const env = { THROUGHLINE_DELEGATION: id, THROUGHLINE_HANDLE: handle };
  const shop = await engineer.cli(['exec', 'shop', '--', 'psql', '-XAtqc', "select 'carried out'"], { env });
  expect(shop).toMatchObject({ status: 0, stdout: 'carried out\n' });
  const [session] = await engineer.json<SessionView[]>(['sessions']);
  expect(session?.chain.map(({ name, assurance }) => `${name} ${assurance}`)).toEqual([
    'Erin Engineer proven',
    'leaky issued',
    'psql observed',
  ]);
  expect(await alertOf('shared', id)).toMatchObject({ verdict: 'attributed' });
  const prod = await engineer.cli(['exec', 'prod', '--', 'psql', '-XAtqc', 'select 1'], { env });
  expect(prod).toMatchObject({ status: 125, stdout: '' });
  running.signal('SIGTERM');
  await running.ended;
});

it('inherited: a child that presents its parent’s handle is the child', async () => {
  const script = `PARENT="$THROUGHLINE_DELEGATION $THROUGHLINE_HANDLE" $TL run --agent child -- sh -c '
    set -- $PARENT; export THROUGHLINE_DELEGATION=$1 THROUGHLINE_HANDLE=$2; echo $1
    $TL exec shop -- psql -XAtqc "select 42"; $TL exec prod -- psql -XAtqc "select 43"; echo $?'`;
  const { stdout } = await engineer.cli(['run', '--agent', 'parent', '--', 'sh', '-c', script], {
    env: { TL: `${process.execPath} ${cliProgram}` },
  });
  const [id = '', answer, status] = stdout.trim().split('\n');
  expect([answer, status]).toEqual(['42', '125']);
  expect(await alertOf('inherited', id)).toMatchObject({ verdict: 'attributed' });
});

it('overlapping: a second address is let in, marked, and told', async () => {
  class FromAddress extends Socket {
    override connect(...args: unknown[]): this {
      const [port, host] = args as [number, string];
      return super.connect({ port, host, localAddress: '127.0.0.2' });
    }
  }
  const parent = await engineer.gateway();
  const child = await startChild({ parent, request: { label: 'passed on' } });
  const { id, handle } = child.answer;
  const from = (database: string, more: pg.ClientConfig = {}): pg.Client =>
    new pg.Client({ ...gateway.native, user: id, password: handle, database, ssl: false, ...more });
  const first = from('shop');
  await first.connect();
  const elsewhere = { stream: () => new FromAddress() };
  const second = from('shop', elsewhere);
  await second.connect();
  expect((await second.query('select 42 as n')).rows).toEqual([{ n: 42 }]);
  await expect(from('prod', elsewhere).connect()).rejects.toThrow();
  expect(await alertOf('overlapping', id)).toMatchObject({ verdict: 'attributed' });
  await second.end();
  await first.end();
  await child.end();
});

it('with another device’s key it is denied whatever the rules say, and told', async () => {
  const { running, id, handle } = await leaky();
  const other = await login(scope, gateway, 'contractor');
  const stolen = { THROUGHLINE_DELEGATION: id, THROUGHLINE_HANDLE: handle };
  expect((await other.cli(['connections'], { env: stolen })).status).toBe(3);
  expect(await alertOf('other-device', id)).toMatchObject({ verdict: 'denied' });
  running.signal('SIGTERM');
  await running.ended;
});
