import fs from 'node:fs';
import path from 'node:path';
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';
import { Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { ErrorCode } from '../contract/errors.js';
import { errorCodes, ThroughlineError } from '../contract/errors.js';
import { privateDirectory } from './private-files.js';
import type { StateSchema } from './schema.js';
import type { SqliteResult, SqliteValue } from './sqlite.js';
import type { StateAnswer, StateReady, StateRequest } from './state-messages.js';
import { stateThread } from './state-thread.js';
import type { StartedWorker } from './worker.js';
import { startWorker } from './worker.js';

export interface State {
  /**
   * A row that is there already is ThroughlineError `conflict`; a full or failing disk is `not-recordable`; a query
   * that is wrong is a plain error. A transaction has the database to itself: keep it short (5 s at most), and never
   * wait in it for a query outside of it.
   */
  readonly database: Kysely<StateSchema>;
  /** Finishes what was asked, then closes the file. */
  close(): Promise<void>;
}

/** Questions under way at most; more are refused with `busy`. */
const requestsMax = 10_000;
const fileName = 'state.db';

/**
 * Opens `state.db` (0600) in `directory`, created 0700 when absent, in a thread of its own, and brings its schema up
 * to date. Throws `conflict` when another process has it open, `invalid-config` when the directory is writable by
 * others, SQLite is missing, the file is damaged, or a newer version wrote it.
 */
export async function openState(options: { readonly directory: string }): Promise<State> {
  privateDirectory(options.directory, 'may-read');
  const file = path.join(options.directory, fileName);
  const { O_CREAT, O_RDWR, O_NOFOLLOW } = fs.constants;
  // SQLite gives its other files the mode of this one.
  fs.closeSync(fs.openSync(file, O_CREAT | O_RDWR | O_NOFOLLOW, 0o600));
  fs.chmodSync(file, 0o600);
  const worker = startWorker(stateThread.module, { name: stateThread.name, data: file });
  const client = new StateClient(worker);
  try {
    await client.ready;
  } catch (error) {
    await worker.stop();
    throw error;
  }
  const database = new Kysely<StateSchema>({ dialect: dialectOf(client) });
  return { database, close: () => client.close() };
}

interface Waiting {
  readonly resolve: (result: SqliteResult) => void;
  readonly reject: (error: Error) => void;
}

type Question = StateRequest extends infer R
  ? R extends StateRequest
    ? Omit<R, 'id' | 'connection'>
    : never
  : never;

/** Asks the worker and matches its answers. */
class StateClient {
  readonly ready: Promise<void>;
  readonly #worker: StartedWorker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #ended: Error | undefined;

  constructor(worker: StartedWorker) {
    this.#worker = worker;
    this.ready = new Promise((resolve, reject) => {
      worker.port.once('message', (first: StateReady) => {
        worker.port.on('message', (answer: StateAnswer) => this.#answered(answer));
        if (first.ready) resolve();
        else reject(errorOf(first.code, first.message, first.action));
      });
      void worker.ended.then((failure) => {
        const ended = new ThroughlineError('internal', 'the state database is closed', { cause: failure });
        this.#ended = ended;
        reject(ended);
        for (const waiting of this.#waiting.values()) waiting.reject(ended);
        this.#waiting.clear();
      });
    });
  }

  ask(connection: number, question: Question): Promise<SqliteResult> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#waiting.size >= requestsMax) {
      return Promise.reject(new ThroughlineError('busy', 'the state database has too much to do'));
    }
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.port.postMessage({ id, connection, ...question });
    });
  }

  async close(): Promise<void> {
    // Kysely takes a few microtasks before a query gets here.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await this.#worker.stop();
  }

  #answered(answer: StateAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.ok) waiting?.resolve(answer.result);
    else waiting?.reject(queryError(answer.code, answer.message));
  }
}

function queryError(code: string | undefined, message: string): Error {
  if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') {
    return new ThroughlineError('conflict', 'it is there already', { fields: { sqlite: code } });
  }
  if (code === 'SQLITE_FULL' || code?.startsWith('SQLITE_IOERR') === true) {
    return new ThroughlineError('not-recordable', 'the state database cannot be written', {
      action: 'make room on the disk that holds the data directory, or replace it',
      fields: { sqlite: code },
    });
  }
  return new Error(`state database: ${message}`);
}

function errorOf(code: string, message: string, action: string): ThroughlineError {
  const known = Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'internal';
  return new ThroughlineError(known, message, action === '' ? {} : { action });
}

function dialectOf(client: StateClient): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new StateDriver(client),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

class StateDriver implements Driver {
  readonly #client: StateClient;
  #connections = 0;

  constructor(client: StateClient) {
    this.#client = client;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<StateConnection> {
    this.#connections += 1;
    return new StateConnection(this.#client, this.#connections);
  }

  async beginTransaction(connection: StateConnection): Promise<void> {
    await this.#client.ask(connection.id, { kind: 'begin' });
  }

  async commitTransaction(connection: StateConnection): Promise<void> {
    await this.#client.ask(connection.id, { kind: 'commit' });
  }

  async rollbackTransaction(connection: StateConnection): Promise<void> {
    await this.#client.ask(connection.id, { kind: 'rollback' });
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.#client.close();
  }
}

class StateConnection implements DatabaseConnection {
  readonly id: number;
  readonly #client: StateClient;

  constructor(client: StateClient, id: number) {
    this.#client = client;
    this.id = id;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const reads = query.query.kind === 'SelectQueryNode';
    const returnsRows = reads || /^\s*(select|with|pragma|values|explain)\b|\breturning\b/i.test(query.sql);
    const values = query.parameters.map(valueOf);
    const result = await this.#client.ask(this.id, {
      kind: 'run',
      sql: query.sql,
      values,
      reads,
      returnsRows,
    });
    return {
      rows: result.rows as R[],
      numAffectedRows: BigInt(result.changes),
      insertId: BigInt(result.insertId),
    };
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the state database does not stream: its tables are small');
  }
}

/** A view of a larger buffer is copied out: only its own bytes go to the worker. */
function valueOf(value: unknown): SqliteValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  throw new Error(`the state database holds text, numbers and blobs, not ${typeof value}`);
}
