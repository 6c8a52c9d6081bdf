import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FileTally, SftpChannel } from '../../gateway-core/codec/sftp/channel.js';
import { sftpLimits } from '../../gateway-core/codec/sftp/limits.js';
import { absolutePath } from '../../gateway-core/codec/sftp/paths.js';
import { openFlags } from '../../gateway-core/codec/sftp/protocol.js';
import type { SftpRequest } from '../../gateway-core/codec/sftp/requests.js';
import { DirectionTally } from '../../gateway-core/codec/sftp/tally.js';
import { fileUses } from '../../gateway-core/codec/sftp/uses.js';
import { randomOf, seedOfRun } from '../sim/random.js';

const init = { kind: 'init', version: 3, extensions: [] } as const;
const { read, write, append, create, truncate } = openFlags;

function begun(home: string | undefined = '/home/me'): SftpChannel {
  const channel = new SftpChannel(home);
  channel.request(init);
  channel.reply({ kind: 'version', version: 3, extensions: [] });
  return channel;
}

function ok(channel: SftpChannel, id: number, code = 0) {
  return channel.reply({ kind: 'status', id, code, message: '' });
}

function opened(channel: SftpChannel, flags: number, handle = 'h', path = '/data/f'): void {
  channel.request({ kind: 'open', id: 1, path, flags, attributes: {} });
  channel.reply({ kind: 'handle', id: 1, handle });
}

function closed(channel: SftpChannel, handle = 'h'): FileTally | undefined {
  channel.request({ kind: 'close', id: 2, handle });
  const answer = ok(channel, 2);
  return answer.kind === 'answered' ? answer.file : undefined;
}

const usesOf = (request: SftpRequest, home: string | undefined = '/home/me') =>
  fileUses(request, home, (handle) => (handle === 'h' ? '/open/file' : undefined));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('SFTP: what a request does to files', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/a/../../b//./c/', '/b/c'],
    ['/..', '/'],
    ['x/y', '/home/me/x/y'],
    ['../../etc/passwd', '/etc/passwd'],
    ['', '/home/me'],
    ['/a/..../b', '/a/..../b'],
  ])('the path %j is judged as %j', (path, judged) => {
    expect(absolutePath(path, '/home/me')).toBe(judged);
  });

  it('a path that is judged is absolute and holds no dots, whatever was sent', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '.', '..', '', '/', 'b c')), (segments) => {
        const path = absolutePath(segments.join('/'), '/home/me') ?? '';
        expect(path).toMatch(/^\//);
        expect(path.split('/')).not.toContain('..');
        expect(path === '/' || !/\/(\.?\/|\.?$)/.test(path)).toBe(true);
      }),
      { seed: seedOfRun() },
    );
  });

  it.each([
    [read, ['read']],
    [0, ['read']],
    [write | create | truncate, ['write']],
    [write, ['write']],
    [write | append | create, ['append']],
    [write | append | truncate, ['write', 'append']],
    [read | write, ['read', 'write']],
    // Linux empties a file that is opened to be read, and makes one.
    [read | truncate, ['read', 'write']],
    [read | create, ['read', 'write']],
  ])('OPEN with flags %i is judged as %j', (flags, operations) => {
    const uses = usesOf({ kind: 'open', id: 1, path: 'f', flags, attributes: {} });
    expect(uses?.map((use) => use.operation)).toEqual(operations);
    expect(new Set(uses?.map((use) => use.path))).toEqual(new Set(['/home/me/f']));
  });

  it('a file or directory that is made with an owner, times or set-user bits has its attributes judged, too', () => {
    for (const attributes of [{ permissions: 0o4755 }, { owner: { uid: 0, gid: 0 } }, { extended: [] }]) {
      expect(usesOf({ kind: 'open', id: 1, path: '/f', flags: write | create, attributes })?.at(-1)).toEqual({
        operation: 'set-attributes',
        path: '/f',
      });
      expect(usesOf({ kind: 'mkdir', id: 1, path: '/f', attributes })).toHaveLength(2);
    }
    expect(usesOf({ kind: 'mkdir', id: 1, path: '/f', attributes: { permissions: 0o755 } })).toHaveLength(1);
  });

  it.each<[SftpRequest, object[]]>([
    [{ kind: 'stat', id: 1, path: 'x' }, [{ operation: 'stat', path: '/home/me/x' }]],
    [{ kind: 'opendir', id: 1, path: '.' }, [{ operation: 'list', path: '/home/me' }]],
    [{ kind: 'remove', id: 1, path: '/x' }, [{ operation: 'remove', path: '/x' }]],
    [{ kind: 'rmdir', id: 1, path: '/x' }, [{ operation: 'remove-directory', path: '/x' }]],
    [{ kind: 'readlink', id: 1, path: '/x' }, [{ operation: 'read-link', path: '/x' }]],
    [
      { kind: 'rename', id: 1, path: 'a', to: '/b' },
      [
        { operation: 'rename', path: '/home/me/a', to: '/b' },
        { operation: 'write', path: '/b' },
      ],
    ],
    [
      { kind: 'posix-rename', id: 1, path: '/a', to: '/b' },
      [
        { operation: 'rename', path: '/a', to: '/b' },
        { operation: 'write', path: '/b' },
      ],
    ],
    [
      { kind: 'hardlink', id: 1, path: '/a', to: '/b' },
      [
        { operation: 'link', path: '/a', to: '/b' },
        { operation: 'write', path: '/b' },
      ],
    ],
    [{ kind: 'setstat', id: 1, path: '/a', attributes: {} }, [{ operation: 'set-attributes', path: '/a' }]],
    [{ kind: 'lsetstat', id: 1, path: '/a', attributes: {} }, [{ operation: 'set-attributes', path: '/a' }]],
    [
      { kind: 'fsetstat', id: 1, handle: 'h', attributes: {} },
      [{ operation: 'set-attributes', path: '/open/file' }],
    ],
    [{ kind: 'fstat', id: 1, handle: 'h' }, [{ operation: 'stat', path: '/open/file' }]],
    [{ kind: 'expand-path', id: 1, path: '~/x' }, [{ operation: 'stat', path: '/home/me/x' }]],
    [{ kind: 'realpath', id: 1, path: '/x/..' }, [{ operation: 'stat', path: '/' }]],
    [{ kind: 'realpath', id: 1, path: '.' }, []],
    // Both orders, and what is relative begins where the link stands.
    [
      { kind: 'symlink', id: 1, path: '../secret', to: '/pub/link' },
      [
        { operation: 'link', path: '/secret', to: '/pub/link' },
        { operation: 'link', path: '/pub/link', to: '/home/secret' },
      ],
    ],
  ])('%j is judged as %j', (request, uses) => {
    expect(usesOf(request)).toEqual(uses);
  });

  it('what cannot be judged is refused: relative paths before home is known, flags, extensions, other homes', () => {
    const unknown = () => undefined;
    expect(fileUses({ kind: 'stat', id: 1, path: 'x' }, undefined, unknown)).toBeUndefined();
    expect(usesOf({ kind: 'open', id: 1, path: '/x', flags: 0x40, attributes: {} })).toBeUndefined();
    expect(usesOf({ kind: 'extension', id: 1, name: 'run@x' })).toBeUndefined();
    expect(usesOf({ kind: 'expand-path', id: 1, path: '~root' })).toBeUndefined();
    expect(usesOf({ kind: 'fstat', id: 1, handle: 'other' })).toBeUndefined();
  });
});

describe('SFTP: the state of a channel', () => {
  it('home is what REALPATH "." answered first', () => {
    const fresh = new SftpChannel();
    fresh.request(init);
    expect(fresh.request({ kind: 'stat', id: 1, path: 'x' }).kind).toBe('home');
    for (const [id, name] of [
      [2, '/home/a'],
      [3, '/'],
    ] as const) {
      fresh.request({ kind: 'realpath', id, path: '.' });
      fresh.reply({ kind: 'name', id, entries: [{ name, long: '', attributes: {} }] });
    }
    expect(fresh.home).toBe('/home/a');
    expect(fresh.request({ kind: 'stat', id: 4, path: 'x' })).toEqual({
      kind: 'use',
      uses: [{ operation: 'stat', path: '/home/a/x' }],
    });
  });

  it('home is asked for once, when nothing is owed, and what waited is judged below it', () => {
    const fresh = new SftpChannel();
    fresh.request(init);
    expect(fresh.isQuiet).toBe(false);
    fresh.reply({ kind: 'version', version: 3, extensions: [] });
    expect(fresh.isQuiet).toBe(true);
    fresh.request({ kind: 'stat', id: 1, path: '/' });
    expect(fresh.isQuiet).toBe(false);
    fresh.reply({ kind: 'status', id: 1, code: 2, message: '' });
    const open = { kind: 'open', id: 7, path: 'x', flags: 1, attributes: {} } as const;
    expect(fresh.request(open)).toEqual({ kind: 'home' });
    fresh.askHome(7);
    const name = { name: '/home/a', long: '', attributes: {} };
    expect(fresh.reply({ kind: 'name', id: 7, entries: [name] }).kind).toBe('answered');
    expect(fresh.request(open)).toEqual({ kind: 'use', uses: [{ operation: 'read', path: '/home/a/x' }] });
  });

  it('a target that does not tell its home is asked no second time: what hangs below it is refused', () => {
    const entry = { name: 'elsewhere', long: '', attributes: {} };
    for (const reply of [
      { kind: 'status', id: 7, code: 4, message: '' },
      { kind: 'name', id: 7, entries: [] },
      { kind: 'name', id: 7, entries: [entry] },
      { kind: 'name', id: 7, entries: [entry, entry] },
    ] as const) {
      const fresh = new SftpChannel();
      fresh.request(init);
      fresh.reply({ kind: 'version', version: 3, extensions: [] });
      fresh.askHome(7);
      fresh.reply(reply);
      expect(fresh.request({ kind: 'stat', id: 7, path: 'x' }).kind).toBe('refuse');
    }
    const never = new SftpChannel();
    never.request(init);
    expect(never.request({ kind: 'open', id: 1, path: 'x', flags: 0x40, attributes: {} }).kind).toBe(
      'refuse',
    );
    expect(never.request({ kind: 'extension', id: 1, name: 'run@x' }).kind).toBe('refuse');
  });

  it('a request before INIT, INIT twice, a version other than 3: the channel ends', () => {
    expect(new SftpChannel().request({ kind: 'stat', id: 1, path: '/' }).kind).toBe('malformed');
    expect(begun().request(init).kind).toBe('malformed');
    const channel = new SftpChannel();
    channel.request(init);
    expect(channel.reply({ kind: 'version', version: 6, extensions: [] }).kind).toBe('malformed');
    expect(begun().reply({ kind: 'version', version: 3, extensions: [] }).kind).toBe('malformed');
  });

  it('an id that is on its way is not taken twice; one that was answered or refused is', () => {
    const channel = begun();
    const stat = { kind: 'stat', id: 7, path: '/x' } as const;
    expect(channel.request(stat).kind).toBe('use');
    expect(channel.request(stat).kind).toBe('malformed');
    ok(channel, 7);
    expect(channel.request(stat).kind).toBe('use');
    channel.refused(7);
    expect(channel.request(stat).kind).toBe('use');
  });

  it('an answer must answer a request, in a way that it can be answered', () => {
    const channel = begun();
    expect(ok(channel, 9).kind).toBe('malformed');
    channel.request({ kind: 'stat', id: 1, path: '/x' });
    expect(channel.reply({ kind: 'handle', id: 1, handle: 'h' }).kind).toBe('malformed');
    expect(channel.reply({ kind: 'data', id: 1, lengthBytes: 1 }).kind).toBe('malformed');
  });

  it('a handle is used from its answer until CLOSE is asked, and for what it was opened for', () => {
    const channel = begun();
    const reads = { kind: 'read', id: 3, handle: 'h', offset: 0, lengthBytes: 1 } as const;
    channel.request({ kind: 'open', id: 1, path: '/f', flags: read, attributes: {} });
    expect(channel.request(reads).kind, 'guessed').toBe('refuse');
    channel.reply({ kind: 'handle', id: 1, handle: 'h' });
    expect(channel.request(reads).kind).toBe('use');
    const writes = { kind: 'write', id: 4, handle: 'h', offset: 0, lengthBytes: 1 } as const;
    expect(channel.request(writes), 'opened to read').toMatchObject({ kind: 'refuse', code: 3 });
    channel.request({ kind: 'close', id: 5, handle: 'h' });
    expect(channel.request({ ...reads, id: 6 }).kind, 'closing').toBe('refuse');
    expect(channel.request({ kind: 'fstat', id: 6, handle: 'h' }).kind).toBe('refuse');
  });

  it('a directory is neither read nor written; copy-data needs both of its files', () => {
    const channel = begun();
    opened(channel, read, 'r', '/from');
    channel.request({ kind: 'opendir', id: 1, path: '/d' });
    channel.reply({ kind: 'handle', id: 1, handle: 'd' });
    expect(channel.request({ kind: 'read', id: 2, handle: 'd', offset: 0, lengthBytes: 1 }).kind).toBe(
      'refuse',
    );
    expect(channel.request({ kind: 'readdir', id: 2, handle: 'd' }).kind).toBe('use');
    const copy = { kind: 'copy-data', handle: 'r', offset: 0, lengthBytes: 0, toOffset: 0 } as const;
    expect(channel.request({ ...copy, id: 3, toHandle: 'r' }).kind).toBe('refuse');
    expect(channel.request({ ...copy, id: 3, toHandle: 'x' }).kind).toBe('refuse');
    opened(channel, write, 'w', '/to');
    expect(channel.request({ ...copy, id: 3, toHandle: 'w' }).kind).toBe('use');
  });

  it('a handle that the target gives twice ends the channel', () => {
    const channel = begun();
    opened(channel, read);
    channel.request({ kind: 'open', id: 3, path: '/g', flags: read, attributes: {} });
    expect(channel.reply({ kind: 'handle', id: 3, handle: 'h' }).kind).toBe('malformed');
  });

  it('tables are bounded', () => {
    const channel = begun();
    for (let id = 0; id < sftpLimits.pendingMax; id += 1) channel.request({ kind: 'stat', id, path: '/' });
    expect(channel.request({ kind: 'stat', id: 99_999, path: '/' }).kind).toBe('malformed');
    const other = begun();
    for (let id = 0; id < sftpLimits.handlesMax; id += 1) {
      other.request({ kind: 'open', id, path: '/f', flags: read, attributes: {} });
      other.reply({ kind: 'handle', id, handle: String(id) });
    }
    expect(other.request({ kind: 'opendir', id: 1, path: '/' }).kind).toBe('refuse');
  });

  it('an upload into an emptied file is told whole with its hash, however its data is cut', () => {
    const channel = begun();
    const body = Buffer.from('a body of some bytes');
    opened(channel, write | create | truncate);
    channel.request({ kind: 'write', id: 3, handle: 'h', offset: 0, lengthBytes: 10 });
    channel.written(body.subarray(0, 3));
    channel.written(body.subarray(3, 10));
    channel.request({ kind: 'write', id: 4, handle: 'h', offset: 10, lengthBytes: 10 });
    channel.written(body.subarray(10));
    ok(channel, 3);
    ok(channel, 4);
    expect(closed(channel)).toEqual({
      path: '/data/f',
      read: { bytes: 0, sha256: undefined, whole: false },
      written: { bytes: body.length, sha256: sha256(body), whole: true },
    });
  });

  it('a write that fails, is refused, or has no answer leaves no hash', () => {
    const one = (after: (channel: SftpChannel) => void) => {
      const channel = begun();
      opened(channel, write | create | truncate);
      channel.request({ kind: 'write', id: 3, handle: 'h', offset: 0, lengthBytes: 1 });
      channel.written(Buffer.of(1));
      after(channel);
      return closed(channel)?.written.sha256 ?? channel.end()[0]?.written.sha256;
    };
    expect(one((channel) => ok(channel, 3))).toBe(sha256(Buffer.of(1)));
    expect(one((channel) => ok(channel, 3, 4))).toBeUndefined();
    expect(one((channel) => channel.refused(3))).toBeUndefined();
    const cut = begun();
    opened(cut, write | truncate);
    cut.request({ kind: 'write', id: 3, handle: 'h', offset: 0, lengthBytes: 1 });
    cut.written(Buffer.of(1));
    expect(cut.end()[0]?.written).toEqual({ bytes: 1, sha256: undefined, whole: false });
  });

  it('a write into a file that may have had bytes is hashed and not told whole; resized or copied into, not hashed', () => {
    const part = (after: (channel: SftpChannel) => void) => {
      const channel = begun();
      opened(channel, write | create);
      opened(channel, read, 'r');
      channel.request({ kind: 'write', id: 3, handle: 'h', offset: 0, lengthBytes: 1 });
      channel.written(Buffer.of(1));
      ok(channel, 3);
      after(channel);
      return closed(channel)?.written;
    };
    const sum = sha256(Buffer.of(1));
    expect(part(() => undefined)).toEqual({ bytes: 1, sha256: sum, whole: false });
    const resize = { kind: 'fsetstat', id: 5, handle: 'h', attributes: { sizeBytes: 9n } } as const;
    expect(part((channel) => channel.request(resize))?.sha256).toBeUndefined();
    const copy = {
      kind: 'copy-data',
      id: 5,
      handle: 'r',
      offset: 0,
      lengthBytes: 0,
      toHandle: 'h',
      toOffset: 0,
    } as const;
    expect(part((channel) => channel.request(copy))?.sha256).toBeUndefined();
  });

  it('a pipelined download that is answered out of order, short and with EOF is told whole with its hash', () => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    for (let round = 0; round < 100; round += 1) {
      const body = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 400) }, () => Math.floor(random() * 256)),
      );
      const file = download(body, random);
      expect(file?.read, `seed ${seed} round ${round}`).toEqual({
        bytes: body.length,
        sha256: sha256(body),
        whole: true,
      });
    }
  });
});

/** A client that asks for 32 bytes at a time, eight at once, and again for what an answer lacks; answers in any order. */
function download(body: Buffer, random: () => number): FileTally | undefined {
  const channel = begun();
  opened(channel, read);
  let id = 10;
  let nextOffset = 0;
  let ended = false;
  const waiting: { id: number; offset: number; length: number }[] = [];
  const ask = (offset: number, length: number) => {
    waiting.push({ id, offset, length });
    channel.request({ kind: 'read', id, handle: 'h', offset, lengthBytes: length });
    id += 1;
  };
  for (;;) {
    for (let free = ended ? 0 : 8 - waiting.length; free > 0; free -= 1) {
      ask(nextOffset, 32);
      nextOffset += 32;
    }
    const [answer] = waiting.splice(Math.floor(random() * waiting.length), 1);
    if (answer === undefined) return closed(channel);
    const data = body.subarray(
      answer.offset,
      answer.offset + Math.ceil(answer.length * (0.5 + random() / 2)),
    );
    if (data.length === 0) {
      channel.reply({ kind: 'status', id: answer.id, code: 1, message: '' });
      ended = true;
      continue;
    }
    channel.reply({ kind: 'data', id: answer.id, lengthBytes: data.length });
    const cut = Math.floor(random() * data.length);
    channel.received(data.subarray(0, cut));
    channel.received(data.subarray(cut));
    if (data.length < answer.length) ask(answer.offset + data.length, answer.length - data.length);
  }
}

describe('SFTP: hashes of what moved', () => {
  it('bytes that come twice, a gap, or more out of order than is held: no hash, and the bytes are counted', () => {
    const budget = { heldBytes: 0 };
    const twice = new DirectionTally(budget);
    twice.add(0, Buffer.alloc(4));
    twice.add(2, Buffer.alloc(4));
    expect(twice.result()).toEqual({ bytes: 8, sha256: undefined, whole: false });
    const gap = new DirectionTally(budget);
    gap.add(0, Buffer.alloc(4));
    gap.add(5, Buffer.alloc(4));
    expect(gap.result().sha256).toBeUndefined();
    const far = new DirectionTally(budget);
    for (let at = 1; at < 6; at += 1) far.add(at * 2 ** 20, Buffer.alloc(2 ** 20));
    far.add(0, Buffer.alloc(2 ** 20));
    expect(far.result()).toEqual({ bytes: 6 * 2 ** 20, sha256: undefined, whole: false });
    expect(budget.heldBytes).toBe(0);
  });

  it('a file of no bytes has no hash: none of its bytes moved', () => {
    const tally = new DirectionTally({ heldBytes: 0 });
    tally.end(0);
    expect(tally.result()).toEqual({ bytes: 0, sha256: undefined, whole: false });
  });

  it('whoever keeps it is given what is hashed, in the order of the file, whatever the order it came in', () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(), { minLength: 20, maxLength: 20 }), (parts, order) => {
        const kept: Buffer[] = [];
        const tally = new DirectionTally({ heldBytes: 0 }, (data) => kept.push(Buffer.from(data)));
        let offset = 0;
        const placed = parts.map((data, index) => {
          const at = offset;
          offset += data.length;
          return { at, data, key: order[index] ?? 0 };
        });
        for (const { at, data } of placed.toSorted((a, b) => a.key - b.key)) tally.add(at, data);
        expect(Buffer.concat(kept)).toEqual(Buffer.concat(parts));
        expect(tally.result().sha256).toBe(sha256(Buffer.concat(kept)));
      }),
    );
  });

  it('many tiny pieces out of order are bounded like few large ones', () => {
    const budget = { heldBytes: 0 };
    const tally = new DirectionTally(budget);
    for (let at = 1; at < 200_000; at += 1) tally.add(at * 2, Buffer.of(1));
    expect(budget.heldBytes).toBeLessThanOrEqual(sftpLimits.reorderBytesMax);
    expect(tally.result().sha256).toBeUndefined();
  });
});
