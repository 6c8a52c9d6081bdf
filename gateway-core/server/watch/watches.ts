import { randomBytes } from 'node:crypto';
import type { ReplayItem } from '../../contract/api.js';
import { type Actor, type Chain, mayBeAgent } from '../../contract/chain.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { AuditEventInput, WatchEnd } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { JournalFailure } from '../../contract/recorder.js';
import { type Watcher as WatcherView, watcherName } from '../../contract/watch.js';
import type { LiveSession } from '../live-sessions.js';
import type { GatewayRecorder, RecorderTap } from '../recorder.js';
import { watchLimits } from './limits.js';
import { WatchedSession } from './session.js';
import { Watcher } from './watcher.js';

export interface WatchRooms {
  readonly recorder: () => Pick<GatewayRecorder, 'journal' | 'complain'>;
  readonly journal: { durable(done: (failure?: JournalFailure) => void, session: SessionId): void };
  readonly sealer: {
    caughtUp(position: number): Promise<void>;
    replay(session: SessionId, to: number): AsyncIterable<ReplayItem>;
  };
  /** Tells of who watches a session whoever sees it: first of all whose it is. */
  readonly feed: { watched(session: SessionId, watchers: readonly WatcherView[]): void };
  readonly now: () => number;
}

/** Who wants to watch what. */
export interface Wanted {
  readonly session: LiveSession;
  readonly actor: Actor;
  /** Asked again and again. `full`: policy, too, and not only whether the sign-in still stands. */
  readonly refusal: (full: boolean) => 'rights' | 'signed-out' | undefined;
  readonly drop: () => void;
}

interface Watched {
  readonly session: LiveSession;
  readonly painted: WatchedSession;
  readonly watchers: Map<string, { readonly watcher: Watcher; readonly view: WatcherView | undefined }>;
  /** Of those who are being put on record. */
  coming: number;
  /** The journal was given its end: nothing of it may be written behind that. */
  ended: boolean;
}

/**
 * Who watches which session. INVARIANT: nobody is shown a byte before it stands durably in the log that they watch, and
 * before the person whose session it is can know; whoever watches their own session need not be told of themselves.
 */
export class Watches {
  readonly #rooms: WatchRooms;
  readonly #watched = new Map<SessionId, Watched>();
  readonly #signIns = new Map<Watcher, string>();
  /** To be given to the recorder. Costs a look into a map where nobody watches. */
  readonly tap: RecorderTap = {
    content: (session, seq, stream, bytes) => {
      if (this.#watched.size > 0) this.#watched.get(session)?.painted.content(seq, stream, bytes);
    },
    event: (event) => {
      if (event.kind !== 'session.ended') return;
      const watched = this.#watched.get(event.session);
      if (watched !== undefined) watched.ended = true;
    },
  };

  constructor(rooms: WatchRooms) {
    this.#rooms = rooms;
  }

  get watchers(): number {
    return this.#signIns.size;
  }

  /** Those that the session's person is told of. */
  of(session: SessionId): readonly WatcherView[] {
    const watched = this.#watched.get(session);
    return watched === undefined ? [] : viewsOf(watched);
  }

  /** What stands in the journal, in its order; or was to be kept and is not. */
  hear(event: AuditEventInput, kept: boolean): void {
    const isOfStatement = event.kind === 'statement.decided' || event.kind === 'statement.ended';
    if (!isOfStatement && event.kind !== 'session.ended') return;
    const watched = this.#watched.get(event.session);
    if (watched === undefined) return;
    if (kept) watched.painted.hear(event);
    else if (event.kind === 'session.ended') this.#end(watched, 'lost');
  }

  /** @throws ThroughlineError rate-limited, not-recordable */
  async open(wanted: Wanted): Promise<ReadableStream<Uint8Array>> {
    this.#requireRoom(wanted);
    const { session, actor } = wanted;
    const watched = this.#watched.get(session.id) ?? this.#begin(session);
    const watch = `wch_${randomBytes(10).toString('hex')}`;
    const own = session.actor.chain[0].id === actor.chain[0].id && !mayBeAgent(actor);
    watched.coming += 1;
    let position: number;
    try {
      position = await this.#record({
        kind: 'session.watched',
        session: session.id,
        watch,
        by: actor.chain,
        told: !own,
      });
    } catch (error) {
      watched.coming -= 1;
      this.#letGo(watched);
      throw error;
    }
    watched.coming -= 1;
    const since = new Date(this.#rooms.now()).toISOString();
    const view = own ? undefined : { principal: actor.chain[0].id, name: watcherName(actor.chain), since };
    return this.#add(watched, watch, wanted, view, position);
  }

  rightsChanged(): void {
    for (const watcher of this.#signIns.keys()) watcher.rightsChanged();
  }

  signInEnded(signIn: string): void {
    for (const [watcher, each] of this.#signIns) if (each === signIn) watcher.end('signed-out');
  }

  /** The gateway stops. */
  close(): void {
    for (const watched of this.#watched.values()) this.#end(watched, 'lost');
  }

  #requireRoom({ session, actor }: Wanted): void {
    const { watchersMax, watchersPerSessionMax, watchersPerSignInMax, sessionsMax } = watchLimits;
    const watched = this.#watched.get(session.id);
    const here = watched === undefined ? 0 : watched.watchers.size + watched.coming;
    const coming = [...this.#watched.values()].reduce((sum, each) => sum + each.coming, 0);
    const bySame = [...this.#signIns.values()].filter((each) => each === actor.signIn).length;
    const isFull =
      this.#signIns.size + coming >= watchersMax ||
      here >= watchersPerSessionMax ||
      bySame >= watchersPerSignInMax ||
      (watched === undefined && this.#watched.size >= sessionsMax);
    if (isFull)
      throw new ThroughlineError('rate-limited', 'too many sessions are watched', {
        action: 'stop watching another one first',
      });
  }

  /** From this turn on everything that the recorder is given of the session is held for who will watch. */
  #begin(session: LiveSession): Watched {
    const { journal, sealer, now } = this.#rooms;
    const all = (tell: (watcher: Watcher) => void): void => {
      for (const { watcher } of watched.watchers.values()) tell(watcher);
    };
    const painted = new WatchedSession({
      id: session.id,
      startedAtMs: session.startedAtMs,
      durable: (id) =>
        new Promise((resolve, reject) => {
          journal.durable((failure) => (failure === undefined ? resolve() : reject(failure)), id);
        }),
      recorded: async function* (id, to) {
        await sealer.caughtUp(to);
        yield* sealer.replay(id, to);
      },
      now,
      tell: (lines) => all((watcher) => watcher.tell(lines)),
      ready: () => all((watcher) => watcher.ready()),
      over: (why) => this.#end(watched, why),
    });
    const watched: Watched = { session, painted, watchers: new Map(), coming: 0, ended: false };
    this.#watched.set(session.id, watched);
    return watched;
  }

  #record(event: AuditEventInput): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#rooms.recorder().journal.event(event, 'durable', (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result.position);
      });
    });
  }

  #add(
    watched: Watched,
    watch: string,
    wanted: Wanted,
    view: WatcherView | undefined,
    position: number,
  ): ReadableStream<Uint8Array> {
    const { painted, session } = watched;
    const { actor, refusal, drop } = wanted;
    const watcher: Watcher = new Watcher({
      snapshot: () => (painted.settled ? painted.snapshot() : undefined),
      refusal,
      ended: (why) => this.#left(watched, watch, watcher, actor.chain, why),
      drop,
      now: this.#rooms.now,
    });
    this.#signIns.set(watcher, actor.signIn);
    watched.watchers.set(watch, { watcher, view });
    if (view !== undefined) {
      this.#rooms.feed.watched(session.id, viewsOf(watched));
      session.notice?.(`throughline: ${view.name} watches this session since ${timeOf(view.since)}`);
    }
    // It ended while this was put on record.
    if (this.#watched.get(session.id) !== watched) watcher.end('session-ended');
    else {
      // Rights may have gone while it was put on record.
      watcher.rightsChanged();
      painted.begin(position);
    }
    return watcher.stream;
  }

  #left(watched: Watched, watch: string, watcher: Watcher, by: Chain, why: WatchEnd): void {
    this.#signIns.delete(watcher);
    const view = watched.watchers.get(watch)?.view;
    watched.watchers.delete(watch);
    if (!watched.ended) {
      this.#record({ kind: 'session.unwatched', session: watched.session.id, watch, by, why }).catch(
        (error: unknown) =>
          this.#rooms.recorder().complain('the end of a watch could not be recorded', error),
      );
      if (view !== undefined) {
        this.#rooms.feed.watched(watched.session.id, viewsOf(watched));
        const until = timeOf(new Date(this.#rooms.now()).toISOString());
        watched.session.notice?.(`throughline: ${view.name} no longer watches this session (${until})`);
      }
    }
    this.#letGo(watched);
  }

  /** Nobody watches it any more. */
  #letGo(watched: Watched): void {
    if (watched.watchers.size > 0 || watched.coming > 0) return;
    watched.painted.dispose();
    if (this.#watched.get(watched.session.id) === watched) this.#watched.delete(watched.session.id);
  }

  #end(watched: Watched, why: WatchEnd): void {
    if (this.#watched.get(watched.session.id) === watched) this.#watched.delete(watched.session.id);
    watched.painted.dispose();
    for (const { watcher } of watched.watchers.values()) watcher.end(why);
  }
}

function viewsOf(watched: Watched): readonly WatcherView[] {
  return [...watched.watchers.values()].flatMap(({ view }) => (view === undefined ? [] : [view]));
}

/** Nobody here knows the person's time zone. */
function timeOf(at: string): string {
  return `${at.slice(11, 16)} UTC`;
}
