import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPackage, extractAll, type FileRecord, getRawHeader } from '@electron/asar';
import { FuseState, FuseV1Options, FuseVersion, getCurrentFuseWire } from '@electron/fuses';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addonBeside, loadAddon } from '../../gateway-core/agent/lineage/native.js';
import { forkAgent } from '../../main/agent-host/fork.js';

/**
 * What electron-builder makes of out/ and electron-builder.yml. The Electron runtime is not needed for that: a folder
 * that looks like one stands for it, so its program is never run here.
 */
const root = join(import.meta.dirname, '..', '..');
const out = join(root, 'out');

/** What stands before the fuses in every Electron program, so that tools find them. */
const fuseSentinel = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';

const programs = ['electron.mjs', 'agent-process.mjs', 'preload.cjs'];
/** Outside the archive: for this processor, where there is one for it. */
const addon = 'out/desktop/native/koffi.node';
const icons = ['icon.png', 'tray.png', 'trayTemplate.png', 'trayTemplate@2x.png'];

let scratch = '';
let app = '';
let archive = '';
let executable = '';
/** Every file of the archive, by its path with slashes. */
const packed = new Map<string, FileRecord>();

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'throughline-packing-'));
  const dist = await runtimeLookalike(join(scratch, 'runtime'));
  pack(dist, join(scratch, 'installers'));
  const folder = join(scratch, 'installers', 'linux-unpacked');
  executable = join(folder, 'throughline-desktop');
  archive = join(folder, 'resources', 'app.asar');
  const { header } = getRawHeader(archive);
  for (const [path, file] of filesOf('', header.files)) packed.set(path, file);
  app = join(scratch, 'app');
  extractAll(archive, app);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The few files of an Electron runtime that packing looks at; its program is the wire of fuses alone. */
async function runtimeLookalike(folder: string): Promise<string> {
  const { version } = manifestIn(join(root, 'node_modules', 'electron'));
  mkdirSync(join(folder, 'locales'), { recursive: true });
  mkdirSync(join(folder, 'resources'));
  mkdirSync(join(folder, 'default_app'));
  const fuses = Object.values(FuseV1Options).filter((each) => typeof each === 'number');
  // Every fuse stands the other way round than the app wants it, so that each has to be set.
  const wire = fuses.map((fuse) => (expectedFuses.get(fuse) === FuseState.ENABLE ? '0' : '1')).join('');
  const sentinel = Buffer.concat([
    Buffer.from(`a runtime ${fuseSentinel}`),
    Buffer.from([Number(FuseVersion.V1), fuses.length]),
    Buffer.from(`${wire} of fuses`),
  ]);
  writeFileSync(join(folder, 'electron'), sentinel, { mode: 0o755 });
  writeFileSync(join(folder, 'version'), String(version));
  for (const name of ['LICENSE', 'LICENSES.chromium.html', 'locales/en-US.pak', 'default_app/index.js'])
    writeFileSync(join(folder, name), '');
  await createPackage(join(folder, 'default_app'), join(folder, 'resources', 'default_app.asar'));
  rmSync(join(folder, 'default_app'), { recursive: true });
  return folder;
}

function pack(dist: string, output: string): void {
  const builder = join(root, 'node_modules', 'electron-builder', 'out', 'cli', 'cli.js');
  const overrides = [`-c.electronDist=${dist}`, `-c.directories.output=${output}`];
  const args = [builder, '--linux', 'dir', '--x64', '--publish', 'never', ...overrides];
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`packing failed:\n${result.stdout}\n${result.stderr}`);
}

function filesOf(folder: string, files: Readonly<Record<string, object>>): [string, FileRecord][] {
  return Object.entries(files).flatMap(([name, entry]): [string, FileRecord][] => {
    const path = folder === '' ? name : `${folder}/${name}`;
    if ('files' in entry) return filesOf(path, entry.files as Record<string, object>);
    return [[path, entry as FileRecord]];
  });
}

function manifestIn(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
}

const on = FuseState.ENABLE;
const off = FuseState.DISABLE;
const expectedFuses: ReadonlyMap<FuseV1Options, FuseState> = new Map([
  [FuseV1Options.RunAsNode, off],
  [FuseV1Options.EnableNodeOptionsEnvironmentVariable, off],
  [FuseV1Options.EnableNodeCliInspectArguments, off],
  [FuseV1Options.GrantFileProtocolExtraPrivileges, off],
  [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot, off],
  [FuseV1Options.EnableCookieEncryption, on],
  [FuseV1Options.EnableEmbeddedAsarIntegrityValidation, on],
  [FuseV1Options.OnlyLoadAppFromAsar, on],
]);

describe('the packed app', () => {
  it('holds its programs, their icons, the page, the licences, and nothing else', () => {
    const page = (path: string): boolean => path.startsWith('out/renderer/assets/');
    const others = [...packed.keys()].filter((path) => !page(path)).sort();
    expect(others).toEqual(
      [
        'package.json',
        'out/renderer/index.html',
        'out/renderer/THIRD-PARTY-LICENSES.txt',
        'out/desktop/THIRD-PARTY-LICENSES.txt',
        ...programs.map((name) => `out/desktop/${name}`),
        ...icons.map((name) => `out/desktop/icons/${name}`),
        addon,
      ].sort(),
    );
    const assets = [...packed.keys()].filter(page);
    expect(assets.length).toBeGreaterThan(5);
    // Hashed names of what a page loads: no source, no map, no test.
    expect(assets.filter((path) => !/-[\w-]{8}\.(js|css|woff2|ttf|png)$/.test(path))).toEqual([]);
  });

  it('holds every file that the page was built to', () => {
    const built = readdirSync(join(out, 'renderer', 'assets')).map((name) => `out/renderer/assets/${name}`);
    expect(built.filter((path) => !packed.has(path))).toEqual([]);
  });

  it('holds each file as it was built, inside the archive, with its hash', () => {
    const changed = [...packed.keys()].filter((path) => path !== 'package.json' && !same(path));
    expect(changed).toEqual([]);
    for (const [path, file] of packed) {
      if (path === addon) continue;
      const hash = createHash('sha256')
        .update(readFileSync(join(app, path)))
        .digest('hex');
      expect([path, file.unpacked ?? false, file.integrity?.hash]).toEqual([path, false, hash]);
    }
  });

  it('holds one file beside the archive: the addon with which the agent asks the kernel, as its package has it', () => {
    const unpacked = [...packed].filter(([, file]) => file.unpacked).map(([path]) => path);
    expect(unpacked).toEqual([addon]);
    const beside = addonBeside(new URL(`file://${archive}/out/desktop/agent-process.mjs`).href);
    expect(beside).toBe(join(`${archive}.unpacked`, addon));
    const found = readFileSync(beside);
    const packaged = join(root, 'node_modules', '@koromix', `koffi-linux-${process.arch}`);
    expect(found.equals(readFileSync(join(packaged, `linux_${process.arch}`, 'koffi.node')))).toBe(true);
    expect(text('agent-process.mjs')).toContain('"native", "koffi.node"');
    expect(text('THIRD-PARTY-LICENSES.txt')).toMatch(/^koffi \d/m);
    // By itself, without its package: Node takes the place of Electron here.
    const library = loadAddon(beside).load(null);
    expect(library.func('int getpid()')()).toBe(process.pid);
  });

  it('starts at its own main program, and names no script and no package', () => {
    const manifest = manifestIn(app);
    expect(manifest['main']).toBe('out/desktop/electron.mjs');
    expect(packed.has(String(manifest['main']))).toBe(true);
    const clone = manifestIn(root);
    expect([manifest['name'], manifest['version']]).toEqual([clone['name'], clone['version']]);
    const told = [
      'scripts',
      'bin',
      'dependencies',
      'devDependencies',
      'optionalDependencies',
      'allowScripts',
    ];
    expect(told.filter((name) => (manifest[name] ?? undefined) !== undefined)).toEqual([]);
  });

  it('loads with no package beside it but Electron’s own', () => {
    // A second start: it loads everything, finds that another one runs, and quits.
    const electron = join(app, 'node_modules', 'electron');
    mkdirSync(electron, { recursive: true });
    writeFileSync(
      join(electron, 'package.json'),
      '{"name":"electron","type":"module","exports":"./index.js"}',
    );
    const names = [...text('electron.mjs').matchAll(/^import (.*) from "electron";$/gm)].flatMap((match) =>
      [...(match[1] ?? '').matchAll(/\b(?!as\b)([A-Za-z]+)(?: as \w+)?(?=[,\s}])/g)].map((each) => each[1]),
    );
    expect(names).toContain('utilityProcess');
    const others = names.filter((name) => name !== 'app' && name !== 'electron');
    writeFileSync(
      join(electron, 'index.js'),
      `export const app = {
        getPath: () => ${JSON.stringify(scratch)},
        setPath: () => undefined,
        requestSingleInstanceLock: () => false,
        quit: () => console.log('quit'),
      };
      export const ${[...new Set(others)].map((name) => `${name} = {}`).join(', ')};
      export default { app };`,
    );
    const main = join(app, 'out', 'desktop', 'electron.mjs');
    const env = { ...process.env, THROUGHLINE_HOME: scratch, NODE_PATH: '' };
    const { stdout, stderr } = spawnSync(process.execPath, [main], { cwd: app, env, encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: 'quit\n', stderr: '' });
  });

  it('brings an agent that runs with no package beside it', async () => {
    const home = process.env['THROUGHLINE_HOME'];
    process.env['THROUGHLINE_HOME'] = join(scratch, 'home');
    const agent = forkAgent(join(app, 'out', 'desktop', 'agent-process.mjs'));
    if (home === undefined) delete process.env['THROUGHLINE_HOME'];
    else process.env['THROUGHLINE_HOME'] = home;
    const ended = new Promise<string>((resolve) => agent.onExit(resolve));
    const first = new Promise((resolve) => agent.onMessage(resolve));
    agent.send({ kind: 'start', version: '1', platform: process.platform });
    expect(await Promise.race([first, ended])).toMatchObject({ kind: 'event', name: 'app.changed' });
    agent.end();
    expect(await ended).toBe('status 0');
  });

  it('gives the page a bridge that loads Electron and nothing else', () => {
    const loads = [...text('preload.cjs').matchAll(/\b(?:require|import)\s*\(([^)]*)\)/g)];
    expect(loads.map((match) => match[1])).toEqual(['"electron"']);
    expect(text('preload.cjs')).not.toMatch(/^\s*(import|export)\b/m);
  });

  it('imports nothing but Node and Electron', () => {
    const known = (name: string): boolean =>
      name === 'electron' || name.startsWith('node:') || builtinModules.includes(name);
    for (const program of ['electron.mjs', 'agent-process.mjs']) {
      const names = [...text(program).matchAll(/^import\b[^'"\n]*?"([^"\n]+)";?$/gm)].map(
        (match) => match[1],
      );
      expect(names).toContain('node:fs');
      expect(names.filter((name) => name === undefined || !known(name))).toEqual([]);
    }
  });
});

describe('the packed program', () => {
  it('has every fuse where it belongs', async () => {
    const wire = await getCurrentFuseWire(executable);
    const named = (fuses: Iterable<readonly [FuseV1Options, FuseState | undefined]>): unknown[] =>
      [...fuses].map(([fuse, state]) => [FuseV1Options[fuse], state]);
    const states = [...expectedFuses.keys()].map((fuse) => [fuse, wire[fuse]] as const);
    expect(named(states)).toEqual(named(expectedFuses));
  });
});

describe('the configuration of the installers', () => {
  const config = parse(readFileSync(join(root, 'electron-builder.yml'), 'utf8')) as Record<
    'asar' | 'mac' | 'win' | 'linux' | 'publish' | 'nsis',
    Record<string, unknown>
  >;

  it('is the same app on every system: no part of it adds files or leaves the archive', () => {
    expect(config.asar).toBe(true);
    for (const system of [config.mac, config.win, config.linux]) {
      const own = Object.keys(system).filter((key) => /^(files|asar|extra|electronFuses)/.test(key));
      expect(own).toEqual([]);
    }
    expect([config.linux['target'], config.mac['target'], config.win['target']]).toEqual([
      ['deb', 'AppImage'],
      ['dmg', 'zip'],
      ['nsis'],
    ]);
  });

  it('hardens the runtime of macOS, and lets it compile scripts and nothing more', () => {
    expect(config.mac['hardenedRuntime']).toBe(true);
    const files = new Set([config.mac['entitlements'], config.mac['entitlementsInherit']]);
    expect(files.size).toBe(1);
    for (const file of files) {
      const keys = readFileSync(join(root, String(file)), 'utf8').matchAll(/<key>([^<]+)<\/key>/g);
      expect([...keys].map((match) => match[1])).toEqual(['com.apple.security.cs.allow-jit']);
    }
  });
});

const text = (program: string): string => readFileSync(join(app, 'out', 'desktop', program), 'utf8');

function same(path: string): boolean {
  return readFileSync(join(app, path)).equals(readFileSync(join(root, path)));
}
