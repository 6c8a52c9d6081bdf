/** Bounds of the desktop's spool and of its uploader. Units last. The protocol's own: contract/local-record.ts. */
export const spoolBounds = {
  /** Written, not sparse: room for the ends of running sessions when the disk is full. */
  reserveBytes: 1024 * 1024,
  /** Records that wait for the disk before `append` makes its callers wait. */
  queueBytesMax: 4 * 1024 * 1024,
  /** Written and synced in one go. */
  commitBytesMax: 1024 * 1024,
  /** How often a disk that refused is tried again. */
  retryIntervalMs: 5000,
  /** A process numbers its segments from a block of its own; blocks are counted in seconds since 1970 or faster. */
  segmentsPerBlock: 2 ** 20,
  /** Largest piece of a segment that is read in one go. */
  readBytes: 256 * 1024,
  /** Of one request's records, as they stand in JSON. Below `appendBytesMax`: the request has more in it. */
  requestBytesMax: 768 * 1024,
  /** Waits before a request, so that what comes one by one travels together. */
  gatherMs: 200,
  backOffMsMin: 1000,
  backOffMsMax: 5 * 60_000,
  /** What uploads may take of the line. */
  uploadBytesPerSecond: 1024 * 1024,
  /** A directory whose owner has been silent this long belongs to nobody. */
  ownerSilenceMsMax: 10_000,
  /** How often the agent looks for what other processes left. */
  adoptIntervalMs: 30_000,
  /** Refusals that are shown. */
  refusedMax: 20,
} as const;
