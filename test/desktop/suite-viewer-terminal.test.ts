import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createScope } from '../live/processes.js';
import { accessibilityProblems, picturesOfFailures } from './app.js';
import { sessionOf } from './viewer/sessions.js';
import { type MadeBundle, makeBundle, type Step } from './viewer/world.js';

/** A recorded terminal in viewer.html, as hostile as a target can make it. */
const scope = createScope();
vi.setConfig({ testTimeout: 120_000 });
let browser: Browser;
let page: Page;
let file: string;
const complaints: string[] = [];
const asked: string[] = [];

const hostile =
  '\x1b]0;owned\x07\x1b]52;c;QQ==\x07\x1b]8;;javascript:alert(1)\x07<img src=x onerror=alert(1)>\x1b]8;;\x07\x1b[6n\r\n';
const output: readonly (readonly [afterMs: number, text: string])[] = [
  [200, 'bob@web:~$ '],
  ...'ls --color'.split('').map((letter): [number, string] => [80, letter]),
  [100, `\r\n\x1b[1;34mfolder\x1b[0m  \x1b[30;48;5;226mlemon\x1b[m 日本\r\n${hostile}bob@web:~$ `],
  [60_000, '\x1b[?1049h\x1b[2J\x1b[3;5Hin an editor'],
  [500, '\x1b[?1049l'],
];

function terminalBundle(): MadeBundle {
  const chain = [
    { id: 'demo/contractor', kind: 'person', name: 'Casey', assurance: 'proven' },
  ] as unknown as Parameters<typeof sessionOf>[0]['chain'];
  const made = sessionOf({
    number: 1,
    chain,
    connection: 'web-1',
    statements: [{ text: 'shell', afterMs: 5 }],
  });
  const content: Step[] = [
    { content: Buffer.from('60x12'), seq: 1, stream: 'terminal-size' },
    ...output.map(
      ([afterMs, text]): Step => ({ content: Buffer.from(text), seq: 1, stream: 'terminal', afterMs }),
    ),
  ];
  const bytes = content.reduce((sum, step) => sum + ('content' in step ? step.content.length : 0), 0);
  const steps = made.steps.flatMap((step): Step[] => {
    if (!('event' in step)) return [step];
    const { event } = step;
    return event.kind === 'statement.ended' ? [...content, { ...step, event: { ...event, bytes } }] : [step];
  });
  return {
    subject: { kind: 'session', id: made.view.id },
    sessions: [{ view: made.view, steps }],
  };
}

beforeAll(async () => {
  const { viewerHtml } = (await import(
    new URL('../../gateway-core/setup/build-viewer.mjs', import.meta.url).href
  )) as { readonly viewerHtml: () => Promise<string> };
  ({ viewer: file } = await makeBundle(scope.directory(), await viewerHtml(), terminalBundle()));
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  scope.onClose(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, offline: true });
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
  page.on('request', (request) => asked.push(request.url().slice(0, 200)));
  await page.goto(pathToFileURL(file).href);
  await page.getByRole('tab', { name: 'Replay' }).click();
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

const terminal = () => page.getByRole('group', { name: 'The recorded terminal' });
const position = () => page.getByRole('slider', { name: 'Position' });
const text = () => terminal().innerText();

describe('a recorded terminal in the viewer', () => {
  it('shows the screen as it was at the end, with its colours', async () => {
    await expect.poll(text).toContain('bob@web:~$ ls --color');
    const shown = await text();
    expect(shown).toContain('folder  lemon 日本');
    expect(shown).not.toContain('in an editor');
    expect(shown).not.toContain('owned');
    await expect.poll(() => terminal().locator('.bold.fg4').innerText()).toBe('folder');
    const lemon = terminal().locator('span', { hasText: /^lemon$/ });
    expect(await lemon.evaluate((element) => getComputedStyle(element).backgroundColor)).toBe(
      'rgb(255, 255, 0)',
    );
  });

  it('nothing of a hostile recording is more than text', async () => {
    expect(await text()).toContain('<img src=x onerror=alert(1)>');
    expect(await terminal().locator('a, img, script').count()).toBe(0);
    expect(await page.title()).not.toContain('owned');
    expect(asked.filter((url) => url !== pathToFileURL(file).href && !url.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('goes back and forth in time', async () => {
    await position().fill('0');
    await expect.poll(text).not.toContain('folder');
    await position().fill('7500');
    await expect.poll(text).toContain('in an editor');
    await position().fill('10000');
    await expect.poll(text).toContain('folder');
  });

  it('is accessible in both themes', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await accessibilityProblems(page)).toEqual([]);
    }
  });
});
