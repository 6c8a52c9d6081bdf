/** The module of the state database's thread: here, apart, so that it can be loaded before everything else is. */
export const stateThread = {
  module: new URL('./state-worker.js', import.meta.url),
  name: 'state',
} as const;
