import { BodyReader, type Malformed, type MessageView, malformed } from './bytes.js';
import { type FormatCode, frontendTypes } from './messages.js';
import type { MessageWriter } from './writer.js';

export type { FormatCode } from './messages.js';

/**
 * Frontend messages (protocol page, "Message Formats", marked F). Readers take a framer or any other view of one
 * message and check every byte of it; what they give holds no reference to the chunk unless it says `view`.
 * Text must be UTF-8, since the gateway pins client_encoding.
 */

export interface Query {
  readonly kind: 'query';
  readonly text: string;
}

export interface Parse {
  readonly kind: 'parse';
  /** Empty: the unnamed statement. */
  readonly statement: string;
  readonly text: string;
  /** Type oids; 0 leaves the type to the server. May be fewer than the statement's parameters. */
  readonly parameterTypes: readonly number[];
}

export interface Bind {
  readonly kind: 'bind';
  readonly portal: string;
  readonly statement: string;
  /** None: all text. One: for all. Else one for each parameter. */
  readonly parameterFormats: readonly FormatCode[];
  /** Where each value stands in the view's buffer, and its length; -1: NULL. */
  readonly valueStarts: readonly number[];
  readonly valueLengths: readonly number[];
  /** Same rule as parameterFormats, for the columns of the result. */
  readonly resultFormats: readonly FormatCode[];
}

export interface Target {
  readonly target: 'statement' | 'portal';
  readonly name: string;
}
export interface Describe extends Target {
  readonly kind: 'describe';
}
export interface Close extends Target {
  readonly kind: 'close';
}

export interface Execute {
  readonly kind: 'execute';
  readonly portal: string;
  /** Zero or less: all rows. */
  readonly rowsMax: number;
}

export interface CopyFail {
  readonly kind: 'copy-fail';
  readonly reason: string;
}

export interface FunctionCall {
  readonly kind: 'function-call';
  readonly functionOid: number;
  readonly argumentFormats: readonly FormatCode[];
  readonly valueStarts: readonly number[];
  readonly valueLengths: readonly number[];
  readonly resultFormat: FormatCode;
}

export interface SaslInitialResponse {
  readonly kind: 'sasl-initial-response';
  readonly mechanism: string;
  /** View. undefined: no initial response (length -1). */
  readonly data: Uint8Array | undefined;
}

export function readQuery(view: MessageView): Query | Malformed {
  const reader = new BodyReader(view);
  const text = reader.text();
  return reader.complete ? { kind: 'query', text } : malformed('a malformed Query');
}

export function readParse(view: MessageView): Parse | Malformed {
  const reader = new BodyReader(view);
  const statement = reader.text();
  const text = reader.text();
  const count = reader.uint16();
  if (reader.left !== 4 * count) return malformed('a malformed Parse');
  const parameterTypes: number[] = [];
  for (let index = 0; index < count; index += 1) parameterTypes.push(reader.uint32());
  return reader.complete
    ? { kind: 'parse', statement, text, parameterTypes }
    : malformed('a malformed Parse');
}

export function readBind(view: MessageView): Bind | Malformed {
  const reader = new BodyReader(view);
  const portal = reader.text();
  const statement = reader.text();
  const parameterFormats = readFormats(reader);
  const valueStarts: number[] = [];
  const valueLengths: number[] = [];
  readValues(reader, valueStarts, valueLengths);
  const resultFormats = readFormats(reader);
  const formats = parameterFormats.length;
  if (!reader.complete || (formats > 1 && formats !== valueStarts.length))
    return malformed('a malformed Bind');
  return { kind: 'bind', portal, statement, parameterFormats, valueStarts, valueLengths, resultFormats };
}

/** The format of the value or column at `index` (protocol page, "Formats and Format Codes"). */
export function formatAt(formats: readonly FormatCode[], index: number): FormatCode {
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 0;
}

export function readDescribe(view: MessageView): Describe | Malformed {
  const target = readTarget(view);
  return target === undefined ? malformed('a malformed Describe') : { kind: 'describe', ...target };
}

export function readClose(view: MessageView): Close | Malformed {
  const target = readTarget(view);
  return target === undefined ? malformed('a malformed Close') : { kind: 'close', ...target };
}

export function readExecute(view: MessageView): Execute | Malformed {
  const reader = new BodyReader(view);
  const portal = reader.text();
  const rowsMax = reader.int32();
  return reader.complete ? { kind: 'execute', portal, rowsMax } : malformed('a malformed Execute');
}

export function readCopyFail(view: MessageView): CopyFail | Malformed {
  const reader = new BodyReader(view);
  const reason = reader.text();
  return reader.complete ? { kind: 'copy-fail', reason } : malformed('a malformed CopyFail');
}

export function readFunctionCall(view: MessageView): FunctionCall | Malformed {
  const reader = new BodyReader(view);
  const functionOid = reader.uint32();
  const argumentFormats = readFormats(reader);
  const valueStarts: number[] = [];
  const valueLengths: number[] = [];
  readValues(reader, valueStarts, valueLengths);
  const resultFormat = readFormat(reader);
  const formats = argumentFormats.length;
  if (!reader.complete || (formats > 1 && formats !== valueStarts.length)) {
    return malformed('a malformed FunctionCall');
  }
  return { kind: 'function-call', functionOid, argumentFormats, valueStarts, valueLengths, resultFormat };
}

/** PasswordMessage: a clear password or an MD5 answer. A secret. */
export function readPassword(view: MessageView): { kind: 'password'; password: string } | Malformed {
  const reader = new BodyReader(view);
  const password = reader.text();
  return reader.complete ? { kind: 'password', password } : malformed('a malformed PasswordMessage');
}

export function readSaslInitialResponse(view: MessageView): SaslInitialResponse | Malformed {
  const reader = new BodyReader(view);
  const mechanism = reader.text();
  const length = reader.int32();
  const data = length === -1 ? undefined : reader.bytes(length);
  if (!reader.complete) return malformed('a malformed SASLInitialResponse');
  return { kind: 'sasl-initial-response', mechanism, data };
}

/** SASLResponse, GSSResponse, CopyData: the body is the data. A view. */
export function bodyOf(view: MessageView): Uint8Array {
  return view.buffer.subarray(view.bodyStart, view.end);
}

function readFormat(reader: BodyReader): FormatCode {
  const code = reader.uint16();
  // All other codes are reserved: what they would mean cannot be masked.
  if (code > 1) reader.failed = true;
  return code === 1 ? 1 : 0;
}

function readFormats(reader: BodyReader): FormatCode[] {
  const formats: FormatCode[] = [];
  const count = reader.uint16();
  if (2 * count > reader.left) reader.failed = true;
  for (let index = 0; index < count && !reader.failed; index += 1) formats.push(readFormat(reader));
  return formats;
}

function readValues(reader: BodyReader, starts: number[], lengths: number[]): void {
  const count = reader.uint16();
  if (4 * count > reader.left) reader.failed = true;
  for (let index = 0; index < count && !reader.failed; index += 1) {
    const length = reader.int32();
    starts.push(length === -1 ? reader.at : reader.take(length));
    lengths.push(length);
  }
}

function readTarget(view: MessageView): Target | undefined {
  const reader = new BodyReader(view);
  const code = reader.uint8();
  const name = reader.text();
  if (!reader.complete) return undefined;
  if (code === 0x53) return { target: 'statement', name };
  return code === 0x50 ? { target: 'portal', name } : undefined;
}

export function writeQuery(writer: MessageWriter, text: string): void {
  writer.begin(frontendTypes.query).text(text).end();
}

export function writeParse(
  writer: MessageWriter,
  message: { statement: string; text: string; parameterTypes?: readonly number[] },
): void {
  const types = message.parameterTypes ?? [];
  writer.begin(frontendTypes.parse).text(message.statement).text(message.text).int16(count16(types));
  for (const oid of types) writer.int32(oid);
  writer.end();
}

export function writeBind(
  writer: MessageWriter,
  message: {
    portal: string;
    statement: string;
    parameterFormats?: readonly FormatCode[];
    /** null: NULL. */
    values: readonly (Uint8Array | null)[];
    resultFormats?: readonly FormatCode[];
  },
): void {
  writer.begin(frontendTypes.bind).text(message.portal).text(message.statement);
  writeFormats(writer, message.parameterFormats ?? []);
  writeValues(writer, message.values);
  writeFormats(writer, message.resultFormats ?? []);
  writer.end();
}

export function writeDescribe(writer: MessageWriter, target: Target['target'], name: string): void {
  writer.begin(frontendTypes.describe).uint8(targetCode(target)).text(name).end();
}

export function writeClose(writer: MessageWriter, target: Target['target'], name: string): void {
  writer.begin(frontendTypes.close).uint8(targetCode(target)).text(name).end();
}

export function writeExecute(writer: MessageWriter, portal: string, rowsMax = 0): void {
  writer.begin(frontendTypes.execute).text(portal).int32(rowsMax).end();
}

export function writeFunctionCall(
  writer: MessageWriter,
  message: {
    functionOid: number;
    argumentFormats?: readonly FormatCode[];
    values: readonly (Uint8Array | null)[];
    resultFormat: FormatCode;
  },
): void {
  writer.begin(frontendTypes.functionCall).int32(message.functionOid);
  writeFormats(writer, message.argumentFormats ?? []);
  writeValues(writer, message.values);
  writer.int16(message.resultFormat).end();
}

/** Sync, Flush, Terminate, CopyDone: nothing but their type. */
export function writeBareFrontend(
  writer: MessageWriter,
  type: 'sync' | 'flush' | 'terminate' | 'copyDone',
): void {
  writer.begin(frontendTypes[type]).end();
}

export function writeCopyFail(writer: MessageWriter, reason: string): void {
  writer.begin(frontendTypes.copyFail).text(reason).end();
}

/** The clear password, or what md5PasswordResponse made. */
export function writePassword(writer: MessageWriter, password: string): void {
  writer.begin(frontendTypes.password).text(password).end();
}

export function writeSaslInitialResponse(writer: MessageWriter, mechanism: string, data: Uint8Array): void {
  writer.begin(frontendTypes.password).text(mechanism).int32(data.length).bytes(data).end();
}

export function writeSaslResponse(writer: MessageWriter, data: Uint8Array): void {
  writer.begin(frontendTypes.password).bytes(data).end();
}

/** CopyData, in either direction: the type byte is the same. */
export function writeCopyData(writer: MessageWriter, data: Uint8Array): void {
  writer.begin(frontendTypes.copyData).bytes(data).end();
}

function targetCode(target: Target['target']): number {
  return target === 'statement' ? 0x53 : 0x50;
}

function count16(list: readonly unknown[]): number {
  if (list.length > 0xffff) throw new Error('a protocol list has at most 65,535 items');
  return list.length;
}

function writeFormats(writer: MessageWriter, formats: readonly FormatCode[]): void {
  writer.int16(count16(formats));
  for (const format of formats) writer.int16(format);
}

function writeValues(writer: MessageWriter, values: readonly (Uint8Array | null)[]): void {
  writer.int16(count16(values));
  for (const value of values) {
    if (value === null) writer.int32(-1);
    else writer.int32(value.length).bytes(value);
  }
}
