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
import { type App, expectAccessible, picturesOfFailures, see, startApp } from './app.js';

/** An admin's app beside the app of somebody who works: what one does in a terminal, the other sees, and is seen to see. */
const scope = createScope();
let adminApp: App;
let engineerApp: App;
let watching: Page;
let working: Page;

const policies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);
`;

beforeAll(async () => {
  const [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  const admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + policies);
  const engineer = await login(scope, gateway, 'engineer');
  // Signed in on this machine already.
  const opened = async ({ home }: Person): Promise<[App, Page]> => {
    const app = await startApp(scope, { gateway: gateway.url, home });
    const page = await app.page();
    await page.getByRole('button', { name: 'I have read this' }).click();
    // Before it there is nobody to take a key.
    await page.getByRole('option', { name: /^host/ }).waitFor();
    return [app, page];
  };
  [adminApp, watching] = await opened(admin);
  [engineerApp, working] = await opened(engineer);
  await working.keyboard.press('Control+,');
  await working.getByRole('switch', { name: 'For screen readers' }).check({ force: true });
});
afterAll(() => scope.close());
picturesOfFailures(() => watching);

const terminal = () => working.getByRole('region', { name: 'Terminal: host', exact: true });
const live = () => watching.getByRole('region', { name: 'Live view' });

async function shows(where: ReturnType<typeof live>, text: RegExp): Promise<void> {
  await eventually(async () => {
    const rows = await where.locator('.xterm-accessibility-tree').innerText();
    expect(rows.replaceAll('\u00a0', ' ')).toMatch(text);
  });
}

/** What the session's page shows. */
const show = (what: string) =>
  watching.getByRole('radiogroup', { name: 'What to show' }).getByText(what, { exact: true }).click();

async function type(line: string): Promise<void> {
  await terminal().locator('.xterm-screen').click();
  await working.keyboard.type(line);
  await working.keyboard.press('Enter');
}

it('an admin sees the screen as it is, and then what is typed, by keys alone', async () => {
  await working.getByRole('option', { name: /^host/ }).dblclick();
  await type('echo before-$((1 + 1))');
  await shows(terminal(), /before-2/);
  await watching.keyboard.press('Control+Shift+S');
  const table = watching.getByRole('region', { name: 'Sessions' }).getByRole('grid');
  await table.getByRole('row', { name: /Erin Engineer/ }).waitFor();
  await table.focus();
  await watching.keyboard.press('ArrowDown');
  // A notice goes away by itself: it is waited for before it comes.
  const told = working.getByText('Ada Admin watches your session on host').waitFor({ timeout: 60_000 });
  await watching.keyboard.press('l');
  await shows(live(), /before-2/);
  await type('echo after-$((2 + 2))');
  await shows(live(), /after-4/);
  await see(live(), 'Live');
  await see(live(), /Erin Engineer is told that you watch/);
  await told;
});

it('whose terminal it is sees who watches for as long as it lasts', async () => {
  await see(terminal(), /Ada Admin watches since/);
  await expectAccessible(working, 'a watched terminal');
  await expectAccessible(watching, 'watching');
  await show('Statements');
  await eventually(async () =>
    expect(
      await terminal()
        .getByText(/watches since/)
        .count(),
    ).toBe(0),
  );
});

it('what a program sends can only paint: no title, no clipboard, no link', async () => {
  await show('Watch live');
  const title = await watching.title();
  const hostile = String.raw`\033]0;HIJACKED\007\033]52;c;aGlqYWNrZWQ=\007\033]8;;https://evil.example\007click\033]8;;\007 painted`;
  await type(`printf '${hostile}\\n'`);
  await shows(live(), /^click +painted/m);
  expect(await watching.title()).toBe(title);
  expect(await live().locator('a').count()).toBe(0);
  expect(await watching.getByText('HIJACKED', { exact: true }).count()).toBe(0);
});

it('keys do not reach the session', async () => {
  await watching.getByRole('group', { name: 'The live terminal' }).click();
  await watching.keyboard.type('echo from-the-watcher');
  await watching.keyboard.press('Enter');
  await type('echo mine');
  await shows(live(), /^mine/m);
  expect(await live().locator('.xterm-accessibility-tree').innerText()).not.toContain('from-the-watcher');
});

it('when the session ends it says so, and offers the replay', async () => {
  // The tab has no files open: its connection ends with its shell.
  await type('exit');
  await see(live(), 'The session ended');
  await live().getByRole('button', { name: 'Replay it' }).click();
  await watching.getByRole('region', { name: 'Replay' }).waitFor();
});

it('nothing in all that was an error of the pages', () => {
  expect([...adminApp.complaints, ...engineerApp.complaints]).toEqual([]);
});
