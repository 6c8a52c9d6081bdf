import { type FileHandle, open, rm } from 'node:fs/promises';
import { Asciicast } from '../codec/terminal/asciicast.js';
import type { ReplayItem } from '../contract/api.js';
import { type DataStream, isFileStream } from '../contract/data-streams.js';
import { ThroughlineError } from '../contract/errors.js';

/** A terminal as an asciicast, or what was kept of a file that moved. */
export type ReplayPart = 'terminal' | 'file';

export interface WrittenPart {
  /** The statement that it is of. */
  readonly seq: number;
  /** Statements that have one as well and were left out. */
  readonly others: readonly number[];
  /** What of the recording is missing or damaged. */
  readonly problems: number;
}

const flushBytes = 64 * 1024;

/**
 * Writes one part of a session's recording: that of statement `wanted`, else the first. The file is this user's alone;
 * one that is there stays.
 * @throws ThroughlineError usage (the file), not-found (no such part)
 */
export async function writeReplayPart(
  items: AsyncIterable<ReplayItem>,
  path: string,
  what: { readonly part: ReplayPart; readonly wanted: number | undefined },
): Promise<WrittenPart> {
  const file = await create(path);
  try {
    const written = await write(items, file, new Chosen(what.wanted, makers[what.part]));
    if (written !== undefined) return written;
  } catch (cause) {
    await rm(path, { force: true });
    throw cause;
  } finally {
    await file.close();
  }
  await rm(path, { force: true });
  throw new ThroughlineError('not-found', `this session has no such ${what.part}`, {
    action: 'see what it has: throughline replay SESSION',
  });
}

async function write(
  items: AsyncIterable<ReplayItem>,
  file: FileHandle,
  chosen: Chosen,
): Promise<WrittenPart | undefined> {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let problems = 0;
  const flush = async (): Promise<void> => {
    await file.appendFile(Buffer.concat(waiting));
    waiting = [];
    waitingBytes = 0;
  };
  for await (const item of items) {
    if (item.kind === 'problem') problems += 1;
    const bytes = chosen.add(item);
    waiting.push(bytes);
    waitingBytes += bytes.length;
    if (waitingBytes >= flushBytes) await flush();
  }
  await flush();
  return chosen.seq === undefined ? undefined : { seq: chosen.seq, others: [...chosen.others], problems };
}

type Session = Extract<ReplayItem, { kind: 'session' }>;

interface Maker {
  readonly has: (item: ReplayItem) => number | undefined;
  /** What the items of one statement are in the file. */
  readonly start: (seq: number, session: Session | undefined) => (item: ReplayItem) => Buffer;
}

const nothing = Buffer.alloc(0);

const makers: Readonly<Record<ReplayPart, Maker>> = {
  terminal: {
    has: (item) => (item.kind === 'terminal' || item.kind === 'size' ? item.seq : undefined),
    start: (seq, session) => {
      const startedAtMs = session === undefined ? 0 : Date.parse(session.startedAt);
      const cast = new Asciicast(seq, { startedAtMs, title: session?.connection ?? '' });
      return (item) => Buffer.from(cast.add(item));
    },
  },
  file: {
    has: (item) => (isFilePiece(item) ? item.seq : undefined),
    start: (seq) => {
      let stream: DataStream | undefined;
      return (item) => {
        if (!isFilePiece(item) || item.seq !== seq) return nothing;
        // A file that was read and written is one or the other: what came first.
        stream ??= item.stream;
        if (item.stream !== stream) return nothing;
        return Buffer.from(item.base64 ?? item.text, item.base64 === undefined ? 'utf8' : 'base64');
      };
    },
  },
};

class Chosen {
  seq: number | undefined;
  readonly others = new Set<number>();
  readonly #wanted: number | undefined;
  readonly #maker: Maker;
  #session: Session | undefined;
  #bytesOf: ((item: ReplayItem) => Buffer) | undefined;

  constructor(wanted: number | undefined, maker: Maker) {
    this.#wanted = wanted;
    this.#maker = maker;
  }

  add(item: ReplayItem): Buffer {
    if (item.kind === 'session') this.#session = item;
    const seq = this.#maker.has(item);
    if (seq !== undefined) this.#choose(seq);
    return this.#bytesOf?.(item) ?? nothing;
  }

  #choose(seq: number): void {
    if (this.seq === undefined && (this.#wanted ?? seq) === seq) {
      this.seq = seq;
      this.#bytesOf = this.#maker.start(seq, this.#session);
    }
    if (seq !== this.seq) this.others.add(seq);
  }
}

function isFilePiece(item: ReplayItem): item is Extract<ReplayItem, { kind: 'data' }> {
  return item.kind === 'data' && isFileStream(item.stream);
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
