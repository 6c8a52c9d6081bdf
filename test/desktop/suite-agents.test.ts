import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cliProgram, type GatewayRun, login, type Person, startGateway } from '../live/harness.js';
import { createScope, type Running, start } from '../live/processes.js';
import { type App, expectAccessible, picturesOfFailures, see, signIn, startApp } from './app.js';

/** Agents below agents for real, and the desktop that shows and ends them. */
const scope = createScope();
let gateway: GatewayRun;
let app: App;
let page: Page;
let engineer: Person;
let running: Running;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
  app = await startApp(scope, { gateway: gateway.url });
  page = await app.page();
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'engineer');
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

const databaseTimeoutMs = 100_000;

const view = (): Locator => page.getByRole('region', { name: 'Agents' });
const tree = (): Locator => view().getByRole('treegrid', { name: 'Who acts now' });
const row = (name: string | RegExp): Locator => tree().getByRole('row').filter({ hasText: name });
const status = (): Locator => page.getByRole('contentinfo', { name: 'Status' });
const names = async (): Promise<string[]> => tree().locator('[role=row] .tl-hop-name').allTextContents();

const nested = (label: string, ...command: readonly string[]): readonly string[] => [
  process.execPath,
  cliProgram,
  'run',
  '--agent',
  label,
  ...command,
];

/** Resolves when each of these has been told. */
const notices = (...texts: readonly string[]): Promise<unknown> =>
  Promise.all(texts.map((text) => see(page.getByRole('status', { name: 'Notices' }), text)));

async function palette(text: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search commands/ }).fill(text);
}

/** outer › inner › psql, each a real process. */
function startNested(): Running {
  const sql = ['psql', '-X', '-c', 'select pg_sleep(300)'];
  const inner = nested('inner', '--actions', 'read', '--purpose', 'count the orders', '--', ...sql);
  const [program = '', ...args] = nested('outer', '--connections', 'shop-db', '--ttl', '20m', '--', ...inner);
  return start(scope, program, args, { env: { THROUGHLINE_HOME: engineer.home } });
}

describe('who acts', () => {
  it('nobody: the view teaches how to begin', async () => {
    await see(status(), 'sub-agents 0');
    await status()
      .getByRole('button', { name: /sub-agents/ })
      .click();
    await see(view(), 'Nobody acts now');
    await see(view(), 'throughline run --agent NAME -- CMD');
    await expectAccessible(page, 'no agents');
  });

  it('a person, an agent, its sub-agent and the program at the socket, with what it runs', async () => {
    running = startNested();
    // The demo's database is made when somebody connects to it first.
    await row('psql').waitFor({ timeout: databaseTimeoutMs });
    await see(row('psql'), 'select pg_sleep(300)');
    expect(await names()).toEqual(['Erin Engineer', 'outer', 'inner', 'psql']);
    await expect
      .poll(() =>
        tree()
          .getByRole('row')
          .evaluateAll((rows) => rows.map((each) => each.ariaLevel)),
      )
      .toEqual([null, '1', '2', '3', '4']);
    await see(row('inner'), 'count the orders');
    await see(row('outer'), /\d+ min/);
    await see(row('psql'), 'shop-db');
    await see(status(), 'sub-agents 2');
    await expectAccessible(page, 'the tree of agents');
  });

  it('the chosen one is told in full: line, scope, budget, evidence, sessions', async () => {
    await row('outer').click();
    const inspector = view().getByRole('complementary', { name: 'agent outer' });
    await inspector.waitFor();
    for (const text of ['shop-db', '1 live session', 'Levels left', 'Sub-agents', '1 of 1,000'])
      await see(inspector, text);
    await see(inspector, 'all its parent may');
    await expectAccessible(page, 'an agent');
    await row('psql').click();
    const program = view().getByRole('complementary', { name: 'program psql' });
    await see(program, 'Runs now');
    await see(program, /The operating system showed/);
    await expectAccessible(page, 'a program');
  });

  it('its session opens from there, and a link of the line leads back', async () => {
    const program = view().getByRole('complementary', { name: 'program psql' });
    await program.getByRole('list').getByRole('button').first().click();
    const session = page.getByRole('article', { name: /Session of/ });
    await see(session, 'select pg_sleep(300)');
    await session.getByRole('button', { name: 'inner' }).click();
    await view().getByRole('complementary', { name: 'agent inner' }).waitFor();
  });

  it('arrows move and fold', async () => {
    await tree().focus();
    const chosen = () => tree().locator('[role=row][aria-selected=true] .tl-hop-name').textContent();
    await page.keyboard.press('Home');
    expect(await chosen()).toBe('Erin Engineer');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await expect.poll(chosen).toBe('inner');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(names).toEqual(['Erin Engineer', 'outer', 'inner']);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(chosen).toBe('outer');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    await expect.poll(names).toEqual(['Erin Engineer', 'outer', 'inner', 'psql']);
  });

  it('letters filter, by what is run too', async () => {
    await page.keyboard.type('pg_sl');
    const filter = view().getByRole('textbox', { name: 'Filter agents' });
    await expect.poll(() => filter.inputValue()).toBe('pg_sl');
    await expect.poll(names).toEqual(['Erin Engineer', 'outer', 'inner', 'psql']);
    await filter.fill('elsewhere');
    await see(view(), 'Nothing matches the filter');
    await filter.press('Escape');
    await row('psql').waitFor();
  });

  it('the sidebar has the same tree', async () => {
    await page.getByRole('navigation', { name: 'Sections' }).getByRole('button', { name: 'Agents' }).click();
    await page.mouse.move(700, 600);
    const short = page.getByRole('treegrid', { name: 'Agents, in short' });
    await see(short, 'psql');
    await expectAccessible(page, 'agents in the sidebar');
  });
});

describe('revoking', () => {
  it('the palette finds an agent by its name', async () => {
    await palette('inner');
    await page.getByRole('option', { name: /Show agent inner/ }).waitFor();
    await page.getByRole('option', { name: /Revoke agent inner of Erin Engineer/ }).waitFor();
    await expectAccessible(page, 'agents in the palette');
    await page.keyboard.press('Escape');
  });

  it('one key and a reason end an agent with everything below it', async () => {
    await row('outer').click();
    await page.keyboard.press('Delete');
    const dialog = page.getByRole('dialog', { name: 'Revoke agent outer' });
    await see(dialog, /Ends 1 session of 2 sub-agents and programs, and the agent outer/);
    await expectAccessible(page, 'revoking an agent');
    await page.keyboard.insertText('it reads too much');
    // Notices go away by themselves: they are waited for before they come.
    const told = notices('outer is revoked', '1 session and 2 agents ended.');
    await page.keyboard.press('Enter');
    const { status: code, stderr } = await running.ended;
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/it reads too much/);
    await told;
    await row('outer').waitFor({ state: 'detached' });
    await see(view(), 'Nobody acts now');
    await see(status(), 'sub-agents 0');
  });

  it('many that look alike are one row, and end together', async () => {
    await page.locator('.dv-tab').filter({ hasText: 'Agents' }).click();
    const script = 'for i in $(seq 22); do psql -X -c "select pg_sleep(301)" & done; wait';
    const [program = '', ...args] = nested('crowd', '--', 'sh', '-c', script);
    const crowd = start(scope, program, args, { env: { THROUGHLINE_HOME: engineer.home } });
    await see(row('psql'), '×22');
    await row('psql').click();
    const inspector = view().getByRole('complementary', { name: '22 programs psql' });
    await see(inspector, '22 programs psql of Erin Engineer, 22 live sessions.');
    await expectAccessible(page, 'a group of programs');
    await inspector.getByRole('button', { name: 'Revoke all of these' }).click();
    const dialog = page.getByRole('dialog', { name: 'Revoke 22 programs psql' });
    await see(dialog, 'Ends 22 sessions of 22 programs psql of Erin Engineer, at once.');
    await page.keyboard.insertText('too many');
    const told = notices('psql ×22 are revoked', '22 sessions ended.');
    await page.keyboard.press('Enter');
    await told;
    await row('psql').waitFor({ state: 'detached' });
    const { status: code, stderr } = await crowd.ended;
    expect(code).toBe(0);
    expect(stderr.match(/too many/g)).toHaveLength(22);
    await see(view(), 'Nobody acts now');
  });

  it('who does not act any more is known by the sessions', async () => {
    await page.locator('.dv-tab').filter({ hasText: /psql/ }).click();
    await page.getByRole('article').getByRole('button', { name: 'outer' }).click();
    const sessions = page.getByRole('region', { name: 'Sessions' });
    await see(sessions, 'of outer');
    await expect.poll(() => sessions.getByRole('row').count()).toBe(1);
    await expectAccessible(page, 'sessions of one agent');
  });

  it('while the gateway is away nothing is said to be true', async () => {
    await page.locator('.dv-tab').filter({ hasText: 'Agents' }).click();
    const { host } = new URL(gateway.url);
    gateway.signal('SIGKILL');
    await gateway.ended;
    await see(view(), 'The gateway is away: this is how it was');
    await see(status(), 'sub-agents ?');
    await expectAccessible(page, 'agents without a gateway');
    gateway = await startGateway(scope, { data: gateway.data, listen: host });
    await see(status(), 'sub-agents 0');
    await view().getByText('The gateway is away').waitFor({ state: 'detached' });
  });

  it('nothing in all that was an error of the page', () => {
    expect(app.complaints).toEqual([]);
  });
});
