import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { fromProblem, Problem, ThroughlineError } from '../../contract/errors.js';
import { clientLimits } from './limits.js';
import { notOurs } from './transport.js';
import { unreachable } from './trust.js';

/** The whole body as text. @throws ThroughlineError too-large, gateway-unreachable when it breaks off */
export async function readText(
  origin: string,
  message: IncomingMessage,
  bytesMax: number = clientLimits.answerBytesMax,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of chunksOf(message)) {
      length += chunk.length;
      if (length > bytesMax)
        throw new ThroughlineError('too-large', 'the gateway answers more than can be shown');
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreachable(origin, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body's bytes. @throws ThroughlineError gateway-unreachable when it breaks off */
export async function* readBytes(origin: string, message: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* chunksOf(message);
  } catch (error) {
    throw unreachable(origin, error);
  }
}

/**
 * What is answered, piece by piece. A gateway that sends nothing while it is waited for is given up; a reader who takes
 * his time between two pieces is not.
 */
async function* chunksOf(message: IncomingMessage): AsyncGenerator<Buffer> {
  const chunks = (message as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const silent = setTimeout(
        () => message.destroy(new Error('no answer in time')),
        clientLimits.requestIdleTimeoutMs,
      );
      const next = await chunks.next().finally(() => clearTimeout(silent));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

/** A body as JSON of the given shape. @throws ThroughlineError internal when it does not fit the contract */
export function parseAnswer<T>(origin: string, text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new ThroughlineError(
    'internal',
    `the gateway at ${origin} gave an answer that does not fit its API${path === '' ? '' : ` at ${path}`}`,
    { action: 'check that client and gateway have the same version' },
  );
}

/** undefined for what is not JSON: no schema of ours accepts that. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The lines of a streamed answer (NDJSON), empty ones left out; `lineBytesMax` each. */
export async function* readLines(origin: string, message: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of chunksOf(message)) {
      let start = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString('utf8');
        parts = [];
        length = 0;
        start = end + 1;
        if (line.trim() !== '') yield line;
      }
      parts.push(chunk.subarray(start));
      length += chunk.length - start;
      if (length > clientLimits.lineBytesMax) {
        throw new ThroughlineError('too-large', 'the gateway sends a longer line than can be shown');
      }
    }
  } catch (error) {
    throw unreachable(origin, error);
  }
  const rest = Buffer.concat(parts).toString('utf8');
  if (rest.trim() !== '') yield rest;
}

/** Reads an answer that is not a success as the error it stands for. */
export async function readProblem(origin: string, message: IncomingMessage): Promise<ThroughlineError> {
  const text = await readText(origin, message, clientLimits.problemBytesMax);
  const problem = Problem.safeParse(parseJson(text));
  return problem.success ? withAction(fromProblem(problem.data)) : notOurs(origin);
}

/** A problem that names no way out gets the usual one. */
function withAction(error: ThroughlineError): ThroughlineError {
  if (error.action !== undefined || error.code !== 'not-signed-in') return error;
  return new ThroughlineError(error.code, error.message, { action: signInAction, fields: error.fields });
}

export const signInAction = 'run `throughline login`';

export function isSuccess(message: IncomingMessage): boolean {
  return message.statusCode !== undefined && message.statusCode >= 200 && message.statusCode < 300;
}

/** A single header that may have come more than once: the first one counts. */
export function header(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
