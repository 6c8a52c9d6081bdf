import type { LiveItem, SessionView } from '../contract/api.js';
import { Protocol } from '../contract/connection.js';
import type { AuditEventInput, StatementDecision } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import type { Watcher } from '../contract/watch.js';
import { StatementList } from '../recording/statements.js';

export const feedLimits = {
  feedsMax: 2000,
  feedsPerSignInMax: 32,
  /** Lines that wait for a slow reader, and their length; past either it is told that it missed something. */
  waitingMax: 5000,
  waitingCharactersMax: 2 * 1024 * 1024,
  /** Written at once: what was handed to a socket waits there, out of reach. */
  chunkCharactersMax: 64 * 1024,
  beatMs: 15_000,
  /** A feed ends after so long and is asked for anew: with a ticket that is checked anew. */
  lifeMsMax: 3600_000,
  /** After its end, a reader that takes nothing any more loses its connection. */
  goodbyeMs: 10_000,
  /** A session's count of statements is told at most so often. */
  countMs: 250,
  /** Statements whose end has not come, and the length of their texts; further ones are told without their end. */
  runningMax: 20_000,
  runningCharactersMax: 32 * 1024 * 1024,
  /** What one reader may see, per person and connection. */
  verdictsMax: 10_000,
} as const;

type Started = Extract<AuditEventInput, { kind: 'session.started' }>;
type Ended = Extract<AuditEventInput, { kind: 'session.ended' }>;
type Decided = Extract<AuditEventInput, { kind: 'statement.decided' }>;
type Misused = Extract<AuditEventInput, { kind: 'credential.misused' }>;
type Statement = Decided | Extract<AuditEventInput, { kind: 'statement.ended' }>;

/** What a line is about: a statement is told of others only once that is on record. */
export type LineOf = 'session' | 'statement' | 'resync';

export interface Reader {
  readonly signIn: string;
  /** Asked once for each person and connection, and again once rights change. Throwing means no. */
  readonly maySee: (session: SessionView) => boolean;
  /** `line` is one LiveItem with its line end, the same string for every reader. */
  readonly tell: (line: string, of: LineOf, session: SessionView) => void;
  readonly rightsChanged: () => void;
  /** A line about the credential of somebody's agent. */
  readonly alert: (line: string, principal: string) => void;
}

interface Live {
  view: SessionView;
  readonly running: Map<number, { readonly list: StatementList; readonly characters: number }>;
}

/** After these decisions nothing more comes: the statement was never sent. */
const finalDecisions: ReadonlySet<StatementDecision> = new Set(['denied', 'refused', 'timed-out']);

export function lineOf(item: LiveItem): string {
  return `${JSON.stringify(item)}\n`;
}

/**
 * Tells readers what happens, as it happens. It hears events once they stand in the journal, in the journal's order,
 * so nothing is told that is not kept. With no reader it remembers the live sessions and nothing else.
 */
export class LiveFeed {
  readonly #now: () => number;
  readonly #mayChange: () => boolean;
  readonly #sessions = new Map<SessionId, Live>();
  readonly #counted = new Set<SessionId>();
  readonly #readers = new Map<Reader, Map<string, boolean>>();
  #running = 0;
  #runningCharacters = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `mayChange`: the policies in force look at the clock, so that no verdict holds longer than it takes. */
  constructor(now: () => number, mayChange: () => boolean) {
    this.#now = now;
    this.#mayChange = mayChange;
  }

  get readers(): number {
    return this.#readers.size;
  }

  readersOf(signIn: string): number {
    let count = 0;
    for (const reader of this.#readers.keys()) if (reader.signIn === signIn) count += 1;
    return count;
  }

  /** Statements that are held until they end. */
  get running(): { readonly statements: number; readonly characters: number } {
    return { statements: this.#running, characters: this.#runningCharacters };
  }

  /** Cheap where nobody reads: most events are of statements, and those return at once. */
  hear(event: AuditEventInput): void {
    if (event.kind === 'statement.decided' || event.kind === 'statement.ended') {
      const live = this.#sessions.get(event.session);
      if (live === undefined) return;
      if (event.kind === 'statement.decided')
        live.view.statements = Math.max(live.view.statements, event.seq);
      if (this.#readers.size > 0) this.#statement(event, live);
    } else if (event.kind === 'session.started') this.#started(event);
    else if (event.kind === 'session.ended') this.#ended(event);
    else if (event.kind === 'credential.misused') this.#misused(event);
  }

  #misused({ misuse, delegation, chain, verdict }: Misused): void {
    const line = lineOf({ kind: 'misuse', at: this.#at(), misuse, delegation, chain, verdict });
    for (const reader of this.#readers.keys()) reader.alert(line, chain[0].id);
  }

  /** It could not be kept. A session is over all the same; its end is told when the record has one. */
  missed(event: AuditEventInput): void {
    if (event.kind !== 'session.ended') return;
    const live = this.#forget(event.session);
    if (live !== undefined) this.#tell(live.view, 'resync', () => ({ kind: 'resync' }));
  }

  /** Who watches it has changed: told to everybody who sees the session, and so to whose it is. */
  watched(id: SessionId, watchers: readonly Watcher[]): void {
    const live = this.#sessions.get(id);
    if (live === undefined) return;
    const { watchers: _, ...view } = live.view;
    live.view = watchers.length === 0 ? view : { ...view, watchers: [...watchers] };
    this.#tell(live.view, 'session', () => ({ kind: 'session', session: live.view }));
  }

  /** Connections or policies changed: verdicts are old. */
  rightsChanged(): void {
    for (const [reader, verdicts] of this.#readers) {
      verdicts.clear();
      reader.rightsChanged();
    }
  }

  /** @returns how to stop */
  subscribe(reader: Reader): () => void {
    this.#readers.set(reader, new Map());
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size > 0) return;
      for (const live of this.#sessions.values()) this.#drop(live);
      this.#counted.clear();
    };
  }

  #started(event: Started): void {
    const { session: id, connection, protocol, chain, via, application } = event;
    const view: SessionView = {
      id,
      connection,
      protocol: Protocol.parse(protocol),
      principal: chain[0].id,
      chain,
      state: 'live',
      startedAt: this.#at(),
      statements: 0,
      via,
      ...(application === undefined ? {} : { application }),
    };
    this.#sessions.set(id, { view, running: new Map() });
    this.#tell(view, 'session', () => ({ kind: 'session', session: view }));
  }

  #ended(event: Ended): void {
    const live = this.#forget(event.session);
    if (live === undefined) return;
    const { endCause, statements } = event;
    const { watchers: _, ...last } = live.view;
    const view: SessionView = { ...last, state: 'ended', endedAt: this.#at(), endCause, statements };
    this.#tell(view, 'session', () => ({ kind: 'session', session: view }));
  }

  #forget(id: SessionId): Live | undefined {
    const live = this.#sessions.get(id);
    if (live === undefined) return undefined;
    this.#sessions.delete(id);
    this.#counted.delete(id);
    this.#drop(live);
    return live;
  }

  #drop(live: Live): void {
    for (const { characters } of live.running.values()) {
      this.#running -= 1;
      this.#runningCharacters -= characters;
    }
    live.running.clear();
  }

  #statement(event: Statement, live: Live): void {
    const list = this.#take(live, event.seq) ?? new StatementList();
    list.add({ ...event, v: 1, at: this.#at(), node: '-' });
    if (event.kind === 'statement.decided') this.#keep(live, event, list);
    const [statement] = list.views();
    // It began before anybody read: a reader has it from a listing, without its end, and has to ask again.
    if (statement === undefined) return this.#tell(live.view, 'resync', () => ({ kind: 'resync' }));
    this.#tell(live.view, 'statement', () => ({ kind: 'statement', session: live.view.id, statement }));
    this.#count(live.view.id);
  }

  #take(live: Live, seq: number): StatementList | undefined {
    const held = live.running.get(seq);
    if (held === undefined) return undefined;
    live.running.delete(seq);
    this.#running -= 1;
    this.#runningCharacters -= held.characters;
    return held.list;
  }

  #keep(live: Live, event: Decided, list: StatementList): void {
    if (finalDecisions.has(event.decision)) return;
    const characters = charactersOf(event);
    const tooLong = this.#runningCharacters + characters > feedLimits.runningCharactersMax;
    if (this.#running >= feedLimits.runningMax || tooLong) return;
    live.running.set(event.seq, { list, characters });
    this.#running += 1;
    this.#runningCharacters += characters;
  }

  #count(id: SessionId): void {
    this.#counted.add(id);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tellCounts(), feedLimits.countMs).unref();
  }

  #tellCounts(): void {
    this.#timer = undefined;
    const counted = [...this.#counted];
    this.#counted.clear();
    for (const id of counted) {
      const view = this.#sessions.get(id)?.view;
      if (view !== undefined) this.#tell(view, 'session', () => ({ kind: 'session', session: view }));
    }
  }

  /** The item is made into a line once, and only when somebody may see it. */
  #tell(session: SessionView, of: LineOf, item: () => LiveItem): void {
    let line: string | undefined;
    for (const [reader, verdicts] of this.#readers) {
      if (!this.#maySee(reader, verdicts, session)) continue;
      line ??= lineOf(item());
      reader.tell(line, of, session);
    }
  }

  #maySee(reader: Reader, verdicts: Map<string, boolean>, session: SessionView): boolean {
    // Whose session it is and where decides; a session's own id does not.
    const key = `${session.principal} ${session.connection}`;
    const remembered = verdicts.get(key);
    if (remembered !== undefined && !this.#mayChange()) return remembered;
    let may = false;
    try {
      may = reader.maySee(session);
    } catch {
      // Fails closed, and must not break the session that is being told of.
    }
    if (verdicts.size >= feedLimits.verdictsMax) verdicts.clear();
    verdicts.set(key, may);
    return may;
  }

  #at(): string {
    return new Date(this.#now()).toISOString();
  }
}

function charactersOf({ payload }: Decided): number {
  let characters = payload.text.length;
  for (const parameter of payload.parameters ?? []) characters += parameter?.length ?? 0;
  return characters;
}
