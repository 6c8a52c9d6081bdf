/** Bounds of this codec alone. Beyond them a channel is broken; nothing is held for a length that was only declared. */
export const sftpLimits = {
  /** A packet without its length field. OpenSSH's SFTP_MAX_MSG_LENGTH, which its `limits` extension names, too. */
  packetBytesMax: 256 * 1024,
  /** draft-ietf-secsh-filexfer-02 section 6.2: a handle has at most 256 bytes. */
  handleBytesMax: 256,
  /** A path, in bytes: the kernel's PATH_MAX. */
  pathBytesMax: 4096,
  /** Entries of one NAME reply; each has 12 bytes at the least, OpenSSH sends 100. */
  namesMax: 16 * 1024,
  /** Extension pairs of VERSION, and extended attributes. */
  pairsMax: 256,
  /** A packet that spans chunks gets this much at first; more only as its bytes arrive. */
  assemblyBytesInitial: 1024,
  /** Requests without an answer, of one channel. OpenSSH's client keeps 64 on their way. */
  pendingMax: 1024,
  /** Open handles of one channel, those whose answer is on its way included. */
  handlesMax: 1024,
  /** Bytes that came before those in front of them, of one handle, in one direction. */
  reorderBytesMax: 4 * 1024 * 1024,
  /** The same for all handles of a channel. */
  reorderBytesMaxOfChannel: 16 * 1024 * 1024,
} as const;
