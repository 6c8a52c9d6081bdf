import type { Actor } from '../contract/chain.js';
import type { Protocol } from '../contract/connection.js';
import type { EndCause } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import type { EndedDelegation } from '../identity/index.js';
import { Crowd } from '../proxy/crowd.js';

/** A running session as the rest of the gateway sees it. */
export interface LiveSession {
  readonly id: SessionId;
  readonly connection: string;
  readonly protocol: Protocol;
  readonly actor: Actor;
  readonly startedAtMs: number;
  readonly via: 'tunnel' | 'native';
  readonly application: string | undefined;
  /** At the other end, on the person's machine, as far as it is known. */
  readonly program: { readonly pid: number; readonly command: string | undefined } | undefined;
  statements(): number;
  /** Says a line in its terminals, where it has some. */
  notice?(text: string): void;
  /** Ends it now: the client gets its protocol's own error with `reason`. Idempotent; resolves when it is over. */
  end(cause: EndCause, reason: string, crowd?: Crowd): Promise<void>;
}

/** The sessions of this gateway that run now. */
export class LiveSessions {
  readonly #sessions = new Map<SessionId, LiveSession>();

  add(session: LiveSession): void {
    this.#sessions.set(session.id, session);
  }

  remove(id: SessionId): void {
    this.#sessions.delete(id);
  }

  get(id: string): LiveSession | undefined {
    return this.#sessions.get(id as SessionId);
  }

  list(): readonly LiveSession[] {
    return [...this.#sessions.values()];
  }

  countOf(signIn: string): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (session.actor.signIn === signIn) count += 1;
    return count;
  }

  /** Ends every session that `which` names: all are cut off in the turn of the call. Returns their ids. */
  async end(which: (session: LiveSession) => boolean, cause: EndCause, reason: string): Promise<SessionId[]> {
    const ending = this.list().filter(which);
    const crowd = new Crowd(ending.length);
    await Promise.all(ending.map((session) => session.end(cause, reason, crowd)));
    return ending.map((session) => session.id);
  }
}

const endCauses = {
  finished: ['orphaned', 'the agent that this worked for has finished'],
  revoked: ['revoked', 'the delegation behind this session was revoked'],
  expired: ['expired', 'the delegation behind this session has expired'],
  orphaned: ['orphaned', 'the agent that this worked for has ended'],
  'signed-out': ['revoked', 'the sign-in behind this session has ended'],
} as const;

/** What ends above ends everything below, and each delegation of the path is in the actor of a session. */
export async function endSessionsBelow(
  live: LiveSessions,
  { delegation, cause, reason }: EndedDelegation,
): Promise<void> {
  if (cause === 'parent-ended') return;
  const [endCause, words] = endCauses[cause];
  await live.end(
    (session) => session.actor.delegations?.includes(delegation.id) === true,
    endCause,
    reason === undefined ? words : `${words}: ${reason}`,
  );
}
