import { join } from 'node:path';
import { fromProblem, ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import { type StartedWorker, startWorker } from '../../store/worker.js';
import type { DesktopSide } from './desktop-side.js';
import type { SegmentPlace } from './format.js';
import type { SpoolMessage, SpoolMethod, SpoolMethods, SpoolPlaces, Upload } from './messages.js';

export type { DesktopSide } from './desktop-side.js';
export type { Upload } from './messages.js';

/** What desktops have uploaded, as the server sees it. Every call may reject with a ThroughlineError. */
export interface Spool {
  /** The body of a request, for that device's segment. Resolves once its records are durable, or with the refusal. */
  upload(place: SegmentPlace, body: Uint8Array): Promise<Upload>;
  /** What the device has recorded of the session; undefined: nothing that came. */
  side(device: string, session: SessionId): Promise<DesktopSide | undefined>;
  /** The records themselves, oldest first. */
  lines(device: string, session: SessionId): AsyncGenerator<DesktopLine, void, undefined>;
  /** Retention. */
  removeBefore(beforeMs: number): Promise<{ readonly segments: number; readonly bytes: number }>;
  close(): Promise<void>;
}

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** Starts the thread that keeps what desktops upload, below `spool/` of the data directory. */
export function startSpool(
  options: Omit<SpoolPlaces, 'directory'> & {
    readonly dataDirectory: string;
    /** A sentence for the operator. */
    readonly onComplaint: (what: string) => void;
  },
): Spool {
  const { dataDirectory, onComplaint, ...places } = options;
  return new SpoolClient({ ...places, directory: join(dataDirectory, 'spool') }, onComplaint);
}

class SpoolClient implements Spool {
  readonly #places: SpoolPlaces;
  readonly #complain: (what: string) => void;
  readonly #waiting = new Map<number, Waiting>();
  #worker: StartedWorker | undefined;
  #next = 1;
  #closed = false;

  constructor(places: SpoolPlaces, complain: (what: string) => void) {
    this.#places = places;
    this.#complain = complain;
  }

  /** Started when it is first needed, and again after it ended: all that it knows stands on the disk. */
  #started(): StartedWorker {
    if (this.#closed) throw new ThroughlineError('busy', 'the gateway is stopping');
    if (this.#worker !== undefined) return this.#worker;
    const worker = startWorker(new URL('./spool-worker.js', import.meta.url), {
      name: 'spool',
      data: this.#places,
    });
    worker.port.on('message', (message: SpoolMessage) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('problem' in message) waiting?.reject(fromProblem(message.problem));
      else waiting?.resolve(message.value);
    });
    void worker.ended.then((error) => {
      this.#worker = undefined;
      if (error !== undefined)
        this.#complain(`the spool of desktops ended (${error.name}) and is started again`);
      const gone = new ThroughlineError('busy', 'the upload could not be taken', { action: 'try again' });
      for (const { reject } of this.#waiting.values()) reject(gone);
      this.#waiting.clear();
    });
    this.#worker = worker;
    return worker;
  }

  async #ask<M extends SpoolMethod>(
    method: M,
    ...args: Parameters<SpoolMethods[M]>
  ): Promise<ReturnType<SpoolMethods[M]>> {
    const worker = this.#started();
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      worker.port.postMessage({ id, method, args });
    });
  }

  upload(place: SegmentPlace, body: Uint8Array): Promise<Upload> {
    return this.#ask('upload', place, body);
  }

  side(device: string, session: SessionId): Promise<DesktopSide | undefined> {
    return this.#ask('side', device, session);
  }

  async *lines(device: string, session: SessionId): AsyncGenerator<DesktopLine, void, undefined> {
    let after: { segment: number; seq: number } | undefined;
    for (;;) {
      const page: DesktopLine[] = await this.#ask('lines', device, session, after);
      const last = page.at(-1);
      if (last === undefined) return;
      yield* page;
      after = { segment: last.segment, seq: last.seq };
    }
  }

  removeBefore(beforeMs: number): Promise<{ segments: number; bytes: number }> {
    return this.#ask('removeBefore', beforeMs);
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker !== undefined) await this.#ask('close').catch(() => undefined);
    this.#closed = true;
    await worker?.stop();
  }
}
