import { finished } from 'node:stream/promises';
import type { NoticeField } from '../../codec/postgres/backend.js';
import type { BridgeError } from '../../contract/bridge/app.js';
import type { SqlSession } from '../../contract/bridge/sql.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { SqlEngineOptions } from './options.js';
import type { Run } from './run.js';
import { needsTransaction } from './transaction.js';
import { type QuerySink, said, WireSession } from './wire.js';

const transactions = { I: 'idle', T: 'open', E: 'failed' } as const;

/** One SQL session of the editor. It has the same key over reconnects: the tab stays the tab. */
export class EditorSession {
  readonly key: string;
  readonly connection: string;
  readonly #options: SqlEngineOptions;
  autocommit: boolean;
  #wire: WireSession | undefined;
  #state: SqlSession['state'] = 'connecting';
  #problem: BridgeError | undefined;
  #run: Run | undefined;
  #transactionSince: number | undefined;
  #connecting: Promise<void> | undefined;
  #closed = false;

  constructor(key: string, connection: string, autocommit: boolean, options: SqlEngineOptions) {
    this.key = key;
    this.connection = connection;
    this.autocommit = autocommit;
    this.#options = options;
  }

  view(): SqlSession {
    const wire = this.#wire;
    const session = wire?.parameters.get('throughline.session');
    const version = wire?.parameters.get('server_version');
    const run = this.#run?.isOver === false ? this.#run.options.run : undefined;
    return {
      key: this.key,
      connection: this.connection,
      state: this.#state,
      transaction: wire === undefined || wire.ended ? 'idle' : transactions[wire.status],
      autocommit: this.autocommit,
      ...(session === undefined ? {} : { session }),
      ...(version === undefined ? {} : { serverVersion: version }),
      ...(run === undefined ? {} : { run }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...(this.#transactionSince === undefined ? {} : { transactionSince: this.#transactionSince }),
    };
  }

  /** @throws ThroughlineError */
  connect(): Promise<void> {
    if (this.#wire !== undefined && !this.#wire.ended) return Promise.resolve();
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting';
    this.#problem = undefined;
    this.tell();
    try {
      const detail = await this.#options.detail(this.connection);
      const stream = await this.#options.openStream(this.connection);
      const place = { user: detail.user ?? 'throughline', database: detail.database ?? this.connection };
      const wire = await WireSession.open(stream, place, this.#options.recorded?.(stream));
      this.#opened(wire);
    } catch (cause) {
      this.#state = 'closed';
      this.#problem ??= problemOf(cause);
      this.tell();
      throw cause;
    }
  }

  /** @throws ThroughlineError when nobody wants it any more: closed or signed out in the meantime */
  #opened(wire: WireSession): void {
    const problem = this.#problem;
    if (this.#closed || problem !== undefined) {
      wire.close();
      throw new ThroughlineError('target-refused', problem?.message ?? 'this session was closed');
    }
    this.#wire = wire;
    wire.onEnd = (fatal) => this.#ended(wire, fatal);
    this.#state = 'ready';
    this.tell();
  }

  /** Runs everything in order. @throws ThroughlineError conflict while something else runs, target-refused when closed */
  begin(run: Run): void {
    const wire = this.#usable();
    this.#run = run;
    this.#state = 'running';
    this.tell();
    void run
      .run(wire, (text) => this.#opens(wire, text))
      .finally(() => {
        this.#afterQuery(wire);
      });
  }

  /** Runs one text of our own; rows come as text. @throws ThroughlineError with what the target says */
  async ask(text: string): Promise<(string | null)[][]> {
    const wire = this.#usable();
    this.#state = 'running';
    this.tell();
    try {
      if (this.#opens(wire, text)) await askOf(wire, 'BEGIN');
      return await askOf(wire, text);
    } finally {
      this.#afterQuery(wire);
    }
  }

  async cancel(): Promise<void> {
    if (this.#run?.isOver === false) this.#run.giveUp();
    const request = this.#wire?.cancelRequest();
    if (this.#state !== 'running' || request === undefined) return;
    const stream = await this.#options.openStream(this.connection);
    stream.on('error', () => undefined);
    stream.resume();
    stream.end(request);
    await finished(stream).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#leave();
  }

  /** Ends it with a reason that the tab shows. */
  end(problem: BridgeError): void {
    this.#problem = problem;
    this.#leave();
  }

  /** Says goodbye; from the middle of a statement the goodbye would wait for its end, so there it just goes. */
  #leave(): void {
    this.#run?.giveUp();
    if (this.#state === 'running') this.#wire?.destroy();
    else this.#wire?.close();
  }

  tell(): void {
    if (!this.#closed) this.#options.emit('sql.session', this.view());
  }

  #usable(): WireSession {
    if (this.#wire === undefined || this.#wire.ended || this.#state === 'closed') {
      throw new ThroughlineError('target-refused', 'this session is closed', { action: 'connect again' });
    }
    if (this.#state !== 'ready') {
      throw new ThroughlineError('conflict', 'a statement runs in this session already', {
        action: 'wait for it, or stop it',
      });
    }
    return this.#wire;
  }

  /** Without autocommit the first statement opens the transaction. */
  #opens(wire: WireSession, text: string): boolean {
    return !this.autocommit && wire.status === 'I' && needsTransaction(text);
  }

  #afterQuery(wire: WireSession): void {
    if (wire !== this.#wire) return;
    if (this.#state !== 'closed') this.#state = wire.ended ? 'closed' : 'ready';
    if (wire.status === 'I') this.#transactionSince = undefined;
    else this.#transactionSince ??= this.#options.nowMs();
    this.tell();
  }

  #ended(wire: WireSession, fatal: readonly NoticeField[] | undefined): void {
    if (wire !== this.#wire) return;
    this.#state = 'closed';
    this.#transactionSince = undefined;
    const reason = fatal === undefined ? undefined : said(fatal);
    this.#problem ??= {
      code: 'session-ended',
      message: reason?.message ?? 'the connection to the gateway was lost',
      action: reason?.action ?? 'connect again; rows on the screen stay',
    };
    this.tell();
  }
}

/** One query whose rows are wanted as text. @throws ThroughlineError target-refused */
export async function askOf(wire: WireSession, text: string): Promise<(string | null)[][]> {
  const rows: (string | null)[][] = [];
  let failure: ReturnType<typeof said> | undefined;
  const ignore = (): void => undefined;
  const sink: QuerySink = {
    columns: ignore,
    rows: (buffer, start, end) => readRows(buffer, start, end, rows),
    copied: ignore,
    complete: ignore,
    failed: (fields) => {
      failure = said(fields);
    },
    noticed: ignore,
    marked: ignore,
  };
  await wire.query(text, sink);
  if (failure === undefined) return rows;
  const { message, action } = failure;
  throw new ThroughlineError('target-refused', message, action === undefined ? {} : { action });
}

function readRows(buffer: Uint8Array, start: number, end: number, rows: (string | null)[][]): void {
  const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  let at = start;
  while (at < end) {
    const next = at + 1 + bytes.readInt32BE(at + 1);
    const count = bytes.readInt16BE(at + 5);
    let field = at + 7;
    const values: (string | null)[] = [];
    for (let index = 0; index < count; index += 1) {
      const length = bytes.readInt32BE(field);
      field += 4;
      values.push(length < 0 ? null : bytes.toString('utf8', field, field + length));
      field += Math.max(0, length);
    }
    rows.push(values);
    at = next;
  }
}

export function problemOf(cause: unknown): BridgeError {
  if (!(cause instanceof ThroughlineError))
    return { code: 'internal', message: 'the session could not start' };
  const { code, message, action } = cause;
  return { code, message, ...(action === undefined ? {} : { action }) };
}
