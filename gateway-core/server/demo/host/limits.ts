/** Bounds of the demo's own SSH server: one gateway is its only client. */
export const builtInLimits = {
  connectionsMax: 100,
  /** Of one connection. */
  sessionsMax: 32,
  signInTimeoutMs: 20_000,
  environmentMax: 100,
  environmentCharactersMax: 1024,
  /** Open at once in one SFTP session. */
  handlesMax: 256,
  readBytesMax: 256 * 1024,
  namesPerAnswerMax: 100,
  terminalMax: 1000,
} as const;
