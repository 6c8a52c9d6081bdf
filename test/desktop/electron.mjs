/**
 * `npm run test:electron`: the desktop suite of `npm test` once more, in Electron. Where its runtime cannot be had, it
 * says that the suite was skipped, and why: the browser host's run stands for both.
 */
import { electronRuntime } from '../../gateway-core/setup/electron-runtime.mjs';
import { prepare, run, tool } from '../../gateway-core/setup/prepare.mjs';

const runtime = electronRuntime();
if (runtime.path === undefined) {
  console.log(`the desktop suite in Electron was skipped: ${runtime.missing}`);
} else {
  prepare();
  const [node, vitest] = tool('vitest', 'vitest.mjs');
  const env = { ...process.env, THROUGHLINE_TEST_HOST: 'electron' };
  const green = run(node, [vitest, 'run', 'test/desktop/suite-', ...process.argv.slice(2)], { env });
  process.exitCode = green ? 0 : 1;
}
