import type { Socket } from 'node:net';
import { paths, WhoAmI } from '../../contract/api.js';
import { hasAgent } from '../../contract/chain.js';
import type { Lineage } from '../../contract/delegation.js';
import type { Gateway } from '../client/gateway.js';
import type { ClientState } from '../client/state.js';
import { attribute, recognise, self } from '../lineage/index.js';
import { loadNative } from '../lineage/native.js';
import { lineageOf, ownLineage, reportOf } from '../lineage/report.js';
import type { ProcessEvidence } from '../lineage/self.js';
import type { TunnelOptions } from './tunnel.js';

/** Who stands behind what this process asks for itself, as `name` if given; asked anew each time. */
export async function requestLineage(state: ClientState, name?: string): Promise<() => Lineage | undefined> {
  const { agents } = await state.settings();
  return () => ownLineage((execution) => recognise(execution, agents), name);
}

/** What a tunnel asks about each of its sockets. */
export type Looking = Pick<TunnelOptions, 'attribute' | 'lookUp'>;

/**
 * Looks up the program behind each socket of a tunnel, with the agent programs that this person has added. With
 * `"lookUp": "never"` in the settings nobody is looked up, as on a platform that cannot: every session is then reported
 * as unattributed, and policy sees it.
 */
export async function socketLooking(state: ClientState): Promise<Looking> {
  const { agents, lookUp } = await state.settings();
  if (lookUp === 'never') return { lookUp, attribute: () => Promise.resolve(switchedOff) };
  return {
    attribute: async (socket: Socket) => {
      const found = await attribute(socket, (execution) => recognise(execution, agents));
      return {
        lineage: reportOf(found),
        stillHolds: () => found.kind === 'unattributed' || found.stillHolds(),
      };
    },
  };
}

const switchedOff = {
  lineage: { kind: 'unattributed', reason: 'switched-off' },
  stillHolds: () => true,
} as const;

/** Who has connected a unix socket, as it is looked up. Instead of the kernel's, for tests. */
export interface PeerLooks {
  /** SO_PEERCRED: by number, which is somebody else's once that process has ended. */
  readonly peerProcess: (descriptor: number) => number | undefined;
  readonly self: (pid: number) => ProcessEvidence | undefined;
  readonly lineageOf: typeof lineageOf;
}

/**
 * To be called with each unix socket that was accepted here, right then: who has it is written down by pid and start
 * time. What comes back tells, whenever it is asked, whether that program is there still and the person's own: neither
 * an agent nor anything below `throughline run`. The gateway says so, as it does for tunnels. Where nobody is looked up,
 * everybody is.
 */
export async function personsOwn(
  gateway: Pick<Gateway, 'json'>,
  state: Pick<ClientState, 'settings'>,
  given?: PeerLooks,
): Promise<(socket: Socket) => () => Promise<boolean>> {
  const [{ agents, lookUp }, native] = await Promise.all([state.settings(), loadNative()]);
  const looks = given ?? (native === undefined ? undefined : { ...native, self, lineageOf });
  return (socket) => {
    if (lookUp === 'never' || looks === undefined) return () => Promise.resolve(true);
    const descriptor: unknown = Reflect.get(Reflect.get(socket, '_handle') ?? {}, 'fd');
    const pid = typeof descriptor === 'number' ? looks.peerProcess(descriptor) : undefined;
    const peer = pid === undefined ? undefined : looks.self(pid);
    return async () => {
      if (peer === undefined) return false;
      const lineage = looks.lineageOf(peer.pid, (execution) => recognise(execution, agents));
      if (lineage?.kind !== 'attributed') return false;
      if (lineage.processes[0]?.startTicks !== peer.startTicks) return false;
      try {
        const { chain } = await gateway.json({ method: 'GET', path: paths.whoami, lineage }, WhoAmI);
        return chain !== undefined && !hasAgent(chain);
      } catch {
        return false;
      }
    };
  };
}
