import { type Duplex, duplexPair } from 'node:stream';
import type { TransactionStatus } from '../../../gateway-core/codec/postgres/backend.js';
import {
  type Report,
  writeAuthenticationOk,
  writeBackendKeyData,
  writeCommandComplete,
  writeCopyResponse,
  writeDataRow,
  writeParameterStatus,
  writeReadyForQuery,
  writeReport,
  writeRowDescription,
} from '../../../gateway-core/codec/postgres/backend-writers.js';
import { backendTypes } from '../../../gateway-core/codec/postgres/messages.js';
import { MessageWriter } from '../../../gateway-core/codec/postgres/writer.js';

/** What a target says, message by message; `send` sends all of it in one piece. */
export class Talk {
  readonly #writer = new MessageWriter();
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  columns(...names: string[]): this {
    const columns = names.map((name) => ({
      name,
      tableOid: 0,
      columnNumber: 0,
      typeOid: 25,
      typeSize: -1,
      typeModifier: -1,
      format: 0 as const,
    }));
    writeRowDescription(this.#writer, columns);
    return this;
  }

  /** One row for each text. */
  rows(...values: (string | null)[]): this {
    for (const value of values) writeDataRow(this.#writer, [value === null ? null : Buffer.from(value)]);
    return this;
  }

  marks(value: unknown): this {
    writeParameterStatus(this.#writer, 'throughline.marks', JSON.stringify(value));
    return this;
  }

  report(report: Report): this {
    writeReport(this.#writer, report);
    return this;
  }

  copyOut(): this {
    writeCopyResponse(this.#writer, 'out', { format: 0, columnFormats: [0] });
    return this;
  }

  copyIn(): this {
    writeCopyResponse(this.#writer, 'in', { format: 0, columnFormats: [0] });
    return this;
  }

  lines(...lines: string[]): this {
    for (const line of lines)
      this.#writer
        .begin(backendTypes.copyData)
        .bytes(Buffer.from(`${line}\n`))
        .end();
    return this;
  }

  tag(tag: string): this {
    writeCommandComplete(this.#writer, tag);
    return this;
  }

  ready(status: TransactionStatus = 'I'): this {
    writeReadyForQuery(this.#writer, status);
    return this;
  }

  start(): this {
    writeAuthenticationOk(this.#writer);
    writeParameterStatus(this.#writer, 'server_version', '17.0');
    writeParameterStatus(this.#writer, 'throughline.session', 'ses_1');
    writeBackendKeyData(this.#writer, 7, Buffer.from([1, 2, 3, 4]));
    return this.ready();
  }

  send(): this {
    this.#stream.write(this.#writer.take());
    return this;
  }

  end(): void {
    this.#stream.end();
  }
}

export interface ScriptedTarget {
  readonly openStream: () => Promise<Duplex>;
  /** The target's end of a stream. */
  readonly serve: (stream: Duplex) => void;
  /** Every query that came, of all sessions. */
  readonly queries: string[];
  /** The engine's ends. */
  readonly streams: Duplex[];
  cancels: number;
  /** CopyFail's messages. */
  readonly copyFailures: string[];
}

/** The other end of SQL sessions: starts them, and leaves it to `answer` what comes of a query. */
export function scriptedTarget(answer: (sql: string, talk: Talk) => void): ScriptedTarget {
  const target: ScriptedTarget = {
    queries: [],
    streams: [],
    cancels: 0,
    copyFailures: [],
    serve: (far) => serve(far),
    openStream: () => {
      const [near, far] = duplexPair();
      target.streams.push(near);
      serve(far);
      return Promise.resolve(near);
    },
  };
  const serve = (far: Duplex): void => {
    const talk = new Talk(far);
    let started = false;
    let waiting = Buffer.alloc(0);
    far.on('error', () => undefined);
    far.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (waiting.length < head + 4 || waiting.length < head + waiting.readInt32BE(head)) return;
        const message = waiting.subarray(0, head + waiting.readInt32BE(head));
        waiting = waiting.subarray(message.length);
        if (started) hear(message, talk);
        else if (message.length === 16) {
          target.cancels += 1;
          far.end();
        } else talk.start().send();
        started = true;
      }
    });
  };
  const hear = (message: Buffer, talk: Talk): void => {
    const text = message.toString('utf8', 5, message.length - 1);
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === 'X') return talk.end();
    if (type === 'f') {
      target.copyFailures.push(text);
      talk.report({ severity: 'ERROR', code: '57014', message: `COPY from stdin failed: ${text}` });
      return void talk.ready().send();
    }
    target.queries.push(text);
    answer(text, talk);
  };
  return target;
}
