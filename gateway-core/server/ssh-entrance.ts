import type { Actor } from '../contract/chain.js';
import { ThroughlineError } from '../contract/errors.js';
import { ConnectionName, type DelegationId, PrincipalId } from '../contract/ids.js';
import type { Attempt } from '../proxy/ssh/client.js';
import type { SessionCommons } from './session-commons.js';
import type { Admission, Admitted, SessionRooms } from './session-rooms.js';

/** Who comes in, and where to. */
export interface Entry {
  readonly actor: Actor;
  readonly admitted: Admitted;
}

/** What the native listener has for every protocol. */
export interface NativeRooms {
  readonly admit: (actor: Actor, connection: string) => Admission;
  readonly useFrom: (
    actor: Actor,
    id: DelegationId,
    address: string,
    refuse: (message: string) => Promise<void>,
  ) => Promise<{ readonly actor: Actor; readonly leave: () => void } | undefined>;
}

/** Who is let in at one socket. */
export interface Entrance {
  /** See `Guard.takesKey`. */
  takesKey(user: string, fits: boolean): boolean;
  /** Undefined: this attempt was wrong. What it throws is for the client, who may not try again. */
  decide(attempt: Attempt): Promise<Entry | undefined>;
  /** The socket is closed. */
  leave(): void;
}

/**
 * The native SSH listener takes a handle as the password (the user is CONNECTION+HANDLE, or the handle alone) or a
 * device's key (the user is the connection). Each attempt is checked; a handle's session is spent once it is right.
 */
export function nativeEntrance(
  rooms: SessionRooms,
  commons: SessionCommons,
  { admit, useFrom }: NativeRooms,
  address: string,
): Entrance {
  const { identity, recorder } = rooms;
  let leave: (() => void) | undefined;
  let refusedKeys = 0;

  const refused = async (connection: string, reason: string): Promise<undefined> => {
    const code = 'handle-invalid';
    await recorder.record({ kind: 'session.refused', connection: connection.slice(0, 63), code, reason });
    return undefined;
  };

  async function admitted(actor: Actor, connection: string): Promise<Entry> {
    try {
      return { actor, admitted: { ...admit(actor, connection), wire: undefined } };
    } catch (error) {
      await commons.recordRefusal(actor, connection, error);
      throw error;
    }
  }

  /** The first right password says who it is and where to; what is wrong then is told, and ends it. */
  async function byHandle(user: string, password: string): Promise<Entry | undefined> {
    const named = namesOf(user);
    const handle = await identity.verifyHandlePassword(named.handle, password);
    const connection = named.connection ?? handle?.connection ?? '';
    const fits = handle !== undefined && (handle.connection ?? connection) === connection;
    if (!fits || !(await identity.useHandle(handle.id)))
      return refused(connection, 'the handle is not valid');
    let refusal = 'the handle cannot be used from here';
    const place = await useFrom(handle.actor, handle.id, address, (message) => {
      refusal = message;
      return Promise.resolve();
    });
    if (place === undefined) throw new ThroughlineError('denied', refusal);
    leave = place.leave;
    return admitted(place.actor, connection);
  }

  /** Its owner has signed for this very connection. Agents of ssh offer several: the first wrong one is in the log. */
  async function byKey(connection: string, publicKey: string): Promise<Entry | undefined> {
    const key = await identity.sshKeys.find(publicKey, connection);
    if (key === undefined) {
      refusedKeys += 1;
      return refusedKeys > 1
        ? undefined
        : refused(connection, 'the SSH key is not one of a signed-in device');
    }
    const { actor, fingerprint } = key;
    const entry = await admitted(actor, connection);
    await recorder.record({
      kind: 'ssh-key.used',
      principal: PrincipalId.parse(actor.chain[0].id),
      signIn: actor.signIn,
      connection: entry.admitted.connection.name,
      fingerprint,
      from: address,
    });
    return entry;
  }

  return {
    takesKey: (user, fits) => fits && ConnectionName.safeParse(user).success,
    decide: async (attempt) => {
      if (attempt.method === 'password') return byHandle(attempt.user, attempt.password);
      if (attempt.method === 'key') return byKey(attempt.user.slice(0, 64), attempt.publicKey);
      return undefined;
    },
    leave: () => leave?.(),
  };
}

/** `CONNECTION+HANDLE`, or a handle that knows its connection. */
function namesOf(user: string): { readonly connection: string | undefined; readonly handle: string } {
  const at = user.lastIndexOf('+');
  if (at < 0) return { connection: undefined, handle: user.slice(0, 64) };
  return { connection: user.slice(0, at).slice(0, 63), handle: user.slice(at + 1, at + 65) };
}
