import type { Attributes, FileEntry, SFTPWrapper, Stats } from 'ssh2';
import type { RemoteEntry } from '../../contract/bridge/ssh.js';
import { lost } from './client.js';
import { sshLimits } from './limits.js';
import { fileRefusal } from './reasons.js';

type Answer<T> = (error: Error | null | undefined, value: T) => void;

/** What waits for an answer on each channel. A channel that is over answers nothing, also not that it is. */
const waiting = new WeakMap<SFTPWrapper, Set<() => void>>();

/** To be called for each channel as it opens. */
export function adopt(files: SFTPWrapper): void {
  waiting.set(files, new Set());
}

/** The channel is over: everything that waits on it fails, and so does whatever comes. */
export function abandon(files: SFTPWrapper): void {
  const left = waiting.get(files) ?? [];
  waiting.delete(files);
  for (const fail of left) fail();
}

/** One SFTP request as a promise. @throws ThroughlineError with what the other side says */
export async function ask<T>(files: SFTPWrapper, request: (answer: Answer<T>) => void): Promise<T> {
  const open = waiting.get(files);
  if (open === undefined) throw lost();
  let fail: () => void = () => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      fail = () => reject(lost());
      open.add(fail);
      request((error, value) => {
        if (error === undefined || error === null) resolve(value);
        else reject(error);
      });
    });
  } catch (cause) {
    throw fileRefusal(cause);
  } finally {
    open.delete(fail);
  }
}

/** The same for requests that answer with a status alone. */
export function tell(
  files: SFTPWrapper,
  request: (answer: (error?: Error | null) => void) => void,
): Promise<void> {
  return ask<void>(files, (answer) => request((error) => answer(error, undefined)));
}

export const statOf = (files: SFTPWrapper, path: string): Promise<Stats> =>
  ask(files, (answer) => files.stat(path, answer));

/** The attributes of what stands there; nothing where nothing does. */
export async function statIfThere(files: SFTPWrapper, path: string): Promise<Stats | undefined> {
  try {
    return await statOf(files, path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'not-found') return undefined;
    throw error;
  }
}

/** Runs with an open handle, which is closed in any case. */
export async function withHandle<T>(
  files: SFTPWrapper,
  opening: (answer: Answer<Buffer>) => void,
  work: (handle: Buffer) => Promise<T>,
): Promise<T> {
  const handle = await ask<Buffer>(files, opening);
  try {
    return await work(handle);
  } finally {
    await tell(files, (answer) => files.close(handle, answer)).catch(() => undefined);
  }
}

/** Exactly `length` bytes from `at`, fewer only where the file ends. */
export async function readBlock(
  files: SFTPWrapper,
  handle: Buffer,
  at: number,
  length: number,
): Promise<Buffer> {
  const block = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const read = await ask<number>(files, (answer) =>
      files.read(handle, block, have, length - have, at + have, (error, count) => answer(error, count)),
    );
    if (!(read > 0)) break;
    have += read;
  }
  return block.subarray(0, have);
}

/** All of `bytes` at `at`, in blocks that go out together. */
export async function writeBlocks(
  files: SFTPWrapper,
  handle: Buffer,
  at: number,
  bytes: Buffer,
): Promise<void> {
  const { transferBlockBytes } = sshLimits;
  const writes: Promise<void>[] = [];
  for (let from = 0; from < bytes.length; from += transferBlockBytes) {
    const length = Math.min(transferBlockBytes, bytes.length - from);
    writes.push(tell(files, (answer) => files.write(handle, bytes, from, length, at + from, answer)));
  }
  await Promise.all(writes);
}

const kinds: Readonly<Record<number, RemoteEntry['kind']>> = {
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'link',
};

/** An entry as it is shown; nothing for one whose name is none: it comes from elsewhere. */
export function entryOf({ filename, attrs }: FileEntry): RemoteEntry | undefined {
  const usable =
    filename !== '' &&
    filename !== '.' &&
    filename !== '..' &&
    !/[/\0]/.test(filename) &&
    filename.length <= 4096;
  if (!usable) return undefined;
  return { name: filename, ...factsOf(attrs) };
}

function factsOf({ mode, size, mtime, uid, gid }: Attributes): Omit<RemoteEntry, 'name'> {
  const whole = (value: number | undefined): number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  return {
    kind: kinds[whole(mode) & 0o170000] ?? 'other',
    size: whole(size),
    modified: whole(mtime),
    mode: whole(mode) & 0o7777,
    uid: whole(uid),
    gid: whole(gid),
  };
}
