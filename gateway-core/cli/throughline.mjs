#!/usr/bin/env node
/// <reference types="node" />
import { readFileSync, statSync } from 'node:fs';
import * as module from 'node:module';
import { fileURLToPath } from 'node:url';

const here = (/** @type {string} */ path) => new URL(`../../${path}`, import.meta.url);
const builtAtMs = (/** @type {URL} */ file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

// The bundle starts in a third of the time; it gives way when somebody has compiled since and not bundled.
const compiled = here('out/gateway-core/cli/main.js');
const bundled = here('out/bundle/main.js');
const program = builtAtMs(bundled) >= builtAtMs(compiled) ? bundled : compiled;

if (builtAtMs(program) > 0) {
  // Node 22.1 and later keep compiled code between runs. Beside the program, not in Node's default below the system's
  // temporary directory, where another user could put code there first.
  /** @type {{ enableCompileCache?: (directory: string) => void }} */ (module).enableCompileCache?.(
    fileURLToPath(here('out/compile-cache')),
  );
  const { main } = /** @type {typeof import('./main.js')} */ (await import(program.href));
  const text = readFileSync(here('package.json'), 'utf8');
  process.exitCode = await main(process.argv.slice(2), /** @type {{ version: string }} */ (JSON.parse(text)));
} else {
  process.stderr.write('throughline: the program is not built yet; run `npm run build` first\n');
  process.exitCode = 1;
}
