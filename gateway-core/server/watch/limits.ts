/** Bounds of watching sessions that run. Units last. */
export const watchLimits = {
  watchersMax: 200,
  watchersPerSessionMax: 16,
  watchersPerSignInMax: 8,
  /** Sessions that are watched at once: each has emulators of its own. */
  sessionsMax: 50,
  /** Terminals of one session that are painted; the one that was silent longest makes room. Half a megabyte each. */
  terminalsMax: 16,
  /** Rows above the screen that a picture has. */
  scrollbackRows: 100,
  /** A picture that is longer is told without its colours. */
  pictureCharactersMax: 1024 * 1024,
  /** What is painted of a terminal's past: its end. */
  pastCharactersMax: 1024 * 1024,
  /** Painted in one go; between two of them everybody else has a turn. */
  paintCharactersMax: 16 * 1024,
  /**
   * What comes in this time is painted and told together. With the 64 KiB that wait for it at most (pending-output.ts),
   * it is what bounds the work that a flood makes.
   */
  roundMs: 30,
  /** Statements without an outcome that a watcher is told of at the beginning. */
  statementsMax: 200,
  /** What waits for one watcher; past it, it is dropped and the watcher is told. */
  waitingCharactersMax: 512 * 1024,
  /** Written at once: what was handed to a socket waits there, out of reach. */
  chunkCharactersMax: 64 * 1024,
  /** How often a watcher hears that the gateway is there, and is asked whether it still may. */
  beatMs: 5000,
  /** A watcher that takes nothing for so long is gone. */
  stallMsMax: 60_000,
  /** A watch ends after so long and is asked for anew: with a ticket that is checked anew. */
  lifeMsMax: 3600_000,
  /** After its end, a reader that takes nothing any more loses its connection. */
  goodbyeMs: 10_000,
} as const;
