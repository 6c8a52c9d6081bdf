import { type Output, print } from './output.js';

/** How a person uses files for ssh (agent/tunnel/ssh-files.ts): at once, and from now on. */
export function printSshWays(stdout: Output, command: string, include: string): void {
  print(stdout);
  print(stdout, `  ${command}`);
  print(stdout);
  print(stdout, 'For every tool that reads ~/.ssh/config, put this line at its top, once:');
  print(stdout);
  print(stdout, `  Include ${include}`);
  print(stdout);
}
