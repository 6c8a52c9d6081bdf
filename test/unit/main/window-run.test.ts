import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultPreferences } from '../../../gateway-core/contract/bridge/app.js';
import { bridgeChannels } from '../../../gateway-core/contract/bridge/names.js';
import type { TunnelView } from '../../../gateway-core/contract/bridge/work.js';
import { runElectronHost, tellFailedStart } from '../../../main/window/run.js';
import { startAtLogin } from '../../../main/window/start-at-login.js';
import { eventually } from '../../eventually.js';
import {
  electron,
  FakeUtility,
  FakeWindow,
  type MenuItem,
  noted,
  preventable,
  resetElectron,
} from './electron-fakes.js';

vi.mock('electron', async () => (await import('./electron-fakes.js')).electron);

const { app, Tray, Notification, ipcMain } = electron;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'exit'] as const;

let directory = '';
let complaints: string[] = [];
/** What electron-store would hold, by the name of its file. */
let stores: Record<string, Record<string, unknown>> = {};
let broken: Set<string>;
let listeners: Map<string, readonly unknown[]>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-run-'));
  mkdirSync(join(directory, 'renderer'));
  writeFileSync(join(directory, 'renderer', 'index.html'), 'page');
  resetElectron();
  // The core looks for a demo gateway of this person, who is to have none.
  vi.stubEnv('THROUGHLINE_HOME', directory);
  complaints = [];
  stores = {};
  broken = new Set();
  listeners = new Map(signals.map((name) => [name, process.listeners(name as 'exit')]));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complaints.push(String(text).trim());
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const name of signals)
    for (const listener of process.listeners(name as 'exit'))
      if (listeners.get(name)?.includes(listener) !== true) process.off(name, listener);
  rmSync(directory, { recursive: true, force: true });
});

async function run(options: { argv?: string[]; env?: NodeJS.ProcessEnv } = {}): Promise<void> {
  await runElectronHost({
    bundles: '/app/out/desktop',
    rendererDirectory: join(directory, 'renderer'),
    icons: '/app/out/desktop/icons',
    env: { THROUGHLINE_HOME: directory, ...options.env },
    argv: options.argv ?? [],
    openStore: (_directory, name) => ({
      read: () => {
        if (broken.has(name)) throw new SyntaxError('no JSON');
        return stores[name] ?? {};
      },
      write: (values) => {
        if (broken.has(name)) throw new Error('ENOSPC');
        stores[name] = structuredClone(values);
      },
      setAside: () => {
        broken.delete(name);
        return `${name}.broken`;
      },
    }),
  });
}

const window = (): FakeWindow => FakeWindow.made.at(-1) as FakeWindow;
const agent = (): FakeUtility => FakeUtility.made.at(-1) as FakeUtility;
/** The host takes one message a turn. */
async function event(name: string, payload: unknown): Promise<void> {
  agent().emit('message', { kind: 'event', name, payload });
  await nextTurn();
}
const tunnel = (connection: string, state: TunnelView['state'] = 'open'): TunnelView => ({
  connection,
  state,
  host: '127.0.0.1',
  port: 5432,
  user: 'contractor',
  database: 'shop',
  sockets: 0,
  refused: 0,
  lines: [],
});
/** What the page of the last window says, and what it has heard. */
const say = (message: unknown): void =>
  void ipcMain.emit(
    bridgeChannels.toHost,
    { sender: window().webContents, senderFrame: window().webContents.mainFrame },
    message,
  );
const call = (id: number, name: string, input: unknown = {}): void => say({ kind: 'call', id, name, input });
const answer = (id: number): Promise<unknown> =>
  eventually(() => {
    const found = window().webContents.sent.find(({ message }) => (message as { id?: number }).id === id);
    expect(found).toBeDefined();
    return found?.message;
  });
const trayItem = (label: string): MenuItem | undefined =>
  Tray.made[0]?.menu.find((item) => item.label === label);

describe('the app in Electron', () => {
  it('asks for its sandbox and its scheme before Electron is ready', async () => {
    await run();
    expect(app.order).toEqual(['lock', 'sandbox', 'scheme', 'ready']);
    expect(noted.schemes).toMatchObject([{ scheme: 'app', privileges: { standard: true, secure: true } }]);
  });

  it('keeps what Chromium writes below its own state', async () => {
    await run();
    expect(app.paths['userData']).toBe(join(directory, 'client', 'desktop', 'electron'));
  });

  it('shows its own page in a window that is sandboxed and guarded', async () => {
    await run();
    expect(FakeWindow.made).toHaveLength(1);
    expect(window().loaded).toEqual(['app://throughline/']);
    expect(window().options['webPreferences']).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      preload: join('/app/out/desktop', 'preload.cjs'),
    });
    const leaving = preventable();
    window().webContents.emit('will-navigate', leaving);
    expect(leaving.prevented).toBe(true);
    expect(window().webContents.openWindow({ url: 'https://example.com/' })).toEqual({ action: 'deny' });
    expect(noted.opened).toEqual(['https://example.com/']);
    const page = await noted.protocols['app']?.({ url: 'app://throughline/', method: 'GET' } as Request);
    expect(await page?.text()).toBe('page');
  });

  it('appears when there is something to see, and not before', async () => {
    await run();
    expect(window().visible).toBe(false);
    window().emit('ready-to-show');
    expect(window().visible).toBe(true);
  });

  it('runs once: a second start brings the first one’s window to the front and starts nothing', async () => {
    await run();
    window().minimized = true;
    app.emit('second-instance');
    expect([window().minimized, window().visible, window().focused]).toEqual([false, true, 1]);
    resetElectron();
    app.first = false;
    await run();
    expect([FakeWindow.made, FakeUtility.made, app.quitted]).toEqual([[], [], true]);
  });

  it('starts the agent as a utility process, with none of the variables that change what Node loads', async () => {
    vi.stubEnv('NODE_OPTIONS', '--require /tmp/x.js');
    vi.stubEnv('ELECTRON_RUN_AS_NODE', '1');
    await run();
    expect(agent().program).toBe(join('/app/out/desktop', 'agent-process.mjs'));
    expect(agent().options.execArgv).toEqual([]);
    expect(agent().options.env).toMatchObject({ THROUGHLINE_HOME: directory, THROUGHLINE_KEYRING: 'off' });
    const names = Object.keys(agent().options.env);
    expect(names.filter((name) => /^(NODE_OPTIONS|ELECTRON_)/.test(name))).toEqual([]);
    await eventually(() =>
      expect(agent().heard).toEqual([
        { kind: 'start', version: '1.2.3', platform: process.platform },
        { kind: 'preferences', exportDirectory: '', tunnels: [] },
      ]),
    );
  });

  it('takes its theme from the preferences, at the start and at every change', async () => {
    stores['preferences'] = { theme: 'light' };
    await run();
    expect(electron.nativeTheme.themeSource).toBe('light');
    call(1, 'preferences.set', { theme: 'dark' });
    await answer(1);
    expect(electron.nativeTheme.themeSource).toBe('dark');
  });

  it('sizes of the menu stay within what preferences allow', async () => {
    await run();
    const items = noted.menu.flatMap(({ submenu }) => submenu ?? []);
    const click = (label: string): void => items.find((item) => item.label === label)?.click?.();
    const zoom = (value: number): Promise<void> =>
      eventually(() => expect(stores['preferences']?.['zoom']).toBe(value));
    click('Smaller');
    await zoom(90);
    for (let round = 0; round < 5; round += 1) {
      click('Smaller');
      await zoom(80);
    }
    click('Normal size');
    await zoom(100);
    click('Larger');
    await zoom(110);
    expect(complaints).toEqual([]);
  });
});

describe('closing the window', () => {
  it('hides it, and the agent goes on; the tray brings it back', async () => {
    await run();
    window().emit('ready-to-show');
    window().close();
    expect([window().destroyed, window().visible, agent().killed, app.quitted]).toEqual([
      false,
      false,
      0,
      false,
    ]);
    trayItem('Open Throughline')?.click?.();
    expect([window().visible, FakeWindow.made.length]).toEqual([true, 1]);
    window().close();
    Tray.made[0]?.emit('click');
    expect(window().visible).toBe(true);
    window().close();
    app.emit('activate');
    expect(window().visible).toBe(true);
  });

  it('says once that tunnels stay open, the first time that there are any', async () => {
    await run();
    window().close();
    expect(Notification.shown).toEqual([]);
    await event('tunnels.changed', [tunnel('shop-db'), tunnel('other', 'failed')]);
    window().close();
    expect(Notification.shown).toEqual(['One tunnel stays open. Quit from the tray to end everything.']);
    window().close();
    expect(Notification.shown).toHaveLength(1);
  });

  it('tells a person who does not see it what it would say, and one who sees it nothing twice', async () => {
    await run();
    window().emit('ready-to-show');
    const notice = { level: 'warning', title: 'A session was revoked', text: 'Casey on shop-db' };
    await event('notice', notice);
    expect(Notification.shown).toEqual([]);
    window().close();
    await event('notice', notice);
    await event('notice', { ...notice, level: 'info' });
    await event('notice', { level: 'no level' });
    expect(Notification.shown).toEqual(['Casey on shop-db']);
    Notification.made[0]?.emit('click');
    expect(window().visible).toBe(true);
  });

  it('stays away when the system has started it, until the tray is used', async () => {
    await run({ argv: ['throughline', '--hidden'] });
    expect(FakeWindow.made).toHaveLength(0);
    Tray.made[0]?.emit('click');
    expect(FakeWindow.made).toHaveLength(1);
  });

  it('is started at sign-in by a file of its own, only where it is installed, and not any more when that is off', async () => {
    const config = join(directory, 'config');
    vi.stubEnv('XDG_CONFIG_HOME', config);
    vi.stubEnv('APPIMAGE', '/opt/100% "mine"/Throughline.AppImage');
    const file = join(config, 'autostart', 'throughline.desktop');
    startAtLogin(true);
    expect(existsSync(file)).toBe(false);
    app.isPackaged = true;
    startAtLogin(true);
    expect(readFileSync(file, 'utf8')).toContain(
      'Exec="/opt/100%% \\\\"mine\\\\"/Throughline.AppImage" --hidden',
    );
    startAtLogin(false);
    expect(existsSync(file)).toBe(false);
  });

  it('keeps its place, and opens there the next time', async () => {
    await run();
    window().bounds = { x: 100, y: 200, width: 1111, height: 777 };
    window().close();
    expect(stores['window']).toEqual({
      bounds: { x: 100, y: 200, width: 1111, height: 777 },
      maximized: false,
    });
    const kept = stores;
    resetElectron();
    stores = kept;
    await run();
    expect(window().options).toMatchObject({ x: 100, y: 200, width: 1111, height: 777 });
  });

  it('works where its place can be neither read nor kept', async () => {
    broken.add('window');
    await run();
    expect(window().options).toMatchObject({ width: 1360, height: 860 });
    expect(complaints).toEqual(["the window's place could not be read"]);
    // Put aside: a file that stays broken could never be written again.
    expect(broken.has('window')).toBe(false);
    broken.add('window');
    window().emit('ready-to-show');
    window().close();
    expect(window().visible).toBe(false);
    expect(complaints).toContain("the window's place could not be kept");
  });
});

describe('the tray', () => {
  it('shows the tunnels that are open now', async () => {
    await run();
    expect(trayItem('No open tunnels')).toBeDefined();
    await event('tunnels.changed', [tunnel('shop-db')]);
    expect(trayItem('Open tunnels: 1')).toBeDefined();
    expect(trayItem('shop-db  127.0.0.1:5432')?.enabled).toBe(false);
    await event('tunnels.changed', [{ connection: 'of another shape' }]);
    expect(trayItem('Open tunnels: 1')).toBeDefined();
    await event('tunnels.changed', []);
    expect(trayItem('No open tunnels')).toBeDefined();
  });

  it('quits the app, which waits for the agent to end in order', async () => {
    await run();
    window().close();
    trayItem('Quit')?.click?.();
    expect([window().destroyed, agent().killed, app.quitted]).toEqual([true, 1, false]);
    agent().emit('exit', 0);
    await eventually(() => expect(app.quitted).toBe(true));
    expect([FakeUtility.made.length, FakeWindow.made.length]).toEqual([1, 1]);
  });

  it('opens no window while the app ends', async () => {
    await run();
    app.quit();
    Tray.made[0]?.emit('click');
    app.emit('second-instance');
    expect(FakeWindow.made).toHaveLength(1);
    agent().emit('exit', 0);
    await eventually(() => expect(app.quitted).toBe(true));
  });
});

describe('a page whose process ended', () => {
  it('is loaded anew when the person says so; the agent goes on', async () => {
    await run();
    window().webContents.emit('render-process-gone', {}, { reason: 'crashed' });
    await eventually(() => expect(window().webContents.reloads).toBe(1));
    expect(noted.questions).toEqual(['The window stopped working.']);
    expect(agent().killed).toBe(0);
    window().webContents.emit('render-process-gone', {}, { reason: 'clean-exit' });
    expect(noted.questions).toHaveLength(1);
  });
});

describe('what electron-store keeps', () => {
  const secret = 'a-secret-that-was-typed';

  it('is preferences and the window’s place, and never what a page or the agent says besides', async () => {
    await run();
    call(1, 'preferences.set', { nullText: 'nothing', token: secret });
    expect(await answer(1)).toMatchObject({ kind: 'error', error: { code: 'invalid-request' } });
    call(2, 'workspace.save', { text: JSON.stringify({ tabs: [`select '${secret}'`] }) });
    await answer(2);
    call(3, 'preferences.set', { nullText: 'nothing' });
    await answer(3);
    await event('app.changed', { signIn: { state: 'signed-in', token: secret }, token: secret });
    await event('notice', { level: 'error', title: secret, text: secret });
    await event('tunnels.changed', [{ ...tunnel('shop-db'), user: secret }]);
    window().close();
    expect(Object.keys(stores).sort()).toEqual(['preferences', 'window']);
    expect(Object.keys(stores['preferences'] ?? {}).sort()).toEqual(Object.keys(defaultPreferences).sort());
    expect(Object.keys(stores['window'] ?? {}).sort()).toEqual(['bounds', 'maximized']);
    expect(JSON.stringify(stores)).not.toContain(secret);
  });
});

describe('the gateway at the start', () => {
  const calls = () => agent().heard.filter(({ kind }) => kind === 'call');

  it('is the one that the command line names', async () => {
    const started = run({ argv: ['/app/throughline', '--gateway=https://gateway.example.com:7443'] });
    const [named] = await eventually(() => {
      expect(calls()).toHaveLength(1);
      return calls();
    });
    // Looked at first, or gone to at once: the core says which.
    expect(named).toMatchObject({ input: { url: 'https://gateway.example.com:7443' } });
    const error = { code: 'target-unreachable', message: 'it cannot be reached' };
    agent().emit('message', { kind: 'error', id: named?.id, error });
    await started;
    expect(complaints).toEqual(['The gateway: it cannot be reached']);
  });

  it('is none in the packed app, which has no Node to run one, whatever the environment says', async () => {
    app.isPackaged = true;
    const marker = join(directory, 'ran');
    const program = join(directory, 'program.mjs');
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, '');`,
    );
    await run({ env: { THROUGHLINE_DEMO_NODE: process.execPath, THROUGHLINE_DEMO_PROGRAM: program } });
    expect(calls()).toEqual([]);
    call(1, 'app.useDemo');
    expect(await answer(1)).toMatchObject({
      kind: 'error',
      error: {
        code: 'not-found',
        message: 'the installed app connects to gateways and does not run one itself',
        action: expect.stringContaining('enter its address') as unknown,
      },
    });
    expect(() => rmSync(marker)).toThrow('ENOENT');
  });
});

describe('an app that cannot start', () => {
  it('says why, in a dialog when there is no terminal to say it in', async () => {
    rmSync(join(directory, 'renderer', 'index.html'));
    await run().catch(tellFailedStart);
    expect(complaints).toEqual(['throughline: the renderer is not built']);
    expect([noted.errorBoxes, app.exitStatus]).toEqual([[], 1]);
    resetElectron();
    app.isPackaged = true;
    await run().catch(tellFailedStart);
    expect(noted.errorBoxes).toEqual(['Throughline did not start: the renderer is not built']);
    expect(app.exitStatus).toBe(1);
  });

  it('starts all the same when its preferences cannot be read', async () => {
    broken.add('preferences');
    await run();
    expect(FakeWindow.made).toHaveLength(1);
    expect(complaints[0]).toMatch(/^Preferences: the preferences could not be read/);
  });
});
