import type { LiveItem, SessionView } from '../../../gateway-core/contract/api.js';
import { LiveItem as LiveItemSchema } from '../../../gateway-core/contract/api.js';
import type { AuditEventInput, StatementDecision } from '../../../gateway-core/contract/events.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import { type FeedStreamOptions, feedStream } from '../../../gateway-core/server/feed-stream.js';
import { LiveFeed } from '../../../gateway-core/server/live-feed.js';
import { sessionId } from '../../sim/sealer-journal.js';

/** A feed with readers that read only when they are asked to. */
export interface World {
  readonly feed: LiveFeed;
  /** The clock that the feed is told by. */
  clock: { nowMs: number };
  policies: { useTime: boolean };
  started(number: number, principal: string, connection?: string): SessionId;
  decided(session: SessionId, seq: number, text: string, decision?: StatementDecision): void;
  ended(session: SessionId, seq: number): void;
  sessionEnded(session: SessionId): void;
  open(options?: Partial<FeedStreamOptions>): TestReader;
  endSignIn(signIn: string): void;
}

export interface TestReader {
  /** What waits, up to and with the next line that `until` names; without it, what waits now. */
  read(until?: (item: LiveItem) => boolean): Promise<LiveItem[]>;
  /** Reads to the end of the stream. */
  rest(): Promise<LiveItem[]>;
  /** Every byte that ever came. */
  bytes(): string;
  cancel(): Promise<void>;
  readonly dropped: () => boolean;
  readonly notes: () => number;
}

export const me = 'demo/contractor';

export function newWorld(): World {
  const clock = { nowMs: Date.parse('2026-11-21T08:00:00.000Z') };
  const policies = { useTime: false };
  const feed = new LiveFeed(
    () => clock.nowMs,
    () => policies.useTime,
  );
  const listeners = new Set<(signIn: string) => void>();
  const hear = (event: unknown): void => feed.hear(event as AuditEventInput);
  return {
    feed,
    clock,
    policies,
    started: (number, principal, connection = 'shop-db') => {
      const session = sessionId(number);
      hear(startedEvent(session, principal, connection));
      return session;
    },
    decided: (session, seq, text, decision = 'allowed') => hear(decidedEvent(session, seq, text, decision)),
    ended: (session, seq) => hear(endedEvent(session, seq)),
    sessionEnded: (session) => hear(sessionEndedEvent(session)),
    endSignIn: (signIn) => {
      for (const listener of listeners) listener(signIn);
    },
    open: (options = {}) => {
      let dropped = false;
      let notes = 0;
      const stream = feedStream({
        feed,
        signIn: 'sgn_1',
        signInEndsAtMs: Number.POSITIVE_INFINITY,
        maySee: (session: SessionView) => session.principal === me,
        isOwn: (session) => session.principal === me,
        tree: { onChange: () => () => undefined },
        ownPrincipal: me,
        maySeeTree: () => false,
        looksAfterPeople: () => false,
        maySeeStatements: () => false,
        noteOthers: () => {
          notes += 1;
          return Promise.resolve();
        },
        isOver: () => false,
        onSignInEnded: (listener) => {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
        drop: () => {
          dropped = true;
        },
        now: () => clock.nowMs,
        ...options,
      });
      return reading(
        stream,
        () => dropped,
        () => notes,
      );
    },
  };
}

function reading(
  stream: ReadableStream<Uint8Array>,
  dropped: () => boolean,
  notes: () => number,
): TestReader {
  const reader = stream.getReader();
  let text = '';
  let bytes = '';
  let pending: Promise<{ done: boolean; value?: Uint8Array | undefined }> | undefined;
  const parsed = (): LiveItem[] => {
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    return lines.map((line) => LiveItemSchema.parse(JSON.parse(line)));
  };
  /** Undefined when nothing waits: a turn of the loop has passed, and the stream has nothing to give. */
  const next = async (): Promise<LiveItem[] | 'end' | undefined> => {
    pending ??= reader.read();
    const step = await Promise.race([pending, aTurn()]);
    if (step === undefined) return undefined;
    pending = undefined;
    if (step.done) return 'end';
    const chunk = Buffer.from(step.value ?? []).toString();
    bytes += chunk;
    text += chunk;
    return parsed();
  };
  const readWhile = async (goOn: (items: LiveItem[], last: unknown) => boolean): Promise<LiveItem[]> => {
    const items: LiveItem[] = [];
    for (;;) {
      const step = await next();
      if (Array.isArray(step)) items.push(...step);
      if (step === 'end' || !goOn(items, step)) return items;
    }
  };
  return {
    read: (until) =>
      readWhile((items, step) => (until === undefined ? step !== undefined : !items.some(until))),
    rest: () => readWhile(() => true),
    bytes: () => bytes,
    cancel: () => reader.cancel(),
    dropped,
    notes,
  };
}

function aTurn(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(() => resolve(undefined));
  });
}

function startedEvent(session: SessionId, principal: string, connection: string): unknown {
  return {
    kind: 'session.started',
    session,
    connection,
    protocol: 'postgres',
    chain: [{ id: principal, kind: 'person', name: principal, assurance: 'proven' }],
    signIn: 'sgn_1',
    via: 'tunnel',
    durability: 'strict',
    policy: ['p'],
    policyVersion: 'v1',
  };
}

function decidedEvent(session: SessionId, seq: number, text: string, decision: StatementDecision): unknown {
  return {
    kind: 'statement.decided',
    session,
    seq,
    decision,
    policy: ['reads'],
    policyVersion: 'v1',
    action: 'sql:read',
    command: 'SELECT',
    payload: { text, exactHash: 'ab'.repeat(32) },
  };
}

function endedEvent(session: SessionId, seq: number): unknown {
  return {
    kind: 'statement.ended',
    session,
    seq,
    state: 'ok',
    durationUs: 1500,
    rows: 1,
    bytes: 10,
    maskedValues: 0,
  };
}

function sessionEndedEvent(session: SessionId): unknown {
  return {
    kind: 'session.ended',
    session,
    endCause: 'client',
    statements: 1,
    bytesFromClient: 1,
    bytesToClient: 1,
  };
}
