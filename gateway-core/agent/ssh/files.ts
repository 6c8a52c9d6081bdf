import type { SFTPWrapper } from 'ssh2';
import type { Handlers } from '../../contract/bridge/calls.js';
import {
  type DirectoryPage,
  directoryEntriesMax,
  directoryPageMax,
  editedFileBytesMax,
  type RemoteEntry,
  type RemoteText,
} from '../../contract/bridge/ssh.js';
import { ThroughlineError } from '../../contract/errors.js';
import { newKey } from './keys.js';
import { sshLimits } from './limits.js';
import type { TerminalSession } from './session.js';
import { ask, entryOf, readBlock, statIfThere, statOf, tell, withHandle, writeBlocks } from './sftp.js';

type FileCalls = Extract<keyof Handlers<'agent'>, `sftp.${string}`>;

/** The files of a target: directories, names, modes, small texts. Contents of any size go by transfers. */
export class Files {
  readonly handlers: Pick<Handlers<'agent'>, FileCalls>;
  /** Directories as they were read, the oldest first. */
  readonly #listings = new Map<string, readonly RemoteEntry[]>();

  constructor(sessionOf: (key: string) => TerminalSession) {
    const files = async (key: string): Promise<SFTPWrapper> => sessionOf(key).files();
    this.handlers = {
      'sftp.list': async ({ key, path }) => this.#list(await files(key), path),
      'sftp.page': ({ listing, from, count }) =>
        Promise.resolve().then(() => this.#page(listing, from, count)),
      'sftp.rename': async ({ key, path, to }) => {
        const sftp = await files(key);
        // Version 3 says nothing of a name that is taken; OpenSSH refuses it, others may not.
        if ((await statIfThere(sftp, to)) !== undefined) throw taken();
        await tell(sftp, (answer) => sftp.rename(path, to, answer));
        return {};
      },
      'sftp.remove': async ({ key, path, directory }) => {
        const sftp = await files(key);
        await tell(sftp, (answer) => (directory ? sftp.rmdir(path, answer) : sftp.unlink(path, answer)));
        return {};
      },
      'sftp.makeDirectory': async ({ key, path }) => {
        const sftp = await files(key);
        await tell(sftp, (answer) => sftp.mkdir(path, answer));
        return {};
      },
      'sftp.setMode': async ({ key, path, mode }) => {
        const sftp = await files(key);
        await tell(sftp, (answer) => sftp.chmod(path, mode, answer));
        return {};
      },
      'sftp.readText': async ({ key, path }) => readText(await files(key), path),
      'sftp.writeText': async ({ key, ...wanted }) => writeText(await files(key), wanted),
    };
  }

  async #list(files: SFTPWrapper, path: string): Promise<DirectoryPage> {
    const real = await ask<string>(files, (answer) => files.realpath(path, answer));
    const { entries, cut } = await entriesOf(files, real);
    const listing = newKey('lst');
    this.#listings.set(listing, entries);
    const [oldest] = this.#listings.keys();
    if (this.#listings.size > sshLimits.listingsMax && oldest !== undefined) this.#listings.delete(oldest);
    return { path: real, listing, entries: entries.slice(0, directoryPageMax), count: entries.length, cut };
  }

  #page(listing: string, from: number, count: number): { entries: RemoteEntry[] } {
    const entries = this.#listings.get(listing);
    if (entries === undefined) {
      throw new ThroughlineError('not-found', 'this directory is not kept any more', {
        action: 'read it again',
      });
    }
    return { entries: entries.slice(from, from + count) };
  }
}

/** A server may go on for ever: what is over the bound is left out, and that is said. */
export async function entriesOf(
  files: SFTPWrapper,
  path: string,
): Promise<{ readonly entries: RemoteEntry[]; readonly cut: boolean }> {
  return withHandle(
    files,
    (answer) => files.opendir(path, answer),
    async (handle) => {
      const entries: RemoteEntry[] = [];
      for (;;) {
        const some = await readSome(files, handle);
        if (some === 'end') return { entries, cut: false };
        for (const entry of some) {
          if (entries.length >= directoryEntriesMax) return { entries, cut: true };
          entries.push(entry);
        }
      }
    },
  );
}

async function readSome(files: SFTPWrapper, handle: Buffer): Promise<RemoteEntry[] | 'end'> {
  const found = await ask<Parameters<typeof entryOf>[0][] | 'end'>(files, (answer) =>
    files.readdir(handle, (error, list) => {
      // SSH_FX_EOF; an answer without names is none either, and would be asked for without end.
      if ((error as { code?: unknown } | undefined)?.code === 1) answer(undefined, 'end');
      else answer(error, list);
    }),
  );
  if (found === 'end') return 'end';
  return found.map(entryOf).filter((entry) => entry !== undefined);
}

async function readText(files: SFTPWrapper, path: string): Promise<RemoteText> {
  const stat = await statOf(files, path);
  if (!stat.isFile()) throw new ThroughlineError('invalid-request', 'this is no file');
  if (stat.size > editedFileBytesMax) {
    throw new ThroughlineError('too-large', 'this file is too large to be edited here', {
      action: 'download it',
    });
  }
  const bytes = await withHandle(
    files,
    (answer) => files.open(path, 'r', answer),
    // One more than it says to have: a file that grows is noticed.
    (handle) => readBlock(files, handle, 0, stat.size + 1),
  );
  if (bytes.length !== stat.size) throw changed();
  return { path, text: textOf(bytes), size: stat.size, modified: stat.mtime };
}

/** @throws ThroughlineError what is no UTF-8 text would not come back as it was */
function textOf(bytes: Buffer): string {
  try {
    if (!bytes.includes(0)) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Falls through: no text.
  }
  throw new ThroughlineError('invalid-request', 'this file holds no UTF-8 text', { action: 'download it' });
}

async function writeText(
  files: SFTPWrapper,
  wanted: {
    readonly path: string;
    readonly text: string;
    readonly size: number;
    readonly modified: number;
    readonly replace: boolean;
  },
): Promise<RemoteText> {
  const { path, text } = wanted;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > editedFileBytesMax) throw new ThroughlineError('too-large', 'this text is too large');
  const now = await statIfThere(files, path);
  const same = now !== undefined && now.size === wanted.size && now.mtime === wanted.modified;
  if (!same && !wanted.replace) throw changed();
  await withHandle(
    files,
    (answer) => files.open(path, 'w', answer),
    (handle) => writeBlocks(files, handle, 0, bytes),
  );
  const after = await statOf(files, path);
  // The size is ours: where it is another one already, somebody was quick, and the next save has to notice.
  return { path, text, size: bytes.length, modified: after.mtime };
}

function changed(): ThroughlineError {
  return new ThroughlineError('conflict', 'the file is another one by now than the one that was read', {
    action: 'read it again, or replace it with yours',
  });
}

export function taken(): ThroughlineError {
  return new ThroughlineError('conflict', 'something of that name is there already', {
    action: 'choose another name',
  });
}
