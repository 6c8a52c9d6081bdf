/** `npm run check`: everything that needs no running product. Exported so that `npm test` runs the same. */
import { fileURLToPath } from 'node:url';
import { prepare, run, tool } from './prepare.mjs';

const checks = [
  { name: 'types', command: [...tool('typescript', 'bin/tsc'), '-p', '.', '--noEmit'] },
  {
    name: 'types of the renderer',
    command: [...tool('typescript', 'bin/tsc'), '-p', 'renderer', '--noEmit'],
  },
  {
    name: 'types of the viewer',
    command: [...tool('typescript', 'bin/tsc'), '-p', 'gateway-core/evidence/viewer', '--noEmit'],
  },
  {
    name: 'types of the desktop suite',
    command: [...tool('typescript', 'bin/tsc'), '-p', 'test/desktop', '--noEmit'],
  },
  { name: 'lint', command: [...tool('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings', '.'] },
  {
    name: 'import walls',
    command: [
      ...tool('dependency-cruiser', 'bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      'gateway-core',
      'main',
      'preload',
      'renderer',
      'test',
    ],
  },
  { name: 'dead code', command: [...tool('knip', 'bin/knip.js')] },
  { name: 'format', command: [...tool('@biomejs/biome', 'bin/biome'), 'check', '--error-on-warnings', '.'] },
];

/** Runs every check, also after one failed. */
export function runChecks() {
  let passed = 0;
  let failed = 0;
  for (const { name, command } of checks) {
    const [program, ...args] = command;
    const ok = run(program, args);
    console.error(`${ok ? 'ok    ' : 'FAILED'} ${name}`);
    if (ok) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  prepare();
  const { failed } = runChecks();
  process.exit(failed === 0 ? 0 : 1);
}
