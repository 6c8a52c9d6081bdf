import type { LocalRecord } from '../../contract/local-record.js';
import { firstSpoolHead } from '../../recording/spool-head.js';
import { Budget } from '../budget.js';
import type { SegmentPlace } from './format.js';
import { receiverLimits } from './limits.js';
import type { CheckedUpload } from './records.js';
import { lastReceivedMs, OpenSegment, type SpoolPlace, segmentPath, segmentsOf } from './segment.js';

export interface ReceiverOptions {
  readonly place: SpoolPlace;
  /** All segments of one device together, as they stand on the disk. */
  readonly bytesPerDeviceMax: number;
  readonly nowMs: () => number;
}

/** What became of an upload. `next`: the number that the segment's next record gets. */
export type Received =
  | {
      /** Durable. */
      readonly kind: 'kept';
      readonly next: number;
      /** Hex. */
      readonly head: string;
      /** Those that were not there before. */
      readonly fresh: readonly LocalRecord[];
    }
  /** There are records missing before this upload's first. */
  | { readonly kind: 'ahead'; readonly next: number }
  /** Other bytes stand where this upload wants to stand: nothing was kept. */
  | { readonly kind: 'forked'; readonly number: number }
  /** The device has all the room that it gets. */
  | { readonly kind: 'full'; readonly what: string }
  /** Too much at once. */
  | { readonly kind: 'busy' }
  /** The disk does not take it; `code` is the system's. */
  | { readonly kind: 'failed'; readonly code: string };

interface Waiting {
  readonly place: SegmentPlace;
  readonly upload: CheckedUpload;
  readonly bytes: number;
  readonly done: (received: Received) => void;
}

interface DeviceUse {
  segments: Set<number>;
  bytes: number;
}

/**
 * Takes what desktops upload, exactly once: a segment's file is its own record of how far it is. Works in rounds: all
 * uploads that wait are written, the files they touched are synced side by side, and only then is any of them
 * acknowledged. One at a time per segment and round.
 */
export class SpoolReceiver {
  readonly #options: ReceiverOptions;
  /** The one that was used last is the last. */
  readonly #open = new Map<string, OpenSegment>();
  readonly #devices = new Map<string, DeviceUse>();
  readonly #work = new Budget({
    most: receiverLimits.workBytesMax,
    perSecond: receiverLimits.workBytesPerSecond,
    namesMax: receiverLimits.devicesCountedMax,
  });
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** `place.device` is who asks. Resolves once the records are durable, or are not going to be. */
  receive(place: SegmentPlace, upload: CheckedUpload): Promise<Received> {
    const bytes = upload.records.reduce((sum, record) => sum + record.bytes.length, 0);
    const cost = receiverLimits.workBytesPerRequest + bytes;
    if (this.#waitingBytes + bytes > receiverLimits.waitingBytesMax) return Promise.resolve({ kind: 'busy' });
    if (!this.#work.spend(place.device, cost, this.#options.nowMs()))
      return Promise.resolve({ kind: 'busy' });
    return new Promise((done) => {
      this.#waiting.push({ place, upload, bytes, done });
      this.#waitingBytes += bytes;
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // What comes in the same turn shares the first round.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#round();
    // In the same turn: whoever comes later finds nothing running, and begins.
    this.#running = undefined;
  }

  async #round(): Promise<void> {
    const taken = new Map<string, Waiting>();
    const left: Waiting[] = [];
    for (const one of this.#waiting) {
      const key = keyOf(one.place);
      if (taken.has(key)) left.push(one);
      else taken.set(key, one);
    }
    this.#waiting = left;
    const written: { readonly one: Waiting; readonly segment: OpenSegment; readonly received: Received }[] =
      [];
    for (const one of taken.values()) {
      this.#waitingBytes -= one.bytes;
      const result = this.#write(one);
      if ('segment' in result) written.push({ one, ...result });
      else one.done(result);
    }
    await syncAll(written, async ({ one, segment, received }) => {
      try {
        await segment.sync();
      } catch (error) {
        this.#drop(one.place);
        one.done(failed(error));
        return;
      }
      one.done(received);
    });
    this.#closeUnused();
  }

  /** What can be said at once, or what can be said once `segment` is synced. */
  #write({ place, upload }: Waiting): Received | { segment: OpenSegment; received: Received } {
    const { nowMs, bytesPerDeviceMax } = this.#options;
    const { from, last } = upload;
    const records = upload.records.map((record) => record.bytes);
    try {
      const use = this.#useOf(place.device);
      if (!use.segments.has(place.segment) && use.segments.size >= receiverLimits.segmentsPerDeviceMax)
        return {
          kind: 'full',
          what: `${receiverLimits.segmentsPerDeviceMax} segments are kept of this device`,
        };
      // Whoever only asks how far a segment is makes no file.
      if (!use.segments.has(place.segment) && from > 0) return { kind: 'ahead', next: 0 };
      if (!use.segments.has(place.segment) && records.length === 0 && !last) {
        const head = firstSpoolHead(place.device, place.segment).toString('hex');
        return { kind: 'kept', next: 0, head, fresh: [] };
      }
      const segment = this.#segment(place, use);
      const { next } = segment;
      if (from > next) return { kind: 'ahead', next };
      if (!segment.holds(from, records)) return { kind: 'forked', number: from };
      const fresh = upload.records.slice(next - from);
      // What is finished stays as it is.
      if (segment.finished && fresh.length > 0) return { kind: 'forked', number: next };
      if (fresh.length > 0 || (last && !segment.finished)) {
        const before = segment.size;
        const bytes = fresh.reduce((sum, record) => sum + record.bytes.length, 0);
        if (use.bytes + bytes > bytesPerDeviceMax)
          return { kind: 'full', what: `${bytesPerDeviceMax} bytes are kept of this device` };
        segment.append(
          fresh.map((record) => record.bytes),
          last,
          nowMs(),
        );
        use.bytes += segment.size - before;
      }
      const received: Received = {
        kind: 'kept',
        next: segment.next,
        head: segment.head.toString('hex'),
        fresh: fresh.map(({ record }) => record),
      };
      return { segment, received };
    } catch (error) {
      this.#drop(place);
      return failed(error);
    }
  }

  #segment(place: SegmentPlace, use: DeviceUse): OpenSegment {
    const key = keyOf(place);
    let segment = this.#open.get(key);
    if (segment === undefined) {
      const isNew = !use.segments.has(place.segment);
      segment = OpenSegment.open(this.#options.place, place, this.#options.nowMs());
      // Reading a file through again is work, too.
      this.#work.spend(place.device, segment.size, this.#options.nowMs());
      if (isNew) use.bytes += segment.size;
      use.segments.add(place.segment);
    }
    this.#open.delete(key);
    this.#open.set(key, segment);
    return segment;
  }

  /** After a failure nothing that was known of the file counts. */
  #drop(place: SegmentPlace): void {
    const key = keyOf(place);
    const segment = this.#open.get(key);
    this.#open.delete(key);
    this.#devices.delete(place.device);
    if (segment === undefined) return;
    // What is left behind the last whole frame is cut at the next opening.
    quietly(() => segment.undo());
    quietly(() => segment.close());
  }

  #useOf(device: string): DeviceUse {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const { place } = this.#options;
    const use: DeviceUse = { segments: new Set(), bytes: 0 };
    for (const segment of segmentsOf(place, device)) {
      const handle = place.files.openRead(segmentPath(place, { device, segment }));
      if (handle === undefined) continue;
      use.bytes += place.files.size(handle);
      use.segments.add(segment);
      place.files.close(handle);
    }
    this.#devices.set(device, use);
    return use;
  }

  #closeUnused(): void {
    let frames = 0;
    for (const segment of this.#open.values()) frames += segment.frames;
    for (const [key, segment] of this.#open) {
      if (this.#open.size <= receiverLimits.segmentsOpenMax && frames <= receiverLimits.framesKnownMax)
        return;
      frames -= segment.frames;
      this.#open.delete(key);
      quietly(() => segment.close());
    }
  }

  /** Retention: removes segments of which nothing came since `beforeMs`. Gives how many, and their bytes. */
  removeBefore(device: string, beforeMs: number): { segments: number; bytes: number } {
    const { place } = this.#options;
    const removed = { segments: 0, bytes: 0 };
    for (const number of segmentsOf(place, device)) {
      const segment = { device, segment: number };
      const lastMs = lastReceivedMs(place, segment);
      if (lastMs === undefined || lastMs >= beforeMs || this.#open.has(keyOf(segment))) continue;
      const path = segmentPath(place, segment);
      const handle = place.files.openRead(path);
      if (handle === undefined) continue;
      removed.bytes += place.files.size(handle);
      place.files.close(handle);
      place.files.removeFile(path);
      removed.segments += 1;
    }
    if (removed.segments > 0) this.#devices.delete(device);
    return removed;
  }

  /** Resolves when nothing is under way any more; gives the files back. */
  async close(): Promise<void> {
    await this.#running;
    for (const segment of this.#open.values()) segment.close();
    this.#open.clear();
  }
}

function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // A disk that fails here fails again where somebody waits for it.
  }
}

function keyOf({ device, segment }: SegmentPlace): string {
  return `${device} ${segment}`;
}

function failed(error: unknown): Received {
  return {
    kind: 'failed',
    code: error instanceof Error && 'code' in error ? String(error.code) : 'internal',
  };
}

/** A few at once. Never rejects: `act` takes what goes wrong. */
async function syncAll<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let step = left.next(); step.done !== true; step = left.next()) await act(step.value);
  };
  await Promise.all(Array.from({ length: receiverLimits.syncsAtOnce }, work));
}
