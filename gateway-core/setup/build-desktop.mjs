/**
 * The desktop's part of the build: out/renderer (the page, the same for both hosts) and out/desktop (one file for each
 * process). Each is made again only when something that it is made from has changed. Run by `npm run build`.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licencesFile, licencesIn } from './licences.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const out = join(root, 'out');

/** What each part is made from. Folders count with everything below them. */
const parts = {
  renderer: ['renderer', 'gateway-core/contract', 'gateway-core/setup', 'package-lock.json'],
  desktop: ['main', 'preload', 'gateway-core', 'package-lock.json', 'tsconfig.json'],
};

/** Started by its own file: process, what it is compiled to, and the bundle's name and format. */
const processes = [
  { input: 'main/browser-host/run.js', output: 'browser-host.mjs', format: 'esm' },
  { input: 'main/electron.js', output: 'electron.mjs', format: 'esm' },
  { input: 'gateway-core/agent/service/agent-process.js', output: 'agent-process.mjs', format: 'esm' },
  { input: 'gateway-core/agent/client/keyring-child.js', output: 'keyring-child.js', format: 'esm' },
  // A sandboxed preload script is CommonJS and cannot load anything.
  { input: 'preload/preload.js', output: 'preload.cjs', format: 'cjs' },
];

/** Stay packages: native code, or what the running Electron brings. */
const external = ['electron', '@napi-rs/keyring', 'libpg-query'];

/** Parts whose sources are not those that they were made from. */
export function stalePartsOfDesktop() {
  return Object.keys(parts).filter((part) => {
    const marker = join(out, `.${part}-built`);
    const made = existsSync(join(out, part)) && existsSync(marker) ? readFileSync(marker, 'utf8') : '';
    return made !== digest(part);
  });
}

function digest(part) {
  const hash = createHash('sha256');
  for (const path of parts[part]) add(hash, join(root, path));
  return hash.digest('hex');
}

function add(hash, path) {
  if (!existsSync(path)) return;
  const entries = listed(path);
  if (entries === undefined) {
    const content = createHash('sha256').update(readFileSync(path)).digest('hex');
    hash.update(`${content} ${relative(root, path)}\0`);
    return;
  }
  for (const name of entries) add(hash, join(path, name));
}

function listed(path) {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function buildRenderer() {
  const { build } = await import('vite');
  const { output } = await build({ configFile: join(root, 'renderer', 'vite.config.ts'), logLevel: 'warn' });
  writeFileSync(join(out, 'renderer', licencesFile), licencesIn(output));
}

/** Bundles what `compiled` holds into `folder`, whole or not at all. */
export async function bundleDesktop(compiled, folder) {
  const fresh = `${folder}.${process.pid}`;
  try {
    const written = await Promise.all(processes.map((each) => bundleProcess(compiled, fresh, each)));
    mkdirSync(join(fresh, 'native'));
    const addon = copyAddon(fresh);
    copyCipherAddon(fresh);
    writeFileSync(join(fresh, licencesFile), licencesIn(written.flat(), addon ? ['koffi'] : []));
    cpSync(join(root, 'main', 'window', 'icons'), join(fresh, 'icons'), { recursive: true });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * Koffi's addon for this processor, with which the agent asks the kernel who is at a socket: for Linux only, as nothing
 * is asked elsewhere. Without it that takes longer. Built for another processor, the app has none.
 */
function copyAddon(folder) {
  if (process.platform !== 'linux') return false;
  const { arch } = process;
  const addon = join(root, 'node_modules', '@koromix', `koffi-linux-${arch}`, `linux_${arch}`, 'koffi.node');
  if (!existsSync(addon)) return false;
  cpSync(addon, join(folder, 'native', 'koffi.node'));
  return true;
}

const cipherAddon = 'sshcrypto.node';

/**
 * ssh2's ciphers as native code, as npm has built them for this machine's Node. A runtime that cannot load them goes on
 * with Node's own, at a third of the speed.
 */
function copyCipherAddon(folder) {
  const build = join(
    root,
    'node_modules',
    'ssh2',
    'lib',
    'protocol',
    'crypto',
    'build',
    'Release',
    cipherAddon,
  );
  if (existsSync(build)) cpSync(build, join(folder, 'native', cipherAddon));
}

/** Where ssh2 asks for its addon, and for a package that tells of the processor: both may be missing. */
const addonsOfSsh2 = {
  name: 'addons-of-ssh2',
  resolveId: (id) => {
    if (id.endsWith(`/${cipherAddon}`)) return { id: `./native/${cipherAddon}`, external: 'relative' };
    return id === 'cpu-features' ? { id, external: true } : undefined;
  },
};

async function bundleProcess(compiled, folder, { input, output, format }) {
  const { rolldown } = await import('rolldown');
  const build = await rolldown({
    cwd: root,
    input: join(compiled, input),
    platform: 'node',
    external: (name) => isExternal(name),
    plugins: [addonsOfSsh2],
    // ssh2 looks beside itself for a program of another system.
    ...(format === 'esm' ? { transform: { define: { __dirname: 'import.meta.dirname' } } } : {}),
    resolve: { mainFields: ['module', 'main'] },
    onLog: (_level, log) => {
      throw new Error(`${output}: ${log.message}`);
    },
  });
  try {
    const written = await build.write({ file: join(folder, output), format, codeSplitting: false });
    return written.output;
  } finally {
    await build.close();
  }
}

function isExternal(name) {
  if (name.startsWith('node:') || builtinModules.includes(name)) return true;
  return external.some((each) => name === each || name.startsWith(`${each}/`));
}

/** Builds what is stale; `desktop` from what tsc has compiled. */
export async function buildDesktop() {
  for (const part of stalePartsOfDesktop()) {
    const made = digest(part);
    if (part === 'renderer') await buildRenderer();
    else await bundleDesktop(out, join(out, 'desktop'));
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, `.${part}-built`), made);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDesktop();
