/** Bounds of the built-in SSH client. Units last. */
export const sshLimits = {
  /** Connections of terminal tabs. */
  sessionsMax: 64,
  /** From the stream to the end of the handshake: the gateway may be reaching the target meanwhile. */
  connectTimeoutMs: 60_000,
  /** Output that is kept of each terminal for a page that is loaded again. */
  keptBytesMax: 1024 * 1024,
  /** Output that nobody has taken yet: past it the channel is paused. */
  unreadBytesMax: 256 * 1024,
  /** How long a read waits for output before it is answered without. */
  readWaitMs: 25_000,
  /** Reads of one terminal that wait at once; the oldest makes room. */
  readersMax: 4,
  /** With nobody reading for so long no window shows it: the program there goes on, and its oldest output is let go. */
  detachedAfterMs: 10_000,
  /** Input that the target has not taken. */
  inputBytesMax: 4 * 1024 * 1024,
  /** Text of a refusal, as it is shown. */
  reasonCharactersMax: 1000,
  /** SFTP requests of one transfer under way at once, and what each asks for. */
  transferRequests: 64,
  transferBlockBytes: 32 * 1024,
  /** Pieces of one upload that are not at the target yet. */
  uploadPiecesMax: 16,
  transfersMax: 500,
  /** Files and folders of one folder that is taken as a whole, and how deep they may stand. */
  folderEntriesMax: 20_000,
  folderDepthMax: 64,
  transferTellIntervalMs: 100,
  /** Directories whose entries are kept for paging. */
  listingsMax: 32,
  forwardsMax: 64,
  /** Sockets of one forward at once: OpenSSH's own limit of channels is about that. */
  forwardSocketsMax: 100,
  forwardTellIntervalMs: 500,
  /** A socket of a forward that does not take the last bytes. */
  lingerTimeoutMs: 30_000,
} as const;
