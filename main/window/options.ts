import type { BrowserWindowConstructorOptions } from 'electron';
import type { WindowState } from './window-state.js';

const minimum = { width: 720, height: 480 } as const;

/**
 * How the app's window is made. The page is not trusted: it runs in Chromium's sandbox, apart from the preload script's
 * world, without Node, and gets nothing but the bridge. The spell checker would fetch dictionaries from a network.
 */
export function windowOptions(input: {
  readonly preload: string;
  readonly icon: string;
  readonly state: WindowState;
  readonly dark: boolean;
  readonly packaged: boolean;
}): BrowserWindowConstructorOptions {
  const { bounds } = input.state;
  return {
    ...bounds,
    minWidth: minimum.width,
    minHeight: minimum.height,
    title: 'Throughline',
    icon: input.icon,
    show: false,
    backgroundColor: input.dark ? '#16181d' : '#ffffff',
    autoHideMenuBar: true,
    webPreferences: {
      preload: input.preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      devTools: !input.packaged,
    },
  };
}
