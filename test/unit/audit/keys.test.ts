import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { generateLogKey, loadLogKey } from '../../../gateway-core/audit/keys.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { origin, problemOf, scratchDirectory } from './support.js';

function generated(): { directory: string; file: string } {
  const directory = scratchDirectory();
  const file = join(directory, 'log.key');
  generateLogKey({ file, origin });
  return { directory, file };
}

describe('the log key', () => {
  it('a generated key is a 0600 file alone in its directory, and loads as the same key', () => {
    const directory = scratchDirectory();
    const file = join(directory, 'log.key');
    const key = generateLogKey({ file, origin });
    expect(readdirSync(directory)).toEqual(['log.key']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const loaded = loadLogKey({ file, origin });
    expect(loaded.vkey).toBe(key.vkey);
    expect(loaded.sign(Buffer.from('m'))).toEqual(key.sign(Buffer.from('m')));
  });

  it('a name beyond ASCII loads back', () => {
    const file = join(scratchDirectory(), 'log.key');
    const key = generateLogKey({ file, origin: 'tür.example/—' });
    expect(loadLogKey({ file, origin: 'tür.example/—' }).vkey).toBe(key.vkey);
  });

  it('an existing key is never replaced', () => {
    const { file, directory } = generated();
    const before = readFileSync(file, 'latin1');
    expect(problemOf(() => generateLogKey({ file, origin }))).toBe('conflict');
    expect(readFileSync(file, 'latin1')).toBe(before);
    expect(readdirSync(directory)).toEqual(['log.key']);
  });

  it('a key that group or world can reach is refused', () => {
    const { file } = generated();
    for (const mode of [0o640, 0o604, 0o660, 0o601, 0o777]) {
      chmodSync(file, mode);
      expect(problemOf(() => loadLogKey({ file, origin }))).toBe('invalid-config');
    }
    chmodSync(file, 0o400);
    expect(loadLogKey({ file, origin }).name).toBe(origin);
  });

  it('a link, a directory, a missing and a large file are refused', () => {
    const { directory, file } = generated();
    const refused = (name: string): unknown =>
      problemOf(() => loadLogKey({ file: join(directory, name), origin }));
    symlinkSync(file, join(directory, 'link'));
    mkdirSync(join(directory, 'directory'), { mode: 0o700 });
    writeFileSync(join(directory, 'large'), Buffer.alloc(5000, 65), { mode: 0o600 });
    expect(refused('link')).toBe('invalid-config');
    expect(refused('directory')).toBe('invalid-config');
    expect(refused('large')).toBe('invalid-config');
    expect(refused('missing')).toBe('not-found');
  });

  it('a key with any character changed is refused, never used', () => {
    const { file } = generated();
    const text = readFileSync(file, 'latin1');
    for (let place = 0; place < text.length - 1; place++) {
      const changed = text[place] === 'B' ? 'C' : 'B';
      writeFileSync(file, text.slice(0, place) + changed + text.slice(place + 1));
      expect(problemOf(() => loadLogKey({ file, origin }))).toBe('invalid-config');
    }
  });

  it('the key of another log, and a name that no key can have, are refused', () => {
    const { file, directory } = generated();
    expect(problemOf(() => loadLogKey({ file, origin: 'other.example/log' }))).toBe('invalid-config');
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2003b', 'cosignature/v1', 'x'.repeat(256)]) {
      const act = (): unknown => generateLogKey({ file: join(directory, 'other'), origin: name });
      expect(problemOf(act)).toBe('invalid-config');
    }
  });

  it('the private key is in no error, no log line and no property', () => {
    const { file } = generated();
    const secret = readFileSync(file, 'latin1').trim().split('+').slice(4).join('+');
    const key = loadLogKey({ file, origin });
    expect(secret).toHaveLength(44);
    expect(inspect(key, { depth: 10, showHidden: true }) + JSON.stringify(key)).not.toContain(secret);
    chmodSync(file, 0o644);
    try {
      loadLogKey({ file, origin });
    } catch (error) {
      expect(error).toBeInstanceOf(ThroughlineError);
      expect(inspect(error, { depth: 10 })).not.toContain(secret);
    }
  });
});
