import { z } from 'zod';

/**
 * Every error that leaves a room on purpose has one of these codes. Scripts match on them: they are never renamed.
 * status: HTTP status at the API. exit: exit status of the CLI (CLI contract: 1 failed, 2 usage, 3 not signed in,
 * 4 denied by policy, 5 verification failed, 6 gateway unreachable).
 */
export const errorCodes = {
  usage: { status: 400, exit: 2 },
  'invalid-request': { status: 400, exit: 2 },
  'invalid-config': { status: 400, exit: 2 },
  'invalid-policy': { status: 422, exit: 2 },
  'not-signed-in': { status: 401, exit: 3 },
  'sign-in-refused': { status: 401, exit: 3 },
  'sign-in-pending': { status: 400, exit: 3 },
  'proof-invalid': { status: 401, exit: 3 },
  'proof-nonce': { status: 401, exit: 3 },
  'handle-invalid': { status: 401, exit: 3 },
  denied: { status: 403, exit: 4 },
  'not-found': { status: 404, exit: 1 },
  conflict: { status: 409, exit: 1 },
  'too-large': { status: 413, exit: 1 },
  'rate-limited': { status: 429, exit: 1 },
  'target-unreachable': { status: 502, exit: 1 },
  'target-refused': { status: 502, exit: 1 },
  'not-recordable': { status: 503, exit: 1 },
  busy: { status: 503, exit: 1 },
  'verification-failed': { status: 422, exit: 5 },
  'gateway-unreachable': { status: 503, exit: 6 },
  internal: { status: 500, exit: 1 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/**
 * An expected failure with a stable code, a lower-case message without secrets, and what the caller can do.
 * Rooms return unions where the caller has to choose; they throw this where the operation simply cannot go on.
 */
export class ThroughlineError extends Error {
  readonly code: ErrorCode;
  /** One sentence: what to do now. */
  readonly action: string | undefined;
  readonly fields: Readonly<Record<string, string | number | boolean>>;

  constructor(
    code: ErrorCode,
    message: string,
    more: { action?: string; fields?: Record<string, string | number | boolean>; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'ThroughlineError';
    this.code = code;
    this.action = more.action;
    this.fields = more.fields ?? {};
  }
}

/** RFC 9457 problem details, as every error of the API is written. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  action: z.string().optional(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type Problem = z.infer<typeof Problem>;

export function toProblem(error: ThroughlineError): Problem {
  return {
    type: `urn:throughline:problem:${error.code}`,
    title: error.code,
    status: errorCodes[error.code].status,
    code: error.code,
    detail: error.message,
    ...(error.action === undefined ? {} : { action: error.action }),
    ...(Object.keys(error.fields).length === 0 ? {} : { fields: { ...error.fields } }),
  };
}

/** The way back, for clients. An unknown code (a newer gateway) becomes `internal`, its text is kept. */
export function fromProblem(problem: Problem): ThroughlineError {
  const code = Object.hasOwn(errorCodes, problem.code) ? (problem.code as ErrorCode) : 'internal';
  const more: { action?: string; fields?: Record<string, string | number | boolean> } = {};
  if (problem.action !== undefined) more.action = problem.action;
  if (problem.fields !== undefined) more.fields = problem.fields;
  return new ThroughlineError(code, problem.detail, more);
}
