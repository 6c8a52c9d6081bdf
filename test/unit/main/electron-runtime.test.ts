import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');
type Runtime = { readonly path?: string; readonly missing?: string };
const { electronRuntime } = (await import(
  pathToFileURL(join(root, 'gateway-core', 'setup', 'electron-runtime.mjs')).href
)) as { electronRuntime: (env: NodeJS.ProcessEnv) => Runtime };

const program: Readonly<Record<string, string>> = {
  darwin: 'Electron.app/Contents/MacOS/Electron',
  win32: 'electron.exe',
};

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-runtime-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

/** A folder that looks like an unpacked runtime. */
function installed(): string {
  const path = join(directory, program[process.platform] ?? 'electron');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  return path;
}

describe('the Electron runtime', () => {
  it('is missing where its folder does not hold its program, and how to get it is said', () => {
    expect(electronRuntime({ ELECTRON_OVERRIDE_DIST_PATH: directory, DISPLAY: ':1' })).toEqual({
      missing: 'the Electron runtime is not installed (npx install-electron)',
    });
  });

  it('is found where there is a display and somebody who is not root', () => {
    const path = installed();
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const env = { ELECTRON_OVERRIDE_DIST_PATH: directory };
    expect(electronRuntime({ ...env, DISPLAY: ':1' })).toEqual({ path });
    expect(electronRuntime({ ...env, WAYLAND_DISPLAY: 'wayland-0' })).toEqual({ path });
    if (process.platform !== 'linux') return;
    expect(electronRuntime(env)).toEqual({ missing: 'there is no display here' });
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    expect(electronRuntime({ ...env, DISPLAY: ':1' })).toEqual({ missing: 'Electron does not run as root' });
  });

  it('is not asked of a machine that lacks it: the suite in Electron is skipped, and says why', () => {
    const env = { ...process.env, ELECTRON_OVERRIDE_DIST_PATH: directory };
    const suite = join(root, 'test', 'desktop', 'electron.mjs');
    const { status, stdout } = spawnSync(process.execPath, [suite], { env, encoding: 'utf8' });
    expect([status, stdout]).toEqual([
      0,
      'the desktop suite in Electron was skipped: the Electron runtime is not installed (npx install-electron)\n',
    ]);
  });
});
