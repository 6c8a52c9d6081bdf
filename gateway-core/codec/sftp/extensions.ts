import { type FileAttributes, readAttributes } from './attributes.js';
import type { FieldReader } from './bytes.js';
import { sftpLimits } from './limits.js';

/** Section 8, and OpenSSH's PROTOCOL section 4. */
export type ExtendedRequest =
  | {
      readonly kind: 'posix-rename' | 'hardlink';
      readonly id: number;
      readonly path: string;
      readonly to: string;
    }
  | { readonly kind: 'statvfs' | 'expand-path'; readonly id: number; readonly path: string }
  | { readonly kind: 'fstatvfs' | 'fsync'; readonly id: number; readonly handle: string }
  | {
      readonly kind: 'lsetstat';
      readonly id: number;
      readonly path: string;
      readonly attributes: FileAttributes;
    }
  | { readonly kind: 'limits' | 'users-groups-by-id'; readonly id: number }
  | { readonly kind: 'home-directory'; readonly id: number; readonly user: string }
  | {
      readonly kind: 'copy-data';
      readonly id: number;
      readonly handle: string;
      readonly offset: number;
      /** 0: to the end of the file. */
      readonly lengthBytes: number;
      readonly toHandle: string;
      readonly toOffset: number;
    }
  /** One that is not known here: what it does cannot be judged. */
  | { readonly kind: 'extension'; readonly id: number; readonly name: string };

export function readExtended(id: number, reader: FieldReader): ExtendedRequest {
  const name = reader.text(sftpLimits.pathBytesMax);
  switch (name) {
    case 'posix-rename@openssh.com':
      return { kind: 'posix-rename', id, path: reader.path(), to: reader.path() };
    case 'hardlink@openssh.com':
      return { kind: 'hardlink', id, path: reader.path(), to: reader.path() };
    case 'statvfs@openssh.com':
      return { kind: 'statvfs', id, path: reader.path() };
    case 'expand-path@openssh.com':
      return { kind: 'expand-path', id, path: reader.path() };
    case 'fstatvfs@openssh.com':
      return { kind: 'fstatvfs', id, handle: reader.handle() };
    case 'fsync@openssh.com':
      return { kind: 'fsync', id, handle: reader.handle() };
    case 'lsetstat@openssh.com':
      return { kind: 'lsetstat', id, path: reader.path(), attributes: readAttributes(reader) };
    case 'limits@openssh.com':
      return { kind: 'limits', id };
    case 'home-directory':
      return { kind: 'home-directory', id, user: reader.text(sftpLimits.pathBytesMax) };
    case 'users-groups-by-id@openssh.com':
      // Lists of numbers that are turned into names.
      reader.bytes(sftpLimits.packetBytesMax);
      reader.bytes(sftpLimits.packetBytesMax);
      return { kind: 'users-groups-by-id', id };
    case 'copy-data':
      return {
        kind: 'copy-data',
        id,
        handle: reader.handle(),
        offset: reader.uint53(),
        lengthBytes: reader.uint53(),
        toHandle: reader.handle(),
        toOffset: reader.uint53(),
      };
    default:
      reader.rest();
      return { kind: 'extension', id, name };
  }
}
