import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * The import walls, proved: every rule of .dependency-cruiser.cjs stops a file that breaks it (and no other rule
 * fires on that file), and what each room may import passes. All cases stand in one made-up tree, cruised once.
 */
const root = join(import.meta.dirname, '..', '..');
const configFile = join(root, '.dependency-cruiser.cjs');

/**
 * A file that breaks exactly one rule. `from` is judged, `to` is what it imports. Paths are of gateway-core, or with a
 * leading slash of the project.
 */
interface Offence {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  readonly source?: string;
}

const offences: readonly Offence[] = [
  ...Object.entries({
    contract: 'codec/postgres/frame',
    codec: 'store/disk',
    policy: 'masking/mask',
    masking: 'policy/decide',
    store: 'recording/segment',
    identity: 'audit/tree',
    recording: 'audit/tree',
    audit: 'recording/segment',
    proxy: 'store/disk',
    agent: 'server/main',
    evidence: 'store/disk',
  }).map(([room, to]) => ({ rule: `${room}-imports`, from: `${room}/x/reaches-out`, to })),
  { rule: 'contract-imports', from: 'contract/reaches-identity', to: 'identity/sign-in' },
  { rule: 'codec-imports', from: 'codec/postgres/reaches-proxy', to: 'proxy/postgres/session' },
  { rule: 'policy-imports', from: 'policy/reaches-store', to: 'store/disk' },
  { rule: 'masking-imports', from: 'masking/reaches-codec', to: 'codec/postgres/frame' },
  { rule: 'store-imports', from: 'store/reaches-server', to: 'server/main' },
  { rule: 'recording-imports', from: 'recording/reaches-codec', to: 'codec/postgres/frame' },
  { rule: 'proxy-imports', from: 'proxy/postgres/reaches-server', to: 'server/main' },
  { rule: 'proxy-imports', from: 'proxy/postgres/reaches-audit', to: 'audit/tree' },
  { rule: 'agent-imports', from: 'agent/tunnel/reaches-store', to: 'store/disk' },
  { rule: 'agent-imports', from: 'agent/tunnel/reaches-a-recording', to: 'recording/segment' },
  { rule: 'agent-imports', from: 'agent/tunnel/reaches-the-log', to: 'audit/log' },
  { rule: 'cli-imports', from: 'cli/commands/reaches-server', to: 'server/main' },
  { rule: 'cli-imports', from: 'cli/commands/reaches-store', to: 'store/disk' },
  { rule: 'cli-imports', from: 'cli/commands/reaches-the-builder', to: 'evidence/build/bundle' },
  { rule: 'verifying-does-no-io', from: 'evidence/verify/does-io', to: 'node:fs' },
  { rule: 'verifying-does-no-io', from: 'evidence/verify/unpacks', to: 'node:zlib' },
  { rule: 'the-viewer-is-a-page', from: 'evidence/viewer/builds', to: 'evidence/build/bundle' },
  { rule: 'the-viewer-is-a-page', from: 'evidence/viewer/reads-files', to: 'evidence/zip/node' },
  { rule: 'the-viewer-has-no-node', from: 'evidence/viewer/hashes', to: 'node:crypto' },
  { rule: 'only-its-build-knows-the-viewer', from: 'server/shows', to: 'evidence/viewer/main' },
  ...['contract', 'codec/x', 'policy', 'masking'].flatMap((folder) =>
    ['node:fs', 'node:net', 'node:child_process', 'node:fs/promises', 'node:timers/promises'].map(
      (module, number) => ({
        rule: `${folder.split('/')[0]}-is-pure`,
        from: `${folder}/does-io-${number}`,
        to: module,
      }),
    ),
  ),
  {
    rule: 'contract-imports',
    from: 'contract/by-type-only',
    to: 'store/disk',
    source: "import type { value } from '../store/disk.js';\nexport type T = typeof value;\n",
  },
  {
    rule: 'codec-imports',
    from: 'codec/x/dynamically',
    to: 'store/disk',
    source: "export const later = () => import('../../store/disk.js');\n",
  },
  {
    rule: 'masking-imports',
    from: 'masking/by-re-export',
    to: 'policy/decide',
    source: "export { value } from '../policy/decide.js';\n",
  },
  { rule: 'no-proxy-imports-another', from: 'proxy/postgres/reaches-ssh', to: 'proxy/ssh/session' },
  {
    rule: 'a-proxy-imports-its-own-codec-only',
    from: 'proxy/postgres/reaches-ssh-codec',
    to: 'codec/ssh/packet',
  },
  { rule: 'only-the-store-knows-a-driver', from: 'server/opens-a-database', to: 'better-sqlite3' },
  { rule: 'only-the-store-knows-a-driver', from: 'audit/opens-a-database', to: 'better-sqlite3' },
  { rule: 'only-the-store-knows-a-driver', from: 'server/opens-the-built-in-one', to: 'node:sqlite' },
  { rule: 'gateway-core-imports', from: 'server/reaches-main', to: '/main/core' },
  { rule: 'gateway-core-imports', from: 'server/reaches-renderer', to: '/renderer/ui/part' },
  { rule: 'main-imports', from: '/main/core-reaches-server', to: 'server/main' },
  { rule: 'main-imports', from: '/main/reaches-store', to: 'store/disk' },
  { rule: 'main-imports', from: '/main/reaches-renderer', to: '/renderer/ui/part' },
  { rule: 'preload-imports', from: '/preload/reaches-agent', to: 'agent/client/api' },
  { rule: 'preload-imports', from: '/preload/reaches-api', to: 'contract/ids' },
  { rule: 'preload-loads-nothing', from: '/preload/reads-files', to: 'node:fs' },
  { rule: 'preload-loads-nothing', from: '/preload/loads-a-package', to: 'a-package' },
  { rule: 'renderer-imports', from: '/renderer/ui/reaches-agent', to: 'agent/client/api' },
  { rule: 'renderer-imports', from: '/renderer/features/a/reaches-main', to: '/main/core' },
  {
    rule: 'renderer-imports',
    from: '/renderer/features/a/by-type-only.tsx',
    to: '/main/core',
    source:
      "import type { value } from '../../../main/core.js';\nexport const A = (_: typeof value) => <p />;\n",
  },
  { rule: 'renderer-has-no-node', from: '/renderer/ui/reads-files', to: 'node:fs' },
  { rule: 'renderer-has-no-electron', from: '/renderer/bridge/uses-electron', to: 'electron' },
  {
    rule: 'no-feature-imports-another',
    from: '/renderer/features/a/reaches-b',
    to: '/renderer/features/b/index',
  },
  {
    rule: 'features-and-parts-do-not-know-the-shell',
    from: '/renderer/features/a/reaches-app',
    to: '/renderer/app/frame',
  },
  {
    rule: 'features-and-parts-do-not-know-the-shell',
    from: '/renderer/ui/reaches-app',
    to: '/renderer/app/frame',
  },
  {
    rule: 'parts-do-not-know-features',
    from: '/renderer/ui/reaches-a-feature',
    to: '/renderer/features/b/index',
  },
  { rule: 'only-the-bridge-knows-the-wire', from: '/renderer/ui/reaches-wire', to: 'contract/bridge/wire' },
  { rule: 'only-the-window-knows-electron', from: '/main/ipc/uses-electron', to: 'electron' },
  { rule: 'only-the-window-knows-electron', from: '/main/settings/uses-electron', to: 'electron' },
  { rule: 'no-dev-packages-in-the-product', from: '/main/uses-a-test-runner', to: 'a-dev-package' },
  { rule: 'product-does-not-import-tests', from: 'server/uses-a-test', to: '/test/unit/support' },
  { rule: 'product-does-not-import-tests', from: '/renderer/ui/uses-a-test', to: '/test/unit/support' },
  { rule: 'resolvable', from: 'server/imports-nothing', to: 'server/not-there' },
  { rule: 'resolvable', from: 'server/imports-no-package', to: 'a-package-that-nobody-installed' },
  { rule: 'no-dev-packages-in-the-product', from: 'server/uses-a-test-runner', to: 'a-dev-package' },
];

/** One import per room that must pass: `from` may import every one of `to`. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'contract/fine': ['contract/ids', 'a-package'],
  'codec/postgres/fine': ['contract/ids', 'codec/postgres/frame', 'node:crypto'],
  'policy/fine': ['contract/ids', 'a-package', 'node:crypto'],
  'masking/fine': ['contract/ids', 'masking/mask'],
  'store/fine': ['contract/ids', 'better-sqlite3', 'node:sqlite', 'node:fs'],
  'identity/fine': ['contract/ids', 'store/disk'],
  'recording/fine': ['contract/ids', 'store/disk', 'node:fs'],
  'audit/fine': ['contract/ids', 'store/disk', 'node:fs'],
  'proxy/postgres/fine': [
    'contract/ids',
    'codec/postgres/frame',
    'policy/decide',
    'masking/mask',
    'node:net',
  ],
  'evidence/build/fine': [
    'contract/ids',
    'recording/segment',
    'audit/tree',
    'codec/postgres/frame',
    'node:zlib',
  ],
  'agent/tunnel/fine': ['contract/ids', 'agent/client/api', 'recording/wire-sum', 'audit/tree', 'node:net'],
  'server/fine': [
    'contract/ids',
    'store/disk',
    'identity/sign-in',
    'audit/tree',
    'proxy/postgres/session',
    'a-package',
  ],
  'cli/commands/fine': ['contract/ids', 'agent/client/api', 'cli/program', 'evidence/verify/index'],
  'evidence/viewer/fine': ['contract/ids', 'evidence/verify/index', 'codec/postgres/frame', 'a-dev-package'],
  'evidence/verify/fine': ['contract/ids', 'audit/tree', 'recording/segment', 'node:crypto'],
  'cli/gateway-server': ['server/main'],
  'setup/fine': ['a-dev-package'],
  'gateway-core/fine': ['contract/ids'],
  '/main/fine': ['contract/ids', 'agent/client/api', 'server/demo/identity-provider/accounts', 'node:fs'],
  '/main/window/fine': ['electron', 'contract/bridge/wire'],
  '/preload/fine': ['contract/bridge/wire', 'electron'],
  '/renderer/features/a/fine.tsx': ['contract/ids', '/renderer/ui/part', 'a-dev-package'],
  '/renderer/app/fine.tsx': ['/renderer/features/b/index', '/renderer/ui/part'],
  '/renderer/bridge/fine': ['contract/bridge/wire'],
};

/** What the cases import; imports nothing itself. */
const leaves = [
  'contract/ids',
  'contract/bridge/wire',
  '/main/core',
  '/renderer/ui/part',
  '/renderer/app/frame',
  '/renderer/features/b/index',
  'server/demo/identity-provider/accounts',
  'codec/postgres/frame',
  'codec/ssh/packet',
  'policy/decide',
  'masking/mask',
  'store/disk',
  'recording/segment',
  'recording/wire-sum',
  'audit/tree',
  'audit/log',
  'identity/sign-in',
  'proxy/postgres/session',
  'proxy/ssh/session',
  'agent/client/api',
  'evidence/build/bundle',
  'evidence/verify/index',
  'evidence/viewer/main',
  'evidence/zip/node',
  'server/main',
  'cli/program',
];

const circle = ['server/first-of-a-circle', 'server/second-of-a-circle'] as const;
const product = (file: string): string => {
  const path = file.startsWith('/') ? file.slice(1) : `gateway-core/${file}`;
  return path.endsWith('.tsx') ? path : `${path}.ts`;
};

let base = '';
/** Rules that fired, by the file they fired on. */
const fired = new Map<string, Set<string>>();

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'throughline-walls-'));
  writeTree();
  const program = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const result = spawnSync(
    process.execPath,
    [
      program,
      '--config',
      configFile,
      '--output-type',
      'json',
      'gateway-core',
      'main',
      'preload',
      'renderer',
      'test',
    ],
    { cwd: base, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (!result.stdout.startsWith('{')) throw new Error(`dependency-cruiser failed: ${result.stderr}`);
  const { summary } = JSON.parse(result.stdout) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  for (const { from, rule } of summary.violations) {
    fired.set(from, (fired.get(from) ?? new Set()).add(rule.name));
  }
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

describe('import walls', () => {
  it.each(offences.map(({ rule, from, to }) => ({ rule, from, to })))(
    '$rule stops $from from importing $to',
    ({ rule, from }) => {
      expect([...(fired.get(product(from)) ?? [])]).toEqual([rule]);
    },
  );

  it('no-circles stops two files that import each other', () => {
    // A circle is reported once, on one of its files.
    const rules = circle.flatMap((file) => [...(fired.get(product(file)) ?? [])]);
    expect(rules).toEqual(['no-circles']);
  });

  it.each(Object.entries(allowed).map(([from, to]) => ({ from, to: to.join(', ') })))(
    '$from may import $to',
    ({ from }) => {
      expect([...(fired.get(product(from)) ?? [])]).toEqual([]);
    },
  );

  it('every rule of the config is broken by a case here', () => {
    const { forbidden } = createRequire(import.meta.url)(configFile) as { forbidden: { name: string }[] };
    const tried = new Set([...offences.map(({ rule }) => rule), 'no-circles']);
    expect(forbidden.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });

  it('every room of the product has a file here that may import', () => {
    const rooms = new Set(Object.keys(allowed).map((from) => from.split('/').find((part) => part !== '')));
    const { forbidden } = createRequire(import.meta.url)(configFile) as { forbidden: { name: string }[] };
    const walled = forbidden.flatMap(({ name }) => (name.endsWith('-imports') ? [name.slice(0, -8)] : []));
    expect(walled.filter((room) => !rooms.has(room))).toEqual([]);
  });
});

function writeTree(): void {
  write(
    'package.json',
    JSON.stringify({
      name: 'walls',
      type: 'module',
      dependencies: { 'a-package': '1.0.0' },
      optionalDependencies: { 'better-sqlite3': '1.0.0' },
      devDependencies: { 'a-dev-package': '1.0.0', electron: '1.0.0' },
    }),
  );
  for (const name of ['a-package', 'a-dev-package', 'better-sqlite3', 'electron']) {
    write(
      `node_modules/${name}/package.json`,
      JSON.stringify({ name, version: '1.0.0', type: 'module', exports: './index.js' }),
    );
    write(`node_modules/${name}/index.js`, 'export const value = 1;\n');
  }
  write('test/unit/support.ts', 'export const value = 1;\n');
  for (const leaf of leaves) write(product(leaf), 'export const value = 1;\n');
  for (const { from, to, source } of offences) write(product(from), source ?? importing(from, [to]));
  for (const [from, to] of Object.entries(allowed)) write(product(from), importing(from, to));
  write(product(circle[0]), importing(circle[0], [circle[1]]));
  write(product(circle[1]), importing(circle[1], [circle[0]]));
}

function write(path: string, text: string): void {
  const full = join(base, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

/** A module that imports each of `targets`: files relative, all else by name. */
function importing(from: string, targets: readonly string[]): string {
  const lines = targets.map((target, number) => {
    const isFile = !target.startsWith('node:') && target.includes('/');
    const specifier = isFile ? relativePath(product(from), product(target)) : target;
    return `import * as value${number} from '${specifier}';\nexport const used${number} = value${number};\n`;
  });
  const jsx = from.endsWith('.tsx') ? 'export const Part = () => <p title="x">{value0.value}</p>;\n' : '';
  return lines.join('') + jsx;
}

function relativePath(from: string, to: string): string {
  const path = relative(dirname(from), to).replace(/\.tsx?$/, '.js');
  return path.startsWith('.') ? path : `./${path}`;
}
