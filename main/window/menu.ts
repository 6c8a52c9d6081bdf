import type { MenuItemConstructorOptions } from 'electron';
import type { TunnelView } from '../../gateway-core/contract/bridge/work.js';

type Item = MenuItemConstructorOptions;

interface MenuActions {
  /** Percent to add; 0: back to 100. */
  readonly zoom: (by: number) => void;
}

/**
 * The window's menu. The page has shortcuts of its own, which a person can change; the keys of zoom stand here to be
 * read only, so that they are not taken twice.
 */
export function menuTemplate(platform: NodeJS.Platform, packaged: boolean, actions: MenuActions): Item[] {
  const shown = (label: string, accelerator: string, click: () => void): Item => ({
    label,
    accelerator,
    registerAccelerator: false,
    click,
  });
  const developer: Item[] = packaged
    ? []
    : [{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }];
  return [
    ...(platform === 'darwin' ? [{ role: 'appMenu' } as const] : []),
    {
      label: 'File',
      submenu: platform === 'darwin' ? [{ role: 'close' }] : [{ role: 'close' }, { role: 'quit' }],
    },
    { role: 'editMenu' },
    {
      label: 'View',
      submenu: [
        shown('Larger', 'CmdOrCtrl+=', () => actions.zoom(10)),
        shown('Smaller', 'CmdOrCtrl+-', () => actions.zoom(-10)),
        shown('Normal size', 'CmdOrCtrl+0', () => actions.zoom(0)),
        { type: 'separator' },
        { role: 'togglefullscreen' },
        ...developer,
      ],
    },
    { role: 'windowMenu' },
  ];
}

const tunnelsShownMax = 20;

/** The menu of the tray: what goes on while the window is closed. */
export function trayTemplate(
  tunnels: readonly TunnelView[],
  actions: { readonly show: () => void; readonly quit: () => void },
): Item[] {
  const open = tunnels.filter(({ state }) => state === 'open');
  const lines: Item[] = open.slice(0, tunnelsShownMax).map(({ connection, host, port }) => ({
    label: `${connection}  ${host}:${port}`,
    enabled: false,
  }));
  const heading = open.length === 0 ? 'No open tunnels' : `Open tunnels: ${open.length}`;
  return [
    { label: 'Open Throughline', click: actions.show },
    { type: 'separator' },
    { label: heading, enabled: false },
    ...lines,
    { type: 'separator' },
    { label: 'Quit', click: actions.quit },
  ];
}
