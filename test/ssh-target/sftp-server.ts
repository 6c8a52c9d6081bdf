import { lstatSync, readdirSync } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import ssh2, { type Attributes, type FileEntry, type SFTPWrapper, type Stats } from 'ssh2';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

export interface SftpTarget {
  /** What the target's root is on this machine. */
  readonly root: string;
  /** Every write waits for it. */
  readonly pace?: () => Promise<void>;
  /** Text of a refusal, as a gateway sends one. */
  readonly refuse?: (operation: string, path: string) => string | undefined;
}

/** SFTP version 3 over a folder of this machine, as little as a client needs. */
export function serveSftp(sftp: SFTPWrapper, { root, refuse, pace }: SftpTarget): void {
  const handles = new Map<number, FileHandle | { entries: FileEntry[] }>();
  let last = 0;
  const keep = (held: FileHandle | { entries: FileEntry[] }): Buffer => {
    last += 1;
    handles.set(last, held);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(last);
    return handle;
  };
  const held = (handle: Buffer) => handles.get(handle.readUInt32BE());
  const file = (handle: Buffer): FileHandle => {
    const found = held(handle);
    if (found === undefined || 'entries' in found)
      throw Object.assign(new Error('no file'), { code: 'EBADF' });
    return found;
  };
  const place = (path: string): string => join(root, posix.resolve('/', path));
  const answer = (request: number, operation: string, path: string, work: () => Promise<void>): void => {
    const refused = refuse?.(operation, path);
    if (refused !== undefined) return sftp.status(request, STATUS_CODE.PERMISSION_DENIED, refused);
    work().catch((error: NodeJS.ErrnoException) => {
      const codes: Record<string, number> = {
        ENOENT: STATUS_CODE.NO_SUCH_FILE,
        EACCES: STATUS_CODE.PERMISSION_DENIED,
      };
      sftp.status(request, codes[error.code ?? ''] ?? STATUS_CODE.FAILURE);
    });
  };
  sftp.on('close', () => {
    for (const left of handles.values()) if (!('entries' in left)) void left.close();
    handles.clear();
  });
  const ok = (request: number) => sftp.status(request, STATUS_CODE.OK);

  sftp.on('REALPATH', (request, path) => {
    const filename = posix.resolve('/', path);
    answer(request, 'realpath', filename, async () => {
      sftp.name(request, [{ filename, longname: filename, attrs: attributesOf(await stat(root)) }]);
    });
  });
  sftp.on('OPENDIR', (request, path) =>
    answer(request, 'list', path, async () => {
      const at = place(path);
      const entries = readdirSync(at).map((filename) => {
        const attrs = attributesOf(lstatSync(join(at, filename)));
        return { filename, longname: filename, attrs };
      });
      sftp.handle(request, keep({ entries }));
      return Promise.resolve();
    }),
  );
  sftp.on('READDIR', (request, handle) => {
    const found = held(handle);
    if (found === undefined || !('entries' in found)) return sftp.status(request, STATUS_CODE.FAILURE);
    const some = found.entries.splice(0, 100);
    if (some.length === 0) sftp.status(request, STATUS_CODE.EOF);
    else sftp.name(request, some);
  });
  sftp.on('OPEN', (request, path, flags) => {
    const writes = (flags & OPEN_MODE.WRITE) !== 0;
    answer(request, writes ? 'write' : 'read', path, async () => {
      const exclusive = (flags & OPEN_MODE.EXCL) !== 0;
      const mode = !writes ? 'r' : exclusive ? 'wx' : (flags & OPEN_MODE.TRUNC) !== 0 ? 'w' : 'r+';
      sftp.handle(request, keep(await open(place(path), mode)));
    });
  });
  sftp.on('READ', (request, handle, offset, length) =>
    answer(request, 'bytes', '', async () => {
      const { bytesRead, buffer } = await file(handle).read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) sftp.status(request, STATUS_CODE.EOF);
      else sftp.data(request, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (request, handle, offset, data) =>
    answer(request, 'bytes', '', async () => {
      // The bytes are the channel's: they are another packet's by the time that a wait is over.
      const bytes = Buffer.from(data);
      await pace?.();
      await file(handle).write(bytes, 0, bytes.length, offset);
      ok(request);
    }),
  );
  sftp.on('CLOSE', (request, handle) =>
    answer(request, 'close', '', async () => {
      const found = held(handle);
      handles.delete(handle.readUInt32BE());
      if (found !== undefined && !('entries' in found)) await found.close();
      ok(request);
    }),
  );
  const statTo = (request: number, path: string, read: typeof stat | typeof lstat) =>
    answer(request, 'stat', path, async () => sftp.attrs(request, attributesOf(await read(place(path)))));
  sftp.on('STAT', (request, path) => statTo(request, path, stat));
  sftp.on('LSTAT', (request, path) => statTo(request, path, lstat));
  sftp.on('SETSTAT', (request, path, { mode }) =>
    answer(request, 'set-attributes', path, async () => {
      await chmod(place(path), (mode ?? 0) & 0o7777);
      ok(request);
    }),
  );
  sftp.on('REMOVE', (request, path) =>
    answer(request, 'remove', path, async () => {
      await unlink(place(path));
      ok(request);
    }),
  );
  sftp.on('RMDIR', (request, path) =>
    answer(request, 'remove-directory', path, async () => {
      await rmdir(place(path));
      ok(request);
    }),
  );
  sftp.on('MKDIR', (request, path) =>
    answer(request, 'make-directory', path, async () => {
      await mkdir(place(path));
      ok(request);
    }),
  );
  sftp.on('RENAME', (request, path, to) =>
    answer(request, 'rename', path, async () => {
      await rename(place(path), place(to));
      ok(request);
    }),
  );
}

function attributesOf(
  stats: Pick<Stats, 'mode' | 'size' | 'uid' | 'gid'> & { mtimeMs?: number },
): Attributes {
  const { mode, size, uid, gid } = stats;
  const seconds = Math.floor((stats.mtimeMs ?? 0) / 1000);
  return { mode, size, uid, gid, atime: seconds, mtime: seconds };
}
