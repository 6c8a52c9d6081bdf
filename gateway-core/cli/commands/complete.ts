import { setTimeout as sleep } from 'node:timers/promises';
import { api } from '../../agent/client/api.js';
import type { Gateway } from '../../agent/client/gateway.js';
import { argument, type Run, withGateway } from '../context.js';

/** A shell waits for this with every press of the tab key. */
const timeoutMs = 1500;
const namesMax = 200;

/**
 * Names for a completion script, one a line; nothing when anything goes wrong. The contract's patterns for
 * connection names and session ids hold no character that means something to a shell.
 */
export const run: Run = async (context, input) => {
  try {
    await withGateway(context, input, async (gateway) => {
      const late = sleep(timeoutMs, [], { ref: false });
      const found = await Promise.race([names(gateway, argument(input)).catch(() => []), late]);
      for (const name of found) context.stdout.write(`${name}\n`);
    });
  } catch {
    // Not signed in, for example: the shell then offers nothing.
  }
};

async function names(gateway: Gateway, kind: string): Promise<string[]> {
  switch (kind) {
    case 'connections':
      return (await api.connections(gateway)).map(({ name }) => name);
    case 'sessions':
      return (await api.sessions(gateway, {})).slice(0, namesMax).map(({ id }) => id);
    case 'agents':
      return (await api.agents(gateway)).slice(0, namesMax).map(({ id }) => id);
    default:
      return [];
  }
}
