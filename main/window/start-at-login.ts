import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { app } from 'electron';

/** Shows no window: tray and agent only. */
export const hiddenFlag = '--hidden';

/**
 * Whether the system starts the app when the person signs in to it. On Linux by a file of the XDG autostart
 * specification, elsewhere through Electron. Only for an installed app: a clone's Electron would start without it.
 * Throws the system's error when the file cannot be written.
 */
export function startAtLogin(wanted: boolean, env: NodeJS.ProcessEnv = process.env): void {
  if (!app.isPackaged) return;
  if (process.platform !== 'linux') {
    app.setLoginItemSettings({ openAtLogin: wanted, args: [hiddenFlag] });
    return;
  }
  const directory = join(absolute(env['XDG_CONFIG_HOME']) ?? join(homedir(), '.config'), 'autostart');
  const file = join(directory, 'throughline.desktop');
  if (!wanted) {
    rmSync(file, { force: true });
    return;
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // An AppImage runs from a mount that is another one at each start.
  writeFileSync(file, autostartEntry(env['APPIMAGE'] ?? process.execPath), { mode: 0o600 });
}

/** The specification says that a relative path counts as none. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path : undefined;
}

/** Desktop Entry Specification 1.5; the program in quotes as its section on the Exec key says. */
export function autostartEntry(program: string): string {
  const quoted = program
    .replaceAll(/["`$\\]/g, '\\$&')
    .replaceAll('%', '%%')
    .replaceAll('\\', '\\\\');
  return `[Desktop Entry]
Type=Application
Name=Throughline
Comment=Tunnels and recording in the background
Exec="${quoted}" ${hiddenFlag}
Icon=throughline
Terminal=false
X-GNOME-Autostart-enabled=true
`;
}
