import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { desktopPlaces } from '../../main/settings/places.js';
import { createScope, run as runProgram, until } from '../live/processes.js';
import { type App, expectAccessible, picturesOfFailures, see, signIn, startApp } from './app.js';

/** Work in SQL on the demo's database, by keyboard, as its engineer. */
const scope = createScope();
let app: App;
let page: Page;

beforeAll(async () => {
  app = await startApp(scope);
  page = await app.page();
  await signIn(app, page, 'engineer');
  await page.getByRole('option', { name: /shop-db/ }).dblclick();
  await page.locator('.monaco-editor').first().waitFor();
  await page.getByText('Results appear here').waitFor();
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

const grid = () => page.getByRole('grid').last();
const messages = () => page.getByRole('tabpanel');

/** Replaces the text of the editor; not key by key, which would bring completions into it. */
async function write(text: string): Promise<void> {
  await page.keyboard.press('F6');
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

async function run(text: string, keys = 'Control+Shift+Enter'): Promise<void> {
  await write(text);
  await page.keyboard.press(keys);
}

describe('results', () => {
  it('rows come with NULL told from empty, and masked cells with their rule', async () => {
    await run("select id, email, null::text as nothing, '' as empty from customers order by id limit 3");
    await see(page, '3 rows');
    await see(grid(), 'NULL');
    await see(page, /3 masked cells/);
    await grid().click({ position: { x: 200, y: 80 } });
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await see(page, /masked by/);
    await expectAccessible(page, 'SQL with a result');
  });

  it('what this desktop records of them reaches the gateway, and the status bar says so', async () => {
    const status = page.getByRole('contentinfo', { name: 'Status' });
    await status.getByRole('button', { name: /^spool 0$/ }).waitFor();
    await status.getByTitle('The gateway has everything that this desktop has recorded').waitFor();
  });

  it('several statements give several results, each with its own tab', async () => {
    await run('select 1 as first; select 2 as second, 3 as third;');
    await expect.poll(() => page.getByRole('tablist', { name: 'Results' }).getByRole('tab').count()).toBe(3);
  });

  it('only the statement under the cursor runs', async () => {
    await write('select 11 as one;\nselect 22 as two;');
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('Control+Enter');
    await see(grid(), '11');
    expect(await page.getByRole('tablist', { name: 'Results' }).getByRole('tab').count()).toBe(2);
  });

  it('an error is told at its place, with what the database says', async () => {
    await run('select id,\n  emial\nfrom customers');
    await see(messages(), /column "emial" does not exist/);
    await page.locator('.squiggly-error').waitFor();
    await expectAccessible(page, 'SQL with an error');
  });

  it('a refusal names the policy and what to do, and nothing has changed', async () => {
    await run('drop table customers');
    await see(messages(), /policy/i);
    await run('select count(*) > 0 as there from customers');
    await see(grid(), /^t$/);
  });

  it('what runs can be cancelled, and the session goes on', async () => {
    await run('select pg_sleep(600)');
    await page.getByRole('button', { name: 'Cancel what runs' }).click();
    await see(page, /canceling statement/i);
    await run("select 'still here' as answer");
    await see(grid(), 'still here');
  });

  it('an open transaction is seen until it is ended', async () => {
    await page.getByRole('switch', { name: 'Autocommit' }).click();
    await run('select 1');
    await see(page, /Transaction open/);
    await page.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText(/Transaction open/).waitFor({ state: 'detached' });
    await page.getByRole('switch', { name: 'Autocommit' }).click();
  });

  it('a plan is shown as a tree', async () => {
    await run('select * from customers c join orders o on o.customer_id = c.id limit 5', 'Control+Shift+e');
    await page.getByRole('tree').first().waitFor();
    await see(page, /estimated, cost/);
    await expectAccessible(page, 'a plan');
  });

  it('a hundred thousand rows are there to the last one, while the page holds a screen of them', async () => {
    await run('select g as n, md5(g::text) as h from generate_series(1, 100000) g');
    await see(page, '100,000 rows');
    await grid().click({ position: { x: 100, y: 80 } });
    await page.keyboard.press('Control+End');
    await see(grid(), '100000');
    expect(await page.getByRole('row').count()).toBeLessThan(300);
  });

  it('sorting and filtering work on what is loaded', async () => {
    await run("select * from (values (3, 'c'), (1, 'a'), (2, 'b')) as t(number, letter)");
    await see(page, '3 rows');
    await page.getByRole('columnheader', { name: /number/ }).click();
    await expect
      .poll(async () => (await grid().innerText()).replaceAll(/\s+/g, ' '))
      .toMatch(/1 a.* 2 b.* 3 c/);
  });

  it('the record of a row and a long value are read beside the grid', async () => {
    await run(`select '{"a": [1, {"b": "deep"}]}'::jsonb as document, repeat('long ', 30000) as text`);
    await see(page, '1 row');
    await grid().click({ position: { x: 120, y: 80 } });
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('Enter');
    await see(page, 'deep');
    await expectAccessible(page, 'a value');
    await page.keyboard.press('Escape');
  });
});

describe('what is kept', () => {
  it('history has the statement, and opens it again', async () => {
    await page.getByRole('button', { name: 'History' }).click();
    await see(page, /select pg_sleep\(600\)/);
    await expectAccessible(page, 'history');
    await page.getByRole('button', { name: 'History' }).click();
  });

  it('an export holds the masked values, and never overwrites', async () => {
    await run('select id, email from customers order by id limit 50');
    await see(page, '50 rows');
    for (const _ of [1, 2]) {
      await grid().click({ position: { x: 100, y: 80 } });
      await page.keyboard.press('Control+Alt+e');
      await page.getByLabel('File name').fill('people');
      await expectAccessible(page, 'export');
      await page.getByRole('dialog').getByRole('button', { name: 'Export', exact: true }).click();
      await see(page.getByRole('dialog'), /50 rows/);
      await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
    }
    const files = await until('two files', () => {
      const found = exported();
      return found.length === 2 ? found : undefined;
    });
    for (const file of files) {
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      expect(lines).toHaveLength(51);
      expect(lines[1]).not.toMatch(/[a-z]{3,}@[a-z]+\.[a-z]+/);
    }
  });

  it('text that nobody saved is there after the app was killed', async () => {
    await write('select 4711 as unsaved_text');
    await until('the text is on the disk', () => (keptText().includes('4711') ? true : undefined));
    await app.kill();
    await see(page, /process has ended/);
    await expectAccessible(page, 'the host is gone');
    await app.restart();
    const again = await app.page();
    await again.getByText('4711').first().waitFor();
    await see(page, /has a new window/);
    await see(page, '4711');
    await page.context().close();
    page = again;
  });
});

describe('bad input', () => {
  it('markup, escapes and right-to-left marks in names and values are text', async () => {
    let opened = 0;
    page.on('dialog', (dialog) => {
      opened += 1;
      void dialog.dismiss();
    });
    const evil = '<img src=x onerror=alert(1)>';
    await run(
      `select '${evil}' as "<b onclick=alert(2)>", E'\\x1b[31mred\\u202e' as c;\nselect * from "${evil}"`,
    );
    await see(messages(), /does not exist/);
    await page.getByRole('tablist', { name: 'Results' }).getByRole('tab').nth(1).click();
    await see(grid(), evil);
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(opened).toBe(0);
  });

  it('a row as wide as the database allows scrolls to its last column', async () => {
    const columns = Array.from({ length: 1600 }, (_, at) => `${at} as c${at}`).join(',');
    await run(`select ${columns}`);
    await see(page, '1 row');
    await grid().click({ position: { x: 100, y: 80 } });
    await page.keyboard.press('End');
    await see(grid(), 'c1599');
    expect(await page.getByRole('gridcell').count()).toBeLessThan(400);
  });

  it('a value of 50 MB does not stop the page', async () => {
    await run("select repeat('x', 50000000) as big, 1 as small");
    await see(page, '1 row');
    await grid().click({ position: { x: 100, y: 80 } });
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('Enter');
    await see(page, /50,000,000/);
    await page.keyboard.press('Escape');
    await run("select 'and on' as then_");
    await see(grid(), 'and on');
  });
});

describe('tunnels', () => {
  it('a tunnel carries psql, and goes on when the page is closed', async () => {
    await page.getByRole('button', { name: /0 tunnels/ }).click();
    await page
      .getByRole('textbox', { name: 'Connection for a new tunnel' })
      .or(page.getByRole('combobox', { name: 'Connection for a new tunnel' }))
      .first()
      .click();
    await page.getByRole('option', { name: 'shop-db' }).last().click();
    await page.getByRole('button', { name: 'Open a tunnel' }).click();
    const opened = page.getByRole('article', { name: 'Tunnel to shop-db' });
    await opened.waitFor();
    await expectAccessible(page, 'tunnels');
    const address = await opened.locator('header code').textContent();
    const [host, port] = (address ?? '').split(':');
    await page.context().close();
    const env = {
      PGHOST: host,
      PGPORT: port,
      PGUSER: 'throughline',
      PGDATABASE: 'shop',
      PGSSLMODE: 'disable',
    };
    const { stdout } = await runProgram('psql', ['-X', '-A', '-t', '-c', "select 'through'"], { env });
    expect(stdout).toBe('through\n');
    page = await app.page();
    await page.getByRole('button', { name: '1 tunnel' }).waitFor();
  });
});

/** Not below it: the app makes and removes folders of its own there meanwhile. */
function exported(): string[] {
  const names = readdirSync(app.home).filter((name) => /^people.*\.csv$/.test(name));
  return names.map((name) => join(app.home, name));
}

/** Tabs and texts as they are restored. */
function keptText(): string {
  return readFileSync(join(desktopPlaces({ THROUGHLINE_HOME: app.home }).state, 'workspace.json'), 'utf8');
}

it('nothing in all that was an error of the page', () => {
  expect(app.complaints.filter((line) => !/WebSocket|ERR_CONNECTION_REFUSED/.test(line))).toEqual([]);
});
