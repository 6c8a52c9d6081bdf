import type { Actor } from '../contract/chain.js';
import type { Lineage } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { SessionBehind } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import type { Decider } from '../policy/index.js';
import type { Connection } from './connections.js';
import type { LiveSession } from './live-sessions.js';
import { createPermissions, type Permissions } from './permissions.js';
import type { Admitted, SessionRooms } from './session-rooms.js';

/** What serving a session takes, whatever it speaks. */
export class SessionCommons {
  readonly #rooms: SessionRooms;
  readonly permissions: Permissions;

  constructor(rooms: SessionRooms) {
    this.#rooms = rooms;
    this.permissions = createPermissions(rooms);
  }

  /** Always the one for the policies and groups of the moment. */
  decider(actor: Actor, connection: Connection): () => Decider {
    const { identity, policies } = this.#rooms;
    let made:
      | { readonly policies: object; readonly groups: Actor['groups']; readonly decider: Decider }
      | undefined;
    return () => {
      const { current } = policies;
      const { groups } = identity.asNow(actor);
      if (made?.policies !== current || made.groups !== groups)
        made = { policies: current, groups, decider: this.permissions.on(actor, connection) };
      return made.decider;
    };
  }

  /** Why nobody may begin any more under what this actor came with. */
  over(actor: Actor): string | undefined {
    const { identity, isRevoked } = this.#rooms;
    if (identity.isSignInEnded(actor.signIn)) return 'the sign-in behind this session has ended';
    if (actor.delegations?.some((id) => identity.delegations.get(id) === undefined) === true)
      return 'the delegation behind this session has ended';
    return actor.chain.some((hop) => isRevoked(hop.id))
      ? 'the program behind this session was revoked'
      : undefined;
  }

  /** The session runs: it is seen, watched where its desktop must record, and ended where it began too late. */
  goLive(
    session: Pick<LiveSession, 'statements' | 'end' | 'notice'>,
    { id, connection, wire }: Admitted,
    more: Omit<
      LiveSession,
      'id' | 'connection' | 'protocol' | 'statements' | 'end' | 'program' | 'notice'
    > & {
      readonly behind: SessionBehind | undefined;
    },
  ): void {
    const { live, watch } = this.#rooms;
    const { behind, ...seen } = more;
    live.add({
      ...seen,
      id,
      connection: connection.name,
      protocol: connection.protocol,
      program: programOf(behind),
      statements: () => session.statements(),
      notice: (text) => session.notice?.(text),
      end: (cause, reason, crowd) => session.end(cause, reason, crowd),
    });
    if (wire !== undefined && connection.recording.desktop === 'required')
      watch.add({ id, wire, end: (cause, reason) => session.end(cause, reason) });
    // What ended between the check of who this is and now found no session to end.
    const over = this.over(seen.actor);
    if (over !== undefined) void session.end('revoked', over);
  }

  /** Command lines come from outside: what was redacted where they were read is masked once more. */
  kept(behind: Lineage | undefined): SessionBehind | undefined {
    if (behind?.kind !== 'attributed') return undefined;
    const mask = (text: string): string => this.#rooms.recorder.maskText(text);
    const processes = behind.processes.map(({ pid, startTicks, name, exe, arguments: words }) => ({
      pid,
      startTicks,
      name: mask(name),
      ...(exe === undefined ? {} : { exe: mask(exe) }),
      ...(words === undefined ? {} : { arguments: words.map(mask) }),
    }));
    return { bootId: behind.bootId, processes };
  }

  async recordRefusal(actor: Actor, connection: string, error: unknown, session?: SessionId): Promise<void> {
    const { recorder } = this.#rooms;
    const known = error instanceof ThroughlineError ? error : undefined;
    if (known === undefined) recorder.complain('a session could not start', error);
    try {
      await recorder.record({
        kind: 'session.refused',
        ...(session === undefined ? {} : { session }),
        connection,
        chain: actor.chain,
        code: known?.code ?? 'internal',
        reason: recorder.maskText(known?.message ?? 'internal error'),
      });
    } catch (failure) {
      recorder.complain('a refusal could not be recorded', failure);
    }
  }
}

const commandCharactersMax = 300;

function programOf(behind: SessionBehind | undefined): LiveSession['program'] {
  const leaf = behind?.processes[0];
  if (leaf === undefined) return undefined;
  return { pid: leaf.pid, command: leaf.arguments?.join(' ').slice(0, commandCharactersMax) };
}
