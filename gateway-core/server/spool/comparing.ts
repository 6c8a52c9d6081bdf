import type { AuditEvent, AuditEventInput } from '../../contract/events.js';
import { type SessionId, sessionTimeMs } from '../../contract/ids.js';
import type { GatewayRecorder } from '../recorder.js';
import type { Sealer } from '../sealer/index.js';
import type { ComparableSession, Compared } from '../sealer/two-sides.js';
import { compareSides, needsBlocks, type Verdict } from './compare.js';
import type { DesktopSide } from './desktop-side.js';
import type { Spool } from './index.js';
import { receiverLimits } from './limits.js';

/** Sessions that wait for a look. Beyond it they are found again by the next sweep. */
const waitingMax = 10_000;
/** Verdicts of one session: later records may change the first one, and a device may send them for ever. */
const verdictsMax = 8;
const sweepEveryMs = 3600_000;
const sweepPage = 200;
/** An ended session's records come within seconds, mostly. */
const sweepOlderThanMs = 60_000;
/** When the log may not have yet what it will have: an id whose stream is just being refused, a session just ending. */
const againAfterMs = 5000;
/** After this long an id that was given out and stands nowhere in the log is one that was taken out of it. */
const unknownAfterMs = 120_000;

export interface ComparingOptions {
  readonly sealer: Pick<Sealer, 'caughtUp' | 'comparable' | 'keptBlocks' | 'recordedResults' | 'pending'>;
  readonly spool: Pick<Spool, 'side'>;
  readonly recorder: Pick<GatewayRecorder, 'record' | 'complain'>;
  /** How long a session waits for its desktop's record. */
  readonly waitMs: number;
  readonly now: () => number;
}

type Session = Extract<ComparableSession, { kind: 'session' }>;

/**
 * Compares what desktops recorded with what the gateway did, once both are there, and puts the verdict into the log.
 * Everything it works from stands in log, recordings and spool: what is forgotten by a restart is found by the sweep.
 */
export class Comparing {
  readonly #options: ComparingOptions;
  /** Session to the device whose records came. */
  readonly #waiting = new Map<SessionId, string>();
  /** Records are there, and the session runs. */
  readonly #unended = new Map<SessionId, string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ComparingOptions) {
    this.#options = options;
  }

  /** The sweeps, from now on. */
  start(): void {
    const sweep = (): void => {
      this.sweep().catch((error: unknown) =>
        this.#options.recorder.complain('sessions could not be looked through for comparison', error),
      );
      this.#later(sweep, sweepEveryMs);
    };
    this.#later(sweep, sweepOlderThanMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#running;
  }

  #later(act: () => void, ms: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }

  /** The end of these sessions came from a device, or more records of such whose end had come. */
  arrived(device: string, sessions: readonly SessionId[]): void {
    for (const session of sessions) this.#put(session, device);
  }

  /** Hears every event of the log. */
  hear(event: AuditEventInput | AuditEvent): void {
    if (event.kind === 'session.ended') this.#ended(event.session);
  }

  #put(session: SessionId, device: string): void {
    if (this.#stopped || this.#waiting.size >= waitingMax) return;
    this.#waiting.set(session, device);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Behind the event or the answer that led here, and one pass of the sealer for all that came together.
    await new Promise((resolve) => setImmediate(resolve));
    const { recorder, sealer } = this.#options;
    while (this.#waiting.size > 0 && !this.#stopped) {
      const batch = [...this.#waiting];
      this.#waiting.clear();
      try {
        await sealer.caughtUp();
        for (const [session, device] of batch) await this.#look(session, device);
      } catch (error) {
        if (!this.#stopped) recorder.complain('sessions could not be compared, and are tried again', error);
        for (const [session, device] of batch) this.#again(session, device);
        break;
      }
    }
    this.#running = undefined;
  }

  #again(session: SessionId, device: string): void {
    if (this.#timers.size < waitingMax) this.#later(() => this.#put(session, device), againAfterMs);
  }

  async #look(session: SessionId, device: string): Promise<void> {
    const { sealer, spool, now } = this.#options;
    const found = await sealer.comparable(session);
    switch (found.kind) {
      case 'unopened':
        return;
      case 'unknown':
        if (now() - sessionTimeMs(session) < unknownAfterMs) this.#again(session, device);
        else await this.#unknown(session, device, found.compared);
        return;
      case 'session':
        if (found.ended === undefined) {
          if (this.#unended.size < waitingMax) this.#unended.set(session, device);
          // It may have ended between the look and this line.
          await sealer.caughtUp();
          const again = await sealer.comparable(session);
          if (again.kind === 'session' && again.ended !== undefined) this.#ended(session);
          return;
        }
        await this.#compare(session, found, await spool.side(device, session));
        return;
      default:
        found satisfies never;
    }
  }

  #ended(session: SessionId): void {
    const device = this.#unended.get(session);
    this.#unended.delete(session);
    if (device !== undefined) this.#put(session, device);
  }

  async #compare(session: SessionId, found: Session, desktop: DesktopSide | undefined): Promise<void> {
    const { sealer } = this.#options;
    const { ended, spool } = found;
    if (ended === undefined || spool === undefined) return;
    if (desktop?.closed === undefined) {
      await this.#expired(session, found, desktop);
      return;
    }
    const wanted = new Map(desktop.shown.map(({ result, rows }) => [result, rows]));
    const blocks = needsBlocks(ended.wire, desktop)
      ? await sealer.keptBlocks(session, receiverLimits.blocksMax)
      : undefined;
    const results = wanted.size === 0 ? new Map() : await sealer.recordedResults(session, wanted);
    const verdict = compareSides({ cause: ended.cause, wire: ended.wire, blocks, results }, desktop);
    await this.#record(session, verdict, desktop, found.compared);
  }

  /** Nothing came, or no end of it: once it has waited long enough, what there is decides. */
  async #expired(session: SessionId, found: Session, desktop: DesktopSide | undefined): Promise<void> {
    const { waitMs, now, sealer } = this.#options;
    const { ended, compared } = found;
    if (ended === undefined || now() - Date.parse(ended.at) < waitMs) return;
    if (desktop === undefined) {
      const minutes = Math.round(waitMs / 60_000);
      const difference = `no record of the desktop came within ${minutes} minutes`;
      await this.#record(session, { verdict: 'gateway-only', difference }, undefined, compared);
      return;
    }
    const blocks = await sealer.keptBlocks(session, receiverLimits.blocksMax);
    const verdict = compareSides(
      { cause: ended.cause, wire: ended.wire, blocks, results: new Map() },
      desktop,
    );
    await this.#record(session, verdict, desktop, compared);
  }

  async #unknown(session: SessionId, device: string, compared: Compared): Promise<void> {
    const desktop = await this.#options.spool.side(device, session);
    if (desktop === undefined || compared.count > 0) return;
    const difference = 'the id was given out here, and the log knows no such session';
    await this.#record(session, { verdict: 'desktop-only', difference }, desktop, compared);
  }

  async #record(
    session: SessionId,
    {
      verdict,
      difference,
    }: { readonly verdict: Verdict['verdict'] | 'desktop-only' } & Pick<Verdict, 'difference'>,
    desktop: DesktopSide | undefined,
    compared: Compared,
  ): Promise<void> {
    const { recorder } = this.#options;
    const { last, count } = compared;
    if (last?.verdict === verdict && last.difference === difference) return;
    // What somebody has to see is said however often something else was.
    if (count >= verdictsMax && (verdict !== 'different' || last?.verdict === 'different')) return;
    await recorder.record({
      kind: 'session.compared',
      session,
      verdict,
      ...(desktop === undefined
        ? {}
        : { device: desktop.device, records: desktop.records, skewMs: Math.round(desktop.skewMs) }),
      ...(difference === undefined ? {} : { difference }),
    });
    if (verdict === 'different')
      recorder.complain(
        `${session}: the desktop's record and the gateway's differ: see throughline sessions show`,
      );
    if (verdict === 'desktop-only')
      recorder.complain(`${session}: a desktop has recorded a session that the log does not know`);
  }

  /** Looks at every ended session that has no verdict yet. */
  async sweep(): Promise<void> {
    const { sealer, spool, now } = this.#options;
    await sealer.caughtUp();
    const endedBefore = new Date(now() - sweepOlderThanMs).toISOString();
    let after = '';
    while (!this.#stopped) {
      const page = await sealer.pending(endedBefore, after, sweepPage);
      for (const session of page) {
        const found = await sealer.comparable(session);
        if (this.#stopped || found.kind !== 'session' || found.spool === undefined) continue;
        await this.#compare(session, found, await spool.side(found.spool.device, session));
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }
}
