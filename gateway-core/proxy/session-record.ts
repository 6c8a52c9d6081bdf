import type { Actor } from '../contract/chain.js';
import type { Protocol } from '../contract/connection.js';
import type { Grounds } from '../contract/decision.js';
import type { EndCause, SessionBehind } from '../contract/events.js';
import type { ConnectionName, SessionId } from '../contract/ids.js';
import type { SessionWire } from '../contract/local-record.js';
import type { JournalFailure, Recorder } from '../contract/recorder.js';

/** What every session is, whatever it speaks. */
export interface SessionFacts {
  readonly id: SessionId;
  readonly connection: ConnectionName;
  readonly actor: Actor;
  /** The processes behind the client's socket, masked: for the record. */
  readonly behind: SessionBehind | undefined;
  readonly via: 'tunnel' | 'native';
  readonly durability: 'strict' | 'grouped';
  readonly grounds: Grounds;
  readonly recorder: Recorder;
  /** The desktop's spool that the session is recorded into, and what is hashed to be compared with it. */
  readonly desktop:
    | { readonly device: string; readonly segment: number; readonly wire: SessionWire }
    | undefined;
  readonly idleTimeoutMs: number;
  readonly nowMs: () => number;
}

export interface Ending {
  readonly cause: EndCause;
  readonly reason: string | undefined;
}

/** Resolves once the session's begin is durable; until then nothing of it may move. `application`: masked. */
export function recordStart(
  facts: SessionFacts,
  protocol: Protocol,
  application: string | undefined,
): Promise<void> {
  const { actor, behind, connection, id, via, durability, grounds, desktop } = facts;
  return new Promise((resolve, reject) => {
    facts.recorder.event(
      {
        kind: 'session.started',
        session: id,
        connection,
        protocol,
        chain: actor.chain,
        signIn: actor.signIn,
        via,
        durability,
        ...(application === undefined ? {} : { application }),
        ...(actor.delegations === undefined ? {} : { delegations: [...actor.delegations] }),
        ...(actor.lineage === undefined ? {} : { lineage: actor.lineage }),
        ...(desktop === undefined ? {} : { spool: { device: desktop.device, segment: desktop.segment } }),
        ...(behind === undefined ? {} : { payload: behind }),
        policy: [...grounds.policies],
        policyVersion: grounds.policyVersion,
      },
      'durable',
      (result) => (result instanceof Error ? reject(result) : resolve()),
    );
  });
}

/**
 * The session's end. Its statements have theirs already. A failure here cannot be told to anyone any more; at its next
 * start the gateway ends what has no end.
 */
export async function recordEnd(
  facts: SessionFacts,
  ending: Ending | undefined,
  counts: { readonly statements: number; readonly bytesFromClient: number; readonly bytesToClient: number },
): Promise<void> {
  const { recorder, id } = facts;
  const wire = await wireKept(facts);
  const { cause, reason } = ending ?? { cause: 'fault' as const, reason: undefined };
  await new Promise<void>((resolve) => {
    recorder.event(
      {
        kind: 'session.ended',
        session: id,
        endCause: cause,
        ...counts,
        ...(wire === undefined ? {} : { wire }),
        ...(reason === undefined ? {} : { reason }),
      },
      'durable',
      () => resolve(),
    );
  });
}

/** The sums of the raw stream, once every block under them is in the record; a sum over lost ones would prove nothing. */
async function wireKept({ recorder, id, desktop }: SessionFacts) {
  const sums = desktop?.wire.finish();
  if (sums === undefined) return undefined;
  const failure = await new Promise<JournalFailure | undefined>((resolve) => {
    recorder.flush(resolve, id);
  });
  return failure === undefined ? sums : undefined;
}

/** Ends a session that says nothing for too long, or whose sign-in or delegation is over. */
export function watchIdle(
  facts: SessionFacts,
  session: {
    readonly isOver: () => boolean;
    /** Something runs: it may be silent for as long as it likes. */
    readonly isBusy: () => boolean;
    readonly lastActiveMs: () => number;
    readonly end: (cause: EndCause, reason: string) => void;
  },
): void {
  const { idleTimeoutMs, nowMs, actor } = facts;
  const check = (): void => {
    if (session.isOver()) return;
    const now = nowMs();
    const idleMs = session.isBusy() ? 0 : now - session.lastActiveMs();
    if (now >= actor.expiresAtMs) {
      session.end('expired', 'the sign-in or the delegation behind this session has expired');
      return;
    }
    if (idleMs >= idleTimeoutMs) {
      session.end('idle', 'the session was idle for too long');
      return;
    }
    const waitMs = Math.min(idleTimeoutMs - idleMs, actor.expiresAtMs - now);
    setTimeout(check, Math.min(Math.max(waitMs, 50), 0x7fff_ffff)).unref();
  };
  check();
}
