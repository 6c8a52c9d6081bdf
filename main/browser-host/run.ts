import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openState } from '../../gateway-core/agent/client/state.js';
import { agentBehind } from '../../gateway-core/agent/tunnel/deputy.js';
import { forkAgent } from '../agent-host/fork.js';
import { type Core, createCore } from '../core.js';
import type { RunningDemo } from '../gateway/running-demo.js';
import { rendererFiles } from '../renderer-files/files.js';
import { confFile } from '../settings/conf-file.js';
import { desktopPlaces } from '../settings/places.js';
import { claimInstance, readAsk, releaseInstance } from './instance.js';
import { createKeys, keyLimits } from './keys.js';
import { type Door, doorDirectory, findChromium, noDisplay, openAppWindow, openDoor } from './opener.js';
import { type BrowserServer, startBrowserServer } from './server.js';

export interface BrowserHostOptions {
  /** The built renderer. */
  readonly rendererDirectory: string;
  /** The agent process, and the `throughline` command. */
  readonly agentProgram: string;
  readonly throughlineProgram: string;
  readonly version: string;
  /** Why the browser host and not Electron. */
  readonly reason: string;
  /** Open a window at the start. */
  readonly open: boolean;
  /** A gateway to go to; nothing: the demo gateway is started. */
  readonly gateway?: string | undefined;
  readonly print: (line: string) => void;
}

/** A window that did not say hello by then probably did not come. */
const patienceMs = 15_000;

/**
 * Runs the desktop's host in this process until a signal ends it: agent process, demo gateway, page and bridge.
 * Resolves with the exit status.
 */
export async function runBrowserHost(options: BrowserHostOptions): Promise<number> {
  const { print } = options;
  const places = desktopPlaces();
  const keys = createKeys();
  const files = rendererFiles(options.rendererDirectory);
  let host: { core: Core; server: BrowserServer; windows: Windows } | undefined;
  const claim = await claimInstance(places.state, !options.open, async ({ secret, lastPort }) => {
    const core = createCore({
      kind: 'browser',
      reason: options.reason,
      version: options.version,
      places,
      preferencesFile: confFile(places.state),
      forkAgent: () => forkAgent(options.agentProgram),
      demo: {
        node: process.execPath,
        program: options.throughlineProgram,
      },
      openExternal: openInSystemBrowser,
      reveal: revealInFileManager,
      log: print,
    });
    const server = await startBrowserServer({
      files,
      keys,
      dispatcher: core.dispatcher,
      port: lastPort,
      report: print,
      agentBehind: agentBehind(openState()),
      opened: (ticket) => windows.opened(ticket),
      reopen: async (text) => {
        const what = readAsk(text, secret);
        return what === undefined ? undefined : windows.open(what === 'open');
      },
    });
    const windows = createWindows({
      directory: doorDirectory(places.state),
      profile: join(places.state, 'window'),
      origin: server.origin,
      issueTicket: () => keys.issueTicket(),
      anyOpen: () => core.dispatcher.windows() > 0,
      print,
    });
    host = { core, server, windows };
    return server.port;
  });
  if (claim.kind === 'running') {
    print(options.open ? 'Throughline runs already: it was asked for a window.' : openByHand(claim.door));
    return 0;
  }
  if (host === undefined) throw new Error('a claimed instance has started');
  const { core, server, windows } = host;
  process.once('exit', () => core.demo.kill());
  const ended = untilSignal(print);
  print(`Throughline ${options.version} at ${server.origin}, in the browser: ${options.reason}.`);
  print(`Enter opens it${options.open ? ' again' : ''}, Ctrl-C ends it.`);
  await windows.open(options.open);
  const stopReading = onEnter(() => void windows.open(true));
  if (options.gateway === undefined)
    void core.startDemo().then((demo) => announce(demo, core.demo.ours, print));
  else void core.useGateway(options.gateway);
  await ended;
  stopReading();
  windows.close();
  await releaseInstance(places.state, async () => {
    await server.close();
    await core.close();
  });
  return 0;
}

interface Windows {
  /** Makes a door and, when asked, a window that goes through it; resolves with the door's path. */
  open(window: boolean): Promise<string>;
  opened(ticket: string): void;
  close(): void;
}

interface WindowsOptions {
  readonly directory: string;
  readonly profile: string;
  readonly origin: string;
  readonly issueTicket: () => string;
  readonly anyOpen: () => boolean;
  readonly print: (line: string) => void;
}

function createWindows(options: WindowsOptions): Windows {
  const { print } = options;
  const noWindows = noDisplay();
  let current: { ticket: string; door: Door; timers: NodeJS.Timeout[] } | undefined;
  let appWindow: ReturnType<typeof openAppWindow> | undefined;
  const forget = (): void => {
    for (const timer of current?.timers ?? []) clearTimeout(timer);
    current?.door.close();
    current = undefined;
  };
  const show = (door: Door): void => {
    const chromium = findChromium();
    if (chromium === undefined) return openDoorInBrowser(door);
    const child = openAppWindow(chromium, options.profile, door.path);
    appWindow = child;
    child.once('error', () => openDoorInBrowser(door));
    child.once('exit', (code) => {
      if (appWindow === child) appWindow = undefined;
      // It can also have handed over to a window that is open already.
      if (current?.door === door && code !== 0) openDoorInBrowser(door);
      else if (!options.anyOpen() && current === undefined) {
        print(
          'The window is closed; tunnels and sessions go on. Enter opens it again, Ctrl-C ends everything.',
        );
      }
    });
  };
  return {
    open: async (window) => {
      forget();
      const ticket = options.issueTicket();
      const door = await openDoor(options.directory, options.origin, ticket);
      const late = (): void => print(`No window yet? ${openByHand(door.path)}`);
      current = { ticket, door, timers: [setTimeout(forget, keyLimits.ticketLifeMs)] };
      if (!window || noWindows !== undefined) {
        print(
          noWindows === undefined || !window
            ? openByHand(door.path)
            : `${noWindows}. ${openByHand(door.path)}`,
        );
      } else {
        current.timers.push(setTimeout(late, patienceMs));
        show(door);
      }
      return door.path;
    },
    opened: (ticket) => {
      if (current?.ticket === ticket) forget();
    },
    close: () => {
      forget();
      appWindow?.kill('SIGTERM');
    },
  };
}

function openByHand(path: string): string {
  return `Open this page in a browser of this machine within a minute (Enter makes a new one): ${pathToFileURL(path).href}`;
}

function openDoorInBrowser(door: Door): void {
  void openInSystemBrowser(pathToFileURL(door.path).href);
}

async function openInSystemBrowser(url: string): Promise<void> {
  const { openInBrowser } = await import('../../gateway-core/agent/client/browser.js');
  openInBrowser(url);
}

/** Linux has no common way to point at one file: its folder is shown. */
function revealInFileManager(path: string): Promise<void> {
  const [program, ...args] =
    process.platform === 'darwin'
      ? ['open', '-R', path]
      : process.platform === 'win32'
        ? ['explorer.exe', `/select,${path}`]
        : ['xdg-open', dirname(path)];
  const child = spawn(program ?? 'xdg-open', args, { stdio: 'ignore', detached: true });
  child.once('error', () => undefined);
  child.unref();
  return Promise.resolve();
}

/** The lines of `throughline up --demo`: the demo is there for the command line too. */
function announce(demo: RunningDemo | undefined, ours: boolean, print: (line: string) => void): void {
  if (demo === undefined) return;
  print(`The demo gateway accepts connections at ${demo.url}${ours ? '' : '; it ran already and stays'}.`);
  if (demo.demoSecret === undefined) return;
  print('Try it in another terminal:');
  print(
    `  npx throughline login --gateway ${demo.url} --demo-user contractor --demo-secret ${demo.demoSecret}`,
  );
  print('  npx throughline exec shop-db -- psql');
}

/** The first signal ends everything in order, the second one does not wait. */
function untilSignal(print: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let ending = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (ending) process.exit(1);
        ending = true;
        print('Ending sessions and tunnels; once more to end at once.');
        resolve();
      });
    }
  });
}

function onEnter(pressed: () => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => undefined;
  stdin.on('data', pressed);
  return () => {
    stdin.off('data', pressed);
    stdin.pause();
  };
}
