import type { BridgeError } from '../../gateway-core/contract/bridge/app.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';

/** An expected failure that already has the shape the renderer shows. */
export class BridgeFailure extends Error {
  readonly error: BridgeError;
  constructor(error: BridgeError) {
    super(error.message);
    this.name = 'BridgeFailure';
    this.error = error;
  }
}

/**
 * What the renderer is told of anything that was thrown. Expected failures are told as they are; of a bug nothing is
 * told but that it happened: no message, no stack, no path.
 */
export function toBridgeError(cause: unknown): BridgeError {
  if (cause instanceof BridgeFailure) return cause.error;
  if (cause instanceof ThroughlineError) {
    return {
      code: cause.code,
      message: cause.message,
      ...(cause.action === undefined ? {} : { action: cause.action }),
      ...(Object.keys(cause.fields).length === 0 ? {} : { fields: { ...cause.fields } }),
    };
  }
  return { code: 'internal', message: 'something failed inside the app', action: 'try again' };
}

/** Whether `cause` is a failure that was meant; anything else is a bug and belongs into the host's own log. */
export function isExpected(cause: unknown): boolean {
  return cause instanceof BridgeFailure || cause instanceof ThroughlineError;
}
