/** Bounds of the agent process. Units last. */
export const serviceLimits = {
  /** Between two attempts to reach a gateway that does not answer; doubled each time. */
  retryDelayMs: 250,
  retryDelayMsMax: 5000,
  /** How often a gateway at which nobody is signed in is asked whether it is there. */
  lookIntervalMs: 10_000,
  /** The gateway says every fifteen seconds that it is there; after this much silence it is not. */
  beatSilenceMsMax: 40_000,
  /** What the recording may take of the end of a sign-in, and of the agent's own, to bring what waits to the gateway. */
  uploadAtEndMs: 3000,
  replaysMax: 8,
  /** Items of one replay that are held; the rest is cut. */
  replayItemsMax: 2_000_000,
  replayBytesMax: 256 * 1024 * 1024,
  replayHitsMax: 10_000,
  /** Sessions that are watched at once. */
  watchesMax: 8,
  /** What waits for a window; then nothing more is read from the gateway. */
  watchCharactersMax: 512 * 1024,
  /** How long a read waits for something to come. */
  watchReadMs: 10_000,
  /** A watch that no window reads is over. */
  watchUnreadMs: 20_000,
  connectionsTextBytesMax: 1024 * 1024,
  /** Bundles that were fetched, as the window lists them. */
  evidenceExportsMax: 50,
  progressIntervalMs: 100,
  /** Sessions that end together are one notice; what the person has ended here is none. */
  endingsTogetherMs: 500,
  expectedEndsMs: 3000,
  endingsNamedMax: 5,
  endingsKeptMax: 5000,
} as const;
