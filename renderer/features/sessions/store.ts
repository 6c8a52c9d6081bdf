import { create } from 'zustand';
import type { SessionDetail, SessionView, StatementView } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf, on } from '../../bridge/index.js';

/** Sessions that the list holds; older ones are found by search. */
const sessionsMax = 20_000;

interface Sessions {
  readonly sessions: ReadonlyMap<string, SessionView>;
  readonly state: 'unread' | 'reading' | 'read';
  readonly problem: BridgeError | undefined;
  /** Statements of the sessions that some view shows, by seq. */
  readonly details: ReadonlyMap<string, Detail>;
}

export interface Detail {
  readonly statements: ReadonlyMap<number, StatementView>;
  /** What retention has deleted of the recording. */
  readonly deleted?: SessionDetail['deleted'];
  readonly behind?: SessionDetail['behind'];
  readonly lineage?: SessionDetail['lineage'];
  readonly watched?: SessionDetail['watched'];
  readonly problem?: BridgeError;
  readonly read: boolean;
}

export const useSessions = create<Sessions>(() => ({
  sessions: new Map(),
  state: 'unread',
  problem: undefined,
  details: new Map(),
}));

const watched = new Map<string, number>();
let reading: Promise<void> | undefined;
/** What the feed said while a listing was on its way is newer than the listing. */
let newer: Map<string, SessionView> | undefined;

/** Reads the list if nobody did, or again. One reading at a time. */
export function readSessions(): Promise<void> {
  reading ??= read().finally(() => {
    reading = undefined;
  });
  return reading;
}

async function read(): Promise<void> {
  newer = new Map();
  useSessions.setState((before) => ({ state: before.state === 'read' ? 'read' : 'reading' }));
  try {
    const list = await call('sessions.list', {});
    const sessions = new Map(list.slice(0, sessionsMax).map((each) => [each.id as string, each]));
    for (const [id, session] of newer) sessions.set(id, session);
    useSessions.setState({ sessions, state: 'read', problem: undefined });
  } catch (cause) {
    useSessions.setState((before) => ({
      problem: failureOf(cause),
      state: before.state === 'reading' ? 'unread' : before.state,
    }));
  } finally {
    newer = undefined;
  }
}

/** A busy gateway tells of hundreds of sessions a second; a screen is drawn sixty times. */
const together = new Map<string, SessionView>();

function put(session: SessionView): void {
  newer?.set(session.id, session);
  if (together.size === 0) setTimeout(putTogether, 16);
  together.set(session.id, session);
}

function putTogether(): void {
  useSessions.setState((before) => {
    const sessions = new Map(before.sessions);
    for (const [id, session] of together) sessions.set(id, session);
    return { sessions };
  });
  together.clear();
}

/** Keeps one session's statements read and up to date until the returned function is called. */
export function watchSession(id: string): () => void {
  watched.set(id, (watched.get(id) ?? 0) + 1);
  void readDetail(id);
  return () => {
    const left = (watched.get(id) ?? 1) - 1;
    if (left > 0) watched.set(id, left);
    else {
      watched.delete(id);
      useSessions.setState((before) => {
        const details = new Map(before.details);
        details.delete(id);
        return { details };
      });
    }
  };
}

export async function readDetail(id: string): Promise<void> {
  try {
    const detail = await call('sessions.show', { id: id as SessionDetail['id'] });
    const { statements, deleted, behind, lineage, watched: watchedBy, ...rest } = detail;
    put({ ...rest, statements: statements.length });
    changeDetail(id, (before) => {
      const merged = new Map(statements.map((each) => [each.seq, each]));
      for (const [seq, known] of before.statements) {
        const listed = merged.get(seq);
        if (listed === undefined || listed.durationMs < known.durationMs) merged.set(seq, known);
      }
      return { statements: merged, deleted, behind, lineage, watched: watchedBy, read: true };
    });
  } catch (cause) {
    changeDetail(id, (before) => ({ ...before, problem: failureOf(cause) }));
  }
}

function changeDetail(id: string, change: (before: Detail) => Detail): void {
  if (!watched.has(id)) return;
  useSessions.setState((before) => {
    const details = new Map(before.details);
    details.set(id, change(details.get(id) ?? { statements: new Map(), read: false }));
    return { details };
  });
}

on('session.changed', put);
on('statement.changed', ({ session, statement }) => {
  changeDetail(session, (before) => ({
    ...before,
    statements: new Map(before.statements).set(statement.seq, statement),
  }));
});
on('resync', () => {
  if (useSessions.getState().state !== 'unread') void readSessions();
  for (const id of watched.keys()) void readDetail(id);
});
on('connections.changed', () => {
  if (useSessions.getState().state !== 'unread') void readSessions();
});
/** Another person's sessions are nobody's business after a sign-out. */
on('app.changed', ({ signIn }) => {
  if (signIn.state === 'signed-in') return;
  together.clear();
  useSessions.setState({ sessions: new Map(), state: 'unread', problem: undefined, details: new Map() });
});
