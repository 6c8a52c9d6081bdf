import type { Duplex } from 'node:stream';
import type { LogConflict, SpoolState } from '../../contract/bridge/app.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import { api } from '../client/api.js';
import { type Gateway, openGateway, type StreamFacts, type StreamRecorder } from '../client/gateway.js';
import type { ClientState } from '../client/state.js';
import { type SpoolClock, stamp, systemClock } from '../spool/clock.js';
import { openSpoolHome } from '../spool/home.js';
import { Spool } from '../spool/spool.js';
import { type Conflict, ReceiptFiles } from './receipt-file.js';
import { Receipts } from './receipts.js';
import { RecordedSession } from './session.js';

export interface RecordingState {
  readonly spool: SpoolState | undefined;
  readonly logConflict: LogConflict | undefined;
}

export interface RecordingOptions {
  readonly state: ClientState;
  /** Of this program. */
  readonly version: string;
  readonly changed?: (state: RecordingState) => void;
}

/** How often hashes that wait are handed over, and how often changes are told at most. */
const flushIntervalMs = 5000;
const tellIntervalMs = 500;
/** After a session's end its receipt is asked for until the log has it; while sessions run, every minute. */
const receiptDelaysMs = [1500, 4000, 15_000] as const;
const receiptIntervalMs = 60_000;
/** How long sessions may take to say that they are over. */
const closeTimeoutMs = 1000;

/** What belongs to one gateway and device. */
interface Place {
  readonly url: string;
  readonly device: string;
  /** Undefined: it cannot be opened, `trouble` says why. */
  readonly spool: Promise<Spool | undefined>;
  trouble: string | undefined;
  /** Undefined: their directory cannot be used. */
  readonly log: { readonly files: ReceiptFiles; readonly receipts: Receipts } | undefined;
}

/**
 * The recording agent of this process: notes every session's own side into the spool, brings it to the gateway, and
 * keeps the log's receipts. Works from the moment that it is given a gateway; `close` leaves on disk what is not
 * uploaded by then, for the next process.
 */
export class DesktopRecording implements StreamRecorder {
  readonly #options: RecordingOptions;
  readonly #clock: SpoolClock = systemClock();
  /** Speaks for the device itself: not for a delegation, and not for the processes behind this one. */
  #speaker: Promise<Gateway> | undefined;
  #place: Place | undefined;
  readonly #sessions = new Map<SessionId, RecordedSession>();
  readonly #byStream = new WeakMap<Duplex, RecordedSession>();
  #unrecorded = 0;
  #flushing: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #asking: NodeJS.Timeout | undefined;
  #asked = 0;
  #conflict: Conflict | undefined;

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  /** What this device keeps for a gateway is looked after from now on, also while that cannot be reached. */
  know(url: string, device: string): void {
    if (this.#place?.url === url && this.#place.device === device) return;
    void this.#leave(this.#place);
    this.#place = this.#open(url, device);
    this.#tell();
  }

  /** The gateway that sessions are opened at from now on; the same again after a new sign-in. */
  attach({ url, deviceKey: device }: Pick<Gateway, 'url' | 'deviceKey'>): void {
    this.detach();
    const speaker = openGateway(url, { state: this.#options.state });
    speaker.catch(() => undefined);
    this.#speaker = speaker;
    this.know(url, device);
    this.reconnected();
  }

  /** Lets sessions whose streams are closed say so, and what waits be uploaded, for `uploadMs` at most. */
  async settle(uploadMs: number): Promise<void> {
    const sessions = [...this.#sessions.values()].map(({ closed }) => closed);
    await within(closeTimeoutMs, Promise.all(sessions));
    const spool = await this.#place?.spool;
    await spool?.settle(uploadMs);
  }

  /** Nobody is signed in any more: what waits goes on waiting. */
  detach(): void {
    void this.#speaker?.then(
      (speaker) => speaker.close(),
      () => undefined,
    );
    this.#speaker = undefined;
  }

  /** The gateway is there again. */
  reconnected(): void {
    void this.#place?.spool.then((spool) => spool?.reconnected());
    this.#askIn(0);
  }

  async segment(): Promise<number | undefined> {
    const place = this.#place;
    const spool = await place?.spool;
    const segment = await spool?.ready().catch(() => undefined);
    if (place !== undefined && segment === undefined) this.#unrecorded += 1;
    return segment;
  }

  async begin(stream: Duplex, facts: StreamFacts): Promise<void> {
    const place = this.#place;
    const notes = {
      append: async (...all: Parameters<Spool['append']>) => {
        const spool = await place?.spool;
        if (spool === undefined) throw new ThroughlineError('not-recordable', 'there is no spool');
        await spool.append(...all);
      },
    };
    const session = new RecordedSession(stream, facts, notes, this.#clock);
    this.#byStream.set(stream, session);
    this.#sessions.set(session.id, session);
    void session.closed.then(() => {
      this.#sessions.delete(session.id);
      this.#asked = 0;
      this.#askIn(receiptDelaysMs[0]);
    });
    this.#flushing ??= setInterval(() => this.#flush(), flushIntervalMs).unref();
    try {
      await session.open(this.#options.version);
    } catch (error) {
      this.#unrecorded += 1;
      throw error;
    }
    // Without it the receipt is asked for by this process alone.
    await place?.log?.files.expect(session.id).catch(() => undefined);
    this.#askIn(receiptIntervalMs);
  }

  unwanted(): void {
    this.#unrecorded += 1;
    this.#tell();
  }

  /** The record of a stream that was opened through this. */
  of(stream: Duplex): RecordedSession | undefined {
    return this.#byStream.get(stream);
  }

  /** Ends; uploads and asks for receipts for `uploadMs` at most. The sessions' streams are to be closed before. */
  async close(uploadMs: number): Promise<void> {
    const place = this.#place;
    clearInterval(this.#flushing);
    clearTimeout(this.#telling);
    clearTimeout(this.#asking);
    // The spool's own timers keep no process.
    const alive = setInterval(() => undefined, closeTimeoutMs);
    await this.settle(0);
    const spool = await place?.spool;
    const asked = uploadMs > 0 ? within(uploadMs, this.#ask(place)) : undefined;
    await spool?.close(uploadMs);
    await asked;
    this.#place = undefined;
    this.detach();
    for (const timer of [alive, this.#asking, this.#telling]) clearTimeout(timer);
  }

  #open(url: string, device: string): Place {
    const place: Place = {
      url,
      device,
      trouble: undefined,
      spool: this.#openSpool(url, device).catch((error: unknown) => {
        place.trouble = messageOf(error);
        this.#tell();
        return undefined;
      }),
      log: this.#openLog(url, () => place),
    };
    this.#conflict = place.log?.files.conflict();
    return place;
  }

  #openLog(url: string, place: () => Place): Place['log'] {
    const { state } = this.#options;
    try {
      const files = new ReceiptFiles(state, url);
      void files.forgetOldest().catch(() => undefined);
      const receipts = new Receipts({
        files,
        pinnedKey: async () => pinnedKey(state, await this.#speaking()),
        ask: async (body) => api.receipts(await this.#speaking(), body),
        newest: async () => api.checkpoint(await this.#speaking()),
        nowMs: () => this.#clock.nowMs(),
        conflicts: (conflict) => this.#conflicts(place(), conflict),
      });
      return { files, receipts };
    } catch {
      // The spool stands beside it and says why.
      return undefined;
    }
  }

  async #openSpool(url: string, device: string): Promise<Spool> {
    const { state } = this.#options;
    const home = await openSpoolHome(state, url, device);
    const { uploadBytesPerSecond } = await state.settings();
    const spool = new Spool({
      home,
      clock: this.#clock,
      random: Math.random,
      send: async (of, segment, body) => {
        const gateway = await this.#speaking();
        if (gateway.url !== url) throw notNow();
        if (gateway.deviceKey !== of)
          throw new ThroughlineError('denied', 'it was recorded under another key of this device');
        return api.spool(gateway, of, segment, body);
      },
      changed: () => this.#tell(),
      ...(uploadBytesPerSecond === undefined ? {} : { bytesPerSecond: uploadBytesPerSecond }),
    });
    spool.start();
    return spool;
  }

  async #leave(place: Place | undefined): Promise<void> {
    const spool = await place?.spool;
    await spool?.close(0);
  }

  async #speaking(): Promise<Gateway> {
    if (this.#speaker === undefined) throw notNow();
    return this.#speaker;
  }

  #flush(): void {
    for (const session of this.#sessions.values()) session.flush();
  }

  /** Asks in `ms`, unless it is about to ask before that. */
  #askIn(ms: number): void {
    const place = this.#place;
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => void this.#ask(place), ms).unref();
  }

  async #ask(place: Place | undefined): Promise<void> {
    const log = place?.log;
    if (log === undefined || this.#speaker === undefined || place !== this.#place) return;
    const pending = await log.receipts.round().catch(() => undefined);
    if (place !== this.#place) return;
    this.#conflict = log.files.conflict();
    const delayMs = receiptDelaysMs[(this.#asked += 1)] ?? receiptIntervalMs;
    if (pending === undefined || pending.length > 0 || this.#sessions.size > 0)
      this.#askIn(this.#sessions.size === pending?.length ? receiptIntervalMs : delayMs);
    this.#tell();
  }

  async #conflicts(place: Place, { kept, given, why }: Conflict): Promise<void> {
    const spool = await place.spool;
    const record = { ...stamp(this.#clock), kind: 'log-conflict' as const, kept, given, why };
    await spool?.append([record], 'ending').catch(() => undefined);
  }

  state(spool: SpoolState | undefined): RecordingState {
    const { trouble } = this.#place ?? {};
    const broken: SpoolState | undefined =
      trouble === undefined ? undefined : { working: false, trouble, records: 0, bytes: 0, refused: [] };
    const known = spool ?? broken;
    return {
      spool: known && { ...known, ...(this.#unrecorded === 0 ? {} : { unrecorded: this.#unrecorded }) },
      logConflict: this.#conflict && { at: this.#conflict.at, why: this.#conflict.why },
    };
  }

  /** What many changes in a row come to. */
  #tell(): void {
    const { changed } = this.#options;
    if (changed === undefined) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      void this.#place?.spool.then((spool) => changed(this.state(spool?.state())));
    }, tellIntervalMs).unref();
  }
}

/** The log's key as it was at first contact, which is now when there was none before. */
async function pinnedKey(state: ClientState, gateway: Gateway): Promise<string> {
  const kept = (await state.settings()).gateways[gateway.url]?.logKey;
  if (kept !== undefined) return kept;
  const { logKey } = await api.gateway(gateway);
  await state.changeSettings((settings) => {
    const known = settings.gateways[gateway.url];
    if (known === undefined || known.logKey !== undefined) return settings;
    return { ...settings, gateways: { ...settings.gateways, [gateway.url]: { ...known, logKey } } };
  });
  return (await state.settings()).gateways[gateway.url]?.logKey ?? logKey;
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : 'it cannot be opened';

function notNow(): ThroughlineError {
  return new ThroughlineError('not-signed-in', 'nobody is signed in at the gateway of these records');
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
