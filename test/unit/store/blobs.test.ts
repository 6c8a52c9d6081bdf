import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { directoryBlobs } from '../../../gateway-core/store/blobs.js';

let root = '';
beforeEach(() => {
  root = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'blobs-')), 'blobs');
});
afterEach(() => fs.rmSync(path.dirname(root), { recursive: true }));

describe('blobs', () => {
  it('are read back, in ranges, as they were put', async () => {
    const blobs = directoryBlobs(root);
    expect(await blobs.put('2026/ses/0.seg', [Buffer.from('hello '), Buffer.from('world')])).toBe(11);
    expect((await blobs.read('2026/ses/0.seg', 0, 100))?.toString()).toBe('hello world');
    expect((await blobs.read('2026/ses/0.seg', 6, 3))?.toString()).toBe('wor');
    expect((await blobs.read('2026/ses/0.seg', 50, 3))?.length).toBe(0);
    expect(await blobs.read('2026/ses/1.seg', 0, 3)).toBeUndefined();
  });

  it('are listed below a folder and gone after delete', async () => {
    const blobs = directoryBlobs(root);
    for (const name of ['b/2', 'b/1', 'a']) await blobs.put(name, [Buffer.from(name)]);
    expect(await blobs.list('')).toEqual([
      { name: 'a', bytes: 1 },
      { name: 'b/1', bytes: 3 },
      { name: 'b/2', bytes: 3 },
    ]);
    expect(await blobs.list('b')).toHaveLength(2);
    expect(await blobs.list('c')).toEqual([]);
    expect(await blobs.delete('b/1')).toBe(true);
    expect(await blobs.delete('b/1')).toBe(false);
    expect(await blobs.list('b')).toEqual([{ name: 'b/2', bytes: 3 }]);
  });

  it('are whole or not there: a put that fails leaves the old one and nothing else', async () => {
    const blobs = directoryBlobs(root);
    await blobs.put('a', [Buffer.from('old')]);
    async function* failing() {
      yield Buffer.from('new');
      throw new Error('source failed');
    }
    await expect(blobs.put('a', failing())).rejects.toThrow('source failed');
    expect((await blobs.read('a', 0, 10))?.toString()).toBe('old');
    expect(fs.readdirSync(root)).toEqual(['a']);
  });

  it('are for the owner only', async () => {
    const blobs = directoryBlobs(root);
    await blobs.put('a/b', [Buffer.from('x')]);
    expect(fs.statSync(path.join(root, 'a')).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.join(root, 'a', 'b')).mode & 0o777).toBe(0o600);
  });

  it('never leave their directory, whatever the name', async () => {
    const blobs = directoryBlobs(root);
    const names = [
      '../x',
      'a/../../x',
      '/etc/passwd',
      '',
      '.',
      '..',
      'a//b',
      'a/',
      '.hidden',
      'a/.b',
      'a\0b',
      'a\\b',
    ];
    for (const name of [...names, 'a'.repeat(300), 'a/b/c/d/e/f/g', 'ü', 'a b']) {
      const refused = { code: 'invalid-request' };
      await expect(async () => blobs.put(name, [])).rejects.toMatchObject(refused);
      await expect(async () => blobs.read(name, 0, 1)).rejects.toMatchObject(refused);
      await expect(async () => blobs.delete(name)).rejects.toMatchObject(refused);
      if (name !== '') await expect(async () => blobs.list(name)).rejects.toMatchObject(refused);
    }
  });
});
