import type { Socket } from 'node:net';
import type { ClientState } from '../client/state.js';
import { attribute, recognise } from '../lineage/index.js';
import { reportOf } from '../lineage/report.js';
import type { TunnelOptions } from './tunnel.js';

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
