#!/usr/bin/env node
/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs';
import * as module from 'node:module';

const built = new URL('../../out/gateway-core/cli/main.js', import.meta.url);

if (existsSync(built)) {
  // Node 22.1 and later keep compiled code between runs.
  /** @type {{ enableCompileCache?: () => void }} */ (module).enableCompileCache?.();
  const { main } = /** @type {typeof import('./main.js')} */ (await import(built.href));
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  process.exitCode = await main(process.argv.slice(2), /** @type {{ version: string }} */ (JSON.parse(text)));
} else {
  process.stderr.write('throughline: the program is not built yet; run `npm run build` first\n');
  process.exitCode = 1;
}
