/**
 * Every bound that more than one room has to agree on. Units last. A room's own limits stand in that room.
 */
export const limits = {
  /** PostgreSQL start-up packets; the server's own limit is 10,000. */
  startupBytesMax: 10_000,
  /** From accept to an authenticated session. */
  startupTimeoutMs: 30_000,
  /** One frontend message; the server's own limit is 1 GiB less one. */
  frontendMessageBytesMax: 256 * 1024 * 1024,
  /** SQL text that is parsed; longer text is denied (10 MB take the parser most of a second). */
  statementBytesMax: 1024 * 1024,
  /** Text of one statement in an event; the rest is cut and its full hash stands beside it. */
  keptTextBytesMax: 64 * 1024,
  keptParametersMax: 1000,
  /** One backend message that must be held whole (everything but rows and COPY data). */
  heldMessageBytesMax: 16 * 1024 * 1024,
  /** One row: held whole while it is masked. The server cannot send more than 1 GiB in one message. */
  rowBytesMax: 1024 * 1024 * 1024,
  /** Read this much from a target, then let other sessions have the loop. */
  sliceBytes: 128 * 1024,
  /** Recorded, not yet sealed: above this sessions pause their targets. */
  backlogBytesMax: 256 * 1024 * 1024,
  handleTtlMsMax: 10 * 60 * 1000,
  handleSessionsDefault: 100,
  ticketTtlMs: 10 * 60 * 1000,
  signInTtlMs: 12 * 3600 * 1000,
  requestBodyBytesMax: 4 * 1024 * 1024,
  streamsPerActorMax: 500,
} as const;
