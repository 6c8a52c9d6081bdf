import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { cli, type GatewayRun, startGateway } from './harness.js';
import { createScope, start, until } from './processes.js';
import { PlainBrowser } from './web-pages.js';

/** Sign-in as a person does it: the real command, the gateway's pages, the demo provider's own login page. */

const scope = createScope();
const program = join(import.meta.dirname, '..', '..', 'gateway-core', 'cli', 'throughline.mjs');
let gateway: GatewayRun;
let browser: PlainBrowser;

beforeAll(async () => {
  gateway = await startGateway(scope);
});
beforeEach(() => {
  browser = new PlainBrowser(readFileSync(gateway.ca, 'utf8'));
});
afterAll(() => scope.close());

/** Runs `throughline login` with a system browser that opens nothing: the test is the browser. */
function beginLogin(home: string, ...flags: string[]) {
  const bin = scope.directory();
  for (const name of ['xdg-open', 'open'])
    writeFileSync(join(bin, name), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const env = { THROUGHLINE_HOME: home, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  return start(
    scope,
    process.execPath,
    [program, 'login', '--gateway', gateway.url, '--ca', gateway.ca, ...flags],
    { env },
  );
}

const signInAs = (account: string) => ({ account, password: 'demo' });

async function loginPage(address: string) {
  // The demo provider starts beside the gateway; until it is there the gateway's page says so.
  return until('the provider shows its login page', async () => {
    const page = await browser.open(address);
    return page.text.includes('name="password"') ? page : undefined;
  });
}

test('the browser flow ends signed in, as the account that the provider vouched for', async () => {
  const home = scope.directory();
  const running = beginLogin(home);
  const [address] = await running.waitFor(/https:\/\/\S+\/oauth\/authorize\S+/);
  const page = await loginPage(address);
  const wrong = await browser.submit(page, { account: 'engineer', password: 'wrong' });
  expect(wrong.text).toContain('name="password"');
  const done = await browser.submit(wrong, signInAs('engineer'));
  expect(done.url.hostname).toBe('127.0.0.1');
  expect(done.url.pathname).toBe('/callback');
  expect((await running.ended).status).toBe(0);
  const who = JSON.parse((await cli(home, ['whoami', '--json'])).stdout) as Record<string, unknown>;
  expect(who).toMatchObject({
    principal: 'demo/engineer',
    groups: ['engineers'],
    gateway: gateway.url,
    storage: 'file',
  });
});

test('the device flow asks for a confirmation, and ends signed in on the device only', async () => {
  const home = scope.directory();
  const running = beginLogin(home, '--device');
  const [code] = await running.waitFor(/\b[A-Z0-9]{4}-[A-Z0-9]{4}\b/);
  const confirm = await browser.open(`${gateway.url}/oauth/device?user_code=${code}`);
  expect(confirm.text).toContain(code);
  const login = await browser.submit(confirm, { provider: 'demo' });
  const page = await browser.submit(login, signInAs('auditor'));
  expect(page.text).toContain('The device is signed in');
  expect((await running.ended).status).toBe(0);
  expect(JSON.parse((await cli(home, ['whoami', '--json'])).stdout)).toMatchObject({
    principal: 'demo/auditor',
  });
});

test('a refused device is not signed in, and the command says so', async () => {
  const home = scope.directory();
  const running = beginLogin(home, '--device');
  const [code] = await running.waitFor(/\b[A-Z0-9]{4}-[A-Z0-9]{4}\b/);
  const confirm = await browser.open(`${gateway.url}/oauth/device?user_code=${code}`);
  await browser.submit(confirm, { refuse: 'yes' });
  expect((await running.ended).status).toBe(3);
  expect((await cli(home, ['whoami'])).status).toBe(3);
});

test('signing out ends the ticket at once, also for a process that still holds it', async () => {
  const home = scope.directory();
  const flags = ['--gateway', gateway.url, '--ca', gateway.ca];
  const demo = ['--demo-user', 'contractor', '--demo-secret', gateway.demoSecret];
  expect((await cli(home, ['login', ...flags, ...demo])).status).toBe(0);
  expect((await cli(home, ['connections'])).status).toBe(0);
  expect((await cli(home, ['logout'])).status).toBe(0);
  expect((await cli(home, ['connections'])).status).toBe(3);
});
