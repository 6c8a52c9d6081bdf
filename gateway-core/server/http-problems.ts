import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ThroughlineError, toProblem } from '../contract/errors.js';
import { challengeOf } from '../identity/index.js';

/** Anything thrown, as what the client may know of it. What is not ours stays `internal`, without its text. */
export function asThroughlineError(error: unknown): ThroughlineError {
  if (error instanceof ThroughlineError) return error;
  return new ThroughlineError('internal', 'something went wrong inside the gateway', {
    action: 'look at the gateway’s log; if it happens again, report it',
  });
}

/** RFC 9457 problem, and for proofs RFC 9449 section 8: the nonce to use and the word to try again with it. */
export function problemResponse(error: ThroughlineError, nonce?: string): Response {
  const problem = toProblem(error);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', ...problemHeaders(error, nonce) },
  });
}

/** The same for a request that asked for an upgrade, before it got one. Closes the socket. */
export function refuseUpgrade(socket: Duplex, error: ThroughlineError, nonce?: string): void {
  const problem = toProblem(error);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...Object.entries(problemHeaders(error, nonce)).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function problemHeaders(error: ThroughlineError, nonce: string | undefined): Record<string, string> {
  const challenge = challengeOf(error);
  return {
    'cache-control': 'no-store',
    ...(nonce === undefined ? {} : { 'dpop-nonce': nonce }),
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
  };
}
