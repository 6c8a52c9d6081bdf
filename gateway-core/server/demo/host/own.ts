import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ThroughlineError } from '../../../contract/errors.js';
import type { RunningHost } from './running.js';

/**
 * The demo's own server, with the keys in `directory`: a process of its own, because what the gateway lets through
 * reaches it, and nothing in it may end a gateway. It sees nothing of the gateway's environment.
 */
export async function startOwn(directory: string, home: string): Promise<RunningHost> {
  const program = fileURLToPath(new URL('./host-child.js', import.meta.url));
  const child = spawn(process.execPath, [program, directory, home], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').catch(() => undefined);
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(() => []),
  ])) as string[];
  if (line === undefined)
    throw new ThroughlineError('target-unreachable', 'the demo’s own host did not start', {
      action: 'install openssh-server, or see whether the data directory can be written',
    });
  return {
    address: line,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
