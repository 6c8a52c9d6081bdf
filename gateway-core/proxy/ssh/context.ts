import type { Appended, Grounds } from '../../contract/decision.js';
import type { StatementDecision } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { Durability, JournalFailure, Recorder } from '../../contract/recorder.js';
import type { SshJudge } from './judge.js';
import { Use } from './use.js';

/** Why a session cannot go on. `client`, `target`: they broke the protocol. `gateway`: a mistake of ours. */
export type Fault = 'client-protocol' | 'target-protocol' | 'not-recordable' | 'gateway';

/** What both directions of one session share. */
export interface SshContext {
  readonly id: SessionId;
  /** Whom the target's own log can name. */
  readonly principal: string;
  readonly recorder: Recorder;
  readonly judge: SshJudge;
  /** Why the session was allowed at all. */
  readonly grounds: Grounds;
  readonly durability: Durability;
  /** Of one program's output without a terminal. */
  readonly keepBytesMax: number;
  readonly nowUs: () => number;
  seq: number;
  bytesFromClient: number;
  bytesToClient: number;
  fail(fault: Fault, reason: string): void;
  /** Runs `work`; where it throws, this session ends, and no other. */
  guarded(work: () => void): void;
  isOver(): boolean;
}

/** One decision as it is kept. */
export interface Decided {
  readonly decision: StatementDecision;
  readonly grounds: Grounds;
  readonly action: string;
  /** Short: `exec`, `shell`, `sftp write`, `forward local`. */
  readonly command: string;
  /** The exact text; it is masked before it is kept. */
  readonly text: string;
  readonly message?: string | undefined;
}

/**
 * Numbers one use of the session and writes what was decided about it. `done` is called once that has the connection's
 * durability: nothing of it may be sent before.
 */
export function decideUse(
  context: SshContext,
  decided: Decided,
  done: (result: Appended | JournalFailure) => void,
): Use {
  const { recorder, judge, id } = context;
  const { decision, grounds, action, command, text, message } = decided;
  context.seq += 1;
  const { seq } = context;
  recorder.event(
    {
      kind: 'statement.decided',
      session: id,
      seq,
      decision,
      policy: [...grounds.policies],
      policyVersion: grounds.policyVersion,
      action,
      command,
      payload: {
        text: judge.keptText(text),
        ...(message === undefined ? {} : { message: judge.keptText(message) }),
        exactHash: judge.exactHash(text),
      },
    },
    context.durability,
    done,
  );
  return new Use(context, seq, command, text);
}

export function isFailure(result: Appended | JournalFailure): result is JournalFailure {
  return result instanceof Error;
}
