import { EventEmitter } from 'node:events';

/** As much of Electron as the app's window uses, in memory: what is asked of it is noted, what it would tell is emitted. */

interface Preventable {
  readonly preventDefault: () => void;
}

export function preventable(): Preventable & { readonly prevented: boolean } {
  let prevented = false;
  return {
    get prevented() {
      return prevented;
    },
    preventDefault: () => {
      prevented = true;
    },
  };
}

export class FakeContents extends EventEmitter {
  readonly mainFrame = { url: 'app://throughline/' };
  readonly sent: { channel: string; message: unknown }[] = [];
  destroyed = false;
  reloads = 0;
  openWindow: (details: { url: string }) => { action: string } = () => ({ action: 'allow' });
  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.openWindow = handler;
  }
  send(channel: string, message: unknown): void {
    this.sent.push({ channel, message });
  }
  isDestroyed(): boolean {
    return this.destroyed;
  }
  reload(): void {
    this.reloads += 1;
  }
}

export class FakeWindow extends EventEmitter {
  static readonly made: FakeWindow[] = [];
  readonly options: Readonly<Record<string, unknown>>;
  readonly webContents = new FakeContents();
  readonly loaded: string[] = [];
  visible = false;
  focused = 0;
  minimized = false;
  maximized = false;
  destroyed = false;
  bounds = { x: 10, y: 20, width: 1000, height: 700 };
  constructor(options: Readonly<Record<string, unknown>>) {
    super();
    this.options = options;
    FakeWindow.made.push(this);
    app.emit('web-contents-created', {}, this.webContents);
  }
  loadURL(url: string): Promise<void> {
    this.loaded.push(url);
    return Promise.resolve();
  }
  /** A person, or quitting, closes it. */
  close(): void {
    const event = preventable();
    this.emit('close', event);
    if (event.prevented) return;
    this.destroyed = true;
    this.webContents.destroyed = true;
    this.visible = false;
    this.webContents.emit('destroyed');
    this.emit('closed');
  }
  show(): void {
    this.visible = true;
  }
  hide(): void {
    this.visible = false;
  }
  focus(): void {
    this.focused += 1;
  }
  restore(): void {
    this.minimized = false;
  }
  maximize(): void {
    this.maximized = true;
  }
  isVisible(): boolean {
    return this.visible;
  }
  isMinimized(): boolean {
    return this.minimized;
  }
  isMaximized(): boolean {
    return this.maximized;
  }
  isDestroyed(): boolean {
    return this.destroyed;
  }
  getNormalBounds(): FakeWindow['bounds'] {
    return this.bounds;
  }
}

class FakeApp extends EventEmitter {
  /** What was asked before the app was ready, and after, in order. */
  readonly order: string[] = [];
  readonly paths: Record<string, string> = {};
  isPackaged = false;
  first = true;
  quitted = false;
  exitStatus: number | undefined;
  readonly loginItems: unknown[] = [];
  setLoginItemSettings(settings: unknown): void {
    this.loginItems.push(settings);
  }
  getPath(name: string): string {
    return `/person/${name}`;
  }
  setPath(name: string, path: string): void {
    this.paths[name] = path;
  }
  requestSingleInstanceLock(): boolean {
    this.order.push('lock');
    return this.first;
  }
  enableSandbox(): void {
    this.order.push('sandbox');
  }
  whenReady(): Promise<void> {
    this.order.push('ready');
    return Promise.resolve();
  }
  getVersion(): string {
    return '1.2.3';
  }
  exit(status: number): void {
    this.exitStatus = status;
  }
  /** As Electron quits: it asks, closes the windows, asks again. */
  quit(): void {
    this.emit('before-quit', preventable());
    for (const window of FakeWindow.made) if (!window.destroyed) window.close();
    if (FakeWindow.made.some((window) => !window.destroyed)) return;
    const event = preventable();
    this.emit('will-quit', event);
    this.quitted = !event.prevented;
  }
}

export interface MenuItem {
  readonly label?: string;
  readonly role?: string;
  readonly type?: string;
  readonly enabled?: boolean;
  readonly accelerator?: string;
  readonly click?: () => void;
  readonly submenu?: readonly MenuItem[];
}

class FakeTray extends EventEmitter {
  static readonly made: FakeTray[] = [];
  menu: readonly MenuItem[] = [];
  readonly image: string;
  constructor(image: string) {
    super();
    this.image = image;
    FakeTray.made.push(this);
  }
  setToolTip(): void {}
  setContextMenu(menu: readonly MenuItem[]): void {
    this.menu = menu;
  }
}

class FakeNotification extends EventEmitter {
  static readonly shown: string[] = [];
  static isSupported(): boolean {
    return true;
  }
  static readonly made: FakeNotification[] = [];
  readonly body: string;
  constructor({ body }: { body: string }) {
    super();
    this.body = body;
  }
  show(): void {
    FakeNotification.shown.push(this.body);
    FakeNotification.made.push(this);
  }
}

/** The agent as a utility process: it hears, and says what a test wants it to say. */
export class FakeUtility extends EventEmitter {
  static readonly made: FakeUtility[] = [];
  readonly program: string;
  readonly options: { readonly env: Readonly<Record<string, string>>; readonly execArgv: readonly string[] };
  readonly heard: { kind: string; id?: number; name?: string; input?: unknown }[] = [];
  killed = 0;
  pid: number | undefined;
  constructor(program: string, options: FakeUtility['options']) {
    super();
    this.program = program;
    this.options = options;
    FakeUtility.made.push(this);
  }
  postMessage(message: FakeUtility['heard'][number]): void {
    this.heard.push(message);
  }
  kill(): boolean {
    this.killed += 1;
    return true;
  }
}

type Decide = (allowed: boolean) => void;

export class FakeSession extends EventEmitter {
  request: (
    contents: unknown,
    permission: string,
    decide: Decide,
    details: { requestingUrl: string },
  ) => void = () => undefined;
  check: (contents: unknown, permission: string, origin: string) => boolean = () => true;
  device: () => boolean = () => true;
  before: (details: { url: string }, decide: (answer: { cancel: boolean }) => void) => void = () => undefined;
  readonly webRequest = {
    onBeforeRequest: (handler: FakeSession['before']): void => {
      this.before = handler;
    },
  };
  setPermissionRequestHandler(handler: FakeSession['request']): void {
    this.request = handler;
  }
  setPermissionCheckHandler(handler: FakeSession['check']): void {
    this.check = handler;
  }
  setDevicePermissionHandler(handler: FakeSession['device']): void {
    this.device = handler;
  }
}

const app = new FakeApp();
const ipcMain = new EventEmitter();
const defaultSession = new FakeSession();

/** What the fakes noted beyond their own objects. */
export const noted = {
  opened: [] as string[],
  revealed: [] as string[],
  errorBoxes: [] as string[],
  questions: [] as string[],
  schemes: [] as unknown[],
  protocols: {} as Record<string, (request: Request) => Promise<Response>>,
  menu: [] as readonly MenuItem[],
  /** What a person answers to a question. */
  response: 0,
};

/** The module `electron`, for `vi.mock`. */
export const electron = {
  app,
  ipcMain,
  BrowserWindow: FakeWindow,
  Tray: FakeTray,
  Notification: FakeNotification,
  Menu: {
    buildFromTemplate: (template: readonly MenuItem[]) => template,
    setApplicationMenu: (menu: readonly MenuItem[]) => {
      noted.menu = menu;
    },
  },
  nativeTheme: { themeSource: 'system', shouldUseDarkColors: true },
  protocol: {
    registerSchemesAsPrivileged: (schemes: unknown[]) => {
      app.order.push('scheme');
      noted.schemes.push(...schemes);
    },
    handle: (scheme: string, answer: (request: Request) => Promise<Response>) => {
      noted.protocols[scheme] = answer;
    },
  },
  session: { defaultSession },
  screen: { getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }] },
  shell: {
    openExternal: (url: string) => {
      noted.opened.push(url);
      return Promise.resolve();
    },
    showItemInFolder: (path: string) => void noted.revealed.push(path),
  },
  dialog: {
    showErrorBox: (title: string, text: string) => void noted.errorBoxes.push(`${title}: ${text}`),
    showMessageBox: (_window: unknown, { message }: { message: string }) => {
      noted.questions.push(message);
      return Promise.resolve({ response: noted.response });
    },
  },
  utilityProcess: {
    fork: (program: string, _args: readonly string[], options: FakeUtility['options']) =>
      new FakeUtility(program, options),
  },
};

/** Everything as it was when nothing had started. */
export function resetElectron(): void {
  for (const emitter of [app, ipcMain, defaultSession]) emitter.removeAllListeners();
  for (const list of [
    FakeWindow.made,
    FakeTray.made,
    FakeUtility.made,
    FakeNotification.shown,
    FakeNotification.made,
    app.order,
    noted.opened,
    noted.revealed,
    noted.errorBoxes,
    noted.questions,
    noted.schemes,
  ])
    list.length = 0;
  Object.assign(app, { isPackaged: false, first: true, quitted: false, exitStatus: undefined, paths: {} });
  noted.protocols = {};
  noted.menu = [];
  noted.response = 0;
}
