import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BundleManifest, bundlePaths } from '../../gateway-core/contract/evidence.js';
import { type GatewayRun, login, startGateway } from '../live/harness.js';
import { createScope, run } from '../live/processes.js';
import { unzip } from '../live/unzip.js';
import { type App, expectAccessible, picturesOfFailures, see, signIn, startApp } from './app.js';

/** From a session's page and from a node of the agent tree: one file that proves itself elsewhere. */
const scope = createScope();
let gateway: GatewayRun;
let app: App;
let page: Page;

beforeAll(async () => {
  gateway = await startGateway(scope);
  const engineer = await login(scope, gateway, 'engineer');
  const { env } = await engineer.tunnel('shop-db');
  await run('psql', ['-XAtqc', 'select id, email from customers order by id limit 5'], { env });
  app = await startApp(scope, { gateway: gateway.url });
  page = await app.page();
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'engineer');
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

async function command(title: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search commands/ }).fill(`>${title}`);
  await page.keyboard.press('Enter');
}

describe('evidence of a session', () => {
  it('is saved from its page, with what is in it said before', async () => {
    await command('Show all sessions');
    await page.getByRole('radiogroup', { name: 'Which sessions' }).getByText('All').click();
    await page.getByRole('row').filter({ hasText: /psql/ }).first().dblclick();
    await page.getByRole('article').getByRole('button', { name: 'Export' }).click();
    const form = page.getByRole('region', { name: 'Export evidence' });
    await see(form, /proofs from the audit log/);
    await expectAccessible(page, 'saving evidence');
    await form.getByLabel('File name').fill('no/such name.zip');
    expect(await form.getByRole('button', { name: 'Save the bundle' }).isDisabled()).toBe(true);
    await form.getByLabel('File name').fill('case 17.zip');
    await form.getByLabel('Reason').fill('asked for by the court');
    await form.getByRole('button', { name: 'Save the bundle' }).click();
    await see(form, /Saved/);
    await see(form, /throughline verify/);
    await expectAccessible(page, 'evidence that was saved');
    const files = await unzip(join(app.home, 'case 17.zip'));
    const manifest = BundleManifest.parse(JSON.parse(files.get(bundlePaths.manifest)?.toString() ?? ''));
    expect([manifest.sessions.length, manifest.reason]).toEqual([1, 'asked for by the court']);
  });

  it('never replaces a file: the refusal says what to do', async () => {
    const form = page.getByRole('region', { name: 'Export evidence' });
    await form.getByRole('button', { name: 'Save the bundle' }).click();
    await see(form, /is there already/);
    await see(form, /Choose another name/);
    expect(existsSync(join(app.home, 'case 17.zip.partial'))).toBe(false);
  });
});

describe('a bundle', () => {
  it('is verified, listed and replayed where nobody is signed in and no gateway answers', async () => {
    gateway.signal('SIGKILL');
    await gateway.ended;
    const other = await startApp(scope, { gateway: gateway.url });
    copyFileSync(join(app.home, 'case 17.zip'), join(other.home, 'case 17.zip'));
    const offline = await other.page();
    await offline.getByRole('button', { name: 'Open evidence without a gateway' }).click();
    await see(offline, 'case 17.zip');
    await expectAccessible(offline, 'bundles in the folder');
    await offline.getByRole('option', { name: /case 17/ }).click();
    await offline.keyboard.press('Enter');
    await see(offline, /Verified: it holds against the key inside it/);
    await see(offline, 'Not proved');
    await expectAccessible(offline, 'a bundle that holds');
    await offline.getByRole('option', { name: /psql/ }).click();
    const replay = offline.getByRole('region', { name: 'Replay' });
    await see(replay, /select id, email from customers/);
    await see(replay, /\*\*\*@/);
  });

  it('is verified and replayed by the page that it carries, in a browser without a network', async () => {
    const files = await unzip(join(app.home, 'case 17.zip'));
    const viewer = join(scope.directory(), 'viewer.html');
    writeFileSync(viewer, files.get(bundlePaths.viewer) ?? '');
    const elsewhere = await app.elsewhere();
    await elsewhere.context().setOffline(true);
    await elsewhere.goto(pathToFileURL(viewer).href);
    await elsewhere.locator('.badge').getByText('verified', { exact: true }).waitFor();
    await see(elsewhere, 'asked for by the court');
    await elsewhere.getByRole('tab', { name: 'Replay' }).click();
    const replay = elsewhere.getByRole('region', { name: 'Replay' });
    await see(replay, /select id, email from customers/);
    await see(replay, /\*\*\*@/);
  });
});
