import { defineConfig } from 'vitest/config';

/** `npm run pictures`: makes the README's pictures from the running app. No test: nothing is judged here. */
export default defineConfig({
  test: {
    root: new URL('../../', import.meta.url).pathname,
    include: ['test/desktop/pictures.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
  },
});
