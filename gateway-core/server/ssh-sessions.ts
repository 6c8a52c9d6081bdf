import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Actor } from '../contract/chain.js';
import { rowsKeptBytes } from '../contract/connection.js';
import type { Grounds } from '../contract/decision.js';
import type { Lineage } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { limits } from '../contract/limits.js';
import type { DetectMask, MaskRule } from '../contract/masks.js';
import { createStreamMasker } from '../masking/stream-masker.js';
import { type Attempt, SshDoor } from '../proxy/ssh/client.js';
import { createSshJudge } from '../proxy/ssh/judge.js';
import { loadLibrary } from '../proxy/ssh/library.js';
import { SshSession } from '../proxy/ssh/session.js';
import { connectTarget, type SshTarget, type TargetLeg } from '../proxy/ssh/target.js';
import type { Connection } from './connections.js';
import type { SessionCommons } from './session-commons.js';
import type { Admitted, SessionRooms } from './session-rooms.js';
import { type Entrance, type Entry, type NativeRooms, nativeEntrance } from './ssh-entrance.js';

/** Serves SSH sessions: streams that came with a ticket, and sockets of the native listener. */
export class SshSessions {
  readonly #rooms: SessionRooms;
  readonly #commons: SessionCommons;
  readonly #door: SshDoor;

  constructor(rooms: SessionRooms, commons: SessionCommons) {
    this.#rooms = rooms;
    this.#commons = commons;
    this.#door = new SshDoor(rooms.ssh.identity);
    if (!loadLibrary().native)
      rooms.recorder.complain(
        'SSH runs without its native half, several times slower: build the package ssh2 anew',
        undefined,
      );
  }

  /** One upgraded stream: who is there is known, and needs to prove nothing more. False: nothing came that is a session. */
  async serveStream(
    stream: Duplex,
    actor: Actor,
    admitted: Admitted,
    behind: Lineage | undefined,
  ): Promise<boolean> {
    const entry = { actor, admitted };
    // Whatever a client tries, it is in: some begin with a key or a password of their person's.
    const entrance = { takesKey: () => true, decide: () => Promise.resolve(entry) };
    return this.#serve(stream, 'tunnel', behind, entrance, entry);
  }

  /** A socket of the native listener. */
  async serveNative(socket: Socket, rooms: NativeRooms): Promise<void> {
    const entrance = nativeEntrance(this.#rooms, this.#commons, rooms, socket.remoteAddress ?? '');
    try {
      await this.#serve(socket, 'native', undefined, entrance);
    } finally {
      entrance.leave();
    }
  }

  /** `known`: who it is, where that is known beforehand; the target is dialled while the client's key exchange runs. */
  async #serve(
    stream: Duplex,
    via: 'tunnel' | 'native',
    behind: Lineage | undefined,
    entrance: Pick<Entrance, 'takesKey' | 'decide'>,
    known?: Entry,
  ): Promise<boolean> {
    const { live, watch } = this.#rooms;
    const signal = AbortSignal.timeout(limits.startupTimeoutMs);
    const left = new AbortController();
    let entry = known;
    let session: SshSession | undefined;
    let failure: unknown;
    const violated = (side: 'client' | 'target') => (reason: string) => {
      if (session === undefined) stream.destroy();
      else session.violated(side, reason);
    };
    const dial = async ({ admitted }: Entry): Promise<TargetLeg> => {
      const target = await this.#target(admitted.connection);
      return connectTarget(target, AbortSignal.any([signal, left.signal]), violated('target'));
    };
    let dialling = known === undefined ? undefined : dial(known);
    dialling?.catch(() => undefined);
    const begin = async (software: string): Promise<void> => {
      if (entry === undefined) throw new Error('nobody is in');
      try {
        dialling ??= dial(entry);
        await dialling;
        const begun = this.#session(entry, via, behind, software);
        this.#rooms.identity.delegations.spendSession(entry.actor);
        await begun.begin();
        session = begun;
      } catch (error) {
        failure = error;
        throw told(error);
      }
    };
    const door = {
      takesKey: entrance.takesKey,
      decide: async (attempt: Attempt): Promise<boolean> => {
        entry = await entrance.decide(attempt).catch((error: unknown) => Promise.reject(told(error)));
        return entry !== undefined;
      },
      accepted: begin,
      violated: violated('client'),
    };
    try {
      const client = await this.#door.admit(stream, door, signal);
      const target = client === undefined ? undefined : await dialling;
      if (client !== undefined && session !== undefined && target !== undefined) {
        await session.run(client, target);
        return true;
      }
      if (session !== undefined) await session.abandon('client', 'the client left before it was in');
      if (failure !== undefined && entry !== undefined) {
        const { id, connection, desktop } = entry.admitted;
        await this.#commons.recordRefusal(entry.actor, connection.name, failure, desktop && id);
      }
      return session !== undefined || failure !== undefined;
    } finally {
      left.abort();
      void dialling?.then((leg) => leg.destroy()).catch(() => undefined);
      if (entry !== undefined) {
        watch.remove(entry.admitted.id);
        live.remove(entry.admitted.id);
      }
    }
  }

  #session(
    { actor, admitted }: Entry,
    via: 'tunnel' | 'native',
    behind: Lineage | undefined,
    software: string,
  ): SshSession {
    const { recorder, keys, policies, now, ssh } = this.#rooms;
    const { id, connection, desktop, wire } = admitted;
    const decision = this.#commons.permissions.on(actor, connection).connect(now());
    const rules = detectors([...connection.masks, ...(decision.kind === 'allow' ? decision.masks : [])]);
    const startedAtMs = now();
    const kept = this.#commons.kept(behind);
    const application = recorder.maskText(software.slice(0, 200));
    const session: SshSession = new SshSession({
      id,
      connection: connection.name,
      actor,
      behind: kept,
      via,
      durability: connection.recording.durability,
      grounds: decision.grounds satisfies Grounds,
      recorder: recorder.journal,
      desktop: desktop === undefined || wire === undefined ? undefined : { ...desktop, wire },
      idleTimeoutMs: connection.idleTimeoutMs,
      nowMs: now,
      application,
      judge: createSshJudge({
        decider: this.#commons.decider(actor, connection),
        rules,
        hashKey: keys.maskHash,
        saltKey: keys.salt,
        session: id,
        judgesLines: () => policies.current.judgesLines,
        now,
      }),
      keepBytesMax: rowsKeptBytes(connection.recording.rows),
      newMasker: rules.length === 0 ? undefined : (terminal) => createStreamMasker({ rules, terminal }),
      gatewayHosts: ssh.gatewayHosts(),
      onMistake: (error) => recorder.complain('a session ended by a mistake of the gateway', error),
      onLive: () =>
        this.#commons.goLive(session, admitted, { actor, startedAtMs, via, application, behind: kept }),
    });
    return session;
  }

  async #target(connection: Connection): Promise<SshTarget> {
    const { connections, beforeDial, ssh } = this.#rooms;
    return {
      address: async () => (await beforeDial(connection)) ?? connection.address,
      credential: () => connections.credential(connection.name),
      hostKeys: await ssh.pins.of(connection),
    };
  }
}

/** What the client is told. */
function told(error: unknown): Error {
  if (!(error instanceof ThroughlineError)) return new Error('throughline: the session could not start');
  return new Error(`throughline: ${error.message}${error.action === undefined ? '' : `; ${error.action}`}`);
}

/** Terminals have no columns: what policy masks by column does not reach them, and a connection refuses such masks. */
function detectors(masks: readonly MaskRule[]): DetectMask[] {
  return masks.filter((mask): mask is DetectMask => 'detect' in mask);
}
