import { type FileHandle, link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportView } from '../../contract/bridge/work.js';
import { ThroughlineError } from '../../contract/errors.js';
import { formatOf, type RowFormat } from './formats.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';
import type { SqlResult } from './result.js';
import { RowStore } from './row-store.js';
import { newKey, type Run } from './run.js';
import { problemOf } from './session.js';

const writeBytes = 256 * 1024;
const namesMax = 1000;
const rowsBetweenRests = 2000;

interface Held {
  view: ExportView;
  cancelled: boolean;
}

/** Writes results into files, in the background, each row once, whole or not at all. */
export class Exports {
  readonly #options: SqlEngineOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: SqlEngineOptions) {
    this.#options = options;
  }

  list(): ExportView[] {
    return [...this.#held.values()].map(({ view }) => view);
  }

  start(wanted: {
    readonly run: Run;
    readonly result: SqlResult;
    readonly format: ExportView['format'];
    readonly name: string;
    readonly view: boolean;
  }): ExportView {
    const { result } = wanted;
    const whole = wanted.view || result.state === 'done' || result.state === 'cut';
    const held: Held = {
      cancelled: false,
      view: {
        id: newKey('exp'),
        name: wanted.name,
        format: wanted.format,
        state: 'running',
        rows: 0,
        bytes: 0,
        path: '',
        maskedCells: 0,
        ...(whole ? { rowsTotal: wanted.view ? result.rows : result.store.rows } : {}),
      },
    };
    this.#held.set(held.view.id, held);
    const [oldest] = this.#held.keys();
    if (this.#held.size > sqlLimits.exportsMax && oldest !== undefined) this.#held.delete(oldest);
    this.#options.emit('export.changed', held.view);
    void this.#write(held, wanted);
    return held.view;
  }

  cancel(id: string): void {
    const held = this.#held.get(id);
    if (held !== undefined) held.cancelled = true;
  }

  cancelAll(): void {
    for (const held of this.#held.values()) held.cancelled = true;
  }

  async #write(
    held: Held,
    { run, result, format, name, view }: Parameters<Exports['start']>[0],
  ): Promise<void> {
    const directory = this.#options.exportDirectory();
    const partial = join(directory, `.${held.view.id}.part`);
    let file: FileHandle | undefined;
    try {
      file = await open(partial, 'wx', 0o600);
      const writer = new Writer(file, formatOf(format, result.columns), held, () => this.#tell(held));
      await writer.stored(result, view);
      if (!view && (result.state === 'paused' || result.state === 'streaming'))
        await writer.drain(run, result);
      await writer.finish();
      await file.sync();
      await file.close();
      file = undefined;
      const path = await publish(partial, directory, name, format);
      held.view = { ...held.view, path, state: 'done' };
    } catch (cause) {
      await file?.close().catch(() => undefined);
      await rm(partial, { force: true }).catch(() => undefined);
      held.view = held.cancelled
        ? { ...held.view, state: 'cancelled' }
        : { ...held.view, state: 'failed', error: fileProblem(cause, directory) };
    }
    this.#options.emit('export.changed', held.view);
  }

  #tell(held: Held): void {
    this.#options.emit('export.changed', held.view);
  }
}

class Writer {
  readonly #file: FileHandle;
  readonly #format: RowFormat;
  readonly #held: Held;
  readonly #tell: () => void;
  #text: string;
  #rows = 0;
  #bytes = 0;
  #masked = 0;
  #toldMs = 0;

  constructor(file: FileHandle, format: RowFormat, held: Held, tell: () => void) {
    this.#file = file;
    this.#format = format;
    this.#held = held;
    this.#tell = tell;
    this.#text = format.begin;
  }

  /** Rows that are loaded: all of them, or those of the view in its order. */
  async stored(result: SqlResult, view: boolean): Promise<void> {
    const order = view ? result.order : undefined;
    const count = order?.length ?? result.store.rows;
    for (let place = 0; place < count; place += 1) {
      this.#add(result.store, order === undefined ? place : (order[place] ?? 0));
      await this.#rest(place);
    }
  }

  /** The rest of the rows, as they come, without keeping them. */
  async drain(run: Run, result: SqlResult): Promise<void> {
    const waiting: Buffer[] = [];
    let wake: () => void = () => undefined;
    run.divert(result, (rows) => {
      waiting.push(rows);
      run.hold(true);
      wake();
    });
    try {
      for (;;) {
        const rows = waiting.shift();
        if (rows !== undefined) {
          await this.#run(rows);
          continue;
        }
        if (run.isOver || this.#held.cancelled) break;
        run.hold(false);
        await new Promise<void>((resolve) => {
          wake = resolve;
          // The end of the statement wakes nobody: look for it.
          setTimeout(resolve, 100);
        });
      }
    } finally {
      result.state = 'cut';
      run.divert(result, () => undefined);
      run.hold(false);
    }
    const failed = run.firstError();
    if (failed !== undefined)
      throw new ThroughlineError('target-refused', `the rows broke off: ${failed.message}`);
  }

  async finish(): Promise<void> {
    this.#text += this.#format.end;
    await this.#flush();
    this.#update();
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
    this.#masked += store.maskedIn(row).length;
    this.#text += this.#format.row(values, this.#rows === 0);
    this.#rows += 1;
  }

  async #rest(row: number): Promise<void> {
    if (this.#held.cancelled) throw new Error('cancelled');
    if (this.#text.length >= writeBytes) await this.#flush();
    else if (row % rowsBetweenRests === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    let at = 0;
    while (at < bytes.length) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#bytes += bytes.length;
    const now = performance.now();
    if (now - this.#toldMs < sqlLimits.exportTellIntervalMs) return;
    this.#toldMs = now;
    this.#update();
    this.#tell();
  }

  #update(): void {
    this.#held.view = {
      ...this.#held.view,
      rows: this.#rows,
      bytes: this.#bytes,
      maskedCells: this.#masked,
    };
  }
}

/** Gives the finished file its name; never another file's: a hard link fails where a rename would replace. */
async function publish(
  partial: string,
  directory: string,
  name: string,
  format: ExportView['format'],
): Promise<string> {
  const base = name.replace(/\.(csv|json|ndjson)$/i, '');
  for (let count = 1; count <= namesMax; count += 1) {
    const path = join(directory, `${base}${count === 1 ? '' : ` (${count})`}.${format}`);
    try {
      await link(partial, path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw cause;
    }
    await rm(partial, { force: true });
    return path;
  }
  throw new ThroughlineError('conflict', `${namesMax} files of this name are there already`);
}

function fileProblem(cause: unknown, directory: string): NonNullable<ExportView['error']> {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return {
      code: 'too-large',
      message: `the disk that holds ${directory} is full`,
      action: 'nothing was kept of the file',
    };
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOENT')
    return {
      code: 'denied',
      message: `${directory} cannot be written`,
      action: 'choose another folder in Settings',
    };
  return problemOf(cause);
}
