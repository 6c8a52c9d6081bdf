import type { Duplex } from 'node:stream';
import {
  type Column,
  type NoticeField,
  noticeField,
  readAuthentication,
  readBackendKeyData,
  readCommandComplete,
  readNoticeFields,
  readParameterStatus,
  readReadyForQuery,
  readRowDescription,
  type TransactionStatus,
} from '../../codec/postgres/backend.js';
import { MessageFramer } from '../../codec/postgres/framer.js';
import { backendTypes, frontendTypes } from '../../codec/postgres/messages.js';
import { buildCancelRequest, buildStartupMessage } from '../../codec/postgres/startup.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { ThroughlineError } from '../../contract/errors.js';
import { sqlLimits } from './limits.js';
import { type Marks, readMarks } from './marks.js';
import type { ShowRecorder } from './options.js';
import { type Keeper, ShownResults } from './shown.js';

/** What comes back of a simple query, in order. */
export interface QuerySink {
  columns(columns: readonly Column[]): void;
  /** A run of DataRow messages. */
  rows(buffer: Uint8Array, start: number, end: number): void;
  /** COPY data to us. */
  copied(bytes: Uint8Array): void;
  complete(tag: string): void;
  failed(fields: readonly NoticeField[]): void;
  noticed(fields: readonly NoticeField[]): void;
  /** A `throughline.marks` of the gateway. */
  marked(marks: Marks): void;
}

/**
 * One PostgreSQL session as the editor's own client: simple protocol, text values, on a raw stream of the gateway, which
 * asks for no password. INVARIANT: one query at a time.
 */
export class WireSession {
  readonly #stream: Duplex;
  readonly #framer = new MessageFramer('backend', {
    messageBytesMax: (type) =>
      type === backendTypes.dataRow || type === backendTypes.copyData
        ? sqlLimits.rowBytesMax
        : sqlLimits.messageBytesMax,
  });
  readonly #writer = new MessageWriter();
  readonly parameters = new Map<string, string>();
  #key: { processId: number; secretKey: Uint8Array } | undefined;
  #status: TransactionStatus = 'I';
  #sink: QuerySink | undefined;
  #ready: ((error?: Error) => void) | undefined;
  #fatal: readonly NoticeField[] | undefined;
  #ended = false;
  #paused = false;
  readonly #shown: ShownResults | undefined;
  /** Called once, when the session is over, with the last error that it sent. */
  onEnd: ((fatal: readonly NoticeField[] | undefined) => void) | undefined;

  private constructor(stream: Duplex, shown: ShownResults | undefined) {
    this.#stream = stream;
    this.#shown = shown;
    stream.on('data', (chunk: Buffer) => this.#push(chunk));
    stream.on('error', () => undefined);
    stream.on('close', () => this.#end());
    stream.on('end', () => stream.end());
  }

  /** @throws ThroughlineError target-refused with what the gateway or the target says */
  static async open(
    stream: Duplex,
    settings: { readonly user: string; readonly database: string },
    recorder?: ShowRecorder,
  ): Promise<WireSession> {
    const shown = recorder === undefined ? undefined : new ShownResults(recorder);
    const session = new WireSession(stream, shown);
    const opened = session.#untilReady();
    stream.write(
      buildStartupMessage(0, [
        ['user', settings.user],
        ['database', settings.database],
        ['application_name', 'Throughline SQL'],
        ['client_encoding', 'UTF8'],
        ['_pq_.throughline_marks', '1'],
      ]),
    );
    const timer = setTimeout(
      () => stream.destroy(new Error('no answer in time')),
      sqlLimits.connectTimeoutMs,
    );
    try {
      await opened;
    } catch (cause) {
      stream.destroy();
      throw session.#fatal === undefined ? cause : refused(session.#fatal);
    } finally {
      clearTimeout(timer);
    }
    return session;
  }

  /** Where the file goes on record that the result which comes now is kept in. */
  get keeper(): Keeper | undefined {
    return this.#shown?.keeper();
  }

  get status(): TransactionStatus {
    return this.#status;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves at ReadyForQuery, also after an error of the statement. @throws ThroughlineError when the session ends */
  async query(text: string, sink: QuerySink): Promise<void> {
    if (this.#sink !== undefined) throw new Error('a query is running already');
    // Before anybody waits: text that cannot be sent throws.
    this.#writer.begin(frontendTypes.query).text(text).end();
    const message = this.#writer.take();
    this.#sink = sink;
    const ready = this.#untilReady();
    try {
      this.#stream.write(message);
      await ready;
    } finally {
      this.#sink = undefined;
    }
  }

  /** CancelRequest for what runs now, to be sent on a stream of its own. */
  cancelRequest(): Uint8Array | undefined {
    return this.#key === undefined ? undefined : buildCancelRequest(this.#key.processId, this.#key.secretKey);
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resume();
  }

  close(): void {
    if (this.#ended) return;
    this.resume();
    this.#writer.begin(frontendTypes.terminate).end();
    this.#stream.end(this.#writer.take());
    // A target that does not take the goodbye must not hold the session.
    const timer = setTimeout(() => this.#stream.destroy(), 2000);
    timer.unref();
    this.#stream.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #untilReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(lost());
      this.#ready = (error) => {
        this.#ready = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#shown?.end(false);
    this.#ready?.(this.#fatal === undefined ? lost() : refused(this.#fatal));
    this.onEnd?.(this.#fatal);
  }

  #push(chunk: Buffer): void {
    const framer = this.#framer;
    framer.push(chunk);
    for (;;) {
      const event = framer.nextRun();
      if (event === 'more') return;
      if (event !== 'message' || !this.#message()) {
        this.#stream.destroy();
        return;
      }
    }
  }

  /** False: what came is not the protocol. */
  #message(): boolean {
    const framer = this.#framer;
    switch (framer.type) {
      case backendTypes.dataRow:
        this.#shown?.rows(framer.buffer, framer.start, framer.end);
        this.#sink?.rows(framer.buffer, framer.start, framer.end);
        return true;
      case backendTypes.rowDescription: {
        const read = readRowDescription(framer);
        if (read.kind === 'malformed') return false;
        this.#shown?.begin(read.columns.length);
        this.#sink?.columns(read.columns);
        return true;
      }
      case backendTypes.commandComplete: {
        const read = readCommandComplete(framer);
        if (read.kind === 'malformed') return false;
        this.#shown?.end(true);
        this.#sink?.complete(read.tag);
        return true;
      }
      case backendTypes.emptyQueryResponse:
        this.#sink?.complete('');
        return true;
      case backendTypes.errorResponse:
      case backendTypes.noticeResponse:
        return this.#report(framer.type === backendTypes.errorResponse);
      case backendTypes.readyForQuery: {
        const read = readReadyForQuery(framer);
        if (read.kind === 'malformed') return false;
        this.#status = read.status;
        this.#ready?.();
        return true;
      }
      case backendTypes.parameterStatus:
        return this.#parameter();
      case backendTypes.backendKeyData: {
        const read = readBackendKeyData(framer);
        if (read.kind === 'malformed') return false;
        this.#key = { processId: read.processId, secretKey: read.secretKey };
        return true;
      }
      case backendTypes.authentication: {
        const read = readAuthentication(framer);
        return read.kind === 'ok';
      }
      case backendTypes.copyInResponse:
        this.#writer.begin(frontendTypes.copyFail).text('the editor has no data to copy in: use psql').end();
        this.#stream.write(this.#writer.take());
        return true;
      case backendTypes.copyData:
        return this.#copied();
      case backendTypes.copyOutResponse:
      case backendTypes.copyDone:
      case backendTypes.notificationResponse:
      case backendTypes.negotiateProtocolVersion:
        return true;
      default:
        return false;
    }
  }

  #copied(): boolean {
    const { buffer, start, end } = this.#framer;
    let at = start;
    const view = new DataView(buffer.buffer, buffer.byteOffset);
    while (at < end) {
      const next = at + 1 + view.getInt32(at + 1);
      this.#sink?.copied(buffer.subarray(at + 5, next));
      at = next;
    }
    return true;
  }

  #report(isError: boolean): boolean {
    const read = readNoticeFields(this.#framer);
    if (read.kind === 'malformed') return false;
    // V is never translated; S may be.
    const severity = noticeField(read.fields, 'V') ?? noticeField(read.fields, 'S');
    if (isError && (severity === 'FATAL' || severity === 'PANIC' || this.#sink === undefined))
      this.#fatal = read.fields;
    if (isError) this.#shown?.end(false);
    if (isError) this.#sink?.failed(read.fields);
    else this.#sink?.noticed(read.fields);
    return true;
  }

  #parameter(): boolean {
    const read = readParameterStatus(this.#framer);
    if (read.kind === 'malformed') return false;
    if (read.name !== 'throughline.marks') {
      this.parameters.set(read.name, read.value);
      return true;
    }
    // Rows whose marks are not understood must not be shown as if nothing were masked.
    const marks = readMarks(read.value);
    if (marks !== undefined) this.#sink?.marked(marks);
    return marks !== undefined;
  }
}

function lost(): ThroughlineError {
  return new ThroughlineError('gateway-unreachable', 'the connection to the gateway was lost', {
    action: 'connect again',
  });
}

/** What an error says to a person: without the gateway's prefix, with its hint as what to do. */
export function said(fields: readonly NoticeField[]): {
  readonly message: string;
  readonly action: string | undefined;
} {
  const message = noticeField(fields, 'M') ?? 'the server gave no reason';
  return { message: message.replace(/^throughline: /, ''), action: noticeField(fields, 'H') };
}

function refused(fields: readonly NoticeField[]): ThroughlineError {
  const { message, action } = said(fields);
  return new ThroughlineError('target-refused', message, {
    ...(action === undefined ? {} : { action }),
    fields: { sqlState: noticeField(fields, 'C') ?? '' },
  });
}
