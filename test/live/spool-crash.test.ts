import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundlePaths } from '../../gateway-core/contract/evidence.js';
import { DesktopLine, type LocalRecord } from '../../gateway-core/contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../gateway-core/recording/spool-head.js';
import { type Cluster, startCluster } from './cluster.js';
import { type HandDesktop, handDesktop, valueOf } from './desktop-by-hand.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, until } from './processes.js';
import { unzip } from './unzip.js';

/** kill -9 of the gateway in a loop while a desktop uploads: nothing that was acknowledged is lost, nothing is there twice. */
const scope = createScope();
afterAll(() => scope.close());

const kills = 6;
const recordsPerUpload = 7;
const uploadsPerLife = 25;

let cluster: Cluster;
let gateway: GatewayRun;
let person: Person;
let desktop: HandDesktop;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('sides', 'select 1');
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'sides')]);
  person = await login(scope, gateway, 'engineer');
  desktop = await handDesktop(scope, gateway, person);
});

/** At the same address, over what the last one left. */
async function again(): Promise<void> {
  const { data, url, native } = gateway;
  await gateway.ended;
  gateway = await startGateway(scope, {
    data,
    listen: new URL(url).host,
    nativeListen: `${native.host}:${native.port}`,
  });
}

it('brings every record once, whenever the gateway dies', async () => {
  const tunnel = await desktop.tunnel('sides', 1);
  await psql(tunnel.env, 'select 1;');
  const { session, records } = await until('the session has closed', () => tunnel.sessions[0]);
  const shown = (result: number): string => {
    const record: LocalRecord = {
      at: new Date().toISOString(),
      monoMs: result,
      boot: 'test',
      kind: 'shown',
      session,
      result: result + 100,
      columns: 1,
      rows: 1,
      sha256: createHash('sha256').update(String(result)).digest('hex'),
      complete: true,
    };
    return JSON.stringify(record);
  };
  const texts = [
    ...records.slice(0, -1),
    ...Array.from({ length: kills * uploadsPerLife * recordsPerUpload }, (_, at) => shown(at)),
    ...records.slice(-1),
  ];
  let head: Buffer = firstSpoolHead(desktop.device, 1);
  const heads = [head.toString('hex')];
  for (const text of texts) {
    head = nextSpoolHead(head, text);
    heads.push(head.toString('hex'));
  }

  let acknowledged = 0;
  let lives = 0;
  let uploads = 0;
  while (acknowledged < texts.length) {
    const to = Math.min(texts.length, acknowledged + recordsPerUpload);
    uploads += 1;
    const dies = lives < kills && uploads % uploadsPerLife === 0;
    const body = { from: acknowledged, records: texts.slice(acknowledged, to), last: to === texts.length };
    const sent = desktop.upload(1, body).catch(() => undefined);
    if (dies) {
      lives += 1;
      gateway.signal('SIGKILL');
      await again();
    }
    const answer = await sent;
    if (answer === undefined) continue;
    const { next, head: said } = valueOf(answer);
    expect(next).toBeGreaterThanOrEqual(acknowledged);
    expect(said).toBe(heads[next]);
    acknowledged = next;
  }
  expect(lives).toBe(kills);

  const file = join(scope.directory(), 'evidence.zip');
  await person.json(['export', session, '-o', file]);
  const lines = (await unzip(file)).get(bundlePaths.desktop(session))?.toString('utf8').trimEnd().split('\n');
  const found = (lines ?? []).map((line) => DesktopLine.parse(JSON.parse(line)));
  expect(found.map(({ seq }) => seq)).toEqual(texts.map((_, seq) => seq));
  expect(found.map(({ record }) => record)).toEqual(texts);
  const report = await person.json<{ ok: boolean; problems: unknown[] }>(['log', 'verify']);
  expect(report).toMatchObject({ ok: true, problems: [] });
}, 300_000);
