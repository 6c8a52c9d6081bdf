import { spoolLimits } from '../../contract/local-record.js';

/** Bounds of what the gateway takes from desktops. */
export const receiverLimits = {
  /** Body of one upload: JSON puts a backslash before every quote of a record. */
  requestBytesMax: 3 * 1024 * 1024,
  /** One frame holds one upload's new records. */
  frameBytesMax: spoolLimits.appendBytesMax + 4 * spoolLimits.recordsPerAppendMax,
  segmentsPerDeviceMax: 4096,
  /** Uploads that wait for the disk; past it a desktop is told to come later. */
  waitingBytesMax: 64 * 1024 * 1024,
  /** Frames of all segments whose place is known: an index entry each. The segment unused longest goes first. */
  framesKnownMax: 500_000,
  segmentsOpenMax: 128,
  syncsAtOnce: 4,
  /** Sessions per segment that are remembered, over all segments, so that a look for one does not read them all. */
  sessionsKnownMax: 200_000,
  /** Block hashes of one direction that a comparison holds in memory: 128 GiB of stream. */
  blocksMax: 2 * 1024 * 1024,
  shownMax: 10_000,
  /** What one device may make the gateway do: bytes taken and read back. Refilled each second. */
  workBytesMax: 64 * 1024 * 1024,
  workBytesPerSecond: 4 * 1024 * 1024,
  workBytesPerRequest: 64 * 1024,
  /** Devices whose work is counted at once. */
  devicesCountedMax: 100_000,
  /** One page of a session's records. */
  linesMax: 500,
  linesBytesMax: 4 * 1024 * 1024,
} as const;
