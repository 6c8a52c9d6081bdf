/** Bounds of one SSH session. */
export const sshLimits = {
  /** Channels at once. */
  channelsMax: 1000,
  /** Bytes of one packet's data, both ways: what every implementation takes (RFC 4253 6.1). */
  packetBytesMax: 32_768,
  /** Of the target's window: kept for a question of the gateway's own in a channel. */
  questionBytesMax: 32,
  /** Who takes less at once would make the gateway cut what it writes into thousands of packets. */
  packetBytesMin: 256,
  /** Answers that one side may owe the other before it is at fault. */
  owedMax: 1000,
  /** Environment that a channel may ask for. */
  environmentMax: 100,
  commandBytesMax: 64 * 1024,
  /** Bytes that wait for the journal or for a slow reader before the sender is paused. */
  outboxBytesMax: 1024 * 1024,
  /** How long output that could be the beginning of something masked is held back when nothing follows. */
  maskHoldMs: 20,
  /** How often it is looked whether the journal has caught up. */
  backlogWaitMs: 20,
  /** How often, and after how long, the echo of what was typed is waited for when a line is to be judged. */
  echoAttempts: 6,
  echoWaitMs: 15,
} as const;
