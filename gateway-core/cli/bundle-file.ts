import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ThroughlineError } from '../contract/errors.js';
import { fileAccess } from '../evidence/zip/node.js';
import type { RandomAccess } from '../evidence/zip/read.js';
import { readTextFile } from './files.js';

/** https://age-encryption.org/v1, the first line of every file. */
const ageHeader = 'age-encryption.org/v1\n';

/**
 * Runs `work` on a bundle's file. One that is encrypted with age is opened with the identities in the file `identity`,
 * into a file that only this user can read and that has no name any more when the work begins.
 * @throws ThroughlineError usage (no such file, no identity that fits), verification-failed (it was changed or cut)
 */
export async function withBundleFile<T>(
  path: string,
  identity: string | undefined,
  work: (source: RandomAccess) => Promise<T>,
): Promise<T> {
  const file = await openFile(path);
  try {
    if (!(await isEncrypted(file))) return await work(await fileAccess(file));
    if (identity === undefined) {
      throw new ThroughlineError('usage', `${path} is encrypted with age`, {
        action: 'give the file with your key: --identity FILE',
      });
    }
    return await withDecrypted(file, path, identity, work);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    if ((await file.stat()).isFile()) return file;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ThroughlineError('usage', `the file ${path} cannot be read (${code})`, {
      action: 'check the path',
      cause,
    });
  }
  await file.close();
  throw new ThroughlineError('usage', `${path} is not a file`, { action: 'check the path' });
}

async function isEncrypted(file: FileHandle): Promise<boolean> {
  const head = Buffer.alloc(ageHeader.length);
  await file.read(head, 0, head.length, 0);
  return head.toString('latin1') === ageHeader;
}

async function withDecrypted<T>(
  file: FileHandle,
  path: string,
  identity: string,
  work: (source: RandomAccess) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'throughline-'));
  const plain = await open(join(directory, 'bundle.zip'), 'wx+', 0o600);
  try {
    // Without its name nothing is left behind, however this ends. Where a system does not do that, it goes at the end.
    await rm(directory, { recursive: true }).catch(() => undefined);
    await decrypt(file, plain, { path, identity });
    return await work(await fileAccess(plain));
  } finally {
    await plain.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function decrypt(
  sealed: FileHandle,
  plain: FileHandle,
  { path, identity }: { readonly path: string; readonly identity: string },
): Promise<void> {
  const { Decrypter } = await import('age-encryption');
  const age = new Decrypter();
  for (const key of identitiesIn(await readTextFile(identity), identity)) age.addIdentity(key);
  const bytes = sealed.createReadStream({ start: 0, autoClose: false });
  const opened = await age.decrypt(ReadableStream.from<Uint8Array>(bytes)).catch((cause: unknown) => {
    const none = cause instanceof Error && cause.message.startsWith('no identity matched');
    if (!none) throw damagedError(path, cause);
    throw new ThroughlineError('usage', `${path} is not encrypted to a key in ${identity}`, {
      action: 'give the key file that belongs to one of its recipients',
    });
  });
  const pieces = (opened as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  for (;;) {
    const step = await pieces.next().catch((cause: unknown) => {
      throw damagedError(path, cause);
    });
    if (step.done === true) return;
    await write(plain, step.value);
  }
}

async function write(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ThroughlineError('not-recordable', `there is no room to decrypt into ${tmpdir()} (${code})`, {
      action: 'set TMPDIR to a directory with more room, on a disk that only you can read',
      cause,
    });
  }
}

function damagedError(path: string, cause: unknown): ThroughlineError {
  return new ThroughlineError('verification-failed', `${path} was changed or cut after it was encrypted`, {
    action: 'ask for the file again',
    cause,
  });
}

/** The lines of a key file that are keys, as age-keygen writes it. */
function identitiesIn(text: string, path: string): string[] {
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length > 0 && keys.every((key) => /^AGE-SECRET-KEY-1[A-Z0-9]{58}$/.test(key))) return keys;
  throw new ThroughlineError('usage', `${path} does not hold age keys (AGE-SECRET-KEY-1...)`, {
    action: 'give the file that age-keygen wrote',
  });
}
