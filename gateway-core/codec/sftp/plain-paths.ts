import type { SftpRequest } from './requests.js';

/** How many paths a request has, behind its number or the name of its extension. What a link holds is not one. */
const paths: {
  readonly [Kind in SftpRequest['kind']]?: { readonly count: 1 | 2; readonly extended?: true };
} = {
  open: { count: 1 },
  lstat: { count: 1 },
  stat: { count: 1 },
  setstat: { count: 1 },
  opendir: { count: 1 },
  remove: { count: 1 },
  mkdir: { count: 1 },
  rmdir: { count: 1 },
  realpath: { count: 1 },
  readlink: { count: 1 },
  rename: { count: 2 },
  'posix-rename': { count: 2, extended: true },
  hardlink: { count: 2, extended: true },
  statvfs: { count: 1, extended: true },
  lsetstat: { count: 1, extended: true },
};

/**
 * The request with the paths that policy sees: behind a symbolic link `..` leads elsewhere at the target than in the
 * text (`open/link/../x`). undefined: it has no such path. Never longer than `raw`, which is the whole packet.
 */
export function withPlainPaths(request: SftpRequest, raw: Uint8Array): Uint8Array | undefined {
  const fields = paths[request.kind];
  if (fields === undefined) return undefined;
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  let at = headBytes;
  if (fields.extended === true) at += 4 + bytes.readUInt32BE(at);
  const parts = [bytes.subarray(0, at)];
  let changed = false;
  for (let left: number = fields.count; left > 0; left -= 1) {
    const end = at + 4 + bytes.readUInt32BE(at);
    const path = bytes.toString('latin1', at + 4, end);
    at = end;
    changed ||= goesBack(path);
    const plain = Buffer.from(goesBack(path) ? collapsed(path) : path, 'latin1');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(plain.length);
    parts.push(length, plain);
  }
  if (!changed) return undefined;
  const whole = Buffer.concat([...parts, bytes.subarray(at)]);
  whole.writeUInt32BE(whole.length - 4, 0);
  return whole;
}

/** Length, type and number. */
const headBytes = 9;

/** Whether a `..` stands behind a name, which may be a link's. */
export function goesBack(path: string): boolean {
  let isBehindName = false;
  for (const segment of path.split('/')) {
    if (segment === '..' && isBehindName) return true;
    isBehindName ||= segment !== '' && segment !== '.' && segment !== '..';
  }
  return false;
}

function collapsed(path: string): string {
  const isAbsolute = path.startsWith('/');
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    const last = kept.at(-1);
    if (segment !== '..') kept.push(segment);
    else if (last !== undefined && last !== '..') kept.pop();
    else if (!isAbsolute) kept.push('..');
  }
  return isAbsolute ? `/${kept.join('/')}` : kept.join('/') || '.';
}
