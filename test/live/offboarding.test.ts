import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { paths } from '../../gateway-core/contract/api.js';
import {
  type DemoIdentityProvider,
  startDemoIdentityProvider,
} from '../../gateway-core/server/demo/identity-provider/index.js';
import { demoKeys } from '../../gateway-core/server/demo/identity-provider/keys.js';
import { logged as logOf } from './audit-log.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  cli,
  cliProgram,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, freePort, type Running, run, start, until } from './processes.js';
import { PlainBrowser } from './web-pages.js';

/** People who leave: a provider of its own, real sign-ins by browser, psql in the middle of a statement. */

const scope = createScope();
afterAll(() => scope.close());

/** The least that the config allows, and what it takes to look. */
const checkWaitMs = 90_000;
let gateway: GatewayRun;
let provider: DemoIdentityProvider;
let cluster: Cluster;
let admin: Person;

beforeAll(async () => {
  const directory = scope.directory();
  const [keys, providerPort, gatewayPort] = await Promise.all([demoKeys(directory), freePort(), freePort()]);
  const corp = {
    name: 'corp',
    issuer: `http://127.0.0.1:${providerPort}`,
    clientId: 'throughline-gateway',
    clientSecret: keys.clientSecret,
    scopes: ['openid', 'profile', 'email', 'groups'],
    principalClaim: 'sub',
    allowInsecureLoopback: true,
    prompt: 'login',
    providerCheckMinutes: 1,
  };
  [cluster, gateway] = await Promise.all([
    startCluster(scope),
    startGateway(scope, { listen: `127.0.0.1:${gatewayPort}`, config: { identityProviders: [corp] } }),
  ]);
  provider = await startDemoIdentityProvider({
    dir: directory,
    port: providerPort,
    logoutTo: {
      url: `${gateway.url}${paths.backChannelLogout('corp')}`,
      ca: readFileSync(gateway.ca, 'utf8'),
    },
  });
  scope.onClose(() => provider.close());
  await cluster.createDatabase('shop', 'create table items (id int)');
  admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'shop')]);
});

interface Employee {
  readonly home: string;
  /** In which they are signed in at the provider. */
  readonly browser: PlainBrowser;
}

async function signIn(account: string): Promise<Employee> {
  const home = scope.directory();
  const bin = scope.directory();
  for (const name of ['xdg-open', 'open'])
    writeFileSync(join(bin, name), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const env = { THROUGHLINE_HOME: home, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const flags = ['login', '--gateway', gateway.url, '--ca', gateway.ca];
  const running = start(scope, process.execPath, [cliProgram, ...flags], { env });
  const [address] = await running.waitFor(/https:\/\/\S+\/oauth\/authorize\S+/);
  const browser = new PlainBrowser(readFileSync(gateway.ca, 'utf8'));
  const page = await browser.open(`${address}&provider=corp`);
  await browser.submit(page, { account, password: 'demo' });
  expect((await running.ended).status).toBe(0);
  return { home, browser };
}

interface Work {
  readonly shell: Running;
  readonly session: string;
  readonly env: Record<string, string>;
}

async function tunnel({ home }: Employee): Promise<Record<string, string>> {
  const running = start(scope, process.execPath, [cliProgram, 'connect', 'shop', '--json'], {
    env: { THROUGHLINE_HOME: home },
  });
  const [line] = await running.waitFor(/^\{.*"port".*\}$/m);
  const { host, port, user } = JSON.parse(line) as { host: string; port: number; user: string };
  return { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: 'shop', PGSSLMODE: 'disable' };
}

/** psql in the middle of a statement that takes longer than any check. */
async function beginWork(employee: Employee): Promise<Work> {
  const env = await tunnel(employee);
  const shell = start(scope, 'psql', ['-XAt', '-v', 'ON_ERROR_STOP=1'], { env });
  shell.stdin.end(
    "select current_setting('application_name'); select pg_sleep(600);\nselect 'not reached';\n",
  );
  const [session] = await shell.waitFor(/ses_[0-9A-Z]{26}/);
  return { shell, session, env };
}

interface Logged {
  readonly kind: string;
  readonly session?: string;
  readonly principal?: string;
  readonly [field: string]: unknown;
}

const logged = (): readonly Logged[] => logOf(gateway);

async function expectGone(
  { shell, session, env }: Work,
  employee: Employee,
  principal: string,
  words: RegExp,
  waitMs: number,
): Promise<void> {
  const timer = setTimeout(() => shell.signal('SIGKILL'), waitMs);
  const { stderr, stdout } = await shell.ended;
  clearTimeout(timer);
  expect(stderr).toMatch(/FATAL/);
  expect(stderr).toMatch(words);
  expect(stdout).not.toContain('not reached');
  expect((await psql(env, 'select 1')).status).toBe(2);
  expect((await cli(employee.home, ['whoami'])).status).toBe(3);
  const ended = await until('the session has ended', async () => {
    const view = await admin.json<{ state: string; endCause?: string }>(['sessions', 'show', session]);
    return view.state === 'ended' ? view : undefined;
  });
  expect(ended).toMatchObject({ endCause: 'revoked' });
  expect(await admin.json(['log', 'verify'])).toMatchObject({ ok: true, problems: [] });
  const order = logged()
    .filter((event) => event.session === session || event.principal === principal)
    .map((event) => event.kind)
    .filter((kind) => /^(identity|session)\./.test(kind));
  expect(order.slice(0, 3)).toEqual(['identity.signed-in', 'session.started', 'identity.withdrawn']);
  expect(order.slice(3).sort()).toEqual(['identity.signed-out', 'session.ended']);
}

// At the same time: two of them wait for a check.
test.concurrent('who is removed at the provider loses what runs at the next check, and begins nothing more', async () => {
  const engineer = await signIn('engineer');
  const contractor = await signIn('contractor');
  const [gone, stays] = await Promise.all([beginWork(engineer), beginWork(contractor)]);
  expect(await admin.json(['admin', 'people'])).toContainEqual(
    expect.objectContaining({ principal: 'corp/engineer', removal: 'next-check' }),
  );
  provider.people.remove('engineer');
  await expectGone(
    gone,
    engineer,
    'corp/engineer',
    /no longer known at the identity provider corp/,
    checkWaitMs,
  );
  // The neighbour was asked about too, and works on.
  expect((await psql(stays.env, 'select 42')).stdout).toBe('42\n');
  stays.shell.signal('SIGKILL');
  const again = await run(process.execPath, [cliProgram, 'connections'], {
    env: { THROUGHLINE_HOME: engineer.home },
  });
  expect(again.status).toBe(3);
}, 300_000);

test.concurrent('who signs out at the provider loses what runs at once', async () => {
  const approver = await signIn('approver');
  const work = await beginWork(approver);
  const page = await approver.browser.open(`${provider.issuer}/session/end`);
  expect(page.text).toContain('Sign out of the demo');
  const done = await approver.browser.submit(page, { logout: 'yes' });
  expect(done.text).toContain('You are signed out');
  await expectGone(work, approver, 'corp/approver', /signed out at the identity provider corp/, 20_000);
});

test.concurrent('new groups at the provider are what the next statement is judged by', async () => {
  const contractor = await signIn('contractor');
  const env = await tunnel(contractor);
  // One session throughout, with one text: its verdict was reused until the groups changed.
  const shell = start(scope, 'psql', ['-XAt'], { env });
  const insert = 'insert into items values (1);';
  shell.stdin.write(`${insert}\n`);
  await shell.waitFor(/no policy permits sql:write here/);
  provider.people.setGroups('contractor', ['engineers']);
  await until(
    'the group counts',
    async () => {
      shell.stdin.write(`${insert}\n`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return shell.stdoutText().includes('INSERT 0 1') ? true : undefined;
    },
    checkWaitMs,
  );
  shell.stdin.end();
  const changed = await until('it is in the log', () =>
    logged().find(
      (event) => event.kind === 'identity.groups-changed' && event.principal === 'corp/contractor',
    ),
  );
  expect(changed).toMatchObject({ before: ['contractors'], groups: ['engineers'] });
}, 240_000);
