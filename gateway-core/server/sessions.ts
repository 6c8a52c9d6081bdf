import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Actor } from '../contract/chain.js';
import { rowsKeptBytes } from '../contract/connection.js';
import type { Lineage } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import type { DelegationId, SessionId } from '../contract/ids.js';
import { limits } from '../contract/limits.js';
import { wireSaltBytes } from '../contract/local-record.js';
import type { ScramVerifier } from '../identity/index.js';
import { CancelKeys } from '../proxy/postgres/cancel.js';
import { CatalogCache } from '../proxy/postgres/catalog.js';
import { sortParameters, startClient } from '../proxy/postgres/client-startup.js';
import { sayFatal } from '../proxy/postgres/farewell.js';
import { refusalOf } from '../proxy/postgres/faults.js';
import { createJudge } from '../proxy/postgres/judge.js';
import { authenticateHandle } from '../proxy/postgres/native-authentication.js';
import { PostgresSession } from '../proxy/postgres/session.js';
import type { Target } from '../proxy/postgres/upstream.js';
import type { Connection } from './connections.js';
import { SessionCommons } from './session-commons.js';
import type { Admission, Admitted, SessionRooms } from './session-rooms.js';
import type { SshSessions } from './ssh-sessions.js';
import { WireTap } from './wire-tap.js';

/** What is known of the program at the other end of a stream. */
type Behind = Lineage | undefined;

/** Serves database sessions: streams that came with a ticket, and sockets of the native listener. */
export class SessionServer {
  readonly #rooms: SessionRooms;
  readonly #commons: SessionCommons;
  #ssh: Promise<SshSessions> | undefined;
  readonly #cancelKeys = new CancelKeys();
  readonly #catalogs = new Map<string, CatalogCache>();

  constructor(rooms: SessionRooms) {
    this.#rooms = rooms;
    this.#commons = new SessionCommons(rooms);
    rooms.connections.onChange((name) => {
      this.#catalogs.delete(name);
      void rooms.live.end(
        (session) => session.connection === name,
        'revoked',
        'the connection was changed by an admin: connect again',
      );
    });
  }

  /** SSH is loaded when it is first needed, or before that when there is time. */
  warmUp(): Promise<SshSessions> {
    this.#ssh ??= import('./ssh-sessions.js').then(
      ({ SshSessions: Sessions }) => new Sessions(this.#rooms, this.#commons),
    );
    return this.#ssh;
  }

  /**
   * Policy on opening a stream. `segment`: of the spool into which the desktop says that it records; it counts only
   * from somebody with a device of their own. Throws `denied`, `rate-limited`.
   */
  admit(actor: Actor, name: string, segment?: number): Admission {
    const { identity, live } = this.#rooms;
    const connection = this.#commons.permissions.connection(actor, name);
    const unconfirmed = identity.checks.refusal(actor.signIn);
    if (unconfirmed !== undefined) throw unconfirmed;
    if (live.countOf(actor.signIn) >= limits.streamsPerActorMax) {
      throw new ThroughlineError(
        'rate-limited',
        `you have ${limits.streamsPerActorMax} sessions open already`,
        {
          action: 'end some first: throughline sessions --live',
        },
      );
    }
    const device = segment === undefined ? undefined : (actor.deviceKey ?? actor.signInDevice);
    const desktop =
      device === undefined || segment === undefined
        ? undefined
        : { device, segment, salt: randomBytes(wireSaltBytes) };
    if (desktop === undefined && connection.recording.desktop === 'required') {
      throw new ThroughlineError(
        'denied',
        `sessions on ${name} are recorded by the desktop, too, and this client does not record`,
        { action: 'connect through the desktop or throughline connect, and see there that its spool works' },
      );
    }
    return { connection, id: this.#rooms.ids.next(this.#rooms.now(), device), desktop };
  }

  /** One upgraded stream: the actor is known, the client needs no password. */
  async serveStream(stream: Duplex, actor: Actor, admission: Admission, behind: Behind): Promise<void> {
    const { desktop } = admission;
    const wire = desktop === undefined ? undefined : new WireTap(stream, desktop.salt);
    if (admission.connection.protocol === 'ssh') {
      const ssh = await this.warmUp();
      const served = await ssh.serveStream(wire ?? stream, actor, { ...admission, wire }, behind);
      if (!served) await this.#unopened(actor, admission, 'left');
      return;
    }
    const signal = AbortSignal.timeout(limits.startupTimeoutMs);
    const start = await startClient(wire ?? stream, this.#rooms.tls, signal);
    if (start.kind === 'startup') {
      await this.#serve(start, actor, { ...admission, wire }, 'tunnel', signal, behind);
      return;
    }
    if (start.kind === 'cancel') {
      this.#cancelKeys.cancel(start.processId, start.secretKey, actor.signIn);
      start.stream.end();
    }
    await this.#unopened(actor, admission, start.kind === 'cancel' ? 'cancel' : 'left');
  }

  /** The desktop's record of this id must find out what became of it. */
  async #unopened(
    actor: Actor,
    { id: session, connection, desktop }: Admission,
    why: 'cancel' | 'left',
  ): Promise<void> {
    if (desktop === undefined) return;
    await this.#rooms.recorder.record({
      kind: 'session.unopened',
      session,
      connection: connection.name,
      chain: actor.chain,
      device: desktop.device,
      why,
    });
  }

  /** One socket of the native listener: the database names the connection, the user names the handle. */
  async serveNative(socket: Socket, isLoopback: boolean): Promise<void> {
    const { identity, connections, keys, recorder, tls } = this.#rooms;
    const signal = AbortSignal.timeout(limits.startupTimeoutMs);
    const start = await startClient(socket, tls, signal);
    if (start.kind === 'refused') return;
    if (start.kind === 'cancel') {
      this.#cancelKeys.cancel(start.processId, start.secretKey, undefined);
      start.stream.end();
      return;
    }
    if (!start.encrypted && !isLoopback) {
      await sayFatal(start.stream, {
        code: '28000',
        message: 'TLS is required here',
        hint: 'Set sslmode=require or better.',
      });
      return;
    }
    const user = start.message.parameters.get('user') ?? '';
    const database = start.message.parameters.get('database') ?? user;
    if (start.negotiation !== undefined) start.stream.write(start.negotiation);
    const handle = await identity.handleForScram(user);
    const fits = handle !== undefined && (handle.connection ?? database) === database;
    const verifier = handle === undefined || !fits ? undefined : handle;
    const binding = start.encrypted ? tls.binding : undefined;
    const proved = await authenticateHandle(
      start.stream,
      user,
      verifier && decoded(verifier),
      binding,
      keys.mock,
      signal,
    );
    const connection = connections.get(database);
    if (
      !proved ||
      handle === undefined ||
      connection === undefined ||
      !(await identity.useHandle(handle.id))
    ) {
      await recorder.record({
        kind: 'session.refused',
        connection: database.slice(0, 63),
        code: 'handle-invalid',
        reason: 'the handle is not valid',
      });
      if (proved)
        await sayFatal(start.stream, {
          code: '28000',
          message: 'the handle is used up or has expired',
          hint: undefined,
        });
      return;
    }
    const refuse = (message: string, hint: string): Promise<void> =>
      sayFatal(start.stream, { code: '28000', message, hint });
    const place = await this.#useFrom(handle.actor, handle.id, socket.remoteAddress ?? '', refuse);
    if (place === undefined) return;
    const { actor, leave } = place;
    try {
      const admission = this.admit(actor, connection.name);
      requireProtocol(connection, 'postgres');
      const plain = { ...start, negotiation: undefined };
      await this.#serve(plain, actor, { ...admission, wire: undefined }, 'native', signal, undefined);
    } catch (error) {
      await this.#refuse(start.stream, actor, connection.name, error);
    } finally {
      leave();
    }
  }

  /** One socket of the native SSH listener: the user is CONNECTION+HANDLE or the handle alone, the password its secret. */
  async serveNativeSsh(socket: Socket): Promise<void> {
    const ssh = await this.warmUp();
    await ssh.serveNative(socket, {
      admit: (actor, name) => {
        const admission = this.admit(actor, name);
        requireProtocol(admission.connection, 'ssh');
        return admission;
      },
      useFrom: (actor, id, address, refuse) => this.#useFrom(actor, id, address, refuse),
    });
  }

  /** Where a delegation's handle is in use: nobody at a native listener can tell whose process holds it. */
  readonly #usedFrom = new Map<string, { readonly address: string; sessions: number }>();

  /** One handle of a delegation from two addresses at once is one that was passed on. Undefined: refused. */
  async #useFrom(
    actor: Actor,
    id: DelegationId,
    address: string,
    refuse: (message: string, hint: string) => Promise<void>,
  ): Promise<{ readonly actor: Actor; readonly leave: () => void } | undefined> {
    const { identity, recorder, overlapping } = this.#rooms;
    if (identity.delegations.get(id) === undefined) return { actor, leave: () => undefined };
    const use = this.#usedFrom.get(id) ?? { address, sessions: 0 };
    const overlaps = use.address !== address;
    if (overlaps)
      await recorder.record({
        kind: 'credential.misused',
        misuse: 'overlapping',
        delegation: id,
        chain: actor.chain,
        verdict: overlapping === 'deny' ? 'denied' : 'attributed',
      });
    if (overlaps && overlapping === 'deny') {
      await refuse(
        'the handle is in use from another address: it is not shared',
        'Mint a delegation of its own for each machine.',
      );
      return undefined;
    }
    use.sessions += 1;
    this.#usedFrom.set(id, use);
    return {
      actor: overlaps ? { ...actor, misuse: 'overlapping' } : actor,
      leave: () => {
        use.sessions -= 1;
        if (use.sessions === 0) this.#usedFrom.delete(id);
      },
    };
  }

  async #serve(
    start: Extract<Awaited<ReturnType<typeof startClient>>, { kind: 'startup' }>,
    actor: Actor,
    admitted: Admitted,
    via: 'tunnel' | 'native',
    signal: AbortSignal,
    behind: Behind,
  ): Promise<void> {
    const { live, watch } = this.#rooms;
    const { id, connection, desktop } = admitted;
    try {
      const session = this.#session(start, actor, admitted, via, behind);
      this.#rooms.identity.delegations.spendSession(actor);
      await session.run(signal);
    } catch (error) {
      await this.#refuse(start.stream, actor, connection.name, error, desktop && id);
    } finally {
      watch.remove(id);
      live.remove(id);
    }
  }

  #session(
    start: Extract<Awaited<ReturnType<typeof startClient>>, { kind: 'startup' }>,
    actor: Actor,
    admitted: Admitted,
    via: 'tunnel' | 'native',
    behind: Behind,
  ): PostgresSession {
    const { policies, recorder, keys, now } = this.#rooms;
    const { id, connection, desktop, wire } = admitted;
    const parameters = sortParameters(start.message.parameters);
    if (parameters.kind === 'refused') {
      throw new ThroughlineError('denied', parameters.reason, { action: 'connect without it' });
    }
    const { database } = parameters;
    const known = [undefined, '', connection.name, connection.database, parameters.user];
    if (via === 'tunnel' && !known.includes(database)) {
      throw new ThroughlineError(
        'denied',
        `this connection reaches the database ${connection.database ?? connection.name} only`,
        {
          action: 'leave the database name out, or use the connection of the other database',
        },
      );
    }
    const decision = this.#commons.permissions.on(actor, connection).connect(now());
    const target = this.#target(connection);
    const judge = createJudge({
      decider: this.#commons.decider(actor, connection),
      policyVersion: () => policies.current.version,
      usesTime: () => policies.current.usesTime,
      masks: [...connection.masks, ...(decision.kind === 'allow' ? decision.masks : [])],
      catalog: this.#catalog(connection.name, target),
      hashKey: keys.maskHash,
      sessionSalt: id,
      saltKey: keys.salt,
      now,
    });
    const startedAtMs = now();
    const kept = this.#commons.kept(behind);
    const session: PostgresSession = new PostgresSession({
      id,
      client: start.stream,
      minor: start.minor,
      greeting: start.negotiation,
      actor,
      behind: kept,
      connection: connection.name,
      via,
      application: parameters.application,
      settings: parameters.settings,
      target,
      recorder: recorder.journal,
      judge,
      grounds: decision.grounds,
      durability: connection.recording.durability,
      keepBytesMax: rowsKeptBytes(connection.recording.rows),
      marks: start.message.marks,
      desktop: desktop === undefined || wire === undefined ? undefined : { ...desktop, wire },
      idleTimeoutMs: connection.idleTimeoutMs,
      cancelKeys: this.#cancelKeys,
      nowMs: now,
      onMistake: (error) => recorder.complain('a session ended by a mistake of the gateway', error),
      onLive: () =>
        this.#commons.goLive(session, admitted, {
          actor,
          startedAtMs,
          via,
          application: parameters.application,
          behind: kept,
        }),
    });
    return session;
  }

  #target(connection: Connection): Target {
    const { connections, beforeDial } = this.#rooms;
    return {
      address: async () => (await beforeDial(connection)) ?? connection.address,
      database: connection.database,
      tls: connection.tls,
      authentication: connection.authentication,
      credential: () => connections.credential(connection.name),
    };
  }

  #catalog(name: string, target: Target): CatalogCache {
    let catalog = this.#catalogs.get(name);
    if (catalog === undefined) {
      catalog = new CatalogCache(target, this.#rooms.now);
      this.#catalogs.set(name, catalog);
    }
    return catalog;
  }

  async #refuse(
    stream: Duplex,
    actor: Actor,
    connection: string,
    error: unknown,
    session?: SessionId,
  ): Promise<void> {
    await this.#commons.recordRefusal(actor, connection, error, session);
    await sayFatal(stream, refusalOf(error));
  }
}

/** Throws `denied` where somebody speaks another protocol at a native listener. */
function requireProtocol({ name, protocol }: Connection, spoken: Connection['protocol']): void {
  if (protocol === spoken) return;
  throw new ThroughlineError('denied', `${name} is a connection of ${protocol}, not of ${spoken}`, {
    action: 'use the listener and the tools of its protocol',
  });
}

/** As the identity room stores it, as the codec takes it. */
function decoded(verifier: ScramVerifier) {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const { salt, iterations, storedKey, serverKey } = verifier;
  return { salt: bytes(salt), iterations, storedKey: bytes(storedKey), serverKey: bytes(serverKey) };
}
