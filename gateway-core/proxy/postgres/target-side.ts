import {
  type Column,
  noticeField,
  readCommandComplete,
  readCopyResponse,
  readNoticeFields,
  readNotification,
  readParameterDescription,
  readParameterStatus,
  readReadyForQuery,
  readRowDescription,
  rowsOfTag,
} from '../../codec/postgres/backend.js';
import {
  writeNoticeFields,
  writeNotification,
  writeParameterStatus,
} from '../../codec/postgres/backend-writers.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { formatAt, writeCopyData } from '../../codec/postgres/frontend.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { limits } from '../../contract/limits.js';
import { endStatement, type SessionContext, undoSkipped } from './context.js';
import type { Judged } from './judged.js';
import { Outbox } from './outbox.js';
import type { Portal } from './prepared.js';
import type { Expected } from './replies.js';
import type { RowMasker } from './result-masker.js';
import type { Running } from './running.js';
import { breaksPin, isOurParameter } from './upstream.js';

/** Reads the target: masks and records every byte before it may go on to the client. */
export class TargetSide {
  readonly #context: SessionContext;
  readonly #framer: MessageFramer;
  readonly #writer = new MessageWriter();
  readonly #out = new Outbox();
  /** The target's own process id, which notifications carry, and what the client was told instead. */
  readonly #processIds: { readonly real: number; readonly told: number };

  constructor(context: SessionContext, processIds: { real: number; told: number }) {
    this.#context = context;
    this.#processIds = processIds;
    this.#framer = new MessageFramer('backend', {
      messageBytesMax: (type) =>
        type === backendTypes.dataRow || type === backendTypes.copyData
          ? limits.rowBytesMax
          : limits.heldMessageBytesMax,
      pieceAboveBytes: (type) => (type === backendTypes.copyData ? 64 * 1024 : undefined),
    });
  }

  get atBoundary(): boolean {
    return this.#framer.atBoundary;
  }

  /** Takes a chunk; gives what may go to the client once everything recorded so far is kept. */
  push(chunk: Buffer): Uint8Array[] {
    const framer = this.#framer;
    framer.push(chunk);
    for (;;) {
      const event = framer.nextRun();
      if (event === 'more') break;
      if (event === 'malformed') {
        this.#context.fail('target-protocol', framer.malformed?.reason ?? 'malformed');
        break;
      }
      const fine = event === 'piece' ? this.#copyOut() : this.#message();
      if (!fine) break;
    }
    return this.#out.take();
  }

  #message(): boolean {
    const framer = this.#framer;
    const { replies } = this.#context;
    switch (framer.type) {
      case backendTypes.dataRow:
        return this.#rows();
      case backendTypes.copyData:
        return this.#copyOut();
      case backendTypes.rowDescription:
        return this.#rowDescription();
      case backendTypes.commandComplete:
        return this.#commandComplete();
      case backendTypes.readyForQuery:
        return this.#ready();
      case backendTypes.parseComplete: {
        const head = replies.head;
        if (head?.kind !== 'parse' || head.prepared.taken) return this.#unexpected('ParseComplete');
        head.prepared.sent.confirmed = true;
        return this.#shift('parse');
      }
      case backendTypes.bindComplete: {
        const head = replies.head;
        if (head?.kind === 'bind' && head.portal !== undefined) head.portal.sent.confirmed = true;
        return this.#shift('bind');
      }
      case backendTypes.closeComplete: {
        const head = replies.head;
        if (head?.kind === 'close' && head.statement !== undefined)
          this.#context.judge.closed(head.statement);
        return this.#shift('close');
      }
      case backendTypes.noData: {
        const head = replies.head;
        if (head?.kind !== 'describe') return this.#unexpected('NoData');
        return this.#described(head.portal, []);
      }
      case backendTypes.parameterDescription: {
        const head = replies.head;
        const read = readParameterDescription(framer);
        if (head?.kind !== 'describe' || read.kind === 'malformed')
          return this.#unexpected('ParameterDescription');
        head.prepared.parameterTypes = read.typeOids;
        this.#pass();
        return true;
      }
      case backendTypes.emptyQueryResponse:
      case backendTypes.portalSuspended:
        return this.#endOfExecute();
      case backendTypes.errorResponse:
        return this.#error();
      case backendTypes.noticeResponse:
        return this.#notice();
      case backendTypes.notificationResponse:
        return this.#notification();
      case backendTypes.parameterStatus:
        return this.#parameterStatus();
      case backendTypes.copyInResponse:
        return this.#copyInResponse();
      case backendTypes.copyOutResponse:
        return this.#copyOutResponse();
      case backendTypes.copyDone:
        return this.#copyDone();
      default:
        return this.#unexpected(`type ${framer.type}`);
    }
  }

  #pass(): void {
    this.#out.range(this.#framer.buffer, this.#framer.start, this.#framer.end);
  }

  /** The target answers what nobody asked: our picture of the session is wrong, and so might be what we mask. */
  #unexpected(what: string): false {
    this.#context.fail('target-protocol', `an unexpected message from the target (${what})`);
    return false;
  }

  #shift(kind: 'parse' | 'bind' | 'close'): boolean {
    if (this.#context.replies.head?.kind !== kind) return this.#unexpected(kind);
    this.#context.replies.shift();
    this.#pass();
    return true;
  }

  #running(): Running | undefined {
    const head = this.#context.replies.head;
    if (head?.kind === 'query') return head.statements[head.at];
    return head?.kind === 'execute' ? head.statement : undefined;
  }

  #rowDescription(): boolean {
    const framer = this.#framer;
    const bytes = framer.buffer.subarray(framer.start, framer.end);
    const head = this.#context.replies.head;
    const statement = this.#running();
    const columns = this.#columns(
      head?.kind === 'describe' ? head.prepared.judged : statement?.judged,
      bytes,
    );
    if (columns === undefined) return this.#unexpected('a malformed RowDescription');
    if (head?.kind === 'describe') return this.#described(head.portal, columns);
    if (head?.kind !== 'query' || statement === undefined) return this.#unexpected('RowDescription');
    statement.rowMasker = this.#context.judge.results.rowMasker(statement.judged, columns);
    this.#markColumns(statement.rowMasker);
    this.#pass();
    this.#record(statement, 'rows', statement.rowMasker.description);
    return true;
  }

  /** The columns that these bytes describe; the same object as last time when the same text described the same. */
  #columns(judged: Judged | undefined, bytes: Uint8Array): readonly Column[] | undefined {
    const known = judged?.result;
    if (
      known?.description !== undefined &&
      known.columns !== undefined &&
      Buffer.compare(known.description, bytes) === 0
    ) {
      return known.columns;
    }
    const read = readRowDescription(this.#framer);
    if (read.kind === 'malformed') return undefined;
    if (known !== undefined)
      Object.assign(known, { description: Uint8Array.from(bytes), columns: read.columns, masker: undefined });
    return read.columns;
  }

  #described(portal: Portal | undefined, columns: readonly Column[]): boolean {
    const head = this.#context.replies.shift();
    if (head?.kind !== 'describe') return this.#unexpected('a description');
    if (portal !== undefined) portal.columns = columns;
    if (head.epoch === head.prepared.epoch && (portal === undefined || head.prepared.columns === undefined))
      head.prepared.columns = columns;
    if (!head.ours) this.#pass();
    return true;
  }

  #rows(): boolean {
    const framer = this.#framer;
    const statement = this.#running();
    if (statement === undefined) return this.#unexpected('DataRow');
    const head = this.#context.replies.head;
    if (statement.rowMasker === undefined && head?.kind === 'execute') {
      const columns = columnsOf(head.portal);
      if (columns === undefined) return this.#unexpected('rows that nobody described');
      statement.rowMasker = this.#context.judge.results.rowMasker(statement.judged, columns);
      this.#markColumns(statement.rowMasker);
      this.#record(statement, 'rows', statement.rowMasker.description);
    }
    if (statement.rowMasker === undefined) return this.#unexpected('rows without a description');
    const marked: [number, number][] | undefined = this.#context.marks ? [] : undefined;
    const masked = statement.rowMasker.mask(framer.buffer, framer.start, framer.end, marked);
    if (masked === 'malformed') return this.#unexpected('a malformed row');
    if (marked !== undefined && marked.length > 0) this.#markCells(statement.rows, marked);
    statement.rows += framer.count;
    statement.maskedValues += statement.rowMasker.takeMaskedValues();
    if (masked === undefined) this.#pass();
    else this.#out.piece(masked);
    this.#record(statement, 'rows', masked ?? framer.buffer.subarray(framer.start, framer.end));
    return true;
  }

  /**
   * Tells a client that asked which columns may hold masked values: `{"columns":[[rule, whole]|null, ...]}`. A
   * ParameterStatus may come at any time, and is the one message that drivers pass on without knowing it.
   */
  #markColumns(masker: RowMasker): void {
    if (!this.#context.marks) return;
    const columns = masker.rules.map((each) => (each === undefined ? null : [each.rule, each.whole]));
    this.#mark({ columns });
  }

  /** And which cells of the rows that follow do: `{"cells":[row, column, row, column, ...]}`, rows from 0 in this result. */
  #markCells(first: number, marked: readonly (readonly [row: number, column: number])[]): void {
    this.#mark({ cells: marked.flatMap(([row, column]) => [first + row, column]) });
  }

  #mark(value: object): void {
    writeParameterStatus(this.#writer, 'throughline.marks', JSON.stringify(value));
    this.#out.piece(this.#writer.take());
  }

  #record(statement: Running, stream: 'rows' | 'copy-out' | 'messages', bytes: Uint8Array): void {
    statement.bytes += bytes.length;
    if (statement.keeps(bytes))
      this.#context.recorder.content(this.#context.id, statement.seq, stream, bytes);
  }

  #commandComplete(): boolean {
    const read = readCommandComplete(this.#framer);
    const statement = this.#running();
    const head = this.#context.replies.head;
    if (read.kind === 'malformed' || statement === undefined || head === undefined) {
      return this.#unexpected('CommandComplete');
    }
    endStatement(this.#context, statement, 'ok', { rows: rowsOfTag(read.tag), tag: read.tag });
    this.#context.judge.ended(statement.judged);
    if (head.kind === 'query') head.at += 1;
    else this.#context.replies.shift();
    this.#pass();
    return true;
  }

  /** EmptyQueryResponse and PortalSuspended: an Execute is over, without a tag. */
  #endOfExecute(): boolean {
    const head = this.#context.replies.head;
    const statement = this.#running();
    if (head === undefined || statement === undefined) return this.#unexpected('end of an Execute');
    endStatement(this.#context, statement, 'ok');
    if (head.kind === 'query') head.at += 1;
    else this.#context.replies.shift();
    this.#pass();
    return true;
  }

  #ready(): boolean {
    const read = readReadyForQuery(this.#framer);
    const head = this.#context.replies.shift();
    if (read.kind === 'malformed' || (head?.kind !== 'sync' && head?.kind !== 'query')) {
      return this.#unexpected('ReadyForQuery');
    }
    if (head.kind === 'query') {
      for (const statement of head.statements.slice(head.at))
        endStatement(this.#context, statement, 'interrupted');
    }
    this.#context.status = read.status;
    // Portals end with their transaction; where the client is ahead of us, the next ones may be bound already.
    if (read.status === 'I' && this.#context.replies.length === 0) this.#context.portals.clear();
    this.#context.judge.ready(read.status, this.#context.replies.length);
    this.#pass();
    return true;
  }

  #error(): boolean {
    const context = this.#context;
    const read = readNoticeFields(this.#framer);
    if (read.kind === 'malformed') return this.#unexpected(read.reason);
    const head = context.replies.head;
    if (head?.kind === 'refusal') {
      context.replies.shift();
      this.#out.piece(head.error);
      if (head.simple) context.replies.unshift({ kind: 'query', statements: [], at: 0 });
      else undoSkipped(context, context.replies.skipToSync());
      return true;
    }
    const statement = this.#running();
    const fields = context.judge.maskNotice(judgedOf(head), read.fields);
    writeNoticeFields(this.#writer, 'error', fields);
    const bytes = this.#writer.take();
    this.#out.piece(bytes);
    if (statement !== undefined) {
      this.#record(statement, 'messages', bytes);
      endStatement(context, statement, 'error', {
        sqlState: noticeField(read.fields, 'C') ?? '',
        message: noticeField(fields, 'M') ?? '',
      });
    }
    if (head === undefined || head.kind === 'sync') return true;
    if (head.kind === 'query') {
      for (const each of head.statements.slice(head.at)) endStatement(context, each, 'interrupted');
      head.at = head.statements.length;
    } else undoSkipped(context, context.replies.skipToSync());
    return true;
  }

  #notice(): boolean {
    const read = readNoticeFields(this.#framer);
    if (read.kind === 'malformed') return this.#unexpected(read.reason);
    const statement = this.#running();
    writeNoticeFields(
      this.#writer,
      'notice',
      this.#context.judge.maskNotice(judgedOf(this.#context.replies.head), read.fields),
    );
    const bytes = this.#writer.take();
    this.#out.piece(bytes);
    if (statement !== undefined) this.#record(statement, 'messages', bytes);
    return true;
  }

  #notification(): boolean {
    const read = readNotification(this.#framer);
    if (read.kind === 'malformed') return this.#unexpected(read.reason);
    // The real process id would name a session of the target to whoever can signal it.
    const processId = read.processId === this.#processIds.real ? this.#processIds.told : 0;
    writeNotification(this.#writer, {
      processId,
      channel: read.channel,
      payload: this.#context.judge.maskText(read.payload),
    });
    this.#out.piece(this.#writer.take());
    return true;
  }

  #parameterStatus(): boolean {
    const read = readParameterStatus(this.#framer);
    if (read.kind === 'malformed') return this.#unexpected(read.reason);
    if (breaksPin(read.name, read.value)) {
      this.#context.fail('not-maskable', `the target now reads text differently (${read.name})`);
      return false;
    }
    if (!isOurParameter(read.name)) this.#pass();
    return true;
  }

  #copyInResponse(): boolean {
    const context = this.#context;
    const statement = this.#running();
    if (statement === undefined || !context.copies.has(statement) || context.copyIn !== undefined)
      return this.#unexpected('CopyInResponse');
    context.copyIn = statement;
    context.replies.dropSyncs();
    this.#pass();
    return true;
  }

  #copyOutResponse(): boolean {
    const read = readCopyResponse(this.#framer);
    const statement = this.#running();
    if (read.kind === 'malformed' || statement === undefined) return this.#unexpected('CopyOutResponse');
    const masker = this.#context.judge.results.copyMasker(statement.judged, read);
    if (masker === undefined) {
      this.#context.fail('not-maskable', 'the target copies out what no COPY statement asked for');
      return false;
    }
    statement.copyMasker = masker;
    this.#pass();
    return true;
  }

  #copyOut(): boolean {
    const framer = this.#framer;
    const statement = this.#running();
    if (statement?.copyMasker === undefined) return this.#unexpected('CopyData');
    // A run holds many messages; a piece is part of one. Either way the payload goes through the masker in order.
    const payload: Uint8Array[] = [];
    if (framer.count === 0) {
      if (framer.bodyStart < framer.end) payload.push(framer.buffer.subarray(framer.bodyStart, framer.end));
    } else {
      let at = framer.start;
      while (at < framer.end) {
        const length = Buffer.from(framer.buffer.buffer, framer.buffer.byteOffset + at + 1, 4).readInt32BE(0);
        payload.push(framer.buffer.subarray(at + 5, at + 1 + length));
        at += 1 + length;
      }
    }
    for (const piece of payload) {
      const masked = statement.copyMasker.push(piece);
      if (masked === undefined) {
        this.#context.fail('not-maskable', 'COPY data that is not in the announced format');
        return false;
      }
      if (masked.length === 0) continue;
      writeCopyData(this.#writer, masked);
      this.#record(statement, 'copy-out', masked);
    }
    this.#out.piece(this.#writer.take());
    return true;
  }

  #copyDone(): boolean {
    const statement = this.#running();
    if (statement?.copyMasker === undefined) return this.#unexpected('CopyDone');
    if (!statement.copyMasker.end()) {
      this.#context.fail('not-maskable', 'COPY data that ends inside a line');
      return false;
    }
    this.#pass();
    return true;
  }
}

/** The statement that an answer is about; undefined: it cannot be known, as with an error at the end of a transaction. */
function judgedOf(head: Expected | undefined): Judged | undefined {
  switch (head?.kind) {
    case 'query':
      return head.statements[head.at]?.judged;
    case 'execute':
      return head.statement.judged;
    case 'parse':
    case 'describe':
      return head.prepared.judged;
    case 'bind':
      return head.portal?.prepared.judged;
    case 'refusal':
    case 'close':
    case 'sync':
    case undefined:
      return undefined;
  }
}

/** A portal's columns with the formats that Bind asked for. */
function columnsOf(portal: Portal): readonly Column[] | undefined {
  if (portal.columns !== undefined) return portal.columns;
  return portal.prepared.columns?.map((column, index) => ({
    ...column,
    format: formatAt(portal.resultFormats, index),
  }));
}
