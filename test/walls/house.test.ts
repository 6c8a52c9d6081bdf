import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What holds for every file of the repository, whatever it is for. */
const root = join(import.meta.dirname, '..', '..');

const linesMax = 500;
/** Files that may be longer, each with its reason. */
const longer: Readonly<Record<string, string>> = {
  'test/codec/postgres-messages.test.ts': 'a round trip for every message',
  'test/live/red-team.test.ts': 'one list of attacks',
  'test/unit/agent/tunnel.test.ts': 'one list of laws on sockets',
  'test/unit/statement/lineage.test.ts': 'one table of statements',
  'package-lock.json': 'written by npm',
};

/** Tracked files, and new ones that are not ignored: what a commit of everything would hold. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\0')
  .filter((name) => name !== '' && existsSync(join(root, name)));

const text = (name: string): string => readFileSync(join(root, name), 'utf8');

/** `file:line: what stands there` for every line that matches. */
function linesWith(pattern: RegExp, names: readonly string[]): string[] {
  return names.flatMap((name) =>
    text(name)
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${name}:${at + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

describe('the repository', () => {
  it('holds no path of the machine that it was written on', () => {
    // A path begins a word: `network/` is none. One letter of each is in brackets, so that this line is none either.
    expect(linesWith(/(^|[^\w.~-])\/(wor[k]|roo[t]|far[m])\//, files)).toEqual([]);
  });

  it('names no package registry', () => {
    const host =
      /registry\.np[m]js\.org|registry\.yar[n]pkg\.com|artifactregistr[y]|\bpkg\.de[v]\b|artifactor[y]/i;
    expect(linesWith(host, files)).toEqual([]);
  });

  it('mentions no document that is not in it', () => {
    expect(linesWith(/(^|[^\w./-])(\.\.\/)*share[d]\/|\bfact[s]\/[a-z-]+\.md/, files)).toEqual([]);
  });

  it(`has no source file over ${linesMax} lines`, () => {
    const sources = files.filter(
      (name) => /\.(ts|mjs|cjs|js|py|sh|json|md)$/.test(name) && !(name in longer),
    );
    const over = sources
      .map((name) => ({ name, lines: text(name).split('\n').length - 1 }))
      .filter(({ lines }) => lines > linesMax);
    expect(over).toEqual([]);
  });

  it('lists as longer only files that are', () => {
    for (const name of Object.keys(longer)) expect(text(name).split('\n').length).toBeGreaterThan(linesMax);
  });
});

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

const lock = JSON.parse(text('package-lock.json')) as { packages: Record<string, LockedPackage> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

const licencesAllowed = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'MPL-2.0',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
  'Python-2.0',
]);

/**
 * Looked at one by one. The SIL Open Font License covers the two fonts, which are shipped as they are; WTFPL is a part
 * of the packager, which is not shipped.
 */
const looked: Readonly<Record<string, string>> = {
  'node_modules/@fontsource-variable/inter': 'OFL-1.1',
  'node_modules/@fontsource-variable/jetbrains-mono': 'OFL-1.1',
  'node_modules/truncate-utf8-bytes': 'WTFPL',
};

/** SPDX expression: one side of OR is enough, AND needs both. Anything that is not understood is not allowed. */
function licenceAllowed(expression: string): boolean {
  const bare = expression.trim().replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(bare)) return false;
  return bare
    .split(/\s+OR\s+/)
    .some((side) => side.split(/\s+AND\s+/).every((licence) => licencesAllowed.has(licence.trim())));
}

function licenceOf(manifest: { license?: unknown; licenses?: unknown }): string {
  const { license, licenses } = manifest;
  if (typeof license === 'string') return license;
  const listed = Array.isArray(licenses) ? (licenses as unknown[]) : [license];
  return listed
    .map((each) =>
      typeof each === 'object' && each !== null && 'type' in each ? String(each.type) : 'none named',
    )
    .join(' AND ');
}

describe('the packages', () => {
  it('an SPDX expression is allowed by one side of OR and by all sides of AND', () => {
    expect(['MIT', '(MIT OR GPL-3.0)', 'MIT AND ISC'].map(licenceAllowed)).toEqual([true, true, true]);
    const refused = ['GPL-3.0', 'MIT AND GPL-3.0', '', 'none named', '(MIT OR (X))'];
    expect(refused.filter(licenceAllowed)).toEqual([]);
  });

  it('every installed one has a licence that may be shipped with Apache-2.0', () => {
    const installed = locked.filter(([path]) => existsSync(join(root, path, 'package.json')));
    // Optional packages of other platforms are not installed; that most are shows that this looked at something.
    expect(installed.length).toBeGreaterThan(locked.length / 3);
    const refused = installed
      .map(([path]) => ({ path, licence: licenceOf(JSON.parse(text(join(path, 'package.json'))) as object) }))
      .filter(({ path, licence }) => !licenceAllowed(licence) && looked[path] !== licence);
    expect(refused).toEqual([]);
  });

  it('the lock file says no host to fetch from, and the hash of every package', () => {
    expect(locked.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
    const unhashed = locked.filter(([, entry]) => entry.link !== true && !('integrity' in entry));
    expect(unhashed.map(([path]) => path)).toEqual([]);
  });

  it('every direct dependency is named with an exact version', () => {
    const manifest = JSON.parse(text('package.json')) as Record<string, Record<string, string> | undefined>;
    const named = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
      Object.entries(manifest[kind] ?? {}),
    );
    expect(named.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
