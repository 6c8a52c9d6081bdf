import { defineConfig } from 'vitest/config';

/**
 * Property tests and fuzz runs take their seed from FUZZ_SEED. The default is one seed, so that a change is judged by
 * what it changes; look for more with FUZZ_SEED=$RANDOM npm test. Every failure prints its seed.
 */
const fuzzSeed = process.env['FUZZ_SEED'] ?? '20261121';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    env: { FUZZ_SEED: fuzzSeed },
    setupFiles: ['test/seed.ts'],
    // How long something may take is no law: these only end what hangs, on machines as slow and busy as they come.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 30_000 } },
    pool: 'forks',
    maxWorkers: 2,
  },
});
