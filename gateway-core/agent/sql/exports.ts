import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { QueryName } from '../../contract/bridge/app.js';
import type { ExportView } from '../../contract/bridge/work.js';
import { ThroughlineError } from '../../contract/errors.js';
import { formatOf } from '../../contract/result-text.js';
import { Writer } from './export-writer.js';
import { sqlLimits } from './limits.js';
import type { SqlEngineOptions } from './options.js';
import type { SqlResult } from './result.js';
import { newKey, type Run } from './run.js';
import { problemOf } from './session.js';

const namesMax = 1000;

interface Held {
  view: ExportView;
  readonly stop: AbortController;
  readonly written: Promise<void>;
}

export interface ExportWanted {
  readonly run: Pick<Run, 'divert' | 'hold' | 'release'>;
  readonly result: SqlResult;
  readonly format: ExportView['format'];
  readonly name: string;
  /** Only what the view shows, in its order. */
  readonly view: boolean;
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

  /** @throws ThroughlineError invalid-request (the name), conflict (rows that cannot be had any more, or not twice) */
  start(wanted: ExportWanted): ExportView {
    const { result, view } = wanted;
    if (!QueryName.safeParse(wanted.name).success)
      throw new ThroughlineError('invalid-request', 'this is no name for a file', {
        action: 'choose another',
      });
    if (!view) checkWhole(result);
    const whole = view || result.state === 'done';
    const first: ExportView = {
      id: newKey('exp'),
      name: wanted.name,
      format: wanted.format,
      state: 'running',
      rows: 0,
      bytes: 0,
      path: '',
      maskedCells: 0,
      ...(whole ? { rowsTotal: view ? result.rows : result.store.rows } : {}),
    };
    const stop = new AbortController();
    if (!view) result.claimed = true;
    const written = this.#write(first, wanted, stop.signal);
    this.#held.set(first.id, { view: first, stop, written });
    this.#forgetOldest();
    this.#options.emit('export.changed', first);
    return first;
  }

  cancel(id: string): void {
    this.#held.get(id)?.stop.abort();
  }

  cancelAll(): void {
    for (const { stop } of this.#held.values()) stop.abort();
  }

  /** When no export writes any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ written }) => written));
  }

  /** One that still runs is not forgotten: nobody could stop it. */
  #forgetOldest(): void {
    for (const [id, { view }] of this.#held) {
      if (this.#held.size <= sqlLimits.exportsMax) return;
      if (view.state !== 'running') this.#held.delete(id);
    }
  }

  async #write(first: ExportView, wanted: ExportWanted, signal: AbortSignal): Promise<void> {
    // `start` answers before anything is told.
    await Promise.resolve();
    let directory = '';
    let partial: string | undefined;
    let file: FileHandle | undefined;
    try {
      directory = this.#options.exportDirectory();
      partial = join(directory, `.${first.id}.part`);
      file = await open(partial, 'wx', 0o600);
      const { result, run, format } = wanted;
      const writer = new Writer(file, formatOf(format, result.columns), signal, (progress) =>
        this.#tell(first.id, progress),
      );
      await writer.stored({ store: result.store, order: wanted.view ? result.order : undefined });
      if (!wanted.view && (result.state === 'paused' || result.state === 'streaming'))
        await writer.drain(run, result);
      const progress = await writer.finish();
      await file.sync();
      await file.close();
      file = undefined;
      signal.throwIfAborted();
      const path = await publish(partial, directory, wanted);
      const { rows, bytes } = progress;
      result.keeper?.({ format, rows, bytes, sha256: writer.sha256() });
      this.#tell(first.id, { ...progress, path, state: 'done' });
    } catch (cause) {
      await file?.close().catch(() => undefined);
      if (partial !== undefined) await rm(partial, { force: true }).catch(() => undefined);
      this.#tell(
        first.id,
        signal.aborted ? { state: 'cancelled' } : { state: 'failed', error: fileProblem(cause, directory) },
      );
    } finally {
      if (!wanted.view) wanted.result.claimed = false;
    }
  }

  #tell(id: string, change: Partial<ExportView>): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.view = { ...held.view, ...change };
    this.#options.emit('export.changed', held.view);
  }
}

/** A file with some of the rows must not look like one with all of them. */
function checkWhole({ state, claimed }: SqlResult): void {
  if (state === 'cut')
    throw new ThroughlineError('conflict', 'some rows of this result were not kept', {
      action: 'run it again, or export only what is shown',
    });
  if (claimed && state !== 'done')
    throw new ThroughlineError('conflict', 'another export reads the rest of this result', {
      action: 'wait for it, or stop it',
    });
}

/** Gives the finished file its name; never another file's. */
async function publish(
  partial: string,
  directory: string,
  { name, format }: Pick<ExportWanted, 'name' | 'format'>,
): Promise<string> {
  const base = name.replace(/\.(csv|json|ndjson)$/i, '');
  for (let count = 1; count <= namesMax; count += 1) {
    const path = join(directory, `${base}${count === 1 ? '' : ` (${count})`}.${format}`);
    try {
      await moveTo(partial, path);
      return path;
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
  }
  throw new ThroughlineError('conflict', `${namesMax} files of this name are there already`);
}

/** Where file systems have no hard links (FAT, some shares). */
const noLinks: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

/** A hard link fails where a rename would replace. @throws EEXIST */
async function moveTo(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
  } catch (cause) {
    if (!noLinks.has(codeOf(cause))) throw cause;
    // The name is ours from here on: what is replaced is the empty file that this makes.
    await (await open(path, 'wx', 0o600)).close();
    return rename(partial, path);
  }
  await rm(partial, { force: true });
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
}

function fileProblem(cause: unknown, directory: string): NonNullable<ExportView['error']> {
  if (cause instanceof ThroughlineError) return problemOf(cause);
  const code = codeOf(cause) ?? 'no reason given';
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return {
      code: 'too-large',
      message: `the disk that holds ${directory} is full`,
      action: 'nothing was kept of the file',
    };
  if (['EACCES', 'EROFS', 'ENOENT', 'ENOTDIR', 'EPERM'].includes(code))
    return {
      code: 'denied',
      message: `${directory} cannot be written`,
      action: 'choose another folder in Settings',
    };
  if (code === 'ENAMETOOLONG')
    return { code: 'invalid-request', message: 'the name is too long', action: 'choose a shorter one' };
  return {
    code: 'internal',
    message: `the file could not be written (${code})`,
    action: 'nothing was kept of the file: try another folder',
  };
}
