import { join } from 'node:path';
import {
  app,
  dialog,
  ipcMain,
  Menu,
  Notification,
  nativeTheme,
  protocol,
  session,
  shell,
  Tray,
} from 'electron';
import type { Preferences } from '../../gateway-core/contract/bridge/app.js';
import { events } from '../../gateway-core/contract/bridge/calls.js';
import { TunnelView } from '../../gateway-core/contract/bridge/work.js';
import { type Core, createCore } from '../core.js';
import { rendererFiles } from '../renderer-files/files.js';
import { desktopPlaces } from '../settings/places.js';
import type { PreferencesFile } from '../settings/preferences.js';
import { forkUtility } from './agent-process.js';
import { guardContents, guardSession } from './guard.js';
import { bridgeWindows } from './ipc.js';
import { type MainWindow, mainWindow } from './main-window.js';
import { menuTemplate, trayTemplate } from './menu.js';
import { appProtocol, appScheme } from './protocol.js';
import { hiddenFlag, startAtLogin } from './start-at-login.js';

const zoomRange = { min: 80, max: 200 } as const;

export interface ElectronHostOptions {
  /** The folder of the bundles: `agent-process.mjs` and `preload.cjs` stand beside this process's own. */
  readonly bundles: string;
  readonly rendererDirectory: string;
  readonly icons: string;
  readonly env: NodeJS.ProcessEnv;
  readonly argv: readonly string[];
  /** electron-store, one file each. */
  readonly openStore: (directory: string, name: string) => PreferencesFile;
}

/** Runs the desktop in Electron. A second start only brings the window of the first to the front. */
export async function runElectronHost(options: ElectronHostOptions): Promise<void> {
  const places = desktopPlaces(options.env, app.getPath('documents'));
  app.setPath('userData', join(places.state, 'electron'));
  if (!app.requestSingleInstanceLock()) return app.quit();
  app.enableSandbox();
  protocol.registerSchemesAsPrivileged([appScheme]);
  app.on('web-contents-created', (_event, contents) => guardContents(contents, openExternal));
  // The tray holds the app: it ends when somebody says so.
  app.on('window-all-closed', () => undefined);
  await app.whenReady();

  guardSession(session.defaultSession, app.isPackaged);
  protocol.handle(appScheme.scheme, appProtocol(rendererFiles(options.rendererDirectory)));
  const preferencesFile = options.openStore(places.state, 'preferences');
  const shown: { window?: MainWindow } = {};
  const tunnels = { list: [] as readonly TunnelView[], changed: (): void => undefined };
  const core = createCore({
    kind: 'electron',
    reason: '',
    version: app.getVersion(),
    places,
    preferencesFile: Promise.resolve(preferencesFile),
    forkAgent: () => forkUtility(join(options.bundles, 'agent-process.mjs')),
    demo: demoProgram(options.env),
    openExternal: (url) => shell.openExternal(url),
    reveal: (path) => Promise.resolve(shell.showItemInFolder(path)),
    log: complain,
    preferencesChanged: apply,
    onEvent: (name, payload) => {
      if (name === 'notice') tellHiddenPerson(payload, shown.window);
      const views = name === 'tunnels.changed' ? TunnelView.array().safeParse(payload) : undefined;
      if (views?.success !== true) return;
      tunnels.list = views.data;
      tunnels.changed();
    },
  });
  bridgeWindows(ipcMain, core.dispatcher, complain);
  await core.preferences().then(apply, () => complain('the preferences could not be read'));
  const tellHidden = hiddenTeller();
  const window = mainWindow({
    preload: join(options.bundles, 'preload.cjs'),
    icon: join(options.icons, 'icon.png'),
    packaged: app.isPackaged,
    state: options.openStore(places.state, 'window'),
    hidden: () => tellHidden(tunnels.list),
    quit: () => app.quit(),
    complain,
  });
  shown.window = window;
  Menu.setApplicationMenu(
    Menu.buildFromTemplate(
      menuTemplate(process.platform, app.isPackaged, {
        zoom: (by) => void zoom(core, by).catch(() => complain('the size could not be kept')),
      }),
    ),
  );
  const tray = new Tray(join(options.icons, process.platform === 'darwin' ? 'trayTemplate.png' : 'tray.png'));
  tray.setToolTip('Throughline');
  tunnels.changed = () => {
    tray.setContextMenu(
      Menu.buildFromTemplate(trayTemplate(tunnels.list, { show: window.show, quit: () => app.quit() })),
    );
  };
  tunnels.changed();
  tray.on('click', () => window.show());
  app.on('second-instance', () => window.show());
  app.on('activate', () => window.show());
  endInOrder(core, window);
  if (!options.argv.includes(hiddenFlag)) window.show();
  await firstGateway(core, options);
}

/** Says why the app does not start: in a dialog, too, where there is no terminal to read it in. */
export function tellFailedStart(error: unknown): void {
  const why = error instanceof Error ? error.message : 'it did not start';
  complain(`throughline: ${why}`);
  if (app.isPackaged) dialog.showErrorBox('Throughline did not start', why);
  app.exit(1);
}

function complain(what: string): void {
  process.stderr.write(`${what}\n`);
}

function openExternal(url: string): void {
  shell.openExternal(url).catch(() => undefined);
}

/** Only a clone has a Node that runs gateways; it says which in these variables (setup/start.mjs). */
function demoProgram(env: NodeJS.ProcessEnv): { node: string | undefined; program: string } {
  const { THROUGHLINE_DEMO_NODE: node, THROUGHLINE_DEMO_PROGRAM: program } = env;
  return app.isPackaged || node === undefined || program === undefined
    ? { node: undefined, program: '' }
    : { node, program };
}

async function firstGateway(core: Core, { argv, env }: ElectronHostOptions): Promise<void> {
  const flag = argv.find((each) => each.startsWith('--gateway='));
  if (flag !== undefined) return core.useGateway(flag.slice('--gateway='.length));
  if (demoProgram(env).node !== undefined) await core.startDemo();
}

function apply({ theme, startAtLogin: wanted }: Preferences): void {
  nativeTheme.themeSource = theme;
  try {
    startAtLogin(wanted);
  } catch {
    complain('the system could not be told whether to start the app at sign-in');
  }
}

/** What the window would show as a notice, for a person who does not see it: a revocation above all. */
function tellHiddenPerson(payload: unknown, window: MainWindow | undefined): void {
  const notice = events.notice.safeParse(payload);
  if (!notice.success || notice.data.level === 'info' || window?.isVisible() === true) return;
  if (!Notification.isSupported()) return;
  const note = new Notification({ title: notice.data.title, body: notice.data.text });
  note.on('click', () => window?.show());
  note.show();
}

async function zoom(core: Core, by: number): Promise<void> {
  const now = (await core.preferences()).zoom;
  const next = by === 0 ? 100 : Math.min(Math.max(now + by, zoomRange.min), zoomRange.max);
  await core.setPreferences({ zoom: next });
}

/** Once a run, and only where something goes on that the person may not expect. */
function hiddenTeller(): (tunnels: readonly TunnelView[]) => void {
  let told = false;
  return (tunnels) => {
    const open = tunnels.filter(({ state }) => state === 'open').length;
    if (told || open === 0 || !Notification.isSupported()) return;
    told = true;
    const body = `${open === 1 ? 'One tunnel stays' : `${open} tunnels stay`} open. Quit from the tray to end everything.`;
    new Notification({ title: 'Throughline goes on in the background', body }).show();
  };
}

/** Quitting waits for the agent, which ends tunnels and sessions in order. */
function endInOrder(core: Core, window: MainWindow): void {
  let ended = false;
  app.on('before-quit', () => window.letGo());
  app.on('will-quit', (event) => {
    if (ended) return;
    event.preventDefault();
    void core.close().finally(() => {
      ended = true;
      app.quit();
    });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => app.quit());
  process.once('exit', () => core.demo.kill());
}
