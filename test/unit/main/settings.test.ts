import { spawn } from 'node:child_process';
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
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  defaultPreferences,
  Preferences,
  workspaceBytesMax,
} from '../../../gateway-core/contract/bridge/app.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { confFile } from '../../../main/settings/conf-file.js';
import { desktopPlaces } from '../../../main/settings/places.js';
import { fitting, preferencesOf } from '../../../main/settings/preferences.js';
import { queriesIn } from '../../../main/settings/queries.js';
import { workspaceIn } from '../../../main/settings/workspace.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-settings-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof ThroughlineError ? error.code : error),
  );

describe('preferences', () => {
  const file = (): string => join(directory, 'preferences.json');
  const opened = () => {
    const told: string[] = [];
    return { told, preferences: preferencesOf(confFile(directory), (problem) => told.push(problem)) };
  };

  it('without a file they are the defaults, and nothing is told', async () => {
    const { preferences, told } = opened();
    expect(await preferences.get()).toEqual(defaultPreferences);
    expect(told).toEqual([]);
  });

  it('what is set is there in the next run, in a file that only this user reads', async () => {
    const change = { zoom: 130, theme: 'dark', shortcuts: { 'a.b': 'Mod+K' } } as const;
    expect(await opened().preferences.set(change)).toEqual({ ...defaultPreferences, ...change });
    expect(await opened().preferences.get()).toEqual({ ...defaultPreferences, ...change });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o077).toBe(0);
  });

  it('a file that is no JSON is put aside, told once, and the defaults hold', async () => {
    writeFileSync(file(), '{"zoom": 1', { mode: 0o600 });
    const { preferences, told } = opened();
    expect(await preferences.get()).toEqual(defaultPreferences);
    expect(await preferences.set({ zoom: 110 })).toEqual({ ...defaultPreferences, zoom: 110 });
    expect(told).toHaveLength(1);
    const aside = readdirSync(directory).find((name) => name.includes('.broken-'));
    expect(readFileSync(join(directory, aside ?? ''), 'utf8')).toBe('{"zoom": 1');
    expect(told[0]).toContain(aside);
  });

  it('a value that does not fit loses itself alone, and is told', async () => {
    writeFileSync(file(), JSON.stringify({ zoom: 'large', theme: 'dark', nullText: 7, unknown: 1 }));
    const { preferences, told } = opened();
    expect(await preferences.get()).toEqual({ ...defaultPreferences, theme: 'dark' });
    expect(told).toEqual([expect.stringMatching(/zoom, nullText$/)]);
  });

  it('whatever stands in the file, what is read fits the schema', () => {
    const known = fc.constantFrom(...Object.keys(defaultPreferences), '__proto__', 'constructor');
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(known, fc.string()), fc.jsonValue()), (kept) => {
        expect(Preferences.safeParse(fitting(kept as Record<string, unknown>).preferences).success).toBe(
          true,
        );
      }),
    );
  });
});

describe('the workspace', () => {
  it('is empty before the first save, and afterwards what was saved last', async () => {
    const workspace = workspaceIn(directory);
    expect(await workspace.load()).toBe('');
    await workspace.save('one');
    await workspace.save('{"tabs":["ünï \u0000 \u{1f600}"]}');
    expect(await workspaceIn(directory).load()).toBe('{"tabs":["ünï \u0000 \u{1f600}"]}');
    expect(statSync(join(directory, 'workspace.json')).mode & 0o777).toBe(0o600);
  });

  it('of saves at the same time the last one stays, and every one is answered', async () => {
    const workspace = workspaceIn(directory);
    await Promise.all(Array.from({ length: 50 }, (_, number) => workspace.save(`text ${number}`)));
    expect(await workspace.load()).toBe('text 49');
    expect(readdirSync(directory)).toEqual(['workspace.json']);
  });

  it('a save that fails is told, and the next one works', async () => {
    const workspace = workspaceIn(join(directory, 'w'));
    writeFileSync(join(directory, 'w'), 'in the way');
    expect(await codeOf(workspace.save('a'))).toBe('invalid-config');
    rmSync(join(directory, 'w'));
    await workspace.save('b');
    expect(await workspace.load()).toBe('b');
  });

  it('more than is kept is refused, and what was kept stays', async () => {
    const workspace = workspaceIn(directory);
    await workspace.save('kept');
    expect(await codeOf(workspace.save('ü'.repeat(workspaceBytesMax / 2 + 1)))).toBe('too-large');
    expect(await workspace.load()).toBe('kept');
  });

  it('a file that others may read, or a link, is refused', async () => {
    const workspace = workspaceIn(directory);
    await workspace.save('mine');
    chmodSync(join(directory, 'workspace.json'), 0o644);
    expect(await codeOf(workspace.load())).toBe('invalid-config');
    rmSync(join(directory, 'workspace.json'));
    symlinkSync('/etc/hostname', join(directory, 'workspace.json'));
    expect(await codeOf(workspace.load())).toBe('invalid-config');
  });

  it('a process that is killed while it saves leaves the last whole text', async () => {
    const module = fileURLToPath(new URL('../../../out/main/settings/workspace.js', import.meta.url));
    const script = `import { workspaceIn } from ${JSON.stringify(module)};
      const workspace = workspaceIn(${JSON.stringify(directory)});
      for (let n = 1; ; n += 1) { await workspace.save(JSON.stringify({ n, text: 'x'.repeat(400_000 + (n % 7)) })); process.stdout.write(n + '\\n'); }`;
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let told = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        told += text;
      });
      while (told.split('\n').length < 6) await sleep(5);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const acknowledged = Number(told.trim().split('\n').at(-1));
      const kept = JSON.parse(await workspaceIn(directory).load()) as { n: number; text: string };
      expect(kept.n).toBeGreaterThanOrEqual(acknowledged);
      expect(kept.text).toHaveLength(400_000 + (kept.n % 7));
      expect(readdirSync(directory)).toEqual(['workspace.json']);
    }
  });
});

describe('saved queries', () => {
  it('are plain files with the extension .sql, listed by name', async () => {
    const queries = queriesIn(join(directory, 'Throughline'));
    expect(await queries.list()).toEqual({ directory: join(directory, 'Throughline'), queries: [] });
    await queries.write('Ümsätze 2026', 'select 1;\n', false);
    await queries.write('a', 'select 2', false);
    expect(readFileSync(join(directory, 'Throughline', 'Ümsätze 2026.sql'), 'utf8')).toBe('select 1;\n');
    const { queries: listed } = await queries.list();
    expect(listed.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['a', 8],
      ['Ümsätze 2026', 10],
    ]);
    expect(await queries.read('Ümsätze 2026')).toBe('select 1;\n');
    await queries.remove('a');
    expect((await queries.list()).queries).toHaveLength(1);
    expect(readdirSync(join(directory, 'Throughline'))).toEqual(['Ümsätze 2026.sql']);
  });

  it('one that is there is not overwritten unless that was asked for', async () => {
    const queries = queriesIn(directory);
    await queries.write('q', 'first', false);
    expect(await codeOf(queries.write('q', 'second', false))).toBe('conflict');
    expect(await queries.read('q')).toBe('first');
    await queries.write('q', 'third', true);
    expect(await queries.read('q')).toBe('third');
    expect(readdirSync(directory)).toEqual(['q.sql']);
  });

  it('of many that write one new name at once, one succeeds', async () => {
    const queries = queriesIn(directory);
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => codeOf(queries.write('q', `${n}`, false))),
    );
    expect(all.filter((each) => each === 'resolved')).toHaveLength(1);
    expect(all.filter((each) => each === 'conflict')).toHaveLength(19);
  });

  it('no name leads out of the directory, or names a device', async () => {
    const queries = queriesIn(join(directory, 'q'));
    writeFileSync(join(directory, 'outside.sql'), 'secret');
    const names = [
      '../outside',
      '..',
      '.',
      '',
      '/etc/passwd',
      'a/b',
      'a\\b',
      '.hidden',
      'a\0',
      'a\n',
      'a:b',
      'con',
      'NUL.x',
      'aux',
      'COM1',
      'a.',
      'a ',
      'x'.repeat(121),
      'ü'.repeat(126),
    ];
    for (const name of names) {
      for (const attempt of [queries.read(name), queries.write(name, 'x', true), queries.remove(name)]) {
        expect([name, await codeOf(attempt)]).toEqual([name, 'invalid-request']);
      }
    }
    expect(readFileSync(join(directory, 'outside.sql'), 'utf8')).toBe('secret');
    expect(existsSync(join(directory, 'q'))).toBe(false);
  });

  it('a link is not listed, read, replaced or removed', async () => {
    const queries = queriesIn(join(directory, 'q'));
    mkdirSync(join(directory, 'q'));
    writeFileSync(join(directory, 'outside.sql'), 'secret');
    symlinkSync(join(directory, 'outside.sql'), join(directory, 'q', 'link.sql'));
    mkdirSync(join(directory, 'q', 'folder.sql'));
    expect((await queries.list()).queries).toEqual([]);
    expect(await codeOf(queries.read('link'))).toBe('not-found');
    expect(await codeOf(queries.write('link', 'x', true))).toBe('conflict');
    expect(await codeOf(queries.write('link', 'x', false))).toBe('conflict');
    expect(await codeOf(queries.remove('link'))).toBe('not-found');
    expect(await codeOf(queries.read('folder'))).toBe('not-found');
    expect(readFileSync(join(directory, 'outside.sql'), 'utf8')).toBe('secret');
  });

  it('a file that is no UTF-8 is not opened, so that saving cannot change it', async () => {
    writeFileSync(join(directory, 'latin.sql'), Buffer.from([0x73, 0xfc, 0x21]));
    expect(await codeOf(queriesIn(directory).read('latin'))).toBe('conflict');
    writeFileSync(join(directory, 'bom.sql'), '\ufeffselect 1');
    expect(await queriesIn(directory).read('bom')).toBe('\ufeffselect 1');
  });

  it('a directory that cannot be used is a clear error', async () => {
    writeFileSync(join(directory, 'file'), '');
    const queries = queriesIn(join(directory, 'file'));
    expect(await codeOf(queries.list())).toBe('invalid-config');
    expect(await codeOf(queries.write('q', 'x', false))).toBe('invalid-config');
  });
});

describe('the desktop’s places', () => {
  it('stand below THROUGHLINE_HOME when it is set', () => {
    const { state, queries } = desktopPlaces({ THROUGHLINE_HOME: directory });
    expect([state, queries]).toEqual([join(directory, 'client', 'desktop'), join(directory, 'queries')]);
  });

  it('queries stand in the person’s documents, as the system names them', () => {
    mkdirSync(join(directory, 'config'));
    writeFileSync(join(directory, 'config', 'user-dirs.dirs'), 'XDG_DOCUMENTS_DIR="/srv/papers"\n');
    expect(desktopPlaces({ XDG_CONFIG_HOME: join(directory, 'config') }).queries).toBe(
      process.platform === 'linux' ? '/srv/papers/Throughline' : expect.stringContaining('Throughline'),
    );
    expect(desktopPlaces({}, '/chosen').queries).toBe(join('/chosen', 'Throughline'));
  });
});
