import { errorCodes, ThroughlineError } from '../contract/errors.js';
import { type Output, print, printJson, red } from './output.js';

/** What went wrong, for a person and for a script, and the exit status that says it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly action: string | undefined;
  readonly status: number;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ThroughlineError) {
    const { code, message, action } = error;
    return { code, message, action, status: errorCodes[code].exit };
  }
  // A bug, or a fault of the machine: its text is for a developer, but silence would help nobody.
  const message = error instanceof Error ? error.message : 'unknown failure';
  return { code: 'internal', message, action: undefined, status: errorCodes.internal.exit };
}

/** One sentence, or one object. */
export function printFailure(stderr: Output, failure: Failure, json: boolean): void {
  const { code, message, action } = failure;
  if (json) return printJson(stderr, { error: { code, message, action } });
  print(stderr, red('throughline: '), action === undefined ? message : `${message}; ${action}`);
}
