/**
 * The name of the property on `window`, and of Electron's two channels. In a file of their own: the preload script
 * needs them and no schema.
 */
export const bridgeName = 'throughline';
export const bridgeChannels = {
  toHost: 'throughline:to-host',
  toRenderer: 'throughline:to-renderer',
} as const;
