import type { TransactionStatus } from '../../codec/postgres/backend.js';
import type { Appended } from '../../contract/decision.js';
import type { AuditEventInput } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { Durability, JournalFailure, Recorder } from '../../contract/recorder.js';
import type { Judge } from './judge.js';
import type { Portal, Prepared } from './prepared.js';
import type { Expected, Replies } from './replies.js';
import type { Running } from './running.js';
import type { UpstreamQueue } from './upstream-queue.js';

/** Why a session cannot go on. `client`, `target`: they broke the protocol. `gateway`: a mistake of ours. */
export type Fault = 'client-protocol' | 'target-protocol' | 'not-recordable' | 'not-maskable' | 'gateway';

/** What both directions of one session share. */
export interface SessionContext {
  readonly id: SessionId;
  readonly recorder: Recorder;
  readonly judge: Judge;
  readonly queue: UpstreamQueue;
  readonly replies: Replies;
  readonly prepared: Map<string, Prepared>;
  readonly portals: Map<string, Portal>;
  readonly intentDurability: Durability;
  readonly keepBytesMax: number;
  /** The client is told which values are masked. */
  readonly marks: boolean;
  readonly nowUs: () => number;
  status: TransactionStatus;
  /** COPY FROM statements that were sent and have not ended. */
  readonly copies: Set<Running>;
  /** The one that the target reads data for now: what the client's CopyData belongs to. */
  copyIn: Running | undefined;
  /** Told, once each, that the target has said something: it may be what the client's next message waits for. */
  waiters: (() => void)[];
  seq: number;
  bytesFromClient: number;
  bytesToClient: number;
  fail(fault: Fault, reason: string): void;
  /** Runs `work`; where it throws, this session ends, and no other. */
  guarded(work: () => void): void;
  /** Over, or being ended: nothing more is read or sent. */
  isOver(): boolean;
}

/** Writes one statement's outcome into the journal. Once only. */
export function endStatement(
  context: SessionContext,
  statement: Running,
  state: 'ok' | 'error' | 'interrupted',
  more: { rows?: number | undefined; tag?: string; sqlState?: string; message?: string } = {},
): void {
  if (statement.ended) return;
  statement.ended = true;
  context.copies.delete(statement);
  if (context.copyIn === statement) context.copyIn = undefined;
  const rest = statement.rest();
  const copied = statement.copyMasker?.rows ?? 0;
  const replaced = statement.copyMasker?.replaced ?? 0;
  // What is undefined is not in the journal's JSON.
  const payload =
    more.tag === undefined && more.message === undefined ? undefined : { tag: more.tag, error: more.message };
  context.recorder.event(
    {
      kind: 'statement.ended',
      session: context.id,
      seq: statement.seq,
      state,
      durationUs: Math.max(0, Math.round(context.nowUs() - statement.startedUs)),
      rows: more.rows ?? statement.rows + copied,
      bytes: statement.bytes,
      maskedValues: statement.maskedValues + replaced,
      rest,
      error: more.sqlState === undefined ? undefined : { code: more.sqlState },
      payload,
    },
    'recorded',
    (result) => {
      if (isFailure(result)) context.fail('not-recordable', result.message);
    },
  );
}

/** Notes what the target will owe for a message. Called once the message has changed what its names mean. */
export function expectReply(context: SessionContext, expected: Expected): void {
  if (!context.replies.push(expected)) undoSkipped(context, [expected]);
}

/** What the target skips has not happened: its statements end, and its names are not what they were made. */
export function undoSkipped(context: SessionContext, skipped: readonly Expected[]): void {
  const { prepared, portals } = context;
  for (const item of skipped) {
    if (item.kind === 'execute') endStatement(context, item.statement, 'interrupted');
    if (item.kind === 'query') for (const each of item.statements) endStatement(context, each, 'interrupted');
    // The target keeps what it had under these names, which may not be what we know of them: forget both.
    if (item.kind === 'parse' && prepared.get(item.prepared.name) === item.prepared)
      prepared.delete(item.prepared.name);
    if (item.kind === 'bind' && portals.get(item.name) === item.portal) portals.delete(item.name);
  }
}

/** Numbers a statement, and writes what was decided about it. */
export function decideStatement(
  context: SessionContext,
  input: {
    decided: Omit<Extract<AuditEventInput, { kind: 'statement.decided' }>, 'kind' | 'session' | 'seq'>;
    durability: Durability;
    done: (result: Appended | JournalFailure) => void;
  },
): number {
  context.seq += 1;
  const seq = context.seq;
  const { decision, policy, policyVersion, action, command, payload } = input.decided;
  context.recorder.event(
    {
      kind: 'statement.decided',
      session: context.id,
      seq,
      decision,
      policy,
      policyVersion,
      action,
      command,
      payload,
    },
    input.durability,
    input.done,
  );
  return seq;
}

export function isFailure(result: Appended | JournalFailure): result is JournalFailure {
  return result instanceof Error;
}
