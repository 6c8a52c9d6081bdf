import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { QueryName, type SavedQuery } from '../../gateway-core/contract/bridge/app.js';
import { runCharactersMax } from '../../gateway-core/contract/bridge/sql.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import type { QueriesPort } from '../ipc/host-handlers.js';

const extension = '.sql';
/** Files that a list shows; a directory of queries has fewer. */
const listedMax = 2000;
/** UTF-8 takes at most three bytes for one UTF-16 unit. */
const queryBytesMax = runCharactersMax * 3;
/** Names that Windows takes for devices, with any extension. */
const deviceName = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/**
 * Saved queries: plain `.sql` files of the person's own, directly in `directory`, which is made at the first write.
 * Links are neither listed nor followed, nothing outside is reached, nothing is overwritten unasked.
 */
export function queriesIn(directory: string): QueriesPort {
  return {
    list: async () => ({ directory, queries: await list(directory) }),
    read: async (name) => read(pathOf(directory, name), name),
    write: (name, text, replace) => write(directory, name, text, replace),
    remove: async (name) => {
      const path = pathOf(directory, name);
      await requireFile(path, name);
      await unlink(path);
    },
  };
}

/** @throws ThroughlineError invalid-request */
function pathOf(directory: string, name: string): string {
  // The bridge checks names too; whoever calls, nothing but a name may become part of a path.
  const fits = QueryName.safeParse(name).success && !/[. ]$/.test(name) && !deviceName.test(name);
  if (fits && Buffer.byteLength(name) + extension.length <= 255)
    return join(directory, `${name}${extension}`);
  throw new ThroughlineError('invalid-request', 'a query cannot be saved under this name', {
    action: 'choose another name, with letters, digits, spaces or dashes',
  });
}

async function list(directory: string): Promise<SavedQuery[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw unusable(error);
  });
  const names = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => entry.name.slice(0, -extension.length))
    .filter((name) => QueryName.safeParse(name).success)
    .sort((a, b) => a.localeCompare(b))
    .slice(0, listedMax);
  const queries = await Promise.all(
    names.map((name) => describe(join(directory, `${name}${extension}`), name)),
  );
  return queries.flatMap((query) => (query === undefined ? [] : [query]));
}

async function describe(path: string, name: string): Promise<SavedQuery | undefined> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || !stats.isFile()) return undefined;
  return { name, bytes: stats.size, changedAt: stats.mtime.toISOString() };
}

async function read(path: string, name: string): Promise<string> {
  const file = await openFile(path, name);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw notThere(name);
    if (stats.size > queryBytesMax) throw tooLarge(name);
    const bytes = await file.readFile();
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.length > runCharactersMax) throw tooLarge(name);
    return text;
  } catch (cause) {
    if (cause instanceof ThroughlineError) throw cause;
    throw new ThroughlineError('conflict', `${name} is not UTF-8 text, and saving it here would change it`, {
      action: 'convert the file to UTF-8',
      cause,
    });
  } finally {
    await file.close();
  }
}

async function openFile(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT' || code === 'ELOOP' ? notThere(name) : unusable(error as NodeJS.ErrnoException);
  }
}

/** Written beside and put in place whole: a crash leaves the old text or the new one. */
async function write(directory: string, name: string, text: string, replace: boolean): Promise<SavedQuery> {
  const path = pathOf(directory, name);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw unusable(error);
  });
  // The directory may be a link of the person's own; what stands in it may not lead out.
  const temporary = join(await realpath(directory), `.${randomBytes(6).toString('hex')}.new`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
    await file.close();
    if (replace) await putOver(temporary, path, name);
    else await putNew(temporary, path, name);
  } finally {
    await file.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
  }
  const written = await describe(path, name);
  if (written === undefined) throw notThere(name);
  return written;
}

async function putOver(temporary: string, path: string, name: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats !== undefined && !stats.isFile()) throw taken(name);
  await rename(temporary, path);
}

/** A hard link fails where the name is taken, also when it was taken a moment ago. */
async function putNew(temporary: string, path: string, name: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw taken(name);
    // A file system without hard links: looking first is the best there is.
    if ((await lstat(path).catch(() => undefined)) !== undefined) throw taken(name);
    await rename(temporary, path);
  }
}

async function requireFile(path: string, name: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || !stats.isFile()) throw notThere(name);
}

function notThere(name: string): ThroughlineError {
  return new ThroughlineError('not-found', `there is no saved query ${name}`);
}

function taken(name: string): ThroughlineError {
  return new ThroughlineError('conflict', `there is a saved query ${name} already`, {
    action: 'replace it, or choose another name',
  });
}

function tooLarge(name: string): ThroughlineError {
  return new ThroughlineError('too-large', `${name} is larger than the editor takes`, {
    action: 'run it with psql through a tunnel',
  });
}

function unusable({ code }: NodeJS.ErrnoException): ThroughlineError {
  return new ThroughlineError(
    'invalid-config',
    `the directory of saved queries cannot be used (${code ?? 'unknown'})`,
    {
      action: 'check its owner and mode',
    },
  );
}
