import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { picturesOfFailures, see, wide } from './app.js';
import { startTerminalHost, type TerminalHost } from './terminal-host.js';

/** The terminal as a person has it: the real page, the real client, an SSH server in the gateway's place. */
let browser: Browser;
let host: TerminalHost;
let page: Page;
let root: string;
const complaints: string[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'throughline-target-'));
  mkdirSync(join(root, 'srv', 'app'), { recursive: true });
  writeFileSync(join(root, 'srv', 'app', 'config.yaml'), 'port: 8080\n');
  writeFileSync(join(root, 'srv', 'app', 'server.log'), 'x'.repeat(200_000));
  writeFileSync(join(root, 'srv', 'app', '.env'), 'hidden=1\n');
  writeFileSync(join(root, 'readme.txt'), 'read me\n');
  host = await startTerminalHost(
    {
      sftp: {
        root,
        refuse: (operation, path) =>
          operation === 'remove' && path.endsWith('server.log')
            ? 'throughline: policy keep-logs does not let you delete this file'
            : undefined,
      },
    },
    { terminalScreenReader: true },
  );
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  page = await newPage();
});
afterAll(async () => {
  await browser.close();
  await host.close();
  rmSync(root, { recursive: true, force: true });
});
picturesOfFailures(() => page);

async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: wide,
    colorScheme: 'dark',
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  context.setDefaultTimeout(15_000);
  const opened = await context.newPage();
  opened.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  opened.on('pageerror', (error) => complaints.push(`${error.message}\n${error.stack ?? ''}`));
  await opened.goto(host.door());
  return opened;
}

const screen = (name = 'shop-host') => page.getByRole('region', { name: `Terminal: ${name}`, exact: true });

/** Waits until the terminal shows it. */
async function shows(text: string | RegExp, name?: string): Promise<void> {
  await eventually(async () => {
    const rows = await screen(name).locator('.xterm-accessibility-tree').innerText();
    // No-break spaces stand for blanks there.
    const plain = rows.replaceAll('\u00a0', ' ');
    if (typeof text === 'string') expect(plain).toContain(text);
    else expect(plain).toMatch(text);
  });
}

async function type(line: string): Promise<void> {
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

it('a host opens as a terminal, which has the focus', async () => {
  await page.getByRole('option', { name: /shop-host/ }).dblclick();
  await shows('welcome to the target');
  await type('echo hello there');
  await shows(/^hello there$/m);
  await see(screen(), 'connected');
});

it('the line says who acts on what', async () => {
  await screen()
    .getByRole('group', { name: /person Erin Engineer.*on shop-host/ })
    .waitFor();
});

it('the target knows the size of what is shown', async () => {
  await type('size');
  await eventually(() => {
    const [shell] = host.target.shells;
    expect(shell?.size.columns).toBeGreaterThan(80);
  });
});
