import type { SqlProblem, SqlRun, StatementResult } from '../../../gateway-core/contract/bridge/sql.js';

/** A run as a tab keeps it: what was sent, from where in the text, and what came of it. */
export interface RunEntry {
  /** Counts the runs of a tab, from 1. */
  readonly number: number;
  readonly text: string;
  /** Where its text stood in the editor when it was sent. */
  readonly base: number;
  /** Kept when the next one begins. */
  readonly pinned: boolean;
  readonly run: SqlRun;
}

/** A result set as a sub-tab. */
export interface ResultTab {
  readonly entry: RunEntry;
  readonly statement: StatementResult;
  readonly result: NonNullable<StatementResult['result']>;
  readonly label: string;
}

export function resultTabs(entries: readonly RunEntry[]): ResultTab[] {
  return entries.flatMap((entry) =>
    entry.run.statements.flatMap((statement): ResultTab[] => {
      const { result } = statement;
      return result === undefined ? [] : [{ entry, statement, result, label: labelOf(statement) }];
    }),
  );
}

/** The table that the columns come from, if it is one; else which statement it was. */
function labelOf({ index, result }: StatementResult): string {
  const tables = new Set(result?.columns.map(({ origin }) => origin?.replace(/\.[^.]*$/, '')));
  const [first] = tables;
  const short = first?.replace(/^.*\./, '');
  return tables.size === 1 && short !== undefined && short !== '' ? short : `Result ${index + 1}`;
}

export function isOver({ state }: SqlRun): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

export function errorsOf(statement: StatementResult): SqlProblem[] {
  return statement.problems.filter(({ kind }) => kind === 'error');
}

/** What a statement came to, in one line. */
export function outcomeOf(statement: StatementResult): string {
  const { state, tag, result } = statement;
  if (state === 'done')
    return tag ?? (result === undefined ? 'done' : `${result.rows.toLocaleString()} rows`);
  if (state === 'failed') {
    const [error] = errorsOf(statement);
    return error === undefined ? 'failed' : error.message;
  }
  return state === 'skipped' ? 'not run: an earlier statement failed' : state;
}

/** Where an error stands in the run's text: its own place, else its statement's. */
export function placeOf(
  statement: StatementResult,
  { offset }: SqlProblem,
): { start: number; length: number } {
  if (offset !== undefined) return { start: offset, length: 0 };
  return { start: statement.offset, length: statement.length };
}

/** A key as the bridge wants it: no two runs ever have the same. */
export function newRunKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return `run_${[...random].map((byte) => (byte % 36).toString(36)).join('')}`;
}
