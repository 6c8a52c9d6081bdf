import { ThroughlineError } from '../../contract/errors.js';
import { type LocalRecord, spoolLimits } from '../../contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../recording/spool-head.js';
import { type SpoolClock, stamp } from './clock.js';
import { type SpoolFiles, systemCode } from './files.js';
import { headerBytes, newHeader, sealFrame } from './format.js';
import { spoolBounds } from './limits.js';

/** A directory that this process alone writes to, and the numbers that are its own. */
export interface Claim {
  readonly directory: string;
  readonly firstSegment: number;
}

export interface WriterOptions {
  readonly files: SpoolFiles;
  readonly spoolKey: Buffer;
  readonly gateway: string;
  readonly device: string;
  readonly clock: SpoolClock;
  /** Again after a claim was lost: this process was thought dead, and its directory taken over. */
  readonly claim: () => Promise<Claim>;
  /** Something became durable, or the state changed. */
  readonly changed: () => void;
  readonly reserveBytes?: number;
  readonly segmentBytesMax?: number;
}

/** What the writer has in one segment. */
export interface WrittenSegment {
  readonly number: number;
  readonly path: string;
  /** No record will be added. */
  readonly closed: boolean;
  /** The file's length up to which everything is durable. */
  readonly end: number;
  readonly records: number;
  readonly recordBytes: number;
  /** When records were written, to the second: from this number on. */
  readonly times: readonly { readonly number: number; readonly atMs: number }[];
}

type Writable = { -readonly [K in keyof WrittenSegment]: WrittenSegment[K] } & {
  times: { number: number; atMs: number }[];
  readonly handle: number;
  readonly key: Buffer;
  head: Buffer;
};

/** new: refused while the disk is full. ending: of a session that runs, so the reserve is for it. */
export type Urgency = 'new' | 'ending';

interface Waiting {
  readonly record: Buffer;
  readonly urgency: Urgency;
  readonly done: (error?: ThroughlineError) => void;
}

interface Trouble {
  readonly reason: string;
  readonly since: string;
  /** Records that could not be kept since the last gap. */
  lost: number;
}

const timeStepMs = 1000;
/** Directories in a row that were taken over as soon as they were made. */
const claimsMax = 3;

/** The directory was taken over by somebody who thought its owner dead. */
class ClaimLost extends Error {}

/**
 * Appends records to segment files; one per process. `append` resolves once its records are durable, many callers in
 * one sync. INVARIANT: what was not synced was never acknowledged, and what could not be kept is counted and told by a
 * `gap` as soon as one can be written.
 */
export class SpoolWriter {
  readonly #options: WriterOptions;
  #claim: Claim | undefined;
  #nextSegment = 0;
  #active: Writable | undefined;
  /** Closed ones that still have to be uploaded. */
  readonly #closed = new Map<number, Writable>();
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #room: (() => void)[] = [];
  #committing: Promise<void> | undefined;
  #trouble: Trouble | undefined;
  #hasReserve = false;
  #retried = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Why nothing new is kept now; undefined while all is well. */
  get trouble(): string | undefined {
    return this.#trouble?.reason;
  }

  /** All segments that are not removed yet, oldest first. */
  segments(): readonly WrittenSegment[] {
    return [...this.#closed.values(), ...(this.#active === undefined ? [] : [this.#active])];
  }

  /**
   * The segment that takes the next record, once its file is durable. @throws ThroughlineError not-recordable
   */
  async ready(): Promise<number> {
    await this.tryAgain();
    if (this.#active === undefined) await this.#exclusively(() => this.#prepare());
    if (this.#active !== undefined && this.#trouble === undefined) return this.#active.number;
    // A session will run without a record, or not at all: that is missing here, too.
    if (this.#trouble !== undefined) this.#trouble.lost += 1;
    throw this.#refusal();
  }

  /**
   * Waits while too much is queued already. @throws ThroughlineError not-recordable: they are not kept, and counted
   */
  async append(records: readonly LocalRecord[], urgency: Urgency = 'new'): Promise<void> {
    const bytes = records.map((record) => Buffer.from(JSON.stringify(record)));
    if (bytes.some(({ length }) => length > spoolLimits.recordBytesMax))
      throw new RangeError('a record has 64 KiB at most');
    while (this.#queuedBytes > spoolBounds.queueBytesMax)
      await new Promise<void>((resolve) => void this.#room.push(resolve));
    if (this.#ended) throw new ThroughlineError('not-recordable', 'the spool is closed');
    const results = bytes.map(
      (record) =>
        new Promise<void>((resolve, reject) => {
          const done = (error?: ThroughlineError): void => (error === undefined ? resolve() : reject(error));
          this.#queue.push({ record, urgency, done });
          this.#queuedBytes += record.length;
        }),
    );
    this.#commit();
    const settled = await Promise.allSettled(results);
    const failed = settled.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Tries a disk that refused, once in a while. */
  async tryAgain(): Promise<void> {
    const { clock } = this.#options;
    if (this.#trouble === undefined || this.#ended) return;
    if (Math.abs(clock.monoMs() - this.#retried) < spoolBounds.retryIntervalMs) return;
    this.#retried = clock.monoMs();
    await this.#exclusively(() => this.#recover());
  }

  /** No record is added to this segment any more. */
  async retire(number: number): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#active?.number === number) this.#shut();
      await Promise.resolve();
    });
  }

  /** The segment is somewhere else, or gone. */
  forget(number: number): void {
    this.#closed.delete(number);
  }

  /** Somebody has taken the segment away: everything that stood beside it is lost to this process, too. */
  async lost(number: number): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#active?.number === number) this.#unclaim();
      await Promise.resolve();
    });
  }

  /** Writes what is queued, then closes. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#exclusively(async () => {
      this.#shut();
      this.#releaseReserve();
      await Promise.resolve();
    });
    this.#options.changed();
  }

  /** One at a time with commits. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    while (this.#committing !== undefined) await this.#committing;
    this.#committing = work().finally(() => {
      this.#committing = undefined;
      this.#commit();
    });
    await this.#committing;
  }

  #commit(): void {
    if (this.#committing !== undefined || this.#queue.length === 0) return;
    this.#committing = this.#commitAll().finally(() => {
      this.#committing = undefined;
      this.#commit();
    });
  }

  async #commitAll(): Promise<void> {
    // Whoever appends in this very turn of the event loop shares the sync.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#take();
      try {
        if (this.#trouble === undefined) await this.#write(batch);
        else await this.#writeInTrouble(batch);
      } finally {
        this.#options.changed();
        for (const resume of this.#room.splice(0)) resume();
      }
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#queue) {
      if (count > 0 && bytes + record.length > spoolBounds.commitBytesMax) break;
      bytes += record.length;
      count += 1;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #write(batch: Waiting[]): Promise<void> {
    try {
      await this.#owning(() => this.#withReserve());
      await this.#keep(batch);
    } catch (error) {
      this.#stumble(error);
      await this.#writeInTrouble(batch);
    }
  }

  /** What ends goes where the reserve was; the rest is refused. */
  async #writeInTrouble(batch: readonly Waiting[]): Promise<void> {
    const trouble = this.#trouble;
    if (trouble === undefined) throw new Error('there is no trouble');
    const refused = batch.filter(({ urgency }) => urgency === 'new');
    trouble.lost += refused.length;
    for (const { done } of refused) done(this.#refusal());
    const ending = batch.filter(({ urgency }) => urgency === 'ending');
    if (ending.length === 0) return;
    this.#releaseReserve();
    if (trouble.lost > 0) ending.unshift(this.#gap(trouble));
    try {
      await this.#keep(ending);
    } catch {
      this.#shut();
      for (const { done } of ending) done(this.#refusal());
      trouble.lost += ending.filter(({ urgency }) => urgency === 'ending').length;
    }
  }

  #stumble(error: unknown): void {
    this.#shut();
    const code = systemCode(error);
    const reason = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : `the disk refuses (${code})`;
    this.#trouble ??= { reason, since: stamp(this.#options.clock).at, lost: 0 };
    this.#retried = this.#options.clock.monoMs();
  }

  /** Takes from the front of `batch` what is durable, and says so. @throws the system's error; the rest is not kept */
  async #keep(batch: Waiting[]): Promise<void> {
    while (batch.length > 0) {
      const count = await this.#owning(() => this.#keepSome(batch.map(({ record }) => record)));
      for (const { done } of batch.splice(0, count)) done();
    }
  }

  /** Again, in a directory of its own, when the one that it had was taken over. */
  async #owning<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        // What was just written may be read by whoever took the directory over: better twice than never.
        if (!(error instanceof ClaimLost) || attempt === claimsMax) throw error;
        this.#unclaim();
      }
    }
  }

  #unclaim(): void {
    this.#shut();
    this.#closed.clear();
    this.#claim = undefined;
    this.#hasReserve = false;
  }

  /** As many as fit the segment. */
  async #keepSome(records: readonly Buffer[]): Promise<number> {
    const { files } = this.#options;
    const segment = await this.#segmentFor(records[0]?.length ?? 0);
    let { head, records: number } = segment;
    const frames: Buffer[] = [];
    let recordBytes = 0;
    for (const record of records) {
      if (!this.#fits(number, segment.recordBytes + recordBytes + record.length)) break;
      frames.push(sealFrame(segment.key, number, head, record));
      head = nextSpoolHead(head, record);
      number += 1;
      recordBytes += record.length;
    }
    const bytes = Buffer.concat(frames);
    files.write(segment.handle, [bytes], segment.end);
    await files.sync(segment.handle);
    this.#checkClaim(segment);
    const atMs = this.#options.clock.nowMs();
    const last = segment.times.at(-1);
    if (last === undefined || Math.abs(atMs - last.atMs) >= timeStepMs)
      segment.times.push({ number: segment.records, atMs });
    segment.head = head;
    segment.end += bytes.length;
    segment.records = number;
    segment.recordBytes += recordBytes;
    return frames.length;
  }

  /** Whether the record with this number fits, so many bytes of records with it. */
  #fits(number: number, recordBytes: number): boolean {
    const bytesMax = this.#options.segmentBytesMax ?? spoolLimits.segmentBytesMax;
    return number === 0 || (number < spoolLimits.recordsPerSegmentMax && recordBytes <= bytesMax);
  }

  async #segmentFor(bytes: number): Promise<Writable> {
    const active = this.#active;
    if (active !== undefined && this.#fits(active.records, active.recordBytes + bytes)) return active;
    this.#shut();
    this.#active = await this.#begin();
    return this.#active;
  }

  async #begin(): Promise<Writable> {
    const { files, spoolKey, gateway, device } = this.#options;
    if (this.#claim === undefined) {
      this.#claim = await this.#options.claim();
      this.#nextSegment = this.#claim.firstSegment;
    }
    const { directory } = this.#claim;
    const number = this.#nextSegment;
    this.#nextSegment += 1;
    const path = `${directory}/${segmentName(number)}`;
    const { bytes, key } = newHeader(spoolKey, { gateway, device, segment: number });
    const handle = this.#open(path);
    try {
      files.write(handle, [bytes], 0);
      await files.sync(handle);
      await files.syncDirectory(directory);
    } catch (error) {
      files.close(handle);
      quietly(() => files.removeFile(path));
      throw files.exists(directory) ? error : new ClaimLost();
    }
    const head = firstSpoolHead(device, number);
    const segment = { number, path, handle, key, head, closed: false, end: headerBytes, records: 0 };
    return { ...segment, recordBytes: 0, times: [] };
  }

  #open(path: string): number {
    try {
      return this.#options.files.open(path, true);
    } catch (error) {
      throw systemCode(error) === 'ENOENT' ? new ClaimLost() : error;
    }
  }

  /** INVARIANT: asked after the sync: whoever moved the file before reads all of it after. */
  #checkClaim({ path }: WrittenSegment): void {
    if (!this.#options.files.exists(path)) throw new ClaimLost();
  }

  /** The active segment takes nothing more; what of it is not durable is cut off. */
  #shut(): void {
    const segment = this.#active;
    if (segment === undefined) return;
    const { files } = this.#options;
    this.#active = undefined;
    quietly(() => {
      if (files.size(segment.handle) > segment.end) files.truncate(segment.handle, segment.end);
    });
    quietly(() => files.close(segment.handle));
    segment.closed = true;
    if (segment.records > 0) this.#closed.set(segment.number, segment);
    else quietly(() => files.removeFile(segment.path));
  }

  /** A segment that can be written to, and the reserve. */
  async #prepare(): Promise<void> {
    if (this.#trouble !== undefined) return;
    try {
      await this.#owning(() => this.#withReserve());
    } catch (error) {
      this.#stumble(error);
    }
    this.#options.changed();
  }

  async #withReserve(): Promise<void> {
    const { files, reserveBytes = spoolBounds.reserveBytes } = this.#options;
    this.#active ??= await this.#begin();
    if (this.#hasReserve || this.#claim === undefined) return;
    const path = `${this.#claim.directory}/${reserveName}`;
    quietly(() => files.removeFile(path));
    const handle = files.open(path, true);
    try {
      files.write(handle, [Buffer.alloc(reserveBytes, 1)], 0);
      await files.sync(handle);
      this.#hasReserve = true;
    } catch (error) {
      quietly(() => files.removeFile(path));
      throw error;
    } finally {
      files.close(handle);
    }
  }

  #releaseReserve(): void {
    if (!this.#hasReserve || this.#claim === undefined) return;
    this.#hasReserve = false;
    const path = `${this.#claim.directory}/${reserveName}`;
    quietly(() => this.#options.files.removeFile(path));
  }

  /** There is room again when the reserve is back and the gap is written. */
  async #recover(): Promise<void> {
    const trouble = this.#trouble;
    if (trouble === undefined) return;
    try {
      // What was written into the reserve's place stays: a segment of its own.
      this.#shut();
      await this.#owning(() => this.#withReserve());
      if (trouble.lost > 0) await this.#keep([this.#gap(trouble)]);
      this.#trouble = undefined;
    } catch (error) {
      this.#stumble(error);
    }
    this.#options.changed();
  }

  /** Says what is missing so far; once that is durable, it is counted no more. */
  #gap(trouble: Trouble): Waiting {
    const { lost, since, reason } = trouble;
    const gap: LocalRecord = { ...stamp(this.#options.clock), kind: 'gap', lost, since, reason };
    const done = (error?: ThroughlineError): void => {
      if (error === undefined) trouble.lost -= lost;
    };
    return { record: Buffer.from(JSON.stringify(gap)), urgency: 'new', done };
  }

  #refusal(): ThroughlineError {
    const why = this.#trouble?.reason ?? 'the spool is closed';
    return new ThroughlineError('not-recordable', `this desktop cannot record what happens: ${why}`, {
      action: 'free disk space, then try again',
    });
  }
}

export const reserveName = 'reserve';
export const segmentName = (number: number): string => `${String(number).padStart(16, '0')}.spool`;

/** The number in a segment file's name. */
export function segmentOf(name: string): number | undefined {
  const match = /^(\d{16})\.spool$/.exec(name);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // What it was for is tried again, or is only cleaning up.
  }
}
