/** Whether this machine can show the Electron app: npm brings Electron's types, its runtime is installed apart. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './prepare.mjs';

const programs = {
  darwin: 'Electron.app/Contents/MacOS/Electron',
  win32: 'electron.exe',
};

/** `{path}` of the runtime's program, or `{missing}`: why it cannot be used here. */
export function electronRuntime(env = process.env) {
  const folder = env.ELECTRON_OVERRIDE_DIST_PATH || join(root, 'node_modules', 'electron', 'dist');
  const path = join(folder, programs[process.platform] ?? 'electron');
  if (!existsSync(path)) return { missing: 'the Electron runtime is not installed (npx install-electron)' };
  if (process.platform === 'linux') {
    if (!env.DISPLAY && !env.WAYLAND_DISPLAY) return { missing: 'there is no display here' };
    if (process.getuid() === 0) return { missing: 'Electron does not run as root' };
  }
  return { path };
}
