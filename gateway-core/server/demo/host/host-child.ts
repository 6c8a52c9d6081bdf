/** The demo's own SSH server as a process: `host-child.js KEYS HOME` says its port, and ends with its standard input. */
import { startBuiltIn } from './built-in.js';

const [directory = '', home = ''] = process.argv.slice(2);
const host = await startBuiltIn(directory, home);
process.stdin.resume();
process.stdin.once('close', () => {
  void host.stop().finally(() => process.exit(0));
});
process.stdout.write(`${host.address}\n`);
