import { constants, type Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rmdir,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';
import { endFiles } from '../../../proxy/ssh/library.js';
import { builtInLimits } from './limits.js';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** A list that is read piece by piece, or a file. */
type Held = { readonly names: string[]; readonly at: string } | FileHandle;

class Refused extends Error {
  readonly code = 'EACCES';
}

/** SFTP version 3 (draft-ietf-secsh-filexfer-02) over what is below `home`; links out of it lead nowhere. */
export function serveFiles(sftp: SFTPWrapper, home: string): void {
  const held = new Map<number, Held>();
  let last = 0;
  const keep = (what: Held): Buffer => {
    last += 1;
    held.set(last, what);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(last);
    return handle;
  };
  const opened = async (request: number, begin: () => Promise<Held>): Promise<void> => {
    if (held.size >= builtInLimits.handlesMax) throw new Refused('too many files are open');
    sftp.handle(request, keep(await begin()));
  };
  const of = (handle: Buffer): Held => {
    const found = handle.length === 4 ? held.get(handle.readUInt32BE()) : undefined;
    if (found === undefined) throw new Error('no such handle');
    return found;
  };
  const file = (handle: Buffer): FileHandle => {
    const found = of(handle);
    if ('names' in found) throw new Error('a list is not a file');
    return found;
  };
  let before: Promise<void> = Promise.resolve();
  /**
   * Answers `request` with what `work` says, or with the status that fits its failure. One after the other: OpenSSH's
   * clients cut a file off where answers come in another order than questions.
   */
  const answer = (request: number, work: () => Promise<void> | void): void => {
    before = before.then(work).catch((error: NodeJS.ErrnoException) => {
      sftp.status(request, statusOf(error));
    });
  };
  const done = (request: number, work: () => Promise<unknown>): void =>
    answer(request, async () => {
      await work();
      sftp.status(request, STATUS_CODE.OK);
    });
  /** `ending`: whether a link at its end is followed, too. */
  const place = (path: string, ending: 'follow' | 'keep' = 'follow'): Promise<string> =>
    below(home, path, ending);

  sftp.on('error', () => sftp.end());
  // The client has no more to ask.
  sftp.on('end', () => endFiles(sftp));
  sftp.on('close', () => {
    for (const each of held.values()) if (!('names' in each)) void each.close().catch(() => undefined);
    held.clear();
  });
  sftp.on('REALPATH', (request, path) =>
    answer(request, () => {
      const filename = resolve(home, path);
      sftp.name(request, [{ filename, longname: filename, attrs: noAttributes }]);
    }),
  );
  sftp.on('OPENDIR', (request, path) =>
    answer(request, () =>
      opened(request, async () => {
        const at = await place(path);
        return { at, names: await readdir(at) };
      }),
    ),
  );
  sftp.on('READDIR', (request, handle) =>
    answer(request, async () => {
      const list = of(handle);
      if (!('names' in list)) throw new Error('a file is not a list');
      const names = list.names.splice(0, builtInLimits.namesPerAnswerMax);
      if (names.length === 0) return sftp.status(request, STATUS_CODE.EOF);
      const entries = await Promise.all(names.map((name) => entryOf(list.at, name)));
      return sftp.name(request, entries);
    }),
  );
  sftp.on('OPEN', (request, path, flags) =>
    answer(request, () => opened(request, async () => open(await place(path), openFlags(flags), 0o600))),
  );
  sftp.on('READ', (request, handle, offset, length) =>
    answer(request, async () => {
      const size = Math.min(length, builtInLimits.readBytesMax);
      const { bytesRead, buffer } = await file(handle).read(Buffer.alloc(size), 0, size, offset);
      if (bytesRead === 0) return sftp.status(request, STATUS_CODE.EOF);
      return sftp.data(request, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (request, handle, offset, data) => {
    // The bytes are the channel's: they are another packet's by the time that the disk is asked.
    const bytes = Buffer.from(data);
    done(request, () => file(handle).write(bytes, 0, bytes.length, offset));
  });
  sftp.on('CLOSE', (request, handle) =>
    done(request, async () => {
      const found = of(handle);
      held.delete(handle.readUInt32BE());
      if (!('names' in found)) await found.close();
    }),
  );
  sftp.on('FSTAT', (request, handle) =>
    answer(request, async () => sftp.attrs(request, attributesOf(await file(handle).stat()))),
  );
  sftp.on('STAT', (request, path) =>
    answer(request, async () => sftp.attrs(request, attributesOf(await stat(await place(path))))),
  );
  sftp.on('LSTAT', (request, path) =>
    answer(request, async () => sftp.attrs(request, attributesOf(await lstat(await place(path, 'keep'))))),
  );
  sftp.on('SETSTAT', (request, path, attributes) =>
    done(request, async () => setAttributes(standingAt(await place(path)), attributes)),
  );
  sftp.on('FSETSTAT', (request, handle, attributes) =>
    done(request, async () => setAttributes(file(handle), attributes)),
  );
  sftp.on('MKDIR', (request, path) => done(request, async () => mkdir(await place(path, 'keep'), 0o700)));
  sftp.on('RMDIR', (request, path) => done(request, async () => rmdir(await place(path, 'keep'))));
  sftp.on('REMOVE', (request, path) => done(request, async () => unlink(await place(path, 'keep'))));
  sftp.on('RENAME', (request, from, to) =>
    done(request, async () => rename(await place(from, 'keep'), await place(to, 'keep'))),
  );
  sftp.on('READLINK', (request, path) =>
    answer(request, async () => {
      const filename = await readlink(await place(path, 'keep'));
      sftp.name(request, [{ filename, longname: filename, attrs: noAttributes }]);
    }),
  );
  sftp.on('SYMLINK', (request, linkPath, targetPath) =>
    // OpenSSH's order of both, which every client has (PROTOCOL 4.1).
    done(request, async () => symlink(linkPath, await place(targetPath, 'keep'))),
  );
}

/** Where `path` is, below `home` with every link on the way followed. Throws Refused. */
async function below(home: string, path: string, ending: 'follow' | 'keep'): Promise<string> {
  const top = await realpath(home);
  const wanted = resolve(top, path);
  const real = ending === 'follow' ? await realpath(wanted).catch(() => undefined) : undefined;
  // What is not there yet is made in a folder that is.
  const found =
    real ?? join(await realpath(dirname(wanted)), wanted.slice(dirname(wanted).length).replace(sep, ''));
  if (found !== top && !found.startsWith(`${top}${sep}`)) throw new Refused('outside of the demo’s folder');
  return found;
}

/** Section 6.3, as open(2) has them. */
function openFlags(wanted: number): number {
  const has = (flag: number): boolean => (wanted & flag) !== 0;
  const writes = has(OPEN_MODE.WRITE) || has(OPEN_MODE.APPEND);
  const access = !writes ? constants.O_RDONLY : has(OPEN_MODE.READ) ? constants.O_RDWR : constants.O_WRONLY;
  const more = [
    [OPEN_MODE.APPEND, constants.O_APPEND],
    [OPEN_MODE.CREAT, constants.O_CREAT],
    [OPEN_MODE.TRUNC, constants.O_TRUNC],
    [OPEN_MODE.EXCL, constants.O_EXCL],
  ] as const;
  // The way was followed already: what became a link meanwhile is not gone through.
  return more.reduce((sum, [flag, bit]) => (has(flag) ? sum | bit : sum), access | constants.O_NOFOLLOW);
}

async function entryOf(at: string, filename: string) {
  const stats = await lstat(join(at, filename)).catch(() => undefined);
  const attrs = stats === undefined ? noAttributes : attributesOf(stats);
  return { filename, longname: `${(attrs.mode & 0o7777).toString(8)} ${attrs.size} ${filename}`, attrs };
}

const noAttributes: Attributes = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };

function attributesOf({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats): Attributes {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}

type Changeable = Pick<FileHandle, 'truncate' | 'chmod' | 'utimes'>;

/** What stands at a path, without opening it: a folder cannot be opened for writing. */
const standingAt = (path: string): Changeable => ({
  truncate: (size) => truncate(path, size),
  chmod: (mode) => chmod(path, mode),
  utimes: (accessed, modified) => utimes(path, accessed, modified),
});

async function setAttributes(
  what: Changeable,
  { mode, atime, mtime, size }: Partial<Attributes>,
): Promise<void> {
  if (size !== undefined) await what.truncate(size);
  if (mode !== undefined) await what.chmod(mode & 0o7777);
  if (atime !== undefined && mtime !== undefined) await what.utimes(atime, mtime);
}

function statusOf({ code }: NodeJS.ErrnoException): number {
  if (code === 'ENOENT') return STATUS_CODE.NO_SUCH_FILE;
  return code === 'EACCES' || code === 'EPERM' ? STATUS_CODE.PERMISSION_DENIED : STATUS_CODE.FAILURE;
}
