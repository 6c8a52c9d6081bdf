import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TunnelView } from '../../../gateway-core/contract/bridge/work.js';
import { menuTemplate, trayTemplate } from '../../../main/window/menu.js';
import type { MenuItem } from './electron-fakes.js';

const types = readFileSync(join(import.meta.dirname, '../../../node_modules/electron/electron.d.ts'), 'utf8');
/** Roles of items, as Electron's types name them. */
const roles = new Set(
  [...types.matchAll(/\brole\?: \(?('.*');?/g)].flatMap((match) =>
    [...(match[1] ?? '').matchAll(/'(\w+)'/g)].map((each) => each[1]),
  ),
);
/** Those that macOS alone has. */
const ofMacOs =
  /^(appMenu|about|services|hide|hideOthers|unhide|startSpeaking|stopSpeaking|front|zoom|window)$/;

const platforms = ['linux', 'darwin', 'win32'] as const;
const every = (items: readonly MenuItem[]): MenuItem[] =>
  items.flatMap((item) => [item, ...every(item.submenu ?? [])]);

function menu(platform: NodeJS.Platform, packaged = true) {
  const zooms: number[] = [];
  const items = menuTemplate(platform, packaged, { zoom: (by) => zooms.push(by) }) as MenuItem[];
  return { items: every(items), zooms };
}

describe('the menu', () => {
  it.each(platforms)('no item of it is dead on %s', (platform) => {
    const dead = menu(platform, false).items.filter(
      ({ role, click, submenu, type }) =>
        type !== 'separator' && role === undefined && click === undefined && (submenu ?? []).length === 0,
    );
    expect(dead).toEqual([]);
  });

  it.each(platforms)('every role in it is one that Electron has on %s', (platform) => {
    expect(roles.size).toBeGreaterThan(30);
    const used = menu(platform, false).items.flatMap(({ role }) => (role === undefined ? [] : [role]));
    expect(used.filter((role) => !roles.has(role))).toEqual([]);
    if (platform !== 'darwin') expect(used.filter((role) => ofMacOs.test(role))).toEqual([]);
  });

  it.each(platforms)('the app can be quit from it on %s', (platform) => {
    const used = menu(platform).items.map(({ role }) => role);
    expect(used).toContain(platform === 'darwin' ? 'appMenu' : 'quit');
  });

  it('the packed app has no developer tools in it, and no page that is loaded anew by a key', () => {
    const developer = (packaged: boolean): (string | undefined)[] =>
      menu('linux', packaged)
        .items.map(({ role }) => role)
        .filter((role) => role === 'toggleDevTools' || role === 'reload' || role === 'forceReload');
    expect(developer(true)).toEqual([]);
    expect(developer(false)).toEqual(['reload', 'toggleDevTools']);
  });

  it('sizes become larger, smaller and as they were', () => {
    const { items, zooms } = menu('linux');
    for (const label of ['Larger', 'Smaller', 'Normal size'])
      items.find((item) => item.label === label)?.click?.();
    expect(zooms).toEqual([10, -10, 0]);
  });

  it('no two items have one key', () => {
    const keys = menu('linux', false).items.flatMap(({ accelerator }) => accelerator ?? []);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

const tunnel = (n: number, state: TunnelView['state'] = 'open'): TunnelView =>
  ({ connection: `db-${n}`, host: '127.0.0.1', port: 5000 + n, state }) as TunnelView;

function tray(tunnels: readonly TunnelView[]) {
  const did: string[] = [];
  const actions = { show: () => did.push('show'), quit: () => did.push('quit') };
  const items = trayTemplate(tunnels, actions) as MenuItem[];
  return { items, did, labels: items.flatMap(({ label }) => label ?? []) };
}

describe('the menu of the tray', () => {
  it('every item of it does something, or is text and says so', () => {
    const { items, did } = tray([tunnel(1)]);
    for (const { type, enabled, click } of items)
      expect(type === 'separator' || enabled === false || click !== undefined).toBe(true);
    for (const { click } of items) click?.();
    expect(did).toEqual(['show', 'quit']);
  });

  it('names the tunnels that are open, and no other', () => {
    expect(tray([]).labels).toEqual(['Open Throughline', 'No open tunnels', 'Quit']);
    const { labels } = tray([tunnel(1), tunnel(2, 'failed'), tunnel(3, 'opening')]);
    expect(labels).toEqual(['Open Throughline', 'Open tunnels: 1', 'db-1  127.0.0.1:5001', 'Quit']);
  });

  it('counts all tunnels, and names no more than fit a screen', () => {
    const { labels } = tray(Array.from({ length: 500 }, (_, n) => tunnel(n)));
    expect(labels).toContain('Open tunnels: 500');
    expect(labels.length).toBeLessThan(30);
  });
});
