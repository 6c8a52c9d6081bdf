import type { Kysely, Selectable, Transaction } from 'kysely';
import { ulid } from 'ulid';
import type { Actor } from '../contract/chain.js';
import { ThroughlineError } from '../contract/errors.js';
import type { AuditEventInput } from '../contract/events.js';
import { PrincipalId, SignInId } from '../contract/ids.js';
import { limits } from '../contract/limits.js';
import type { SignInsTable, StateSchema } from '../store/schema.js';
import { type Clock, ExpiringMap } from './bounded.js';
import type { Person } from './claims.js';
import { identityLimits } from './limits.js';
import { type ProviderTokens, providerColumns } from './provider-tokens.js';
import { randomToken, sha256Hex } from './secrets.js';

/** Makes an event durable; rejects when it cannot be kept. */
export type RecordEvent = (event: AuditEventInput) => Promise<void>;

export type SignInMethod = 'browser' | 'device-code' | 'demo' | 'workload';

/** What a client is given. Neither token is stored: only SHA-256 of each. */
export interface Tokens {
  readonly signIn: SignInId;
  readonly principal: string;
  readonly ticket: string;
  readonly ticketExpiresAtMs: number;
  /** Absent: the sign-in is made anew instead, by a token of the platform. */
  readonly refreshToken?: string;
}

export type RefreshResult =
  | { readonly ok: true; readonly tokens: Tokens }
  | { readonly ok: false; readonly reason: string };

/** A ticket as the database knows it, with its sign-in. */
export interface TicketRow {
  readonly signIn: string;
  readonly deviceKey: string;
  readonly principal: string;
  readonly displayName: string;
  readonly method: string;
  readonly groups: readonly string[];
  readonly ticketExpiresAtMs: number;
  readonly signInExpiresAtMs: number;
}

/** `reason`: in words, where there is more to say than that it ended. */
export type EndedListener = (signIn: string, cause: string, reason: string | undefined) => void;

export interface SignIns {
  /** Recorded first, then stored: a sign-in that nobody will find in the log never works. Throws `not-recordable`. */
  readonly begin: (
    person: Person,
    method: SignInMethod,
    deviceKey: string,
    ttlMs?: number,
  ) => Promise<Tokens>;
  /** Rotates. A refresh token that was used before, or that comes with another device's key, ends the sign-in. */
  readonly refresh: (refreshToken: string, deviceKey: string) => Promise<RefreshResult>;
  /**
   * Ends a sign-in with all its tickets and handles. Effective when this returns its promise, even if the database
   * or the log then fails. False when it had ended before. Throws `not-recordable`.
   */
  readonly end: (signIn: string, cause: string, reason?: string) => Promise<boolean>;
  /** The sign-in of a live refresh token or ticket (or of the refresh token before), for RFC 7009. */
  readonly signInOfToken: (token: string) => Promise<string | undefined>;
  readonly isEnded: (signIn: string) => boolean;
  readonly onEnded: (listener: EndedListener) => () => void;
  /**
   * Other groups from now on, for all that runs under the sign-in too. To be on record before, and to be stored, is
   * the caller's. False: too many are remembered, nothing changed.
   */
  readonly regroup: (signIn: string, groups: readonly string[]) => boolean;
  /** The actor with the groups that its sign-in has now: the same object while they are those that it has. */
  readonly asNow: (actor: Actor) => Actor;
  readonly ticket: (hash: string) => Promise<TicketRow | undefined>;
  readonly people: () => Promise<readonly PersonRow[]>;
  /** A sign-in that has not ended, as the actor that it makes. */
  readonly live: (signIn: string) => Promise<{ readonly actor: Actor; readonly sinceMs: number } | undefined>;
  /** Live sign-ins of a person or of a device key. */
  readonly of: (
    what: 'principal' | 'device',
    id: string,
  ) => Promise<readonly { id: string; principal: string }[]>;
}

/** AdminPerson without `sessionsLive`, which only the server knows. */
export interface PersonRow {
  readonly principal: string;
  readonly groups: readonly string[];
  /** Live sign-ins. */
  readonly signIns: number;
  readonly removal?: 'next-check' | 'sign-in-end';
  readonly lastSeenAt: string;
}

const refreshPattern = /^tlr_([0-9A-HJKMNP-TV-Z]{26})_[A-Za-z0-9_-]{43}$/;
export const ticketPattern = /^tlt_[A-Za-z0-9_-]{43}$/;

/** Keeps an event, or throws `not-recordable`: what was asked for is then not done. */
export async function keep(record: RecordEvent, event: AuditEventInput): Promise<void> {
  try {
    await record(event);
  } catch (cause) {
    throw new ThroughlineError('not-recordable', 'the gateway cannot record this, so it does not do it', {
      action: 'try again; if it stays so, tell the operator that the audit log takes no events',
      cause,
    });
  }
}

/** Sign-ins, their refresh tokens and tickets, over the state database. */
export function createSignIns(options: {
  readonly state: Kysely<StateSchema>;
  readonly clock: Clock;
  readonly record: RecordEvent;
  readonly tokens: ProviderTokens;
}): SignIns {
  const { state, clock, record } = options;
  const listeners = new Set<EndedListener>();
  const ended = new ExpiringMap<true>({
    clock,
    ttlMs: limits.signInTtlMs,
    entriesMax: identityLimits.endedSignInsMax,
    whenFull: 'evict',
  });
  /** Of those whose groups changed since their actors were made. */
  const groupsNow = new ExpiringMap<readonly string[]>({
    clock,
    ttlMs: limits.signInTtlMs,
    entriesMax: identityLimits.endedSignInsMax,
    whenFull: 'refuse',
  });
  let purgedAtMs = 0;

  async function addTicket(database: Transaction<StateSchema>, signIn: string, endMs: number) {
    const now = clock();
    const ticket = randomToken('tlt_');
    const expiresAtMs = Math.min(now + limits.ticketTtlMs, endMs);
    if (now - purgedAtMs > identityLimits.purgeIntervalMs) {
      purgedAtMs = now;
      await database.deleteFrom('tickets').where('expires_at_ms', '<=', now).execute();
    }
    await database
      .insertInto('tickets')
      .values({ hash: sha256Hex(ticket), sign_in: signIn, expires_at_ms: expiresAtMs })
      .execute();
    return { ticket, ticketExpiresAtMs: expiresAtMs };
  }

  async function end(signIn: string, cause: string, reason?: string): Promise<boolean> {
    // INVARIANT: memory first. From here on no ticket and no handle below this sign-in is taken.
    ended.set(signIn, true);
    for (const listener of listeners) queueMicrotask(() => listener(signIn, cause, reason));
    const now = clock();
    const row = await state.transaction().execute(async (database) => {
      const found = await database
        .selectFrom('sign_ins')
        .select(['principal'])
        .where('id', '=', signIn)
        .where('ended_at_ms', 'is', null)
        .executeTakeFirst();
      if (found === undefined) return undefined;
      await database
        .updateTable('sign_ins')
        .set({ ended_at_ms: now, end_cause: cause, refresh_hash: null, provider_token: null })
        .where('id', '=', signIn)
        .execute();
      await database.deleteFrom('tickets').where('sign_in', '=', signIn).execute();
      await database
        .updateTable('handles')
        .set({ ended_at_ms: now })
        .where('sign_in', '=', signIn)
        .where('ended_at_ms', 'is', null)
        .execute();
      return found;
    });
    if (row === undefined) return false;
    await keep(record, {
      kind: 'identity.signed-out',
      principal: PrincipalId.parse(row.principal),
      signIn,
      cause,
      ...(reason === undefined ? {} : { reason }),
    });
    return true;
  }

  async function rotate(row: Selectable<SignInsTable>, before: string): Promise<RefreshResult> {
    const refreshToken = newRefreshToken(row.id);
    const tokens = await state.transaction().execute(async (database) => {
      const updated = await database
        .updateTable('sign_ins')
        .set({
          refresh_hash: sha256Hex(refreshToken),
          refresh_hash_before: before,
          last_seen_at_ms: clock(),
        })
        .where('id', '=', row.id)
        .where('refresh_hash', '=', before)
        .where('ended_at_ms', 'is', null)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n ? addTicket(database, row.id, row.expires_at_ms) : undefined;
    });
    // Two uses of one refresh token raced, and the other one won: that is a second use.
    if (tokens === undefined) return stolen(row.id, 'refresh-reused');
    const signIn = SignInId.parse(row.id);
    return { ok: true, tokens: { signIn, principal: row.principal, refreshToken, ...tokens } };
  }

  async function stolen(
    signIn: string,
    cause: 'refresh-reused' | 'refresh-other-key',
  ): Promise<RefreshResult> {
    await end(signIn, cause);
    return {
      ok: false,
      reason:
        cause === 'refresh-reused'
          ? 'the refresh token was used twice, so the sign-in has ended'
          : 'the refresh token came with the key of another device, so the sign-in has ended',
    };
  }

  return {
    end,
    isEnded: (signIn) => ended.get(signIn) === true,
    regroup: (signIn, groups) => groupsNow.set(signIn, groups),
    asNow: (actor) => {
      const groups = groupsNow.get(actor.signIn);
      return groups === undefined || groups === actor.groups ? actor : { ...actor, groups };
    },
    onEnded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async begin(person, method, deviceKey, ttlMs = limits.signInTtlMs) {
      const now = clock();
      const signIn = SignInId.parse(`sgn_${ulid(now)}`);
      const { principal, displayName, groups } = person;
      await keep(record, {
        kind: 'identity.signed-in',
        principal,
        groups: [...groups],
        method,
        signIn,
        deviceKey,
      });
      const refreshToken = method === 'workload' ? undefined : newRefreshToken(signIn);
      const expiresAtMs = now + Math.min(ttlMs, limits.signInTtlMs);
      const tokens = await state.transaction().execute(async (database) => {
        await database
          .insertInto('sign_ins')
          .values({
            id: signIn,
            principal,
            display_name: displayName,
            groups: JSON.stringify(groups),
            method,
            device_key: deviceKey,
            refresh_hash: refreshToken === undefined ? null : sha256Hex(refreshToken),
            refresh_hash_before: null,
            created_at_ms: now,
            expires_at_ms: expiresAtMs,
            last_seen_at_ms: now,
            ended_at_ms: null,
            end_cause: null,
            ...providerColumns(signIn, person.login, options.tokens),
          })
          .execute();
        return addTicket(database, signIn, expiresAtMs);
      });
      return { signIn, principal, ...(refreshToken === undefined ? {} : { refreshToken }), ...tokens };
    },

    async refresh(refreshToken, deviceKey) {
      const id = refreshPattern.exec(refreshToken)?.[1];
      const unknown = { ok: false, reason: 'the refresh token is unknown, expired or signed out' } as const;
      if (id === undefined || ended.get(`sgn_${id}`) === true) return unknown;
      const row = await state
        .selectFrom('sign_ins')
        .selectAll()
        .where('id', '=', `sgn_${id}`)
        .executeTakeFirst();
      if (row === undefined || row.ended_at_ms !== null || row.expires_at_ms <= clock()) return unknown;
      const hash = sha256Hex(refreshToken);
      if (hash === row.refresh_hash_before) return stolen(row.id, 'refresh-reused');
      if (hash !== row.refresh_hash) return unknown;
      if (row.device_key !== deviceKey) return stolen(row.id, 'refresh-other-key');
      return rotate(row, hash);
    },

    async signInOfToken(token) {
      const hash = sha256Hex(token);
      const id = refreshPattern.exec(token)?.[1];
      if (id !== undefined) {
        const row = await state
          .selectFrom('sign_ins')
          .select(['id', 'refresh_hash', 'refresh_hash_before'])
          .where('id', '=', `sgn_${id}`)
          .executeTakeFirst();
        return row?.refresh_hash === hash || row?.refresh_hash_before === hash ? row.id : undefined;
      }
      if (!ticketPattern.test(token)) return undefined;
      const row = await state
        .selectFrom('tickets')
        .select('sign_in')
        .where('hash', '=', hash)
        .executeTakeFirst();
      return row?.sign_in;
    },

    async ticket(hash) {
      const now = clock();
      const row = await state
        .selectFrom('tickets')
        .innerJoin('sign_ins', 'sign_ins.id', 'tickets.sign_in')
        .select([
          'sign_ins.id',
          'sign_ins.device_key',
          'sign_ins.principal',
          'sign_ins.display_name',
          'sign_ins.method',
          'sign_ins.groups',
          'sign_ins.expires_at_ms as sign_in_expires_at_ms',
          'tickets.expires_at_ms as ticket_expires_at_ms',
        ])
        .where('tickets.hash', '=', hash)
        .where('tickets.expires_at_ms', '>', now)
        .where('sign_ins.expires_at_ms', '>', now)
        .where('sign_ins.ended_at_ms', 'is', null)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return {
        signIn: row.id,
        deviceKey: row.device_key,
        principal: row.principal,
        displayName: row.display_name,
        method: row.method,
        groups: parseGroups(row.groups),
        ticketExpiresAtMs: row.ticket_expires_at_ms,
        signInExpiresAtMs: row.sign_in_expires_at_ms,
      };
    },

    people: () => listPeople(state, clock()),

    async live(signIn) {
      if (ended.get(signIn) === true) return undefined;
      const row = await state
        .selectFrom('sign_ins')
        .selectAll()
        .where('id', '=', signIn)
        .where('ended_at_ms', 'is', null)
        .where('expires_at_ms', '>', clock())
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const actor = actorOf({
        signIn: row.id,
        deviceKey: row.device_key,
        principal: row.principal,
        displayName: row.display_name,
        method: row.method,
        groups: parseGroups(row.groups),
        signInExpiresAtMs: row.expires_at_ms,
      });
      return { actor, sinceMs: row.created_at_ms };
    },

    of: (what, id) =>
      state
        .selectFrom('sign_ins')
        .select(['id', 'principal'])
        .where(what === 'principal' ? 'principal' : 'device_key', '=', id)
        .where('ended_at_ms', 'is', null)
        .where('expires_at_ms', '>', clock())
        .execute(),
  };
}

/** Whoever an identity provider or a trusted platform vouched for: the root of every chain. */
export function actorOf(row: Omit<TicketRow, 'ticketExpiresAtMs'>): Actor {
  const { principal: id, displayName: name, method } = row;
  return {
    chain: [{ id, kind: method === 'workload' ? 'workload' : 'person', name, assurance: 'proven' }],
    scopes: [{}],
    groups: row.groups,
    signIn: row.signIn,
    deviceKey: row.deviceKey,
    expiresAtMs: row.signInExpiresAtMs,
  };
}

function newRefreshToken(signIn: string): string {
  return randomToken(`tlr_${signIn.slice('sgn_'.length)}_`);
}

/** Groups as this room wrote them. */
export function parseGroups(json: string): readonly string[] {
  const groups: unknown = JSON.parse(json);
  if (Array.isArray(groups) && groups.every((group): group is string => typeof group === 'string'))
    return groups;
  throw new TypeError('the groups of a sign-in are damaged');
}

interface Found {
  readonly groups: readonly string[];
  signIns: number;
  /** Of which no provider is asked. */
  unchecked: number;
  lastSeenAtMs: number;
}

/** One row a principal, last seen first; groups are those of the newest sign-in. */
async function listPeople(state: Kysely<StateSchema>, nowMs: number): Promise<readonly PersonRow[]> {
  const rows = await state
    .selectFrom('sign_ins')
    .select(['principal', 'groups', 'last_seen_at_ms', 'expires_at_ms', 'ended_at_ms'])
    .select((select) => select('provider_token', 'is not', null).as('checked'))
    .orderBy('created_at_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(identityLimits.peopleMax)
    .execute();
  const people = new Map<string, Found>();
  for (const row of rows) {
    const person = people.get(row.principal) ?? {
      groups: parseGroups(row.groups),
      signIns: 0,
      unchecked: 0,
      lastSeenAtMs: 0,
    };
    if (row.ended_at_ms === null && row.expires_at_ms > nowMs) {
      person.signIns += 1;
      // SQLite says 0 or 1, others false or true.
      if (!row.checked) person.unchecked += 1;
    }
    person.lastSeenAtMs = Math.max(person.lastSeenAtMs, row.last_seen_at_ms);
    people.set(row.principal, person);
  }
  return [...people]
    .sort(([, left], [, right]) => right.lastSeenAtMs - left.lastSeenAtMs)
    .map(([principal, person]) => ({
      principal,
      groups: person.groups,
      signIns: person.signIns,
      ...(person.signIns === 0 ? {} : { removal: person.unchecked === 0 ? 'next-check' : 'sign-in-end' }),
      lastSeenAt: new Date(person.lastSeenAtMs).toISOString(),
    }));
}
