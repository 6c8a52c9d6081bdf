import { create } from 'zustand';
import type { ConnectionDetail } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { TunnelView } from '../../../gateway-core/contract/bridge/work.js';
import { call, failureOf, on } from '../../bridge/index.js';

interface Known {
  readonly connections: readonly ConnectionDetail[] | undefined;
  readonly problem: BridgeError | undefined;
  readonly tunnels: readonly TunnelView[];
}

export const protocolNames: Readonly<Record<string, string>> = { postgres: 'PostgreSQL', ssh: 'SSH' };

/** What a connection of that protocol is worked with. */
export function tabKindOf(protocol: string): 'sql' | 'terminal' {
  return protocol === 'ssh' ? 'terminal' : 'sql';
}

export const useConnections = create<Known>(() => ({
  connections: undefined,
  problem: undefined,
  tunnels: [],
}));

export async function readConnections(): Promise<readonly ConnectionDetail[]> {
  try {
    const connections = await call('connections.list', {});
    useConnections.setState({ connections, problem: undefined });
    return connections;
  } catch (cause) {
    useConnections.setState({ problem: failureOf(cause) });
    return useConnections.getState().connections ?? [];
  }
}

let begun = false;

/** Reads once and follows what changes from then on. */
export function followConnections(): void {
  void readConnections();
  call('tunnels.list', {}).then(
    (tunnels) => useConnections.setState({ tunnels }),
    () => undefined,
  );
  if (begun) return;
  begun = true;
  on('connections.changed', () => void readConnections());
  on('resync', () => void readConnections());
  on('tunnels.changed', (tunnels) => useConnections.setState({ tunnels }));
  on('app.changed', ({ signIn }) => {
    if (signIn.state !== 'signed-in') useConnections.setState({ connections: undefined, tunnels: [] });
    else if (useConnections.getState().connections === undefined) void readConnections();
  });
}
