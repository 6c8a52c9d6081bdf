import type { Socket } from 'node:net';
import type { ClientState } from '../client/state.js';
import { ancestorsOf } from '../lineage/ancestors.js';
import type { Execution } from '../lineage/facts.js';
import { identitiesOf } from '../lineage/identities.js';
import { attribute, recognise } from '../lineage/index.js';
import { openProc } from '../lineage/proc.js';

const runName = 'throughline run';

/**
 * Which agent stands behind a TCP socket of this process, if any: what is done for it here is done as this process,
 * and nothing would say so. Agents above this process itself do not count: they are in its own line already. A browser
 * may keep its sockets from being looked at, so who cannot be told is let in; several programs on one socket are not.
 */
export function agentBehind(
  state: Pick<ClientState, 'settings'>,
): (socket: Socket) => Promise<string | undefined> {
  return async (socket) => {
    const { agents, lookUp } = await state.settings();
    if (lookUp === 'never') return undefined;
    const found = await attribute(socket, (execution) =>
      isRun(execution) ? runName : recognise(execution, agents),
    );
    if (found.kind === 'unattributed')
      return found.reason === 'ambiguous' ? 'a program that cannot be told' : undefined;
    const own = ancestorsOf(openProc(), process.pid);
    const shared = new Map(own.kind === 'chain' ? own.chain.map((each) => [each.pid, each.startTicks]) : []);
    return found.processes
      .filter(({ pid, startTicks }) => shared.get(pid) !== startTicks)
      .map(({ agent, markers }) => agent ?? (markers.delegation === undefined ? undefined : runName))
      .find((each) => each !== undefined);
  };
}

/** Only its program has the marker in its environment, and orphans of that are its own children. */
function isRun(execution: Execution): boolean {
  const { names, words } = identitiesOf(execution);
  const end = words.indexOf('--');
  return names.has('throughline') && words.slice(0, end === -1 ? words.length : end).includes('run');
}
