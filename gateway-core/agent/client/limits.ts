/** Bounds of the client side. Units last. */
export const clientLimits = {
  /** From the first packet to the first byte of an answer, and between two pieces of one. */
  requestIdleTimeoutMs: 30_000,
  /** A JSON answer is held whole; more than this is refused. */
  answerBytesMax: 64 * 1024 * 1024,
  /** One line of a streamed answer. */
  lineBytesMax: 16 * 1024 * 1024,
  /** An error answer: nothing honest is longer. */
  problemBytesMax: 64 * 1024,
  /** A ticket is renewed this long before it ends, or after four fifths of its life when that is later. */
  renewAheadMs: 60_000,
  /** State files are small; what is larger was not written by us. */
  stateFileBytesMax: 256 * 1024,
  certificateFileBytesMax: 1024 * 1024,
  demoSecretBytesMax: 4096,
  /** A keyring may ask the person to unlock it; it may also never answer. */
  keyringTimeoutMs: 10_000,
  /** How often a holder shows that it is alive, and after what silence its lock is void. */
  lockBeatMs: 1000,
  lockSilenceMsMax: 10_000,
  lockWaitMsMax: 45_000,
  lockPollMs: 40,
  browserSignInTimeoutMs: 5 * 60_000,
  /** RFC 8628 3.5: what is added at each `slow_down`, and the bounds within which an interval is believed. */
  deviceSlowDownMs: 5000,
  deviceIntervalMsMin: 250,
  deviceIntervalMsMax: 60_000,
  deviceLifeMsMax: 30 * 60_000,
  /** Gateways, and ports of tunnels, that this installation remembers. */
  rememberedMax: 64,
} as const;
