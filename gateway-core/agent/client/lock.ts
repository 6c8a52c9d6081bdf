import { randomBytes } from 'node:crypto';
import { open, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ThroughlineError } from '../../contract/errors.js';
import { clientLimits } from './limits.js';

/**
 * Runs `work` while no other process of this user runs under the same lock file. The holder touches the file every
 * second; a file that stayed untouched for `lockSilenceMsMax` belongs to a process that died, and is taken over.
 * (Not by process id: two containers that share a home do not share process ids.)
 * @throws ThroughlineError busy after `lockWaitMsMax`
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const mark = `${process.pid} ${randomBytes(12).toString('hex')}`;
  await acquire(path, mark);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, clientLimits.lockBeatMs);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await release(path, mark);
  }
}

async function acquire(path: string, mark: string): Promise<void> {
  const giveUpAtMs = Date.now() + clientLimits.lockWaitMsMax;
  while (!(await create(path, mark))) {
    if (await isSilent(path)) await breakSilent(path, mark);
    if (Date.now() > giveUpAtMs) {
      throw new ThroughlineError('busy', 'another throughline process holds the sign-in state', {
        action: `end it, or remove ${path} if there is none`,
      });
    }
    await sleep(clientLimits.lockPollMs);
  }
}

async function create(path: string, mark: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(mark);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isSilent(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > clientLimits.lockSilenceMsMax;
}

/**
 * INVARIANT: only the holder of the `.break` file removes a silent lock, and it looks again after it has that
 * file; so nobody removes the fresh lock of a process that was quicker.
 */
async function breakSilent(path: string, mark: string): Promise<void> {
  const breaker = `${path}.break`;
  if (!(await create(breaker, mark))) {
    if (await isSilent(breaker)) await unlink(breaker).catch(() => undefined);
    return;
  }
  try {
    if (await isSilent(path)) await unlink(path).catch(() => undefined);
  } finally {
    await unlink(breaker).catch(() => undefined);
  }
}

async function release(path: string, mark: string): Promise<void> {
  const held = await readFile(path, 'utf8').catch(() => undefined);
  if (held === mark) await unlink(path).catch(() => undefined);
}
