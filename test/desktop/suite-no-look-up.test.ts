import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GatewayRun, login, startGateway } from '../live/harness.js';
import { createScope, start } from '../live/processes.js';
import { type App, expectAccessible, picturesOfFailures, see, startApp } from './app.js';

/** The desktop on a machine that does not tell whose a socket is. */
const scope = createScope();
let gateway: GatewayRun;
let app: App;
let page: Page;

beforeAll(async () => {
  gateway = await startGateway(scope);
  const engineer = await login(scope, gateway, 'engineer');
  const settings = join(engineer.home, 'client', 'settings.json');
  const kept = JSON.parse(readFileSync(settings, 'utf8')) as object;
  writeFileSync(settings, JSON.stringify({ ...kept, lookUp: 'never' }));
  app = await startApp(scope, { gateway: gateway.url, home: engineer.home });
  page = await app.page();
  await page.getByRole('button', { name: 'I have read this' }).click();
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

it('a tunnel shows its password and says that its sessions are unattributed; so do the session and the status', async () => {
  await page.getByRole('button', { name: /0 tunnels/ }).click();
  await page
    .getByRole('textbox', { name: 'Connection for a new tunnel' })
    .or(page.getByRole('combobox', { name: 'Connection for a new tunnel' }))
    .first()
    .click();
  await page.getByRole('option', { name: 'shop-db', exact: true }).click();
  await page.getByRole('button', { name: 'Open a tunnel' }).click();
  const opened = page.getByRole('article', { name: 'Tunnel to shop-db' });
  await see(opened, 'unattributed');
  const lines = await opened.getByRole('definition').allTextContents();
  const [password = '', command = ''] = lines.map((line) => line.trim());
  expect(password).toMatch(/^[\w-]{32}/);
  expect(command).toContain('passfile=');
  expect(command).not.toContain(password.slice(0, 32));
  await see(page.getByRole('region', { name: 'Tunnels' }), 'each tunnel has a password of its own');
  await expectAccessible(page, 'a tunnel with a password');
  const port = /port=(\d+)/.exec(command)?.[1] ?? '';
  const passfile = /passfile=([^\s"]+)/.exec(command)?.[1] ?? '';
  const env = { PGHOST: '127.0.0.1', PGPORT: port, PGUSER: 'x', PGSSLMODE: 'disable', PGPASSFILE: passfile };
  const running = start(scope, 'psql', ['-XAtq', '-d', 'shop'], { env });
  running.stdin.write('select 42;\n');
  await running.waitFor(/^42$/m);
  await page.getByRole('button', { name: '1 tunnel, unattributed' }).waitFor();
  await page.getByRole('navigation', { name: 'Sections' }).getByRole('button', { name: 'Sessions' }).click();
  await page.getByRole('complementary').getByText('shop-db').first().dblclick();
  await see(page.getByRole('article', { name: /Session of/ }), 'unattributed');
  expect(app.complaints).toEqual([]);
});
