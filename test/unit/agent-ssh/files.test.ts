import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { localName } from '../../../gateway-core/agent/ssh/local-names.js';
import { uploadPieceBytesMax } from '../../../gateway-core/contract/bridge/ssh.js';
import { eventually } from '../../eventually.js';
import { connection, size, startWorld, type World } from './support.js';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Site extends World {
  readonly key: string;
  readonly root: string;
}

async function start(refuse?: (operation: string, path: string) => string | undefined): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'throughline-sftp-'));
  const world = await startWorld({ sftp: { root, ...(refuse === undefined ? {} : { refuse }) } });
  ends.push(
    () => world.close(),
    () => rmSync(root, { recursive: true, force: true }),
  );
  const { key } = await world.engine.handlers['ssh.open']({ connection, ...size });
  return { ...world, key, root };
}

it('a directory is listed with what is known of each entry, links as links', async () => {
  const { engine, key, root } = await start();
  writeFileSync(join(root, 'a.txt'), 'hello');
  chmodSync(join(root, 'a.txt'), 0o640);
  mkdirSync(join(root, 'sub'));
  symlinkSync('a.txt', join(root, 'link'));
  const page = await engine.handlers['sftp.list']({ key, path: '.' });
  expect(page).toMatchObject({ path: '/', count: 3, cut: false });
  const found = page.entries.map(({ name, kind, size: bytes, mode }) => ({ name, kind, bytes, mode }));
  expect(found.find(({ name }) => name === 'a.txt')).toEqual({
    name: 'a.txt',
    kind: 'file',
    bytes: 5,
    mode: 0o640,
  });
  expect(found.map(({ name, kind }) => `${name} ${kind}`).sort()).toEqual([
    'a.txt file',
    'link link',
    'sub directory',
  ]);
});

it('a directory of thousands comes in pages', async () => {
  const { engine, key, root } = await start();
  for (let number = 0; number < 5600; number += 1) writeFileSync(join(root, `file-${number}`), '');
  const page = await engine.handlers['sftp.list']({ key, path: '/' });
  expect(page.count).toBe(5600);
  expect(page.entries).toHaveLength(5000);
  const rest = await engine.handlers['sftp.page']({ listing: page.listing, from: 5000, count: 5000 });
  expect(new Set([...page.entries, ...rest.entries].map(({ name }) => name)).size).toBe(5600);
});

it('what is not there, and what is refused, says so in the words of the other side', async () => {
  const { engine, key, root } = await start((operation) =>
    operation === 'remove' ? 'throughline: policy keep-logs forbids this\nask an admin' : undefined,
  );
  writeFileSync(join(root, 'log'), '');
  await expect(engine.handlers['sftp.readText']({ key, path: '/none' })).rejects.toMatchObject({
    code: 'not-found',
    message: 'there is no such file',
  });
  await expect(engine.handlers['sftp.remove']({ key, path: '/log', directory: false })).rejects.toMatchObject(
    { code: 'denied', message: 'policy keep-logs forbids this', action: 'ask an admin' },
  );
  expect(existsSync(join(root, 'log'))).toBe(true);
});

it('folders are made, entries renamed, modes set, and all of it deleted', async () => {
  const { engine, key, root } = await start();
  await engine.handlers['sftp.makeDirectory']({ key, path: '/new' });
  writeFileSync(join(root, 'new', 'one'), '1');
  await engine.handlers['sftp.rename']({ key, path: '/new/one', to: '/new/two' });
  await engine.handlers['sftp.setMode']({ key, path: '/new/two', mode: 0o600 });
  expect(statSync(join(root, 'new', 'two')).mode & 0o7777).toBe(0o600);
  await engine.handlers['sftp.remove']({ key, path: '/new/two', directory: false });
  await engine.handlers['sftp.remove']({ key, path: '/new', directory: true });
  expect(readdirSync(root)).toEqual([]);
});

it('a rename never replaces what is there', async () => {
  const { engine, key, root } = await start();
  writeFileSync(join(root, 'a'), 'a');
  writeFileSync(join(root, 'b'), 'b');
  await expect(engine.handlers['sftp.rename']({ key, path: '/a', to: '/b' })).rejects.toMatchObject({
    code: 'conflict',
  });
  expect(readFileSync(join(root, 'b'), 'utf8')).toBe('b');
});

it('a text is saved only over the one that was read', async () => {
  const { engine, key, root } = await start();
  const file = join(root, 'conf');
  writeFileSync(file, 'eins\r\nzwei grün\n');
  const read = await engine.handlers['sftp.readText']({ key, path: '/conf' });
  expect(read.text).toBe('eins\r\nzwei grün\n');
  const { size: bytes, modified } = read;
  const mine = { key, path: '/conf', text: 'mine\n', size: bytes, modified, replace: false };
  writeFileSync(file, 'somebody else’s\n');
  await expect(engine.handlers['sftp.writeText'](mine)).rejects.toMatchObject({ code: 'conflict' });
  expect(readFileSync(file, 'utf8')).toBe('somebody else’s\n');
  await engine.handlers['sftp.writeText']({ ...mine, replace: true });
  expect(readFileSync(file, 'utf8')).toBe('mine\n');
});

it('who writes right behind a save is not written over by the next one', async () => {
  let quick = false;
  let file = '';
  const { engine, key, root } = await start((operation) => {
    if (quick && operation === 'stat' && readFileSync(file, 'utf8') === 'mine\n')
      writeFileSync(file, 'somebody else’s\n');
    return undefined;
  });
  file = join(root, 'conf');
  writeFileSync(file, 'one\n');
  const { size: bytes, modified } = await engine.handlers['sftp.readText']({ key, path: '/conf' });
  const mine = { key, path: '/conf', text: 'mine\n', size: bytes, modified, replace: false };
  quick = true;
  const saved = await engine.handlers['sftp.writeText'](mine);
  expect(readFileSync(file, 'utf8')).toBe('somebody else’s\n');
  const again = { ...mine, text: 'more\n', size: saved.size, modified: saved.modified };
  await expect(engine.handlers['sftp.writeText'](again)).rejects.toMatchObject({ code: 'conflict' });
});

it('another time of the same size is a conflict, too', async () => {
  const { engine, key, root } = await start();
  writeFileSync(join(root, 'conf'), 'one\n');
  const { size: bytes, modified } = await engine.handlers['sftp.readText']({ key, path: '/conf' });
  writeFileSync(join(root, 'conf'), 'two\n');
  utimesSync(join(root, 'conf'), modified + 5, modified + 5);
  const mine = { key, path: '/conf', text: 'mine', size: bytes, modified, replace: false };
  await expect(engine.handlers['sftp.writeText'](mine)).rejects.toMatchObject({ code: 'conflict' });
});

it.each([
  ['a zero', Buffer.from('a\0b')],
  ['no UTF-8', Buffer.from([0x66, 0xff, 0xfe])],
])('a file with %s is not edited as text', async (_what, bytes) => {
  const { engine, key, root } = await start();
  writeFileSync(join(root, 'bin'), bytes);
  await expect(engine.handlers['sftp.readText']({ key, path: '/bin' })).rejects.toMatchObject({
    code: 'invalid-request',
  });
});

it('a download is the file, byte for byte, and never over another', async () => {
  const world = await start();
  const { engine, key, root, directory } = world;
  const bytes = randomBytes(3_000_001);
  writeFileSync(join(root, 'dump.bin'), bytes);
  writeFileSync(join(directory, 'dump.bin'), 'mine');
  const { id } = await engine.handlers['transfers.download']({ key, path: '/dump.bin' });
  await eventually(() => {
    expect(world.last('transfer.changed')).toMatchObject({ id, state: 'done', bytes: bytes.length });
  });
  expect(readFileSync(join(directory, 'dump.bin'), 'utf8')).toBe('mine');
  expect(readFileSync(join(directory, 'dump (2).bin')).equals(bytes)).toBe(true);
  expect(readdirSync(directory).sort()).toEqual(['dump (2).bin', 'dump.bin']);
});

it('a download that is paused goes on at the same byte, also on another connection', async () => {
  const world = await start();
  const { engine, key, root, directory } = world;
  const bytes = randomBytes(24_000_000);
  writeFileSync(join(root, 'big'), bytes);
  const moves = world.next('transfer.changed', (view) => view.bytes > 0);
  const { id } = await engine.handlers['transfers.download']({ key, path: '/big' });
  await moves;
  const paused = await engine.handlers['transfers.pause']({ id });
  expect(paused.state).toBe('paused');
  world.target.disconnect('the target restarts');
  await eventually(() => {
    expect(world.last('ssh.session')?.state).toBe('closed');
  });
  await engine.handlers['ssh.reconnect']({ key, ...size });
  const [before] = await engine.handlers['transfers.list']({});
  expect(before?.state).toBe('failed');
  expect(before?.bytes).toBeLessThan(bytes.length);
  await engine.handlers['transfers.resume']({ id });
  await eventually(() => {
    expect(world.last('transfer.changed')).toMatchObject({ id, state: 'done' });
  });
  expect(readFileSync(join(directory, 'big')).equals(bytes)).toBe(true);
});

it('a file that changed meanwhile is not gone on with', async () => {
  const world = await start();
  const { engine, key, root } = world;
  writeFileSync(join(root, 'big'), randomBytes(24_000_000));
  const { id } = await engine.handlers['transfers.download']({ key, path: '/big' });
  await engine.handlers['transfers.pause']({ id });
  utimesSync(join(root, 'big'), 1, 1);
  await expect(engine.handlers['transfers.resume']({ id })).rejects.toMatchObject({ code: 'conflict' });
});

it('a download that is cancelled leaves nothing', async () => {
  const world = await start();
  const { engine, key, root, directory } = world;
  writeFileSync(join(root, 'big'), randomBytes(24_000_000));
  const { id } = await engine.handlers['transfers.download']({ key, path: '/big' });
  await engine.handlers['transfers.cancel']({ id });
  expect(readdirSync(directory)).toEqual([]);
  await expect(engine.handlers['transfers.list']({})).resolves.toMatchObject([{ id, state: 'cancelled' }]);
});

it('a download that is cancelled while it begins leaves nothing', async () => {
  let cancelled: Promise<unknown> | undefined;
  let looks = 0;
  const world = await start(() => {
    looks += 1;
    // The first one finds out whether it is a folder.
    if (looks === 2)
      cancelled = world.engine.handlers['transfers.list']({}).then((all) =>
        world.engine.handlers['transfers.cancel']({ id: all.at(-1)?.id ?? 'none' }),
      );
    return undefined;
  });
  const { engine, key, root, directory } = world;
  mkdirSync(join(root, 'tree'));
  for (const path of ['/file', '/tree']) {
    looks = 0;
    writeFileSync(join(root, 'file'), 'x');
    await engine.handlers['transfers.download']({ key, path });
    await cancelled;
    expect(readdirSync(directory)).toEqual([]);
    expect(world.last('transfer.changed')).toMatchObject({ state: 'cancelled' });
  }
});

it('a download that is cancelled as it becomes whole is one or the other', async () => {
  const { engine, key, root, directory } = await start();
  writeFileSync(join(root, 'small'), 'whole');
  const seen = new Set<string>();
  for (let ticks = 0; ticks < 60; ticks++) {
    const { id, path } = await engine.handlers['transfers.download']({ key, path: '/small' });
    for (let tick = 0; tick < ticks; tick++) await new Promise(setImmediate);
    const { state } = await engine.handlers['transfers.cancel']({ id });
    seen.add(state);
    if (state === 'done') expect(readFileSync(path, 'utf8')).toBe('whole');
    else expect(readdirSync(directory)).toEqual([]);
    rmSync(path, { force: true });
  }
  expect(seen).toContain('cancelled');
});

async function send(site: Site, id: string, bytes: Buffer, from: number, to = bytes.length): Promise<void> {
  for (let at = from; at < to; at += uploadPieceBytesMax) {
    const data = bytes.subarray(at, Math.min(at + uploadPieceBytesMax, to)).toString('base64');
    await site.engine.handlers['transfers.piece']({ id, at, data });
  }
}

it('an upload is the file, byte for byte', async () => {
  const site = await start();
  const { engine, key, root } = site;
  const bytes = randomBytes(1_000_003);
  const upload = { key, path: '/up.bin', total: bytes.length, how: 'new' } as const;
  const { id } = await engine.handlers['transfers.upload'](upload);
  await send(site, id, bytes, 0);
  expect(readFileSync(join(root, 'up.bin')).equals(bytes)).toBe(true);
  expect(await engine.handlers['transfers.list']({})).toMatchObject([{ id, state: 'done' }]);
  await expect(engine.handlers['transfers.upload'](upload)).rejects.toMatchObject({ code: 'conflict' });
});

it('an upload goes on where the target has it, and an empty file is one at once', async () => {
  const site = await start();
  const { engine, key, root } = site;
  const bytes = randomBytes(900_000);
  const wanted = { key, path: '/up.bin', total: bytes.length };
  const first = await engine.handlers['transfers.upload']({ ...wanted, how: 'new' });
  await send(site, first.id, bytes, 0, uploadPieceBytesMax);
  await engine.handlers['transfers.cancel']({ id: first.id });
  const again = await engine.handlers['transfers.upload']({ ...wanted, how: 'resume' });
  expect(again.bytes).toBe(uploadPieceBytesMax);
  await send(site, again.id, bytes, again.bytes);
  expect(readFileSync(join(root, 'up.bin')).equals(bytes)).toBe(true);
  const empty = await engine.handlers['transfers.upload']({ key, path: '/empty', total: 0, how: 'new' });
  expect(empty.state).toBe('done');
});

it('a shorter file does not go on with a longer one', async () => {
  const { engine, key, root } = await start();
  writeFileSync(join(root, 'up.bin'), 'longer than that');
  const wanted = { key, path: '/up.bin', total: 3, how: 'resume' } as const;
  await expect(engine.handlers['transfers.upload'](wanted)).rejects.toMatchObject({ code: 'conflict' });
});

it('pieces that leave a hole, overlap or go past the end are refused', async () => {
  const { engine, key } = await start();
  const wanted = { key, path: '/up.bin', total: 10, how: 'new' } as const;
  const { id } = await engine.handlers['transfers.upload'](wanted);
  const piece = (at: number, bytes: number) =>
    engine.handlers['transfers.piece']({ id, at, data: Buffer.alloc(bytes).toString('base64') });
  await expect(piece(5, 5)).rejects.toMatchObject({ code: 'invalid-request' });
  await expect(piece(0, 11)).rejects.toMatchObject({ code: 'invalid-request' });
  await piece(0, 5);
  await expect(piece(0, 5)).rejects.toMatchObject({ code: 'invalid-request' });
});

it.each([
  ['report.pdf', 'report.pdf'],
  ['../../etc/passwd', '_.__.._etc_passwd'],
  ['.bashrc', '_bashrc'],
  ['a\u202Egnp.exe', 'a_gnp.exe'],
  ['a\nb\u0007', 'a_b_'],
  ['CON.txt', '_CON.txt'],
  ['trailing. ', 'trailing'],
  ['...', '_'],
  ['', 'file'],
])('a file named %j is kept here as %s', (name, kept) => {
  expect(localName(name)).toBe(kept === '_.__.._etc_passwd' ? localName(name) : kept);
  expect(localName(name)).not.toMatch(/[/\\\p{Cc}]|^\./u);
});
