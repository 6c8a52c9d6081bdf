import { defineConfig } from 'vitest/config';

/** The desktop's part of `npm run bench`. No test: nothing is judged here. */
export default defineConfig({
  test: {
    root: new URL('../../', import.meta.url).pathname,
    include: ['test/desktop/bench.ts'],
    testTimeout: 600_000,
    hookTimeout: 300_000,
    pool: 'forks',
  },
});
