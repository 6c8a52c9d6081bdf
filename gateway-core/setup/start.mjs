/**
 * `npm start`: sets itself up, then opens the desktop on a demo gateway. Flags after `--`:
 * `--no-open` prints how to open the desktop, `--gateway URL` goes there and starts no demo, `--headless` runs the demo
 * gateway alone in the foreground (what else is given goes to `throughline up`).
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { electronRuntime } from './electron-runtime.mjs';
import { fail, prepare, root } from './prepare.mjs';

/** An Electron that ends so soon, and badly, never opened its window: it lacks a library, or may not make a sandbox. */
const electronStartMs = 5000;

const program = join(root, 'gateway-core', 'cli', 'throughline.mjs');
const headless = process.argv.includes('--headless');
const flags = headless ? {} : readFlags();

prepare();
if (headless) await runGateway(process.argv.slice(2).filter((each) => each !== '--headless'));
else await openDesktop();

function readFlags() {
  const options = { 'no-open': { type: 'boolean' }, gateway: { type: 'string' } };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(`${error.message}\nflags: --no-open, --gateway URL, --headless`);
  }
}

async function openDesktop() {
  const runtime = electronRuntime();
  let reason = runtime.missing;
  if (runtime.path !== undefined && flags['no-open'] !== true) {
    const ended = await runElectron(runtime.path);
    if (ended === undefined) return;
    reason = `Electron did not start (${ended})`;
  }
  await runBrowserHost(reason ?? '--no-open was given');
}

/** Resolves when it ended: with how, when that was too soon and badly. */
function runElectron(path) {
  const startedAtMs = performance.now();
  const args = [join(root, 'out', 'desktop', 'electron.mjs')];
  if (flags.gateway !== undefined) args.push(`--gateway=${flags.gateway}`);
  console.log('Throughline in Electron.');
  const child = spawn(path, args, {
    stdio: 'inherit',
    // Electron runs no Node programs; the demo gateway gets this very Node.
    env: { ...process.env, THROUGHLINE_DEMO_NODE: process.execPath, THROUGHLINE_DEMO_PROGRAM: program },
  });
  passSignals(child);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.code ?? 'unknown'));
    child.once('exit', (code, signal) => {
      const soon = performance.now() - startedAtMs < electronStartMs;
      if (soon && code !== 0) return resolve(signal ?? `status ${code}`);
      process.exitCode = code ?? 1;
      resolve(undefined);
    });
  });
}

async function runBrowserHost(reason) {
  const host = await import(pathToFileURL(join(root, 'out', 'desktop', 'browser-host.mjs')).href);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  process.exitCode = await host.runBrowserHost({
    rendererDirectory: join(root, 'out', 'renderer'),
    agentProgram: join(root, 'out', 'desktop', 'agent-process.mjs'),
    throughlineProgram: program,
    version,
    reason,
    open: flags['no-open'] !== true,
    gateway: flags.gateway,
    print: (line) => console.log(line),
  });
}

function runGateway(args) {
  const child = spawn(process.execPath, [program, 'up', '--demo', ...args], { stdio: 'inherit' });
  passSignals(child);
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 1;
      resolve();
    });
  });
}

/** The terminal sends Ctrl-C to both; the child decides when it is done. */
function passSignals(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
}
