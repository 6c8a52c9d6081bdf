import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

/** The product runs from out/bundle, made of what tsc compiled: what must hold between that and the source. */
const root = join(import.meta.dirname, '..', '..');
const core = join(root, 'gateway-core');
const folder = join(root, 'out', 'bundle');

const { kept, programs } = (await import(pathToFileURL(join(core, 'setup', 'bundle.mjs')).href)) as {
  kept: readonly string[];
  programs: readonly string[];
};

const bundled = readdirSync(folder).filter((name) => name.endsWith('.js'));
const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
const withoutComments = (code: string): string => code.replaceAll(/^\s*(\/?\*|\/\/).*$/gm, '');

/** What a file of the bundle imports, at once or later. */
function importsOf(name: string): string[] {
  const source = withoutComments(text(name));
  const statements = source.matchAll(/^(?:import|export)\b[^'"\n]*?"([^"\n]+)";?$/gm);
  const calls = source.matchAll(/\b(?:import|require)\("([^"\n]+)"\)/g);
  return [...statements, ...calls].map((match) => match[1] ?? '');
}

describe('the bundle', () => {
  it('has a program of the same name for every file that the source starts by its address', () => {
    const started: string[] = [];
    const others: string[] = [];
    for (const entry of readdirSync(core, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const file = relative(core, join(entry.parentPath, entry.name));
      const code = withoutComments(readFileSync(join(core, file), 'utf8'));
      const names = [...code.matchAll(/new URL\('\.\/([\w-]+)\.js', import\.meta\.url\)/g)];
      started.push(...names.map((match) => join(dirname(file), match[1] ?? '')));
      if (code.split('import.meta').length - 1 > names.length) others.push(file);
    }
    expect(started.sort()).toEqual(programs.filter((program) => program !== 'cli/main').sort());
    // The addon stands beside the desktop's programs only; viewer.html stands in out/. package.json is as far above
    // out/bundle as above its source.
    const known = [
      'agent/lineage/native.ts',
      'evidence/viewer-file.ts',
      'proxy/ssh/library.ts',
      'server/version.ts',
    ];
    expect(others.sort()).toEqual(known);
  });

  it('holds every program, each under a name of its own', () => {
    const names = programs.map((program) => `${basename(program)}.js`);
    expect(new Set(names).size).toBe(programs.length);
    expect(names.filter((name) => !bundled.includes(name))).toEqual([]);
  });

  it('imports nothing but Node, itself and packages that the product installs', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    const installed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    expect(kept.filter((name) => !installed.includes(name))).toEqual([]);
    const isKnown = (name: string): boolean =>
      name.startsWith('node:') ||
      builtinModules.includes(name) ||
      kept.some((each) => name === each || name.startsWith(`${each}/`)) ||
      (name.startsWith('./') && existsSync(join(folder, name)));
    const imports = bundled.flatMap((file) => importsOf(file).map((name) => ({ file, name })));
    expect(imports.filter(({ name }) => !isKnown(name))).toEqual([]);
    // The expression does find imports.
    expect(imports.some(({ name }) => name.startsWith('@cedar-policy/'))).toBe(true);
    expect(imports.some(({ name }) => name === 'better-sqlite3')).toBe(true);
  });

  it('keeps the licence of every package that it took in', () => {
    const licences = readFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    const packages = new Set(
      bundled.flatMap((file) =>
        [...text(file).matchAll(/^\/\/ .*node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//gm)].map(
          (match) => match[1] ?? '',
        ),
      ),
    );
    expect(packages.size).toBeGreaterThan(5);
    const named = (name: string): boolean =>
      licences.includes(`\n${name} `) || licences.startsWith(`${name} `);
    expect([...packages].filter((name) => !named(name))).toEqual([]);
  });
});
