import { utilityProcess } from 'electron';
import type { AgentProcess } from '../agent-host/agent-host.js';
import { childEnvironment } from '../agent-host/environment.js';

/**
 * Forks the agent as a utility process: a Node of Electron's own, which works with the runAsNode fuse off. The system
 * keyring is asked by a child Node process, which there is none of here: sign-ins are kept in sealed files.
 */
export function forkUtility(program: string): AgentProcess {
  const child = utilityProcess.fork(program, [], {
    serviceName: 'throughline-agent',
    env: { ...childEnvironment(process.env), THROUGHLINE_KEYRING: 'off' },
    execArgv: [],
    stdio: 'inherit',
  });
  let gone = false;
  child.once('exit', () => {
    gone = true;
  });
  return {
    send: (message) => {
      if (!gone) child.postMessage(message);
    },
    onMessage: (hear) => void child.on('message', hear),
    onExit: (hear) => void child.once('exit', (code) => hear(`status ${code}`)),
    // SIGTERM: the agent ends its tunnels in order.
    end: () => void child.kill(),
    kill: () => {
      if (!gone && child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
    },
  };
}
