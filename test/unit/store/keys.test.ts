import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyNames, openKeys } from '../../../gateway-core/store/keys.js';
import { openSecret, resolveReference, sealSecret } from '../../../gateway-core/store/secrets.js';

let root = '';
const at = (...parts: string[]): string => path.join(root, ...parts);
const invalid = { code: 'invalid-config' };

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'keys-')));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

function open(directory = at('keys')) {
  return openKeys(directory, { dataDirectory: at('data') });
}

describe('keys', () => {
  it('are made once, 0600 in a 0700 directory, and are the same ever after', async () => {
    const first = await open();
    expect(fs.statSync(at('keys')).mode & 0o777).toBe(0o700);
    expect(fs.readdirSync(at('keys'))).toEqual(['master.key']);
    expect(fs.statSync(at('keys', 'master.key')).mode & 0o777).toBe(0o600);
    const second = await open();
    for (const name of keyNames) expect(second.derive(name)).toEqual(first.derive(name));
  });

  it('differ by name and by installation, and are not the master key', async () => {
    const keys = await open();
    const others = await open(at('others'));
    const all = keyNames.flatMap((name) => [keys.derive(name), others.derive(name)]);
    all.push(fs.readFileSync(at('keys', 'master.key')));
    expect(new Set(all.map((key) => key.toString('hex'))).size).toBe(2 * keyNames.length + 1);
    for (const key of all) expect(key.length).toBe(32);
  });

  it('are shown by no log line', async () => {
    const master = (await open(), fs.readFileSync(at('keys', 'master.key')));
    const keys = await open();
    for (const shown of [inspect(keys, { depth: 9, showHidden: true }), JSON.stringify(keys)]) {
      expect(shown).not.toContain(master.toString('hex').slice(0, 16));
      expect(shown).not.toMatch(/Buffer/);
    }
  });

  it('are refused when group or world can read them', async () => {
    await open();
    for (const mode of [0o640, 0o604, 0o660]) {
      fs.chmodSync(at('keys', 'master.key'), mode);
      await expect(open()).rejects.toMatchObject(invalid);
    }
    fs.chmodSync(at('keys', 'master.key'), 0o600);
    for (const mode of [0o750, 0o701]) {
      fs.chmodSync(at('keys'), mode);
      await expect(open()).rejects.toMatchObject(invalid);
    }
  });

  it('are refused behind a symbolic link, as a directory, a pipe, or of another length', async () => {
    await open();
    fs.symlinkSync(at('keys'), at('link'));
    await expect(open(at('link'))).rejects.toMatchObject(invalid);
    fs.renameSync(at('keys', 'master.key'), at('elsewhere'));
    fs.symlinkSync(at('elsewhere'), at('keys', 'master.key'));
    await expect(open()).rejects.toMatchObject(invalid);
    fs.rmSync(at('keys', 'master.key'));
    fs.mkdirSync(at('keys', 'master.key'));
    await expect(open()).rejects.toMatchObject(invalid);
    fs.rmdirSync(at('keys', 'master.key'));
    for (const length of [0, 31, 33, 4096]) {
      fs.writeFileSync(at('keys', 'master.key'), Buffer.alloc(length, 1), { mode: 0o600 });
      await expect(open()).rejects.toMatchObject(invalid);
    }
  });

  it('are refused inside the data directory, also through a link', async () => {
    fs.mkdirSync(at('data'), { mode: 0o700 });
    await expect(open(at('data'))).rejects.toMatchObject(invalid);
    await expect(open(at('data', 'keys'))).rejects.toMatchObject(invalid);
    await expect(open(at('x', '..', 'data', 'keys'))).rejects.toMatchObject(invalid);
    fs.symlinkSync(at('data'), at('alias'));
    await expect(open(at('alias', 'keys'))).rejects.toMatchObject(invalid);
    fs.mkdirSync(at('database'), { mode: 0o700 });
    await open(at('database', 'keys'));
  });
});

describe('a sealed secret', () => {
  const key = Buffer.alloc(32, 5);

  it('opens to what it was, and never looks the same twice', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.string(), (plain, context) => {
        const sealed = sealSecret(key, plain, context);
        expect(new Uint8Array(openSecret(key, sealed, context))).toEqual(plain);
        expect(sealSecret(key, plain, context).equals(sealed)).toBe(false);
      }),
    );
  });

  it('does not open with another key, in another place, or changed in any byte', () => {
    const sealed = sealSecret(key, Buffer.from('hunter2'), 'shop db.example:5432');
    const refused: unknown = expect.objectContaining({ code: 'verification-failed' });
    const attempt = (run: () => Buffer): unknown => {
      try {
        return run();
      } catch (error) {
        return error;
      }
    };
    expect(attempt(() => openSecret(Buffer.alloc(32, 6), sealed, 'shop db.example:5432'))).toEqual(refused);
    expect(attempt(() => openSecret(key, sealed, 'shop evil.example:5432'))).toEqual(refused);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 0x80;
      expect(attempt(() => openSecret(key, changed, 'shop db.example:5432'))).toEqual(refused);
      const cut = sealed.subarray(0, index);
      expect(attempt(() => openSecret(key, cut, 'shop db.example:5432'))).toEqual(refused);
    }
  });
});

describe('a reference', () => {
  const none = { env: [], files: [] };

  it('is its own value when it is a literal', async () => {
    expect(await resolveReference('literal', none)).toBe('literal');
  });

  it('reads a variable or a file that is on its list, and nothing else', async () => {
    process.env['THROUGHLINE_TEST_SECRET'] = 'from env';
    const file = at('secret');
    fs.writeFileSync(file, 'from file\n');
    expect(
      await resolveReference(
        { env: 'THROUGHLINE_TEST_SECRET' },
        { env: ['THROUGHLINE_TEST_SECRET'], files: [] },
      ),
    ).toBe('from env');
    expect(await resolveReference({ file }, { env: [], files: [file] })).toBe('from file');
    for (const reference of [{ env: 'THROUGHLINE_TEST_SECRET' }, { env: 'PATH' }, { file }]) {
      await expect(resolveReference(reference, none)).rejects.toMatchObject(invalid);
    }
    await expect(
      resolveReference({ file: at('other') }, { env: [], files: [file, at('other')] }),
    ).rejects.toMatchObject(invalid);
    delete process.env['THROUGHLINE_TEST_SECRET'];
    await expect(
      resolveReference({ env: 'THROUGHLINE_TEST_SECRET' }, { env: ['THROUGHLINE_TEST_SECRET'], files: [] }),
    ).rejects.toMatchObject(invalid);
  });

  it('leads nowhere else: neither by a link, nor by dots, nor below a listed directory', async () => {
    fs.writeFileSync(at('secret'), 'x');
    fs.writeFileSync(at('listed'), 'y');
    fs.mkdirSync(at('folder'));
    fs.writeFileSync(at('folder', 'z'), 'z');
    fs.symlinkSync(at('secret'), at('link'));
    const allow = { env: [], files: [at('listed'), at('folder')] };
    for (const file of [at('link'), at('folder', '..', 'secret'), at('folder', 'z'), at('folder'), '']) {
      await expect(resolveReference({ file }, allow)).rejects.toMatchObject(invalid);
    }
    expect(await resolveReference({ file: at('folder', '..', 'listed') }, allow)).toBe('y');
  });

  it('loses one line end, and is refused when it is empty, too large or not text', async () => {
    const file = at('secret');
    const value = (bytes: string | Buffer): Promise<string> => {
      fs.writeFileSync(file, bytes);
      return resolveReference({ file }, { env: [], files: [file] });
    };
    expect(await value('a\r\n')).toBe('a');
    expect(await value('a\n\n')).toBe('a\n');
    expect((await value(Buffer.alloc(65_536, 97))).length).toBe(65_536);
    for (const bytes of ['', '\n', Buffer.alloc(65_537, 97), Buffer.of(0xff, 0xfe)]) {
      await expect(value(bytes)).rejects.toMatchObject(invalid);
    }
  });
});
