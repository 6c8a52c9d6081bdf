import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { absolutePath } from '../../gateway-core/codec/sftp/paths.js';
import { goesBack, withPlainPaths } from '../../gateway-core/codec/sftp/plain-paths.js';
import { type SftpRequest, SftpRequests } from '../../gateway-core/codec/sftp/requests.js';
import { seedOfRun } from '../sim/random.js';
import { noAttributes, packet } from './sftp-support.js';

const types = { open: 3, mkdir: 14, stat: 17, rename: 18, symlink: 20, extended: 200 };

function read(raw: Uint8Array): SftpRequest {
  const [event] = new SftpRequests().push(raw);
  if (event?.kind !== 'packet') throw new Error('no packet');
  return event.packet;
}

/** What the target is asked, as it reads it; undefined: as it was sent. */
function plain(raw: Uint8Array): SftpRequest | undefined {
  const rewritten = withPlainPaths(read(raw), raw);
  return rewritten === undefined ? undefined : read(rewritten);
}

describe('paths on their way to the target', () => {
  it('a `..` behind a name is taken out, whichever request it stands in, and nothing else changes', () => {
    expect(plain(packet(types.open, 7, '/a/open/link/../x', 1, noAttributes))).toMatchObject({
      kind: 'open',
      id: 7,
      path: '/a/open/x',
      flags: 1,
    });
    expect(plain(packet(types.mkdir, 1, 'a/../../b', noAttributes))).toMatchObject({ path: '../b' });
    expect(plain(packet(types.stat, 1, 'a/..'))).toMatchObject({ path: '.' });
    expect(plain(packet(types.stat, 1, '/a/../..'))).toMatchObject({ path: '/' });
    expect(plain(packet(types.rename, 1, '/a', '/b/c/../d'))).toMatchObject({ path: '/a', to: '/b/d' });
    for (const name of ['posix-rename@openssh.com', 'hardlink@openssh.com'])
      expect(plain(packet(types.extended, 1, name, '/a/x/../b', '/c/x/../d'))).toMatchObject({
        path: '/a/b',
        to: '/c/d',
      });
    expect(plain(packet(types.extended, 1, 'lsetstat@openssh.com', '/a/x/../b', noAttributes))).toMatchObject(
      {
        path: '/a/b',
      },
    );
    const odd = packet(types.stat, 1, Buffer.from([0x2f, 0xff, 0x2f, 0x2e, 0x2e, 0x2f, 0xfe]));
    expect(Buffer.from(withPlainPaths(read(odd), odd) ?? []).subarray(13)).toEqual(Buffer.from([0x2f, 0xfe]));
  });

  it('others go as they are', () => {
    for (const path of [
      '/a/b',
      '../x',
      '../../x',
      './x',
      '/a//b/./c/',
      '..',
      '/..',
      '',
      'a..',
      'a/..b',
      './../x',
      '//../x',
    ])
      expect(plain(packet(types.stat, 1, path)), path).toBeUndefined();
  });

  it('what the target is asked for is what policy saw, and never longer', () => {
    const segment = fc.constantFrom('a', 'b', '..', '..', '.', '', '...', 'ä');
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 9 }), (segments) => {
        const path = segments.join('/');
        const raw = packet(types.stat, 1, path);
        const rewritten = withPlainPaths(read(raw), raw);
        expect(rewritten !== undefined, path).toBe(goesBack(path));
        if (rewritten === undefined) return;
        const now = read(rewritten);
        const there = 'path' in now ? now.path : '';
        expect(absolutePath(there, '/home/me'), path).toBe(absolutePath(path, '/home/me'));
        expect(goesBack(there), path).toBe(false);
        expect(rewritten.length).toBeLessThan(raw.length);
      }),
      { numRuns: 2000, seed: seedOfRun() },
    );
  });
});
