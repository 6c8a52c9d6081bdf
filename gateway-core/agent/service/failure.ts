import type { BridgeError } from '../../contract/bridge/app.js';
import { ThroughlineError } from '../../contract/errors.js';

/** What a window is told of a failure. Of a bug only that there was one: its text may hold anything. */
export function toBridgeError(cause: unknown): BridgeError {
  if (!(cause instanceof ThroughlineError)) {
    return { code: 'internal', message: 'something in the agent process failed', action: 'try again' };
  }
  const { code, message, action, fields } = cause;
  return {
    code,
    message,
    ...(action === undefined ? {} : { action }),
    ...(Object.keys(fields).length === 0 ? {} : { fields: { ...fields } }),
  };
}
