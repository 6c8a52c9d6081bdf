import type { SshUse } from '../../contract/ssh.js';
import type { FileAttributes } from './attributes.js';
import { absolutePath, parentOf } from './paths.js';
import { goesBack } from './plain-paths.js';
import { openFlags, openFlagsAll } from './protocol.js';
import type { SftpRequest } from './requests.js';

/** What policy is asked about a file. */
export type FileUse = Extract<SshUse, { action: 'ssh:sftp' }>['file'];

/** What a handle was opened for. */
export interface OpenRights {
  readonly read: boolean;
  readonly write: boolean;
  /** The file has no other bytes than those that are written: it was emptied, or made. */
  readonly fresh: boolean;
}

/** As OpenSSH's server and open(2) read the flags: emptying and making a file changes it, even when it is opened to read. */
export function openRights(flags: number): OpenRights {
  const has = (flag: number) => (flags & flag) !== 0;
  return {
    read: has(openFlags.read) || !has(openFlags.write),
    write: has(openFlags.write),
    fresh: has(openFlags.truncate) || (has(openFlags.create) && has(openFlags.exclusive)),
  };
}

/**
 * What a request does, as policy is asked: each of them must be allowed. Empty: nothing to ask. undefined: it cannot be
 * judged (a relative path before the home directory is known, flags or an extension that are not known here), so it
 * must be refused. `pathOf` gives the path of an open handle, `home` is where relative paths begin.
 */
export function fileUses(
  request: SftpRequest,
  home: string | undefined,
  pathOf: (handle: string) => string | undefined,
): readonly FileUse[] | undefined {
  switch (request.kind) {
    case 'init':
    case 'close':
    case 'read':
    case 'write':
    case 'readdir':
    case 'fsync':
    case 'copy-data':
    case 'limits':
    case 'users-groups-by-id':
    case 'home-directory':
      return [];
    case 'open':
      return openUses(request.flags, request.attributes, absolutePath(request.path, home));
    case 'realpath':
      // Where a session begins. It tells the home directory, which every path hangs below.
      if (request.path === '.' || request.path === '') return [];
      return one('stat', absolutePath(request.path, home));
    case 'expand-path':
      return one('stat', expandedPath(request.path, home));
    case 'lstat':
    case 'stat':
    case 'statvfs':
      return one('stat', absolutePath(request.path, home));
    case 'fstat':
    case 'fstatvfs':
      return one('stat', pathOf(request.handle));
    case 'setstat':
    case 'lsetstat':
      return one('set-attributes', absolutePath(request.path, home));
    case 'fsetstat':
      return one('set-attributes', pathOf(request.handle));
    case 'opendir':
      return one('list', absolutePath(request.path, home));
    case 'remove':
      return one('remove', absolutePath(request.path, home));
    case 'rmdir':
      return one('remove-directory', absolutePath(request.path, home));
    case 'mkdir':
      return made(one('make-directory', absolutePath(request.path, home)), request.attributes);
    case 'readlink':
      return one('read-link', absolutePath(request.path, home));
    case 'rename':
    case 'posix-rename':
      return two('rename', absolutePath(request.path, home), absolutePath(request.to, home));
    case 'hardlink':
      return two('link', absolutePath(request.path, home), absolutePath(request.to, home));
    case 'symlink':
      return symlinkUses(request.path, request.to, home);
    case 'extension':
      return undefined;
  }
}

function one(operation: FileUse['operation'], path: string | undefined): readonly FileUse[] | undefined {
  return path === undefined ? undefined : [{ operation, path }];
}

function two(
  operation: FileUse['operation'],
  path: string | undefined,
  to: string | undefined,
): readonly FileUse[] | undefined {
  if (path === undefined || to === undefined) return undefined;
  // Who looks at `path` alone has a word in where it goes: there it makes a file, or takes one's place.
  return [
    { operation, path, to },
    { operation: 'write', path: to },
  ];
}

function openUses(
  flags: number,
  attributes: FileAttributes,
  path: string | undefined,
): readonly FileUse[] | undefined {
  if (path === undefined || (flags & ~openFlagsAll) !== 0) return undefined;
  const has = (flag: number) => (flags & flag) !== 0;
  const rights = openRights(flags);
  const appends = has(openFlags.write) && has(openFlags.append);
  const changes = has(openFlags.truncate) || (has(openFlags.write) ? !appends : has(openFlags.create));
  const uses: FileUse[] = [];
  if (rights.read) uses.push({ operation: 'read', path });
  if (changes) uses.push({ operation: 'write', path });
  if (appends) uses.push({ operation: 'append', path });
  return made(uses, attributes);
}

/** A file that is made with plain permissions is just made; with an owner, times, or set-user bits it is more than that. */
function made(
  uses: readonly FileUse[] | undefined,
  attributes: FileAttributes,
): readonly FileUse[] | undefined {
  const { owner, times, extended, permissions = 0 } = attributes;
  const more =
    owner !== undefined || times !== undefined || extended !== undefined || (permissions & 0o7000) !== 0;
  const path = uses?.[0]?.path;
  return more && uses !== undefined && path !== undefined
    ? [...uses, { operation: 'set-attributes', path }]
    : uses;
}

/** `~` and `~/x` hang below home; another account's home is the target's to know. */
function expandedPath(path: string, home: string | undefined): string | undefined {
  if (!path.startsWith('~')) return absolutePath(path, home);
  if (home === undefined || (path !== '~' && !path.startsWith('~/'))) return undefined;
  return absolutePath(`${home}/${path.slice(1)}`, home);
}

/**
 * The draft has the link first, OpenSSH's server has it second: both are asked. What a link points at is relative to
 * where the link stands. `path` of a use is what is pointed at, `to` is the new name.
 */
function symlinkUses(
  first: string,
  second: string,
  home: string | undefined,
): readonly FileUse[] | undefined {
  // A link holds its text as it is, so what a `..` in it leads to is not in the text.
  if (goesBack(first) || goesBack(second)) return undefined;
  const uses: FileUse[] = [];
  for (const [target, link] of [
    [first, second],
    [second, first],
  ] as const) {
    const to = absolutePath(link, home);
    const path = to === undefined ? undefined : absolutePath(target, parentOf(to));
    if (path === undefined || to === undefined) return undefined;
    uses.push({ operation: 'link', path, to });
  }
  return uses;
}
