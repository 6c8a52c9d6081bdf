import type { Socket } from 'node:net';
import type { Lineage } from '../../contract/delegation.js';
import type { ClientState } from '../client/state.js';
import { attribute, recognise } from '../lineage/index.js';
import { ownLineage, reportOf } from '../lineage/report.js';
import type { TunnelOptions } from './tunnel.js';

/** Who stands behind what this process asks for itself, as `name` if given; asked anew each time. */
export async function requestLineage(state: ClientState, name?: string): Promise<() => Lineage | undefined> {
  const { agents } = await state.settings();
  return () => ownLineage((process) => recognise(process, agents), name);
}

/** Looks up the program behind each socket of a tunnel, with the agent programs that this person has added. */
export async function socketAttribution(
  state: ClientState,
): Promise<NonNullable<TunnelOptions['attribute']>> {
  const { agents } = await state.settings();
  return async (socket: Socket) => {
    const found = await attribute(socket);
    return {
      lineage: reportOf(found, (process) => recognise(process, agents)),
      stillHolds: () => found.kind === 'unattributed' || found.stillHolds(),
    };
  };
}
