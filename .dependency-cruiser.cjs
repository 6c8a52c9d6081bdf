/** The import walls. test/walls proves that each of them stops what it should. */
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
  // The built-in SQL client speaks the protocol with the gateway's own codec, which is pure.
  agent: ['contract', 'codec'],
};

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
      to: { path: not(name, ...may) },
    })),
    ...pure.map((name) => ({
      name: `${name}-is-pure`,
      comment: `${name} does no I/O`,
      severity: 'error',
      from: { path: room(name) },
      to: { dependencyTypes: ['core'], path: io },
    })),
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
      to: { path: '^gateway-core/codec/([^/]+)/', pathNot: '^gateway-core/codec/$1/' },
    },
    {
      name: 'cli-imports',
      comment:
        'the command line speaks to a gateway as everyone does; only gateway-server.ts, for `up` and `log verify --data`, loads one',
      severity: 'error',
      from: { path: room('cli'), pathNot: '^gateway-core/cli/gateway-server\\.ts$' },
      to: { path: not('cli', 'contract', 'agent') },
    },
    {
      name: 'only-the-store-knows-a-driver',
      severity: 'error',
      from: { path: '^gateway-core/', pathNot: '^gateway-core/store/' },
      to: { path: '(better-sqlite3|^sqlite$|^node:sqlite$)' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^gateway-core/' },
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
      to: { couldNotResolve: true, pathNot: '^node:sqlite$' },
    },
    {
      name: 'no-dev-packages-in-the-product',
      comment: 'setup/ makes the product and is no part of it',
      severity: 'error',
      from: { path: '^gateway-core/', pathNot: '^gateway-core/setup/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
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
      extensions: ['.ts', '.mjs', '.js', '.cjs'],
    },
  },
};
