import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cloneRoot, type GatewayRun, login, type Person, startGateway } from './harness.js';
import { createScope, type Running, run, start, until } from './processes.js';

/** `throughline agent`: the desktop's tunnels on a machine without a desktop. */
const scope = createScope();
let gateway: GatewayRun;
let person: Person;
let agent: Running;

interface Line {
  readonly at: string;
  readonly tunnel?: { readonly connection: string; readonly state: string; readonly port?: number };
  readonly gateway?: { readonly reach: string };
}

const lines = (): Line[] =>
  agent
    .stdoutText()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
const port = (): number => lines().find(({ tunnel }) => tunnel?.state === 'open')?.tunnel?.port ?? 0;

beforeAll(async () => {
  gateway = await startGateway(scope);
  person = await login(scope, gateway, 'contractor');
});
afterAll(() => scope.close());

function startAgent(...args: string[]): Running {
  const program = join(cloneRoot(), 'gateway-core', 'cli', 'throughline.mjs');
  return start(scope, process.execPath, [program, 'agent', '--json', ...args], {
    env: { THROUGHLINE_HOME: person.home },
  });
}

async function answer(): Promise<string> {
  const { stdout, stderr } = await run('psql', ['-X', '-A', '-t', '-c', "select 'through'"], {
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(port()),
      PGUSER: 'throughline',
      PGDATABASE: 'shop',
      PGSSLMODE: 'disable',
    },
  });
  return stdout.trim() || stderr;
}

it('without a name, and without a tunnel of last time, it says which to give', async () => {
  const { status, stderr } = await person.cli(['agent']);
  expect(status).toBe(2);
  expect(stderr).toContain('--connections');
});

it('keeps a tunnel open and says where', async () => {
  agent = startAgent('--connections', 'shop-db');
  await agent.waitFor(/"state":"open"/);
  expect(await answer()).toBe('through');
});

it('the tunnel is there again, at the same port, when the gateway is', async () => {
  gateway.signal('SIGKILL');
  await gateway.ended;
  await agent.waitFor(/"reach":"unreachable"/);
  gateway = await startGateway(scope, { data: gateway.data, listen: new URL(gateway.url).host });
  await until('it goes through again', async () => ((await answer()) === 'through' ? true : undefined));
});

it('a signal ends it in order, and the next one has the same port without being told the connection', async () => {
  const before = port();
  agent.signal('SIGTERM');
  expect((await agent.ended).status).toBe(0);
  agent = startAgent();
  await agent.waitFor(/"state":"open"/);
  expect(port()).toBe(before);
});

it('it ends with the sign-in, and says so', async () => {
  const admin = await login(scope, gateway, 'admin');
  await person.cli(['logout']);
  const { status, stderr } = await agent.ended;
  expect({ status, stderr }).toMatchObject({
    status: 3,
    stderr: expect.stringContaining('sign-in') as string,
  });
  expect(await admin.json<unknown[]>(['sessions', '--live'])).toEqual([]);
});
