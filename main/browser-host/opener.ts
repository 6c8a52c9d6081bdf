import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync, unlinkSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { privateDirectory, writePrivate } from '../../gateway-core/agent/client/private-files.js';

/**
 * A page in a private file that leads to the app with a ticket. The ticket stands in that file and nowhere else: a
 * program's arguments, and so the address that a browser is started with, can be read by every user of the machine.
 */
export interface Door {
  readonly path: string;
  /** Takes the file away. */
  close(): void;
}

/** The file has one name in all runs: a browser remembers an app window's size by its address. */
export async function openDoor(directory: string, origin: string, ticket: string): Promise<Door> {
  privateDirectory(directory);
  const path = join(directory, 'open.html');
  await writePrivate(path, page(`${origin}/#ticket=${ticket}`));
  return {
    path,
    close: () => {
      try {
        unlinkSync(path);
      } catch {
        // Gone already.
      }
    },
  };
}

/** Origin and ticket are our own and hold no character that HTML or a script would read otherwise. */
function page(address: string): string {
  return `<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<noscript><meta http-equiv="refresh" content="0; url=${address}"></noscript>
<title>Throughline</title>
<p><a href="${address}">Open Throughline</a></p>
<script>location.replace(${JSON.stringify(address)})</script>
`;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the door stands: the session's own directory, which ends with the session, else a private one of ours. */
export function doorDirectory(state: string, env: Environment = process.env): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  const usable = env['THROUGHLINE_HOME'] === undefined && runtime !== undefined && isAbsolute(runtime);
  return usable && existsSync(runtime) ? join(runtime, 'throughline') : join(state, 'run');
}

const chromiumNames = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'microsoft-edge',
];
const macPrograms = ['Google Chrome', 'Chromium', 'Microsoft Edge'];
const windowsFolders = ['ProgramFiles', 'ProgramFiles(x86)', 'LOCALAPPDATA'];
const windowsPrograms = [
  'Google\\Chrome\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
];

function candidates(env: Environment): string[] {
  if (process.platform === 'darwin') {
    return macPrograms.map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`);
  }
  if (process.platform === 'win32') {
    return windowsFolders.flatMap((variable) => {
      const folder = env[variable];
      return folder === undefined ? [] : windowsPrograms.map((program) => join(folder, program));
    });
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.flatMap((folder) => chromiumNames.map((name) => join(folder, name)));
}

/** Why no window can be opened here at all, or nothing. */
export function noDisplay(env: Environment = process.env): string | undefined {
  const headless = process.platform === 'linux' && !env['DISPLAY'] && !env['WAYLAND_DISPLAY'];
  return headless ? 'there is no display here' : undefined;
}

/** A Chromium that can show the app in a window of its own. */
export function findChromium(env: Environment = process.env): string | undefined {
  // As root it refuses to start with its sandbox on.
  if (process.getuid?.() === 0) return undefined;
  return candidates(env).find((candidate) => isUsable(candidate));
}

/** One from a snap has its own view of the file system and would not find the door. */
function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return !realpathSync(path).startsWith('/snap/') && !realpathSync(path).endsWith('/snap');
  } catch {
    return false;
  }
}

/** Opens the door in an app window: a browser process and profile of its own, without the person's extensions. */
export function openAppWindow(chromium: string, profile: string, door: string): ChildProcess {
  privateDirectory(profile);
  const args = [
    `--app=${pathToFileURL(door).href}`,
    `--user-data-dir=${profile}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-extensions',
    '--disable-sync',
    '--class=throughline',
  ];
  // Of its own group: Ctrl-C in the terminal reaches the host alone.
  return spawn(chromium, args, { stdio: 'ignore', detached: true });
}
