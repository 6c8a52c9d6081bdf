import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { node } from './built.js';

const source = fileURLToPath(new URL('../../../gateway-core/cli/throughline.mjs', import.meta.url));
const bundled = 'out/bundle/main.js';
const compiled = 'out/gateway-core/cli/main.js';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'throughline-entry-'));
  write('package.json', '{ "type": "module", "version": "1.2.3" }');
  write('gateway-core/cli/throughline.mjs', '');
  copyFileSync(source, join(base, 'gateway-core/cli/throughline.mjs'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), text);
}

/** A program that says which it is, and what it was given. */
function program(path: string, atSeconds: number): void {
  write(
    path,
    `export async function main(argv, { version }) { console.log('${path}', version, ...argv); return 7; }`,
  );
  utimesSync(join(base, path), atSeconds, atSeconds);
}

const run = () => node([join(base, 'gateway-core/cli/throughline.mjs'), 'a', '--b']);

describe('the command', () => {
  test.each([
    { bundledAt: 2000, compiledAt: 1000, runs: bundled, what: 'the bundle that was made of the build' },
    { bundledAt: 1000, compiledAt: 1000, runs: bundled, what: 'the bundle where all files are of one age' },
    { bundledAt: 1000, compiledAt: 2000, runs: compiled, what: 'the build that is newer than the bundle' },
    { bundledAt: 1000, compiledAt: undefined, runs: bundled, what: 'the bundle alone' },
    { bundledAt: undefined, compiledAt: 1000, runs: compiled, what: 'the build alone' },
  ])('runs $what', async ({ bundledAt, compiledAt, runs }) => {
    if (bundledAt !== undefined) program(bundled, bundledAt);
    if (compiledAt !== undefined) program(compiled, compiledAt);
    expect(await run()).toEqual({ status: 7, out: `${runs} 1.2.3 a --b\n`, err: '' });
  });

  test('says what to do when nothing is built', async () => {
    const { status, err } = await run();
    expect(err).toContain('npm run build');
    expect(status).toBe(1);
  });
});
