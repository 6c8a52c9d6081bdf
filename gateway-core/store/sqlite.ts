import { ThroughlineError } from '../contract/errors.js';

export type SqliteValue = string | number | bigint | null | Uint8Array;

export interface SqliteResult {
  readonly rows: readonly unknown[];
  readonly changes: number | bigint;
  readonly insertId: number | bigint;
}

/** The part that node:sqlite and better-sqlite3 have in common, with statements kept prepared. */
export interface Sqlite {
  exec(sql: string): void;
  /** One statement. `returnsRows`: as its text says; a driver that knows better goes by the statement. */
  run(sql: string, values: readonly SqliteValue[], returnsRows: boolean): SqliteResult;
  close(): void;
}

interface Statement {
  all(...values: readonly SqliteValue[]): unknown[];
  run(...values: readonly SqliteValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  /** better-sqlite3 only. */
  readonly reader?: boolean;
}

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}
type DatabaseClass = new (file: string) => Database;

/** Prepared statements that are kept; the least recently used goes first. */
const statementsMax = 200;

/**
 * Opens a database file with node:sqlite where the runtime has it without a flag (Node 22.13), else with
 * better-sqlite3. Throws `invalid-config` when neither is there.
 */
export async function openSqlite(file: string): Promise<Sqlite> {
  const builtin: unknown = process.getBuiltinModule('node:sqlite');
  if (builtin !== undefined) {
    const { DatabaseSync } = builtin as { DatabaseSync: DatabaseClass };
    return wrap(new DatabaseSync(file));
  }
  let Better: DatabaseClass;
  try {
    const module: { default: unknown } = await import('better-sqlite3');
    Better = module.default as DatabaseClass;
  } catch (error) {
    throw new ThroughlineError(
      'invalid-config',
      'there is no SQLite: node:sqlite and better-sqlite3 are missing',
      {
        action: 'use Node 22.13 or newer, or install a C++ compiler and run npm install again',
        cause: error,
      },
    );
  }
  return wrap(new Better(file));
}

function wrap(database: Database): Sqlite {
  const statements = new Map<string, Statement>();
  return {
    exec: (sql) => void database.exec(sql),
    run: (sql, values, returnsRows) => {
      const statement = statements.get(sql) ?? database.prepare(sql);
      statements.delete(sql);
      statements.set(sql, statement);
      const [oldest] = statements.keys();
      if (statements.size > statementsMax && oldest !== undefined) statements.delete(oldest);
      if (statement.reader ?? returnsRows) {
        return { rows: statement.all(...values), changes: 0, insertId: 0 };
      }
      const { changes, lastInsertRowid } = statement.run(...values);
      return { rows: [], changes, insertId: lastInsertRowid };
    },
    close: () => void database.close(),
  };
}

/** `SQLITE_CONSTRAINT_UNIQUE` and its kin, from either driver; undefined for an error that is not SQLite's. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('errcode' in error && typeof error.errcode === 'number') {
    return codesByNumber[error.errcode] ?? codesByNumber[error.errcode & 0xff] ?? `SQLITE_${error.errcode}`;
  }
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')
    ? error.code
    : undefined;
}

/** https://www.sqlite.org/rescode.html; node:sqlite gives numbers only. */
const codesByNumber: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  19: 'SQLITE_CONSTRAINT',
  26: 'SQLITE_NOTADB',
  1555: 'SQLITE_CONSTRAINT_PRIMARYKEY',
  2067: 'SQLITE_CONSTRAINT_UNIQUE',
};
