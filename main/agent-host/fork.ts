import { fork } from 'node:child_process';
import type { AgentProcess } from './agent-host.js';
import { childEnvironment } from './environment.js';

/**
 * Forks the agent as a Node process of its own group, so that Ctrl-C in a terminal reaches the host alone, which ends
 * it in order. It ends by itself when this process is gone: its channel closes.
 */
export function forkAgent(program: string): AgentProcess {
  const child = fork(program, [], {
    serialization: 'advanced',
    env: childEnvironment(process.env),
    execArgv: [],
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let exit: ((how: string) => void) | undefined;
  const ended = (how: string): void => {
    exit?.(how);
    exit = undefined;
  };
  child.once('exit', (code, signal) => ended(signal ?? `status ${code ?? 'unknown'}`));
  // Also told when a signal or a message could not be delivered: then `exit` follows, or nothing happened.
  child.on('error', () => {
    if (child.pid === undefined) ended('it could not be started');
  });
  return {
    send: (message) => {
      // EPIPE, or a closed channel: `exit` follows.
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (hear) => void child.on('message', hear),
    onExit: (hear) => {
      exit = hear;
    },
    end: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
  };
}
