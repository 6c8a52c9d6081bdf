import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type GatewayRun,
  login,
  type Person,
  psql,
  startGateway,
  type TunnelPlace,
} from '../live/harness.js';
import { createScope, type Running, start, until } from '../live/processes.js';
import { type App, expectAccessible, picturesOfFailures, see, signIn, startApp } from './app.js';

/** What an admin sees of others, and ends: a contractor works in psql while the admin's desktop looks on. */
const scope = createScope();
let gateway: GatewayRun;
let app: App;
let page: Page;
let contractor: Person;
let tunnel: TunnelPlace;

beforeAll(async () => {
  gateway = await startGateway(scope);
  contractor = await login(scope, gateway, 'contractor');
  tunnel = await contractor.tunnel('shop-db');
  app = await startApp(scope, { gateway: gateway.url });
  page = await app.page();
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

async function trust(of: Page): Promise<void> {
  await see(of, 'Compare the fingerprint');
  await see(of, new RegExp(fingerprintOf(gateway.ca).slice(-8)));
  await expectAccessible(of, 'comparing a fingerprint');
  await of.getByRole('button', { name: 'It is the same: trust it' }).click();
}

/** As `openssl x509 -fingerprint -sha256` prints it. */
function fingerprintOf(certificateFile: string): string {
  return new X509Certificate(readFileSync(certificateFile)).fingerprint256;
}

/** A psql of the contractor that waits for its next line. */
function interactive(): Running {
  return start(scope, 'psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=0'], { env: tunnel.env });
}

const palette = () => page.getByRole('dialog', { name: 'Command palette' });
const table = (): Locator => page.getByRole('region', { name: 'Sessions' });
const row = (text: RegExp): Locator =>
  table().getByRole('option').or(table().getByRole('row')).filter({ hasText: text });

async function command(title: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search commands/ }).fill(`>${title}`);
  await page.keyboard.press('Enter');
  await palette().waitFor({ state: 'detached' });
}

describe('the way in', () => {
  it('a gateway that nobody vouches for is trusted by its fingerprint', async () => {
    await trust(page);
    await signIn(app, page, 'admin');
  });
});

describe('sessions of others', () => {
  let client: Running;

  it('an empty list teaches what to do', async () => {
    await command('Show all sessions');
    await see(page, 'Nobody is connected right now');
    await expectAccessible(page, 'no sessions');
  });

  it('a session stands in the list as soon as it begins, with its line', async () => {
    client = interactive();
    client.stdin.write('select 1 as hello;\n');
    await client.waitFor(/^1$/m);
    await see(table(), /Casey Contractor/);
    await expectAccessible(page, 'live sessions');
  });

  it('its page grows while it runs: statement, decision, policy', async () => {
    await row(/Casey/).first().dblclick();
    const statements = page.getByRole('region', { name: 'Statements' });
    await see(statements, 'select 1 as hello');
    client.stdin.write('select count(*) from customers where id > 5;\n');
    await see(statements, /select count\(\*\) from customers/);
    await statements
      .getByText(/select count\(\*\) from customers/)
      .first()
      .click();
    await see(page, /contractors-/);
    await expectAccessible(page, 'a live session');
  });

  it('a name, two keystrokes and a reason end it: the client is told, every view changes, the log has it', async () => {
    await page.keyboard.press('Control+k');
    await page.keyboard.insertText('casey');
    await page.getByRole('option', { name: /Casey/ }).first().waitFor();
    await expectAccessible(page, 'the palette');
    await page.keyboard.press('Control+Enter');
    await see(page.getByRole('dialog'), /Ends 1 live session/);
    await expectAccessible(page, 'asking for a reason');
    await page.keyboard.insertText('left the company');
    await page.keyboard.press('Enter');
    // Only then does psql talk again, and hear of it: a statement that is under way would be one more in the replay.
    await see(page.getByRole('article'), 'revoked');
    client.stdin.write('select 2;\n');
    await client.waitFor(/revoked/i);
    await see(page.getByRole('article'), 'revoked');
    const admin = await login(scope, gateway, 'admin');
    const found = await until('the event is in the log', async () => {
      const all = await admin.json<{ id: string; endCause?: string }[]>(['sessions']);
      return all.find(({ endCause }) => endCause === 'revoked');
    });
    expect(found.id).toMatch(/^ses_/);
  });

  it('a replay plays what the client saw, jumps to a statement and finds words', async () => {
    await page.getByText('Replay', { exact: true }).click();
    const replay = page.getByRole('region', { name: 'Replay' });
    await replay.waitFor();
    await see(replay, /select count/);
    await replay.getByRole('button', { name: 'Statement before' }).click();
    await see(replay, 'select 1 as hello');
    await replay.getByLabel('Find in the replay').fill('hello');
    await page.keyboard.press('Enter');
    await see(replay, /^1\/\d+$/);
    await replay.getByRole('button', { name: 'Play', exact: true }).click();
    await replay.getByRole('button', { name: /Play|Pause/ }).waitFor();
    await expectAccessible(page, 'a replay');
  });

  it('thousands of sessions stay a list that scrolls and filters', async () => {
    const many = Array.from({ length: 60 }, () => psql(tunnel.env, 'select 1'));
    await Promise.all(many);
    await command('Show all sessions');
    await page.getByRole('radiogroup', { name: 'Which sessions' }).getByText('All').click();
    await until('all are listed', async () => ((await row(/Casey/).count()) > 8 ? true : undefined));
    await page.getByRole('textbox', { name: 'Filter sessions' }).last().fill('revoked');
    await expect.poll(() => row(/Casey/).count()).toBe(1);
    await expectAccessible(page, 'many sessions');
  });
});

describe('the other pages', () => {
  it('search finds a word in what was run, and leads to its session', async () => {
    await command('Search statements');
    await page.getByLabel('Search for').fill('hello');
    await page.keyboard.press('Enter');
    await see(page.getByRole('region', { name: 'Search' }), /hello/);
    await expectAccessible(page, 'search');
  });

  it('the log is verified on demand, and its checkpoint can be copied', async () => {
    await command('Verify the audit log');
    await page.getByRole('button', { name: /Verify/ }).click();
    await see(page, 'The log holds');
    await expectAccessible(page, 'the audit log');
  });

  it('connections, policies and people are there for who administers', async () => {
    for (const [title, region] of [
      ['Manage connections', 'Connections'],
      ['Edit policies', 'Policies'],
      ['Show people', 'People'],
    ] as const) {
      await command(title);
      await page.getByRole('region', { name: region }).last().waitFor();
      await expectAccessible(page, title);
    }
  });

  it('a policy with a fault is refused at its place, and the old ones stay', async () => {
    await command('Edit policies');
    const text = page.getByLabel('Cedar policies');
    const before = await text.inputValue();
    await text.fill(`${before}\npermit (principal,`);
    await page
      .getByRole('button', { name: /Put|Save|Apply/ })
      .first()
      .click();
    await page.getByRole('alert').last().waitFor();
    await text.fill(before);
  });

  it('settings change the look at once', async () => {
    await command('Settings');
    await expectAccessible(page, 'settings');
  });

  it('a gateway that goes away and comes back is told, and the way goes on by itself', async () => {
    const url = new URL(gateway.url);
    gateway.signal('SIGKILL');
    await gateway.ended;
    await see(page, /keeps trying/);
    await expectAccessible(page, 'no gateway');
    gateway = await startGateway(scope, { data: gateway.data, listen: url.host });
    await page.getByText(/keeps trying/).waitFor({ state: 'detached' });
    await command('Show all sessions');
    await row(/./).first().waitFor();
  });

  it('nothing in all that was an error of the page', () => {
    expect(app.complaints).toEqual([]);
  });
});
