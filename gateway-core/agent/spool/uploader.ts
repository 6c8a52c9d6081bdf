import { ThroughlineError } from '../../contract/errors.js';
import { type SpoolAck, type SpoolAppend, spoolLimits } from '../../contract/local-record.js';
import type { SpoolClock } from './clock.js';
import type { SpoolFiles } from './files.js';
import { spoolBounds } from './limits.js';
import { type Position, Segment } from './segment.js';
import type { WrittenSegment } from './writer.js';

export interface UploaderOptions {
  readonly files: SpoolFiles;
  readonly spoolKey: Buffer;
  readonly gateway: string;
  readonly clock: SpoolClock;
  /** In [0, 1). */
  readonly random: () => number;
  /** @throws ThroughlineError */
  readonly send: (device: string, segment: number, body: SpoolAppend) => Promise<SpoolAck>;
  /** Everything that waits, oldest first. */
  readonly segments: () => readonly WrittenSegment[];
  /** The gateway has all of it and knows that no more will come. */
  readonly done: (segment: WrittenSegment) => void;
  /** The gateway holds something else under this name; `lost`: records that it will not take. */
  readonly forked: (segment: WrittenSegment, lost: number, reason: string) => Promise<void>;
  /** The file does not hold what was written to it, from `at` on. */
  readonly damaged: (segment: WrittenSegment, at: Position) => Promise<void>;
  /** The file is not there any more, and nobody here removed it. */
  readonly gone: (segment: WrittenSegment) => Promise<void>;
  readonly changed: () => void;
  readonly bytesPerSecond?: number;
  readonly requestBytesMax?: number;
}

export interface Refused {
  readonly segment: number;
  readonly reason: string;
}

/** What waits at this desktop. */
export interface Backlog {
  readonly records: number;
  readonly bytes: number;
  /** RFC 3339. */
  readonly oldestAt: string | undefined;
}

interface Progress {
  /** What the gateway has acknowledged, where this process knows. */
  position: Position | undefined;
  attempts: number;
  conflicts: number;
  /** By the monotonic clock. */
  dueMs: number;
  refused: string | undefined;
}

/** Codes that say: later. Anything else says that this will not be taken as it is. */
const passing: ReadonlySet<string> = new Set([
  'gateway-unreachable',
  'rate-limited',
  'busy',
  'internal',
  'not-recordable',
  'not-signed-in',
  'proof-nonce',
  'proof-invalid',
]);

const conflictsMax = 3;

/**
 * Brings segments to the gateway: exactly once, because every request says from which record on, and both sides keep
 * the same chain over all of them. One request at a time; a segment that is not taken waits by itself.
 */
export class Uploader {
  readonly #options: UploaderOptions;
  readonly #progress = new Map<number, Progress>();
  readonly #bucket: Bucket;
  #wake = new AbortController();
  /** Aborted while nothing is waited for. */
  #hurry = new AbortController();
  /** Aborted by `close`: an answer that is still on its way is nobody's any more. */
  readonly #closed = new AbortController();
  #running: Promise<void> | undefined;
  #waiting: string | undefined;

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.#bucket = new Bucket(options.bytesPerSecond ?? spoolBounds.uploadBytesPerSecond, options.clock);
  }

  /** Why nothing goes through at the moment; undefined while it does. */
  get waiting(): string | undefined {
    return this.#waiting;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something new. */
  nudge(): void {
    this.#wake.abort();
  }

  /** The gateway is back: what waited for it is tried at once. */
  retry(): void {
    for (const progress of this.#progress.values()) {
      progress.dueMs = 0;
      progress.attempts = 0;
    }
    this.nudge();
  }

  /** Without waiting for more, until nothing is left, or nothing gets through, or `signal` aborts. */
  async flush(signal: AbortSignal): Promise<void> {
    this.#hurry.abort();
    this.start();
    this.retry();
    while (!signal.aborted && this.#left().some(({ attempts }) => attempts === 0))
      await this.#options.clock.wait(flushLookMs, signal);
    this.#hurry = new AbortController();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#hurry.abort();
    this.nudge();
    await this.#running;
  }

  refused(): readonly Refused[] {
    return [...this.#progress].flatMap(([segment, { refused }]) =>
      refused === undefined ? [] : [{ segment, reason: refused }],
    );
  }

  backlog(): Backlog {
    let records = 0;
    let bytes = 0;
    let oldestMs: number | undefined;
    for (const segment of this.#options.segments()) {
      const position = this.#progress.get(segment.number)?.position;
      const acknowledged = position?.number ?? 0;
      if (segment.records <= acknowledged) continue;
      records += segment.records - acknowledged;
      bytes += segment.recordBytes - (position?.recordBytes ?? 0);
      const atMs = segment.times.findLast(({ number }) => number <= acknowledged)?.atMs;
      if (atMs !== undefined && (oldestMs === undefined || atMs < oldestMs)) oldestMs = atMs;
    }
    return {
      records,
      bytes,
      oldestAt: oldestMs === undefined ? undefined : new Date(oldestMs).toISOString(),
    };
  }

  /** Of segments of which the gateway lacks something. */
  #left(): Progress[] {
    return this.#options
      .segments()
      .map((segment) => ({ segment, progress: this.#progressOf(segment.number) }))
      .filter(({ segment, progress }) => this.#lacks(segment, progress))
      .map(({ progress }) => progress);
  }

  #lacks(segment: WrittenSegment, { position }: Progress): boolean {
    return segment.closed || segment.records > (position?.number ?? 0);
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let idle = false;
    while (!this.#closed.signal.aborted) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      const next = this.#next();
      if ('waitMs' in next) {
        idle = true;
        await clock.wait(next.waitMs, this.#wake.signal);
        continue;
      }
      if (idle) await clock.wait(spoolBounds.gatherMs, this.#hurry.signal);
      idle = false;
      await this.#attempt(next.segment, next.progress);
      this.#options.changed();
    }
  }

  /** The oldest segment that has something to send and is not waiting. */
  #next(): { segment: WrittenSegment; progress: Progress } | { waitMs: number } {
    const nowMs = this.#options.clock.monoMs();
    let waitMs: number = spoolBounds.backOffMsMax;
    const present = new Set<number>();
    for (const segment of this.#options.segments()) {
      present.add(segment.number);
      const progress = this.#progressOf(segment.number);
      if (!this.#lacks(segment, progress)) continue;
      if (progress.dueMs <= nowMs) return { segment, progress };
      waitMs = Math.min(waitMs, progress.dueMs - nowMs);
    }
    for (const number of this.#progress.keys()) if (!present.has(number)) this.#progress.delete(number);
    return { waitMs };
  }

  #progressOf(number: number): Progress {
    let progress = this.#progress.get(number);
    if (progress === undefined) {
      progress = { position: undefined, attempts: 0, conflicts: 0, dueMs: 0, refused: undefined };
      this.#progress.set(number, progress);
    }
    return progress;
  }

  async #attempt(segment: WrittenSegment, progress: Progress): Promise<void> {
    try {
      const { files, spoolKey, gateway } = this.#options;
      const file = Segment.open({ files, spoolKey, gateway }, segment.path);
      if (file === undefined && !files.exists(segment.path)) return await this.#options.gone(segment);
      if (file === undefined) throw new ThroughlineError('internal', 'the segment cannot be opened');
      try {
        await this.#step(segment, progress, file);
      } finally {
        file.close();
      }
    } catch (error) {
      // Setting it apart may fail, too: then it waits like any other.
      await this.#failed(segment, progress, error).catch(() => this.#putOff(progress));
    }
  }

  async #step(segment: WrittenSegment, progress: Progress, file: Segment): Promise<void> {
    const from = progress.position ?? file.start;
    // A long segment may be there already: ask before sending it all.
    const asks = progress.position === undefined && segment.records > spoolLimits.recordsPerAppendMax;
    const { requestBytesMax = spoolBounds.requestBytesMax } = this.#options;
    const texts: string[] = [];
    let bytes = 0;
    const read = file.read(from, segment.end, asks ? 0 : spoolLimits.recordsPerAppendMax, ({ text }) => {
      const size = Buffer.byteLength(JSON.stringify(text)) + 1;
      if (texts.length > 0 && bytes + size > requestBytesMax) return false;
      texts.push(text);
      bytes += size;
      return true;
    });
    if (read.end === 'torn' || read.end === 'damaged') {
      if (texts.length === 0) return this.#options.damaged(segment, read.at);
    }
    const last = segment.closed && read.at.offset === segment.end;
    const { records, bytes: waiting, oldestAt } = this.backlog();
    await this.#bucket.take(bytes, this.#hurry.signal);
    const ack = await this.#unlessClosed(
      this.#options.send(file.device, file.number, {
        from: from.number,
        records: texts,
        ...(last ? { last } : {}),
        backlog: { records, bytes: waiting, ...(oldestAt === undefined ? {} : { oldestAt }) },
      }),
    );
    const at = ack.next === read.at.number ? read.at : positionAt(file, segment.end, ack.next, from);
    if (at === undefined)
      return this.#fork(segment, progress, 'the gateway holds more of it than was written here');
    if (at.head.toString('hex') !== ack.head)
      return this.#fork(segment, progress, 'the gateway holds other records than were written here');
    Object.assign(progress, { position: at, attempts: 0, conflicts: 0, refused: undefined });
    this.#waiting = undefined;
    if (last && at.offset === segment.end) this.#options.done(segment);
  }

  #unlessClosed<T>(sent: Promise<T>): Promise<T> {
    const { signal } = this.#closed;
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(new ThroughlineError('busy', 'the spool is closed'));
      if (signal.aborted) closed();
      signal.addEventListener('abort', closed);
      sent.then(resolve, reject).finally(() => signal.removeEventListener('abort', closed));
    });
  }

  async #failed(segment: WrittenSegment, progress: Progress, error: unknown): Promise<void> {
    const known = error instanceof ThroughlineError ? error : undefined;
    const next = known?.code === 'conflict' ? known.fields['next'] : undefined;
    if (typeof next === 'number' && progress.conflicts < conflictsMax) {
      progress.conflicts += 1;
      return this.#rewind(segment, progress, next);
    }
    if (known?.code === 'verification-failed') {
      return this.#fork(segment, progress, 'other records are at the gateway already under this name');
    }
    const reason = known?.message ?? 'it could not be read or sent from here';
    progress.conflicts = 0;
    if (known === undefined || passing.has(known.code)) {
      this.#waiting = reason;
      progress.refused = undefined;
      progress.attempts += 1;
    } else {
      progress.refused = reason;
      progress.attempts = Number.POSITIVE_INFINITY;
    }
    this.#putOff(progress);
  }

  #putOff(progress: Progress): void {
    const { backOffMsMin, backOffMsMax } = spoolBounds;
    const delayMs = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.max(0, progress.attempts - 1));
    progress.dueMs =
      this.#options.clock.monoMs() + Math.max(backOffMsMin, delayMs * (0.5 + this.#options.random() / 2));
  }

  #fork(segment: WrittenSegment, progress: Progress, reason: string): Promise<void> {
    return this.#options.forked(segment, segment.records - (progress.position?.number ?? 0), reason);
  }

  /** The gateway goes on elsewhere: it may have less than it had (an older copy of it), never something else. */
  async #rewind(segment: WrittenSegment, progress: Progress, next: number): Promise<void> {
    const { files, spoolKey, gateway } = this.#options;
    const file = Segment.open({ files, spoolKey, gateway }, segment.path);
    try {
      const at = file === undefined ? undefined : positionAt(file, segment.end, next, file.start);
      if (at === undefined)
        return await this.#fork(segment, progress, 'the gateway holds more of it than was written here');
      progress.position = at;
    } finally {
      file?.close();
    }
  }
}

const flushLookMs = 20;

/** Where the record with this number begins; undefined when the file does not reach it. */
function positionAt(file: Segment, end: number, number: number, from: Position): Position | undefined {
  const start = number >= from.number ? from : file.start;
  const { at } = file.read(start, end, number - start.number, () => true);
  return at.number === number ? at : undefined;
}

/** So many bytes a second, and those of one second at once. */
class Bucket {
  readonly #rate: number;
  readonly #clock: SpoolClock;
  #level: number;
  #atMs: number;

  constructor(bytesPerSecond: number, clock: SpoolClock) {
    this.#rate = bytesPerSecond;
    this.#clock = clock;
    this.#level = bytesPerSecond;
    this.#atMs = clock.monoMs();
  }

  /** Resolves when they may be sent, or when `hurry` aborts. */
  async take(bytes: number, hurry: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monoMs();
    this.#level = Math.min(this.#rate, this.#level + ((nowMs - this.#atMs) * this.#rate) / 1000) - bytes;
    this.#atMs = nowMs;
    if (this.#level < 0) await this.#clock.wait((-this.#level * 1000) / this.#rate, hurry);
  }
}
