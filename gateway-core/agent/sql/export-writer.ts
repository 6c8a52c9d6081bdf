import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { SqlProblem } from '../../contract/bridge/sql.js';
import type { ExportView } from '../../contract/bridge/work.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { RowFormat } from '../../contract/result-text.js';
import { sqlLimits } from './limits.js';
import type { SqlResult } from './result.js';
import { RowStore } from './row-store.js';
import type { Run } from './run.js';

const writeBytes = 256 * 1024;
const rowsBetweenRests = 2000;

/** How far a writer is. */
export type Progress = Pick<ExportView, 'rows' | 'bytes' | 'maskedCells'>;

/** Writes the rows of one result into one file. Everything throws when `signal` says that nobody wants it any more. */
export class Writer {
  readonly #file: Pick<FileHandle, 'write'>;
  readonly #format: RowFormat;
  readonly #signal: AbortSignal;
  /** Called from time to time. */
  readonly #tell: (progress: Progress) => void;
  readonly #hash = createHash('sha256');
  #text: string;
  #rows = 0;
  #bytes = 0;
  #masked = 0;
  #toldMs = 0;

  constructor(
    file: Pick<FileHandle, 'write'>,
    format: RowFormat,
    signal: AbortSignal,
    tell: (progress: Progress) => void,
  ) {
    this.#file = file;
    this.#format = format;
    this.#signal = signal;
    this.#tell = tell;
    this.#text = format.begin;
  }

  /** Rows that are loaded, also those that are loaded meanwhile; or those of the view in its order. */
  async stored({ order, store }: Pick<SqlResult, 'order' | 'store'>): Promise<void> {
    for (let place = 0; place < (order?.length ?? store.rows); place += 1) {
      const row = order === undefined ? place : (order[place] ?? 0);
      this.#add(store, row);
      this.#masked += store.maskedIn(row).length;
      await this.#rest(place);
    }
  }

  /**
   * The rest of the rows, as they come, without keeping them. INVARIANT: nothing comes between the last row of `stored`
   * and this: both ends are in one turn of the event loop.
   */
  async drain(run: Pick<Run, 'divert' | 'hold' | 'release'>, result: SqlResult): Promise<void> {
    const waiting: Buffer[] = [];
    let ended: { readonly problem: SqlProblem | undefined } | undefined;
    let wake: () => void = () => undefined;
    const awake = (): void => wake();
    this.#signal.addEventListener('abort', awake);
    run.divert(result, {
      rows: (rows) => {
        waiting.push(rows);
        run.hold(result, true);
        wake();
      },
      masked: (cells) => {
        this.#masked += cells;
      },
      end: (problem) => {
        ended = { problem };
        wake();
      },
    });
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const rows = waiting.shift();
        if (rows !== undefined) await this.#run(rows);
        else if (ended !== undefined) break;
        else {
          const woken = new Promise<void>((resolve) => {
            wake = resolve;
          });
          run.hold(result, false);
          await woken;
        }
      }
    } finally {
      this.#signal.removeEventListener('abort', awake);
      run.release(result);
    }
    if (ended.problem !== undefined)
      throw new ThroughlineError('target-refused', `the rows broke off: ${ended.problem.message}`);
  }

  async finish(): Promise<Progress> {
    this.#text += this.#format.end;
    await this.#flush();
    this.#signal.throwIfAborted();
    return this.#progress();
  }

  async #run(rows: Buffer): Promise<void> {
    const store = new RowStore();
    store.add(rows, 0, rows.length);
    for (let row = 0; row < store.rows; row += 1) {
      this.#add(store, row);
      await this.#rest(row);
    }
  }

  #add(store: RowStore, row: number): void {
    const width = store.read(row);
    const values: (string | null)[] = [];
    for (let column = 0; column < width; column += 1)
      values.push(store.value(row, column)?.toString('utf8') ?? null);
    this.#text += this.#format.row(values, this.#rows === 0);
    this.#rows += 1;
  }

  /** Of the finished file, hex. */
  sha256(): string {
    return this.#hash.digest('hex');
  }

  async #rest(row: number): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#text.length >= writeBytes) await this.#flush();
    else if (row % rowsBetweenRests === rowsBetweenRests - 1)
      await new Promise((resolve) => setImmediate(resolve));
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    let at = 0;
    while (at < bytes.length) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    const now = performance.now();
    if (now - this.#toldMs < sqlLimits.exportTellIntervalMs) return;
    this.#toldMs = now;
    this.#tell(this.#progress());
  }

  #progress(): Progress {
    return { rows: this.#rows, bytes: this.#bytes, maskedCells: this.#masked };
  }
}
