import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { temporaryFolder } from '../folders.js';
import { expectAccessible, picturesOfFailures, see, wide } from './app.js';
import { startTerminalHost, type TerminalHost } from './terminal-host.js';

/** The terminal as a person has it: the real page, the real client, an SSH server in the gateway's place. */
let browser: Browser;
let host: TerminalHost;
let page: Page;
let root: string;
/** What every write at the target waits for. */
let gate: Promise<void> = Promise.resolve();
const complaints: string[] = [];

beforeAll(async () => {
  root = temporaryFolder('throughline-target-');
  mkdirSync(join(root, 'srv', 'app'), { recursive: true });
  writeFileSync(join(root, 'srv', 'app', 'config.yaml'), 'port: 8080\n');
  writeFileSync(join(root, 'srv', 'app', 'server.log'), 'x'.repeat(200_000));
  writeFileSync(join(root, 'srv', 'app', '.env'), 'hidden=1\n');
  writeFileSync(join(root, 'readme.txt'), 'read me\n');
  host = await startTerminalHost(
    {
      sftp: {
        root,
        pace: () => gate,
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
  context.setDefaultTimeout(60_000);
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

/** Puts text on the clipboard of the page, and pastes it with the keys that a terminal has for it. */
async function paste(text: string): Promise<void> {
  await page.evaluate((wanted) => navigator.clipboard.writeText(wanted), text);
  await page.keyboard.press('Control+Shift+V');
}
const lines = (): readonly string[] => host.target.shells[0]?.lines ?? [];
const inTerminal = async (): Promise<void> => {
  await page.keyboard.press('F6');
};

it('one line is pasted as it is; several are shown before any of them goes anywhere', async () => {
  await paste('echo pasted');
  await shows('$ echo pasted');
  await page.keyboard.press('Enter');
  await paste('echo one\necho two\u001b[201~\n');
  const dialog = page.getByRole('dialog');
  await see(dialog, 'Paste 2 lines into shop-host?');
  await see(dialog, /echo two\[201~/);
  await dialog.getByRole('button', { name: 'Cancel' }).last().click();
  expect(lines()).not.toContain('echo one');
  await paste('echo one\necho two\n');
  await dialog.getByLabel('Don’t ask again for this tab').check();
  await dialog.getByRole('button', { name: 'Paste' }).click();
  await eventually(() => {
    expect(lines()).toContain('echo two');
  });
  await paste('echo three\necho four\n');
  await eventually(() => {
    expect(lines()).toContain('echo four');
  });
});

it('keys that a shell needs are the shell’s; the palette has keys of its own there', async () => {
  await inTerminal();
  await page.keyboard.type('echo lost');
  await page.keyboard.press('Control+c');
  await shows('^C');
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Control+b');
  expect(await page.getByRole('combobox', { name: /Search commands/ }).count()).toBe(0);
  await page.keyboard.press('Control+Shift+K');
  await page.getByRole('combobox', { name: /Search commands/ }).waitFor();
  await page.keyboard.press('Escape');
});

it('the scrollback is searched, and Escape goes back to the shell', async () => {
  await inTerminal();
  await type('lines 300');
  await shows('line 300');
  await page.keyboard.press('Control+f');
  await page.getByRole('textbox', { name: 'Find' }).fill('line 17');
  await see(screen(), /of 11$/);
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Find' }).fill('nowhere to be found');
  await see(screen(), 'not found');
  await page.keyboard.press('Escape');
  await type('echo back again');
  await shows('back again');
});

it('a title is shown as the program’s own, nothing in it unseen', async () => {
  await type('title vim \u202Eexe.txt');
  await page.getByText('shop-host: vim exe.txt').first().waitFor();
  await type('title');
});

it('a target that wants the clipboard does not get it, and the person is told', async () => {
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  await type('clipboard stolen');
  await see(page, 'shop-host wanted the clipboard');
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
});

it('a page that is loaded again has the same terminal, and answers nothing twice', async () => {
  await inTerminal();
  await type('where');
  await eventually(() => {
    expect(host.target.shells[0]?.reports).toBe(1);
  });
  await type('echo still here');
  await shows(/^still here$/m);
  const before = lines().length;
  await page.reload();
  await shows(/^still here$/m);
  expect(host.target.shells).toHaveLength(1);
  await inTerminal();
  await type('echo after the reload');
  await shows(/^after the reload$/m);
  expect(lines().slice(before)).toEqual(['echo after the reload']);
  expect(host.target.shells[0]?.reports).toBe(1);
});

it('two terminals side by side, typed in together only where both say so', async () => {
  await page.keyboard.press('Control+Shift+D');
  await shows('welcome to the target', 'shop-host 2');
  await type('echo only here');
  await shows(/^only here$/m, 'shop-host 2');
  await page.keyboard.press('Control+Alt+b');
  await see(screen('shop-host 2'), 'no other terminal takes part yet');
  await screen().getByRole('button', { name: 'Type in several terminals together' }).click();
  await see(screen('shop-host 2'), 'also typed in 1 other terminal');
  await screen('shop-host 2').locator('.xterm-screen').click();
  await type('echo both');
  await shows(/^both$/m);
  await shows(/^both$/m, 'shop-host 2');
  await screen('shop-host 2').getByRole('button', { name: 'Only here' }).click();
  await screen().getByRole('button', { name: 'Only here' }).click();
  await screen('shop-host 2').locator('.xterm-screen').click();
  await type('exit 3');
  await see(screen('shop-host 2'), 'The shell ended with status 3');
  await page.keyboard.press('Alt+w');
  await screen('shop-host 2').waitFor({ state: 'detached' });
});

it('snippets are kept on the device, put in, and run only when asked', async () => {
  await inTerminal();
  await page.keyboard.press('Control+Alt+i');
  const dialog = page.getByRole('dialog', { name: 'Snippets' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('Greet');
  await dialog.getByRole('textbox', { name: 'Lines' }).fill('echo from a snippet');
  await dialog.getByRole('button', { name: 'Keep' }).click();
  await dialog.getByRole('button', { name: /^Greet/ }).click();
  await shows('$ echo from a snippet');
  expect(lines()).not.toContain('echo from a snippet');
  expect(host.preferences.snippets).toEqual([{ name: 'Greet', text: 'echo from a snippet' }]);
  await page.keyboard.press('Enter');
  await eventually(() => {
    expect(lines()).toContain('echo from a snippet');
  });
});

const entry = (name: RegExp) => page.getByRole('option', { name });
async function choose(name: RegExp, item: string): Promise<void> {
  await entry(name).click({ button: 'right' });
  await page.getByRole('menuitem', { name: item }).click();
}

it('the files of the target stand beside its terminal', async () => {
  await inTerminal();
  await page.keyboard.press('Control+Shift+E');
  await entry(/srv/).dblclick();
  await entry(/app/).dblclick();
  await see(page, '2 entries, 1 not shown');
  await page.getByRole('button', { name: 'Hidden files' }).click();
  await entry(/\.env/).waitFor();
  await page.getByRole('textbox', { name: 'Filter files' }).fill('log');
  await see(page, '1 entry, 2 not shown');
  await page.getByRole('textbox', { name: 'Filter files' }).fill('');
});

it('a download lands in the folder for exports, whole', async () => {
  await choose(/server.log/, 'Download');
  await see(page.getByRole('region', { name: 'Transfers' }), 'done');
  expect(readFileSync(join(host.directory, 'server.log'), 'utf8')).toBe('x'.repeat(200_000));
});

it('what policy refuses stands at the row, in the gateway’s words', async () => {
  await choose(/server.log/, 'Delete');
  await see(page.getByRole('dialog'), '/srv/app/server.log will be gone for good.');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await see(entry(/server.log/), 'policy keep-logs does not let you delete this file');
  expect(existsSync(join(root, 'srv', 'app', 'server.log'))).toBe(true);
});

it('an upload is the file; one that is there is replaced only when that is said', async () => {
  const input = page.getByLabel('Files to upload');
  const file = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('n'.repeat(700_000)) };
  await input.setInputFiles(file);
  await entry(/notes.txt/).waitFor();
  await eventually(() => {
    expect(statSync(join(root, 'srv', 'app', 'notes.txt')).size).toBe(700_000);
  });
  await input.setInputFiles({ ...file, buffer: Buffer.from('short') });
  await see(page.getByRole('dialog'), 'Replace notes.txt?');
  await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
  await eventually(() => {
    expect(readFileSync(join(root, 'srv', 'app', 'notes.txt'), 'utf8')).toBe('short');
  });
});

it('an upload is paused, goes on where the target has it, and is whole', async () => {
  let open: () => void = () => undefined;
  gate = new Promise((resolve) => {
    open = resolve;
  });
  const buffer = Buffer.from(Array.from({ length: 6_000_000 }, (_each, index) => index % 251));
  await page
    .getByLabel('Files to upload')
    .setInputFiles({ name: 'large.bin', mimeType: 'application/octet-stream', buffer });
  await page.getByRole('button', { name: 'Pause large.bin' }).click();
  await page.getByRole('button', { name: 'Go on with large.bin' }).waitFor();
  open();
  await page.getByRole('button', { name: 'Go on with large.bin' }).click();
  await eventually(() => {
    expect(readFileSync(join(root, 'srv', 'app', 'large.bin')).equals(buffer)).toBe(true);
  });
  await see(page.getByRole('region', { name: 'Transfers' }), /6.0 MB · done/);
});

it('a file that is dropped on the list is uploaded', async () => {
  const transfer = await page.evaluateHandle(() => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(['dropped'], 'dropped.txt'));
    return dropped;
  });
  await page.getByRole('region', { name: /^Files of/ }).dispatchEvent('drop', { dataTransfer: transfer });
  await entry(/dropped.txt/).waitFor();
  await eventually(() => {
    expect(readFileSync(join(root, 'srv', 'app', 'dropped.txt'), 'utf8')).toBe('dropped');
  });
});

it('a folder goes up with all that is in it; what is there already is asked about once', async () => {
  const local = temporaryFolder('up-', host.directory);
  const tree = join(local, 'site');
  mkdirSync(join(tree, 'css', 'empty'), { recursive: true });
  for (let index = 0; index < 12; index += 1)
    writeFileSync(join(tree, `page-${index}.html`), `page ${index}`);
  writeFileSync(join(tree, 'css', 'größe.css'), 'body {}');
  await page.getByLabel('Folder to upload').setInputFiles(tree);
  const there = join(root, 'srv', 'app', 'site');
  await eventually(() => {
    expect(readFileSync(join(there, 'css', 'größe.css'), 'utf8')).toBe('body {}');
    expect(readFileSync(join(there, 'page-11.html'), 'utf8')).toBe('page 11');
  });
  await entry(/site/).waitFor();
  for (const name of ['page-3.html', 'page-4.html']) writeFileSync(join(tree, name), 'newer');
  await page.getByLabel('Folder to upload').setInputFiles(tree);
  await see(page.getByRole('dialog'), 'Replace the files that are there?');
  await expectAccessible(page, 'replacing many files');
  await page.getByRole('dialog').getByRole('button', { name: 'Replace all of them' }).click();
  await eventually(() => {
    expect(readFileSync(join(there, 'page-4.html'), 'utf8')).toBe('newer');
    expect(readdirSync(there)).toHaveLength(13);
  });
});

it('a folder comes down with all that is in it, into a new one, and links are not followed', async () => {
  symlinkSync('/etc', join(root, 'srv', 'app', 'site', 'elsewhere'));
  await choose(/site/, 'Download the folder');
  const transfers = page.getByRole('region', { name: 'Transfers' });
  await see(transfers, /13 of 13 files · .* · done/);
  const here = join(host.directory, 'site');
  expect(readFileSync(join(here, 'css', 'größe.css'), 'utf8')).toBe('body {}');
  expect(readFileSync(join(here, 'page-3.html'), 'utf8')).toBe('newer');
  expect(readdirSync(here).toSorted()).not.toContain('elsewhere');
  await choose(/site/, 'Download the folder');
  await eventually(() => expect(existsSync(join(host.directory, 'site (2)', 'page-11.html'))).toBe(true));
});

it('folders, names and permissions', async () => {
  await page.getByRole('button', { name: 'New folder' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('releases');
  await page.keyboard.press('Enter');
  await entry(/releases/).waitFor();
  await choose(/notes.txt/, 'Rename');
  await page.getByRole('textbox', { name: 'Name' }).fill('notes.md');
  await page.keyboard.press('Enter');
  await entry(/notes.md/).waitFor();
  await choose(/notes.md/, 'Permissions');
  await page.getByRole('textbox', { name: 'Octal' }).fill('600');
  await page.getByRole('checkbox', { name: 'Owner: run' }).check();
  await page.getByRole('button', { name: 'Set' }).click();
  await entry(/rwx------/).waitFor();
  expect(statSync(join(root, 'srv', 'app', 'notes.md')).mode & 0o777).toBe(0o700);
});

it('a folder is deleted with all that is named to be in it', async () => {
  writeFileSync(join(root, 'srv', 'app', 'releases', 'v1.tar'), '');
  await choose(/releases/, 'Delete');
  await see(page.getByRole('dialog'), /everything below it will be gone for good: v1.tar/);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 2 entries' }).click();
  await entry(/releases/).waitFor({ state: 'detached' });
  expect(existsSync(join(root, 'srv', 'app', 'releases'))).toBe(false);
});

it('a text is edited and saved, but never over somebody else’s', async () => {
  const file = join(root, 'srv', 'app', 'config.yaml');
  await entry(/config.yaml/).dblclick();
  const dialog = page.getByRole('dialog', { name: /config.yaml on shop-host/ });
  await dialog.locator('.monaco-editor').waitFor();
  await page.keyboard.press('Control+Home');
  await page.keyboard.type('# mine\n');
  await page.keyboard.press('Control+s');
  await eventually(() => {
    expect(readFileSync(file, 'utf8')).toBe('# mine\nport: 8080\n');
  });
  writeFileSync(file, 'somebody else was here\n');
  await page.keyboard.type('# more\n');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await see(dialog, /another one by now/);
  expect(readFileSync(file, 'utf8')).toBe('somebody else was here\n');
  await dialog.getByRole('button', { name: 'Replace it with mine' }).click();
  await eventually(() => {
    expect(readFileSync(file, 'utf8')).toBe('# mine\n# more\nport: 8080\n');
  });
  await dialog.getByRole('button', { name: 'Close' }).last().click();
});

it('nothing on it is out of reach for those who do not see it', async () => {
  await expectAccessible(page, 'terminal with files');
});

it('a revocation says who, why and what to do; what was shown stays, and Enter connects again', async () => {
  host.target.disconnect('throughline: revoked by demo/admin: the contract has ended\nask demo/admin');
  await see(screen(), 'Revoked by demo/admin: the contract has ended. Ask demo/admin.');
  await shows('session ended');
  await expectAccessible(page, 'terminal that was ended');
  await screen().locator('.xterm-screen').click();
  await page.keyboard.press('Enter');
  await shows('connected again');
  await shows('from a snippet');
  await see(screen(), 'connected');
});

it('a forward is opened, counted and stopped', async () => {
  await page.keyboard.press('Control+Shift+P');
  await page.keyboard.type('port forwards');
  await page.keyboard.press('Enter');
  await see(page, 'No port is forwarded');
  await page.getByRole('textbox', { name: 'Its port' }).fill(String(host.target.port));
  await page.getByRole('button', { name: 'Forward', exact: true }).click();
  const forward = page.getByRole('article', { name: 'local forward through shop-host' });
  await see(forward, 'open');
  const address = (await forward.locator('code').textContent()) ?? '';
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  await once(socket, 'data');
  await see(forward, '1 socket open, 1 so far');
  socket.destroy();
  await see(forward, '0 sockets open, 1 so far');
  await expectAccessible(page, 'forwards');
  await forward.getByRole('button', { name: 'Stop' }).click();
  await see(page, 'No port is forwarded');
});

it('nothing in all that was an error of the page', () => {
  expect(complaints.filter((line) => !/WebSocket|ERR_CONNECTION_REFUSED/.test(line))).toEqual([]);
});
