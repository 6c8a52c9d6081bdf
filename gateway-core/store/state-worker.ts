import type { MessagePort } from 'node:worker_threads';
import { ThroughlineError } from '../contract/errors.js';
import type { Sqlite, SqliteResult } from './sqlite.js';
import { openSqlite, sqliteCode } from './sqlite.js';
import type { StateAnswer, StateReady, StateRequest } from './state-messages.js';
import { stateMigrations } from './state-migrations.js';

/** A transaction that is left open longer is rolled back: it keeps everybody else waiting. */
const transactionTimeoutMs = 5000;

/** Long enough for a gateway that is just closing. */
const busyTimeoutMs = 1000;

/** The worker of the state database. `data`: the database file's path. */
export async function main(port: MessagePort, data: unknown): Promise<void> {
  let database: Sqlite | undefined;
  try {
    database = await openSqlite(String(data));
    prepare(database);
  } catch (error) {
    database?.close();
    port.postMessage(notReady(error));
    return;
  }
  const queue = new StateQueue(database, (answer) => port.postMessage(answer));
  port.on('message', (request: StateRequest) => queue.add(request));
  port.on('close', () => queue.close());
  port.postMessage({ ready: true } satisfies StateReady);
}

/**
 * Exclusive: a second gateway on the same directory must fail, and without shared memory SQLite is faster.
 * FULL: a commit is durable when it returns.
 */
function prepare(database: Sqlite): void {
  database.exec(`pragma busy_timeout = ${busyTimeoutMs}`);
  database.exec('pragma locking_mode = exclusive');
  database.exec('pragma journal_mode = wal');
  database.exec('pragma synchronous = full');
  database.exec('pragma trusted_schema = off');
  database.exec('begin exclusive');
  const [row] = database.run('pragma user_version', [], true).rows;
  const version = Number((row as { user_version: unknown }).user_version);
  if (version > stateMigrations.length) {
    throw new ThroughlineError('invalid-config', 'the state database was written by a newer version', {
      action: 'run that version or a newer one, or restore the backup from before it',
    });
  }
  for (const migration of stateMigrations.slice(version)) database.exec(migration);
  database.exec(`pragma user_version = ${stateMigrations.length}`);
  database.exec('commit');
}

function notReady(error: unknown): StateReady {
  if (error instanceof ThroughlineError) {
    const { code, message, action } = error;
    return { ready: false, code, message, action: action ?? '' };
  }
  const code = sqliteCode(error);
  if (code?.startsWith('SQLITE_BUSY') === true) {
    return {
      ready: false,
      code: 'conflict',
      message: 'the state database is in use',
      action: 'stop the other gateway that uses this data directory',
    };
  }
  return {
    ready: false,
    code: 'invalid-config',
    message: `the state database cannot be opened (${code ?? 'unknown'})`,
    action: 'check the data directory, or restore the state database from a backup',
  };
}

type Run = Extract<StateRequest, { kind: 'run' }>;
type Answer = (answer: StateAnswer) => void;

/**
 * Requests in the order in which they came. What queues up in one turn becomes one transaction, so that many writers
 * share one fsync; each statement still fails alone, because SQLite undoes a failing statement by itself and keeps
 * the transaction. Nothing is answered before its commit.
 */
export class StateQueue {
  readonly #database: Sqlite;
  readonly #answer: Answer;
  readonly #timeoutMs: number;
  #queue: StateRequest[] = [];
  #turn: NodeJS.Immediate | undefined;
  #owner: number | undefined;
  #timeout: NodeJS.Timeout | undefined;
  /** Connections whose transaction was rolled back for its length, until they have learned of it. */
  readonly #expired = new Set<number>();

  constructor(database: Sqlite, answer: Answer, timeoutMs = transactionTimeoutMs) {
    this.#database = database;
    this.#answer = answer;
    this.#timeoutMs = timeoutMs;
  }

  add(request: StateRequest): void {
    this.#queue.push(request);
    this.#turn ??= setImmediate(() => this.#drain());
  }

  close(): void {
    this.#drain();
    if (this.#owner !== undefined) this.#expire();
    this.#database.close();
  }

  #drain(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    while (this.#step());
  }

  /** Does the next thing that can be done; false when there is none. */
  #step(): boolean {
    const owner = this.#owner;
    if (owner !== undefined) {
      const index = this.#queue.findIndex((request) => request.connection === owner);
      const [request] = index < 0 ? [] : this.#queue.splice(index, 1);
      if (request !== undefined) this.#inTransaction(request);
      return request !== undefined;
    }
    const end = this.#queue.findIndex((request) => request.kind !== 'run');
    const group = this.#queue
      .splice(0, end < 0 ? this.#queue.length : end)
      .filter((one) => one.kind === 'run');
    if (group.length > 0) this.#group(group);
    const [request] = this.#queue.splice(0, 1);
    if (request !== undefined) this.#control(request);
    return request !== undefined;
  }

  #inTransaction(request: StateRequest): void {
    if (request.kind === 'run') {
      this.#answer(this.#attempt(request.id, () => this.#run(request)));
      return;
    }
    if (request.kind === 'begin') {
      this.#answer(failed(request.id, new Error('a transaction is open already')));
      return;
    }
    const answer = this.#attempt(request.id, () => this.#exec(request.kind));
    if (!answer.ok) this.#rollBack();
    this.#release();
    this.#answer(answer);
  }

  #control(request: StateRequest): void {
    if (request.kind === 'begin') {
      const answer = this.#attempt(request.id, () => this.#exec('begin immediate'));
      if (answer.ok) {
        this.#owner = request.connection;
        this.#timeout = setTimeout(() => this.#expire(), this.#timeoutMs);
      }
      this.#answer(answer);
      return;
    }
    const rolledBack = request.kind === 'rollback' && this.#expired.delete(request.connection);
    if (rolledBack) this.#answer({ id: request.id, ok: true, result: nothing });
    else this.#answer(failed(request.id, new Error('there is no such transaction any more')));
  }

  #expire(): void {
    if (this.#owner === undefined) return;
    this.#expired.add(this.#owner);
    this.#rollBack();
    this.#release();
    this.#turn ??= setImmediate(() => this.#drain());
  }

  #release(): void {
    clearTimeout(this.#timeout);
    this.#owner = undefined;
  }

  #group(group: readonly Run[]): void {
    if (group.length === 1 || group.every((request) => request.reads)) {
      for (const request of group) this.#answer(this.#attempt(request.id, () => this.#run(request)));
      return;
    }
    try {
      this.#database.exec('begin immediate');
      const answers = group.map((request) => this.#attempt(request.id, () => this.#run(request)));
      const failure = answers.find((answer) => !answer.ok);
      // A full disk ends the whole transaction, not the statement; nothing of the others is kept either, then.
      if (failure !== undefined && this.#transactionIsGone()) throw new Error(failure.message);
      this.#database.exec('commit');
      for (const answer of answers) this.#answer(answer);
    } catch (error) {
      this.#rollBack();
      for (const request of group) this.#answer(failed(request.id, error));
    }
  }

  /** Both drivers know, but not by the same name in all versions; a begin tells. */
  #transactionIsGone(): boolean {
    try {
      this.#database.exec('begin');
      return true;
    } catch {
      return false;
    }
  }

  #rollBack(): void {
    try {
      this.#database.exec('rollback');
    } catch {
      // There was none any more.
    }
  }

  #exec(sql: string): SqliteResult {
    this.#database.exec(sql);
    return nothing;
  }

  #run(request: Run): SqliteResult {
    // INVARIANT: what was meant for a transaction never runs outside of it.
    if (this.#expired.has(request.connection))
      throw new Error('the transaction took too long and was rolled back');
    return this.#database.run(request.sql, request.values, request.returnsRows);
  }

  #attempt(id: number, run: () => SqliteResult): StateAnswer {
    try {
      return { id, ok: true, result: run() };
    } catch (error) {
      return failed(id, error);
    }
  }
}

const nothing: SqliteResult = { rows: [], changes: 0, insertId: 0 };

function failed(id: number, error: unknown): StateAnswer & { ok: false } {
  return {
    id,
    ok: false,
    code: sqliteCode(error),
    message: error instanceof Error ? error.message : 'failed',
  };
}
