import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlePaths, type EntryLine } from '../../gateway-core/contract/evidence.js';
import { agentBundle, BundleWorld } from '../unit/evidence/bundle-world.js';
import { startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  livePolicies,
  login,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, until } from './processes.js';
import { unzip } from './unzip.js';

/**
 * A bundle is checked by programs that share nothing with ours: a script for openssl and coreutils, and, where Debian's
 * golang-go and golang-golang-x-mod-dev are installed (83 MB to fetch), the Go project's own golang.org/x/mod/sumdb.
 */
const scope = createScope();
const folder = fileURLToPath(new URL('independent/', import.meta.url));
const goPath = '/usr/share/gocode';
const hasGo = existsSync(`${goPath}/src/golang.org/x/mod/sumdb`) && spawnSync('go', ['version']).status === 0;

let verifyGo: string;
let exported: Map<string, Buffer>;
let large: Map<string, Buffer>;
let publishedKey: string;
afterAll(() => scope.close());

beforeAll(async () => {
  const world = new BundleWorld();
  large = new Map([...(await agentBundle(world)).files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  world.close();
  const [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  const [admin, engineer] = await Promise.all([
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'engineer'),
  ]);
  await cluster.createDatabase('shop', 'create table orders as select 1 as id;');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'shop', { recording: { rows: 'all' } })]);
  const { env } = await engineer.tunnel('shop');
  await psql(env, 'select * from orders;\ndrop table orders;');
  const session = await until('the session has ended', async () => {
    const all = await admin.json<{ id: string; state: string }[]>(['sessions']);
    return all.find(({ state }) => state === 'ended')?.id;
  });
  const file = join(scope.directory(), 'bundle.zip');
  await engineer.json(['export', session, '-o', file, '--reason', 'a "quoted"\nreason \\ ünd more']);
  exported = await unzip(file);
  publishedKey = readFileSync(join(gateway.data, 'audit', 'vkey'), 'utf8').trim();
  verifyGo = join(scope.directory(), 'verify');
  if (!hasGo) return;
  const building = {
    ...process.env,
    GO111MODULE: 'off',
    GOPATH: goPath,
    GOCACHE: join(scope.directory(), 'go'),
    GOFLAGS: '',
  };
  const built = spawnSync('go', ['build', '-o', verifyGo, join(folder, 'verify.go')], {
    env: building,
    encoding: 'utf8',
  });
  expect(built.stderr).toBe('');
});

/** The files as somebody has them who unpacked the bundle. */
function unpacked(files: ReadonlyMap<string, Buffer>): string {
  const directory = scope.directory();
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
  return directory;
}

const programs = [
  { name: 'a script for openssl', there: true, run: () => join(folder, 'verify.sh') },
  { name: 'golang.org/x/mod/sumdb', there: hasGo, run: () => verifyGo },
];

describe.each(programs)('$name', ({ there, run }) => {
  const verify = (files: ReadonlyMap<string, Buffer>, ...key: string[]) => {
    const { status, stdout, stderr } = spawnSync(run(), [unpacked(files), ...key], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  const tampered = (path: string, change: (text: string) => string): Map<string, Buffer> => {
    const files = new Map(exported);
    const before = (files.get(path) ?? Buffer.alloc(0)).toString('latin1');
    const after = change(before);
    expect(after).not.toBe(before);
    return files.set(path, Buffer.from(after, 'latin1'));
  };

  it.runIf(there)("verifies a gateway's bundle under the key that it published", () => {
    const { status, stdout, stderr } = verify(exported, publishedKey);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('exported.tlog-proof');
  });

  it.runIf(there)('verifies a bundle from a log of several tiles', () => {
    const { status, stdout, stderr } = verify(large);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('in the tree of 656');
  });

  it.runIf(there)('refuses what was changed: file, manifest, entry, proof, checkpoint, key', () => {
    const flip = (text: string, at = 40): string =>
      `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
    // In the key itself: the hash before it is read as hex, in which `a` and `A` are one digit.
    const flipKey = (text: string): string => flip(text, text.lastIndexOf('+') + 10);
    const lastLeaf = (text: string): string => {
      const lines = text.trimEnd().split('\n');
      const last = JSON.parse(lines.pop() ?? '') as EntryLine;
      return `${[...lines, JSON.stringify({ ...last, leaf: last.leaf.replace('"sessions":1', '"sessions":2') })].join('\n')}\n`;
    };
    const cases = [
      tampered(bundlePaths.readme, (text) => flip(text)),
      tampered(bundlePaths.manifest, (text) => text.replace('"deleted":[]', '"deleted":[ ]')),
      tampered(bundlePaths.entries, lastLeaf),
      tampered(bundlePaths.exported, (text) => flip(text)),
      tampered(bundlePaths.checkpoint, (text) =>
        text.replace(/\n(\d+)\n/, (_, size: string) => `\n${Number(size) + 1}\n`),
      ),
      tampered(bundlePaths.vkey, flipKey),
      new Map([...exported, [bundlePaths.vkey, large.get(bundlePaths.vkey) ?? Buffer.alloc(0)] as const]),
    ];
    expect(cases.map((files) => verify(files).status)).toEqual(cases.map(() => 1));
    expect(verify(exported, (large.get(bundlePaths.vkey) ?? '').toString().trim()).status).toBe(1);
  });
});
