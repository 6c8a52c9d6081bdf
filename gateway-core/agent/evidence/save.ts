import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ThroughlineError } from '../../contract/errors.js';
import type { EvidenceRequest } from '../../contract/evidence.js';
import { api } from '../client/api.js';
import type { Gateway } from '../client/gateway.js';
import { syncDirectory } from '../client/private-files.js';

export interface SaveOptions {
  readonly request: EvidenceRequest;
  readonly file: string;
  /** age recipients (`age1...`): only they can open the file, and nothing readable touches this disk. */
  readonly to?: readonly string[];
  /** Replaces a file that is there. */
  readonly force?: boolean;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Fetches a bundle from the gateway into a file that is whole or not there at all: written beside, synced, renamed.
 * The file is readable to its user only.
 * @throws ThroughlineError usage (recipient), conflict (file is there), not-recordable (disk), and what the gateway says
 */
export async function saveBundle(
  gateway: Gateway,
  options: SaveOptions,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const { file, to = [] } = options;
  const encrypt = to.length === 0 ? undefined : await encrypter(to);
  const target = await createBeside(file, options.force === true);
  const temporary = `${file}.partial`;
  try {
    const plain = api.evidence(gateway, options.request);
    const written = await writeAll(target, encrypt === undefined ? plain : encrypt(plain), options);
    options.signal?.throwIfAborted();
    await target.datasync();
    await target.close();
    await rename(temporary, file);
    await syncDirectory(dirname(file));
    return written;
  } catch (error) {
    await target.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw asDiskError(error);
  }
}

async function createBeside(file: string, force: boolean): Promise<FileHandle> {
  try {
    if (!force) {
      // Only to know that nothing is there: the name is taken at the end.
      const there = await open(file, 'r').catch(() => undefined);
      await there?.close();
      if (there !== undefined)
        throw new ThroughlineError('conflict', `the file ${file} is there already`, {
          action: 'choose another name, or replace it with --force',
        });
    }
    return await open(`${file}.partial`, 'wx', 0o600);
  } catch (error) {
    if (error instanceof ThroughlineError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ThroughlineError('usage', `the file ${file} cannot be written (${code})`, {
      action:
        code === 'EEXIST'
          ? `another export writes it; if not, remove ${file}.partial`
          : 'check the path and its rights',
      cause: error,
    });
  }
}

async function writeAll(
  target: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  { onProgress, signal }: Pick<SaveOptions, 'onProgress' | 'signal'>,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const piece of bytes) {
    signal?.throwIfAborted();
    hash.update(piece);
    for (let at = 0; at < piece.length; ) at += (await target.write(piece, at)).bytesWritten;
    length += piece.length;
    onProgress?.(length);
  }
  return { bytes: length, sha256: hash.digest('hex') };
}

type Encrypt = (plain: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** age (https://age-encryption.org/v1), as a stream. */
async function encrypter(recipients: readonly string[]): Promise<Encrypt> {
  const { Encrypter } = await import('age-encryption');
  const age = new Encrypter();
  for (const recipient of recipients) {
    try {
      age.addRecipient(recipient);
    } catch {
      throw new ThroughlineError('usage', `${recipient.slice(0, 80)} is no age recipient`, {
        action: 'give a public key that begins with age1; age-keygen makes one',
      });
    }
  }
  return async function* encrypt(plain) {
    // A stream of its own for each side: the library pulls, and what the gateway says of an error comes through.
    const sealed = await age.encrypt(ReadableStream.from<Uint8Array>(plain));
    yield* sealed as unknown as AsyncIterable<Uint8Array>;
  };
}

function asDiskError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof ThroughlineError || (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EIO'))
    return error;
  return new ThroughlineError('not-recordable', `the disk did not take the bundle (${code})`, {
    action: 'make room and export again; nothing was left behind',
    cause: error,
  });
}
