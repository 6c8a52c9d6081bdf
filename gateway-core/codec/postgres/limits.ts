/** Bounds of this codec alone; what rooms share stands in contract/limits.ts. Units last. */
export const codecLimits = {
  /** Protocol page, BackendKeyData: the secret key has 4 to 256 bytes since 3.2. */
  cancelKeyBytesMin: 4,
  cancelKeyBytesMax: 256,
  /** A message that spans chunks gets this much at first; more only as its bytes arrive. */
  assemblyBytesInitial: 16 * 1024,
  /** Below this a loop in JavaScript is faster than a call into the runtime. */
  shortTextBytes: 64,
  /** One NUL-terminated text. The runtime cannot hold a string of more than about 512 million bytes. */
  textBytesMax: 256 * 1024 * 1024,
  writerSlabBytes: 16 * 1024,
  /** The server's own limit for one message (PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize). */
  writerBytesMax: 1024 * 1024 * 1024,
  /** The server knows 18 error fields; each code may come once in practice. */
  errorFieldsMax: 64,
  saslMechanismsMax: 32,
  /** A SCRAM message; real ones have less than 300 bytes, channel binding included. */
  scramMessageBytesMax: 4096,
  scramSaltBytesMax: 1024,
  scramNonceBytesMin: 16,
  /** RFC 7677 section 4. */
  scramIterationsMin: 4096,
  /** About a third of a second of one core; a target cannot ask for more. */
  scramIterationsMax: 1_000_000,
  /** One line (text, CSV) or tuple (binary) of COPY data: held whole while it is masked. */
  copyLineBytesMax: 1024 * 1024 * 1024,
  /** The extension area of a binary COPY header; servers send none. */
  copyHeaderExtensionBytesMax: 64 * 1024,
} as const;
