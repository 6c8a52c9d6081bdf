/** Bounds of the SQL engine. Units last. */
export const sqlLimits = {
  sessionsMax: 64,
  /** Runs whose results are kept, for all sessions; the oldest that is not running goes first. */
  runsMax: 200,
  statementsMax: 5000,
  /** Rows of one result, and of all results together, that are held in memory. Past them loading pauses. */
  resultBytesMax: 512 * 1024 * 1024,
  allBytesMax: 1024 * 1024 * 1024,
  chunkBytesMin: 4096,
  chunkBytes: 1024 * 1024,
  messageBytesMax: 16 * 1024 * 1024,
  rowBytesMax: 1024 * 1024 * 1024,
  problemsMax: 200,
  /** How often a running statement tells how far it is. */
  tellIntervalMs: 50,
  /** Longest stretch of sorting or filtering in one go: tunnels live in this process too. */
  sliceMs: 12,
  connectTimeoutMs: 30_000,
  schemaObjectsMax: 50_000,
  schemaFunctionsMax: 20_000,
  columnsMax: 2000,
  historyEntriesMax: 10_000,
  /** Of the file; entries take half of it at most. */
  historyBytesMax: 64 * 1024 * 1024,
  historyTextCharactersMax: 100_000,
  exportsMax: 100,
  exportTellIntervalMs: 100,
} as const;
