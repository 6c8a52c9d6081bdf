/** Bounds of the recording format and of its writer. Sizes are of clear bytes unless the name says otherwise. */
export const recordingLimits = {
  /** A frame is closed once its clear body reached this; a longer record makes a longer frame. */
  frameBytesTarget: 512 * 1024,
  /** A frame that claims more than this is damaged: nothing of that size is ever written. */
  frameBytesMax: 300 * 1024 * 1024,
  /** Below this a body is kept raw: compression costs more than it saves. */
  compressBytesMin: 512,
  /** Weight of content, or of events, at which a segment closes: about its clear bytes. */
  segmentBytes: 32 * 1024 * 1024,
  /** Distinct strings that one events frame refers to by number. */
  frameStringsMax: 4096,
  /** A frame's buffer above this is dropped after use instead of kept for the next frame. */
  bufferBytesKept: 64 * 1024,
  /** Largest read of one go while a whole file is hashed. */
  readBytesMax: 1024 * 1024,
} as const;
