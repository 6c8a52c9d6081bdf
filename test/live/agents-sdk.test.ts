import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { api } from '../../gateway-core/agent/client/api.js';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { self } from '../../gateway-core/agent/lineage/index.js';
import { openOffline, openParent, type Parent, startOffline } from '../../gateway-core/agent/sdk/index.js';
import { paths } from '../../gateway-core/contract/api.js';
import {
  cloneRoot,
  type GatewayRun,
  login,
  type Person,
  psql,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { createScope, plainEnvironment, run, start } from './processes.js';

/** Programs that mint for their own children. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let engineer: Person;
let parent: Parent;
let outside: TunnelPlace;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
  parent = await openParent({ env: plainEnvironment({ THROUGHLINE_HOME: engineer.home }) });
  scope.onClose(() => parent.close());
  // The demo's database is made with its first use.
  outside = await engineer.tunnel('shop-db');
  await psql(outside.env, 'select 1');
});

const lineOf = async (of: Gateway): Promise<string> =>
  ((await api.whoami(of)).chain ?? []).map(({ name, assurance }) => `${name} ${assurance}`).join(' > ');

describe('a program that mints for its children', () => {
  it('gives each a hop of its own, with an environment in which psql carries it', async () => {
    const child = await parent.start({
      label: 'worker',
      connections: ['shop-db'] as never,
      actions: ['sql:read'],
    });
    const env = { ...plainEnvironment(), ...(await child.environment()) };
    const read = await run('psql', ['-XAtqc', 'select 40 + 2'], { env });
    expect({ out: read.stdout.trim(), err: read.stderr }).toEqual({ out: '42', err: '' });
    const service = await run('psql', ['-XAtqc', 'select 1', 'service=shop-db'], { env });
    expect(service.stdout.trim()).toBe('1');
    const write = await run('psql', ['-XAtqc', 'update customers set city = city where false'], { env });
    expect(write.stderr).toContain('the delegation "worker" does not include sql:write');
    await child.end();
    const after = await run('psql', ['-XAtqc', 'select 1'], { env });
    expect(after.status).not.toBe(0);
  });

  it('gives a running process its own: what it starts lands there by any port, and no other process can be named', async () => {
    const sleeper = start(scope, 'sh', ['-c', 'read line; psql -XAtqc "select 7 as given"'], {
      env: plainEnvironment({
        PGHOST: '127.0.0.1',
        PGPORT: String(outside.port),
        PGUSER: 'engineer',
        PGDATABASE: 'shop',
        PGSSLMODE: 'disable',
      }),
    });
    const child = await parent.start({ label: 'given', pid: sleeper.pid });
    sleeper.stdin.write('go\n');
    expect((await sleeper.ended).stdout.trim()).toBe('7');
    const sessions = await engineer.json<{ chain: { name: string; assurance: string }[] }[]>(['sessions']);
    expect(
      sessions.map(({ chain }) => chain.map(({ name, assurance }) => `${name} ${assurance}`).join(' > ')),
    ).toContain('Erin Engineer proven > given observed > psql observed');
    await child.end();
    const strangers = await parent.gateway
      .json({ method: 'POST', path: paths.delegations, body: { label: 'x', evidence: self(1) } }, z.unknown())
      .catch((error: unknown) => error);
    expect(strangers).toMatchObject({ code: 'denied' });
  });

  it('is told when somebody ends a child', async () => {
    const over: string[] = [];
    const child = await parent.start({ label: 'watched' }, (cause, reason) =>
      over.push(`${cause} ${reason}`),
    );
    await engineer.json(['revoke', 'agent', child.answer.id, '--reason', 'enough']);
    await expect.poll(() => over).toEqual(['revoked enough']);
    await child.end();
  });

  it('mints further levels offline, each signed by the one above; they work from their credential alone', async () => {
    const child = await parent.start({ label: 'online', levels: 3 });
    const first = startOffline(child, {
      label: 'first',
      ttlMs: 60_000,
      levels: 1,
      actions: ['connect', 'sql:read'],
    });
    const second = startOffline(first, { label: 'second', ttlMs: 30_000 });
    const opened = openOffline(second.credential);
    scope.onClose(() => opened.close());
    const told = await lineOf(opened);
    expect(told).toMatch(/^Erin Engineer proven > online proven > first proven > second proven$/);
    const stream = await opened.openStream('shop-db');
    stream.destroy();
    const wide = startOffline(first, { label: 'wide', ttlMs: 30_000, actions: ['sql:write'] });
    await expect(lineOf(openOffline(wide.credential))).rejects.toMatchObject({ code: 'denied' });
    await child.end();
    await expect(lineOf(opened)).rejects.toMatchObject({ code: 'denied' });
  });

  it('below throughline run hangs below that, by the package’s own name', async () => {
    const script = join(scope.directory(), 'server.mjs');
    const sdk = join(cloneRoot(), 'out', 'gateway-core', 'agent', 'sdk', 'index.js');
    writeFileSync(
      script,
      `import { openParent } from ${JSON.stringify(sdk)};
       const parent = await openParent();
       const child = await parent.start({ label: 'tool' });
       console.log(child.answer.chain.map(({ name, assurance }) => name + ' ' + assurance).join(' > '));
       await child.end();
       parent.close();`,
    );
    const { stdout, stderr } = await engineer.cli(['run', '--agent', 'host', '--', process.execPath, script]);
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe('Erin Engineer proven > host issued > tool proven');
  });

  it('the names that the package offers are there after the build', async () => {
    const found = await run(
      process.execPath,
      ['-e', "import('throughline/agent').then((m) => console.log(Object.keys(m).sort().join(' ')))"],
      {
        cwd: cloneRoot(),
      },
    );
    expect(found.stdout.trim()).toBe('ThroughlineError openOffline openParent startOffline');
  });
});
