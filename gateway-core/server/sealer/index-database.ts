import { closeSync, openSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { SessionView } from '../../contract/api.js';
import type { SessionId } from '../../contract/ids.js';
import {
  openSqlite,
  type Sqlite,
  type SqliteResult,
  type SqliteValue,
  sqliteCode,
} from '../../store/sqlite.js';
import { sealerLimits } from './limits.js';

/** Raised with every change of the schema or of what words are: an older index is thrown away and made anew. */
const schemaVersion = 3;

const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, connection TEXT NOT NULL, protocol TEXT NOT NULL, principal TEXT NOT NULL,
    chain TEXT NOT NULL, via TEXT NOT NULL, application TEXT, started_at TEXT NOT NULL, ended_at TEXT,
    end_cause TEXT, statements INTEGER NOT NULL DEFAULT 0, seq_max INTEGER NOT NULL DEFAULT 0,
    last_position INTEGER NOT NULL DEFAULT -1, device TEXT, segment INTEGER,
    corroboration TEXT NOT NULL DEFAULT 'gateway-only', started_entry INTEGER, ended_entry INTEGER
  ) WITHOUT ROWID;
  CREATE INDEX sessions_pending ON sessions (ended_at) WHERE corroboration = 'pending';
  CREATE INDEX sessions_live ON sessions (started_at) WHERE ended_at IS NULL;
  CREATE TABLE hops (hop TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (hop, session)) WITHOUT ROWID;
  CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, first_position INTEGER NOT NULL, last_position INTEGER NOT NULL
  );
  CREATE TABLE refs (key TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (key, entry)) WITHOUT ROWID;
  CREATE INDEX chunks_of_session ON chunks (session, last_position);
  CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, detail=none, tokenize='ascii');
`;

/** Exclusive: nobody else reads it, and without shared memory SQLite is faster. */
const pragmas = [
  'locking_mode = EXCLUSIVE',
  'journal_mode = WAL',
  'synchronous = NORMAL',
  'trusted_schema = OFF',
];
const damagedCodes: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);

const Count = z.object({ value: z.union([z.number(), z.bigint()]).nullable() });
const SessionRow = z.object({
  id: z.string(),
  connection: z.string(),
  protocol: z.string(),
  principal: z.string(),
  chain: z.string(),
  via: z.string(),
  application: z.string().nullable(),
  started_at: z.string(),
  ended_at: z.string().nullable(),
  end_cause: z.string().nullable(),
  statements: z.number(),
  corroboration: z.string(),
});
const SessionPlaceRow = z.object({
  device: z.string().nullable(),
  segment: z.number().nullable(),
  started_entry: z.number().nullable(),
  ended_entry: z.number().nullable(),
});
const ChunkRow = z.object({
  id: z.number(),
  session: z.string().transform((id) => id as SessionId),
  first_position: z.number(),
  last_position: z.number(),
});

/** A document of the search index: all of one session's records from one journal position to another. */
export interface ChunkPlace {
  readonly id: number;
  readonly session: SessionId;
  readonly firstPosition: number;
  readonly lastPosition: number;
}

export interface SessionStart {
  readonly id: SessionId;
  readonly connection: string;
  readonly protocol: string;
  readonly chain: SessionView['chain'];
  readonly via: string;
  readonly application: string | undefined;
  readonly startedAt: string;
  /** The spool of a desktop that records it too. */
  readonly spool: { readonly device: string; readonly segment: number } | undefined;
}

/** Where a session stands besides its recording. */
export interface SessionPlace {
  readonly spool: { readonly device: string; readonly segment: number } | undefined;
  /** Indexes of the log's entries. */
  readonly startedEntry: number;
  readonly endedEntry: number | undefined;
}

export interface SessionChange {
  readonly id: SessionId;
  started?: SessionStart;
  statements: number;
  seqMax: number;
  /** Journal position of the session's last event in the log; -1: no change. */
  lastPosition: number;
  ended?: { readonly at: string; readonly cause: string };
  /** Indexes of the log's entries. */
  startedEntry?: number;
  endedEntry?: number;
}

export interface IndexChanges {
  readonly sessions: Iterable<SessionChange>;
  /** Where entries of the log are found again: `refsOf`. */
  readonly refs: readonly { readonly key: string; readonly entry: number }[];
  /** What comparisons with the desktops' records gave, in the log's order. */
  readonly verdicts: readonly { readonly session: SessionId; readonly verdict: string }[];
  readonly chunks: readonly {
    session: SessionId;
    firstPosition: number;
    lastPosition: number;
    text: string;
  }[];
  /** Log entries that are in the sessions table. */
  readonly loggedTo: number;
  /** Log entries of which all words are in the search index. */
  readonly searchedTo: number;
}

export interface SessionFilter {
  readonly live?: boolean | undefined;
  /** A principal, or the id of any hop in a session's chain. */
  readonly of?: string | undefined;
}

/**
 * The derived index over log and recordings: sessions, and words. Everything in it can be made again, so nothing in
 * it is ever synced for its own sake, and a damaged or outdated file is removed and started empty (`loggedTo` is 0).
 */
export class IndexDatabase {
  readonly #database: Sqlite;

  private constructor(database: Sqlite) {
    this.#database = database;
  }

  static async open(file: string): Promise<IndexDatabase> {
    try {
      const index = await IndexDatabase.#tryOpen(file);
      if (index !== undefined) return index;
    } catch (error) {
      if (!damagedCodes.has(sqliteCode(error) ?? '')) throw error;
    }
    IndexDatabase.remove(file);
    const index = await IndexDatabase.#tryOpen(file);
    if (index === undefined) throw new Error('a new index has another version than ours');
    return index;
  }

  /** Removes the index's files; the next `open` starts empty. */
  static remove(file: string): void {
    for (const name of [file, `${file}-wal`, `${file}-shm`, `${file}-journal`]) rmSync(name, { force: true });
  }

  /** Undefined when the file was made by another version. */
  static async #tryOpen(file: string): Promise<IndexDatabase | undefined> {
    // SQLite would make it readable to all, and its journals take over what it has.
    closeSync(openSync(file, 'a', 0o600));
    const database = await openSqlite(file);
    try {
      for (const pragma of pragmas) database.exec(`PRAGMA ${pragma}`);
      const [row] = database.run('PRAGMA user_version', [], true).rows;
      const version = z.object({ user_version: z.coerce.number() }).parse(row).user_version;
      if (version === 0) {
        database.exec(`BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT;`);
      } else if (version !== schemaVersion) {
        database.close();
        return undefined;
      }
      return new IndexDatabase(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #rows(sql: string, values: readonly SqliteValue[] = []): readonly unknown[] {
    return this.#database.run(sql, values, true).rows;
  }

  /** The first row's `value`; undefined when there is no row. */
  #value(sql: string, values: readonly SqliteValue[]): number | undefined {
    const [row] = this.#rows(sql, values);
    const value = row === undefined ? null : Count.parse(row).value;
    return value === null ? undefined : Number(value);
  }

  #change(sql: string, values: readonly SqliteValue[] = []): SqliteResult {
    return this.#database.run(sql, values, false);
  }

  #meta(key: 'loggedTo' | 'searchedTo'): number {
    return this.#value('SELECT value FROM meta WHERE key = ?', [key]) ?? 0;
  }

  get loggedTo(): number {
    return this.#meta('loggedTo');
  }

  get searchedTo(): number {
    return this.#meta('searchedTo');
  }

  close(): void {
    this.#database.close();
  }

  /** One transaction: all of it, or nothing and the driver's error. */
  apply(changes: IndexChanges): void {
    this.#transaction(() => {
      for (const change of changes.sessions) this.#session(change);
      for (const chunk of changes.chunks) this.#chunk(chunk);
      for (const { key, entry } of changes.refs)
        this.#change('INSERT OR IGNORE INTO refs (key, entry) VALUES (?, ?)', [key, entry]);
      for (const { session, verdict } of changes.verdicts)
        this.#change('UPDATE sessions SET corroboration = ? WHERE id = ?', [verdict, session]);
      const put = 'INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)';
      this.#change(put, ['loggedTo', changes.loggedTo]);
      this.#change(put, ['searchedTo', changes.searchedTo]);
    });
  }

  #transaction(act: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      act();
      this.#database.exec('COMMIT');
    } catch (error) {
      try {
        this.#database.exec('ROLLBACK');
      } catch {
        // A full disk may have rolled it back already.
      }
      throw error;
    }
  }

  #session(change: SessionChange): void {
    const { id, started, statements, seqMax, lastPosition, ended, startedEntry, endedEntry } = change;
    if (started !== undefined) {
      const { connection, protocol, chain, via, application, startedAt, spool } = started;
      this.#change(
        `INSERT OR IGNORE INTO sessions (id, connection, protocol, principal, chain, via, application, started_at,
           device, segment, corroboration)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          id,
          connection,
          protocol,
          chain[0].id,
          JSON.stringify(chain),
          via,
          application ?? null,
          startedAt,
          spool?.device ?? null,
          spool?.segment ?? null,
          spool === undefined ? 'gateway-only' : 'pending',
        ],
      );
      const hop = 'INSERT OR IGNORE INTO hops (hop, session) VALUES (?, ?)';
      for (const one of chain) this.#change(hop, [one.id, id]);
    }
    this.#change(
      `UPDATE sessions SET statements = statements + ?, seq_max = ?, last_position = max(last_position, ?)
       WHERE id = ?`,
      [statements, seqMax, lastPosition, id],
    );
    const place = 'SET started_entry = coalesce(started_entry, ?), ended_entry = coalesce(ended_entry, ?)';
    if (startedEntry !== undefined || endedEntry !== undefined)
      this.#change(`UPDATE sessions ${place} WHERE id = ?`, [startedEntry ?? null, endedEntry ?? null, id]);
    if (ended !== undefined) {
      const end = 'UPDATE sessions SET ended_at = ?, end_cause = ? WHERE id = ? AND ended_at IS NULL';
      this.#change(end, [ended.at, ended.cause, id]);
    }
  }

  #chunk(chunk: IndexChanges['chunks'][number]): void {
    const { insertId } = this.#change(
      'INSERT INTO chunks (session, first_position, last_position) VALUES (?, ?, ?)',
      [chunk.session, chunk.firstPosition, chunk.lastPosition],
    );
    this.#change('INSERT INTO words (rowid, text) VALUES (?, ?)', [insertId, chunk.text]);
  }

  /** Forgets the words of these sessions; the sessions themselves stay listed. */
  forgetWords(sessions: readonly SessionId[]): void {
    if (sessions.length === 0) return;
    this.#transaction(() => {
      for (const session of sessions) {
        this.#change('DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE session = ?)', [session]);
        this.#change('DELETE FROM chunks WHERE session = ?', [session]);
      }
    });
    // A deleted document's words stay in the index's segments until these are merged.
    this.#change("INSERT INTO words (words) VALUES ('optimize')");
  }

  seqMax(session: SessionId): number {
    return this.#value('SELECT seq_max AS value FROM sessions WHERE id = ?', [session]) ?? 0;
  }

  /** Journal position of the session's last event in the log; -1: none. */
  lastPosition(session: SessionId): number {
    return this.#value('SELECT last_position AS value FROM sessions WHERE id = ?', [session]) ?? -1;
  }

  /** Journal position of the session's last record that is in the search index; -1: none. */
  lastChunkPosition(session: SessionId): number {
    return this.#value('SELECT max(last_position) AS value FROM chunks WHERE session = ?', [session]) ?? -1;
  }

  session(id: SessionId): SessionView | undefined {
    const [row] = this.#rows('SELECT * FROM sessions WHERE id = ?', [id]);
    return row === undefined ? undefined : toView(row);
  }

  /** Undefined: there is no such session. */
  place(id: SessionId): SessionPlace | undefined {
    const sql = 'SELECT device, segment, started_entry, ended_entry FROM sessions WHERE id = ?';
    const [found] = this.#rows(sql, [id]);
    if (found === undefined) return undefined;
    const { device, segment, started_entry, ended_entry } = SessionPlaceRow.parse(found);
    if (started_entry === null) return undefined;
    return {
      spool: device === null || segment === null ? undefined : { device, segment },
      startedEntry: started_entry,
      endedEntry: ended_entry ?? undefined,
    };
  }

  /** Ended sessions whose comparison is still to come, behind `after`, in the order of their ids. */
  pending(endedBefore: string, after: string, limit: number): SessionId[] {
    return this.#rows(
      `SELECT id FROM sessions WHERE corroboration = 'pending' AND ended_at < ? AND id > ? ORDER BY id LIMIT ?`,
      [endedBefore, after, limit],
    ).map((row) => z.object({ id: z.string() }).parse(row).id as SessionId);
  }

  /** Newest first. */
  sessions({ live, of }: SessionFilter, limit: number = sealerLimits.sessionsListedMax): SessionView[] {
    const where = [
      ...(live === undefined ? [] : [`ended_at IS ${live ? '' : 'NOT '}NULL`]),
      ...(of === undefined ? [] : ['id IN (SELECT session FROM hops WHERE hop = ?)']),
    ];
    const sql = `SELECT * FROM sessions ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''}
                 ORDER BY started_at DESC, id DESC LIMIT ?`;
    const values = of === undefined ? [limit] : [of, limit];
    return this.#rows(sql, values).map(toView);
  }

  /** Indexes of the log's entries under these keys, ascending, each once. */
  refs(keys: readonly string[]): number[] {
    const entries = new Set<number>();
    for (const key of keys) {
      for (const row of this.#rows('SELECT entry AS value FROM refs WHERE key = ?', [key]))
        entries.add(Number(Count.parse(row).value));
    }
    return [...entries].sort((a, b) => a - b);
  }

  liveSessions(): SessionId[] {
    return this.#rows('SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY started_at, id').map(
      (row) => z.object({ id: z.string() }).parse(row).id as SessionId,
    );
  }

  /** Documents in which an FTS5 expression matches, newest first, older than `before`. */
  chunks(expression: string, before: number, limit: number): ChunkPlace[] {
    return this.#rows(
      `SELECT c.id, c.session, c.first_position, c.last_position FROM words w JOIN chunks c ON c.id = w.rowid
       WHERE w.words MATCH ? AND w.rowid < ? ORDER BY w.rowid DESC LIMIT ?`,
      [expression, before, limit],
    ).map((row) => {
      const { id, session, first_position, last_position } = ChunkRow.parse(row);
      return { id, session, firstPosition: first_position, lastPosition: last_position };
    });
  }
}

function toView(value: unknown): SessionView {
  const row = SessionRow.parse(value);
  const ended = row.ended_at !== null;
  return SessionView.parse({
    id: row.id,
    connection: row.connection,
    protocol: row.protocol,
    principal: row.principal,
    chain: JSON.parse(row.chain) as unknown,
    state: ended ? 'ended' : 'live',
    startedAt: row.started_at,
    ...(ended ? { endedAt: row.ended_at, endCause: row.end_cause } : {}),
    statements: row.statements,
    via: row.via,
    ...(row.application === null ? {} : { application: row.application }),
    corroboration: row.corroboration,
  });
}
