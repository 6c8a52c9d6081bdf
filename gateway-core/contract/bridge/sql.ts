import { z } from 'zod';
import { BridgeError } from './app.js';

/** Cells are cut to so many characters in a page of rows; the rest is fetched cell by cell. */
export const cellCharactersShown = 2000;
/** Rows of one page. */
export const pageRowsMax = 1000;
/** Characters of one piece of a long cell. */
export const cellPieceCharactersMax = 1_000_000;
/** One run's text. The gateway refuses a single statement of more than 1 MiB. */
export const runCharactersMax = 16 * 1024 * 1024;

export const SqlSessionKey = z.string().regex(/^sql_[a-z0-9]{1,32}$/);
export const ResultKey = z.string().regex(/^res_[a-z0-9]{1,32}$/);
export const RunKey = z.string().regex(/^run_[a-z0-9]{1,32}$/);

/** One SQL session of the editor: one database connection, one session at the gateway. Survives a reload of the page. */
export const SqlSession = z.object({
  key: SqlSessionKey,
  connection: z.string(),
  /** The gateway's session, once it is known. */
  session: z.string().optional(),
  state: z.enum(['connecting', 'ready', 'running', 'closed']),
  /** ReadyForQuery's status: idle, in a transaction, in a failed transaction. */
  transaction: z.enum(['idle', 'open', 'failed']),
  transactionSince: z.number().optional(),
  autocommit: z.boolean(),
  run: RunKey.optional(),
  /** Why it closed. */
  problem: BridgeError.optional(),
  serverVersion: z.string().optional(),
});
export type SqlSession = z.infer<typeof SqlSession>;

export const ResultColumn = z.object({
  name: z.string(),
  typeOid: z.number().int(),
  /** As PostgreSQL writes it: `integer`, `text`, `timestamp with time zone`. The number where it is not known. */
  type: z.string(),
  kind: z.enum(['number', 'text', 'boolean', 'time', 'json', 'binary', 'other']),
  /** `schema.table.column` where the column comes from a table. */
  origin: z.string().optional(),
  /** The rule that masks the whole column. */
  mask: z.string().optional(),
});
export type ResultColumn = z.infer<typeof ResultColumn>;

export const SqlProblem = z.object({
  severity: z.string(),
  /** SQLSTATE. */
  code: z.string(),
  message: z.string(),
  detail: z.string().optional(),
  hint: z.string().optional(),
  /** Offset into the run's text, in UTF-16 units. */
  offset: z.number().int().nonnegative().optional(),
  /** Set when the gateway refused it: which policy, and what would change it. */
  denied: z.object({ policy: z.string(), action: z.string() }).optional(),
  /** ErrorResponse or NoticeResponse. */
  kind: z.enum(['error', 'notice']),
});
export type SqlProblem = z.infer<typeof SqlProblem>;

/** One statement of a run and what came of it. */
export const StatementResult = z.object({
  index: z.number().int(),
  /** Its place in the run's text, UTF-16 units. */
  offset: z.number().int(),
  length: z.number().int(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled', 'skipped']),
  tag: z.string().optional(),
  durationMs: z.number().optional(),
  problems: z.array(SqlProblem),
  /** More problems came than are kept. */
  problemsCut: z.boolean(),
  /** The result set, for a statement that returns rows. */
  result: z
    .object({
      key: ResultKey,
      columns: z.array(ResultColumn),
      /** Loaded so far. */
      rows: z.number().int(),
      bytes: z.number().int(),
      maskedCells: z.number().int(),
      state: z.enum(['streaming', 'paused', 'done', 'cut']),
    })
    .optional(),
});
export type StatementResult = z.infer<typeof StatementResult>;

/** The state of one run; sent whole at most twenty times a second while it changes. */
export const SqlRun = z.object({
  run: RunKey,
  key: SqlSessionKey,
  connection: z.string(),
  state: z.enum(['running', 'paused', 'done', 'failed', 'cancelled']),
  startedAt: z.string(),
  durationMs: z.number(),
  statements: z.array(StatementResult),
});
export type SqlRun = z.infer<typeof SqlRun>;

/** A page of rows, of the view that is set. Cells are text as PostgreSQL writes it; null is SQL NULL. */
export const RowPage = z.object({
  from: z.number().int(),
  rows: z.array(z.array(z.string().nullable())),
  /** The row's number in the unsorted, unfiltered result, from 0. One for each row. */
  numbers: z.array(z.number().int()),
  /** Cells that were cut: row (in this page), column, characters in all. */
  cut: z.array(z.tuple([z.number().int(), z.number().int(), z.number().int()])),
  /** Cells that hold a masked value: row (in this page), column, rule. */
  masked: z.array(z.tuple([z.number().int(), z.number().int(), z.string()])),
});
export type RowPage = z.infer<typeof RowPage>;

/** How a result is looked at. Sorting and filtering work on what is loaded, on the masked text. */
export const ResultView = z.object({
  sort: z.array(z.object({ column: z.number().int().nonnegative(), descending: z.boolean() })).max(8),
  /** Contains, any column, case-insensitive. */
  filter: z.string().max(1000),
  columns: z
    .array(
      z.object({
        column: z.number().int().nonnegative(),
        operator: z.enum(['contains', 'equals', 'not-equals', 'less', 'greater', 'null', 'not-null']),
        value: z.string().max(10_000),
      }),
    )
    .max(100),
});
export type ResultView = z.infer<typeof ResultView>;

/** The live schema, as far as the person's session sees it. Columns come table by table. */
export const SchemaObject = z.object({
  schema: z.string(),
  name: z.string(),
  kind: z.enum(['table', 'view', 'materialized-view', 'foreign-table', 'sequence', 'partitioned-table']),
  /** The planner's estimate; nothing where it was never analysed. */
  rows: z.number().optional(),
});
export type SchemaObject = z.infer<typeof SchemaObject>;
export const SchemaColumn = z.object({
  name: z.string(),
  type: z.string(),
  notNull: z.boolean(),
  primaryKey: z.boolean(),
  /** `schema.table.column` that a foreign key points at. */
  references: z.string().optional(),
  /** The rule that masks it. */
  mask: z.string().optional(),
});
export type SchemaColumn = z.infer<typeof SchemaColumn>;
export const SchemaFunction = z.object({
  schema: z.string(),
  name: z.string(),
  arguments: z.string(),
  returns: z.string(),
});
export type SchemaFunction = z.infer<typeof SchemaFunction>;
export const Schema = z.object({
  connection: z.string(),
  readAt: z.string(),
  searchPath: z.array(z.string()),
  objects: z.array(SchemaObject),
  functions: z.array(SchemaFunction),
  /** There are more than are read. */
  cut: z.boolean(),
});
export type Schema = z.infer<typeof Schema>;
