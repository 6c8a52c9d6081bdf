import type { BridgeError } from '../../contract/bridge/app.js';
import type { Handlers } from '../../contract/bridge/calls.js';
import { ThroughlineError } from '../../contract/errors.js';
import { Exports } from './exports.js';
import { History } from './history.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';
import type { SqlResult } from './result.js';
import { newKey, Run } from './run.js';
import { Schemas } from './schema.js';
import { EditorSession } from './session.js';
import { splitStatements } from './splitter.js';

export type SqlCalls = Extract<
  keyof Handlers<'agent'>,
  `sql.${string}` | `schema.${string}` | `history.${string}` | `exports.${string}`
>;

export interface SqlEngine {
  readonly handlers: Pick<Handlers<'agent'>, SqlCalls>;
  /** Sign-out, another gateway: every session ends; results stay readable until they are disposed of. */
  closeSessions(problem: BridgeError): void;
  close(): Promise<void>;
}

/** The built-in SQL client: sessions, runs with their results, schema, history, exports. */
export function createSqlEngine(options: SqlEngineOptions): SqlEngine {
  return new Engine(options);
}

class Engine implements SqlEngine {
  readonly #options: SqlEngineOptions;
  readonly #sessions = new Map<string, EditorSession>();
  readonly #runs = new Map<string, Run>();
  readonly #results = new Map<string, { readonly run: Run; readonly result: SqlResult }>();
  /** Runs that changed since they were told. */
  readonly #changed = new Set<Run>();
  #timer: NodeJS.Timeout | undefined;
  readonly #schemas: Schemas;
  readonly #history: History;
  readonly #exports: Exports;
  readonly handlers: Pick<Handlers<'agent'>, SqlCalls>;

  constructor(options: SqlEngineOptions) {
    this.#options = options;
    this.#schemas = new Schemas(options);
    this.#history = new History(options);
    this.#exports = new Exports(options);
    this.handlers = { ...this.#sessionCalls(), ...this.#resultCalls(), ...this.#otherCalls() };
  }

  closeSessions(problem: BridgeError): void {
    this.#schemas.close();
    this.#exports.cancelAll();
    for (const session of this.#sessions.values()) session.end(problem);
  }

  async close(): Promise<void> {
    this.#schemas.close();
    this.#exports.cancelAll();
    for (const session of this.#sessions.values()) session.close();
    await Promise.all([this.#exports.settled(), ...[...this.#runs.values()].map(({ ended }) => ended)]);
    clearTimeout(this.#timer);
    await this.#history.settled();
  }

  #sessionCalls() {
    return {
      'sql.sessions': () => Promise.resolve([...this.#sessions.values()].map((each) => each.view())),
      'sql.open': async ({ connection, autocommit }) => {
        if (this.#sessions.size >= sqlLimits.sessionsMax) {
          throw new ThroughlineError(
            'rate-limited',
            `${sqlLimits.sessionsMax} SQL sessions are open already`,
            {
              action: 'close some tabs',
            },
          );
        }
        const session = new EditorSession(newKey('sql'), connection, autocommit, this.#options);
        this.#sessions.set(session.key, session);
        try {
          await session.connect();
        } catch (error) {
          this.#sessions.delete(session.key);
          throw error;
        }
        return session.view();
      },
      'sql.reconnect': async ({ key }) => {
        const session = this.#session(key);
        await session.connect();
        return session.view();
      },
      'sql.close': ({ key }) => {
        this.#sessions.get(key)?.close();
        this.#sessions.delete(key);
        this.#options.emit('sql.closed', { key });
        return Promise.resolve({});
      },
      'sql.run': ({ key, run, text, rowsMax }) =>
        Promise.resolve(this.#begin(key, run, text, rowsMax).view()),
      'sql.runState': ({ run }) => Promise.resolve(this.#run(run).view()),
      'sql.cancel': async ({ key }) => {
        await this.#session(key).cancel();
        return {};
      },
      'sql.transaction': async ({ key, end }) => {
        const session = this.#session(key);
        await session.ask(end === 'commit' ? 'COMMIT' : 'ROLLBACK');
        return session.view();
      },
      'sql.autocommit': ({ key, on }) => {
        const session = this.#session(key);
        session.autocommit = on;
        session.tell();
        return Promise.resolve(session.view());
      },
      'sql.dispose': ({ run }) => {
        this.#dispose(run);
        return Promise.resolve({});
      },
      'sql.explain': async ({ key, text, analyze }) => {
        const [only, second] = splitStatements(text);
        if (only === undefined || second !== undefined) {
          throw new ThroughlineError('invalid-request', 'EXPLAIN takes one statement', {
            action: 'select one',
          });
        }
        const statement = text.slice(only.offset, only.offset + only.length);
        const how = analyze ? 'FORMAT JSON, ANALYZE, BUFFERS' : 'FORMAT JSON';
        const rows = await this.#session(key).ask(`EXPLAIN (${how}) ${statement}`);
        return { json: rows.map(([line]) => line ?? '').join('\n') };
      },
    } satisfies Partial<Handlers<'agent'>>;
  }

  #resultCalls() {
    return {
      'sql.more': ({ result: key, rowsMax }) => {
        const { run, result } = this.#result(key);
        run.more(result, rowsMax);
        return Promise.resolve({});
      },
      'sql.rows': ({ result: key, from, count }) => {
        const { result } = this.#result(key);
        return Promise.resolve(result.page(from, count));
      },
      'sql.cell': ({ result: key, number, column, from, count }) => {
        const { result } = this.#result(key);
        return Promise.resolve(result.piece(number, column, from, count));
      },
      'sql.view': async ({ result: key, view }) => {
        const { result } = this.#result(key);
        await result.look(view);
        return { rows: result.rows };
      },
    } satisfies Partial<Handlers<'agent'>>;
  }

  #otherCalls() {
    return {
      'schema.read': ({ connection, refresh }) => this.#schemas.read(connection, refresh),
      'schema.columns': ({ connection, schema, name }) => this.#schemas.columns(connection, schema, name),
      'history.list': ({ text, connection, before, count }) =>
        this.#history.list({ text, connection, before, count }),
      'history.clear': async () => {
        await this.#history.clear();
        return {};
      },
      'exports.start': ({ result: key, format, name, view }) => {
        const { run, result } = this.#result(key);
        return Promise.resolve(this.#exports.start({ run, result, format, name, view }));
      },
      'exports.list': () => Promise.resolve(this.#exports.list()),
      'exports.cancel': ({ id }) => {
        this.#exports.cancel(id);
        return Promise.resolve({});
      },
    } satisfies Partial<Handlers<'agent'>>;
  }

  #begin(key: string, name: string, text: string, rowsMax: number): Run {
    const session = this.#session(key);
    if (this.#runs.has(name)) throw new ThroughlineError('conflict', 'this run exists already');
    const spans = splitStatements(text);
    if (spans.length === 0) throw new ThroughlineError('invalid-request', 'there is no statement to run');
    if (spans.length > sqlLimits.statementsMax) {
      throw new ThroughlineError('too-large', `more than ${sqlLimits.statementsMax} statements at once`, {
        action: 'run them with psql through a tunnel',
      });
    }
    const run: Run = new Run({
      run: name,
      session: key,
      connection: session.connection,
      text,
      spans,
      rowsMax,
      nowMs: () => this.#options.nowMs(),
      changed: () => this.#tell(run),
      bytesHeld: () => this.#bytesHeld,
    });
    session.begin(run);
    this.#runs.set(name, run);
    this.#forgetOldest();
    this.#remember(run, session, text);
    return run;
  }

  #bytesHeld = 0;

  /** Tells at most so often; the last state is always told. */
  #tell(run: Run): void {
    this.#changed.add(run);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const each of this.#changed) {
        // Disposed of in the meantime: nobody asks for its results again.
        if (this.#runs.get(each.options.run) !== each) continue;
        for (const result of each.results()) this.#results.set(result.key, { run: each, result });
        this.#options.emit('sql.run', each.view());
      }
      this.#changed.clear();
      this.#weigh();
    }, sqlLimits.tellIntervalMs);
  }

  #weigh(): void {
    this.#bytesHeld = 0;
    for (const { result } of this.#results.values()) this.#bytesHeld += result.store.bytes;
  }

  #remember(run: Run, session: EditorSession, text: string): void {
    const id = newKey('his');
    const entry = () => {
      const { session: gatewaySession } = session.view();
      const error = run.firstError();
      const rows = run.rows();
      return {
        id,
        at: new Date(run.startedAtMs).toISOString(),
        connection: session.connection,
        principal: this.#options.principal(),
        text,
        state: stateOf(run),
        ...(gatewaySession === undefined ? {} : { session: gatewaySession }),
        ...(rows === undefined ? {} : { rows }),
        ...(error === undefined ? {} : { error: error.message }),
        ...(run.isOver ? { durationMs: run.view().durationMs } : {}),
      };
    };
    this.#history.put(entry());
    void run.ended.then(() => this.#history.put(entry()));
  }

  #forgetOldest(): void {
    for (const [name, run] of this.#runs) {
      if (this.#runs.size <= sqlLimits.runsMax) return;
      if (run.isOver) this.#dispose(name);
    }
  }

  #dispose(name: string): void {
    const run = this.#runs.get(name);
    if (run === undefined) return;
    if (!run.isOver) run.giveUp();
    this.#runs.delete(name);
    for (const { key } of run.results()) this.#results.delete(key);
    this.#weigh();
  }

  #session(key: string): EditorSession {
    const session = this.#sessions.get(key);
    if (session !== undefined) return session;
    throw new ThroughlineError('not-found', 'this SQL session is closed', {
      action: 'open the connection again',
    });
  }

  #run(name: string): Run {
    const run = this.#runs.get(name);
    if (run !== undefined) return run;
    throw new ThroughlineError('not-found', 'this run is not kept any more', { action: 'run it again' });
  }

  #result(key: string): { readonly run: Run; readonly result: SqlResult } {
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    for (const run of this.#runs.values()) {
      const result = run.results().find((each) => each.key === key);
      if (result !== undefined) return { run, result };
    }
    throw new ThroughlineError('not-found', 'this result is not kept any more', { action: 'run it again' });
  }
}

function stateOf(run: Run): 'running' | 'ok' | 'error' | 'denied' | 'cancelled' {
  if (!run.isOver) return 'running';
  const error = run.firstError();
  if (error?.denied !== undefined) return 'denied';
  if (run.state === 'cancelled') return 'cancelled';
  return error === undefined ? 'ok' : 'error';
}
