import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ThroughlineError } from '../contract/errors.js';
import { limits } from '../contract/limits.js';
import type { Context } from './context.js';

/** What the gateway would take at most in one request; larger files need not be read. */
const fileBytesMax = limits.requestBodyBytesMax;

/** A text file that a person named; `-` is standard input. @throws ThroughlineError usage, too-large */
export async function readInputFile(context: Context, path: string): Promise<string> {
  if (path === '-') return readBounded(context.stdin, 'standard input');
  return readTextFile(path);
}

/** @throws ThroughlineError usage, too-large */
export async function readTextFile(path: string): Promise<string> {
  try {
    const file = await open(path);
    return await readBounded(file.createReadStream(), path);
  } catch (cause) {
    if (cause instanceof ThroughlineError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ThroughlineError('usage', `the file ${path} cannot be read (${code})`, {
      action: 'check the path',
      cause,
    });
  }
}

async function readBounded(stream: Readable, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > fileBytesMax)
      throw new ThroughlineError('too-large', `${name} is larger than ${fileBytesMax} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
