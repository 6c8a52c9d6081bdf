import type { BridgeError } from '../../contract/bridge/app.js';
import { type ErrorCode, ThroughlineError } from '../../contract/errors.js';
import { sshLimits } from './limits.js';

/** SSH_FXP_STATUS (draft-ietf-secsh-filexfer-02, 7). */
const statusCodes: Readonly<Record<number, { readonly code: ErrorCode; readonly message: string }>> = {
  2: { code: 'not-found', message: 'there is no such file' },
  3: { code: 'denied', message: 'permission denied' },
  4: { code: 'target-refused', message: 'the target could not do it' },
  6: { code: 'gateway-unreachable', message: 'the connection was lost' },
  7: { code: 'gateway-unreachable', message: 'the connection was lost' },
  8: { code: 'target-refused', message: 'the target does not know how to do that' },
};

/** RFC 4254 5.1: why a channel was not opened. */
const openReasons: Readonly<Record<number, ErrorCode>> = {
  1: 'denied',
  2: 'target-unreachable',
  3: 'target-refused',
  4: 'busy',
};

/**
 * What the other side says of a refusal, for a person: the first line is what happened, the rest what to do. No control
 * characters, bounded: the text comes from elsewhere.
 */
export function saidBy(text: string): { readonly message: string; readonly action: string | undefined } {
  const lines = text
    .slice(0, sshLimits.reasonCharactersMax)
    .split(/\r?\n/)
    .map((line) => line.replaceAll(/\p{Cc}+/gu, ' ').trim())
    .filter((line) => line !== '');
  const [first = 'the other side gave no reason', ...rest] = lines;
  const message = first.replace(/^throughline: /i, '');
  return { message, action: rest.length === 0 ? undefined : rest.join(' ') };
}

export function refusal(code: ErrorCode, text: string, cause?: unknown): ThroughlineError {
  const { message, action } = saidBy(text);
  return new ThroughlineError(code, message, {
    ...(action === undefined ? {} : { action }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A channel that was not opened, or a request on it that was refused. */
export function channelRefusal(cause: unknown): ThroughlineError {
  if (!(cause instanceof Error)) return new ThroughlineError('internal', 'the channel did not open');
  const { reason } = cause as { reason?: unknown };
  const code = typeof reason === 'number' ? (openReasons[reason] ?? 'target-refused') : 'target-refused';
  return refusal(code, cause.message.replace(/^\(SSH\) Channel open failure: /, ''), cause);
}

/** An SFTP request that failed: the status that came, with what the other side says of it. */
export function fileRefusal(cause: unknown): ThroughlineError {
  if (cause instanceof ThroughlineError) return cause;
  if (!(cause instanceof Error)) return new ThroughlineError('internal', 'the request failed');
  const { code } = cause as { code?: unknown };
  const known = typeof code === 'number' ? statusCodes[code] : undefined;
  if (known === undefined) return refusal('target-refused', cause.message, cause);
  // OpenSSH's own texts say less than ours.
  const plain = /^(No such file|Permission denied|Failure|Operation unsupported|No connection)/i;
  return refusal(known.code, plain.test(cause.message) ? known.message : cause.message, cause);
}

export function problemOf(cause: unknown): BridgeError {
  if (!(cause instanceof ThroughlineError))
    return { code: 'internal', message: 'the session could not start' };
  const { code, message, action } = cause;
  return { code, message, ...(action === undefined ? {} : { action }) };
}
