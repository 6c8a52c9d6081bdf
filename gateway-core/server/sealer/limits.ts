/** Bounds of the sealer. Times in milliseconds. */
export const sealerLimits = {
  /**
   * Pause between two rounds. Whoever asks (`caughtUp`) wakes it; nobody else sees how far it is, and each round's
   * syncs hold up the journal's writes on the same disk.
   */
  roundIntervalMs: 1000,
  /** A round stops reading the journal after so much; the next one follows at once. */
  roundRecordsMax: 16_384,
  roundContentBytesMax: 16 * 1024 * 1024,
  /** Leaves wait in memory for the round's commit; a leaf has at most 65,535 bytes. */
  roundLeafBytesMax: 16 * 1024 * 1024,
  checkpointIntervalMs: 1000,
  checkpointLeaves: 1000,
  /** After a failure: first pause, doubled up to the second. */
  retryFirstMs: 100,
  retryMaxMs: 5000,
  /** Segment files that stay open between rounds. */
  openFilesMax: 256,
  /** fdatasync calls under way at once: as many as libuv has threads by default. */
  syncsAtOnce: 4,
  /** First bytes of a statement's content are kept so long as one buffer, to be hashed in one call. */
  singleHashBytesMax: 4096,
  /** Search: one document per session holds so many statements, or what came in this time. */
  chunkStatements: 256,
  chunkAgeMs: 1000,
  chunkTextMax: 1024 * 1024,
  /** Content of one result that can be found. */
  searchContentBytesMax: 64 * 1024,
  queryLengthMax: 1000,
  queryTokensMax: 32,
  searchHitsMax: 1000,
  /** Documents that one search looks into. */
  searchChunksMax: 5000,
  /** Text of one hit. */
  hitTextMax: 1000,
  sessionsListedMax: 1000,
  /** One answer to a reader that pulls: items, and time spent on it before others have their turn. */
  sliceItemsMax: 512,
  sliceTextMax: 1024 * 1024,
  sliceMs: 8,
  cursorsMax: 64,
  cursorIdleMs: 60_000,
} as const;
