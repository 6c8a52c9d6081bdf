import { ThroughlineError } from '../../contract/errors.js';
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

/** The error that a client sees when its session could not start. */
export function refusalOf(error: unknown): { code: string; message: string; hint: string | undefined } {
  if (error instanceof ThroughlineError) {
    const codes: Partial<Record<ThroughlineError['code'], string>> = {
      denied: '42501',
      'target-unreachable': '08001',
      'target-refused': '08004',
      'not-recordable': '58030',
      'handle-invalid': '28000',
    };
    return { code: codes[error.code] ?? '08006', message: error.message, hint: error.action };
  }
  return { code: 'XX000', message: 'the session could not start', hint: 'Look at the gateway’s log.' };
}
