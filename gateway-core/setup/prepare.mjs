/**
 * What `npm start`, `npm test` and `npm run check` need before they can run on a fresh clone: a fitting Node, the
 * npm packages of the lock file, a build. Plain JavaScript on purpose: nothing is installed or compiled yet.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stalePartsOfDesktop } from './build-desktop.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs a command in the clone; output goes to stderr, so that stdout stays the product's. Returns success. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  return result.status === 0;
}

/** The path of a package's command, run with this very Node: no shell, no PATH, works the same on every platform. */
export function tool(name, path) {
  return [process.execPath, join(root, 'node_modules', name, path)];
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return;
  fail(
    `Node ${process.versions.node} is too old: install Node 20.19 or later, or 22.12 or later, then run this again`,
  );
}

function installPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.versions.modules)
    .digest('hex');
  const marker = join(root, 'node_modules', '.throughline-installed');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return;
  console.error('installing npm packages (once per lock file) ...');
  // Not `npm ci`: it refuses a lock file when the registry at hand lacks packages of other platforms. The lock file's
  // versions and hashes hold all the same, and --no-save leaves it as it is.
  // shell on Windows only: npm is a .cmd file there, which cannot be spawned directly.
  if (
    !run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], { shell: process.platform === 'win32' })
  ) {
    fail('npm install failed: see its output above; npm needs to reach a package registry');
  }
  ensureStoreDriver();
  writeFileSync(marker, lock);
}

/** Without node:sqlite (Node 22.13 on) the embedded store is better-sqlite3, which a C++ compiler builds at install. */
function ensureStoreDriver() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 13) || driverLoads()) return;
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', 'g++', 'make', 'python3'];
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const [program = 'apt-get', ...args] = [...sudo, ...command];
  console.error('the embedded store needs a C++ compiler to build better-sqlite3: trying to install one ...');
  if (run(program, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }))
    run('npm', ['rebuild', 'better-sqlite3']);
  if (!driverLoads()) {
    fail(
      `the embedded store has no driver: use Node 22.13 or later, or run "sudo ${command.join(' ')}", then "npm rebuild better-sqlite3"`,
    );
  }
}

function driverLoads() {
  const script = "new (require('better-sqlite3'))(':memory:').close()";
  return spawnSync(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' }).status === 0;
}

/** What `npm run build` does, unless out/ holds what comes of these very files. */
function build() {
  const marker = join(root, 'out', '.built');
  const sources = digestOf(root).digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === sources && !compiledSince(marker)) return;
  mkdirSync(join(root, 'out'), { recursive: true });
  const steps = [[...tool('typescript', 'bin/tsc'), '-p', '.'], ...builders];
  for (const [program, ...args] of steps)
    if (!run(program, args)) fail('the build failed: see the errors above');
  writeFileSync(marker, sources);
}

/** The page and the processes of the desktop, those of them whose sources have changed. */
function buildDesktop() {
  if (stalePartsOfDesktop().length === 0) return;
  console.error('building the desktop (once per change) ...');
  const builder = join(root, 'gateway-core', 'setup', 'build-desktop.mjs');
  if (!run(process.execPath, [builder])) fail('the build of the desktop failed: see the errors above');
}

const builders = ['bundle.mjs', 'build-viewer.mjs'].map((name) => [
  process.execPath,
  join(root, 'gateway-core', 'setup', name),
]);

/** Every file of the clone counts, by name and content: there are few, and none can be forgotten. */
function digestOf(folder, hash = createHash('sha256')) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.name === 'out') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) digestOf(path, hash);
    if (!entry.isFile()) continue;
    const content = createHash('sha256').update(readFileSync(path)).digest('hex');
    hash.update(`${content} ${path}\0`);
  }
  return hash;
}

/** Somebody ran tsc, perhaps on other sources. */
function compiledSince(marker) {
  const compiled = join(root, 'out', 'gateway-core', 'cli', 'main.js');
  return !existsSync(compiled) || statSync(compiled).mtimeMs > statSync(marker).mtimeMs;
}

export function prepare() {
  requireNode();
  installPackages();
  build();
  buildDesktop();
}

export function fail(message) {
  console.error(`throughline: ${message}`);
  process.exit(1);
}
