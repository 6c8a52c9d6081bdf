import { createRequire } from 'node:module';
import { join } from 'node:path';
import axe from 'axe-core';
import {
  _electron,
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright';
import { afterEach, expect } from 'vitest';
import { cloneRoot, type DemoPerson, removeDemoTarget } from '../live/harness.js';
import { freePort, plainEnvironment, type Scope, start, until } from '../live/processes.js';

/**
 * The whole product as a person gets it: `npm start`'s own program, the page in a real browser. THROUGHLINE_TEST_HOST
 * says which host carries it: `browser` (default) or `electron`, where its runtime is installed.
 */
export const testHost = process.env['THROUGHLINE_TEST_HOST'] === 'electron' ? 'electron' : 'browser';

export interface App {
  /** The client state: `throughline` with this home is the same person on the same machine. */
  readonly home: string;
  /** A page of the app, in a browser profile of its own. In Electron there is one, and this is it. */
  page(options?: BrowserContextOptions): Promise<Page>;
  /** The system browser, where people sign in. */
  elsewhere(): Promise<Page>;
  /** What the host printed. */
  log(): string;
  /** Ends the host at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same state. */
  restart(): Promise<void>;
  /** Lines that pages wrote as errors. */
  readonly complaints: string[];
}

export interface AppOptions {
  /** Go there instead of starting the demo. */
  readonly gateway?: string;
  /** A client state that exists already. */
  readonly home?: string;
}

const doorLine = /file:\S+open\.html/;
/** The first start may have to build. */
const startTimeoutMs = 120_000;
const starter = join(cloneRoot(), 'gateway-core', 'setup', 'start.mjs');
/** Long enough for the demo database to be made; a step that takes it all has failed. */
const stepTimeoutMs = 60_000;
export const wide = { width: 1400, height: 860 };

export async function startApp(scope: Scope, options: AppOptions = {}): Promise<App> {
  const home = options.home ?? scope.directory();
  const data = join(scope.directory(), 'data');
  scope.onClose(() => removeDemoTarget(data));
  const env = {
    THROUGHLINE_HOME: home,
    THROUGHLINE_DATA: data,
    THROUGHLINE_KEYS: join(scope.directory(), 'keys'),
    // The same place again after a restart: it is the same gateway then.
    THROUGHLINE_LISTEN: `127.0.0.1:${await freePort()}`,
    // Exports go to the person's documents, so they get a home.
    HOME: home,
  };
  const flags = options.gateway === undefined ? [] : ['--gateway', options.gateway];
  const complaints: string[] = [];
  const browser = await openBrowser(scope);
  const begin = () => start(scope, process.execPath, [starter, '--no-open', ...flags], { env });
  const door = async (): Promise<string> => {
    // A second start finds the first one, and gets a door of its own from it.
    const [url] = await begin().waitFor(doorLine);
    return url;
  };
  const electron = testHost === 'electron' ? await openElectron(scope, env, flags) : undefined;
  let host = electron === undefined ? begin() : undefined;
  await host?.waitFor(doorLine, startTimeoutMs);

  return {
    home,
    complaints,
    log: () => (host === undefined ? '' : host.stdoutText() + host.stderrText()),
    page: async (more = {}) => {
      if (electron !== undefined) return electron;
      const context = await browser.newContext({ viewport: wide, colorScheme: 'dark', ...more });
      context.setDefaultTimeout(stepTimeoutMs);
      const page = await context.newPage();
      listen(page, complaints);
      await page.goto(await door());
      return page;
    },
    elsewhere: async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      context.setDefaultTimeout(stepTimeoutMs);
      return context.newPage();
    },
    kill: async () => {
      if (host === undefined) throw new Error('only the browser host is a process of its own here');
      host.signal('SIGKILL');
      await host.ended;
    },
    restart: async () => {
      host = begin();
      await host.waitFor(doorLine, startTimeoutMs);
    },
  };
}

async function openBrowser(scope: Scope): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Chromium's own sandbox cannot be had as root, and tests of a fresh machine run as root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  scope.onClose(() => browser.close());
  return browser;
}

async function openElectron(
  scope: Scope,
  env: Readonly<Record<string, string>>,
  flags: readonly string[],
): Promise<Page> {
  const executablePath = createRequire(import.meta.url)('electron') as string;
  const entry = join(cloneRoot(), 'out', 'desktop', 'electron.mjs');
  const app = await _electron.launch({
    executablePath,
    args: [entry, ...flags],
    env: {
      ...(plainEnvironment(env) as Record<string, string>),
      // As npm start says it: Electron runs no Node programs.
      THROUGHLINE_DEMO_NODE: process.execPath,
      THROUGHLINE_DEMO_PROGRAM: join(cloneRoot(), 'gateway-core', 'cli', 'throughline.mjs'),
    },
  });
  scope.onClose(() => app.close());
  return app.firstWindow();
}

function listen(page: Page, complaints: string[]): void {
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`${error.message}\n${error.stack ?? ''}`));
}

/** Signs in as a person does: on the provider's page, in the system browser. */
export async function signIn(app: App, page: Page, account: DemoPerson): Promise<void> {
  await page.getByRole('button', { name: 'Sign in with the browser' }).click();
  const url = await page.locator('code').first().textContent();
  const browser = await app.elsewhere();
  await browser.goto(url ?? '');
  await browser.getByLabel('Account').fill(account);
  await browser.getByLabel('Password').fill((await browser.locator('.note code').textContent()) ?? '');
  await browser.getByRole('button', { name: 'Sign in' }).click();
  await browser.getByText(`You are signed in as demo/${account}`).waitFor();
  await browser.context().close();
  await page.getByRole('button', { name: 'I have read this' }).click();
  await page.getByRole('navigation', { name: 'Sections' }).waitFor();
}

/** Where THROUGHLINE_TEST_SHOTS names a directory, a test that fails leaves a picture of the page there. */
export function picturesOfFailures(page: () => Page): void {
  const directory = process.env['THROUGHLINE_TEST_SHOTS'];
  if (directory === undefined) return;
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await page().screenshot({
      path: join(directory, `${task.name.replaceAll(/\W+/g, '-').slice(0, 60)}.png`),
    });
  });
}

/** Waits until the text is on the screen. */
export async function see(page: Page | Locator, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor();
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

/** What axe finds wrong on the screen as it is, at WCAG 2.2 AA: nothing, or one line for each rule with its places. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  // Monaco answers for what is inside of it; a tooltip belongs to what it describes, wherever it stands in the tree.
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run({ exclude: ['.monaco-editor', '[role=tooltip]'] }, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
  );
  return violations.map(
    ({ id, impact, nodes }) =>
      `${id} (${impact}): ${nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join(' | ')}`,
  );
}

/** Both themes: contrast is right or wrong in each. */
export async function expectAccessible(page: Page, screen: string): Promise<void> {
  for (const theme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await until(`the page is ${theme}`, async () =>
      (await page.locator('html').getAttribute('data-mantine-color-scheme')) === theme ? true : undefined,
    );
    expect.soft({ screen, theme, problems: await accessibilityProblems(page) }).toEqual({
      screen,
      theme,
      problems: [],
    });
  }
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: null });
}
