import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ulid } from 'ulid';
import { type Actor, Chain, type Hop, mayBeAgent, type Scope } from '../contract/chain.js';
import { handlePattern } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { type ConnectionName, DelegationId, PrincipalId } from '../contract/ids.js';
import { limits } from '../contract/limits.js';
import type { StateSchema } from '../store/schema.js';
import type { Clock } from './bounded.js';
import { identityLimits } from './limits.js';
import { fitsVerifier, type ScramVerifier, scramVerifier } from './scram.js';
import { hmac } from './secrets.js';
import { keep, parseGroups, type RecordEvent, type SignIns } from './sign-ins.js';

/** A handle that may still begin a session. */
export interface Handle extends ScramVerifier {
  readonly id: DelegationId;
  /** The only connection that it opens; a delegation's opens what its scope says. */
  readonly connection: string | undefined;
  /** Until when it begins sessions. `actor.expiresAtMs` is when those sessions end at the latest. */
  readonly expiresAtMs: number;
  readonly actor: Actor;
}

export interface MintedHandle {
  readonly id: DelegationId;
  /** Shown once; at most 64 bytes, ASCII. */
  readonly password: string;
  readonly connection: ConnectionName;
  readonly expiresAtMs: number;
  readonly sessionsMax: number;
}

export interface Handles {
  /**
   * Mints a handle below a ticket's actor. Times beyond `limits.handleTtlMsMax` or the sign-in's end are cut to it.
   * Throws `denied` for an actor that itself came by a handle, `not-signed-in`, `rate-limited`, `not-recordable`.
   * Whether the actor may use the connection is for the caller to have decided.
   */
  readonly mint: (
    actor: Actor,
    wanted: { readonly connection: ConnectionName; readonly ttlMs?: number; readonly sessionsMax?: number },
  ) => Promise<MintedHandle>;
  /** Undefined, without saying why: unknown, expired, ended, signed out, budget used up. */
  readonly find: (id: string) => Promise<Handle | undefined>;
  /** Spends one session of the budget, atomically. False: nothing was spent, and no session may begin. */
  readonly use: (id: string) => Promise<boolean>;
  /** For listeners that are given the password itself (over TLS). Takes as long for an unknown handle. */
  readonly verify: (id: string, password: string) => Promise<Handle | undefined>;
  /** A verifier that no password fits, the same for one name as long as the gateway runs: for names that are unknown. */
  readonly decoy: (name: string) => ScramVerifier;
}

export function createHandles(options: {
  readonly state: Kysely<StateSchema>;
  readonly clock: Clock;
  readonly record: RecordEvent;
  readonly signIns: SignIns;
}): Handles {
  const { state, clock, record, signIns } = options;
  const decoyKey = randomBytes(32);
  let purgedAtMs = 0;

  async function find(id: string): Promise<Handle | undefined> {
    if (!DelegationId.safeParse(id).success) return undefined;
    const now = clock();
    const row = await state
      .selectFrom('handles')
      .innerJoin('sign_ins', 'sign_ins.id', 'handles.sign_in')
      .selectAll('handles')
      .select(['sign_ins.expires_at_ms as sign_in_expires_at_ms', 'sign_ins.groups as sign_in_groups'])
      .where('handles.id', '=', id)
      .where('handles.expires_at_ms', '>', now)
      .where('handles.ended_at_ms', 'is', null)
      .where('sign_ins.ended_at_ms', 'is', null)
      .where('sign_ins.expires_at_ms', '>', now)
      .whereRef('handles.sessions_used', '<', 'handles.sessions_max')
      .executeTakeFirst();
    if (row === undefined || signIns.isEnded(row.sign_in)) return undefined;
    const chain = Chain.parse(JSON.parse(row.chain));
    const leaf: Scope = { connections: [row.connection] };
    return {
      id: DelegationId.parse(row.id),
      connection: row.connection,
      expiresAtMs: row.expires_at_ms,
      salt: row.scram_salt,
      iterations: row.scram_iterations,
      storedKey: row.scram_stored_key,
      serverKey: row.scram_server_key,
      actor: {
        chain,
        scopes: chain.map((_, index) => (index === chain.length - 1 ? leaf : {})),
        // Not those that it was made with: a provider may have changed them since.
        groups: parseGroups(row.sign_in_groups),
        signIn: row.sign_in,
        delegation: row.id,
        expiresAtMs: row.sign_in_expires_at_ms,
      },
    };
  }

  async function refuseTooMany(signIn: string): Promise<void> {
    const now = clock();
    if (now - purgedAtMs > identityLimits.purgeIntervalMs) {
      purgedAtMs = now;
      await state.deleteFrom('handles').where('expires_at_ms', '<=', now).execute();
    }
    const { live } = await state
      .selectFrom('handles')
      .select((builder) => builder.fn.countAll<number | bigint | string>().as('live'))
      .where('sign_in', '=', signIn)
      .where('expires_at_ms', '>', now)
      .executeTakeFirstOrThrow();
    if (Number(live) >= identityLimits.handlesPerSignInMax)
      throw new ThroughlineError('rate-limited', 'this sign-in has too many live handles', {
        action: 'use the handles you have, or wait until they expire',
        fields: { handlesMax: identityLimits.handlesPerSignInMax },
      });
  }

  const decoy = (name: string): ScramVerifier => {
    const part = (label: string, bytes: number) =>
      hmac(decoyKey, `${label} ${name}`).subarray(0, bytes).toString('base64');
    return {
      salt: part('salt', 16),
      iterations: identityLimits.scramIterations,
      storedKey: part('stored', 32),
      serverKey: part('server', 32),
    };
  };

  return {
    find,
    decoy,

    async mint(actor, wanted) {
      const now = clock();
      const root = actor.chain[0];
      if (actor.delegation !== undefined || mayBeAgent(actor))
        throw new ThroughlineError('denied', 'a delegation cannot mint a handle', {
          action: 'ask with the ticket of the person who signed in',
        });
      if (signIns.isEnded(actor.signIn) || actor.expiresAtMs <= now)
        throw new ThroughlineError('not-signed-in', 'the sign-in has ended', { action: 'sign in again' });
      await refuseTooMany(actor.signIn);

      const id = DelegationId.parse(`dlg_${ulid(now)}`);
      const ttlMs = Math.min(wanted.ttlMs ?? limits.handleTtlMsMax, limits.handleTtlMsMax);
      const expiresAtMs = Math.min(now + ttlMs, actor.expiresAtMs);
      const sessionsMax = wanted.sessionsMax ?? limits.handleSessionsDefault;
      const leaf: Hop = { id, kind: 'process', name: 'handle', assurance: 'issued' };
      const chain: Chain = [root, leaf];
      const password = `tlh_${randomBytes(24).toString('base64url')}`;
      const verifier = await scramVerifier(password);
      await keep(record, {
        kind: 'handle.issued',
        delegation: id,
        principal: PrincipalId.parse(root.id),
        connection: wanted.connection,
        expiresAt: new Date(expiresAtMs).toISOString(),
        sessionsMax,
      });
      await state
        .insertInto('handles')
        .values({
          id,
          sign_in: actor.signIn,
          connection: wanted.connection,
          chain: JSON.stringify(chain),
          groups: JSON.stringify(actor.groups),
          scram_salt: verifier.salt,
          scram_iterations: verifier.iterations,
          scram_stored_key: verifier.storedKey,
          scram_server_key: verifier.serverKey,
          expires_at_ms: expiresAtMs,
          sessions_max: sessionsMax,
          sessions_used: 0,
          created_at_ms: now,
          ended_at_ms: null,
        })
        .execute();
      return { id, password, connection: wanted.connection, expiresAtMs, sessionsMax };
    },

    async use(id) {
      const handle = await find(id);
      if (handle === undefined) return false;
      const now = clock();
      // INVARIANT: one statement judges and spends, so parallel sessions cannot share the last one.
      const spent = await state
        .updateTable('handles')
        .set((builder) => ({ sessions_used: builder('sessions_used', '+', 1) }))
        .where('id', '=', id)
        .where('expires_at_ms', '>', now)
        .where('ended_at_ms', 'is', null)
        .whereRef('sessions_used', '<', 'sessions_max')
        .where((builder) =>
          builder.exists(
            builder
              .selectFrom('sign_ins')
              .select('sign_ins.id')
              .whereRef('sign_ins.id', '=', 'handles.sign_in')
              .where('sign_ins.ended_at_ms', 'is', null)
              .where('sign_ins.expires_at_ms', '>', now),
          ),
        )
        .executeTakeFirst();
      return spent.numUpdatedRows === 1n && !signIns.isEnded(handle.actor.signIn);
    },

    async verify(id, password) {
      const handle = await find(id);
      const fits = await fitsVerifier(password, handle ?? decoy(id));
      // HMAC takes a key and the same key with zeros behind it for one: only our own form is the password.
      return fits && handlePattern.test(password) ? handle : undefined;
    },
  };
}
