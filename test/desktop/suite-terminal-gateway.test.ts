import type { Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import {
  addConnections,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
} from '../live/harness.js';
import { createScope } from '../live/processes.js';
import { startSshd } from '../live/sshd.js';
import { type App, expectAccessible, picturesOfFailures, see, signIn, startApp } from './app.js';

/** The whole way: the page, the agent process, the gateway, and OpenSSH as the target. */
const scope = createScope();
let app: App;
let page: Page;
let admin: Person;

const policies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);

@id("no-version")
@message("the version is closed")
forbid (principal, action == Action::"ssh:sftp", resource) when { context.file.path == "/etc/debian_version" && context.file.operation == "read" };
`;

beforeAll(async () => {
  const [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + policies);
  app = await startApp(scope, { gateway: gateway.url });
  page = await app.page({ permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'engineer');
  await page.keyboard.press('Control+,');
  await page.getByRole('switch', { name: 'For screen readers' }).check({ force: true });
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

const screen = () => page.getByRole('region', { name: 'Terminal: host', exact: true });

async function shows(text: string | RegExp): Promise<void> {
  await eventually(async () => {
    const rows = await screen().locator('.xterm-accessibility-tree').innerText();
    expect(rows.replaceAll('\u00a0', ' ')).toMatch(text);
  });
}
async function type(line: string): Promise<void> {
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

it('a shell of a real target runs what is typed, as the person on the line', async () => {
  await page.getByRole('option', { name: /^host/ }).dblclick();
  // Before it is connected: what is typed ahead is for the shell that comes.
  await screen().locator('.xterm-screen').click();
  await type('echo $((20 + 22)) $TERM');
  await shows(/^42 xterm-256color$/m);
  await screen()
    .getByRole('group', { name: /person Erin Engineer.*on host/ })
    .waitFor();
});

it('what policy closes is refused where it was asked for, in its own words', async () => {
  await page.keyboard.press('Control+Shift+E');
  await page.getByRole('button', { name: 'Go to…' }).click();
  await page.getByRole('textbox', { name: 'Directory' }).fill('/etc');
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Filter files' }).fill('debian_version');
  const row = page.getByRole('option', { name: /debian_version/ });
  await row.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Download' }).click();
  await see(page, /the version is closed/);
});

it('a revocation says who and why, and the shell is gone', async () => {
  const sessions = await admin.json<{ id: string; connection: string; state: string }[]>(['sessions']);
  const live = sessions.find((each) => each.connection === 'host' && each.state === 'live');
  await admin.json(['revoke', 'session', live?.id ?? '', '--reason', 'the contract has ended']);
  await see(screen(), /revoked/);
  await see(screen(), /the contract has ended/);
});

it('its recording plays in the app: the screen at any moment, the commands, what is looked for', async () => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search commands/ }).fill('>Show all sessions');
  await page.keyboard.press('Enter');
  const sessions = page.getByRole('region', { name: 'Sessions' });
  await sessions.getByRole('button', { name: 'Show those that have ended' }).click();
  await sessions.getByRole('row').filter({ hasText: 'host' }).first().dblclick();
  const article = page.getByRole('article').last();
  await see(article, 'revoked');
  await article.getByText('Replay', { exact: true }).click();
  const replay = page.getByRole('region', { name: 'Replay' });
  const recorded = replay.getByRole('group', { name: 'The recorded terminal' });
  const showsRecorded = async (text: RegExp, there: boolean): Promise<void> =>
    eventually(async () => {
      const rows = await recorded.locator('.xterm-accessibility-tree').innerText();
      if (there) expect(rows.replaceAll('\u00a0', ' ')).toMatch(text);
      else expect(rows.replaceAll('\u00a0', ' ')).not.toMatch(text);
    });
  const position = replay.getByRole('slider', { name: 'Position' });
  await recorded.waitFor();
  await position.fill('10000');
  await showsRecorded(/^42 xterm-256color$/m, true);
  await position.fill('0');
  await see(replay, 'Nothing had come back yet.');
  await replay.getByRole('button', { name: 'Next statement' }).click();
  await showsRecorded(/^42 xterm-256color$/m, false);
  await replay.getByRole('textbox', { name: /Find/ }).fill('xterm-256color');
  await page.keyboard.press('Enter');
  await showsRecorded(/^42 xterm-256color$/m, true);
  await expectAccessible(page, 'the replay of a terminal');
  await recorded.focus();
  await page.keyboard.type('echo nothing');
  await showsRecorded(/echo nothing/, false);
});

it('nothing in all that was an error of the page', () => {
  expect(app.complaints).toEqual([]);
});
