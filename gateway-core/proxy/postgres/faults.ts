import type { EndCause } from '../../contract/events.js';
import type { Fault } from './context.js';

/** What the client is told, and the log, for each way in which a session can break. */
export const faults: Readonly<Record<Fault, { code: string; cause: EndCause; hint: string }>> = {
  'client-protocol': {
    code: '08P01',
    cause: 'fault',
    hint: 'The client sent bytes that are not the PostgreSQL protocol.',
  },
  'target-protocol': {
    code: '08P01',
    cause: 'fault',
    hint: 'Tell an admin: the target’s answer was not understood, so it was not passed on.',
  },
  'not-recordable': {
    code: '58030',
    cause: 'fault',
    hint: 'The gateway cannot keep the record now, so nothing moves. Tell an admin.',
  },
  'not-maskable': {
    code: '58000',
    cause: 'fault',
    hint: 'The gateway could not mask the target’s answer, so it was not passed on.',
  },
  gateway: {
    code: 'XX000',
    cause: 'fault',
    hint: 'This is a mistake in the gateway: tell an admin. Other sessions are not touched.',
  },
};
