import { StringDecoder } from 'node:string_decoder';
import type { ContentProjection, ContentStream, ProjectedItem } from '../../contract/recorder.js';
import {
  type Column,
  noticeField,
  RowFields,
  readNoticeFields,
  readNotification,
  readRowDescription,
} from './backend.js';
import { MessageFramer } from './framer.js';
import { backendTypes } from './messages.js';
import { typeInfo } from './types.js';

/** A row larger than this is named in a replay, not shown. */
const shownBytesMax = 4 * 1024 * 1024;
const bounds = {
  messageBytesMax: () => 0x7fff_ffff,
  pieceAboveBytes: () => shownBytesMax,
};

/**
 * What a PostgreSQL session recorded for one statement, as columns, rows and messages. `rows` and `messages` hold
 * backend messages as they were sent to the client (protocol page, "Message Formats"), cut anywhere; `copy-out` and
 * `copy-in` hold the COPY data itself.
 */
export class PostgresContent implements ContentProjection {
  readonly #framers = new Map<ContentStream, MessageFramer>();
  readonly #texts = new Map<ContentStream, StringDecoder>();
  readonly #fields = new RowFields();
  #columns: readonly Column[] = [];

  *items(stream: ContentStream, bytes: Buffer): Generator<ProjectedItem> {
    if (stream === 'wire') return;
    if (stream === 'copy-in' || stream === 'copy-out') {
      const text = this.#text(stream).write(bytes);
      if (text !== '') yield { kind: 'data', stream, text };
      return;
    }
    let framer = this.#framers.get(stream);
    if (framer === undefined) {
      framer = new MessageFramer('backend', bounds);
      this.#framers.set(stream, framer);
    }
    if (framer.malformed !== undefined) return;
    framer.push(bytes);
    for (;;) {
      const event = framer.next();
      if (event === 'more') return;
      if (event === 'malformed') {
        yield problem('content-unreadable', 'the rest of this result is not in the form of the protocol');
        return;
      }
      if (event === 'message') yield* this.#message(framer);
      else if (framer.pieceLast) {
        yield problem('row-not-shown', `a row of ${framer.messageBytes} bytes is too large to show`);
      }
    }
  }

  *end(): Generator<ProjectedItem> {
    for (const framer of this.#framers.values()) {
      if (framer.malformed === undefined && !framer.atBoundary) {
        yield problem('content-cut', 'the result ends in the middle of a message');
      }
    }
  }

  #text(stream: ContentStream): StringDecoder {
    const known = this.#texts.get(stream);
    if (known !== undefined) return known;
    const decoder = new StringDecoder('utf8');
    this.#texts.set(stream, decoder);
    return decoder;
  }

  *#message(framer: MessageFramer): Generator<ProjectedItem> {
    switch (framer.type) {
      case backendTypes.rowDescription: {
        const read = readRowDescription(framer);
        if (read.kind === 'malformed') {
          yield problem('content-unreadable', 'a description of columns cannot be read');
          return;
        }
        this.#columns = read.columns;
        yield { kind: 'columns', columns: read.columns.map((column) => column.name) };
        return;
      }
      case backendTypes.dataRow:
        yield this.#row(framer);
        return;
      case backendTypes.errorResponse:
      case backendTypes.noticeResponse:
      case backendTypes.notificationResponse:
        yield message(framer);
        return;
      default:
      // Markers between results say nothing to a reader.
    }
  }

  #row(framer: MessageFramer): ProjectedItem {
    const fields = this.#fields;
    const buffer = Buffer.from(framer.buffer.buffer, framer.buffer.byteOffset, framer.buffer.byteLength);
    if (!fields.read(buffer, framer.bodyStart, framer.end)) {
      return problem('content-unreadable', 'a row cannot be read');
    }
    const values: (string | null)[] = [];
    for (let index = 0; index < fields.count; index += 1) {
      const start = fields.starts[index] ?? 0;
      const length = fields.lengths[index] ?? -1;
      values.push(
        length < 0 ? null : valueText(buffer.subarray(start, start + length), this.#columns[index]),
      );
    }
    return { kind: 'row', values };
  }
}

function problem(code: string, text: string): ProjectedItem {
  return { kind: 'problem', code, text };
}

function message(framer: MessageFramer): ProjectedItem {
  if (framer.type === backendTypes.notificationResponse) {
    const read = readNotification(framer);
    if (read.kind === 'malformed') return problem('content-unreadable', 'a notification cannot be read');
    return { kind: 'message', severity: 'NOTIFY', text: `${read.channel}: ${read.payload}` };
  }
  const read = readNoticeFields(framer);
  if (read.kind === 'malformed') return problem('content-unreadable', 'an error or notice cannot be read');
  const severity = noticeField(read.fields, 'V') ?? noticeField(read.fields, 'S') ?? 'ERROR';
  const parts = ['M', 'D', 'H'].map((code) => noticeField(read.fields, code));
  return { kind: 'message', severity, text: parts.filter((part) => part !== undefined).join('\n') };
}

/** A value as text. What has no plain text in binary format is shown as `\x` and hex. */
function valueText(value: Buffer, column: Column | undefined): string {
  if (column?.format !== 1) return value.toString('utf8');
  const kind = typeInfo(column.typeOid)?.kind;
  if (kind === 'text') return value.toString('utf8');
  if (kind === 'jsonb' && value.length > 0) return value.toString('utf8', 1);
  if (kind === 'boolean' && value.length === 1) return value[0] === 1 ? 't' : 'f';
  if (kind === 'integer' && value.length === 8) return value.readBigInt64BE().toString();
  if (kind === 'integer' && (value.length === 2 || value.length === 4)) {
    return value.readIntBE(0, value.length).toString();
  }
  if (kind === 'float' && value.length === 4) return value.readFloatBE().toString();
  if (kind === 'float' && value.length === 8) return value.readDoubleBE().toString();
  if (kind === 'uuid' && value.length === 16) {
    return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
  return `\\x${value.toString('hex')}`;
}

const searchFields = new RowFields();

/**
 * The words of recorded content, for the search index: values and messages, one space between two. Cheap, and without
 * state: a message that is cut between two records is left out, which only makes it harder to find.
 */
export function searchableText(stream: ContentStream, bytes: Buffer): string {
  if (stream === 'wire') return '';
  if (stream === 'copy-in' || stream === 'copy-out') return bytes.toString('utf8');
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length || end < at + 5) break;
    const type = bytes[at];
    if (type === backendTypes.dataRow && searchFields.read(bytes, at + 5, end)) {
      for (let index = 0; index < searchFields.count; index += 1) {
        const start = searchFields.starts[index] ?? 0;
        const size = searchFields.lengths[index] ?? -1;
        if (size <= 0) continue;
        length += bytes.copy(out, length, start, start + size);
        out[length] = space;
        length += 1;
      }
    } else if (type !== backendTypes.rowDescription && type !== backendTypes.dataRow) {
      // Fields of errors and notices: a letter, the text, NUL.
      length += copyFields(bytes.subarray(at + 5, end), out, length);
    }
    at = end;
  }
  return out.toString('utf8', 0, length);
}

const space = 0x20;

function copyFields(fields: Buffer, out: Buffer, at: number): number {
  let length = 0;
  for (let from = 0; from < fields.length; ) {
    const nul = fields.indexOf(0, from);
    const end = nul === -1 ? fields.length : nul;
    if (end - from > 1) {
      length += fields.copy(out, at + length, from + 1, end);
      out[at + length] = space;
      length += 1;
    }
    from = end + 1;
  }
  return length;
}
