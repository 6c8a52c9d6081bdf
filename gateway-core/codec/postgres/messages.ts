/**
 * Message types of protocol 3.x (protocol page, "Message Formats"), by direction. The byte is the message's first.
 * Readers and writers: frontend.ts, backend.ts. Start-up packets have no type byte: startup.ts.
 */
export const frontendTypes = {
  bind: 0x42, // B
  close: 0x43, // C
  describe: 0x44, // D
  execute: 0x45, // E
  functionCall: 0x46, // F
  flush: 0x48, // H
  parse: 0x50, // P
  query: 0x51, // Q
  sync: 0x53, // S
  terminate: 0x58, // X
  copyDone: 0x63, // c
  copyData: 0x64, // d
  copyFail: 0x66, // f
  /** PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse: the exchange tells which. */
  password: 0x70, // p
} as const;

export const backendTypes = {
  parseComplete: 0x31, // 1
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  notificationResponse: 0x41, // A
  commandComplete: 0x43, // C
  dataRow: 0x44, // D
  errorResponse: 0x45, // E
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  emptyQueryResponse: 0x49, // I
  backendKeyData: 0x4b, // K
  noticeResponse: 0x4e, // N
  authentication: 0x52, // R
  parameterStatus: 0x53, // S
  rowDescription: 0x54, // T
  functionCallResponse: 0x56, // V
  copyBothResponse: 0x57, // W
  readyForQuery: 0x5a, // Z
  copyDone: 0x63, // c
  copyData: 0x64, // d
  noData: 0x6e, // n
  portalSuspended: 0x73, // s
  parameterDescription: 0x74, // t
  negotiateProtocolVersion: 0x76, // v
} as const;

/** 0: text. 1: binary. Others are reserved (protocol page, "Formats and Format Codes"). */
export type FormatCode = 0 | 1;

export type Direction = 'frontend' | 'backend';

/** Messages whose length field can have one value only. */
const fixedLengths = {
  frontend: [
    [frontendTypes.sync, 4],
    [frontendTypes.flush, 4],
    [frontendTypes.terminate, 4],
    [frontendTypes.copyDone, 4],
  ],
  backend: [
    [backendTypes.parseComplete, 4],
    [backendTypes.bindComplete, 4],
    [backendTypes.closeComplete, 4],
    [backendTypes.noData, 4],
    [backendTypes.emptyQueryResponse, 4],
    [backendTypes.portalSuspended, 4],
    [backendTypes.copyDone, 4],
    [backendTypes.readyForQuery, 5],
  ],
} as const;

/** Types that come in long runs, which a framer gives as one region. */
const runTypes = {
  frontend: [frontendTypes.copyData],
  backend: [backendTypes.dataRow, backendTypes.copyData],
} as const;

/** What a framer knows of a direction's types, indexed by the type byte. */
export interface TypeTable {
  /** 1: may come in this direction. */
  readonly allowed: Uint8Array;
  /** The only length a message of this type can have; 0: any. */
  readonly lengthFixed: Uint8Array;
  /** 1: consecutive messages are given as one region. */
  readonly runs: Uint8Array;
}

function table(direction: Direction): TypeTable {
  const allowed = new Uint8Array(256);
  const lengthFixed = new Uint8Array(256);
  const runs = new Uint8Array(256);
  for (const type of Object.values(direction === 'frontend' ? frontendTypes : backendTypes))
    allowed[type] = 1;
  for (const [type, length] of fixedLengths[direction]) lengthFixed[type] = length;
  for (const type of runTypes[direction]) runs[type] = 1;
  return { allowed, lengthFixed, runs };
}

export const typeTables: Readonly<Record<Direction, TypeTable>> = {
  frontend: table('frontend'),
  backend: table('backend'),
};
