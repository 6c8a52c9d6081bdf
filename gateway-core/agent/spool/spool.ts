import type { SpoolState } from '../../contract/bridge/app.js';
import { LocalRecord } from '../../contract/local-record.js';
import { type SpoolClock, stamp } from './clock.js';
import type { SpoolFiles } from './files.js';
import { headerBytes } from './format.js';
import { spoolBounds } from './limits.js';
import { type Position, type ReadEnd, Segment } from './segment.js';
import { Uploader, type UploaderOptions } from './uploader.js';
import {
  type Claim,
  SpoolWriter,
  segmentName,
  segmentOf,
  type Urgency,
  type WrittenSegment,
} from './writer.js';

/** Where the spool of one gateway and device stands, and who else of this person works there. */
export interface SpoolHome {
  readonly files: SpoolFiles;
  readonly directory: string;
  readonly spoolKey: Buffer;
  readonly gateway: string;
  readonly device: string;
  /** A directory of its own for this process, kept from others for as long as the process lives. */
  claim(): Promise<Claim>;
  /** Directories whose process is gone. */
  abandoned(): Promise<readonly string[]>;
  /** A directory that this process claimed or took over is free, and removed when no segment is left in it. */
  release(directory: string): Promise<void>;
}

export interface SpoolOptions
  extends Pick<UploaderOptions, 'send' | 'random' | 'bytesPerSecond' | 'requestBytesMax'> {
  readonly home: SpoolHome;
  readonly clock: SpoolClock;
  readonly changed: (state: SpoolState) => void;
  readonly reserveBytes?: number;
  readonly segmentBytesMax?: number;
}

type Kept = { -readonly [K in keyof WrittenSegment]: WrittenSegment[K] };

/** Why a segment stands in quarantine, by its file's suffix there. */
const quarantined = {
  spool: 'it was damaged on this disk; what can be read of it is on its way to the gateway',
  uploaded: 'it was damaged on this disk; the gateway has what could be read of it',
  forked: 'the gateway holds other records under its name; it is kept here, show it to an admin',
  unopenable: 'the key that sealed it is gone; it is kept here',
} as const;
type Quarantine = keyof typeof quarantined;

/**
 * What this process notes of its sessions, and what earlier ones left: on disk, encrypted, and from there to the
 * gateway. Nothing is deleted that the gateway does not hold durably; what cannot be read or is disputed is kept apart
 * and stands in nobody's way.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #writer: SpoolWriter;
  readonly #uploader: Uploader;
  /** Of other processes, and what stands in quarantine and can be read. */
  readonly #adopted = new Map<number, Kept>();
  readonly #quarantine = new Map<number, string>();
  /** Claimed by this process; the last one is in use. */
  readonly #directories: string[] = [];
  #unused: Claim | undefined;
  #adopting: Promise<void> | undefined;
  #mending = false;
  readonly #ended = new AbortController();

  constructor(options: SpoolOptions) {
    this.#options = options;
    const { home, clock } = options;
    const { files, spoolKey, gateway, device } = home;
    const changed = (): void => {
      this.#uploader.nudge();
      this.#tell();
      if (this.#writer.trouble !== undefined && !this.#mending) void this.#mend();
    };
    this.#writer = new SpoolWriter({
      files,
      spoolKey,
      gateway,
      device,
      clock,
      claim: () => this.#claim(),
      changed,
      ...(options.reserveBytes === undefined ? {} : { reserveBytes: options.reserveBytes }),
      ...(options.segmentBytesMax === undefined ? {} : { segmentBytesMax: options.segmentBytesMax }),
    });
    this.#uploader = new Uploader({
      files,
      spoolKey,
      gateway,
      clock,
      random: options.random,
      send: options.send,
      segments: () =>
        [...this.#adopted.values(), ...this.#writer.segments()].sort((a, b) => a.number - b.number),
      done: (segment) => this.#done(segment),
      forked: (segment, lost, reason) => this.#forked(segment, lost, reason),
      damaged: (segment, at) => this.#damaged(segment, at),
      gone: (segment) => this.#gone(segment),
      changed: () => this.#tell(),
      ...(options.bytesPerSecond === undefined ? {} : { bytesPerSecond: options.bytesPerSecond }),
      ...(options.requestBytesMax === undefined ? {} : { requestBytesMax: options.requestBytesMax }),
    });
  }

  /** Begins to upload, and looks after what other processes left, now and from time to time. */
  start(): void {
    this.#uploader.start();
    void this.#look();
  }

  /** @throws ThroughlineError not-recordable */
  ready(): Promise<number> {
    return this.#writer.ready();
  }

  /** Resolves when they are durable. @throws ThroughlineError not-recordable: they are not kept, and counted */
  append(records: readonly LocalRecord[], urgency?: Urgency): Promise<void> {
    return this.#writer.append(records, urgency);
  }

  /** The gateway is there again. */
  reconnected(): void {
    this.#uploader.retry();
  }

  state(): SpoolState {
    const { records, bytes, oldestAt } = this.#uploader.backlog();
    const { trouble } = this.#writer;
    const { waiting } = this.#uploader;
    const apart = [...this.#quarantine].map(([segment, reason]) => ({ segment, reason }));
    return {
      working: trouble === undefined,
      ...(trouble === undefined ? {} : { trouble }),
      records,
      bytes,
      ...(oldestAt === undefined ? {} : { oldestAt }),
      ...(waiting === undefined || records === 0 ? {} : { waiting }),
      refused: [...this.#uploader.refused(), ...apart].slice(0, spoolBounds.refusedMax),
    };
  }

  /** Uploads what waits without waiting for more; for `uploadMs` at most. */
  async settle(uploadMs: number): Promise<void> {
    if (uploadMs <= 0) return;
    const over = new AbortController();
    const late = this.#options.clock.wait(uploadMs, over.signal).then(() => over.abort());
    await this.#uploader.flush(over.signal);
    over.abort();
    await late;
  }

  /**
   * Writes what is queued and uploads for `uploadMs` at most; what is left is for whoever comes next.
   */
  async close(uploadMs: number): Promise<void> {
    this.#ended.abort();
    await this.#adopting;
    await this.#writer.close();
    await this.settle(uploadMs);
    await this.#uploader.close();
    // A directory that stays is taken over like that of a process that died.
    for (const directory of this.#directories)
      await this.#options.home.release(directory).catch(() => undefined);
  }

  async #look(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#adopting = this.#adopt().catch(() => undefined);
      await this.#adopting;
      await this.#options.clock.wait(spoolBounds.adoptIntervalMs, this.#ended.signal);
    }
  }

  /** Tries the disk from time to time for as long as it refuses. */
  async #mend(): Promise<void> {
    this.#mending = true;
    while (this.#writer.trouble !== undefined && !this.#ended.signal.aborted) {
      await this.#options.clock.wait(spoolBounds.retryIntervalMs, this.#ended.signal);
      await this.#writer.tryAgain();
    }
    this.#mending = false;
  }

  /** INVARIANT: moved first, read then: an owner that was only asleep finds its file gone and says it again. */
  async #adopt(): Promise<void> {
    await this.#adoptQuarantine();
    for (const directory of await this.#options.home.abandoned()) await this.#takeOver(directory);
    this.#uploader.nudge();
    this.#tell();
  }

  async #takeOver(directory: string): Promise<void> {
    const { files } = this.#options.home;
    const found = files.list(directory).flatMap((name) => segmentOf(name) ?? []);
    if (found.length > 0) {
      const own = await this.#ownDirectory();
      const pathOf = (number: number): string => `${own}/${segmentName(number)}`;
      // Two of one number cannot be, unless somebody copied files about: none of them may be written over.
      const numbers = found.filter((number) => !files.exists(pathOf(number)));
      for (const number of numbers) files.rename(`${directory}/${segmentName(number)}`, pathOf(number));
      await files.syncDirectory(own);
      await files.syncDirectory(directory);
      for (const number of numbers) {
        const followed = numbers.some((each) => each > number && blockOf(each) === blockOf(number));
        await this.#takeIn(number, pathOf(number), followed);
      }
    }
    await this.#options.home.release(directory);
  }

  /** `followed`: its writer went on to another segment, so this one was closed whole. */
  async #takeIn(number: number, path: string, followed: boolean): Promise<void> {
    const { files } = this.#options.home;
    const surveyed = this.#survey(number, path);
    if (surveyed === undefined) {
      // Without a whole header no record was ever written.
      if (sizeOf(files, path) <= headerBytes) return files.removeFile(path);
      await this.#note(1, `segment ${number} cannot be opened: the key that sealed it is gone`);
      this.#setApart(number, path, 'unopenable');
      return;
    }
    const { kept, end, lost } = surveyed;
    if (end === 'damaged' || (end === 'torn' && followed)) {
      await this.#note(lost, `segment ${number} was damaged on the disk`);
      kept.path = this.#setApart(number, path, 'spool');
    } else if (kept.records === 0) {
      return files.removeFile(path);
    }
    this.#adopted.set(number, kept);
  }

  async #adoptQuarantine(): Promise<void> {
    const { files } = this.#options.home;
    for (const name of files.list(this.#apart)) {
      const match = /^(\d{16})\.([a-z]+)$/.exec(name);
      const number = Number(match?.[1]);
      const kind = match?.[2];
      if (match === null || kind === undefined || !isQuarantine(kind)) continue;
      this.#quarantine.set(number, quarantined[kind]);
      if (kind !== 'spool' || this.#adopted.has(number)) continue;
      const surveyed = this.#survey(number, `${this.#apart}/${name}`);
      if (surveyed !== undefined) this.#adopted.set(number, surveyed.kept);
    }
    await Promise.resolve();
  }

  /** What can be read of a file that nobody writes to. */
  #survey(number: number, path: string): { kept: Kept; end: ReadEnd; lost: number } | undefined {
    const segment = Segment.open(this.#options.home, path);
    if (segment === undefined) return undefined;
    try {
      if (segment.number !== number) return undefined;
      let atMs: number | undefined;
      const { size } = segment;
      const { end, at } = segment.read(segment.start, size, Number.POSITIVE_INFINITY, ({ text }) => {
        atMs ??= timeOf(text);
        return true;
      });
      const times = [{ number: 0, atMs: atMs ?? this.#options.clock.nowMs() }];
      const kept = {
        number,
        path,
        closed: true,
        end: at.offset,
        records: at.number,
        recordBytes: at.recordBytes,
        times,
      };
      return { kept, end, lost: end === 'whole' ? 0 : segment.lostAfter(at, size) };
    } finally {
      segment.close();
    }
  }

  /** Into quarantine. Gives its path there. */
  #setApart(number: number, path: string, kind: Quarantine): string {
    const { files } = this.#options.home;
    files.makeDirectory(this.#apart);
    const to = `${this.#apart}/${segmentName(number).replace(/spool$/, kind)}`;
    files.rename(path, to);
    this.#quarantine.set(number, quarantined[kind]);
    return to;
  }

  get #apart(): string {
    return `${this.#options.home.directory}/quarantine`;
  }

  #done(segment: WrittenSegment): void {
    const { files } = this.#options.home;
    if (segment.path.startsWith(`${this.#apart}/`)) {
      // Nothing of it is there any more but what cannot be read.
      this.#setApart(segment.number, segment.path, 'uploaded');
    } else files.removeFile(segment.path);
    this.#forget(segment.number);
  }

  async #forked(segment: WrittenSegment, lost: number, reason: string): Promise<void> {
    await this.#writer.retire(segment.number);
    this.#setApart(segment.number, segment.path, 'forked');
    this.#forget(segment.number);
    await this.#note(lost, `segment ${segment.number}: ${reason}`);
  }

  async #damaged(segment: WrittenSegment, at: Position): Promise<void> {
    await this.#writer.retire(segment.number);
    this.#forget(segment.number);
    const path = this.#setApart(segment.number, segment.path, 'spool');
    const { number: records, offset: end, recordBytes } = at;
    this.#adopted.set(segment.number, { ...segment, closed: true, path, records, end, recordBytes });
    await this.#note(segment.records - records, `segment ${segment.number} was damaged on the disk`);
  }

  /** Somebody thought this process dead and has taken it over. */
  async #gone({ number }: WrittenSegment): Promise<void> {
    this.#forget(number);
    await this.#writer.lost(number);
  }

  #forget(number: number): void {
    this.#adopted.delete(number);
    this.#writer.forget(number);
  }

  /** Says at the gateway that something is missing. What cannot be said now is counted and said later. */
  async #note(lost: number, reason: string): Promise<void> {
    const clocks = stamp(this.#options.clock);
    const gap: LocalRecord = { ...clocks, kind: 'gap', lost, since: clocks.at, reason: reason.slice(0, 200) };
    await this.#writer.append([gap], 'ending').catch(() => undefined);
  }

  /** For the writer: one that nobody has written to yet. */
  async #claim(): Promise<Claim> {
    const unused = this.#unused;
    this.#unused = undefined;
    if (unused !== undefined) return unused;
    const claim = await this.#options.home.claim();
    this.#directories.push(claim.directory);
    return claim;
  }

  async #ownDirectory(): Promise<string> {
    const own = this.#directories.at(-1);
    if (own !== undefined) return own;
    this.#unused = await this.#claim();
    return this.#unused.directory;
  }

  #tell(): void {
    this.#options.changed(this.state());
  }
}

const blockOf = (segment: number): number => Math.floor(segment / spoolBounds.segmentsPerBlock);

function sizeOf(files: SpoolFiles, path: string): number {
  const handle = files.openRead(path);
  if (handle === undefined) return 0;
  const size = files.size(handle);
  files.close(handle);
  return size;
}

const isQuarantine = (kind: string): kind is Quarantine => Object.hasOwn(quarantined, kind);

/** When a record says that it was written. */
function timeOf(text: string): number | undefined {
  const at = LocalRecord.safeParse(JSON.parse(text)).data?.at;
  return at === undefined ? undefined : Date.parse(at);
}
