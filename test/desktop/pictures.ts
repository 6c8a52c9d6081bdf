import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, it } from 'vitest';
import { cliProgram, cloneRoot, login, psql, startGateway } from '../live/harness.js';
import { createScope, start, until } from '../live/processes.js';
import { type App, see, signIn, startApp } from './app.js';

/**
 * Pictures of the running app: the README's, and with PICTURES=DIR every screen in both themes, wide and narrow, for
 * whoever changes one and wants to look at all of them.
 */
const scope = createScope();
afterAll(() => scope.close());

const everything = process.env['PICTURES'];
const forReadme = join(cloneRoot(), 'test', 'desktop', 'pictures');
const sizes = { wide: { width: 1400, height: 860 }, narrow: { width: 760, height: 900 } };

/** One screen. `readme`: its dark picture is one of the README's. */
async function picture(page: Page, name: string, readme = false): Promise<void> {
  await page.waitForTimeout(400);
  if (readme) {
    mkdirSync(forReadme, { recursive: true });
    await page.screenshot({ path: join(forReadme, `${name}.png`) });
  }
  if (everything === undefined) return;
  mkdirSync(everything, { recursive: true });
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(350);
      await page.screenshot({ path: join(everything, `${name}-${theme}-${size}.png`) });
    }
  }
  await page.setViewportSize(sizes.wide);
}

const query = `select c.full_name, c.email, c.phone, o.placed_at, o.total_cents / 100.0 as total
from customers c
join orders o on o.customer_id = c.id
where o.total_cents > 20000
order by o.placed_at desc
limit 500;`;

async function write(page: Page, text: string): Promise<void> {
  await page.keyboard.press('F6');
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

async function command(page: Page, title: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search commands/ }).fill(`>${title}`);
  await page.keyboard.press('Enter');
  await page.waitForTimeout(300);
}

it('SQL, as an engineer', async () => {
  const app: App = await startApp(scope);
  const page = await app.page();
  await page.getByRole('button', { name: 'Sign in with the browser' }).waitFor();
  await picture(page, 'first-screen');
  await signIn(app, page, 'engineer');
  await picture(page, 'empty');
  await page.getByRole('option', { name: /shop-db/ }).dblclick();
  await page.locator('.monaco-editor').first().waitFor();
  await page.getByText('Results appear here').waitFor();
  await write(page, query);
  await page.keyboard.press('Control+Enter');
  await see(page, '500 rows');
  await page
    .getByRole('grid')
    .last()
    .click({ position: { x: 300, y: 120 } });
  await picture(page, 'sql', true);
  await page.keyboard.press('Enter');
  await picture(page, 'sql-value');
  await page.keyboard.press('Escape');
  await page
    .getByRole('button', { name: 'Row as a form' })
    .click()
    .catch(() => undefined);
  await picture(page, 'sql-record');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Alt+e');
  await picture(page, 'sql-export');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Tables' }).click();
  await picture(page, 'sql-tables');
  await page.getByRole('button', { name: 'History' }).click();
  await picture(page, 'sql-history');
  await page.getByRole('button', { name: 'History' }).click();
  await page.keyboard.press('F6');
  await page.keyboard.press('Control+Shift+e');
  await see(page, /estimated, cost/);
  await picture(page, 'sql-plan');
  await write(page, 'select full_name, emial\nfrom customers');
  await page.keyboard.press('Control+Enter');
  await page.locator('.squiggly-error').waitFor();
  await picture(page, 'sql-error');
  await write(page, 'drop table customers');
  await page.keyboard.press('Control+Enter');
  await see(page, /No policy|Policy/);
  await picture(page, 'sql-denied');
  await write(page, 'select ');
  await page.keyboard.press('Control+Space');
  await picture(page, 'sql-completion');
  await page.keyboard.press('Escape');
  await command(page, 'Show tunnels');
  await picture(page, 'tunnels-empty');
  await page
    .getByRole('textbox', { name: 'Connection for a new tunnel' })
    .or(page.getByRole('combobox', { name: 'Connection for a new tunnel' }))
    .first()
    .click();
  await page.getByRole('option', { name: 'shop-db' }).last().click();
  await page.getByRole('button', { name: 'Open a tunnel' }).click();
  await page.getByRole('article', { name: 'Tunnel to shop-db' }).waitFor();
  await picture(page, 'tunnels');
  await command(page, 'Settings');
  await picture(page, 'settings');
});

it('sessions, as an admin', async () => {
  const gateway = await startGateway(scope);
  const contractor = await login(scope, gateway, 'contractor');
  const engineer = await login(scope, gateway, 'engineer');
  const tunnel = await contractor.tunnel('shop-db');
  const other = await engineer.tunnel('shop-db');
  await psql(tunnel.env, 'select count(*) from orders');
  await psql(other.env, 'select status, count(*) from orders group by status');
  const client = start(scope, 'psql', ['-X', '-q'], { env: tunnel.env });
  const statements = [
    'select full_name, email from customers order by id limit 12;',
    "select count(*) from orders where status = 'paid';",
    'delete from customers;',
    'select * from orders where customer_id = 17;',
  ];
  for (const each of statements) {
    client.stdin.write(`${each}\n`);
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
  const app = await startApp(scope, { gateway: gateway.url });
  const page = await app.page();
  await see(page, 'Compare the fingerprint');
  await picture(page, 'fingerprint');
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'admin');
  await command(page, 'Show all sessions');
  const row = page.getByRole('row').filter({ hasText: /Casey/ }).first();
  await row.waitFor();
  await picture(page, 'sessions');
  await row.dblclick();
  const list = page.getByRole('region', { name: 'Statements' });
  await list
    .getByText(/delete from customers/)
    .first()
    .click();
  await picture(page, 'session');
  await list
    .getByText(/select full_name/)
    .first()
    .click();
  await page.getByText('Replay', { exact: true }).click();
  await page.getByRole('region', { name: 'Replay' }).waitFor();
  await picture(page, 'replay', true);
  await page.keyboard.press('Control+k');
  await page.keyboard.insertText('casey');
  await until('the session is found', async () =>
    (await page.getByRole('option', { name: /Casey/ }).count()) > 0 ? true : undefined,
  );
  await picture(page, 'palette');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('textbox', { name: 'Reason' }).fill('the contract has ended');
  await picture(page, 'revoke');
  await page.keyboard.press('Enter');
  await see(page, /revoked/);
  await picture(page, 'revoked');
  for (const [title, name] of [
    ['Search statements', 'search'],
    ['Verify the audit log', 'log'],
    ['Manage connections', 'admin-connections'],
    ['Edit policies', 'admin-policies'],
    ['Show people', 'admin-people'],
  ] as const) {
    await command(page, title);
    if (name === 'search') {
      await page.getByLabel('Search for').fill('customers');
      await page.keyboard.press('Enter');
      await page.waitForTimeout(800);
    }
    if (name === 'log') await page.getByRole('button', { name: /Verify/ }).click();
    await picture(page, name);
  }
  gateway.signal('SIGKILL');
  await see(page, /keeps trying/);
  await picture(page, 'no-gateway');
});

/** Two agents, one of them with sub-agents, each with programs that work. */
function agentsAt(home: string): void {
  const env = { THROUGHLINE_HOME: home };
  const directory = scope.directory();
  const script = (lines: readonly string[]): string => {
    const file = join(directory, `${randomUUID()}.sh`);
    // Nothing holds the output of the one that is ended with the scope.
    writeFileSync(file, ['exec > /dev/null 2>&1', ...lines, 'wait', ''].join('\n'));
    return file;
  };
  const sql = (text: string): string => `psql -X -q -c "${text}" &`;
  const below = (agent: string, flags: string, lines: readonly string[]): string =>
    `"$NODE" "$CLI" run --agent ${agent} ${flags} -- sh ${script(lines)} &`;
  const agent = (name: string, flags: readonly string[], lines: readonly string[]): void => {
    start(
      scope,
      process.execPath,
      [cliProgram, 'run', '--agent', name, ...flags, '--', 'sh', script(lines)],
      { env: { ...env, NODE: process.execPath, CLI: cliProgram } },
    );
  };
  const slow = 'pg_sleep(600)';
  agent(
    'claude',
    [
      '--connections',
      'shop-db',
      '--actions',
      'connect,read',
      '--ttl',
      '2h',
      '--sessions',
      '20',
      '--children',
      '4',
    ].concat(['--purpose', 'monthly revenue report']),
    [
      sql(`select full_name, email, ${slow} from customers limit 50`),
      below('refunds', '--ttl 45m --purpose "refunds by country"', [
        sql(`select count(*), ${slow} from orders where total_cents < 0`),
        sql(`select status, count(*), ${slow} from orders group by status`),
        below('checker', '--ttl 10m --depth 0 --purpose "check the sums"', [
          sql(`select sum(total_cents) / 100.0, ${slow} from orders`),
        ]),
      ]),
      below('charts', '--ttl 45m --purpose "draw the charts"', ['sleep 90 &']),
    ],
  );
  agent(
    'codex',
    ['--ttl', '30m', '--purpose', 'find slow queries'],
    [
      sql(`explain analyze select ${slow} from orders limit 1`),
      sql(`select relname, n_live_tup, ${slow} from pg_stat_user_tables`),
    ],
  );
}

it('agents, as an engineer', async () => {
  const gateway = await startGateway(scope);
  const engineer = await login(scope, gateway, 'engineer');
  const tunnel = await engineer.tunnel('shop-db');
  await psql(tunnel.env, 'select 1');
  const app = await startApp(scope, { gateway: gateway.url });
  const page = await app.page();
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'engineer');
  await page.getByRole('button', { name: 'Agents', exact: true }).click();
  await page.getByRole('button', { name: 'Live view' }).click();
  await see(page, 'Nobody acts now');
  await picture(page, 'agents-empty');
  agentsAt(engineer.home);
  const tree = page.getByRole('treegrid', { name: 'Who acts now' });
  const programs = tree.getByRole('row').filter({ hasText: 'psql' });
  await until('all of them work', async () => ((await programs.count()) === 6 ? true : undefined), 60_000);
  await page.keyboard.press('Control+b');
  await tree.getByRole('row').filter({ hasText: 'claude' }).click();
  await picture(page, 'agents', true);
  await page.keyboard.press('Delete');
  await picture(page, 'agents-revoke');
  for (const name of ['claude', 'codex']) {
    if (name === 'codex') {
      await tree.getByRole('row').filter({ hasText: name }).click();
      await page.keyboard.press('Delete');
    }
    await page.getByRole('textbox', { name: 'Reason' }).fill('the report is done');
    await page.keyboard.press('Enter');
    await see(page, `${name} is revoked`);
    if (name === 'claude') await picture(page, 'agents-revoked');
  }
  // Their programs end by themselves now.
  await see(page, 'Nobody acts now');
});

/** What a host of a shop might hold; neither key nor card is anybody's. */
function filesAt(place: string): void {
  mkdirSync(join(place, 'releases'), { recursive: true });
  writeFileSync(
    join(place, 'checkout.env'),
    ['PORT=8080', 'PAYMENT_KEY=AKIAIOSFODNN7EXAMPLE', 'TEST_CARD=4111 1111 1111 1111', ''].join('\n'),
  );
  const orders = Array.from({ length: 900 }, (_, index) => {
    const state = index % 3 === 0 ? 'paid' : 'open';
    return `${10_000 + index},2026-11-${String(1 + (index % 28)).padStart(2, '0')},${state},${(index * 37) % 900}.00`;
  });
  writeFileSync(join(place, 'orders.csv'), `id,placed,state,total\n${orders.join('\n')}\n`);
  for (const name of ['README.md', 'deploy.sh', 'access.log', 'backup.tar.gz'])
    writeFileSync(join(place, name), 'x'.repeat(name.length * 911));
}

it('a terminal, as an engineer', async () => {
  const gateway = await startGateway(scope);
  const app = await startApp(scope, { gateway: gateway.url });
  const page = await app.page();
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'engineer');
  const shell = page.getByRole('region', { name: /^Terminal: shop-host/ }).first();
  const type = async (line: string): Promise<void> => {
    await page.keyboard.type(line);
    await page.keyboard.press('Enter');
    await page.waitForTimeout(700);
  };
  await page.getByRole('option', { name: /^shop-host/ }).dblclick();
  await shell.locator('.xterm-screen').first().click();
  await page.waitForTimeout(1500);
  const place = join(scope.directory(), 'shop');
  filesAt(place);
  await type(`PS1='\\[\\e[32m\\]shop-host\\[\\e[0m\\]:\\W \\$ '; cd ${place}; clear`);
  await type('ls --color=always -l');
  await type('cat checkout.env');
  await type('grep --color=always paid orders.csv | head -12');
  await picture(page, 'terminal-alone');
  await page.keyboard.press('Control+Shift+E');
  await page.getByRole('button', { name: 'Go to…' }).click();
  await page.getByRole('textbox', { name: 'Directory' }).fill(place);
  await page.keyboard.press('Enter');
  await page.getByRole('option', { name: /checkout/ }).waitFor();
  await picture(page, 'terminal', true);
});
