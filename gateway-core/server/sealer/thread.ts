/** The module of the sealer's thread: here, apart, so that it can be loaded before everything else is. */
export const sealerThread = {
  module: new URL('./sealer-worker.js', import.meta.url),
  name: 'sealer',
} as const;
