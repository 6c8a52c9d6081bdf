import { randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { withLock } from '../../gateway-core/agent/client/lock.js';
import {
  privateDirectory,
  readPrivate,
  writePrivate,
} from '../../gateway-core/agent/client/private-files.js';

/**
 * The host that runs for this user, in a private file: where it listens, and what a second start has to say to have a
 * window opened there. Of a host that is gone only the port is of use.
 */
const Note = z.object({
  v: z.literal(1),
  port: z.number().int().min(1).max(65_535),
  secret: z.string().min(20),
});
type Note = z.infer<typeof Note>;

const askTimeoutMs = 3000;
const lockName = 'host.lock';

export interface Instance {
  readonly secret: string;
  /** The port of the last host, so that pages of it find this one. 0: there was none. */
  readonly lastPort: number;
}

export type Claim =
  | { readonly kind: 'claimed' }
  /** Another host runs already and opened a window; `door` is the page that leads there. */
  | { readonly kind: 'running'; readonly door: string };

/**
 * Makes this the one host of this user: `start` listens and resolves with its port. Where one runs already it is asked
 * to open a window instead (`print`: only to make a door).
 */
export async function claimInstance(
  directory: string,
  print: boolean,
  start: (instance: Instance) => Promise<number>,
): Promise<Claim> {
  privateDirectory(directory);
  const path = join(directory, 'host.json');
  return withLock(join(directory, lockName), async () => {
    const last = readNote(path);
    const door = last === undefined ? undefined : await ask(last, print);
    if (door !== undefined) return { kind: 'running', door };
    const secret = randomBytes(32).toString('base64url');
    const port = await start({ secret, lastPort: last?.port ?? 0 });
    await writePrivate(path, JSON.stringify({ v: 1, port, secret } satisfies Note));
    return { kind: 'claimed' };
  });
}

/** Ends the one host of this user. A start that comes meanwhile waits, and finds everything ended. */
export function releaseInstance(directory: string, end: () => Promise<void>): Promise<void> {
  return withLock(join(directory, lockName), end);
}

/** What a second start sends: the secret, and whether to open a window or to make a door only. */
export function readAsk(text: string, secret: string): 'open' | 'print' | undefined {
  const [said = '', what] = text.split(' ');
  const [a, b] = [Buffer.from(said), Buffer.from(secret)];
  if (a.length !== b.length || !timingSafeEqual(a, b)) return undefined;
  return what === 'open' || what === 'print' ? what : undefined;
}

function readNote(path: string): Note | undefined {
  try {
    const bytes = readPrivate(path);
    return bytes === undefined ? undefined : Note.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

async function ask({ port, secret }: Note, print: boolean): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/open`, {
      method: 'POST',
      body: `${secret} ${print ? 'print' : 'open'}`,
      redirect: 'error',
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    return answer.ok ? (await answer.text()).slice(0, 4096) : undefined;
  } catch {
    return undefined;
  }
}
