import { randomBytes } from 'node:crypto';
import { type NoticeField, noticeField, rowsOfTag } from '../../codec/postgres/backend.js';
import { backendTypes } from '../../codec/postgres/messages.js';
import type { SqlProblem, SqlRun, StatementResult } from '../../contract/bridge/sql.js';
import { sqlLimits } from './limits.js';
import type { MarkedColumns } from './marks.js';
import { SqlResult, type Tap } from './result.js';
import { offsetOfPosition, type StatementSpan } from './splitter.js';
import type { QuerySink, WireSession } from './wire.js';

export const newKey = (kind: 'sql' | 'res' | 'exp' | 'his'): string =>
  `${kind}_${randomBytes(8).toString('hex')}`;

interface Statement {
  readonly span: StatementSpan;
  readonly text: string;
  state: StatementResult['state'];
  tag: string | undefined;
  durationMs: number | undefined;
  readonly problems: SqlProblem[];
  problemsCut: boolean;
  result: SqlResult | undefined;
}

export interface RunOptions {
  readonly run: string;
  readonly session: string;
  readonly connection: string;
  readonly text: string;
  readonly spans: readonly StatementSpan[];
  readonly rowsMax: number;
  readonly nowMs: () => number;
  /** Called whenever something changed; the engine tells it on at its own pace. */
  readonly changed: () => void;
  /** Bytes that all results together hold now. */
  readonly bytesHeld: () => number;
}

/** One run of the editor: its statements one after the other, with what came of each. */
export class Run {
  readonly options: RunOptions;
  readonly statements: Statement[];
  readonly startedAtMs: number;
  #endedAtMs: number | undefined;
  #state: SqlRun['state'] = 'running';
  #wire: WireSession | undefined;
  #current: Statement | undefined;
  cancelled = false;
  #over: () => void = () => undefined;
  /** Resolves when the run is over, however that came. */
  readonly ended = new Promise<void>((resolve) => {
    this.#over = resolve;
  });

  constructor(options: RunOptions) {
    this.options = options;
    this.startedAtMs = options.nowMs();
    this.statements = options.spans.map((span) => ({
      span,
      text: options.text.slice(span.offset, span.offset + span.length),
      state: 'waiting',
      tag: undefined,
      durationMs: undefined,
      problems: [],
      problemsCut: false,
      result: undefined,
    }));
  }

  get isOver(): boolean {
    return this.#endedAtMs !== undefined;
  }

  get state(): SqlRun['state'] {
    return this.#state;
  }

  results(): SqlResult[] {
    return this.statements.flatMap(({ result }) => (result === undefined ? [] : [result]));
  }

  /**
   * Runs all statements; stops at the first that fails. Never throws: what went wrong stands in the run. `opens` says
   * whether a transaction has to be opened before a statement.
   */
  async run(wire: WireSession, opens: (text: string) => boolean): Promise<void> {
    this.#wire = wire;
    for (const statement of this.statements) {
      if (this.#state !== 'running' || this.cancelled) break;
      await this.#runOne(wire, statement, opens(statement.text));
    }
    this.#wire = undefined;
    this.#leaveRest();
    if (this.#state === 'running' || this.#state === 'paused')
      this.#state = this.cancelled ? 'cancelled' : 'done';
    this.#endedAtMs = this.options.nowMs();
    this.options.changed();
    this.#over();
  }

  #leaveRest(): void {
    for (const statement of this.statements)
      if (statement.state === 'waiting') statement.state = this.cancelled ? 'cancelled' : 'skipped';
  }

  async #runOne(wire: WireSession, statement: Statement, inTransaction: boolean): Promise<void> {
    this.#current = statement;
    statement.state = 'running';
    this.options.changed();
    const startedMs = performance.now();
    try {
      if (inTransaction) await wire.query('BEGIN', this.#sink(statement));
      statement.tag = undefined;
      if (errorOf(statement) === undefined) await wire.query(statement.text, this.#sink(statement));
    } catch (cause) {
      this.#broken(statement, cause);
    }
    statement.durationMs = performance.now() - startedMs;
    this.#current = undefined;
    this.#settle(statement);
  }

  /** Rows come on until `rowsMax` of the result. */
  more(result: SqlResult, rowsMax: number): void {
    result.rowsMax = Math.max(result.rowsMax, result.store.rows + rowsMax);
    this.#resume(result);
  }

  /** All rows that come from now on go to `tap`, which is told when there are no more. */
  divert(result: SqlResult, tap: Tap): void {
    if (this.#current?.result !== result) {
      tap.end(undefined);
      return;
    }
    result.tap = tap;
    // Marks come before their rows: some may have come already.
    tap.masked(result.store.takeMarksAhead());
    this.#resume(result);
  }

  /** The tap takes no more: what comes from now on is kept again, unless something is missing before it. */
  release(result: SqlResult): void {
    result.tap = undefined;
    if (result.dropped && result.state === 'streaming') result.state = 'cut';
    this.hold(result, false);
  }

  /** A slow reader of a tap. Only while its own statement runs: others pause for reasons of their own. */
  hold(result: SqlResult, on: boolean): void {
    if (this.#current?.result !== result) return;
    if (on) this.#wire?.pause();
    else this.#wire?.resume();
  }

  /** What comes of the statement that runs now is not wanted any more. */
  giveUp(): void {
    this.cancelled = true;
    for (const result of this.results()) {
      if (result.state === 'paused' || result.state === 'streaming') {
        if (result.state === 'paused') result.state = 'cut';
        this.#wire?.resume();
      }
    }
  }

  view(): SqlRun {
    const { options } = this;
    return {
      run: options.run,
      key: options.session,
      connection: options.connection,
      state: this.#state,
      startedAt: new Date(this.startedAtMs).toISOString(),
      durationMs: (this.#endedAtMs ?? options.nowMs()) - this.startedAtMs,
      statements: this.statements.map((each, index) => ({
        index,
        offset: each.span.offset,
        length: each.span.length,
        state: each.state,
        problems: each.problems,
        problemsCut: each.problemsCut,
        ...(each.tag === undefined ? {} : { tag: each.tag }),
        ...(each.durationMs === undefined ? {} : { durationMs: each.durationMs }),
        ...(each.result === undefined ? {} : { result: each.result.head() }),
      })),
    };
  }

  rows(): number | undefined {
    const counts = this.statements.flatMap(({ tag }) => (tag === undefined ? [] : [rowsOfTag(tag) ?? 0]));
    return counts.length === 0 ? undefined : counts.reduce((sum, each) => sum + each, 0);
  }

  firstError(): SqlProblem | undefined {
    return this.statements.map(errorOf).find((each) => each !== undefined);
  }

  #resume(result: SqlResult): void {
    if (result.state !== 'paused') return;
    result.state = 'streaming';
    if (this.#state === 'paused') this.#state = 'running';
    this.#wire?.resume();
    this.options.changed();
  }

  #sink(statement: Statement): QuerySink {
    let marks: MarkedColumns = [];
    return {
      marked: (told) => {
        if ('columns' in told) marks = told.columns;
        else markCells(statement.result, told.cells);
      },
      columns: (columns) => {
        statement.result = new SqlResult(newKey('res'), columns, marks, this.options.rowsMax);
        statement.result.keeper = this.#wire?.keeper;
        this.options.changed();
      },
      rows: (buffer, start, end) => this.#rows(statement.result, buffer, start, end),
      copied: (bytes) => {
        statement.result ??= new SqlResult(newKey('res'), [copyColumn], [], this.options.rowsMax);
        this.#copied(statement.result, bytes);
      },
      complete: (tag) => {
        statement.tag = tag;
      },
      failed: (fields) => this.#problem(statement, fields, 'error'),
      noticed: (fields) => this.#problem(statement, fields, 'notice'),
    };
  }

  #rows(result: SqlResult | undefined, buffer: Uint8Array, start: number, end: number): void {
    if (result === undefined) return;
    if (result.tap !== undefined) {
      result.dropped = true;
      result.tap.rows(Buffer.from(buffer.subarray(start, end)));
      return;
    }
    if (result.state === 'cut') {
      result.dropped = true;
      return;
    }
    result.store.add(buffer, start, end);
    const full =
      result.store.rows >= result.rowsMax ||
      result.store.bytes >= sqlLimits.resultBytesMax ||
      this.options.bytesHeld() >= sqlLimits.allBytesMax;
    if (full && this.cancelled) result.state = 'cut';
    else if (full && result.state === 'streaming') {
      result.state = 'paused';
      this.#state = 'paused';
      this.#wire?.pause();
    }
    this.options.changed();
  }

  /** One line is one row of one text column. */
  #copied(result: SqlResult, bytes: Uint8Array): void {
    const text = bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
    const row = Buffer.alloc(11 + text.length, backendTypes.dataRow);
    row.writeInt32BE(10 + text.length, 1);
    row.writeInt16BE(1, 5);
    row.writeInt32BE(text.length, 7);
    row.set(text, 11);
    this.#rows(result, row, 0, row.length);
  }

  #problem(statement: Statement, fields: readonly NoticeField[], kind: SqlProblem['kind']): void {
    if (statement.problems.length >= sqlLimits.problemsMax) {
      statement.problemsCut = true;
      if (kind === 'notice') return;
      statement.problems.pop();
    }
    statement.problems.push(problemOf(statement, fields, kind));
    this.options.changed();
  }

  #broken(statement: Statement, cause: unknown): void {
    if (errorOf(statement) !== undefined) return;
    const lost = this.#wire?.ended === true;
    statement.problems.push({
      kind: 'error',
      severity: lost ? 'FATAL' : 'ERROR',
      // Connection failure; else it is the text itself that cannot be sent: character not in repertoire.
      code: lost ? '08006' : '22021',
      message: cause instanceof Error ? cause.message : 'the session ended',
    });
  }

  #settle(statement: Statement): void {
    const error = errorOf(statement);
    if (error === undefined) statement.state = 'done';
    else {
      // The same code also says that a timeout or somebody else ended it, and that COPY got no data.
      statement.state = this.cancelled && error.code === '57014' ? 'cancelled' : 'failed';
      this.#state = statement.state;
      this.#leaveRest();
    }
    const { result } = statement;
    if (result !== undefined && (result.state === 'streaming' || result.state === 'paused'))
      result.state = error === undefined && !result.dropped ? 'done' : 'cut';
    result?.tap?.end(error);
    // Its last rows may have paused what is over now.
    if (this.#state === 'paused') this.#state = 'running';
    this.#wire?.resume();
    this.options.changed();
  }
}

function errorOf({ problems }: Statement): SqlProblem | undefined {
  return problems.find(({ kind }) => kind === 'error');
}

const copyColumn = {
  name: 'copy',
  tableOid: 0,
  columnNumber: 0,
  typeOid: 25,
  typeSize: -1,
  typeModifier: -1,
  format: 0,
} as const;

function markCells(result: SqlResult | undefined, cells: readonly number[]): void {
  if (result === undefined) return;
  if (result.tap !== undefined) {
    // Their rows must not come into the store without them.
    result.dropped = true;
    return result.tap.masked(cells.length / 2);
  }
  if (result.state === 'cut') return;
  for (let at = 0; at + 1 < cells.length; at += 2) result.store.mark(cells[at] ?? 0, cells[at + 1] ?? 0);
}

/** `Policy: a, b (version c).` as the gateway words it. */
const policyDetail = /^Policy: (.+) \(version [^)]*\)\.$/;

function problemOf(
  statement: Statement,
  fields: readonly NoticeField[],
  kind: SqlProblem['kind'],
): SqlProblem {
  const field = (code: string) => noticeField(fields, code);
  const position = Number(field('P') ?? 0);
  const message = field('M') ?? 'no message';
  const detail = field('D');
  const hint = field('H');
  const byGateway = kind === 'error' && message.startsWith('throughline: ');
  // insufficient_privilege: what the gateway cannot read is an error like any other.
  const denied = byGateway && field('C') === '42501';
  return {
    kind,
    severity: field('V') ?? field('S') ?? 'ERROR',
    code: field('C') ?? '',
    message: byGateway ? message.slice('throughline: '.length) : message,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(position > 0 ? { offset: statement.span.offset + offsetOfPosition(statement.text, position) } : {}),
    ...(denied
      ? { denied: { policy: policyDetail.exec(detail ?? '')?.[1] ?? '', action: hint ?? 'ask an admin' } }
      : {}),
  };
}
