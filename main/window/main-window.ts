import { BrowserWindow, dialog, nativeTheme, screen } from 'electron';
import type { PreferencesFile } from '../settings/preferences.js';
import { windowOptions } from './options.js';
import { appOrigin } from './protocol.js';
import { fittingState, type WindowState, watchState } from './window-state.js';

export interface MainWindow {
  /** Makes the window if there is none, and brings it to the front. */
  readonly show: () => void;
  /** From now on closing closes, and nothing shows it again; until then closing hides it. */
  readonly letGo: () => void;
  readonly isVisible: () => boolean;
}

export interface MainWindowOptions {
  readonly preload: string;
  readonly icon: string;
  readonly packaged: boolean;
  /** Where its place is kept. */
  readonly state: PreferencesFile;
  /** Somebody closed it, so it was hidden. */
  readonly hidden: () => void;
  readonly quit: () => void;
  readonly complain: (what: string) => void;
}

/** The one window of the app. Closing it hides it: tunnels and sessions belong to the agent process and go on. */
export function mainWindow(options: MainWindowOptions): MainWindow {
  let window: BrowserWindow | undefined;
  let keeping = true;
  const make = (): BrowserWindow => {
    const displays = screen.getAllDisplays().map(({ workArea }) => workArea);
    const state = fittingState(kept(options), displays);
    const made = new BrowserWindow(
      windowOptions({ ...options, state, dark: nativeTheme.shouldUseDarkColors }),
    );
    if (state.maximized) made.maximize();
    watchState(made, (next) => keep(options, next));
    made.once('ready-to-show', () => made.show());
    made.on('close', (event) => {
      if (!keeping) return;
      event.preventDefault();
      made.hide();
      options.hidden();
    });
    made.once('closed', () => {
      window = undefined;
    });
    offerReload(made, options);
    made.loadURL(`${appOrigin}/`).catch(() => options.complain('the page could not be loaded'));
    return made;
  };
  return {
    show: () => {
      if (!keeping) return;
      if (window === undefined) {
        window = make();
        return;
      }
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
    },
    letGo: () => {
      keeping = false;
    },
    isVisible: () => window?.isVisible() === true && !window.isMinimized(),
  };
}

/** A file that cannot be read is put aside: it could never be written again. */
function kept({ state, complain }: MainWindowOptions): unknown {
  try {
    return state.read();
  } catch {
    complain("the window's place could not be read");
  }
  try {
    state.setAside();
  } catch {
    // Writing will fail, too, and be told.
  }
  return undefined;
}

/** Where a window stands is worth no failure: a full disk must not keep it from closing. */
function keep({ state, complain }: MainWindowOptions, next: WindowState): void {
  try {
    state.write({ ...next });
  } catch {
    complain("the window's place could not be kept");
  }
}

/** Nothing is lost when the page's process ends: text is kept as it is typed, sessions are the agent's. */
function offerReload(window: BrowserWindow, options: MainWindowOptions): void {
  const ask = async (message: string, detail: string): Promise<void> => {
    const { response } = await dialog.showMessageBox(window, {
      type: 'error',
      message,
      detail,
      buttons: ['Reload', 'Quit'],
      defaultId: 0,
      cancelId: 0,
    });
    if (window.isDestroyed()) return;
    if (response === 0) window.webContents.reload();
    else options.quit();
  };
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit') return;
    options.complain(`the page's process ended (${reason})`);
    ask('The window stopped working.', 'Your text, tunnels and sessions are kept. Reload it to go on.').catch(
      () => options.complain('the question after a crash could not be shown'),
    );
  });
}
