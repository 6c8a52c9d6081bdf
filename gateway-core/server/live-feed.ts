import type { LiveItem, SessionView, StatementView } from '../contract/api.js';
import type { AuditEventInput } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import { StatementList } from '../recording/statements.js';

export const feedLimits = {
  feedsMax: 2000,
  feedsPerSignInMax: 32,
  /** Lines that wait for a slow reader; past them it is told that it missed something. */
  waitingMax: 5000,
  beatMs: 15_000,
  /** A feed ends after so long and is asked for anew: with a ticket that is checked anew. */
  lifeMsMax: 3600_000,
  /** A session's count of statements is told at most so often. */
  countMs: 250,
  /** Statements whose end has not come; an older one is told without its end. */
  runningMax: 20_000,
} as const;

/** What one reader may see. Asked once per session or connection and remembered until rights change. */
export type MaySee = (session: SessionView) => boolean;

interface Reader {
  readonly signIn: string;
  readonly maySee: MaySee;
  readonly verdicts: Map<string, boolean>;
  readonly push: (item: LiveItem) => void;
}

/**
 * Tells readers what happens, as it happens. It hears events where they enter the journal, after they were handed over,
 * so nothing is told that is not being kept. With no reader it remembers the live sessions and nothing else.
 */
export class LiveFeed {
  readonly #now: () => number;
  readonly #sessions = new Map<SessionId, SessionView>();
  readonly #running = new Map<string, StatementList>();
  readonly #counted = new Set<SessionId>();
  readonly #readers = new Set<Reader>();
  #timer: NodeJS.Timeout | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  get readers(): number {
    return this.#readers.size;
  }

  readersOf(signIn: string): number {
    let count = 0;
    for (const reader of this.#readers) if (reader.signIn === signIn) count += 1;
    return count;
  }

  /** Cheap where nobody reads: most events are of statements, and those return at once. */
  hear(event: AuditEventInput): void {
    if (event.kind === 'statement.decided' || event.kind === 'statement.ended') {
      const session = this.#sessions.get(event.session);
      if (session === undefined) return;
      if (event.kind === 'statement.decided') session.statements = Math.max(session.statements, event.seq);
      if (this.#readers.size > 0) this.#statement(event, session);
    } else if (event.kind === 'session.started') this.#started(event);
    else if (event.kind === 'session.ended') this.#ended(event);
  }

  /** Connections or policies changed: verdicts are old. */
  rightsChanged(): void {
    for (const reader of this.#readers) {
      reader.verdicts.clear();
      reader.push({ kind: 'rights' });
    }
  }

  /** @returns how to stop */
  subscribe(signIn: string, maySee: MaySee, push: (item: LiveItem) => void): () => void {
    const reader: Reader = { signIn, maySee, push, verdicts: new Map() };
    this.#readers.add(reader);
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size > 0) return;
      this.#running.clear();
      this.#counted.clear();
    };
  }

  #started(event: Extract<AuditEventInput, { kind: 'session.started' }>): void {
    const { session: id, connection, chain, via, application } = event;
    const session: SessionView = {
      id,
      connection,
      protocol: 'postgres',
      principal: chain[0].id,
      chain,
      state: 'live',
      startedAt: this.#at(),
      statements: 0,
      via,
      ...(application === undefined ? {} : { application }),
    };
    this.#sessions.set(id, session);
    this.#tell(session, () => ({ kind: 'session', session: { ...session } }));
  }

  #ended(event: Extract<AuditEventInput, { kind: 'session.ended' }>): void {
    const session = this.#sessions.get(event.session);
    if (session === undefined) return;
    this.#sessions.delete(event.session);
    this.#counted.delete(event.session);
    const ended: SessionView = {
      ...session,
      state: 'ended',
      endedAt: this.#at(),
      endCause: event.endCause,
      statements: event.statements,
    };
    this.#tell(ended, () => ({ kind: 'session', session: ended }));
  }

  #statement(
    event: Extract<AuditEventInput, { kind: 'statement.decided' | 'statement.ended' }>,
    session: SessionView,
  ): void {
    const key = `${event.session} ${event.seq}`;
    const list = this.#running.get(key) ?? new StatementList();
    list.add({ ...event, v: 1, at: this.#at(), node: '-' });
    const [statement] = list.views();
    if (event.kind === 'statement.ended' || this.#running.size >= feedLimits.runningMax)
      this.#running.delete(key);
    else this.#running.set(key, list);
    // It began before anybody read: a reader has it from a listing, without its end, and has to ask again.
    if (statement === undefined) return this.#tell(session, () => ({ kind: 'resync' }));
    const view: StatementView = { ...statement };
    this.#tell(session, () => ({ kind: 'statement', session: session.id, statement: view }));
    this.#count(session.id);
  }

  #count(id: SessionId): void {
    this.#counted.add(id);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const each of this.#counted) {
        const session = this.#sessions.get(each);
        if (session !== undefined) this.#tell(session, () => ({ kind: 'session', session: { ...session } }));
      }
      this.#counted.clear();
    }, feedLimits.countMs);
  }

  #tell(session: SessionView, item: () => LiveItem): void {
    let made: LiveItem | undefined;
    for (const reader of this.#readers) {
      // Whose session it is and where decides; a session's own id does not.
      const key = `${session.principal} ${session.connection}`;
      let may = reader.verdicts.get(key);
      if (may === undefined) {
        may = reader.maySee(session);
        reader.verdicts.set(key, may);
      }
      if (!may) continue;
      made ??= item();
      reader.push(made);
    }
  }

  #at(): string {
    return new Date(this.#now()).toISOString();
  }
}

/**
 * One reader's lines as a stream. A reader that is too slow loses what waited and is told so by `resync`; nothing ever
 * waits for a reader. `isOver` is asked at every beat.
 */
export function feedStream(options: {
  readonly feed: LiveFeed;
  readonly signIn: string;
  readonly maySee: MaySee;
  readonly isOver: () => boolean;
  readonly onSignInEnded: (listener: (signIn: string) => void) => () => void;
  readonly now: () => number;
}): ReadableStream<Uint8Array> {
  const { feed, signIn, now } = options;
  const endsAtMs = now() + feedLimits.lifeMsMax;
  let waiting: LiveItem[] = [];
  let wake: (() => void) | undefined;
  const over = new AbortController();
  const push = (item: LiveItem): void => {
    if (waiting.length >= feedLimits.waitingMax) waiting = [{ kind: 'resync' }];
    else waiting.push(item);
    wake?.();
  };
  const stop = (): void => {
    over.abort();
    unsubscribe();
    forget();
    clearInterval(timer);
    wake?.();
  };
  const beat = (): void => {
    if (options.isOver() || now() >= endsAtMs) return stop();
    push({ kind: 'beat', at: new Date(now()).toISOString() });
  };
  const unsubscribe = feed.subscribe(signIn, options.maySee, push);
  const forget = options.onSignInEnded((ended) => {
    if (ended === signIn) stop();
  });
  const timer = setInterval(beat, feedLimits.beatMs);
  beat();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (waiting.length === 0 && !over.signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      wake = undefined;
      if (over.signal.aborted) return controller.close();
      const lines = waiting;
      waiting = [];
      controller.enqueue(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    },
    cancel: stop,
  });
}
