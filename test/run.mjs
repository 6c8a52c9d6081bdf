/** `npm test`: sets itself up (npm packages, build, Debian packages), runs the checks and every test. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from '../gateway-core/setup/check.mjs';
import { installDebianPackages } from '../gateway-core/setup/debian-packages.mjs';
import { fail, prepare, run, tool } from '../gateway-core/setup/prepare.mjs';

prepare();
const byHand = installDebianPackages();
if (byHand !== undefined)
  fail(`the live tests need Debian packages; run this, then npm test again:\n  ${byHand}`);

const checks = runChecks();
const scratch = mkdtempSync(join(tmpdir(), 'throughline-test-'));
const report = join(scratch, 'report.json');
const [node, vitest] = tool('vitest', 'vitest.mjs');
const green = run(node, [
  vitest,
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
const totals = read();
rmSync(scratch, { recursive: true, force: true });

const passed = checks.passed + totals.passed;
// A run that broke without a failing test (a crashed worker, an error outside a test) is a failure too.
const failed = checks.failed + Math.max(totals.failed, green ? 0 : 1);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function read() {
  try {
    const json = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: json.numPassedTests, failed: json.numFailedTests };
  } catch {
    return { passed: 0, failed: 1 };
  }
}
