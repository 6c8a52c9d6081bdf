import type { Column, NoticeField, TransactionStatus } from './backend.js';
import { backendTypes, type FormatCode } from './messages.js';
import type { MessageWriter } from './writer.js';

/** Backend messages as the gateway itself sends them (protocol page, "Message Formats", marked B). */
export function writeAuthenticationOk(writer: MessageWriter): void {
  writer.begin(backendTypes.authentication).int32(0).end();
}

export function writeAuthenticationCleartextPassword(writer: MessageWriter): void {
  writer.begin(backendTypes.authentication).int32(3).end();
}

/** `salt`: four bytes. */
export function writeAuthenticationMd5Password(writer: MessageWriter, salt: Uint8Array): void {
  writer.begin(backendTypes.authentication).int32(5).bytes(salt).end();
}

export function writeAuthenticationSasl(writer: MessageWriter, mechanisms: readonly string[]): void {
  writer.begin(backendTypes.authentication).int32(10);
  for (const mechanism of mechanisms) writer.text(mechanism);
  writer.uint8(0).end();
}

export function writeAuthenticationSaslContinue(writer: MessageWriter, data: Uint8Array): void {
  writer.begin(backendTypes.authentication).int32(11).bytes(data).end();
}

export function writeAuthenticationSaslFinal(writer: MessageWriter, data: Uint8Array): void {
  writer.begin(backendTypes.authentication).int32(12).bytes(data).end();
}

/** `secretKey`: exactly 4 bytes to a client of protocol 3.0, 4 to 256 to one of 3.2. */
export function writeBackendKeyData(writer: MessageWriter, processId: number, secretKey: Uint8Array): void {
  writer.begin(backendTypes.backendKeyData).int32(processId).bytes(secretKey).end();
}

export function writeParameterStatus(writer: MessageWriter, name: string, value: string): void {
  writer.begin(backendTypes.parameterStatus).text(name).text(value).end();
}

export function writeReadyForQuery(writer: MessageWriter, status: TransactionStatus): void {
  writer.begin(backendTypes.readyForQuery).uint8(status.charCodeAt(0)).end();
}

export function writeRowDescription(writer: MessageWriter, columns: readonly Column[]): void {
  writer.begin(backendTypes.rowDescription).int16(columns.length);
  for (const column of columns) {
    writer.text(column.name).int32(column.tableOid).int16(column.columnNumber).int32(column.typeOid);
    writer.int16(column.typeSize).int32(column.typeModifier).int16(column.format);
  }
  writer.end();
}

export function writeParameterDescription(writer: MessageWriter, typeOids: readonly number[]): void {
  writer.begin(backendTypes.parameterDescription).int16(typeOids.length);
  for (const oid of typeOids) writer.int32(oid);
  writer.end();
}

/** null: NULL. */
export function writeDataRow(writer: MessageWriter, values: readonly (Uint8Array | null)[]): void {
  writer.begin(backendTypes.dataRow).int16(values.length);
  for (const value of values) {
    if (value === null) writer.int32(-1);
    else writer.int32(value.length).bytes(value);
  }
  writer.end();
}

export function writeCommandComplete(writer: MessageWriter, tag: string): void {
  writer.begin(backendTypes.commandComplete).text(tag).end();
}

/** Messages that are nothing but their type. */
export function writeBareBackend(
  writer: MessageWriter,
  type:
    | 'parseComplete'
    | 'bindComplete'
    | 'closeComplete'
    | 'noData'
    | 'emptyQueryResponse'
    | 'portalSuspended'
    | 'copyDone',
): void {
  writer.begin(backendTypes[type]).end();
}

/** What the gateway says itself, as an error or a notice. Text must not contain NUL. */
export interface Report {
  readonly severity: 'ERROR' | 'FATAL' | 'PANIC' | 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG';
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** Into the statement's text, in characters, from 1. */
  readonly position?: number | undefined;
}

/** An ErrorResponse for ERROR, FATAL and PANIC, else a NoticeResponse ("Error and Notice Message Fields"). */
export function writeReport(writer: MessageWriter, report: Report): void {
  const { severity } = report;
  const isError = severity === 'ERROR' || severity === 'FATAL' || severity === 'PANIC';
  const fields: NoticeField[] = [
    { code: 'S', value: severity },
    { code: 'V', value: severity },
    { code: 'C', value: report.code },
    { code: 'M', value: report.message },
  ];
  if (report.detail !== undefined) fields.push({ code: 'D', value: report.detail });
  if (report.hint !== undefined) fields.push({ code: 'H', value: report.hint });
  if (report.position !== undefined) fields.push({ code: 'P', value: String(report.position) });
  writeNoticeFields(writer, isError ? 'error' : 'notice', fields);
}

/** Fields as they were read, or read and masked. */
export function writeNoticeFields(
  writer: MessageWriter,
  kind: 'error' | 'notice',
  fields: readonly NoticeField[],
): void {
  writer.begin(kind === 'error' ? backendTypes.errorResponse : backendTypes.noticeResponse);
  for (const field of fields) writer.uint8(field.code.charCodeAt(0)).text(field.value);
  writer.uint8(0).end();
}

export function writeNotification(
  writer: MessageWriter,
  message: { processId: number; channel: string; payload: string },
): void {
  writer.begin(backendTypes.notificationResponse).int32(message.processId);
  writer.text(message.channel).text(message.payload).end();
}

export function writeCopyResponse(
  writer: MessageWriter,
  direction: 'in' | 'out' | 'both',
  message: { format: FormatCode; columnFormats: readonly FormatCode[] },
): void {
  const type = { in: 'copyInResponse', out: 'copyOutResponse', both: 'copyBothResponse' } as const;
  writer.begin(backendTypes[type[direction]]).uint8(message.format).int16(message.columnFormats.length);
  for (const format of message.columnFormats) writer.int16(format);
  writer.end();
}

export function writeFunctionCallResponse(writer: MessageWriter, value: Uint8Array | null): void {
  writer.begin(backendTypes.functionCallResponse);
  if (value === null) writer.int32(-1);
  else writer.int32(value.length).bytes(value);
  writer.end();
}
