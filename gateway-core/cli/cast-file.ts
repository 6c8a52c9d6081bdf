import { type FileHandle, open, rm } from 'node:fs/promises';
import { Asciicast } from '../codec/terminal/asciicast.js';
import type { ReplayItem } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';

export interface WrittenCast {
  /** The statement whose terminal it is. */
  readonly seq: number;
  /** Statements with terminals that were left out. */
  readonly others: readonly number[];
  /** What of the recording is missing or damaged. */
  readonly problems: number;
}

const flushCharacters = 64 * 1024;

/**
 * Writes one terminal of a session as an asciicast: that of statement `wanted`, else the first. The file is this user's
 * alone; one that is there stays.
 * @throws ThroughlineError usage (the file), not-found (no such terminal)
 */
export async function writeCast(
  items: AsyncIterable<ReplayItem>,
  path: string,
  wanted: number | undefined,
): Promise<WrittenCast> {
  const file = await create(path);
  try {
    const written = await write(items, file, wanted);
    if (written !== undefined) return written;
  } catch (cause) {
    await rm(path, { force: true });
    throw cause;
  } finally {
    await file.close();
  }
  await rm(path, { force: true });
  throw new ThroughlineError('not-found', 'this session has no such terminal', {
    action: 'see what it has: throughline replay SESSION',
  });
}

async function write(
  items: AsyncIterable<ReplayItem>,
  file: FileHandle,
  wanted: number | undefined,
): Promise<WrittenCast | undefined> {
  let waiting = '';
  let problems = 0;
  const lines = new CastLines(wanted);
  for await (const item of items) {
    if (item.kind === 'problem') problems += 1;
    waiting += lines.add(item);
    if (waiting.length < flushCharacters) continue;
    await file.appendFile(waiting);
    waiting = '';
  }
  await file.appendFile(waiting);
  return lines.seq === undefined ? undefined : { seq: lines.seq, others: [...lines.others], problems };
}

class CastLines {
  seq: number | undefined;
  readonly others = new Set<number>();
  readonly #wanted: number | undefined;
  #cast: Asciicast | undefined;
  #startedAtMs = 0;
  #title = '';

  constructor(wanted: number | undefined) {
    this.#wanted = wanted;
  }

  add(item: ReplayItem): string {
    if (item.kind === 'session') {
      this.#startedAtMs = Date.parse(item.startedAt);
      this.#title = item.connection;
    }
    if (item.kind === 'terminal' || item.kind === 'size') this.#choose(item.seq);
    return this.#cast?.add(item) ?? '';
  }

  #choose(seq: number): void {
    if (this.seq === undefined && (this.#wanted ?? seq) === seq) {
      this.seq = seq;
      this.#cast = new Asciicast(seq, { startedAtMs: this.#startedAtMs, title: this.#title });
    }
    if (seq !== this.seq) this.others.add(seq);
  }
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ThroughlineError('usage', `the file ${path} cannot be made (${code})`, {
      action: code === 'EEXIST' ? 'choose another name' : 'check the path',
      cause,
    });
  }
}
