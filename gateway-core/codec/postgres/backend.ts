import { BodyReader, int32At, type Malformed, type MessageView, malformed, uint16At } from './bytes.js';
import { codecLimits } from './limits.js';
import type { FormatCode } from './messages.js';

/**
 * Backend messages (protocol page, "Message Formats", marked B). Readers take a framer or any other view of one
 * message and check every byte of it; what they give holds no reference to the chunk unless it says `view`.
 * Text is decoded with bad bytes replaced: before start-up has ended it may be in the server's own encoding.
 */
export type Authentication =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext-password' }
  /** `salt`: four bytes, a view. */
  | { readonly kind: 'md5-password'; readonly salt: Uint8Array }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  /** `data`: a view. */
  | { readonly kind: 'sasl-continue'; readonly data: Uint8Array }
  | { readonly kind: 'sasl-final'; readonly data: Uint8Array }
  /** Kerberos V5, GSSAPI, SSPI, or a code newer than this. */
  | { readonly kind: 'unsupported'; readonly code: number };

const authenticationCodes = {
  ok: 0,
  cleartextPassword: 3,
  md5Password: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const;

export function readAuthentication(view: MessageView): Authentication | Malformed {
  const reader = new BodyReader(view);
  const code = reader.int32();
  if (reader.failed) return malformed('a malformed Authentication');
  const message = readAuthenticationBody(reader, code);
  if (message.kind === 'unsupported') return message;
  return reader.complete ? message : malformed('a malformed Authentication');
}

function readAuthenticationBody(reader: BodyReader, code: number): Authentication {
  switch (code) {
    case authenticationCodes.ok:
      return { kind: 'ok' };
    case authenticationCodes.cleartextPassword:
      return { kind: 'cleartext-password' };
    case authenticationCodes.md5Password:
      return { kind: 'md5-password', salt: reader.bytes(4) };
    case authenticationCodes.sasl:
      return { kind: 'sasl', mechanisms: readMechanisms(reader) };
    case authenticationCodes.saslContinue:
      return { kind: 'sasl-continue', data: reader.bytes(reader.left) };
    case authenticationCodes.saslFinal:
      return { kind: 'sasl-final', data: reader.bytes(reader.left) };
    default:
      return { kind: 'unsupported', code };
  }
}

function readMechanisms(reader: BodyReader): string[] {
  const mechanisms: string[] = [];
  for (;;) {
    const mechanism = reader.textLossy();
    if (reader.failed || mechanism === '') return mechanisms;
    mechanisms.push(mechanism);
    if (mechanisms.length > codecLimits.saslMechanismsMax) reader.failed = true;
  }
}

/** `secretKey`: a copy, 4 bytes in protocol 3.0, 4 to 256 since 3.2. */
export interface BackendKeyData {
  readonly kind: 'backend-key-data';
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

export function readBackendKeyData(view: MessageView): BackendKeyData | Malformed {
  const keyBytes = view.end - view.bodyStart - 4;
  if (keyBytes < codecLimits.cancelKeyBytesMin || keyBytes > codecLimits.cancelKeyBytesMax) {
    return malformed('a BackendKeyData of impossible length');
  }
  const processId = int32At(view.buffer, view.bodyStart);
  return {
    kind: 'backend-key-data',
    processId,
    secretKey: Uint8Array.from(view.buffer.subarray(view.bodyStart + 4, view.end)),
  };
}

export interface ParameterStatus {
  readonly kind: 'parameter-status';
  readonly name: string;
  readonly value: string;
}

export function readParameterStatus(view: MessageView): ParameterStatus | Malformed {
  const reader = new BodyReader(view);
  const name = reader.textLossy();
  const value = reader.textLossy();
  return reader.complete
    ? { kind: 'parameter-status', name, value }
    : malformed('a malformed ParameterStatus');
}

/** I: idle. T: in a transaction. E: in a failed transaction. */
export type TransactionStatus = 'I' | 'T' | 'E';

export function readReadyForQuery(
  view: MessageView,
): { readonly kind: 'ready-for-query'; readonly status: TransactionStatus } | Malformed {
  const reader = new BodyReader(view);
  const status = String.fromCharCode(reader.uint8());
  if (!reader.complete || (status !== 'I' && status !== 'T' && status !== 'E')) {
    return malformed('a malformed ReadyForQuery');
  }
  return { kind: 'ready-for-query', status };
}

export interface Column {
  readonly name: string;
  /** 0 where the column is not plainly one of a table. */
  readonly tableOid: number;
  readonly columnNumber: number;
  /** A domain shows its base type here. */
  readonly typeOid: number;
  /** Negative: variable width. */
  readonly typeSize: number;
  readonly typeModifier: number;
  /** 0 in the answer to a Describe of a statement, whatever Bind asks for later. */
  readonly format: FormatCode;
}

export function readRowDescription(
  view: MessageView,
): { readonly kind: 'row-description'; readonly columns: readonly Column[] } | Malformed {
  const reader = new BodyReader(view);
  const count = reader.uint16();
  if (reader.left < 19 * count) return malformed('a malformed RowDescription');
  const columns: Column[] = [];
  for (let index = 0; index < count && !reader.failed; index += 1) columns.push(readColumn(reader));
  return reader.complete ? { kind: 'row-description', columns } : malformed('a malformed RowDescription');
}

function readColumn(reader: BodyReader): Column {
  const name = reader.textLossy();
  const tableOid = reader.uint32();
  const columnNumber = reader.int16();
  const typeOid = reader.uint32();
  const typeSize = reader.int16();
  const typeModifier = reader.int32();
  return {
    name,
    tableOid,
    columnNumber,
    typeOid,
    typeSize,
    typeModifier,
    format: readFormat(reader, 0xffff),
  };
}

/** `max`: 0xffff for two-byte codes. Codes above 1 are reserved; what they would mean cannot be masked. */
function readFormat(reader: BodyReader, max: 0xff | 0xffff): FormatCode {
  const code = max === 0xff ? reader.uint8() : reader.uint16();
  if (code > 1) reader.failed = true;
  return code === 1 ? 1 : 0;
}

/** The types of a prepared statement's parameters. */
export function readParameterDescription(
  view: MessageView,
): { readonly kind: 'parameter-description'; readonly typeOids: readonly number[] } | Malformed {
  const reader = new BodyReader(view);
  const count = reader.uint16();
  if (reader.left !== 4 * count) return malformed('a malformed ParameterDescription');
  const typeOids: number[] = [];
  for (let index = 0; index < count; index += 1) typeOids.push(reader.uint32());
  return reader.complete
    ? { kind: 'parameter-description', typeOids }
    : malformed('a malformed ParameterDescription');
}

/** Where the values of a DataRow stand. Made once, filled for each row: nothing is allocated per row. */
export class RowFields {
  count = 0;
  /** Of the value's first byte, in the buffer that was read. Only the first `count` are of this row. */
  starts = new Int32Array(64);
  /** -1: NULL. */
  lengths = new Int32Array(64);

  /**
   * Reads the DataRow whose body is `[bodyStart, end)`. false: it is malformed, and nothing of it may be used. The
   * whole row is checked before the first value is looked at.
   */
  read(buffer: Uint8Array, bodyStart: number, end: number): boolean {
    this.count = 0;
    if (end - bodyStart < 2) return false;
    const count = uint16At(buffer, bodyStart);
    if (4 * count > end - bodyStart - 2) return false;
    if (count > this.starts.length) this.grow(count);
    const starts = this.starts;
    const lengths = this.lengths;
    let at = bodyStart + 2;
    for (let index = 0; index < count; index += 1) {
      if (end - at < 4) return false;
      const length = int32At(buffer, at);
      at += 4;
      starts[index] = at;
      lengths[index] = length;
      if (length > 0) {
        if (length > end - at) return false;
        at += length;
      } else if (length < -1) return false;
    }
    if (at !== end) return false;
    this.count = count;
    return true;
  }

  private grow(count: number): void {
    this.starts = new Int32Array(count);
    this.lengths = new Int32Array(count);
  }
}

export function readCommandComplete(
  view: MessageView,
): { readonly kind: 'command-complete'; readonly tag: string } | Malformed {
  const reader = new BodyReader(view);
  const tag = reader.textLossy();
  return reader.complete ? { kind: 'command-complete', tag } : malformed('a malformed CommandComplete');
}

/** The rows that a command tag counts (`SELECT 5`, `INSERT 0 5`), or undefined where it counts none. */
export function rowsOfTag(tag: string): number | undefined {
  const digits = / (\d{1,15})$/.exec(tag)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** One field of an ErrorResponse or NoticeResponse; `code` as in "Error and Notice Message Fields". */
export interface NoticeField {
  readonly code: string;
  readonly value: string;
}

/** In the order sent, unknown codes included. */
export function readNoticeFields(
  view: MessageView,
): { readonly kind: 'notice-fields'; readonly fields: readonly NoticeField[] } | Malformed {
  const reader = new BodyReader(view);
  const fields: NoticeField[] = [];
  for (;;) {
    const code = reader.uint8();
    if (reader.failed || fields.length > codecLimits.errorFieldsMax)
      return malformed('a malformed error or notice');
    if (code === 0) break;
    fields.push({ code: String.fromCharCode(code), value: reader.textLossy() });
  }
  return reader.complete ? { kind: 'notice-fields', fields } : malformed('a malformed error or notice');
}

export function noticeField(fields: readonly NoticeField[], code: string): string | undefined {
  return fields.find((field) => field.code === code)?.value;
}

export interface NotificationResponse {
  readonly kind: 'notification';
  readonly processId: number;
  readonly channel: string;
  readonly payload: string;
}

export function readNotification(view: MessageView): NotificationResponse | Malformed {
  const reader = new BodyReader(view);
  const processId = reader.int32();
  const channel = reader.textLossy();
  const payload = reader.textLossy();
  if (!reader.complete) return malformed('a malformed NotificationResponse');
  return { kind: 'notification', processId, channel, payload };
}

/** CopyInResponse, CopyOutResponse and CopyBothResponse have one layout. */
export interface CopyResponse {
  readonly kind: 'copy-response';
  /** 0: text or CSV, in lines. 1: binary. */
  readonly format: FormatCode;
  readonly columnFormats: readonly FormatCode[];
}

export function readCopyResponse(view: MessageView): CopyResponse | Malformed {
  const reader = new BodyReader(view);
  const format = readFormat(reader, 0xff);
  const count = reader.uint16();
  if (reader.left !== 2 * count) return malformed('a malformed copy response');
  const columnFormats: FormatCode[] = [];
  for (let index = 0; index < count; index += 1) columnFormats.push(readFormat(reader, 0xffff));
  return reader.complete
    ? { kind: 'copy-response', format, columnFormats }
    : malformed('a malformed copy response');
}

/** `value`: a view; undefined: NULL. */
export function readFunctionCallResponse(
  view: MessageView,
): { readonly kind: 'function-call-response'; readonly value: Uint8Array | undefined } | Malformed {
  const reader = new BodyReader(view);
  const length = reader.int32();
  const value = length === -1 ? undefined : reader.bytes(length);
  if (!reader.complete) return malformed('a malformed FunctionCallResponse');
  return { kind: 'function-call-response', value };
}

export interface NegotiateProtocolVersion {
  readonly kind: 'negotiate-protocol-version';
  /** Newest minor version of protocol 3 that the server speaks. */
  readonly minor: number;
  readonly unknownOptions: readonly string[];
}

/** Takes the whole version number, as servers send it, and the bare minor one, as the page says. */
export function readNegotiateProtocolVersion(view: MessageView): NegotiateProtocolVersion | Malformed {
  const reader = new BodyReader(view);
  const version = reader.uint32();
  const count = reader.uint32();
  if (count > reader.left || (version > 0xffff && version >>> 16 !== 3)) {
    return malformed('a malformed NegotiateProtocolVersion');
  }
  const unknownOptions: string[] = [];
  for (let index = 0; index < count && !reader.failed; index += 1) unknownOptions.push(reader.textLossy());
  if (!reader.complete) return malformed('a malformed NegotiateProtocolVersion');
  return { kind: 'negotiate-protocol-version', minor: version & 0xffff, unknownOptions };
}
