import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { crc32 } from '../../gateway-core/evidence/zip/crc32.js';
import {
  dataDescriptor,
  directoryRecord,
  endRecords,
  localHeader,
} from '../../gateway-core/evidence/zip/profile.js';
import { createScope } from '../live/processes.js';
import { accessibilityProblems, picturesOfFailures, see } from './app.js';
import { hostileBundle, hostileTexts, manySessions } from './viewer/hostile.js';
import { everydayBundle, largeBundle } from './viewer/sessions.js';
import { type Made, type MadeBundle, makeBundle } from './viewer/world.js';

/** viewer.html as an auditor gets it: a file on disk, in a browser without any network. */
const scope = createScope();
vi.setConfig({ testTimeout: 120_000 });
let browser: Browser;
let template: string;
let page: Page;
/** Whatever a page wrote as an error, and every address that it asked for. */
const complaints: string[] = [];
const asked: string[] = [];

beforeAll(async () => {
  const { viewerHtml } = (await import(
    new URL('../../gateway-core/setup/build-viewer.mjs', import.meta.url).href
  )) as { readonly viewerHtml: () => Promise<string> };
  template = await viewerHtml();
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  scope.onClose(() => browser.close());
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

const make = (bundle: MadeBundle): Promise<Made> => makeBundle(scope.directory(), template, bundle);

async function open(file: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 860 },
    colorScheme: 'dark',
    offline: true,
    ...options,
  });
  context.setDefaultTimeout(60_000);
  page = await context.newPage();
  complaints.length = 0;
  asked.length = 0;
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`${error.message}\n${error.stack ?? ''}`));
  page.on('request', (request) => asked.push(request.url().slice(0, 200)));
  page.on('dialog', (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
  await page.goto(pathToFileURL(file).href);
  return page;
}

const badge = () => page.locator('.badge');
/** A machine that does much else checks slowly. */
async function seeBadge(text: string): Promise<void> {
  await expect.poll(() => badge().textContent(), { timeout: 60_000 }).toBe(text);
}
const tab = (name: string) => page.getByRole('tab', { name });
const timeline = () => page.getByRole('listbox', { name: 'Timeline' });
const detail = () => page.getByRole('region', { name: 'Detail' });
const option = (text: string | RegExp) => timeline().getByRole('option').filter({ hasText: text });

/** Both themes: contrast is right or wrong in each. */
async function expectAccessible(screen: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect
      .soft({ screen, colorScheme, problems: await accessibilityProblems(page) })
      .toEqual({ screen, colorScheme, problems: [] });
  }
}

/** Nothing but the page itself was asked for, and nothing went wrong in it. */
function expectQuiet(file: string): void {
  expect(asked.filter((url) => url !== pathToFileURL(file).href && !url.startsWith('data:'))).toEqual([]);
  expect(complaints).toEqual([]);
}

async function expectNoSideScroll(): Promise<void> {
  const [content, view] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content).toBeLessThanOrEqual(view ?? 0);
}

/** The file is dropped on the page, as from a folder. */
async function drop(file: string): Promise<void> {
  const bytes = readFileSync(file).toString('base64');
  const transfer = await page.evaluateHandle((base64) => {
    const binary = atob(base64);
    const content = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([content], 'bundle.zip'));
    return data;
  }, bytes);
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

describe('a page without a bundle', () => {
  it('says what to do, and is accessible', async () => {
    const file = join(scope.directory(), 'viewer.html');
    writeFileSync(file, template);
    await open(file);
    await see(page, 'Drop a bundle here');
    await expectAccessible('nothing open');
    expectQuiet(file);
  });

  it('opens a bundle that is chosen, and one that is dropped in its place', async () => {
    const everyday = await make(everydayBundle());
    await page.locator('input[type=file]').setInputFiles(everyday.zip);
    await see(page, 'incident 4711: orders that nobody remembers');
    await seeBadge('verified');
    const large = await make(largeBundle(10, 3));
    await drop(large.zip);
    await see(page, 'Evidence of a session');
    await seeBadge('verified');
    expect(complaints).toEqual([]);
  });

  it('says why a file is no bundle, and takes the next', async () => {
    const junk = join(scope.directory(), 'junk.zip');
    writeFileSync(junk, Buffer.alloc(1000, 7));
    await drop(junk);
    await see(page.getByRole('alert'), /not a ZIP as bundles are/);
    await expectAccessible('no bundle');
    expect(complaints).toEqual([]);
  });
});

describe('a ZIP that two programs could read differently', () => {
  /** One file, as a bundle has it, but for what is done to its packed bytes. */
  function zipOf(packed: Buffer, clear: Buffer): Buffer {
    const path = 'manifest.json';
    const sizes = { bytes: clear.length, packedBytes: packed.length, crc32: crc32(clear) };
    const entry = { path, ...sizes, method: 'deflated', offset: 0 } as const;
    const file = Buffer.concat([localHeader(entry), packed, dataDescriptor(entry)]);
    const record = directoryRecord(entry);
    const end = endRecords({ entries: 1, directoryBytes: record.length, directoryOffset: file.length });
    return Buffer.concat([file, record, end]);
  }
  const clear = Buffer.from('{"format":"throughline-bundle/1"}');
  const packed = deflateRawSync(clear);

  it.each([
    ['bytes behind a packed file', Buffer.concat([packed, Buffer.from('more')]), /cannot be unpacked/],
    ['a packed file that is cut', packed.subarray(0, -2), /cannot be unpacked|size and CRC/],
    ['no packed file at all', Buffer.from('none of it is packed'), /cannot be unpacked/],
    ['a file that is none of a bundle', packed, /manifest\.json cannot be read/],
  ])('%s: the page refuses it with a reason', async (_, content, reason) => {
    const file = join(scope.directory(), 'viewer.html');
    writeFileSync(file, template);
    await open(file);
    const zip = join(scope.directory(), 'odd.zip');
    writeFileSync(zip, zipOf(content, clear));
    await drop(zip);
    await see(page.getByRole('alert'), reason);
    expectQuiet(file);
  });
});

describe('a bundle from disk', () => {
  let made: Made;

  it('is verified by its own page with neither gateway nor network', async () => {
    made = await make(everydayBundle());
    await open(made.viewer);
    await seeBadge('verified');
    await see(page, 'incident 4711: orders that nobody remembers');
    expectQuiet(made.viewer);
    await expectAccessible('overview');
  });

  it('says what is not proved, and compares the key with the one that the reader has', async () => {
    const proof = page.getByRole('region', { name: 'What this proves' });
    await see(proof, 'Not proved');
    await see(proof, /Compare this fingerprint/);
    const field = proof.getByLabel(/Fingerprint or verifier key/);
    await field.fill(made.fingerprint.toUpperCase().replace('SHA256:', ''));
    await see(proof, 'It is the same key.');
    await field.fill(made.vkey);
    await see(proof, 'It is the same key.');
    await field.fill(made.fingerprint.replace(/.$/, (last) => (last === '0' ? '1' : '0')));
    await see(proof, /It is another key/);
    await seeBadge('another key');
    await field.fill(made.fingerprint.slice(0, 40));
    await see(proof, /It is another key/);
    await field.fill('');
    await seeBadge('verified');
  });

  it('counts what was done and shows who acted for whom', async () => {
    const summary = page.getByRole('region', { name: 'Summary' });
    for (const [name, value] of [
      ['sessions', '3'],
      ['person', '1'],
      ['agents', '3'],
      ['statements', '19'],
      ['denied', '2'],
      ['error', '1'],
      ['masked values', '80'],
    ]) {
      const term = summary
        .locator('.numbers > div')
        .filter({ has: page.getByText(name ?? '', { exact: true }) });
      await see(term, value ?? '');
    }
    const tree = page.getByRole('tree', { name: 'Who acted for whom' });
    await see(tree, 'report.py');
    await see(tree, /agent, claimed/);
    await tree.focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => tree.getByRole('treeitem').count()).toBe(1);
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => tree.getByRole('treeitem').count()).toBeGreaterThan(5);
  });

  it('lists everything in the order of the log, by keys alone', async () => {
    await page.locator('body').press('/');
    await see(page, 'policies set by demo/admin');
    await timeline().focus();
    await page.keyboard.press('Home');
    await see(detail(), 'identity.signed-in');
    for (let step = 0; step < 4; step += 1) await page.keyboard.press('ArrowDown');
    await see(detail(), /from customers/);
    await see(detail(), '[masked]');
    await see(detail(), /entries \d+, \d+ of the audit log/);
    expect(await detail().locator('.masked').count()).toBeGreaterThan(3);
    await expectAccessible('a statement');
    await page.keyboard.press('Escape');
    await expect.poll(() => detail().isVisible()).toBe(false);
  });

  it('a denied statement shows the policy that denied it, in the text that was in force', async () => {
    await page.getByText('Denied', { exact: true }).click();
    await expect.poll(() => timeline().getByRole('option').count()).toBe(2);
    await option('drop table orders').click();
    await see(detail(), 'tables are dropped by the DBA, on request');
    await detail().locator('summary').click();
    await see(detail().locator('.decided'), '@id("nobody-drops")');
    expect(await detail().locator('.decided').count()).toBe(1);
    await see(detail(), /not sent to the target/);
    await page.getByText('All', { exact: true }).click();
  });

  it('a held statement shows each of its decisions', async () => {
    await option('update orders').click();
    await see(detail(), 'then approved');
  });

  it('search looks through statements and through what came back', async () => {
    await page.getByRole('searchbox').fill('TABLE_11');
    await expect.poll(() => option('in results').count()).toBe(1);
    await page.getByRole('searchbox').fill('custmers');
    await expect.poll(() => timeline().getByRole('option').count()).toBe(1);
    await expectAccessible('search');
    await page.getByRole('searchbox').fill('');
    await expect.poll(() => timeline().getByRole('option').count()).toBeGreaterThan(15);
  });

  it('a session is replayed: from a statement, with play, seek and steps', async () => {
    await option('from customers').click();
    await detail().getByRole('button', { name: 'Replay from here' }).click();
    const replay = page.getByRole('region', { name: 'Replay' });
    await see(replay, 'c***@example.com');
    await replay.getByRole('button', { name: 'Statement before' }).click();
    await see(replay, 'select 1 as hello');
    await replay.getByRole('slider', { name: 'Position' }).press('End');
    await see(replay, /relation "custmers" does not exist/);
    await replay.getByRole('grid').focus();
    await page.keyboard.press('Space');
    await see(replay, 'Pause');
    await see(replay, 'select 1 as hello');
    await page.keyboard.press('Space');
    await see(replay, 'Play');
    await expectAccessible('replay');
    expectQuiet(made.viewer);
  });

  it.each([
    ['on a narrow screen', { width: 360, height: 740 }],
    ['at twice its size', { width: 700, height: 430 }],
  ])('is read %s without scrolling sideways', async (_, viewport) => {
    await open(made.viewer, { viewport });
    await seeBadge('verified');
    await expectNoSideScroll();
    await expectAccessible('narrow overview');
    await tab('Timeline').click();
    await option('from customers').click();
    await see(detail(), '[masked]');
    await expectNoSideScroll();
    await expectAccessible('narrow detail');
    await tab('Replay').click();
    await see(page, 'Skip idle');
    await expectNoSideScroll();
  });

  it('on paper it holds what is proved, the sums and every row that was listed', async () => {
    await open(made.viewer, { viewport: { width: 1000, height: 800 } });
    await seeBadge('verified');
    await page.evaluate(() => {
      window.print = () => document.body.setAttribute('data-asked', 'print');
    });
    await page.getByRole('button', { name: 'Print' }).click();
    await page.locator('body[data-asked=print]').waitFor();
    await page.emulateMedia({ media: 'print', colorScheme: 'light' });
    await see(page.locator('.proof'), 'Not proved');
    await see(page.locator('.printed'), /where country = \$1/);
    await see(page.locator('.printed'), /delete from orders where id = 8/);
    expect(await page.locator('.timeline').first().isVisible()).toBe(false);
  });
});

describe('a page that carries a part of the bundle', () => {
  it('verifies what it has, says what is missing and asks for the ZIP', async () => {
    const made = await make({ ...everydayBundle(), carries: (path) => !path.endsWith('content.bin') });
    await open(made.viewer);
    await seeBadge('verified in part');
    await see(page, /Drop the bundle’s ZIP here/);
    await tab('Timeline').click();
    await option('from customers').click();
    await see(detail(), /drop the bundle’s ZIP here/);
    await drop(made.zip);
    await seeBadge('verified');
  });
});

describe('a bundle that was tampered with', () => {
  const cases: readonly [string, NonNullable<MadeBundle['tamper']>][] = [
    [
      'a statement is another',
      (files) => edit(files, 'events.ndjson', 'drop table orders', 'drop table ordera'),
    ],
    ['what came back is another', (files) => edit(files, 'content.bin', '18233', '18234')],
    ['a policy is another', (files) => edit(files, '.cedar', 'nobody-drops', 'nobody_drops')],
    ['a session is left out', (files) => drop1(files, '0002/events.ndjson')],
    ['the manifest is another', (files) => edit(files, 'manifest.json', 'incident 4711', 'incident 4712')],
    ['an entry of the log is another', (files) => edit(files, 'entries.ndjson', '"denied', '"deniee')],
    [
      'the signature of the tree is another’s',
      (files) => edit(files, 'log/checkpoint', '— gateway', '— gatewax'),
    ],
  ];
  it.each(cases)('%s: it is named, and never shown as verified', async (what, tamper) => {
    const made = await make({ ...everydayBundle(), tamper });
    await open(made.viewer);
    // A copy may lack files, and says so; the ZIP may not.
    const lacks = what === 'a session is left out';
    await seeBadge(lacks ? 'verified in part' : 'problems');
    await drop(made.zip);
    await see(page.getByRole('alert'), /do not rely on this bundle/);
    await seeBadge('problems');
    expectQuiet(made.viewer);
  });

  it('its problems are accessible', () => expectAccessible('problems'));

  function edit(files: Map<string, Buffer>, end: string, from: string, to: string): void {
    const found = [...files].filter(([path, content]) => path.endsWith(end) && content.includes(from));
    expect(found.length).toBeGreaterThan(0);
    for (const [path, content] of found) {
      files.set(path, Buffer.from(content.toString('latin1').replace(latin1(from), latin1(to)), 'latin1'));
    }
  }
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

  function drop1(files: Map<string, Buffer>, end: string): void {
    const found = [...files.keys()].find((path) => path.endsWith(end));
    expect(found).toBeDefined();
    files.delete(found ?? '');
  }
});

describe('a hostile bundle', () => {
  let made: Made;

  it('runs nothing, asks for nothing and hides nothing, wherever its texts are shown', async () => {
    made = await make(hostileBundle());
    await open(made.viewer);
    await see(page, hostileTexts[1]);
    await seeBadge('verified');
    await expectUnharmed();
    await tab('Timeline').click();
    for (const text of hostileTexts.slice(0, 9)) {
      await option(text).first().click();
      await see(detail(), text);
    }
    await detail().locator('summary').first().click();
    await expectUnharmed();
    await expectAccessible('hostile');
    await tab('Replay').click();
    await see(page, 'Skip idle');
    await expectUnharmed();
    expectQuiet(made.viewer);
  });

  it('characters that would not be seen are shown as signs', async () => {
    await tab('Timeline').click();
    await option('gnp.exe').first().click();
    await see(detail(), /⟨U\+202E⟩/);
    await option('rubbed out').first().click();
    await see(detail(), /␛/);
    const shown = await page.locator('body').innerText();
    expect(shown).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(shown).not.toContain('\u001b');
  });

  it('a cell of megabytes, and a thousand columns, are looked at piece by piece', async () => {
    await option('select large').click();
    await detail().getByRole('grid').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    const whole = page.getByRole('dialog');
    await see(whole, /Show more: 10,4\d\d,\d\d\d characters are left/);
    await expectAccessible('a row as a whole');
    await page.keyboard.press('Escape');
    await whole.waitFor({ state: 'detached' });
    await option('select wide').click();
    await see(detail(), /Show more: [\d,]+ characters are left/);
    await see(detail().getByRole('grid'), '1480 more');
    await expectUnharmed();
  });

  async function expectUnharmed(): Promise<void> {
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
    const foreign = 'script:not([id=bundle]), iframe, object, embed, img, base, link:not([rel=icon]), style';
    // The page's own script and style, and nothing else of the kind.
    expect(await page.locator(foreign).count()).toBe(2);
    expect(await page.locator('a[href], [onerror], [onload], [onclick], [style*=url]').count()).toBe(0);
  }
});

describe('a large bundle', () => {
  it('thousands of statements and rows scroll, and their ends are reached by one key', async () => {
    const { zip } = await make(largeBundle(60_000, 4000));
    const file = join(scope.directory(), 'viewer.html');
    writeFileSync(file, template);
    await open(file);
    await drop(zip);
    await seeBadge('verified');
    await tab('Timeline').click();
    await timeline().focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowUp');
    await see(detail(), '60,000 rows');
    await detail().getByRole('grid').focus();
    await page.keyboard.press('End');
    await see(detail(), 'number 59999');
    expect(await page.locator('*').count()).toBeLessThan(3000);
    expect(complaints).toEqual([]);
  });

  it('thousands of sessions are a list and a tree that stay usable', async () => {
    const { viewer } = await make(manySessions(3000));
    await open(viewer);
    await see(page.getByRole('region', { name: 'Summary' }), '3,000');
    await page.getByRole('listbox', { name: 'Sessions' }).focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await see(timeline(), 'select 2999 as session');
    await page.getByRole('searchbox').fill('select 1234 as');
    await expect.poll(() => timeline().getByRole('option').count()).toBe(0);
    await page.getByRole('combobox', { name: 'Session' }).first().selectOption('');
    await expect.poll(() => timeline().getByRole('option').count()).toBe(1);
    await seeBadge('verified');
    expect(complaints).toEqual([]);
  });

  it('more sessions than a bundle can have are refused with a reason', async () => {
    const tamper = (files: Map<string, Buffer>): void => {
      const manifest = JSON.parse(files.get('manifest.json')?.toString() ?? '') as { sessions: unknown[] };
      manifest.sessions = Array.from({ length: 100_000 }, () => manifest.sessions[0]);
      files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
    };
    const { viewer } = await make({ ...everydayBundle(), tamper });
    await open(viewer);
    await see(page.getByRole('alert'), /manifest\.json cannot be read: sessions/);
  });
});
