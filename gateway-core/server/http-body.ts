import type { z } from 'zod';
import { ThroughlineError } from '../contract/errors.js';
import { limits } from '../contract/limits.js';

/** What the API knows of a request besides the request. */
export interface ApiBindings {
  readonly remoteAddress: string;
  /** Breaks off the answer, unless the client has all of it. */
  readonly drop: () => void;
}

/** Reads a JSON body within its bound and checks it. */
export async function bodyOf<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  requireJson(request);
  const text = await boundedText(request);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ThroughlineError('invalid-request', 'the body is not JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ThroughlineError(
    'invalid-request',
    `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'invalid'}`,
  );
}

/** The body as it came. Throws `too-large`. */
export async function boundedBytes(request: Request, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (request.body !== null) {
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > bytesMax)
        throw new ThroughlineError('too-large', `the body is larger than ${bytesMax / 1024 ** 2} MiB`);
      chunks.push(chunk);
    }
  }
  return Buffer.concat(chunks);
}

/** Throws `invalid-request`. */
export function requireJson(request: Request): void {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new ThroughlineError('invalid-request', 'the body must be application/json');
  }
}

async function boundedText(request: Request): Promise<string> {
  const bytes = await boundedBytes(request, limits.requestBodyBytesMax);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ThroughlineError('invalid-request', 'the body is not UTF-8');
  }
}

/** Bytes as they are read. `done` is called once, when they have ended, failed, or nobody reads on. */
export function byteStream(bytes: AsyncGenerator<Uint8Array>, done: () => void): ReadableStream<Uint8Array> {
  let over = false;
  const finish = (): void => {
    if (!over) done();
    over = true;
  };
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const next = await bytes.next();
          if (next.done !== true) {
            controller.enqueue(next.value);
            return;
          }
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        finish();
      },
      async cancel() {
        finish();
        await bytes.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** One JSON value a line. Nothing is begun before somebody reads: an answer to HEAD is never read nor cancelled. */
export function ndjson(items: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  let iterator: AsyncIterator<unknown> | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        iterator ??= items[Symbol.asyncIterator]();
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(Buffer.from(`${JSON.stringify(next.value)}\n`));
      },
      async cancel() {
        await iterator?.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
