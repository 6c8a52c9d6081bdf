import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ThroughlineError } from '../../contract/errors.js';
import { sha256 } from '../client/dpop.js';
import { withLock } from '../client/lock.js';
import {
  privateDirectory,
  readPrivate,
  removePrivate,
  syncDirectory,
  writePrivate,
} from '../client/private-files.js';
import type { ClientState } from '../client/state.js';
import { systemSpoolFiles } from './files.js';
import { spoolBounds } from './limits.js';
import type { SpoolHome } from './spool.js';
import { type Claim, reserveName } from './writer.js';

const keyBytes = 32;
const directoryPattern = /^[0-9a-f]{16}$/;
const ownerName = 'owner.lock';

/** Where one gateway's spool of this person stands. */
export function spoolDirectory(state: ClientState, gateway: string): string {
  return join(state.home.state, 'spool', sha256(gateway).slice(0, 22));
}

/**
 * The spool's home in the client's state: `spool/GATEWAY/` with the sealed key, the counter of blocks, and one directory
 * for each process that works here.
 * @throws ThroughlineError not-signed-in when the key cannot be opened, invalid-config when the directory is not ours
 */
export async function openSpoolHome(state: ClientState, gateway: string, device: string): Promise<SpoolHome> {
  privateDirectory(state.home.state);
  privateDirectory(join(state.home.state, 'spool'));
  const directory = spoolDirectory(state, gateway);
  privateDirectory(directory);
  const locked = <T>(work: () => Promise<T>): Promise<T> => withLock(join(directory, 'spool.lock'), work);
  const spoolKey = await locked(() => keyOf(state, directory, gateway));
  const owned = new Map<string, () => Promise<void>>();
  return {
    files: systemSpoolFiles,
    directory,
    spoolKey,
    gateway,
    device,
    claim: async () => {
      const claim = await locked(() => newClaim(directory));
      owned.set(claim.directory, await hold(join(claim.directory, ownerName)));
      return claim;
    },
    abandoned: () =>
      Promise.resolve(
        readdirSync(directory)
          .filter((name) => directoryPattern.test(name))
          .map((name) => join(directory, name))
          .filter((path) => !owned.has(path) && isSilent(path)),
      ),
    release: async (path) => {
      await owned.get(path)?.();
      owned.delete(path);
      await removePrivate(join(path, reserveName));
      await removePrivate(join(path, ownerName));
      if (readdirSync(path).length === 0) systemSpoolFiles.removeDirectory(path);
    },
  };
}

/** One key for all processes. A key that was sealed by a sign-in that is gone opens nothing any more: a new one. */
async function keyOf(state: ClientState, directory: string, gateway: string): Promise<Buffer> {
  const file = join(directory, 'key.sealed');
  const name = `spool ${gateway}`;
  const sealed = readPrivate(file);
  const text = sealed === undefined ? undefined : await state.unseal(name, sealed);
  const kept = text === undefined ? undefined : Buffer.from(text, 'base64');
  if (kept?.length === keyBytes) return kept;
  const made = randomBytes(keyBytes);
  const fresh = await state.seal(name, made.toString('base64'));
  if (fresh === undefined)
    throw new ThroughlineError('not-signed-in', 'there is no key to seal the spool with', {
      action: 'run `throughline login`',
    });
  await writePrivate(file, fresh);
  return made;
}

/**
 * INVARIANT: no number is given twice, though the counter be lost (then the clock is ahead of it) or the clock be set
 * back (then the counter is).
 */
async function newClaim(directory: string): Promise<Claim> {
  const file = join(directory, 'counter');
  const last = Number(readPrivate(file)?.toString('utf8') ?? 0);
  const block = Math.max(Number.isSafeInteger(last) ? last + 1 : 0, Math.floor(Date.now() / 1000));
  await writePrivate(file, String(block));
  const own = join(directory, randomBytes(8).toString('hex'));
  mkdirSync(own, { mode: 0o700 });
  await syncDirectory(directory);
  return { directory: own, firstSegment: block * spoolBounds.segmentsPerBlock };
}

/** Holds a lock until the returned function is called. */
function hold(path: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    let free: () => void = () => undefined;
    const held = new Promise<void>((done) => {
      free = done;
    });
    const over = withLock(path, () => {
      resolve(async () => {
        free();
        await over;
      });
      return held;
    });
    over.catch(reject);
  });
}

/** Nobody has said for a while that he is there; one that was made just now is about to. */
function isSilent(path: string): boolean {
  const heard = [join(path, ownerName), path].map(
    (each) => statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return Math.abs(Date.now() - Math.max(...heard)) > spoolBounds.ownerSilenceMsMax;
}
