/** The import walls. test/walls proves that each of them stops what it should. */
const swc = require('@swc/core');

// dependency-cruiser does not tell its parser that a .tsx file holds JSX, so this configuration does.
const { parseFileSync } = swc;
swc.parseFileSync = (file, options) => parseFileSync(file, { ...options, tsx: file.endsWith('.tsx') });

const room = (name) => `^gateway-core/${name}/`;
const not = (...names) => `^gateway-core/(?!(${names.join('|')})/)`;

/** room -> rooms it may import besides itself. */
const walls = {
  contract: [],
  codec: ['contract'],
  policy: ['contract'],
  masking: ['contract'],
  store: ['contract'],
  identity: ['contract', 'store'],
  recording: ['contract', 'store'],
  audit: ['contract', 'store'],
  proxy: ['contract', 'codec', 'policy', 'masking'],
  // Both halves of it, building and verifying, read what recording and audit write; what it shows, the codecs read.
  evidence: ['contract', 'recording', 'audit', 'codec'],
  // The built-in SQL client speaks the protocol with the gateway's own codec, which is pure.
  // The desktop opens bundles where there is no gateway.
  agent: ['contract', 'codec', 'evidence'],
};

/**
 * room -> single files of others that it may import. The desktop does the same to the byte as the gateway does, uses its
 * port to a disk, and checks what the log says of itself with the pure half of the log's own code.
 */
const shared = new Map([['agent', ['recording/(wire-sum|spool-head|files)\\.ts', 'audit/(note|tree)\\.ts']]]);

const pure = ['contract', 'codec', 'policy', 'masking'];
const io =
  '^(fs|net|tls|http|https|http2|dgram|dns|child_process|worker_threads|cluster|os|timers|readline|inspector)(/|$)';

module.exports = {
  forbidden: [
    ...Object.entries(walls).map(([name, may]) => ({
      name: `${name}-imports`,
      comment: `${name} may import ${may.join(', ') || 'nothing of ours'}`,
      severity: 'error',
      from: { path: room(name) },
      to: {
        path: not(name, ...may),
        ...(shared.has(name)
          ? { pathNot: (shared.get(name) ?? []).map((file) => `^gateway-core/${file}$`) }
          : {}),
      },
    })),
    ...pure.map((name) => ({
      name: `${name}-is-pure`,
      comment: `${name} does no I/O`,
      severity: 'error',
      from: { path: room(name) },
      to: { dependencyTypes: ['core'], path: io },
    })),
    {
      name: 'verifying-does-no-io',
      comment: 'a bundle is checked in a page as in Node: what reads and inflates is handed in',
      severity: 'error',
      from: { path: '^gateway-core/evidence/(verify/|replay\\.|zip/(read|profile|crc32)\\.)' },
      to: { dependencyTypes: ['core'], path: `${io}|^(stream|zlib)(/|$)` },
    },
    {
      name: 'the-viewer-is-a-page',
      comment: 'one file for any browser: what it shares with Node is what checks and reads a bundle',
      severity: 'error',
      from: { path: '^gateway-core/evidence/viewer/' },
      to: { path: '^gateway-core/(evidence/(build/|viewer-file|zip/(node|write)\\.)|store/)' },
    },
    {
      name: 'the-viewer-has-no-node',
      comment: 'shims/ stand in for what the shared rooms use of it',
      severity: 'error',
      from: { path: '^gateway-core/evidence/viewer/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-its-build-knows-the-viewer',
      severity: 'error',
      from: { path: '^(gateway-core|main|preload|renderer)/', pathNot: '^gateway-core/evidence/viewer/' },
      to: { path: '^gateway-core/evidence/viewer/' },
    },
    {
      name: 'no-proxy-imports-another',
      severity: 'error',
      from: { path: '^gateway-core/proxy/([^/]+)/' },
      to: { path: '^gateway-core/proxy/([^/]+)/', pathNot: '^gateway-core/proxy/$1/' },
    },
    {
      name: 'a-proxy-imports-its-own-codec-only',
      severity: 'error',
      from: { path: '^gateway-core/proxy/([^/]+)/' },
      // What runs inside SSH has grammars of its own, which other protocols may need one day.
      to: { path: '^gateway-core/codec/([^/]+)/', pathNot: '^gateway-core/codec/($1|shell|sftp)/' },
    },
    {
      name: 'cli-imports',
      comment:
        'the command line speaks to a gateway as everyone does; only gateway-server.ts, for `up` and `log verify --data`, loads one. A bundle is read without any',
      severity: 'error',
      from: { path: room('cli'), pathNot: '^gateway-core/cli/gateway-server\\.ts$' },
      to: {
        path: not('cli', 'contract', 'agent'),
        pathNot: '^gateway-core/(evidence/(verify|zip|replay)|codec/(content|terminal/))',
      },
    },
    {
      name: 'only-the-store-knows-a-driver',
      severity: 'error',
      from: { path: '^gateway-core/', pathNot: '^gateway-core/store/' },
      to: { path: '(better-sqlite3|^sqlite$|^node:sqlite$)' },
    },
    {
      name: 'gateway-core-imports',
      comment: 'the engine knows nothing of the desktop; setup/ builds it',
      severity: 'error',
      from: { path: '^gateway-core/', pathNot: '^gateway-core/setup/' },
      to: { path: '^(main|preload|renderer)/' },
    },
    {
      name: 'main-imports',
      comment:
        'the host starts the agent and the demo gateway; of the server it knows the names of the demo accounts',
      severity: 'error',
      from: { path: '^main/' },
      to: {
        path: '^(preload|renderer|gateway-core)/',
        pathNot: '^gateway-core/(contract|agent)/|^gateway-core/server/demo/identity-provider/accounts\\.ts$',
      },
    },
    {
      name: 'preload-imports',
      comment: 'the bridge and nothing else',
      severity: 'error',
      from: { path: '^preload/' },
      to: {
        path: '^(main|renderer|gateway-core)/',
        pathNot: '^gateway-core/contract/bridge/',
      },
    },
    {
      name: 'preload-loads-nothing',
      comment: 'a sandboxed preload script has electron alone',
      severity: 'error',
      from: { path: '^preload/' },
      to: {
        dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional'],
        dependencyTypesNot: ['type-only'],
        pathNot: '(^|/)electron(/|$)',
      },
    },
    {
      name: 'renderer-imports',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '^renderer/vite\\.config\\.ts$' },
      to: { path: '^(main|preload|gateway-core)/', pathNot: '^gateway-core/contract/' },
    },
    {
      name: 'renderer-has-no-node',
      comment: 'a page: no Node, whichever host it runs in',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '^renderer/vite\\.config\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'renderer-has-no-electron',
      severity: 'error',
      from: { path: '^renderer/' },
      to: { path: '(^|/)electron(-store)?(/|$)' },
    },
    {
      name: 'no-feature-imports-another',
      severity: 'error',
      from: { path: '^renderer/features/([^/]+)/' },
      to: { path: '^renderer/features/', pathNot: '^renderer/features/$1/' },
    },
    {
      name: 'features-and-parts-do-not-know-the-shell',
      severity: 'error',
      from: { path: '^renderer/(features|ui|bridge)/' },
      to: { path: '^renderer/app/' },
    },
    {
      name: 'parts-do-not-know-features',
      severity: 'error',
      from: { path: '^renderer/(ui|bridge)/' },
      to: { path: '^renderer/features/' },
    },
    {
      name: 'only-the-bridge-knows-the-wire',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '^renderer/bridge/' },
      to: { path: '^gateway-core/contract/bridge/(wire|names)\\.ts$' },
    },
    {
      name: 'only-the-window-knows-electron',
      comment: 'all else of the host runs in the browser host, too',
      severity: 'error',
      from: { path: '^main/', pathNot: '^main/(window/|electron\\.ts$)' },
      to: { path: '(^|/)electron(-store)?(/|$)' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^(gateway-core|main|preload|renderer)/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-circles',
      comment: 'circles of types alone end when the types are compiled away',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      // Queries are the page's bundler's: what a file becomes, not which it is.
      to: { couldNotResolve: true, pathNot: '^node:sqlite$|\\?worker|\\.css$' },
    },
    {
      name: 'no-dev-packages-in-the-product',
      comment:
        'setup/ makes the product and is no part of it; the viewer is one file that holds what it needs',
      severity: 'error',
      from: { path: '^(gateway-core|main)/', pathNot: '^gateway-core/(setup|evidence/viewer)/' },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only'],
        // The runtime that the host runs in.
        pathNot: '(^|/)electron(/|$)',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^out/' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.cjs'],
    },
  },
};
