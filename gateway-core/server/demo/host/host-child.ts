/** The demo's own SSH server as a process: `host-child.js DIRECTORY` says its port, and ends with its standard input. */
import { startBuiltIn } from './built-in.js';

const [directory = ''] = process.argv.slice(2);
const host = await startBuiltIn(directory);
process.stdin.resume();
process.stdin.once('close', () => {
  void host.stop().finally(() => process.exit(0));
});
process.stdout.write(`${host.address}\n`);
