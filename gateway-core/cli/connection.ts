import { api } from '../agent/client/api.js';
import type { Gateway } from '../agent/client/gateway.js';
import type { ConnectionDetail } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';

/** A connection that a tool can be pointed at, with the user name that its settings show. */
export interface Usable {
  readonly detail: ConnectionDetail;
  readonly user: string;
  readonly database: string | undefined;
}

/**
 * Looks a connection up before anything is opened on it, so that a wrong name or a missing right is told here
 * and not by the tool. @throws ThroughlineError denied, the same for a name that does not
 * exist and one that policy hides: the gateway tells no difference either
 */
export async function usableConnection(gateway: Gateway, name: string): Promise<Usable> {
  const all = await api.connections(gateway);
  const detail = all.find((connection) => connection.name === name);
  if (detail === undefined) {
    throw new ThroughlineError('denied', `there is no connection ${name} that you may use`, {
      action: 'list what you may use: throughline connections; for more, ask an admin',
    });
  }
  if (detail.access !== 'allowed') {
    throw new ThroughlineError('denied', `policy does not let you use ${name}`, {
      action: 'ask an admin for access',
    });
  }
  // The gateway holds the real user; tools want one to be named.
  return { detail, user: detail.user ?? 'throughline', database: detail.database };
}
